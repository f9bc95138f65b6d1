"""The records of one day, as read from the store."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.audit import AuditHead
from engine.domain.optimization import MANUAL
from engine.domain.record import Record
from engine.evidence.effects import EffectTotal

LISTED = 200  # most alerts, faults and drills of a day that are read


@dataclass(frozen=True, slots=True)
class SessionPart(Record):
    """Consecutive ticks of one session that were decided on the day."""

    session: int
    first: int  # tick
    last: int
    warm: bool  # decided over history during the warm-up
    first_at: int  # ns UTC, market time
    last_at: int
    drawdown: float | None  # the largest, share of the highest equity
    equity: tuple[float, float] | None  # before the first tick and after the last
    benchmark: tuple[float, float] | None  # the benchmark, equal-weight buy and hold, then
    carry: float | None = None  # borrow and funding, a cost below 0; None where the account cannot be read

    @property
    def ticks(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class ActionCounts(Record):
    """How often each action was decided for one symbol."""

    symbol: str
    buy: int
    sell: int
    hold: int


@dataclass(frozen=True, slots=True)
class GateSummary(Record):
    """How often a gate was binding, and its declined-trade P&L."""

    gate: str
    n: int
    declined: tuple[float, float, float] | None  # bps per declined trade: mean and 95 % interval, above 0 a cost; None for not enough data
    scored: int  # declined trades with an outcome


@dataclass(frozen=True, slots=True)
class TradingCosts(Record):
    """The paper broker's fills with all costs, in the account's currency."""

    fills: int
    unfilled: int  # orders without any fill
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
    """The out-of-sample skill of one model at one horizon, as of now."""

    model: str
    horizon: int  # bars
    r2: float | None
    low: float | None
    high: float | None
    n: int
    n_effective: float | None


@dataclass(frozen=True, slots=True)
class RunSummary(Record):
    """One measured run of an optimization, or a control window."""

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
    windows: int  # control windows it was compared with
    verdict: str
    undone: bool
    amount: float | None
    amount_unit: str
    before: float | None = None
    after: float | None = None

    @property
    def is_manual(self) -> bool:
        """A person started it, so it is not randomised and enters no count and no sum."""
        return self.mode == MANUAL


@dataclass(frozen=True, slots=True)
class MetricSavings(Record):
    """The sum of the measured effects on one metric; above 0 is a gain."""

    metric: str
    unit: str
    total: EffectTotal


@dataclass(frozen=True, slots=True)
class RecoverySummary(Record):
    """A component fault and the time to its recovery; None while it lasts."""

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
class EvolutionSummary(Record):
    """A change of models that began or was decided on the day."""

    began: int  # tick
    trigger: str
    detail: str  # the trigger's figures
    strategy: str
    model: str
    version: str
    state: str
    evidence: float | None  # e-value
    threshold: float | None


@dataclass(frozen=True, slots=True)
class DayRecord(Record):
    """Everything known of the day. Times are ns UTC of the wall clock unless noted."""

    day: str  # 2026-11-22
    since: int
    until: int  # end of the day, or now for the current day
    is_over: bool
    market: str  # the feed in words
    simulated: bool
    spans: tuple[SessionPart, ...]
    warmup_ticks: int  # warm-up ticks, where `spans` holds others
    equity_points: tuple[tuple[int, float, float], ...]  # wall, equity, benchmark: some points of the day
    actions: tuple[ActionCounts, ...]
    gates: tuple[GateSummary, ...]
    intents: tuple[tuple[str, int], ...]  # of the trades: intent, count
    ungated: int  # decisions without a binding gate
    trading: TradingCosts
    clean_counts: tuple[int, int, int]  # ticks; of these, with a fallback, and without data only
    clean_interval: tuple[float, float] | None  # 95 % interval of the clean share
    fallbacks: tuple[tuple[str, int], ...]  # phase
    incidents: tuple[tuple[str, int, int], ...]  # kind, count, symbols
    recoveries: tuple[RecoverySummary, ...]
    drills: tuple[tuple[int, bool, float | None, str], ...]  # when, passed, seconds, detail
    skill: tuple[SkillSummary, ...]
    skill_at: int | None  # the newest tick, as of which skill and declined-trade P&L stand
    skill_then: tuple[tuple[int, float | None, float | None], ...]  # horizon, estimate and lower bound at the day's last tick
    runs: tuple[RunSummary, ...]  # newest first
    more_runs: bool  # there were more runs than were read
    savings: tuple[MetricSavings, ...]
    rule_firings: tuple[tuple[str, int], ...]  # rule, count
    alerts: tuple[AlertSummary, ...]
    engine_starts: int
    models_trained: int  # models
    commands: int
    evolutions: tuple[EvolutionSummary, ...] = ()  # newest first, at most LISTED
    audit_head: AuditHead | None = None  # the newest row of the audit trail at the end of the day
    truncated_at: int | None = None  # time of the first stored tick, where earlier ones of the day were deleted

    @property
    def ticks(self) -> int:
        return sum(span.ticks for span in self.spans)

    @property
    def decisions(self) -> int:
        return sum(counts.buy + counts.sell + counts.hold for counts in self.actions)
