"""Phase 7, risk and sizing: the size of each position, and its size after each limit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engine.domain.decision import LIMITS, Forecast, Liquidity, MarketState, Sizes
from engine.domain.market import Account, Inputs
from engine.domain.record import Floats, Ints
from engine.domain.state import State
from engine.domain.trading_config import TradingConfig
from engine.evidence import covariance, mean_variance, succession, trading_calendar
from engine.evidence import skill as proven
from engine.evidence.covariance import CorrelationModel
from engine.evidence.expected_shortfall import NORMAL_SHORTFALL, expected_shortfall
from engine.window import decay_weights

DECLARED_DAYS = 252.0  # of trading in a year, of a venue that declares its hours
BLOCK = 128  # symbols sized jointly at once
HOUR = 3_600 * 10**9  # ns


def size_positions(forecast: Forecast, market_state: MarketState, liquidity: Liquidity, inputs: Inputs, state: State) -> Sizes:
    """Return growth-optimal sizes, scaled by proven skill, traded only beyond the no-trade band (Davis and Norman 1990), then limited in order.

    Each symbol is sized on its own first, then jointly with the others. Limits go from the part to the whole: a symbol, a cluster of correlated
    symbols, the volatility and the tail risk of the portfolio, its leverage, and the losses after which it stops.
    """
    config = inputs.config
    low, estimate = proven.skill_bound(state.recent, config)
    inherited = succession.allowed_share(succession.adopt_versions(state.succession, state.recent, inputs.events, config), state.recent, config)
    usable = low * inherited
    horizon = choose_horizon(usable if (usable > 0.0).any() else low, config)
    current = position_shares(inputs.account, liquidity.mid)
    scale = forecast.scale[horizon]
    edge = forecast.mean[horizon] * scale
    cost = 2.0 * liquidity.cost_bps * config.edge_margin / 1e4
    optimal = np.where(scale > 0, 1.0 / np.where(scale > 0, scale * scale, 1.0), 0.0)
    skilled = optimal * config.kelly * proven.proven_share(low, estimate)[horizon]
    slope = skilled * inherited[horizon]
    desired = edge * optimal
    banded = apply_no_trade_band(current, edge, cost, slope)
    capped = np.clip(banded, -config.max_position, config.max_position)
    owned = _limit_shorts(capped, config)
    risk_model = _build_risk_model(owned, inputs)
    unconstrained, shared_edge = _size_jointly(owned, current, edge, cost, slope, scale, risk_model, config)
    limited = _limit_portfolio(unconstrained, current, risk_model, market_state, liquidity, inputs)
    steps = [desired, desired * config.kelly, edge * skilled, edge * slope, banded, capped, owned, unconstrained, *limited]
    probability = forecast.probability[horizon]
    confidence = np.where(edge >= 0, probability, 1.0 - probability)
    return Sizes(
        current, unconstrained, steps[-1], LIMITS, np.array(steps), edge * 1e4, cost * 1e4, slope, shared_edge * 1e4, horizon, confidence, low,
        estimate,
    )  # fmt: skip


def keep_positions(forecast: Forecast, market_state: MarketState, liquidity: Liquidity, inputs: Inputs, state: State) -> Sizes:
    """Fall back to the current positions, with no expectation."""
    del forecast, market_state, state
    current = position_shares(inputs.account, liquidity.mid)
    zero = np.zeros(len(current))
    none = np.full(len(inputs.config.horizons), np.nan)
    steps = np.repeat(current[None, :], len(LIMITS) + 1, axis=0)
    return Sizes(current, current, current, LIMITS, steps, zero, 2.0 * liquidity.cost_bps, zero, zero, len(none) - 1, zero + 0.5, none, none)


def apply_no_trade_band(current: Floats, edge: Floats, cost: Floats, slope: Floats) -> Floats:
    """Return (S,) the position, as a share of equity, where a round trip costs `cost` (log return) and each unit of edge supports `slope` of size.

    New exposure must earn its full round trip: buy up to slope (edge - cost) where that is positive, sell down to slope (edge + cost) where that
    is negative. Existing exposure is cut only to slope x edge, because its exit must be paid in any case. Between the two nothing is traded.
    """
    buy_to = np.where(edge >= cost, slope * (edge - cost), slope * np.minimum(edge, 0.0))
    sell_to = np.where(edge <= -cost, slope * (edge + cost), slope * np.maximum(edge, 0.0))
    return np.clip(current, buy_to, sell_to)


def choose_horizon(low: Floats, config: TradingConfig) -> int:
    """Return the index of the horizon with the largest proven move, root of (bound x bars); the longest where none is proven."""
    moves = np.where(low > 0.0, low, 0.0) * np.array(config.horizons)
    return int(moves.argmax()) if moves.max() > 0 else len(config.horizons) - 1


def position_shares(account: Account, mid: Floats) -> Floats:
    """Return (S,) the positions as shares of equity."""
    price = np.where(np.isfinite(mid), mid, np.where(np.isfinite(account.mark_price), account.mark_price, 0.0))
    return np.asarray(account.positions * price / max(account.equity, 1e-9))


def compute_daily_loss(account: Account) -> float:
    """Return the loss since the day began, as a share of the day's opening equity; 0 for a gain."""
    return max(0.0, 1.0 - account.equity / account.day_open_equity) if account.day_open_equity > 0 else 0.0


def compute_drawdown(account: Account) -> float:
    """Return the fall from the highest equity, as a share of it."""
    return max(0.0, 1.0 - account.equity / account.peak_equity) if account.peak_equity > 0 else 0.0


def _limit_shorts(target: Floats, config: TradingConfig) -> Floats:
    """Replace short targets by 0 for symbols that may not be sold short."""
    return np.where(np.array(config.rules.shorts), target, np.maximum(target, 0.0)) if config.rules.shorts else target


@dataclass(frozen=True, slots=True)
class RiskModel:
    """The N symbols with a desired position, and their comovement."""

    symbols: Ints  # (N,) indices
    comovement: CorrelationModel
    sample: Floats  # (N, N) sample correlation; (0, 0) where there are more symbols than one block, which has too many pairs


def _build_risk_model(desired: Floats, inputs: Inputs) -> RiskModel | None:
    """Estimate the comovement of the symbols with a desired position; None where there is none."""
    symbols = np.flatnonzero(desired)
    if not len(symbols):
        return None
    view = inputs.view
    weights = decay_weights(view.returns.shape[1], inputs.config.volatility_halflife)
    if int(view.known[symbols].min()) < len(weights):
        weights = covariance.trim_weights(weights, np.isfinite(inputs.bars.close[symbols]))
    comovement = covariance.estimate_correlation(view.returns, weights, np.isfinite(view.sigma))
    return RiskModel(symbols, comovement, _sample(comovement, symbols if len(symbols) <= BLOCK else symbols[:0]))


def _sample(comovement: CorrelationModel, symbols: Ints) -> Floats:
    return covariance.sample_correlation(comovement.standardised[symbols], comovement.weights)


def _size_jointly(
    capped: Floats, current: Floats, edge: Floats, cost: Floats, slope: Floats, scale: Floats, risk_model: RiskModel | None, config: TradingConfig
) -> tuple[Floats, Floats]:
    """Return (S,) the sizes that are jointly best, never larger than on their own; and (S,) log return, the part of each edge that the others use.

    Correlations are those of bars, volatilities those of the horizon acted on, in whose units the forecast is. The edge is capped at the one that
    the largest position needs, so that two listings of one asset share the size of one position.
    """
    if risk_model is None:
        return capped, np.zeros_like(capped)
    symbols = risk_model.symbols
    side = np.sign(capped[symbols])
    unit = slope[symbols] * scale[symbols]  # share of equity for one unit of risk
    size = np.abs(capped[symbols]) / unit
    unconstrained = capped
    if len(symbols) > 1:
        most = cost[symbols] + config.max_position / slope[symbols]
        capped_edge = np.minimum(side * edge[symbols], most) / scale[symbols]
        best = _solve_jointly(risk_model, side, capped_edge, cost[symbols] / scale[symbols], np.maximum(side * current[symbols], 0.0) / unit, size)
        unconstrained = capped.copy()
        unconstrained[symbols] = np.where(best < size, side * best * unit, capped[symbols])
        size = best
    exposure = side * size
    shared_edge = risk_model.comovement.covariances_with(risk_model.comovement.portfolio_returns(exposure, symbols))
    shared_edge[symbols] -= (1.0 - risk_model.comovement.shrinkage) * exposure
    return unconstrained, shared_edge * scale


def _solve_jointly(risk_model: RiskModel, side: Floats, edge: Floats, cost: Floats, current: Floats, bound: Floats) -> Floats:
    """Return (N,) the joint sizes in units of risk. With more than one block, the largest symbols go first and the next get the remaining edge."""
    comovement, symbols = risk_model.comovement, risk_model.symbols
    if len(symbols) <= BLOCK:
        return mean_variance.optimise_sizes(
            covariance.shrink_correlation(risk_model.sample, comovement.shrinkage) * np.outer(side, side), edge, cost, current, bound
        )
    best = np.zeros_like(bound)
    for part in np.array_split(np.argsort(-bound, kind="stable"), -(-len(symbols) // BLOCK)):
        left = edge[part] - side[part] * comovement.covariances_with(comovement.portfolio_returns(side * best, symbols))[symbols[part]]
        whole = covariance.shrink_correlation(_sample(comovement, symbols[part]), comovement.shrinkage) * np.outer(side[part], side[part])
        best[part] = mean_variance.optimise_sizes(whole, left, cost[part], current[part], bound[part])
    return best


def _limit_portfolio(
    unconstrained: Floats, current: Floats, risk_model: RiskModel | None, market_state: MarketState, liquidity: Liquidity, inputs: Inputs
) -> list[Floats]:
    """Return the sizes after each portfolio limit: cluster, volatility, expected shortfall, gross, net, daily loss, drawdown, participation."""
    config = inputs.config
    if risk_model is None:
        return [unconstrained] * (len(LIMITS) - LIMITS.index("joint sizing") - 1)
    steps = [_limit_clusters(unconstrained, risk_model, config)]
    steps += _limit_risk(steps[-1], risk_model, market_state, inputs)
    gross = float(np.abs(steps[-1]).sum())
    steps.append(steps[-1] * min(1.0, config.max_gross / gross) if gross > 0 else steps[-1])
    steps.append(_limit_net(steps[-1], config.max_net))
    smaller = np.where(np.sign(steps[-1]) == np.sign(current), np.sign(current) * np.minimum(np.abs(steps[-1]), np.abs(current)), 0.0)
    steps.append(smaller if compute_daily_loss(inputs.account) > config.max_daily_loss else steps[-1])
    steps.append(np.zeros_like(unconstrained) if compute_drawdown(inputs.account) > config.max_drawdown else steps[-1])
    steps.append(_limit_participation(steps[-1], current, liquidity.capacity / max(inputs.account.equity, 1e-9)))
    return steps


def _limit_participation(target: Floats, current: Floats, capacity: Floats) -> Floats:
    """Limit additions to what a bar may fill; a closing target stays whole and is filled bar by bar. A capacity of NaN is no limit."""
    most, least = np.maximum(current, 0.0) + capacity, np.minimum(current, 0.0) - capacity
    return np.fmax(np.fmin(target, most), least)


def _limit_clusters(target: Floats, risk_model: RiskModel, config: TradingConfig) -> Floats:
    """Scale down each cluster of correlated symbols whose gross exposure is above its limit."""
    if float(np.abs(target).sum()) <= config.max_cluster:
        return target
    symbols, sample = risk_model.symbols, risk_model.sample
    if not len(sample):
        symbols = np.flatnonzero(target)
        sample = _sample(risk_model.comovement, symbols)
    labels = covariance.find_clusters(sample, config.cluster_correlation)
    many = np.bincount(labels)[labels] > 1
    gross = np.bincount(labels, np.abs(target[symbols]))[labels]
    share = np.where(many, config.max_cluster / np.maximum(gross, config.max_cluster), 1.0)
    out = target.copy()
    out[symbols] *= share
    return out


def _limit_risk(target: Floats, risk_model: RiskModel, market_state: MarketState, inputs: Inputs) -> list[Floats]:
    """Return the sizes after the volatility target, and after the limit on expected shortfall; both scale the whole portfolio.

    Volatilities are those known at the decision, annualised by the trading hours of the market. The shortfall is that of the portfolio's own bars
    in the window, at least that of a normal distribution, times the root of a day's bars (as in Basel's MAR33).
    """
    config, symbols = inputs.config, risk_model.symbols
    hours, days = trading_year(config, market_state)
    sigma = np.where(np.isfinite(market_state.sigma), market_state.sigma, 0.0)
    exposure = (target * sigma * np.sqrt(hours * (HOUR / inputs.interval)))[symbols]  # yearly volatilities
    series = risk_model.comovement.portfolio_returns(exposure, symbols)
    yearly = math.sqrt(risk_model.comovement.variance(exposure, series))
    factor = min(1.0, config.target_volatility / yearly) if yearly > 0 else 1.0
    after = target * factor
    daily = factor / math.sqrt(days)
    loss = daily * max(NORMAL_SHORTFALL * yearly, _tail_loss(series, risk_model.comovement.weights, config.max_shortfall / daily))
    return [after, after * (config.max_shortfall / loss) if loss > config.max_shortfall else after]


def _tail_loss(series: Floats, weights: Floats, limit: float) -> float:
    """Return the expected shortfall of one bar; 0 where not even the largest loss exceeds the limit."""
    return expected_shortfall(-series, weights) if float(-series.min()) > limit else 0.0


def trading_year(config: TradingConfig, market_state: MarketState) -> tuple[Floats | float, float]:
    """Return the trading hours per year, by symbol (S,) where a venue declares them, and the trading days; learned from the market elsewhere."""
    hours, days = trading_calendar.trading_year(market_state.incident_state.calendar.traded)
    if not config.trading_hours:
        return hours, days
    declared = np.array(config.trading_hours)
    return np.where(declared > 0, declared, hours), DECLARED_DAYS


def _limit_net(target: Floats, limit: float) -> Floats:
    """Scale down the heavier side until |long - short| is within the limit."""
    net = float(target.sum())
    if abs(net) <= limit:
        return target
    heavy = np.sign(target) == np.sign(net)
    side = float(np.abs(target[heavy]).sum())
    return np.where(heavy, target * (1.0 - (abs(net) - limit) / side), target)
