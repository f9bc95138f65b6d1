"""Every page says that the simulated market's relation is scheduled to change."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.pages.stores import NOW, beat, store
from tests.pages.test_clock_shown import words


def test_a_schedule_of_changes_is_shown_and_no_schedule_is_not(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        beat(tmp_path, NOW)
        assert "scheduled" not in words(url, NOW)
        with closing(sqlite3.connect(tmp_path / "podium.db")) as made, made:
            for session, text in made.execute("SELECT id, settings FROM sessions").fetchall():
                changed = json.dumps(json.loads(text) | {"sim_signal": 0.05, "sim_changes": "3000:flip,6000:none"})
                made.execute("UPDATE sessions SET settings = ? WHERE id = ?", (changed, session))
        shown = words(url, NOW)
    assert "The signal is scheduled to change: 3000:flip, 6000:none" in shown
