"""What is wrong and for how long, who is to hear of it, and what was proved by a drill: the records."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.record import Record

SEVERITIES = ("info", "warning", "critical")
ALL = "all"  # the rule of a silence that covers every rule
MESSAGE_KINDS = ("opened", "resolved", "escalated", "drill")  # of messages
WAITING, SENT, JOINED, FAILED = "waiting", "sent", "joined", "failed"  # of deliveries; joined: told in the message of another alert


@dataclass(frozen=True, slots=True)
class AlertRule(Record):
    """When an alert is raised, when it is over, and with which others it is told."""

    name: str
    severity: str  # of SEVERITIES
    group: str  # alerts of a group that are told at the same time share a message
    about: str  # what to do, in one sentence
    fire_after: float = 0.0  # s it must be wrong, without a break, before it is raised
    resolve_after: float = 30.0  # s it must be well, without a break, before it is resolved
    inhibits: bool = False  # while it is open, the others of its group follow from it and are not told apart


@dataclass(frozen=True, slots=True)
class RuleObservation(Record):
    """What one look at a rule found."""

    rule: str
    firing: bool | None  # None: it cannot be told
    message: str = ""
    value: float | None = None


@dataclass(frozen=True, slots=True)
class AlertRuleState(Record):
    """A rule between two looks. Times are seconds of a monotonic clock."""

    open: bool = False
    wrong_since: float | None = None  # wrong without a break since then, None while it is well
    well_since: float | None = None  # well without a break since then, while it is open
    last_known: float | None = None  # the last look that could tell


@dataclass(frozen=True, slots=True)
class Alert(Record):
    """One alert, as the store keeps it."""

    id: int
    at: int  # ns UTC
    rule: str
    severity: str
    state: str  # open, resolved
    message: str
    acked_by: str | None = None
    acked_at: int | None = None
    resolved_at: int | None = None
    escalated_at: int | None = None


@dataclass(frozen=True, slots=True)
class Silence(Record):
    """Nothing of a rule is told until then."""

    id: int
    at: int  # ns UTC
    until: int
    rule: str  # or "all"
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Delivery(Record):
    """A message to one target. `target` is its masked address, never the address itself."""

    id: int
    alert: int  # its number; below 0 for a drill
    at: int  # ns UTC
    kind: str  # of KINDS
    target: str
    message: str  # the first line is its title
    status: str  # waiting, sent, joined, failed
    tries: int
    next_at: int | None  # ns UTC
    severity: str = "info"


@dataclass(frozen=True, slots=True)
class AlertMessage(Record):
    """What is to be told: one text for all the alerts it covers, the first of which it is kept under."""

    alerts: tuple[int, ...]
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class FaultRecovery(Record):
    """A fault that was mended without a person, or is being mended."""

    at: int  # ns UTC, when it broke
    component: str
    fault: str
    how: str | None  # what mended it
    tries: int
    recovered_at: int | None  # ns UTC


@dataclass(frozen=True, slots=True)
class DrillCheck(Record):
    """One part of a drill."""

    name: str  # kill switch, stop, alert path
    passed: bool
    detail: str  # what was done and seen, in one sentence
    seconds: float


@dataclass(frozen=True, slots=True)
class Drill(Record):
    """A drill, as the store keeps it."""

    at: int  # ns UTC
    passed: bool
    seconds: float
    checks: tuple[DrillCheck, ...]
    by: str


@dataclass(frozen=True, slots=True)
class EngineProgress(Record):
    """How an engine gets on with deciding. Spans are measured by the monotonic clock: the wall clock may be set, and the machine may sleep."""

    up_seconds: float  # since this engine took the store
    silent_seconds: float | None = None  # since its newest decision, None before the first
    tick_interval_seconds: float = 0.0  # between ticks as it is now, 0 for as fast as it goes
    is_warming_up: bool = False  # more ticks of the warm-up are to come
    is_training: bool = False  # the tick in hand waits for the models of a training


@dataclass(frozen=True, slots=True)
class AlertInputs(Record):
    """All that the rules look at. None for what is not known; times are ns UTC."""

    now: int
    progress: EngineProgress | None = None
    last_decided_at: int | None = None  # when the newest tick was decided
    is_warmup: bool = False  # the newest tick was decided while warming up on history
    ended: bool = False  # the recording has ended, nothing more is to be decided
    ticks: int = 0  # the newest ticks looked at for the honest rate
    clean_ticks: int = 0  # of them, those without a fallback
    fresh_symbols: int | None = None  # symbols whose gate "fresh data" was open at the newest tick, or shut by a repeat that is no incident yet
    faulty_symbols: tuple[str, ...] = ()  # symbols for which a fault of the data shut it, each with the fault in words
    symbols: int | None = None
    incidents: tuple[str, ...] = ()  # open ones, in words
    failed_gates: tuple[tuple[str, float | None, float | None], ...] = ()  # gates shut at the newest tick: name, value, limit
    store_bytes: int | None = None
    store_limit: int | None = None
    disk_used: float | None = None  # share of the file system of PODIUM_HOME, 0..1
    ticks_since_training: int | None = None  # since the newest training's data ended, or since the session began
    training_due: int | None = None  # of those after which there should have been one
    harmed: tuple[str, ...] = ()  # actions that harmed in the last hour, or are quarantined
    store_moved: str | None = None  # in the last hour the file of the store was deleted or replaced: what happened and what was done
    failed_drill: str | None = None  # what did not pass in the newest drill
