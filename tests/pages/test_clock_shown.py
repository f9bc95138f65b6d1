"""What every page says of times from the future and of a clock that was set."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from engine.health import CLOCK_STEP_KEY
from engine.store.read import status as read_status
from engine.store.read.reader import Reader
from pages.ui import banners, frame
from tests.pages.stores import NOW, SECOND, beat, store

HOUR = 3_600 * SECOND


def words(url: str, now: int) -> str:
    """The state and the banners, as text."""
    status = read_status.read_status(Reader(url))
    health = banners.judge_status(status, now)
    return " | ".join(
        [health.state, *(f"{banner.word} {banner.text}" for banner in banners.build_banners(status, health, now)), *frame._facts(status, now)]
    )


def test_a_heartbeat_and_a_tick_from_the_future_count_as_none_on_every_page(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        beat(tmp_path, NOW)
        shown = words(url, NOW - 4 * HOUR)
        assert not words(url, NOW).startswith("down")
    assert shown.startswith("down | Engine down. The engine's last heartbeat is dated 4.0 h")
    assert "counts as missing" in shown
    assert "decided at a time in the future" in shown
    assert "ago" not in shown


def test_a_step_of_the_clock_is_shown_on_every_page_for_ten_minutes(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        beat(tmp_path, NOW)
        with closing(sqlite3.connect(tmp_path / "podium.db")) as made, made:
            made.execute("INSERT INTO meta VALUES (?, ?)", (CLOCK_STEP_KEY, json.dumps({"at": NOW - 60 * SECOND, "seconds": -14_400.0})))
        shown, later = words(url, NOW), words(url, NOW + 541 * SECOND)
    assert "Clock set. The wall clock went back by 4.0 h. Times before" in shown
    assert "Clock set." not in later
