"""Restarts, reconnects or resets the components that do not work."""

from __future__ import annotations

from engine.domain.tuning import Action, Measured, Room


def recover(room: Room) -> Measured:
    """Components recovered. Each is recovered separately: one that fails is named and stops no other."""
    failing = room.levers.failing()
    if not failing:
        return Measured(0.0, "components", "nothing to recover: every component works", done=False)
    if room.dry_run:
        return Measured(0.0, "components", f"dry run: would recover {', '.join(failing)}", done=False)
    done: list[Measured] = []
    left: list[str] = []
    for place, component in enumerate(failing):
        room.tell(place / len(failing), component)
        try:
            measured = room.levers.recover(component)
        except (OSError, ValueError, RuntimeError) as error:
            left.append(f"{component}: {' '.join(str(error).split()) or type(error).__name__}")
            continue
        if measured.done:
            done.append(measured)
        else:
            left.append(measured.detail)
    detail = "; ".join([*(measured.detail for measured in done), *left])
    if not done:
        return Measured(0.0, "components", f"no component was recovered: {detail}", done=False)
    return Measured(float(len(done)), "components", detail)


ACTION = Action(
    name="recover_component",
    kind="error recovery",
    cures="engine.errors_last_minute",
    better=-1,
    cost="low",
    about="Restarts, reconnects or resets each component that is degraded or down, falls back to the previous model, or rebuilds a corrupt cache.",
    do=recover,
)
