"""Polls less often: first the probes, the inbox and the heartbeats, then the tick."""

from __future__ import annotations

from dataclasses import replace

from engine import units
from engine.actions._overrides import revert_override
from engine.domain.optimization import Action, ActionContext, ActionResult, PollingIntervals

SLOWEST = PollingIntervals(probes=2.0, commands=2.0, heartbeats=30.0, ticks=0.0)  # s, in the first step
SLOWER_TICKS = 2.0  # times the configured interval, in the second step


def slow_polling(context: ActionContext) -> ActionResult:
    """The reduction in runs per minute of everything that is polled.

    The tick is slowed to twice its interval only where it has a fixed interval, and only once everything else is slow. Decisions stay the same, but
    come later.
    """
    override = context.actuators.polling
    now, usual = override.current(), override.default()
    desired = _slower(now, usual)
    if desired == now:
        return ActionResult(0.0, "runs per minute", f"nothing left to slow: {_describe(now)}", done=False)
    summary = f"{_describe(now)} -> {_describe(desired)}"
    if context.dry_run:
        return ActionResult(0.0, "runs per minute", f"dry run: would go from {summary}", done=False)
    override.apply(desired)
    return ActionResult(_runs_per_minute(now) - _runs_per_minute(desired), "runs per minute", summary)


def _slower(now: PollingIntervals, usual: PollingIntervals) -> PollingIntervals:
    first = replace(
        now, probes=max(now.probes, SLOWEST.probes), commands=max(now.commands, SLOWEST.commands), heartbeats=max(now.heartbeats, SLOWEST.heartbeats)
    )
    return first if first != now else replace(now, ticks=max(now.ticks, SLOWER_TICKS * usual.ticks))


def _runs_per_minute(pace: PollingIntervals) -> float:
    return sum(60.0 / seconds for seconds in (pace.probes, pace.commands, pace.heartbeats, pace.ticks) if seconds > 0)


def restore_polling(context: ActionContext) -> ActionResult:
    """The increase in runs per minute."""
    return revert_override(
        context, context.actuators.polling, "runs per minute", lambda was, now: _runs_per_minute(now) - _runs_per_minute(was), _describe
    )


def _describe(pace: PollingIntervals) -> str:
    ticks = f", ticks every {units.format_setting(pace.ticks, 's')}" if pace.ticks else ""
    probes, commands, heartbeats = (units.format_setting(seconds, "s") for seconds in (pace.probes, pace.commands, pace.heartbeats))
    return f"probes every {probes}, commands every {commands}, heartbeats every {heartbeats}{ticks}"


ACTION = Action(
    name="slow_polling",
    kind="cpu",
    metric="process.cpu_percent",
    better=-1,
    cost="none",
    description="Reads the machine and the inbox less often; where that is done and the tick has a fixed interval, doubles that interval.",
    run=slow_polling,
    undo=restore_polling,
)
