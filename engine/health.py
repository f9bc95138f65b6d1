"""Says how the engine is from what stands in the store: healthy, starting, degraded or down, and why."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.record import Record

SECOND = 1_000_000_000  # ns
BEAT_SECONDS = 15.0  # a heartbeat older than this is no heartbeat
SLOWEST_TICK_SECONDS = 30.0  # a tick may be this late before the engine counts as stalled
START_SECONDS = 120.0  # and the first tick this late


@dataclass(frozen=True, slots=True)
class ComponentState(Record):
    """One part of the engine, as it last reported itself."""

    component: str
    state: str  # ok, degraded, down or starting
    since: int  # ns UTC
    last_error: str | None


@dataclass(frozen=True, slots=True)
class Vitals(Record):
    """What health is judged from. Times are ns UTC by the wall clock, None for never."""

    now: int
    beat: int | None  # of the lease
    started: int | None  # when the lease was taken
    pace_seconds: float
    tick: int | None  # the last one
    decided: int | None  # when it was decided
    components: tuple[ComponentState, ...]
    ticks_counted: int  # the last live ticks looked at for the honest-decision rate
    ticks_honest: int  # of them, those in which no phase fell back
    open_alerts: int
    critical_alerts: tuple[tuple[str, str], ...] = ()  # rule and message of those that are open
    is_full: bool = False  # the disk of the store has no room

    @property
    def honest_rate(self) -> float | None:
        """Share of the last ticks decided without a fallback; None before the first."""
        return self.ticks_honest / self.ticks_counted if self.ticks_counted else None


@dataclass(frozen=True, slots=True)
class Health(Record):
    """The verdict. `alive`: an engine holds the store and its ticks are not stalled."""

    state: str  # healthy, starting, degraded or down
    alive: bool
    reasons: tuple[str, ...]


def judge(vitals: Vitals) -> Health:
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
    if vitals.decided is None or (vitals.started is not None and vitals.decided < vitals.started):
        return Health("starting", True, ("waiting for the first tick since the start",))
    return Health("healthy", True, ())


def _is_named(rule: str, components: tuple[ComponentState, ...]) -> bool:
    """Whether the alert says no more than a component that is a reason already."""
    return any(part.state in {"degraded", "down"} and rule == f"{part.component} failing" for part in components)


def _no_engine(vitals: Vitals) -> str | None:
    if vitals.beat is None:
        return "no engine runs on this store"
    silent = (vitals.now - vitals.beat) / SECOND
    return f"the engine's last heartbeat was {silent:.0f} s ago" if silent > BEAT_SECONDS else None


def _stalled(vitals: Vitals) -> str | None:
    if any(one.component == "feed" and one.state in {"degraded", "down"} for one in vitals.components):
        return None  # the feed gives nothing to decide: that is the fault to name
    limit = max(SLOWEST_TICK_SECONDS, 5.0 * vitals.pace_seconds)
    if vitals.started is not None and (vitals.decided is None or vitals.decided < vitals.started):
        waited = (vitals.now - vitals.started) / SECOND
        return f"no tick since the start {waited:.0f} s ago" if waited > max(START_SECONDS, limit) else None
    silent = (vitals.now - vitals.decided) / SECOND if vitals.decided is not None else 0.0
    return f"the last tick was decided {silent:.0f} s ago" if silent > limit else None
