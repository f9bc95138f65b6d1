"""Taking back what an action turned."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from engine.domain.tuning import Dial, Measured, Room

T = TypeVar("T")


def back(room: Room, dial: Dial[T], unit: str, amount: Callable[[T, T], float], say: Callable[[T], str]) -> Measured:
    """Turns a dial back to what it was before the last turn; `amount` is of what was in force and what is now."""
    if room.dry_run:
        return Measured(0.0, unit, f"dry run: would take back the last turn; in force now: {say(dial.now())}", done=False)
    changed = dial.back()
    if changed is None:
        return Measured(0.0, unit, f"nothing to take back; in force: {say(dial.now())}", done=False)
    return Measured(amount(*changed), unit, f"taken back: {say(changed[0])} -> {say(changed[1])}")
