"""Reverting an override."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from engine.domain.optimization import ActionContext, ActionResult, Override

T = TypeVar("T")


def revert_override(
    context: ActionContext, override: Override[T], unit: str, amount: Callable[[T, T], float], describe: Callable[[T], str]
) -> ActionResult:
    """Revert the last change of an override; `amount` takes the value before and the value now."""
    if context.dry_run:
        return ActionResult(0.0, unit, f"dry run: would revert the last change; now: {describe(override.current())}", done=False)
    changed = override.revert()
    if changed is None:
        return ActionResult(0.0, unit, f"nothing to revert; now: {describe(override.current())}", done=False)
    return ActionResult(amount(*changed), unit, f"reverted: {describe(changed[0])} -> {describe(changed[1])}")
