"""The trading configuration of a decision with the rules of its venues, the events before a tick, and the commands to the engine."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.domain.record import Record


@dataclass(frozen=True, slots=True)
class TradingRules(Record):
    """Rules by symbol, in the order of the feed's symbols; () where no symbol has such a rule, which then costs no computation."""

    ticks: tuple[float, ...] = ()  # smallest step of the price, 0 where unknown
    lots: tuple[float, ...] = ()  # smallest step of an order's size, 0 where unknown; base units, or money where `money_lots` is set
    money_lots: tuple[bool, ...] = ()  # the lot is in money, as for an inverse contract; () where none is
    min_notionals: tuple[float, ...] = ()  # money, smallest value of an order that does not close a position; 0 where there is none
    shorts: tuple[bool, ...] = ()  # short positions are allowed; () where all are
    borrow_rates: tuple[float, ...] = ()  # per year, paid on the value of a short position
    funding_rates: tuple[float, ...] = ()  # per 8 h on the value of a position; above 0 longs pay and shorts receive


@dataclass(frozen=True, slots=True)
class Event(Record):
    """An event before a tick that a replay must repeat.

    kinds: model_adopted (subject: model, detail: digest), training_late, deadline_missed (subject: phase), phase_failed (subject: phase),
    command (subject: name, detail: arguments), resumed, gap (detail: bars),
    peak_restarted (subject: the highest equity until then, detail: the equity that drawdown is measured from now),
    clock_skew (subject: symbol or *, detail: seconds from the venue's clock to the receiver's, 0 when they agree again),
    models_rest (subject: the models that do not serve from here on, separated by commas, "" when all serve again),
    model_replaced (subject: a model that failed in service, detail: its replacement),
    version_agreement (subject: ensemble, detail: JSON of the agreement of new versions with earlier ones, see evidence.succession),
    refreshed (subject: all, detail: JSON of the versions replaced, which stay in shadow, see phases.evolution),
    challenger_entered (subject: model, detail: JSON of its number, version, digest and recipe), challenger_refreshed (the same, of the next version),
    search_failed (subject: model, detail: JSON of its number and the reason), promoted, reverted (subject: model, detail: version),
    drift (subject: all, detail: JSON of the report on inputs and target, see evidence.drift), drift_failed (subject: all, detail: the reason).
    """

    kind: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Command(Record):
    """A command from the inbox; engine/commands has its types, which read the arguments."""

    id: int
    name: str
    args: tuple[tuple[str, str], ...]
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class TradingConfig(Record):
    """Every setting that a decision depends on. It is stored with each tick by digest and changes only between ticks."""

    paused: bool = False  # holds every position, opens and closes none
    flatten: bool = False  # closes everything, opens nothing
    horizons: tuple[int, ...] = (1, 3, 12)  # bars
    # costs of the paper broker
    fee_bps: float = 10.0  # taker, one way
    fees_bps: tuple[float, ...] = ()  # the same by symbol; () where `fee_bps` applies to all
    maker_fee_bps: float | None = None  # of a passive fill, one way; below 0 is a rebate, None means the taker fee
    maker_fees_bps: tuple[float, ...] = ()  # the same by symbol; () where `maker_fee_bps` applies to all
    spread_bps: float = 2.0  # full spread assumed where there is no book and none can be estimated
    impact_coefficient: float = 0.1  # impact in bar volatilities of an order as large as the bar's volume; it grows with the root of the share
    participation: float = 0.1  # largest share of a bar's volume an order may take
    latency_ms: float = 250.0
    passive_bars: int = 3  # bars that an order rests at the touch before it crosses the spread
    slice_bars: int = 4  # bars that an order too large for the book is spread over
    rules: TradingRules = field(default_factory=TradingRules)  # of each symbol's venue
    # evidence
    volatility_halflife: float = 60.0  # bars, of the EWMA volatility that scales the target
    weight_halflife: float = 20_000.0  # ticks, memory of the ensemble's weights
    shrinkage_rows: float = 4_000.0  # rows of "no forecast" that shrink the ensemble's weights
    interval_learning_rate: float = 0.05  # learning rate of the adaptive interval at one bar (Gibbs and Candes 2021)
    skill_alpha: float = 0.05  # one-sided error of the skill bound, shared by the horizons
    skill_halflife: float = 20_000.0  # ticks, memory of the skill that scales positions
    recent_skill_halflife: float = 700.0  # ticks, memory of recent skill, which caps the skill that sizes rely on
    # gates
    min_history: int = 120  # bars a symbol must have in the window
    max_spread_bps: float = 50.0
    min_models: int = 2  # active models
    min_agreement: float = 0.5  # reliability-weighted share of predictions with the forecast's sign
    max_out_of_distribution: float = 0.35  # share of features outside their range in training
    edge_margin: float = 1.0  # multiples of the full round-trip cost that the expected move must reach
    cooldown_bars: int = 6  # after a trade closed at a loss
    min_trade: float = 0.01  # share of equity below which a change is not worth an order
    rebalance_threshold: float = 0.25  # share of a position below which a change is not worth an order, unless it closes the position
    # risk
    kelly: float = 0.25  # fraction of the growth-optimal size
    target_volatility: float = 0.20  # of the portfolio, per year
    max_position: float = 0.20  # of equity, per symbol
    trading_hours: tuple[float, ...] = ()  # by symbol, hours per year that its venue declares; 0 where it declares none, () where none does
    max_cluster: float = 0.40  # of equity, gross, per cluster of correlated symbols
    cluster_correlation: float = 0.80  # correlation of two symbols' bars above which they are in one cluster
    max_shortfall: float = 0.04  # of equity, expected shortfall of one day at 97.5 %
    max_gross: float = 1.00
    max_net: float = 0.60
    max_daily_loss: float = 0.03  # of the day's opening equity; beyond it nothing is opened that day
    max_drawdown: float = 0.15  # from the peak; beyond it everything is closed
    # evolution
    retrain_every: int = 288  # ticks between scheduled trainings
    deployment_lag_bars: int = 12  # K: a model trained on data up to bar t serves from bar t + K
    first_training: int = 600  # bars decided before the first training
    evolution: str = "refresh"  # off (nothing is trained after the first training), refresh (the same recipes on newer data) or full
    search_lag_bars: int = 96  # a challenger searched on data up to bar t enters its contest at bar t plus this lag
    max_challengers: int = 3  # that race or are searched at once; one is held free for a decline
    contest_alpha: float = 0.05  # error of all contests of a session together
    contest_margin: float = 0.0005  # R2 within which an arm is equivalent to the serving ensemble
    contest_clip: float = 4.0  # root mean squares of the blocks before at which the gain of a block is clipped
    contest_budget: int = 6_000  # ticks after which a contest without a verdict is inconclusive
    watch_bars: int = 288  # time for which the versions before a refresh stay in shadow
    # deadline
    phase_deadline_ms: float = 2_000.0  # a phase that takes longer fails
