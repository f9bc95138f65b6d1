"""Says how the engine is from what stands in the store: healthy, starting, degraded or down, and why."""

from __future__ import annotations

import json
from dataclasses import dataclass

from engine.domain.record import Record

SECOND = 1_000_000_000  # ns
HEARTBEAT_SECONDS = 15.0  # a heartbeat older than this is no heartbeat
SLOWEST_TICK_SECONDS = 30.0  # a tick may be this late before the engine counts as stalled
START_SECONDS = 120.0  # and the first tick this late, and any tick that may wait for a training
AHEAD_SECONDS = 5.0  # a time further in the future than this was written by another clock: it counts as none
CLOCK_STEP_KEY = "clock step"  # in the store's meta, under which the engine keeps the last step of the clock


@dataclass(frozen=True, slots=True)
class ComponentState(Record):
    """One part of the engine, as it last reported itself."""

    component: str
    state: str  # ok, degraded, down or starting
    since: int  # ns UTC
    last_error: str | None


@dataclass(frozen=True, slots=True)
class ClockStep(Record):
    """The last time the wall clock was set, or the machine slept, while an engine ran."""

    at: int  # ns UTC, by the clock as it was set
    seconds: float  # below 0: back


@dataclass(frozen=True, slots=True)
class HealthInputs(Record):
    """What health is judged from. Times are ns UTC by the wall clock, None for never."""

    now: int
    heartbeat_at: int | None  # of the lease
    started_at: int | None  # when the lease was taken
    tick_interval_seconds: float
    tick: int | None  # the last one
    decided_at: int | None  # when it was decided
    components: tuple[ComponentState, ...]
    ticks_counted: int  # the last live ticks looked at for the honest-decision rate
    ticks_clean: int  # of them, those in which no phase fell back
    open_alerts: int
    critical_alerts: tuple[tuple[str, str], ...] = ()  # rule and message of those that are open
    is_full: bool = False  # the disk of the store has no room
    is_warmup: bool = False  # the last tick was decided while warming up
    clock_step: ClockStep | None = None

    @property
    def clean_rate(self) -> float | None:
        """Share of the last ticks decided without a fallback; None before the first."""
        return self.ticks_clean / self.ticks_counted if self.ticks_counted else None


@dataclass(frozen=True, slots=True)
class Health(Record):
    """The verdict. `alive`: an engine holds the store and its ticks are not stalled."""

    state: str  # healthy, starting, degraded or down
    alive: bool
    reasons: tuple[str, ...]


def discard_future_time(at: int | None, now: int) -> int | None:
    """The time, None for one from the future: another clock wrote it, so nobody knows how long ago that was."""
    return None if at is None or is_in_future(at, now) else at


def is_in_future(at: int, now: int) -> bool:
    """Whether a time (ns UTC) lies more than 5 s in the future."""
    return at - now > AHEAD_SECONDS * SECOND


def parse_clock_step(text: str | None) -> ClockStep | None:
    """The last step of the clock, as the engine keeps it in JSON."""
    if text is None:
        return None
    told = json.loads(text)
    return ClockStep(int(told["at"]), float(told["seconds"]))


def recent_clock_step(step: ClockStep | None, now: int, seconds: float) -> ClockStep | None:
    """The step of the clock, where it was in the last so many seconds."""
    return step if step is not None and 0 <= now - step.at <= seconds * SECOND else None


def describe_clock_step(step: ClockStep) -> str:
    """A step of the clock in words."""
    if step.seconds < 0:
        return f"the wall clock went back by {-step.seconds:,.0f} s"
    return f"the wall clock went forward by {step.seconds:,.0f} s: it was set, or the machine slept"


def judge_health(vitals: HealthInputs) -> Health:
    """Down: no engine, or one that has stalled. Degraded: alive, with a component that is not well or a critical alert."""
    dead = _no_engine(vitals) or _stalled(vitals)
    if dead:
        full = ("the disk of the store is full: the engine goes on when there is room",) if vitals.is_full else ()
        return Health("down", False, (dead, *full))
    unwell = tuple(
        f"{one.component} is {one.state}: {one.last_error or 'no reason given'}" for one in vitals.components if one.state in {"degraded", "down"}
    )
    alerts = tuple(f"{rule}: {message}" for rule, message in vitals.critical_alerts if not _is_named(rule, vitals.components))
    if unwell or alerts:
        return Health("degraded", True, unwell + alerts)
    waiting = _waits(vitals)
    return Health("starting", True, (waiting,)) if waiting else Health("healthy", True, ())


def _is_named(rule: str, components: tuple[ComponentState, ...]) -> bool:
    """Whether the alert says no more than a component that is a reason already."""
    return any(part.state in {"degraded", "down"} and rule == f"{part.component} failing" for part in components)


def _no_engine(vitals: HealthInputs) -> str | None:
    if vitals.heartbeat_at is None:
        return "no engine runs on this store"
    if is_in_future(vitals.heartbeat_at, vitals.now):
        ahead = (vitals.heartbeat_at - vitals.now) / SECOND
        return f"the engine's last heartbeat is dated {ahead:,.0f} s in the future and counts as none: the clock went back, and none came since"
    silent = (vitals.now - vitals.heartbeat_at) / SECOND
    return f"the engine's last heartbeat was {silent:.0f} s ago" if silent > HEARTBEAT_SECONDS else None


def _stalled(vitals: HealthInputs) -> str | None:
    if any(one.component == "feed" and one.state in {"degraded", "down"} for one in vitals.components):
        return None  # the feed gives nothing to decide: that is the fault to name
    limit = max(SLOWEST_TICK_SECONDS, 5.0 * vitals.tick_interval_seconds)
    if vitals.is_warmup or vitals.tick_interval_seconds == 0:  # such a tick waits for the models of a training
        limit = max(START_SECONDS, limit)
    started, decided, stepped = _times(vitals)
    first = decided is None or (started is not None and decided < started)
    since = max((at for at in (started if first else decided, stepped) if at is not None), default=None)
    if since is None:
        return None
    waited = (vitals.now - since) / SECOND
    if waited <= (max(START_SECONDS, limit) if first else limit):
        return None
    if since == stepped:
        return f"no tick for {waited:.0f} s, since {describe_clock_step(vitals.clock_step)}" if vitals.clock_step else None
    return f"no tick since the start {waited:.0f} s ago" if first else f"the last tick was decided {waited:.0f} s ago"


def _waits(vitals: HealthInputs) -> str | None:
    """What an engine that is alive has yet to do before it is healthy."""
    if vitals.decided_at is not None and is_in_future(vitals.decided_at, vitals.now):
        ahead = (vitals.decided_at - vitals.now) / SECOND
        return f"waiting for the next tick: the last is dated {ahead:,.0f} s in the future and counts as none, because the clock went back"
    started, decided, _ = _times(vitals)
    if decided is None or (started is not None and decided < started):
        return "waiting for the first tick since the start"
    return None


def _times(vitals: HealthInputs) -> tuple[int | None, int | None, int | None]:
    """When the engine took the store, when it last decided, and when the clock was last set: None where that is in the future."""
    now, step = vitals.now, vitals.clock_step
    return (
        discard_future_time(vitals.started_at, now),
        discard_future_time(vitals.decided_at, now),
        None if step is None else discard_future_time(step.at, now),
    )
