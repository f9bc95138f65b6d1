"""The trading parameters of the table [knobs] in podium.toml: the schema of what a person may set, and where the rest is set."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from engine.domain.texts import shorten
from engine.domain.trading_config import TradingConfig
from engine.schema import MAX_INTEGER, Parameter, SchemaError, limits, parameters_of, read_value, suggest
from engine.window import WINDOW_BARS

MAX_HORIZON = 250  # bars
_MAX_BARS = 1_000_000  # bars
_MAX_LEVERAGE = 10.0  # of equity
_DEFAULT = TradingConfig()


def _halflife(unit: str, about: str) -> Meta:
    return limits(1.0, None, unit, f"half-life of {about}")


class TradingParameters(Struct, frozen=True, kw_only=True):
    """What [knobs] may set: fields of TradingConfig in its order and with its defaults; the annotations are the schema."""

    paused: Annotated[bool, limits(help="holds every position, opens and closes none")] = _DEFAULT.paused
    flatten: Annotated[bool, limits(help="closes every position, opens none")] = _DEFAULT.flatten
    horizons: Annotated[
        tuple[int, ...],
        limits(
            unit="bars",
            help="horizons that forecasts are made for",
            form="horizons",
            remedy=f"whole numbers of bars from 1 to {MAX_HORIZON} in rising order, such as [1, 3, 12]",
        ),
    ] = _DEFAULT.horizons
    # costs of the paper broker
    passive_bars: Annotated[int, limits(0, _MAX_BARS, "bars", "time that an order rests at the touch before it crosses the spread")] = (
        _DEFAULT.passive_bars
    )
    slice_bars: Annotated[int, limits(0, _MAX_BARS, "bars", "time over which an order too large for the book is spread")] = _DEFAULT.slice_bars
    # evidence
    volatility_halflife: Annotated[float, _halflife("bars", "the EWMA volatility that scales the forecast target")] = _DEFAULT.volatility_halflife
    weight_halflife: Annotated[float, _halflife("ticks", "the memory of the ensemble's weights")] = _DEFAULT.weight_halflife
    shrinkage_rows: Annotated[float, limits(0.0, None, "rows", 'rows of "no forecast" that the ensemble\'s weights start from')] = (
        _DEFAULT.shrinkage_rows
    )
    interval_learning_rate: Annotated[float, limits(0.0, 1.0, help="learning rate of the adaptive interval at one bar")] = (
        _DEFAULT.interval_learning_rate
    )
    skill_alpha: Annotated[float, limits(1e-6, 0.5, help="one-sided error of the skill bound, shared by the horizons")] = _DEFAULT.skill_alpha
    skill_halflife: Annotated[float, _halflife("ticks", "the memory of the skill that scales positions")] = _DEFAULT.skill_halflife
    recent_skill_halflife: Annotated[float, _halflife("ticks", "recent skill, which caps the skill that sizes rely on")] = (
        _DEFAULT.recent_skill_halflife
    )
    # gates
    min_history: Annotated[int, limits(0, WINDOW_BARS, "bars", "bars that a symbol must have in the window")] = _DEFAULT.min_history
    max_spread_bps: Annotated[float, limits(0.0, 10_000.0, "bps", "widest spread at which a position is opened")] = _DEFAULT.max_spread_bps
    min_models: Annotated[int, limits(0, 1_000, "models", "active models that are needed to open a position; all where there are fewer")] = (
        _DEFAULT.min_models
    )
    min_agreement: Annotated[float, limits(0.0, 1.0, "share", "smallest reliability-weighted share of predictions with the forecast's sign")] = (
        _DEFAULT.min_agreement
    )
    max_out_of_distribution: Annotated[float, limits(0.0, 1.0, "share", "largest share of features outside their range in training")] = (
        _DEFAULT.max_out_of_distribution
    )
    edge_margin: Annotated[float, limits(0.0, 100.0, "round trips", "multiples of the round-trip cost that the expected move must reach")] = (
        _DEFAULT.edge_margin
    )
    cooldown_bars: Annotated[int, limits(0, _MAX_BARS, "bars", "pause after a trade closed at a loss")] = _DEFAULT.cooldown_bars
    min_trade: Annotated[float, limits(0.0, 1.0, "of equity", "smallest change of a position that is worth an order")] = _DEFAULT.min_trade
    rebalance_threshold: Annotated[
        float, limits(0.0, 1.0, "of the position", "smallest change of an open position that is worth an order, unless it closes the position")
    ] = _DEFAULT.rebalance_threshold
    # risk
    kelly: Annotated[float, limits(0.0, 2.0, "share", "fraction of the growth-optimal size; beyond 2 equity shrinks")] = _DEFAULT.kelly
    target_volatility: Annotated[float, limits(0.001, 10.0, "per year", "volatility that the portfolio must not exceed")] = _DEFAULT.target_volatility
    max_position: Annotated[float, limits(0.0001, _MAX_LEVERAGE, "of equity", "largest position in one symbol")] = _DEFAULT.max_position
    max_cluster: Annotated[float, limits(0.001, _MAX_LEVERAGE, "of equity", "largest gross exposure in one cluster of correlated symbols")] = (
        _DEFAULT.max_cluster
    )
    cluster_correlation: Annotated[float, limits(0.0, 1.0, help="correlation of two symbols' bars above which they belong to one cluster")] = (
        _DEFAULT.cluster_correlation
    )
    max_shortfall: Annotated[float, limits(0.0, 1.0, "of equity", "largest expected shortfall of one day at 97.5 %")] = _DEFAULT.max_shortfall
    max_gross: Annotated[float, limits(0.0, _MAX_LEVERAGE, "of equity", "largest gross exposure")] = _DEFAULT.max_gross
    max_net: Annotated[float, limits(0.0, _MAX_LEVERAGE, "of equity", "largest net exposure")] = _DEFAULT.max_net
    max_daily_loss: Annotated[float, limits(0.0, 1.0, "of the day's opening equity", "loss beyond which nothing is opened that day")] = (
        _DEFAULT.max_daily_loss
    )
    max_drawdown: Annotated[float, limits(0.0, 1.0, "of peak equity", "drawdown beyond which every position is closed")] = _DEFAULT.max_drawdown
    # evolution
    retrain_every: Annotated[int, limits(1, MAX_INTEGER, "ticks", "time between two scheduled trainings")] = _DEFAULT.retrain_every
    deployment_lag_bars: Annotated[int, limits(1, _MAX_BARS, "bars", "a model trained on data up to bar t serves from bar t plus this lag")] = (
        _DEFAULT.deployment_lag_bars
    )
    first_training: Annotated[int, limits(0, MAX_INTEGER, "bars", "bars decided before the first training")] = _DEFAULT.first_training
    search_lag_bars: Annotated[
        int, limits(1, _MAX_BARS, "bars", "a challenger searched on data up to bar t enters its contest at bar t plus this lag")
    ] = _DEFAULT.search_lag_bars
    max_challengers: Annotated[int, limits(0, 8, "challengers", "challengers that race or are searched at once")] = _DEFAULT.max_challengers
    contest_alpha: Annotated[float, limits(1e-6, 0.5, help="error of all contests of a session together")] = _DEFAULT.contest_alpha
    contest_margin: Annotated[float, limits(0.0, 1.0, "R2", "gain within which a challenger is equivalent")] = _DEFAULT.contest_margin
    contest_clip: Annotated[
        float, limits(2.0, 100.0, "root mean squares", "multiple of the earlier blocks' gains at which the gain of a block is clipped")
    ] = _DEFAULT.contest_clip
    contest_budget: Annotated[int, limits(1, MAX_INTEGER, "ticks", "time after which a contest without a verdict is inconclusive")] = (
        _DEFAULT.contest_budget
    )
    watch_bars: Annotated[int, limits(0, _MAX_BARS, "bars", "time for which the versions before a refresh stay in shadow")] = _DEFAULT.watch_bars
    # deadline
    phase_deadline_ms: Annotated[float, limits(1.0, 600_000.0, "ms", "a phase that takes longer is replaced by its fallback")] = (
        _DEFAULT.phase_deadline_ms
    )


_OWN_SETTING = "a setting of its own: move it out of [knobs], to the top of the file"
_OF_FEED = "the feed's: set {} in recording.toml beside the recording"
SET_ELSEWHERE = {  # the other fields of TradingConfig, which [knobs] refuses: what each is, and the remedy
    "fee_bps": _OWN_SETTING,
    "fees_bps": _OF_FEED.format("fee_bps of each symbol"),
    "maker_fee_bps": _OF_FEED.format("it"),
    "maker_fees_bps": _OF_FEED.format("maker_fee_bps of each symbol"),
    "spread_bps": _OWN_SETTING,
    "impact_coefficient": _OWN_SETTING,
    "participation": _OWN_SETTING,
    "evolution": _OWN_SETTING,
    "latency_ms": _OWN_SETTING,
    "rules": _OF_FEED.format("tick, lot and the other rules of each symbol"),
    "trading_hours": _OF_FEED.format("session of each symbol"),
}
CHANGEABLE = (  # what a single decision depends on, apart from what was learned before it
    "paused", "flatten", "skill_alpha", "min_history", "max_spread_bps", "min_models", "min_agreement", "max_out_of_distribution", "edge_margin",
    "cooldown_bars", "min_trade", "rebalance_threshold", "kelly", "target_volatility", "max_position", "max_cluster", "cluster_correlation",
    "max_shortfall", "max_gross", "max_net", "max_daily_loss", "max_drawdown",
)  # fmt: skip

LEARNING = (  # what is learned, and how orders are worked, from the tick of the change on
    "passive_bars", "slice_bars", "weight_halflife", "shrinkage_rows", "interval_learning_rate", "skill_halflife", "recent_skill_halflife",
)  # fmt: skip


def list_changeable_parameters() -> dict[str, Parameter]:
    """The parameters that a single decision depends on, by name: those that can be changed for one stored tick."""
    known = parameters_of(TradingParameters)
    return {name: known[name] for name in CHANGEABLE}


def list_live_parameters() -> dict[str, Parameter]:
    """The parameters that may change between two ticks of a running session, by name; the switches are commands of their own."""
    known = parameters_of(TradingParameters)
    return {name: known[name] for name in (*CHANGEABLE, *LEARNING) if name not in {"paused", "flatten"}}


def read_live_parameter(name: str, text: str) -> float:
    """The value of a parameter that may change between two ticks; raises SchemaError in one line for another name, and for a value out of bounds."""
    known = list_live_parameters()
    if name not in known:
        raise SchemaError(f"parameter is {shorten(name)}: {suggest(name, known, 'give one of')}"[:390])
    value: float = read_value(known[name], f"the value of {name}", text)
    return value
