"""Rules of the optimizer: the metric to watch, the condition to fire on, and the actions that may follow."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.record import Ints, Record

RULE_KINDS = ("threshold", "performance", "error", "schedule", "by hand")
THRESHOLD, PERFORMANCE, ERROR, SCHEDULE, BY_HAND = RULE_KINDS
RULE_STATES = ("fired", "cleared", "no data")  # reported when a rule changes
FIRED, CLEARED, NO_DATA = RULE_STATES
MODES = ("off", "observe", "recommend", "ask", "auto")
OFF, OBSERVE, RECOMMEND, ASK, AUTO = MODES
LICENCES = ("auto", "recommend", "quarantined")
QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Rule(Record):
    """One rule. Durations are seconds of observed time; fields that a kind does not use stay at their defaults."""

    name: str
    kind: str  # of KINDS
    metric: str = ""  # "source.name"; "" for a schedule
    candidates: tuple[str, ...] = ()  # actions it may start; () for a rule that only reports
    about: str = ""  # one sentence for the page
    above: bool = True  # True: fires above the level, False: below
    level: float | None = None  # threshold and error: fires beyond it
    recovery: float | None = None  # clears at it; None for the level itself
    growth: bool = False  # threshold: the level applies to the growth per hour over `span`, not to the value
    hold: float = 30.0  # time beyond the level before it fires, and at the recovery level before it clears
    missing: float = 30.0  # time without a sample before it reports no data
    cooldown: float = 300.0  # between two firings; doubles with each firing soon after the last
    longest: float = 7_200.0  # maximum of the cooldown
    span: float = 60.0  # error: length of the mean; performance: length of one block; growth: time between the two values
    baseline: int = 1_440  # performance: maximum number of blocks in the baseline
    every: float = 10_080.0  # performance: minimum mean number of blocks between two false alarms
    cron: str = ""  # schedule: minute hour day month weekday, UTC
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class RulePreview(Record):
    """The firings of a rule on a stored series."""

    count: int  # firings
    times: Ints  # (N,) ns UTC of each
    span: float  # seconds from the first to the last sample
    samples: int  # number of samples evaluated
