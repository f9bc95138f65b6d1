"""Taking back what an action turned."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from engine.domain.optimization import ActionContext, ActionResult, Override

T = TypeVar("T")


def revert_override(room: ActionContext, dial: Override[T], unit: str, amount: Callable[[T, T], float], say: Callable[[T], str]) -> ActionResult:
    """Turns a dial back to what it was before the last turn; `amount` is of what was in force and what is now."""
    if room.dry_run:
        return ActionResult(0.0, unit, f"dry run: would take back the last turn; in force now: {say(dial.current())}", done=False)
    changed = dial.revert()
    if changed is None:
        return ActionResult(0.0, unit, f"nothing to take back; in force: {say(dial.current())}", done=False)
    return ActionResult(amount(*changed), unit, f"taken back: {say(changed[0])} -> {say(changed[1])}")
