"""Reverting an override."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from engine.domain.tuning import Dial, Measured, Room

T = TypeVar("T")


def back(room: Room, dial: Dial[T], unit: str, amount: Callable[[T, T], float], describe: Callable[[T], str]) -> Measured:
    """Revert the last change of an override; `amount` takes the value before and the value now."""
    if room.dry_run:
        return Measured(0.0, unit, f"dry run: would take back the last turn; in force now: {describe(dial.now())}", done=False)
    changed = dial.back()
    if changed is None:
        return Measured(0.0, unit, f"nothing to take back; in force: {describe(dial.now())}", done=False)
    return Measured(amount(*changed), unit, f"taken back: {describe(changed[0])} -> {describe(changed[1])}")
