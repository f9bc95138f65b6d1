"""What may be asked of the engine, what happened to it, and the knobs a decision depends on."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.domain.record import Record
from engine.domain.trading_rules import TradingRules


@dataclass(frozen=True, slots=True)
class Event(Record):
    """Something that happened to the engine before a tick and that a replay must repeat.

    kinds: model_adopted (subject: model, detail: digest), training_late, deadline_missed (subject: phase), phase_failed (subject: phase),
    command (subject: name, detail: arguments), resumed, gap (detail: bars),
    peak_restarted (subject: the highest equity until then, detail: the equity that drawdown is counted from now),
    clock_skew (subject: symbol or *, detail: seconds from the venue's clock to the receiver's, 0 when they agree again),
    models_rest (subject: the models that do not serve from here on, separated by commas, "" when all serve again),
    model_replaced (subject: a model that failed while it served, detail: what serves in its place),
    version_agreement (subject: ensemble, detail: JSON of how far new versions agree with earlier ones, see evidence.succession).
    """

    kind: str
    subject: str
    detail: str


COMMANDS = (
    "pause", "resume", "flatten", "retrain", "set", "optimize", "backtest", "cancel_backtest", "delete_backtest",
    "rule", "mode", "licence", "approve", "ack", "silence", "unsilence", "drill",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Command(Record):
    """A wish from the inbox. `set` takes signal=X (simulated market only); `optimize` takes action=NAME.

    `backtest` takes market=simulated or a folder and what the command line of that name takes; the other two of it take id=...
    `rule` takes name=NAME and the words of a rule (engine/optimizer/rule_schema.py), or reset=true; `mode` takes action=NAME mode=MODE,
    `licence` action=NAME licence=LICENCE, `approve` id=N of what a rule asked, answer=no to decline.
    """

    id: int
    name: str  # of COMMANDS
    args: tuple[tuple[str, str], ...]
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class TradingConfig(Record):
    """Every setting a decision depends on. Stored with each tick by digest; changed only between ticks."""

    paused: bool = False  # holds everything, opens and closes nothing
    flatten: bool = False  # closes everything, opens nothing
    horizons: tuple[int, ...] = (1, 3, 12)  # bars
    # costs of the paper broker
    fee_bps: float = 10.0  # taker, one way
    fees_bps: tuple[float, ...] = ()  # the same by symbol; () where `fee_bps` is that of all
    maker_fee_bps: float | None = None  # of a passive fill, one way; below 0 is a rebate, None for the taker fee
    maker_fees_bps: tuple[float, ...] = ()  # the same by symbol; () where `maker_fee_bps` is that of all
    spread_bps: float = 2.0  # full spread assumed where there is no book and none can be estimated
    impact_coefficient: float = 0.1  # bar volatilities of impact for an order as large as the bar's volume, times the root of its share
    participation: float = 0.1  # largest share of a bar's volume an order may take
    latency_ms: float = 250.0
    passive_bars: int = 3  # an order rests at the touch before it takes
    slice_bars: int = 4  # over which an order is spread that is large for the book
    rules: TradingRules = field(default_factory=TradingRules)  # of each symbol's venue
    # evidence
    volatility_halflife: float = 60.0  # bars, of the EWMA volatility that scales the target
    weight_halflife: float = 20_000.0  # ticks, memory of the ensemble's weights
    shrinkage_rows: float = 4_000.0  # rows of "no forecast" the ensemble starts from
    interval_learning_rate: float = 0.05  # learning rate of the adaptive interval at one bar (Gibbs and Candes 2021)
    skill_alpha: float = 0.05  # one-sided error of the skill bound, shared by the horizons
    skill_halflife: float = 20_000.0  # ticks, memory of the skill that sizes positions
    recent_skill_halflife: float = 700.0  # ticks, memory of what skill was worth lately: size never relies on more than that
    # gates
    min_history: int = 120  # bars a symbol must have in the window
    max_spread_bps: float = 50.0
    min_models: int = 2  # models heard
    min_agreement: float = 0.5  # trust-weighted share of votes with the forecast's sign
    max_out_of_distribution: float = 0.35  # share of features outside their known range
    edge_margin: float = 1.0  # multiples of the full round-trip cost the expected move must reach
    cooldown_bars: int = 6  # after a trade closed at a loss
    min_trade: float = 0.01  # share of equity below which a change is not worth an order
    rebalance_threshold: float = 0.25  # share of a position below which changing it is not worth an order, unless it is closed
    # risk
    kelly: float = 0.25  # fraction of the growth-optimal size
    target_volatility: float = 0.20  # of the portfolio, a year
    max_position: float = 0.20  # of equity, a symbol
    trading_hours: tuple[float, ...] = ()  # by symbol, hours a year that its venue declares; 0 where it declares none, () where none does
    max_cluster: float = 0.40  # of equity, gross, in symbols that move as one
    cluster_correlation: float = 0.80  # of two symbols' bars, above which they are in one cluster
    max_shortfall: float = 0.04  # of equity: expected shortfall of one day at 97.5 %
    max_gross: float = 1.00
    max_net: float = 0.60
    max_daily_loss: float = 0.03  # of the day's opening equity: opens nothing more that day
    max_drawdown: float = 0.15  # from the peak: closes everything
    # evolution
    retrain_every: int = 288  # ticks between scheduled trainings
    deployment_lag_bars: int = 12  # K: a model trained on data to bar t serves from bar t + K
    first_training: int = 600  # bars decided before the first training
    # limits of time
    phase_deadline_ms: float = 2_000.0  # a phase that takes longer has failed
