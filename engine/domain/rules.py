"""Rules of the optimizer: what is watched, when it counts as a trouble, and which actions may answer."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.record import Ints, Record

RULE_KINDS = ("threshold", "performance", "error", "schedule", "by hand")
THRESHOLD, PERFORMANCE, ERROR, SCHEDULE, BY_HAND = RULE_KINDS
RULE_STATES = ("fired", "cleared", "no data")  # what a rule says when something changes
FIRED, CLEARED, NO_DATA = RULE_STATES
MODES = ("off", "observe", "recommend", "ask", "auto")
OFF, OBSERVE, RECOMMEND, ASK, AUTO = MODES
LICENCES = ("auto", "recommend", "quarantined")
QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Rule(Record):
    """One rule. Spans are seconds of watched time; what a kind does not use stays at its default."""

    name: str
    kind: str  # of KINDS
    metric: str = ""  # "source.name"; "" for a schedule
    candidates: tuple[str, ...] = ()  # actions it may call; () for a rule that only tells
    about: str = ""  # one sentence for the page
    above: bool = True  # True: too high is the trouble
    level: float | None = None  # threshold and error: the trouble begins beyond it
    recovery: float | None = None  # and ends at it; None for the level itself
    growth: bool = False  # threshold: the level is of the growth an hour, taken over `span`, not of the value
    hold: float = 30.0  # beyond the level for so long before it fires, at the recovery level for so long before it clears
    missing: float = 30.0  # without a sample for so long: no data
    cooldown: float = 300.0  # between two firings; doubles with each one that comes soon after the last
    longest: float = 7_200.0  # the cooldown at most
    span: float = 60.0  # error: the mean over so long; performance: of one block; growth: between the two values
    baseline: int = 1_440  # performance: blocks that are the usual, at most
    every: float = 10_080.0  # performance: blocks between two false alarms, on average at least
    cron: str = ""  # schedule: minute hour day month weekday, UTC
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class RulePreview(Record):
    """What a rule would have done on a stored series."""

    count: int  # firings
    times: Ints  # (N,) ns UTC of each
    span: float  # seconds from the first to the last sample
    samples: int  # that were there to be judged
