"""Restarts, reconnects or resets the components that do not work."""

from __future__ import annotations

from engine.domain.optimization import Action, ActionContext, ActionResult


def recover_components(context: ActionContext) -> ActionResult:
    """Components recovered. Each is recovered separately: one that fails is named and stops no other."""
    failing = context.actuators.failing_components()
    if not failing:
        return ActionResult(0.0, "components", "nothing to recover: every component works", done=False)
    if context.dry_run:
        return ActionResult(0.0, "components", f"dry run: would recover {', '.join(failing)}", done=False)
    done: list[ActionResult] = []
    left: list[str] = []
    for place, component in enumerate(failing):
        context.report_progress(place / len(failing), component)
        try:
            measured = context.actuators.recover_component(component)
        except (OSError, ValueError, RuntimeError) as error:
            left.append(f"{component}: {' '.join(str(error).split()) or type(error).__name__}")
            continue
        if measured.done:
            done.append(measured)
        else:
            left.append(measured.detail)
    detail = "; ".join([*(measured.detail for measured in done), *left])
    if not done:
        return ActionResult(0.0, "components", f"no component was recovered: {detail}", done=False)
    return ActionResult(float(len(done)), "components", detail)


ACTION = Action(
    name="recover_component",
    kind="error recovery",
    metric="engine.errors_last_minute",
    better=-1,
    cost="low",
    description="Restarts, reconnects or resets each component that is degraded or down, returns to the previous model, or rebuilds a corrupt cache.",
    run=recover_components,
)
