"""The simulated market's agents, bar by bar in twelve steps: makers, noise traders, trend followers and informed traders round a fair value.

The fair value is given; it moves as it will and nothing an agent does moves it. What agents make is all else: who trades when, how much, how
deep and how wide the book is, and how its queues come and go. Money is in units of the quote currency until it is handed over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.domain.record import Floats, Record
from engine.feeds._simulated_draws import GENERATIONS, LOOK_BACK, STEPS, RandomDraws, Singles
from engine.feeds._simulated_prices import ACTIVITY_SPREAD, REGIME_SHARE, PriceModel, PricePath, Reals, mix_factors

ORDERS = 14.0  # of noise traders, a step, on average
ORDER_MONEY = 7_500.0  # mean money of one
ORDER_SPREAD = 2.0  # deviation of an order's size over its mean
ECHO = 0.6  # orders that one order calls forth at once
ECHOES = ((0, 0.30), (1, 0.22), (2, 0.16), (4, 0.14), (8, 0.10), (16, 0.08))  # after how many steps, and which share of them
NEWS, NEWS_PERSISTENCE = 0.9, 0.4  # spread of the log of how many orders come by themselves, and what of it lasts to the next step
HASTE = (0.5, 0.35)  # how much faster than with orders the fair value then moves, and so much more for each deviation that the bar moves
WANDER = 0.95  # of a bridge's deviation: with large moves made in few steps, variance then grows with time alone
STIR = (0.6, 0.5)  # orders in a bar that does not move over the usual number, and so many more for each deviation that it moves
QUIET_CLOCK = 0.3  # of a bar's time that passes evenly; the rest passes with orders
PLAN, PLAN_PERSISTENCE, WHIM = 0.4, 0.7, 1.1  # how far one side prevails: large orders worked over many steps, and chance within a step
TREND = 0.08  # of noise traders' mean money, at most, by those who buy what rose over the last bars
TREND_BARS = 4
LEVEL_SHARE = 0.1  # distance of two levels over the volatility of a bar
LEVEL_MONEY = 40_000.0  # mean money at the best level
INFORMED, INFORMED_SPREAD = 0.75, 0.4  # share of stale quotes that informed traders take; makers withdraw the others in time
THIN = 0.35  # depth falls with this power of volatility
QUEUE_SPREAD, QUEUE_PERSISTENCE = 0.9, 0.5  # of the log of what waits at the best price, from step to step
TAKEN, REFILL = 0.5, 0.75  # share of a trade that makers do not put back at once; of that, what is still missing a step later
LEAN = 0.25  # how strongly what was taken shows in the two best sizes
FLICKERS, FLICKER_SPREAD = 3.5, 1.3  # moves of the best prices there and back in a step, and the spread of the sizes that come and go over their mean
WITHDRAWN = 0.4  # of what came and stayed, the share taken back a step later
SPREAD_FACTOR = (0.9, 1.0, 1.4)  # calm, normal, volatile: what the spread is multiplied by
SPREAD_NOISE, SPREAD_PERSISTENCE = 0.35, 0.9
_SPREAD_MEAN = float((REGIME_SHARE * np.array(SPREAD_FACTOR)).sum())
_DESCENDANTS = sum(ECHO**generation for generation in range(GENERATIONS))


@dataclass(frozen=True, slots=True)
class StepInputs(Record):
    """What is known of n bars before anyone acts in them."""

    move: Floats  # (n, S) log return of the fair value, rounded to the tick at both ends
    sigma: Floats  # (n, S)
    busy: Floats  # (n, S) how active the market is; about 1 in the mean
    depth: Floats  # (n, S) money at the best level
    half_spread: Floats  # (n, S) in ticks, not rounded
    trend: Floats  # (n, S) in deviations, over the bars before


@dataclass(frozen=True, slots=True)
class Steps(Record):
    """What happened in each step; (n, 12, S) each, money where nothing else is said."""

    clock: Singles  # share of the bar's time, by the market's own clock
    rise: Singles  # log fair value at the step's end over the bar's open
    change: Singles  # log return of the fair value
    queues: tuple[Singles, Singles]  # bid and ask; unit normal, where each best queue stands at the step's end
    bid: Singles  # at the best bid at the step's end
    ask: Singles
    lean: Singles  # log; what was taken, as it shows in the sizes of both sides
    wide: Singles  # log; how much wider the book is than usual
    half_spread: Singles  # ticks, whole, at least 1
    ofi: Singles  # order-flow imbalance at the best level
    moved: Singles  # the part of it that goes with the price
    flicker: Singles  # deviation of the part that comes and goes
    signed: Singles  # bought less sold by aggressors
    volume: Singles
    trades: Singles  # count


def prepare_steps(path: PricePath, market: PriceModel, spread_bps: float) -> StepInputs:
    """Of the bars of `path`."""
    relative = path.sigma / market.volatility
    shock = np.concatenate([np.zeros((1, path.sigma.shape[1])), np.cumsum(path.returns / path.sigma, axis=0)])[:-1]
    trend = shock.copy()
    trend[TREND_BARS:] -= shock[:-TREND_BARS]
    size = np.minimum(np.abs(path.returns) / path.sigma, 5.0)
    factor = np.array(SPREAD_FACTOR)[path.regime] / _SPREAD_MEAN
    busy = np.exp(ACTIVITY_SPREAD * path.activity - ACTIVITY_SPREAD**2 / 2.0) * relative**0.7 * (STIR[0] + STIR[1] * size)
    return StepInputs(
        np.log(path.close / path.open), path.sigma, busy,
        LEVEL_MONEY * np.exp(0.3 * path.activity) * relative**-THIN, 0.5e-4 * spread_bps * path.open * factor[:, None] / path.tick,
        trend / np.sqrt(TREND_BARS),
    )  # fmt: skip


def simulate_steps(known: StepInputs, draws: RandomDraws, market: PriceModel) -> Steps:
    """All steps of n + 8 bars, of which the first 8 are only there to be remembered; gives the last n + 1 bars."""
    busy, depth = _each(known.busy), _each(known.depth)
    news = _remember(draws.step("news"), NEWS_PERSISTENCE, 16, unit=True)
    orders = _arrivals(ORDERS * busy, news, draws)
    clock, rise, change = _fair_value(known, orders, news, draws, market)
    noise, leaning = _noise_traders(orders, draws)
    trend = (TREND * ORDERS * ORDER_MONEY) * busy * np.tanh(_each(known.trend))
    gone = _remember(leaning + trend, REFILL, 32) * TAKEN
    lean = LEAN * np.tanh(gone / depth)
    queues = [_remember(draws.step(side), QUEUE_PERSISTENCE, 16, unit=True) for side in ("bid", "ask")]
    bid, ask = queue_sizes(depth, queues[0], lean), queue_sizes(depth, queues[1], -lean)
    levels = change / np.float32(LEVEL_SHARE * market.volatility)
    moved = levels * (bid + ask)
    flicker = np.sqrt(2.0 * (np.abs(levels) + (FLICKERS / ORDERS) * orders)) * depth * FLICKER_SPREAD
    came = flicker * draws.step("flicker")
    ofi = moved + came
    ofi[1:] += gone[1:] - gone[:-1] - WITHDRAWN * came[:-1]
    informed = moved * (0.5 * INFORMED) * np.exp(INFORMED_SPREAD * draws.step("share") - INFORMED_SPREAD**2 / 2.0)
    others = np.abs(trend) + np.abs(informed)
    wide = SPREAD_NOISE * _remember(draws.step("spread"), SPREAD_PERSISTENCE, 64, unit=True)
    half_spread = half_spread_ticks(_each(known.half_spread), wide)
    trades = orders + np.rint(others / ORDER_MONEY)
    signed, volume = leaning + trend + informed, noise + others
    return Steps(
        _last(clock), _last(rise), _last(change), (_last(queues[0]), _last(queues[1])), _last(bid), _last(ask), _last(lean), _last(wide),
        _last(half_spread), _last(ofi), _last(moved), _last(flicker), _last(signed), _last(volume), _last(trades),
    )  # fmt: skip


def half_spread_ticks(usual: Reals, wide: Reals) -> Reals:
    """Half a spread in whole ticks, given the usual one and the log of how much wider it is."""
    return np.asarray(np.maximum(np.rint(usual * np.exp(wide - SPREAD_NOISE**2 / 2.0)), 1.0))


def queue_sizes(depth: Reals, state: Reals, lean: Reals) -> Reals:
    """Money at a best price; `state` is unit normal."""
    return np.asarray(depth * np.exp(QUEUE_SPREAD * state + lean - QUEUE_SPREAD**2 / 2.0))


def _arrivals(rate: Singles, news: Singles, draws: RandomDraws) -> Singles:
    """Counts of noise traders' orders, clustered as in Hawkes (1971): orders of the first generation come by themselves, each calls forth others.

    Counts are Poisson given the generation before, by the Cornish-Fisher form of a normal draw. The mean is `rate`.
    """
    new = _count(rate * np.exp(NEWS * news - NEWS**2 / 2.0) * (1.0 / _DESCENDANTS), draws.step("orders_0"))
    orders = new
    for generation in range(1, GENERATIONS):
        expected = new * (ECHO * ECHOES[0][1])
        for lag, share in ECHOES[1:]:
            expected[lag:] += new[:-lag] * (ECHO * share)
        new = _count(expected, draws.step(f"orders_{generation}"))
        orders = orders + new
    return orders


def _count(mean: Singles, normal: Singles) -> Singles:
    return np.maximum(np.rint(mean + np.sqrt(mean) * normal + (normal * normal - 1.0) * (1.0 / 6.0)), 0.0)


def _fair_value(known: StepInputs, orders: Singles, news: Singles, draws: RandomDraws, market: PriceModel) -> tuple[Singles, Singles, Singles]:
    """The path from open to close: a Brownian bridge in a clock that runs with orders, correlated over symbols as the bars are."""
    shape = (len(known.move), STEPS, known.move.shape[1])
    haste = _each(HASTE[0] + HASTE[1] * np.minimum(np.abs(known.move) / known.sigma, 4.0))
    pace = ((orders + QUIET_CLOCK * ORDERS * _each(known.busy)) * np.exp(haste * news)).reshape(shape)
    clock = pace / pace.sum(axis=1, keepdims=True)
    shock = np.sqrt(clock) * mix_factors(market.loadings.astype(np.float32), draws.factors.T, draws.step("own")).reshape(shape)
    shock -= clock * shock.sum(axis=1, keepdims=True)
    change = known.move.astype(np.float32)[:, None] * clock + (WANDER * known.sigma).astype(np.float32)[:, None] * shock
    return clock.reshape(orders.shape), np.cumsum(change, axis=1).reshape(orders.shape), change.reshape(orders.shape)


def _noise_traders(orders: Singles, draws: RandomDraws) -> tuple[Singles, Singles]:
    """Money traded, and bought less sold; sizes are heavy-tailed, sides cluster."""
    spread = np.log1p(ORDER_SPREAD**2 / np.maximum(orders, 1.0))
    money = orders * ORDER_MONEY * np.exp(np.sqrt(spread) * draws.step("size") - 0.5 * spread)
    side = np.tanh(PLAN * _remember(draws.step("plan"), PLAN_PERSISTENCE, 32, unit=True) + WHIM * draws.step("whim"))
    return money, money * side


def _remember(news: Singles, persistence: float, window: int, *, unit: bool = False) -> Singles:
    """x_t = persistence * x_(t-1) + news_t, forgetting what is `window` steps old (a power of 2); `unit` scales x to a variance of about 1."""
    out = news * (float(np.sqrt(1.0 - persistence**2)) if unit else 1.0)
    lag = 1
    while lag < window:
        out[lag:] += persistence**lag * out[:-lag]
        lag *= 2
    return out


def _each(values: Floats) -> Singles:
    """(12 n, S) of (n, S)."""
    return np.repeat(values.astype(np.float32), STEPS, axis=0)


def _last(values: Reals) -> Singles:
    return np.asarray(values.reshape(-1, STEPS, values.shape[1])[LOOK_BACK - 1 :], dtype=np.float32)
