"""Records of alerting: rules and their states, alerts, messages and deliveries, drills, and the inputs of the rules."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.record import Record

SEVERITIES = ("info", "warning", "critical")
ALL = "all"  # the rule of a silence that covers every rule
MESSAGE_KINDS = ("opened", "resolved", "escalated", "drill")  # of messages
WAITING, SENT, JOINED, FAILED = "waiting", "sent", "joined", "failed"  # of deliveries; joined: part of another alert's message


@dataclass(frozen=True, slots=True)
class AlertRule(Record):
    """When an alert is raised and resolved, and which alerts share a message."""

    name: str
    severity: str  # of SEVERITIES
    group: str  # alerts of one group that are raised together share a message
    about: str  # the remedy, in one sentence
    fire_after: float = 0.0  # s that the fault must last without a break before the alert is raised
    resolve_after: float = 30.0  # s without the fault, without a break, before the alert is resolved
    inhibits: bool = False  # while it is open, the other alerts of its group follow from it and send no message


@dataclass(frozen=True, slots=True)
class RuleObservation(Record):
    """The result of one evaluation of a rule."""

    rule: str
    firing: bool | None  # None where unknown
    message: str = ""
    value: float | None = None


@dataclass(frozen=True, slots=True)
class AlertRuleState(Record):
    """The state of a rule between two evaluations. Times are seconds of a monotonic clock."""

    open: bool = False
    wrong_since: float | None = None  # begin of the uninterrupted fault, None without one
    well_since: float | None = None  # begin of the uninterrupted time without a fault, while the alert is open
    last_known: float | None = None  # the last evaluation with a known result


@dataclass(frozen=True, slots=True)
class Alert(Record):
    """One alert, as stored."""

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
    """A rule sends no messages until the given time."""

    id: int
    at: int  # ns UTC
    until: int
    rule: str  # or "all"
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Delivery(Record):
    """A message to one target. `target` is the label of its address, never the address itself."""

    id: int
    alert: int  # number of the alert; below 0 for a drill
    at: int  # ns UTC
    kind: str  # of KINDS
    target: str
    message: str  # the first line is its title
    status: str  # waiting, sent, joined, failed
    tries: int
    next_at: int | None  # ns UTC
    severity: str = "info"
    event: int | None = None  # that a webhook is sent; None for a message about alerts


@dataclass(frozen=True, slots=True)
class AlertMessage(Record):
    """One text for all the alerts that it covers; it is stored under the first."""

    alerts: tuple[int, ...]
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class FaultRecovery(Record):
    """A fault that was repaired automatically, or is being repaired."""

    at: int  # ns UTC of the fault
    component: str
    fault: str
    how: str | None  # the remedy that worked
    tries: int
    recovered_at: int | None  # ns UTC


@dataclass(frozen=True, slots=True)
class DrillCheck(Record):
    """One check of a drill."""

    name: str  # kill switch, stop, alert path
    passed: bool
    detail: str  # action and observation, in one sentence
    seconds: float


@dataclass(frozen=True, slots=True)
class Drill(Record):
    """A drill, as stored."""

    at: int  # ns UTC
    passed: bool
    seconds: float
    checks: tuple[DrillCheck, ...]
    by: str


@dataclass(frozen=True, slots=True)
class EngineProgress(Record):
    """The progress of an engine's decisions. Durations are by the monotonic clock, because the wall clock may be set and the machine may sleep."""

    up_seconds: float  # since this engine took the store
    silent_seconds: float | None = None  # since its newest decision, None before the first
    tick_interval_seconds: float = 0.0  # interval between ticks now, 0 for as fast as possible
    is_warming_up: bool = False  # the warm-up has ticks left
    is_training: bool = False  # the current tick waits for the models of a training


@dataclass(frozen=True, slots=True)
class AlertInputs(Record):
    """All inputs of the alert rules; None where unknown. Times are ns UTC."""

    now: int
    progress: EngineProgress | None = None
    last_decided_at: int | None = None  # when the newest tick was decided
    is_warmup: bool = False  # the newest tick was decided during the warm-up on history
    ended: bool = False  # the recording has ended, no tick is to come
    ticks: int = 0  # number of newest ticks behind the clean-decision rate
    clean_ticks: int = 0  # of these, the ticks without a fallback
    fresh_symbols: int | None = None  # symbols whose gate "fresh data" passed at the newest tick, or failed for a repeat that is no incident yet
    faulty_symbols: tuple[str, ...] = ()  # symbols for which a fault of the data made it fail, each with the fault in words
    symbols: int | None = None
    incidents: tuple[str, ...] = ()  # open ones, in words
    failed_gates: tuple[tuple[str, float | None, float | None], ...] = ()  # gates that failed at the newest tick: name, value, limit
    store_bytes: int | None = None
    store_limit: int | None = None
    disk_used: float | None = None  # share of the file system of PODIUM_HOME, 0..1
    ticks_since_training: int | None = None  # since the end of the newest training's data, or since the session began
    training_due: int | None = None  # number of those after which a training is due
    reverted: tuple[str, ...] = ()  # changes of models that were found worse in the last hour, so that the versions before serve again, with figures
    harmed: tuple[str, ...] = ()  # actions that harmed in the last hour, or are quarantined
    store_moved: str | None = None  # the file of the store was deleted or replaced in the last hour: what happened, and the response
    failed_logins: int = 0  # in the last hour, with a wrong name or password
    failed_drill: str | None = None  # the checks that failed in the newest drill
