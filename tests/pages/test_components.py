"""Components: what is gone is never said to be well, and every figure has its n or "not enough data"."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine import units
from engine.store.read import components
from engine.store.read.components import CleanRate, Liveness
from engine.store.read.reader import Reader
from engine.store.read.status import read_status
from pages.components import charts, tables
from tests.pages.stores import store
from tests.pages.test_pages import run, text
from tests.store.made import WALL

ALIVE = Liveness(None, None, 0, None, 0, None, None, ())


@pytest.fixture(scope="module")
def reader(full_store: str) -> Reader:
    return Reader(full_store)


def test_an_engine_that_is_gone_has_no_part_that_is_well(full_store: str, tmp_path: Path) -> None:
    with store("engine down", full_store, tmp_path) as url:
        stats = read_status(Reader(url))
        app = run("08_components.py", url)
    lines = tables.list_states(stats, WALL * 2)
    assert {line.cells[1].text for line in lines if not isinstance(line.cells[1], str)} == {"down"}
    assert "last reported ok" in text(app)


def test_parts_of_a_living_engine_are_as_they_say(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        shown = text(run("08_components.py", url))
    assert "when it was last heard of" not in shown
    assert "a training took longer than its share" in shown
    assert "degraded" in shown


def test_what_was_left_out_of_the_recording_that_is_played_is_shown_below_the_feed(full_store: str, tmp_path: Path) -> None:
    line = "of 1,440 rows, 3 duplicate rows dropped; not read: ETH (Bars.csv: rename it to bars.csv)"
    with store("full", full_store, tmp_path) as url:
        assert tables.describe_recording(read_status(Reader(url))) == []
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as made:
            made.execute("INSERT INTO meta (key, value) VALUES ('recording', ?)", (line,))
            made.commit()
        assert f"O{line[1:]}." in text(run("08_components.py", url))


@pytest.mark.parametrize(
    ("honest", "value", "small"),
    [
        (CleanRate(0, 0, None, None, 0, 0), units.NOT_MEASURED, "no live tick yet; the warm-up does not count"),
        (CleanRate(4, 1, None, None, 16, 0), units.NOT_ENOUGH, "1 of 4 live ticks with a fallback"),
        (CleanRate(1_000, 2, 0.9927, 0.9995, 5_000, 0), "99.80 %", "95 %: 99.27 to 99.95 %; 2 of 1,000 live ticks with a fallback"),
    ],
)
def test_the_honest_rate_tells_what_it_rests_on(honest: CleanRate, value: str, small: str, reader: Reader) -> None:
    tile = tables.build_component_tiles(read_status(reader), honest, None, ALIVE, components.read_incidents(reader, limit=5), WALL)[0]
    assert tile.value == value
    assert small in tile.small


def test_fallbacks_are_named_with_their_phase_and_lead_to_their_decisions(full_store: str, tmp_path: Path) -> None:
    stats = components.read_fallbacks(Reader(full_store), limit=10)
    html = tables.render_fallbacks(stats)
    assert 'href="/decision?tick=119&amp;symbol=BTC"' in html
    assert "ValueError: made to fail" in html
    with store("full", full_store, tmp_path) as url:
        assert "Fallbacks" in text(run("08_components.py", url))


def test_a_fallback_is_marked_where_it_fell_into_the_line_of_ticks(reader: Reader) -> None:
    stats = components.read_latency(reader)
    assert stats is not None
    traces = json.loads(charts.plot_latency(stats).to_json())["data"]
    assert len(traces[0]["x"]) == len(stats.series)
    assert len(traces[-1]["x"]) == 2


def test_an_incident_that_lasts_is_marked_and_counted(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        with closing(sqlite3.connect(tmp_path / "podium.db")) as made, made:
            made.execute("INSERT INTO incidents (session, kind, symbol, since, until, detail) VALUES (1, 'volume_feed', 'ETH', 5, NULL, 'x12')")
        shown = text(run("08_components.py", url))
    assert "1 open" in shown
    assert "volume feed" in shown
    assert ">open<" in shown.replace("</span>open", ">open")


def test_without_incidents_and_fallbacks_it_says_so(full_store: str, tmp_path: Path) -> None:
    with store("young", full_store, tmp_path) as url:
        shown = text(run("08_components.py", url))
    assert "no phase has fallen back" in shown
    assert "no incident yet" in shown
    assert units.NOT_ENOUGH in shown
