"""Health of the engine from the store: healthy, starting, degraded or down, and the reasons."""

from __future__ import annotations

import json
from dataclasses import dataclass

from engine import units
from engine.domain.record import Record

SECOND = 1_000_000_000  # ns
HEARTBEAT_SECONDS = 15.0  # a heartbeat older than this is no heartbeat
SLOWEST_TICK_SECONDS = 30.0  # a tick may be this late before the engine counts as stalled
START_SECONDS = 120.0  # and the first tick this late, and any tick that may wait for a training
AHEAD_SECONDS = 5.0  # a time further in the future was written by another clock and counts as missing
CLOCK_STEP_KEY = "clock step"  # key in the store's meta table of the last step of the clock


@dataclass(frozen=True, slots=True)
class ComponentState(Record):
    """The state that one part of the engine last reported."""

    component: str
    state: str  # ok, degraded, down or starting
    since: int  # ns UTC
    last_error: str | None


@dataclass(frozen=True, slots=True)
class ClockStep(Record):
    """The last time the wall clock was set, or the machine slept, while an engine ran."""

    at: int  # ns UTC, by the clock after the step
    seconds: float  # below 0 for a step back


@dataclass(frozen=True, slots=True)
class HealthInputs(Record):
    """The inputs of the health verdict. Times are ns UTC by the wall clock, None for never."""

    now: int
    heartbeat_at: int | None  # of the lease
    started_at: int | None  # when the lease was taken
    tick_interval_seconds: float
    tick: int | None  # the last one
    decided_at: int | None  # when the last tick was decided
    components: tuple[ComponentState, ...]
    ticks_counted: int  # number of last live ticks behind the clean-decision rate
    ticks_clean: int  # of these, the ticks without a fallback that had data
    open_alerts: int
    critical_alerts: tuple[tuple[str, str], ...] = ()  # rule and message of the open ones
    is_full: bool = False  # the disk of the store is full
    is_warmup: bool = False  # the last tick was decided during the warm-up
    clock_step: ClockStep | None = None

    @property
    def clean_rate(self) -> float | None:
        """The share of the last ticks without a fallback; None before the first."""
        return self.ticks_clean / self.ticks_counted if self.ticks_counted else None


@dataclass(frozen=True, slots=True)
class Health(Record):
    """The health verdict. `alive` means that an engine holds the store and its ticks are not stalled."""

    state: str  # healthy, starting, degraded or down
    alive: bool
    reasons: tuple[str, ...]


def discard_future_time(at: int | None, now: int) -> int | None:
    """Return the time; None for a time in the future, which another clock wrote, so that its age is unknown."""
    return None if at is None or is_in_future(at, now) else at


def is_in_future(at: int, now: int) -> bool:
    """Return whether a time (ns UTC) is more than 5 s in the future."""
    return at - now > AHEAD_SECONDS * SECOND


def parse_clock_step(text: str | None) -> ClockStep | None:
    """Read the last step of the clock from its JSON."""
    if text is None:
        return None
    values = json.loads(text)
    return ClockStep(int(values["at"]), float(values["seconds"]))


def recent_clock_step(step: ClockStep | None, now: int, seconds: float) -> ClockStep | None:
    """Return the step of the clock if it occurred in the given number of last seconds."""
    return step if step is not None and 0 <= now - step.at <= seconds * SECOND else None


def describe_clock_step(step: ClockStep) -> str:
    """Describe a step of the clock."""
    if step.seconds < 0:
        return f"the wall clock went back by {units.format_duration(-step.seconds)}"
    return f"the wall clock went forward by {units.format_duration(step.seconds)}: it was set, or the machine slept"


def judge_health(inputs: HealthInputs) -> Health:
    """Judge the inputs. Down: no engine, or a stalled one. Degraded: alive, with a faulty component or a critical alert."""
    dead = _no_engine(inputs) or _stalled(inputs)
    if dead:
        full = ("the disk of the store is full: the engine continues when there is space",) if inputs.is_full else ()
        return Health("down", False, (dead, *full))
    faulty = tuple(
        f"{part.component} is {part.state}: {part.last_error or 'no reason given'}"
        for part in inputs.components
        if part.state in {"degraded", "down"}
    )
    alerts = tuple(f"{rule}: {message}" for rule, message in inputs.critical_alerts if not _is_named(rule, inputs.components))
    if faulty or alerts:
        return Health("degraded", True, faulty + alerts)
    waiting = _waiting_for(inputs)
    return Health("starting", True, (waiting,)) if waiting else Health("healthy", True, ())


def _is_named(rule: str, components: tuple[ComponentState, ...]) -> bool:
    """Return whether the alert repeats the reason of a faulty component."""
    return any(part.state in {"degraded", "down"} and rule == f"{part.component} failing" for part in components)


def _no_engine(inputs: HealthInputs) -> str | None:
    if inputs.heartbeat_at is None:
        return "no engine runs on this store"
    if is_in_future(inputs.heartbeat_at, inputs.now):
        ahead = units.format_duration((inputs.heartbeat_at - inputs.now) / SECOND)
        return f"the engine's last heartbeat is dated {ahead} in the future and counts as missing: the clock went back, and none has followed"
    silent = (inputs.now - inputs.heartbeat_at) / SECOND
    return f"the engine's last heartbeat was {units.format_age(silent)} ago" if silent > HEARTBEAT_SECONDS else None


def _stalled(inputs: HealthInputs) -> str | None:
    if any(part.component == "feed" and part.state in {"degraded", "down"} for part in inputs.components):
        return None  # the feed delivers nothing to decide: that is the fault to name
    limit = max(SLOWEST_TICK_SECONDS, 5.0 * inputs.tick_interval_seconds)
    if inputs.is_warmup or inputs.tick_interval_seconds == 0:  # such a tick may wait for the models of a training
        limit = max(START_SECONDS, limit)
    started, decided, stepped = _times(inputs)
    first = decided is None or (started is not None and decided < started)
    since = max((at for at in (started if first else decided, stepped) if at is not None), default=None)
    if since is None:
        return None
    waited = (inputs.now - since) / SECOND
    if waited <= (max(START_SECONDS, limit) if first else limit):
        return None
    if since == stepped:
        return f"no tick for {units.format_age(waited)}, since {describe_clock_step(inputs.clock_step)}" if inputs.clock_step else None
    return f"no tick since the start {units.format_age(waited)} ago" if first else f"the last tick was decided {units.format_age(waited)} ago"


def _waiting_for(inputs: HealthInputs) -> str | None:
    """Return what a live engine still waits for before it is healthy."""
    if inputs.decided_at is not None and is_in_future(inputs.decided_at, inputs.now):
        ahead = units.format_duration((inputs.decided_at - inputs.now) / SECOND)
        return f"waiting for the next tick: the last is dated {ahead} in the future and counts as missing, because the clock went back"
    started, decided, _ = _times(inputs)
    if decided is None or (started is not None and decided < started):
        return "waiting for the first tick since the start"
    return None


def _times(inputs: HealthInputs) -> tuple[int | None, int | None, int | None]:
    """Return the times of the engine's start, its last decision and the last step of the clock; None where in the future."""
    now, step = inputs.now, inputs.clock_step
    return (
        discard_future_time(inputs.started_at, now),
        discard_future_time(inputs.decided_at, now),
        None if step is None else discard_future_time(step.at, now),
    )
