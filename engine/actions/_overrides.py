"""Reverting an override."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from engine.domain.optimization import ActionContext, ActionResult, Override

T = TypeVar("T")


def back(room: ActionContext, dial: Override[T], unit: str, amount: Callable[[T, T], float], describe: Callable[[T], str]) -> ActionResult:
    """Revert the last change of an override; `amount` takes the value before and the value now."""
    if room.dry_run:
        return ActionResult(0.0, unit, f"dry run: would take back the last turn; in force now: {describe(dial.now())}", done=False)
    changed = dial.revert()
    if changed is None:
        return ActionResult(0.0, unit, f"nothing to take back; in force: {describe(dial.now())}", done=False)
    return ActionResult(amount(*changed), unit, f"taken back: {describe(changed[0])} -> {describe(changed[1])}")
