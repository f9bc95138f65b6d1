"""The rows of picked ticks are ascending, now and as of a past tick."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.store.read.past_ticks import find_past_tick
from engine.store.read.reader import Reader
from engine.store.read.tick_rows import fetch_ticks
from tests.store import made


@pytest.mark.parametrize("past_tick", [None, 20])
def test_picked_ticks_are_ascending(tmp_path: Path, past_tick: int | None) -> None:
    url = made.filled(tmp_path, ticks=24, evolves=False)
    reader = Reader(url, past=None if past_tick is None else find_past_tick(Reader(url), past_tick))
    expected = [tick for tick in (3, 7, 11, 20, 22) if past_tick is None or tick <= past_tick]
    assert fetch_ticks(reader, [22, 7, 20, 11, 3] if past_tick else [3, 7, 11, 20, 22], ("tick", "equity"))["tick"].tolist() == expected
