"""The section Streams: only on a live market, every figure measured or said to be unknown."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from engine.store.read.streams import TickDelay
from pages.components import streams as section
from tests.pages.stores import store
from tests.pages.test_pages import run, text

ROW = "INSERT INTO stream_status VALUES ('AAA', 'book', 'stale', 5, 12345, NULL, 2, 1, 0, 0, 0, NULL, 250.0, 'silent for 40 s', 5)"


def change(url: str, *statements: str) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as made:
        for statement in statements:
            made.execute(statement)
        made.commit()


def test_a_market_that_is_not_live_has_no_streams(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        shown = text(run("08_components.py", url))
    assert "Streams" not in shown
    assert "Age of inputs" not in shown


def test_a_live_market_shows_its_streams_and_says_what_is_not_there_yet(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        change(url, "UPDATE sessions SET feed = 'live', simulated = 0")
        shown = text(run("08_components.py", url))
        assert "waiting for the first report of the streams" in shown
        assert "waiting for the first live tick" in shown
        change(url, ROW)
        shown = text(run("08_components.py", url))
    assert "silent for 40 s" in shown
    assert "not measured yet" in shown
    assert "250 ms" in shown


def test_a_line_breaks_where_a_value_is_unknown() -> None:
    delays = (TickDelay(1, 0, 40.0, None, 600.0), TickDelay(2, 60, None, None, 650.0))
    drawn = section.plot_delays(delays)
    assert [trace["y"] for trace in drawn.data] == [[40.0, None], [None, None], [600.0, 650.0]]
