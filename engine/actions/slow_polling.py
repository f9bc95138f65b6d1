"""Asks less often for what is asked again and again: first the probes, the inbox and the signs of life, then the tick."""

from __future__ import annotations

from dataclasses import replace

from engine.actions._overrides import revert_override
from engine.domain.optimization import Action, ActionContext, ActionResult, PollingIntervals

SLOWEST = PollingIntervals(probes=2.0, commands=2.0, heartbeats=30.0, ticks=0.0)  # s, in the first step
SLOWER_TICKS = 2.0  # times the seconds as set up, in the second step


def slow_polling(room: ActionContext) -> ActionResult:
    """Runs a minute less, of all that is asked again and again.

    The tick is slowed, to twice its seconds, only where its pace is set and only once everything else is slow. What is decided is the same, later.
    """
    dial = room.actuators.polling
    now, usual = dial.current(), dial.default()
    wanted = _slower(now, usual)
    if wanted == now:
        return ActionResult(0.0, "runs a minute", f"nothing left to slow: {_words(now)}", done=False)
    told = f"{_words(now)} -> {_words(wanted)}"
    if room.dry_run:
        return ActionResult(0.0, "runs a minute", f"dry run: would go from {told}", done=False)
    dial.apply(wanted)
    return ActionResult(_often(now) - _often(wanted), "runs a minute", told)


def _slower(now: PollingIntervals, usual: PollingIntervals) -> PollingIntervals:
    first = replace(now, **{name: max(getattr(now, name), getattr(SLOWEST, name)) for name in ("probes", "commands", "board")})
    return first if first != now else replace(now, ticks=max(now.ticks, SLOWER_TICKS * usual.ticks))


def _often(pace: PollingIntervals) -> float:
    """Runs a minute."""
    return sum(60.0 / seconds for seconds in (pace.probes, pace.commands, pace.heartbeats, pace.ticks) if seconds > 0)


def restore_polling(room: ActionContext) -> ActionResult:
    """Runs a minute more than were in force."""
    return revert_override(room, room.actuators.polling, "runs a minute", lambda was, now: _often(now) - _often(was), _words)


def _words(pace: PollingIntervals) -> str:
    ticks = f", ticks every {pace.ticks:g} s" if pace.ticks else ""
    return f"probes every {pace.probes:g} s, commands every {pace.commands:g} s, signs of life every {pace.heartbeats:g} s{ticks}"


ACTION = Action(
    name="slow_polling",
    kind="cpu",
    metric="process.cpu_percent",
    better=-1,
    cost="none",
    description="Reads the machine and the inbox less often; where that was done and the tick has a set pace, halves the tick's pace.",
    run=slow_polling,
    undo=restore_polling,
)
