"""What is known of one day, as the store has it."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.optimization import MANUAL
from engine.domain.record import Record
from engine.evidence.effects import EffectTotal

LISTED = 200  # alerts, faults and drills of a day that are told of, at most


@dataclass(frozen=True, slots=True)
class SessionPart(Record):
    """Ticks of one session that were decided on the day, one after the other."""

    session: int
    first: int  # tick
    last: int
    warm: bool  # decided over history while warming up
    first_at: int  # ns UTC, market time
    last_at: int
    drawdown: float | None  # the largest, share of the highest equity
    equity: tuple[float, float] | None  # before the first tick and after the last
    benchmark: tuple[float, float] | None  # what buying all in equal parts and holding was worth then
    carry: float | None = None  # money that holding cost, below 0, or earned: borrow and funding; None where the account cannot be read

    @property
    def ticks(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class ActionCounts(Record):
    """What was decided for one symbol."""

    symbol: str
    buy: int
    sell: int
    hold: int


@dataclass(frozen=True, slots=True)
class GateSummary(Record):
    """How often a gate was the first that failed, and what that cost so far: None where there is not enough data."""

    gate: str
    n: int
    declined: tuple[float, float, float] | None  # bps a declined trade: mean, and its 95 % interval; above 0 it cost
    scored: int  # declined trades the regret is taken over


@dataclass(frozen=True, slots=True)
class TradingCosts(Record):
    """The paper broker's fills with every cost, in the account's currency."""

    fills: int
    unfilled: int  # orders of which nothing could be filled
    turnover: float
    fee: float
    spread: float
    impact: float
    realised: float

    @property
    def cost(self) -> float:
        return self.fee + self.spread + self.impact


@dataclass(frozen=True, slots=True)
class SkillSummary(Record):
    """How well one model foresees one horizon, as it stands now."""

    model: str
    horizon: int  # bars
    r2: float | None
    low: float | None
    high: float | None
    n: int
    n_effective: float | None


@dataclass(frozen=True, slots=True)
class RunSummary(Record):
    """One run of an optimization that was measured, or a placebo."""

    at: int  # ns UTC
    action: str
    trigger: str
    mode: str
    placebo: bool
    metric: str
    unit: str
    effect: float | None
    low: float | None
    high: float | None
    windows: int  # it was compared with
    verdict: str
    undone: bool
    amount: float | None
    amount_unit: str
    before: float | None = None
    after: float | None = None

    @property
    def is_manual(self) -> bool:
        """A person asked for it and no coin decided it: it enters no count and no sum."""
        return self.mode == MANUAL


@dataclass(frozen=True, slots=True)
class MetricSavings(Record):
    """The sum of the effects that were measured on one metric; above 0 is a gain."""

    metric: str
    unit: str
    total: EffectTotal


@dataclass(frozen=True, slots=True)
class RecoverySummary(Record):
    """A fault, and how long it took to be over; None while it is not."""

    at: int  # ns UTC
    component: str
    fault: str
    remedy: str | None
    attempts: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class AlertSummary(Record):
    """An alert that was open at some time of the day."""

    at: int  # ns UTC
    rule: str
    severity: str
    message: str
    resolved_at: int | None
    acked_by: str | None


@dataclass(frozen=True, slots=True)
class DayRecord(Record):
    """All of it. Times are ns UTC by the wall clock unless they say otherwise."""

    day: str  # 2026-11-22
    since: int
    until: int  # the end of the day, or now where it is not over
    is_over: bool
    market: str  # the feed in words
    simulated: bool
    spans: tuple[SessionPart, ...]
    warmup_ticks: int  # ticks decided over history while warming up, where others are told of
    equity_points: tuple[tuple[int, float, float], ...]  # wall, equity, holding: some points of the day
    actions: tuple[ActionCounts, ...]
    gates: tuple[GateSummary, ...]
    intents: tuple[tuple[str, int], ...]  # of the decisions that acted: intent, how many
    ungated: int  # decisions no gate failed for
    trading: TradingCosts
    clean_counts: tuple[int, int]  # ticks, and how many of them had a phase fall back
    clean_interval: tuple[float, float] | None  # 95 % interval of the honest share
    fallbacks: tuple[tuple[str, int], ...]  # phase
    incidents: tuple[tuple[str, int, int], ...]  # kind, how many, of how many symbols
    recoveries: tuple[RecoverySummary, ...]
    drills: tuple[tuple[int, bool, float | None, str], ...]  # when, passed, seconds, detail
    skill: tuple[SkillSummary, ...]
    skill_at: int | None  # the newest tick, which skill and regret are as of
    skill_then: tuple[tuple[int, float | None, float | None], ...]  # horizon, estimate and lower bound at the day's last tick
    runs: tuple[RunSummary, ...]  # newest first
    more_runs: bool  # there were more than are told
    savings: tuple[MetricSavings, ...]
    rule_firings: tuple[tuple[str, int], ...]  # rule, how often
    alerts: tuple[AlertSummary, ...]
    engine_starts: int
    models_trained: int  # models
    commands: int
    truncated_at: int | None = None  # when the first tick that is kept was decided, where those of the day before it are not kept any more

    @property
    def ticks(self) -> int:
        return sum(span.ticks for span in self.spans)

    @property
    def decisions(self) -> int:
        return sum(one.buy + one.sell + one.hold for one in self.actions)
