"""Phase 7, risk and sizing: how much of each symbol to hold, and what each limit made of the wish."""

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
HOUR = 3_600 * 10**9  # an hour


def size_positions(forecast: Forecast, mood: MarketState, liquidity: Liquidity, inputs: Inputs, state: State) -> Sizes:
    """Growth-optimal sizes, scaled by proven skill, traded only beyond the band that costs make (Davis and Norman 1990), then limited in order.

    Each symbol is sized alone first, then given what the others take of its expected move. Limits go from the part to the whole: a symbol, symbols
    that move as one, the risk of the portfolio in the usual case and in the tail, its leverage, and the losses after which it stops.
    """
    knobs = inputs.config
    low, estimate = proven.skill_bound(state.recent, knobs)
    standing = succession.allowed_share(succession.adopt_versions(state.succession, state.recent, inputs.events, knobs), state.recent, knobs)
    usable = low * standing
    horizon = choose_horizon(usable if (usable > 0.0).any() else low, knobs)
    held = position_shares(inputs.account, liquidity.mid)
    scale = forecast.scale[horizon]
    edge = forecast.mean[horizon] * scale
    cost = 2.0 * liquidity.cost_bps * knobs.edge_margin / 1e4
    optimal = np.where(scale > 0, 1.0 / np.where(scale > 0, scale * scale, 1.0), 0.0)
    skilled = optimal * knobs.kelly * proven.proven_share(low, estimate)[horizon]
    slope = skilled * standing[horizon]
    wanted = edge * optimal
    banded = apply_no_trade_band(held, edge, cost, slope)
    capped = np.clip(banded, -knobs.max_position, knobs.max_position)
    owned = _without_shorts(capped, knobs)
    book = _book(owned, inputs)
    alone, taken = _jointly(owned, held, edge, cost, slope, scale, book, knobs)
    limited = _portfolio(alone, held, book, mood, liquidity, inputs)
    steps = [wanted, wanted * knobs.kelly, edge * skilled, edge * slope, banded, capped, owned, alone, *limited]
    probability = forecast.probability[horizon]
    confidence = np.where(edge >= 0, probability, 1.0 - probability)
    return Sizes(
        held, alone, steps[-1], LIMITS, np.stack(steps), edge * 1e4, cost * 1e4, slope, taken * 1e4, horizon, confidence, low, estimate
    )  # fmt: skip


def keep_positions(forecast: Forecast, mood: MarketState, liquidity: Liquidity, inputs: Inputs, state: State) -> Sizes:
    """Assumes nothing about the future: keeps what is held, wants nothing more."""
    del forecast, mood, state
    held = position_shares(inputs.account, liquidity.mid)
    zero = np.zeros(len(held))
    none = np.full(len(inputs.config.horizons), np.nan)
    steps = np.repeat(held[None, :], len(LIMITS) + 1, axis=0)
    return Sizes(held, held, held, LIMITS, steps, zero, 2.0 * liquidity.cost_bps, zero, zero, len(none) - 1, zero + 0.5, none, none)


def apply_no_trade_band(held: Floats, edge: Floats, cost: Floats, slope: Floats) -> Floats:
    """(S,) what to hold, as a share of equity, when a round trip costs `cost` (log return) and each unit of edge is worth `slope` of size.

    New exposure is worth its full round trip: buy up to slope (edge - cost) where that is positive, sell down to slope (edge + cost) where that
    is negative. Exposure already there is cut only to slope x edge, its exit being paid for either way. Between the two nothing is traded.
    """
    buy_to = np.where(edge >= cost, slope * (edge - cost), slope * np.minimum(edge, 0.0))
    sell_to = np.where(edge <= -cost, slope * (edge + cost), slope * np.maximum(edge, 0.0))
    return np.clip(held, buy_to, sell_to)


def choose_horizon(low: Floats, knobs: TradingConfig) -> int:
    """Index of the horizon with the largest proven move, root of (bound x bars); the longest where none is proven."""
    moves = np.where(low > 0.0, low, 0.0) * np.array(knobs.horizons)
    return int(moves.argmax()) if moves.max() > 0 else len(knobs.horizons) - 1


def position_shares(account: Account, mid: Floats) -> Floats:
    """(S,) positions as shares of equity."""
    price = np.where(np.isfinite(mid), mid, np.where(np.isfinite(account.mark_price), account.mark_price, 0.0))
    return np.asarray(account.positions * price / max(account.equity, 1e-9))


def compute_daily_loss(account: Account) -> float:
    """Loss since the day began, as a share of the day's opening equity; 0 for a gain."""
    return max(0.0, 1.0 - account.equity / account.day_open_equity) if account.day_open_equity > 0 else 0.0


def compute_drawdown(account: Account) -> float:
    """Fall from the highest equity, as a share of it."""
    return max(0.0, 1.0 - account.equity / account.peak_equity) if account.peak_equity > 0 else 0.0


def _without_shorts(target: Floats, knobs: TradingConfig) -> Floats:
    """What is sold short on spot, and cannot be borrowed, is not held at all."""
    return np.where(np.array(knobs.rules.shorts), target, np.maximum(target, 0.0)) if knobs.rules.shorts else target


@dataclass(frozen=True, slots=True)
class RiskModel:
    """The N symbols that are wanted, and how they move together."""

    symbols: Ints  # (N,) indices
    comovement: CorrelationModel
    sample: Floats  # (N, N) correlation as measured; (0, 0) of a book of more than one block, whose pairs are too many


def _book(wanted: Floats, inputs: Inputs) -> RiskModel | None:
    """None where nothing is wanted."""
    symbols = np.flatnonzero(wanted)
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


def _jointly(
    capped: Floats, held: Floats, edge: Floats, cost: Floats, slope: Floats, scale: Floats, book: RiskModel | None, knobs: TradingConfig
) -> tuple[Floats, Floats]:
    """(S,) sizes that are best together, never larger than alone; and (S,) log return, how much of each edge the others take.

    Correlations are those of bars, volatilities those of the horizon acted on, in whose units the forecast is. An edge beyond what the largest
    position needs counts as that much: two names of one symbol then share one position's size.
    """
    if book is None:
        return capped, np.zeros_like(capped)
    some = book.symbols
    side = np.sign(capped[some])
    unit = slope[some] * scale[some]  # share of equity for one unit of risk
    size = np.abs(capped[some]) / unit
    alone = capped
    if len(some) > 1:
        most = cost[some] + knobs.max_position / slope[some]
        wish = np.minimum(side * edge[some], most) / scale[some]
        best = _best(book, side, wish, cost[some] / scale[some], np.maximum(side * held[some], 0.0) / unit, size)
        alone = capped.copy()
        alone[some] = np.where(best < size, side * best * unit, capped[some])
        size = best
    exposure = side * size
    taken = book.comovement.covariances_with(book.comovement.portfolio_returns(exposure, some))
    taken[some] -= (1.0 - book.comovement.shrinkage) * exposure
    return alone, taken * scale


def _best(book: RiskModel, side: Floats, edge: Floats, cost: Floats, held: Floats, bound: Floats) -> Floats:
    """(N,) joint sizes in units of risk. Beyond one block the largest symbols go first, the next are given what these leave them."""
    moving, some = book.comovement, book.symbols
    if len(some) <= BLOCK:
        return mean_variance.optimise_sizes(
            covariance.shrink_correlation(book.sample, moving.shrinkage) * np.outer(side, side), edge, cost, held, bound
        )
    best = np.zeros_like(bound)
    for part in np.array_split(np.argsort(-bound, kind="stable"), -(-len(some) // BLOCK)):
        left = edge[part] - side[part] * moving.covariances_with(moving.portfolio_returns(side * best, some))[some[part]]
        whole = covariance.shrink_correlation(_sample(moving, some[part]), moving.shrinkage) * np.outer(side[part], side[part])
        best[part] = mean_variance.optimise_sizes(whole, left, cost[part], held[part], bound[part])
    return best


def _portfolio(alone: Floats, held: Floats, book: RiskModel | None, mood: MarketState, liquidity: Liquidity, inputs: Inputs) -> list[Floats]:
    """The limits of the portfolio, in order: cluster, volatility, expected shortfall, gross, net, daily loss, drawdown, participation."""
    knobs = inputs.config
    if book is None:
        return [alone] * (len(LIMITS) - LIMITS.index("joint sizing") - 1)
    steps = [_limit_clusters(alone, book, knobs)]
    steps += _limit_risk(steps[-1], book, mood, inputs)
    gross = float(np.abs(steps[-1]).sum())
    steps.append(steps[-1] * min(1.0, knobs.max_gross / gross) if gross > 0 else steps[-1])
    steps.append(_limit_net(steps[-1], knobs.max_net))
    smaller = np.where(np.sign(steps[-1]) == np.sign(held), np.sign(held) * np.minimum(np.abs(steps[-1]), np.abs(held)), 0.0)
    steps.append(smaller if compute_daily_loss(inputs.account) > knobs.max_daily_loss else steps[-1])
    steps.append(np.zeros_like(alone) if compute_drawdown(inputs.account) > knobs.max_drawdown else steps[-1])
    steps.append(_fillable(steps[-1], held, liquidity.capacity / max(inputs.account.equity, 1e-9)))
    return steps


def _fillable(target: Floats, held: Floats, room: Floats) -> Floats:
    """Adds no more than a bar may fill; what closes is wanted whole, and is filled bar by bar. A room that is NaN is no limit."""
    most, least = np.maximum(held, 0.0) + room, np.minimum(held, 0.0) - room
    return np.fmax(np.fmin(target, most), least)


def _limit_clusters(target: Floats, book: RiskModel, knobs: TradingConfig) -> Floats:
    """Scales down each cluster of correlated symbols whose gross exposure is above its limit."""
    if float(np.abs(target).sum()) <= knobs.max_cluster:
        return target
    some, sample = book.symbols, book.sample
    if not len(sample):
        some = np.flatnonzero(target)
        sample = _sample(book.comovement, some)
    labels = covariance.find_clusters(sample, knobs.cluster_correlation)
    many = np.bincount(labels)[labels] > 1
    gross = np.bincount(labels, np.abs(target[some]))[labels]
    share = np.where(many, knobs.max_cluster / np.maximum(gross, knobs.max_cluster), 1.0)
    out = target.copy()
    out[some] *= share
    return out


def _limit_risk(target: Floats, book: RiskModel, mood: MarketState, inputs: Inputs) -> list[Floats]:
    """After the volatility target, and after the limit on expected shortfall: both scale the whole portfolio.

    Volatilities are those known at the decision, over as many bars as the market trades in a year. The shortfall is that of the portfolio's own bars
    in the window, at least that of a normal distribution, times the root of a day's bars (as in Basel's MAR33).
    """
    knobs, some = inputs.config, book.symbols
    hours, days = trading_year(knobs, mood)
    sigma = np.where(np.isfinite(mood.sigma), mood.sigma, 0.0)
    exposure = (target * sigma * np.sqrt(hours * (HOUR / inputs.interval)))[some]  # yearly volatilities
    series = book.comovement.portfolio_returns(exposure, some)
    yearly = math.sqrt(book.comovement.variance(exposure, series))
    factor = min(1.0, knobs.target_volatility / yearly) if yearly > 0 else 1.0
    after = target * factor
    daily = factor / math.sqrt(days)
    loss = daily * max(NORMAL_SHORTFALL * yearly, _tail(series, book.comovement.weights, knobs.max_shortfall / daily))
    return [after, after * (knobs.max_shortfall / loss) if loss > knobs.max_shortfall else after]


def _tail(series: Floats, weights: Floats, limit: float) -> float:
    """Expected shortfall of one bar; 0 where not even the largest loss is beyond the limit."""
    return expected_shortfall(-series, weights) if float(-series.min()) > limit else 0.0


def trading_year(knobs: TradingConfig, mood: MarketState) -> tuple[Floats | float, float]:
    """Hours of trading in a year, by symbol (S,) where a venue declares them, and days: as declared, else as learned from when the market traded."""
    hours, days = trading_calendar.trading_year(mood.incident_state.calendar.traded)
    if not knobs.trading_hours:
        return hours, days
    declared = np.array(knobs.trading_hours)
    return np.where(declared > 0, declared, hours), DECLARED_DAYS


def _limit_net(target: Floats, limit: float) -> Floats:
    """Scales down the heavier side until |long - short| is within the limit."""
    net = float(target.sum())
    if abs(net) <= limit:
        return target
    heavy = np.sign(target) == np.sign(net)
    side = float(np.abs(target[heavy]).sum())
    return np.where(heavy, target * (1.0 - (abs(net) - limit) / side), target)
