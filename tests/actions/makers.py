"""Makes the room an action is given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engine.domain.tuning import Levers, Measured, Room
from engine.shell.levers import NoEngine

NOW = 1_700_000_000 * 1_000_000_000  # ns UTC


def nothing_tuned() -> Measured:
    raise AssertionError("the store is not this action's")


def room(
    home: Path,
    *,
    dry_run: bool = False,
    tune_store: Callable[[], Measured] = nothing_tuned,
    told: list[tuple[float, str]] | None = None,
    now: int = NOW,
    levers: Levers | None = None,
) -> Room:
    said = [] if told is None else told
    return Room(home, home / "tmp", tune_store, lambda progress, word: said.append((progress, word)), dry_run, now, levers or NoEngine())
