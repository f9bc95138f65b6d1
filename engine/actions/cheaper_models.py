"""Lets models rest that take much time and carry little weight."""

from __future__ import annotations

from engine.actions._overrides import revert_override
from engine.domain.optimization import Action, ActionContext, ActionResult, ModelCost

MIN_MODELS = 3  # models that serve on: one more than a decision asks for
MAX_WEIGHT = 0.25  # of the ensemble that may rest
MIN_SAVING_MS = 0.02  # ms a tick below which nothing is gained


def rest_models(room: ActionContext) -> ActionResult:
    """Milliseconds of forecasting saved a tick: the cost of the models that rest, each measured just before on the newest tick's columns.

    The dearest rest first, one after the other, but for those with which more than a quarter of the weight would rest, until FEWEST serve. They go on
    being trained, and serve again when it is undone, or by themselves after half an hour.
    """
    costs = room.actuators.model_costs()
    serving = [one for one in costs if one.serves]
    resting = room.actuators.resting_models.current()
    if not costs:
        return ActionResult(0.0, "ms", "nothing to let rest: no model is fitted yet", done=False)
    chosen = _chosen(serving)
    saved = sum(one.ms for one in chosen)
    if saved < MIN_SAVING_MS:
        return ActionResult(0.0, "ms", f"nothing to let rest: {_words(serving)}", done=False)
    told = f"{', '.join(f'{one.name} ({one.ms:.2f} ms, {one.weight:.0%} of the weight)' for one in chosen)} of {len(serving)} models"
    if room.dry_run:
        return ActionResult(0.0, "ms", f"dry run: would let rest {told}", done=False)
    room.actuators.resting_models.apply(tuple(sorted({*resting, *(one.name for one in chosen)})))
    total = sum(one.ms for one in serving)
    return ActionResult(saved, "ms", f"{told} rest from the next tick on; forecasting {total:.2f} -> {total - saved:.2f} ms a tick")


def _chosen(serving: list[ModelCost]) -> list[ModelCost]:
    """The dearest, within the bounds."""
    chosen: list[ModelCost] = []
    weight = 0.0
    for one in sorted(serving, key=lambda one: -one.ms):
        if len(serving) - len(chosen) <= MIN_MODELS:
            break
        if weight + one.weight <= MAX_WEIGHT:
            chosen.append(one)
            weight += one.weight
    return chosen


def _words(serving: list[ModelCost]) -> str:
    if len(serving) <= MIN_MODELS:
        return f"{len(serving)} models serve, and {MIN_MODELS} are to"
    return f"{len(serving)} models take {sum(one.ms for one in serving):.2f} ms a tick, and none both takes time and carries little weight"


def wake_models(room: ActionContext) -> ActionResult:
    """Models that serve again."""
    return revert_override(
        room, room.actuators.resting_models, "models", lambda was, now: float(len(was) - len(now)), lambda names: f"{', '.join(names) or 'none'} rest"
    )


ACTION = Action(
    name="cheaper_models",
    kind="cpu",
    metric="engine.tick_ms",
    better=-1,
    cost="none",
    description="Lets up to half of the models rest that take the most time for the least weight; decisions are then made without them.",
    run=rest_models,
    changes_decisions=True,
    undo=wake_models,
)
