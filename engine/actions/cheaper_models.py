"""Rests models that take much time and carry little weight."""

from __future__ import annotations

from engine import units
from engine.actions._overrides import revert_override
from engine.domain.optimization import Action, ActionContext, ActionResult, ModelCost

MIN_MODELS = 3  # models that keep serving: one more than a decision needs
MAX_WEIGHT = 0.25  # of the ensemble that may rest
MIN_SAVING_MS = 0.02  # ms per tick below which resting models gains nothing


def rest_models(context: ActionContext) -> ActionResult:
    """Milliseconds of forecasting saved per tick: the cost of the models that rest, each measured just before on the newest tick's columns.

    The most expensive models rest first, without those that would bring the resting weight above a quarter, until MIN_MODELS serve. They are
    still trained, and serve again when the action is undone, or after half an hour.
    """
    costs = context.actuators.model_costs()
    serving = [model for model in costs if model.serves]
    resting = context.actuators.resting_models.current()
    if not costs:
        return ActionResult(0.0, "ms", "nothing to rest: no model is fitted yet", done=False)
    chosen = _chosen(serving)
    saved = sum(model.ms for model in chosen)
    if saved < MIN_SAVING_MS:
        return ActionResult(0.0, "ms", f"nothing to rest: {_describe(serving)}", done=False)
    models = ", ".join(f"{model.name} ({units.format_ms(model.ms)}, {units.format_percent(model.weight, 0)} of the weight)" for model in chosen)
    summary = f"{models} of {len(serving)} models"
    if context.dry_run:
        return ActionResult(0.0, "ms", f"dry run: would rest {summary}", done=False)
    context.actuators.resting_models.apply(tuple(sorted({*resting, *(model.name for model in chosen)})))
    total = sum(model.ms for model in serving)
    return ActionResult(saved, "ms", f"{summary} rest from the next tick on; forecasting {units.format_change(total, total - saved, 'ms')} per tick")


def _chosen(serving: list[ModelCost]) -> list[ModelCost]:
    """The most expensive models, within the bounds."""
    chosen: list[ModelCost] = []
    weight = 0.0
    for model in sorted(serving, key=lambda model: -model.ms):
        if len(serving) - len(chosen) <= MIN_MODELS:
            break
        if weight + model.weight <= MAX_WEIGHT:
            chosen.append(model)
            weight += model.weight
    return chosen


def _describe(serving: list[ModelCost]) -> str:
    if len(serving) <= MIN_MODELS:
        return f"{len(serving)} models serve, and {MIN_MODELS} must"
    total = units.format_ms(sum(model.ms for model in serving))
    return f"{len(serving)} models take {total} per tick, and none both takes time and carries little weight"


def wake_models(context: ActionContext) -> ActionResult:
    """The number of models that serve again."""
    return revert_override(
        context,
        context.actuators.resting_models,
        "models",
        lambda was, now: float(len(was) - len(now)),
        lambda names: f"{', '.join(names) or 'none'} rest",
    )


ACTION = Action(
    name="cheaper_models",
    kind="cpu",
    metric="engine.tick_ms",
    better=-1,
    cost="none",
    description="Rests up to half of the models, those that take the most time for the least weight; decisions are then made without them.",
    run=rest_models,
    changes_decisions=True,
    undo=wake_models,
)
