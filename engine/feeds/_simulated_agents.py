"""The simulated market's agents, bar by bar in twelve steps: makers, noise traders, trend followers and informed traders around a fair value.

The fair value is given and no agent moves it. The agents make everything else: who trades when, how much, the depth and width of the book, and the
renewal of its queues. Money is in units of the quote currency until it is handed over. Randomness is drawn in small blocks, each from its own
stream, so that any stretch of bars can be drawn again alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.domain.record import Floats, Record
from engine.feeds._simulated_prices import ACTIVITY_SPREAD, REGIME_SHARE, SECTORS, PriceModel, PricePath, Reals, mix_factors

Singles = NDArray[np.float32]
STEPS = 12  # per bar, in each of which the agents act
BLOCK = 8  # bars drawn from one stream; another value changes the market of every seed
LOOK_BACK = 8  # bars before a stretch that its first bar may still depend on
GENERATIONS = 4  # of orders triggered by orders
_ORDERS = tuple(f"orders_{number}" for number in range(GENERATIONS))
_STEP_NAMES = ("own", "news", *_ORDERS, "plan", "whim", "size", "share", "bid", "ask", "flicker", "spread")
_STEP = {name: number for number, name in enumerate(_STEP_NAMES)}
_BAR_NAMES = ("mid", "bid", "ask", "spread")
_TIME_AXIS = {"factors": 1, "steps": 1, "reach": 1, "bars": 1, "sizes": 2, "gaps": 2, "deep": 0}

ORDERS = 14.0  # mean number of noise traders' orders per step
ORDER_MONEY = 7_500.0  # mean money per order
ORDER_SPREAD = 2.0  # deviation of an order's size over its mean
ECHO = 0.6  # orders that one order triggers directly
ECHOES = ((0, 0.30), (1, 0.22), (2, 0.16), (4, 0.14), (8, 0.10), (16, 0.08))  # delay in steps, and share
NEWS, NEWS_PERSISTENCE = 0.9, 0.4  # deviation of the log rate of untriggered orders, and its persistence per step
HASTE = (0.5, 0.35)  # extra speed of the fair value with news beyond that of orders, and its increase per deviation of the bar's move
BRIDGE_SCALE = 0.95  # of a bridge's deviation: although large moves happen in few steps, variance then grows with time alone
ACTIVITY = (0.6, 0.5)  # orders in a still bar over the mean number, and their increase per deviation of the bar's move
QUIET_CLOCK = 0.3  # share of a bar's time that passes evenly; the rest passes with orders
PLAN, PLAN_PERSISTENCE, WHIM = 0.4, 0.7, 1.1  # dominance of one side: large orders worked over many steps, and chance within a step
TREND = 0.08  # of noise traders' mean money: the most that trend followers trade
TREND_BARS = 4
LEVEL_SHARE = 0.1  # distance of two levels over the volatility of a bar
LEVEL_MONEY = 40_000.0  # mean money at the best level
INFORMED, INFORMED_SPREAD = 0.75, 0.4  # share of stale quotes taken by informed traders; makers withdraw the rest
DEPTH_EXPONENT = 0.35  # depth falls with this power of volatility
QUEUE_SPREAD, QUEUE_PERSISTENCE = 0.9, 0.5  # deviation and persistence per step of the log size at the best price
TAKEN, REFILL = 0.5, 0.75  # share of a trade that makers do not replace at once; share of that still missing a step later
LEAN = 0.25  # effect of the missing size on the two best sizes
FLICKERS, FLICKER_SPREAD = 3.5, 1.3  # moves of the best prices there and back per step, and the deviation of the sizes involved over their mean
WITHDRAWN = 0.4  # share of added size withdrawn a step later
SPREAD_FACTOR = (0.9, 1.0, 1.4)  # calm, normal, volatile: factor of the spread
SPREAD_NOISE, SPREAD_PERSISTENCE = 0.35, 0.9
_SPREAD_MEAN = float((REGIME_SHARE * np.array(SPREAD_FACTOR)).sum())
_DESCENDANTS = sum(ECHO**generation for generation in range(GENERATIONS))


@dataclass(frozen=True, slots=True)
class RandomDraws(Record):
    """Everything random in a stretch of n bars of 12 n steps: independent standard normals and exponentials, in single precision."""

    factors: Singles  # (3, 12 n) normal
    steps: Singles  # (14, 12 n, S) normal, by _STEP_NAMES
    reach: Singles  # (2, 12 n, S) exponential
    bars: Singles  # (4, n, S) normal, at the fill
    sizes: Singles  # (2, 2, n, S, D) normal: at the close and at the fill, bid and ask
    gaps: Singles  # (3, 2, n, S, D) exponential: at the close, at the fill, and the lifetime of the old ones
    deep: Singles  # (n, S, D) normal

    def step(self, name: str) -> Singles:
        """(12 n, S) the draws of this name, by step."""
        return np.asarray(self.steps[_STEP[name]])

    def fill(self, name: str) -> Singles:
        """(n, S) the draws of this name, at the fill."""
        return np.asarray(self.bars[_BAR_NAMES.index(name)])


@dataclass(frozen=True, slots=True)
class StepInputs(Record):
    """The inputs of the agents' steps in n bars."""

    move: Floats  # (n, S) log return of the fair value, rounded to the tick at both ends
    sigma: Floats  # (n, S)
    busy: Floats  # (n, S) how active the market is; about 1 in the mean
    depth: Floats  # (n, S) money at the best level
    half_spread: Floats  # (n, S) in ticks, not rounded
    trend: Floats  # (n, S) in deviations, over the bars before


@dataclass(frozen=True, slots=True)
class Steps(Record):
    """The results of the agents' steps; (n, 12, S) each, in money unless another unit is stated."""

    clock: Singles  # share of the bar's time, by the market's own clock
    rise: Singles  # log fair value at the step's end over the bar's open
    change: Singles  # log return of the fair value
    queues: tuple[Singles, Singles]  # bid and ask; unit normal, where each best queue stands at the step's end
    bid: Singles  # at the best bid at the step's end
    ask: Singles
    lean: Singles  # log; effect of the missing size on the sizes of both sides
    wide: Singles  # log; width of the book over its mean
    half_spread: Singles  # ticks, whole, at least 1
    ofi: Singles  # order-flow imbalance at the best level
    moved: Singles  # the part of it that follows the price
    flicker: Singles  # deviation of the transient part
    signed: Singles  # bought less sold by aggressors
    volume: Singles
    trades: Singles  # count


def draw_bars(seed: int, first: int, bars: int, count: int, levels: int) -> RandomDraws:
    """The draws of bars first .. first + bars, both multiples of a block; `first` may be as low as -8."""
    blocks = [_block(seed, number, count, levels) for number in range(first // BLOCK, (first + bars) // BLOCK)]
    return RandomDraws(**{name: np.concatenate([getattr(block, name) for block in blocks], axis=axis) for name, axis in _TIME_AXIS.items()})


def prepare_steps(path: PricePath, market: PriceModel, spread_bps: float) -> StepInputs:
    """The inputs of the steps in the bars of `path`; `spread_bps` is the mean spread."""
    relative = path.sigma / market.volatility
    shock = np.concatenate([np.zeros((1, path.sigma.shape[1])), np.cumsum(path.returns / path.sigma, axis=0)])[:-1]
    trend = shock.copy()
    trend[TREND_BARS:] -= shock[:-TREND_BARS]
    size = np.minimum(np.abs(path.returns) / path.sigma, 5.0)
    factor = np.array(SPREAD_FACTOR)[path.regime] / _SPREAD_MEAN
    busy = np.exp(ACTIVITY_SPREAD * path.activity - ACTIVITY_SPREAD**2 / 2.0) * relative**0.7 * (ACTIVITY[0] + ACTIVITY[1] * size)
    return StepInputs(
        np.log(path.close / path.open), path.sigma, busy,
        LEVEL_MONEY * np.exp(0.3 * path.activity) * relative**-DEPTH_EXPONENT, 0.5e-4 * spread_bps * path.open * factor[:, None] / path.tick,
        trend / np.sqrt(TREND_BARS),
    )  # fmt: skip


def simulate_steps(inputs: StepInputs, draws: RandomDraws, market: PriceModel) -> Steps:
    """Simulate the steps of n + 8 bars, the first 8 of which serve as history; returns the last n + 1 bars."""
    busy, depth = _repeat_steps(inputs.busy), _repeat_steps(inputs.depth)
    news = _autoregress(draws.step("news"), NEWS_PERSISTENCE, 16, unit=True)
    orders = _order_arrivals(ORDERS * busy, news, draws)
    clock, rise, change = _fair_value(inputs, orders, news, draws, market)
    noise, leaning = _noise_traders(orders, draws)
    trend = (TREND * ORDERS * ORDER_MONEY) * busy * np.tanh(_repeat_steps(inputs.trend))
    missing = _autoregress(leaning + trend, REFILL, 32) * TAKEN
    lean = LEAN * np.tanh(missing / depth)
    queues = [_autoregress(draws.step(side), QUEUE_PERSISTENCE, 16, unit=True) for side in ("bid", "ask")]
    bid, ask = queue_sizes(depth, queues[0], lean), queue_sizes(depth, queues[1], -lean)
    levels = change / np.float32(LEVEL_SHARE * market.volatility)
    moved = levels * (bid + ask)
    flicker = np.sqrt(2.0 * (np.abs(levels) + (FLICKERS / ORDERS) * orders)) * depth * FLICKER_SPREAD
    added = flicker * draws.step("flicker")
    ofi = moved + added
    ofi[1:] += missing[1:] - missing[:-1] - WITHDRAWN * added[:-1]
    informed = moved * (0.5 * INFORMED) * np.exp(INFORMED_SPREAD * draws.step("share") - INFORMED_SPREAD**2 / 2.0)
    others = np.abs(trend) + np.abs(informed)
    wide = SPREAD_NOISE * _autoregress(draws.step("spread"), SPREAD_PERSISTENCE, 64, unit=True)
    half_spread = half_spread_ticks(_repeat_steps(inputs.half_spread), wide)
    trades = orders + np.rint(others / ORDER_MONEY)
    signed, volume = leaning + trend + informed, noise + others
    return Steps(
        clock=_drop_history(clock),
        rise=_drop_history(rise),
        change=_drop_history(change),
        queues=(_drop_history(queues[0]), _drop_history(queues[1])),
        bid=_drop_history(bid),
        ask=_drop_history(ask),
        lean=_drop_history(lean),
        wide=_drop_history(wide),
        half_spread=_drop_history(half_spread),
        ofi=_drop_history(ofi),
        moved=_drop_history(moved),
        flicker=_drop_history(flicker),
        signed=_drop_history(signed),
        volume=_drop_history(volume),
        trades=_drop_history(trades),
    )


def half_spread_ticks(mean_ticks: Reals, wide: Reals) -> Reals:
    """Half a spread in whole ticks, from its mean in ticks and the log of its width over the mean."""
    return np.asarray(np.maximum(np.rint(mean_ticks * np.exp(wide - SPREAD_NOISE**2 / 2.0)), 1.0))


def queue_sizes(depth: Reals, state: Reals, lean: Reals) -> Reals:
    """Money in the queue at a best price; `state` is unit normal."""
    return np.asarray(depth * np.exp(QUEUE_SPREAD * state + lean - QUEUE_SPREAD**2 / 2.0))


def _block(seed: int, number: int, count: int, levels: int) -> RandomDraws:
    stream = np.random.default_rng([seed, 3, number + LOOK_BACK // BLOCK])
    steps = BLOCK * STEPS

    def normal(*shape: int) -> Singles:
        return stream.standard_normal(shape, dtype=np.float32)

    def exponential(*shape: int) -> Singles:
        return stream.standard_exponential(shape, dtype=np.float32)

    return RandomDraws(
        normal(1 + SECTORS, steps), normal(len(_STEP_NAMES), steps, count), exponential(2, steps, count), normal(len(_BAR_NAMES), BLOCK, count),
        normal(2, 2, BLOCK, count, levels), exponential(3, 2, BLOCK, count, levels), normal(BLOCK, count, levels),
    )  # fmt: skip


def _order_arrivals(rate: Singles, news: Singles, draws: RandomDraws) -> Singles:
    """Noise traders' orders per step, clustered as in Hawkes (1971): orders of the first generation arrive at random and trigger others.

    Counts are Poisson given the generation before, by the Cornish-Fisher form of a normal draw. The mean is `rate`.
    """
    new = _poisson(rate * np.exp(NEWS * news - NEWS**2 / 2.0) * (1.0 / _DESCENDANTS), draws.step("orders_0"))
    orders = new
    for generation in range(1, GENERATIONS):
        expected = new * (ECHO * ECHOES[0][1])
        for lag, share in ECHOES[1:]:
            expected[lag:] += new[:-lag] * (ECHO * share)
        new = _poisson(expected, draws.step(f"orders_{generation}"))
        orders = orders + new
    return orders


def _poisson(mean: Singles, normal: Singles) -> Singles:
    return np.maximum(np.rint(mean + np.sqrt(mean) * normal + (normal * normal - 1.0) * (1.0 / 6.0)), 0.0)


def _fair_value(inputs: StepInputs, orders: Singles, news: Singles, draws: RandomDraws, market: PriceModel) -> tuple[Singles, Singles, Singles]:
    """Clock, path and change per step of the fair value: a Brownian bridge in a clock that runs with orders, correlated over symbols."""
    shape = (len(inputs.move), STEPS, inputs.move.shape[1])
    haste = _repeat_steps(HASTE[0] + HASTE[1] * np.minimum(np.abs(inputs.move) / inputs.sigma, 4.0))
    pace = ((orders + QUIET_CLOCK * ORDERS * _repeat_steps(inputs.busy)) * np.exp(haste * news)).reshape(shape)
    clock = pace / pace.sum(axis=1, keepdims=True)
    shock = np.sqrt(clock) * mix_factors(market.loadings.astype(np.float32), draws.factors.T, draws.step("own")).reshape(shape)
    shock -= clock * shock.sum(axis=1, keepdims=True)
    change = inputs.move.astype(np.float32)[:, None] * clock + (BRIDGE_SCALE * inputs.sigma).astype(np.float32)[:, None] * shock
    return clock.reshape(orders.shape), np.cumsum(change, axis=1).reshape(orders.shape), change.reshape(orders.shape)


def _noise_traders(orders: Singles, draws: RandomDraws) -> tuple[Singles, Singles]:
    """Money traded, and money bought less sold; sizes are heavy-tailed, sides cluster."""
    spread = np.log1p(ORDER_SPREAD**2 / np.maximum(orders, 1.0))
    money = orders * ORDER_MONEY * np.exp(np.sqrt(spread) * draws.step("size") - 0.5 * spread)
    side = np.tanh(PLAN * _autoregress(draws.step("plan"), PLAN_PERSISTENCE, 32, unit=True) + WHIM * draws.step("whim"))
    return money, money * side


def _autoregress(news: Singles, persistence: float, window: int, *, unit: bool = False) -> Singles:
    """x_t = persistence * x_(t-1) + news_t, truncated after `window` steps (a power of 2); `unit` scales x to a variance of about 1."""
    out = news * (float(np.sqrt(1.0 - persistence**2)) if unit else 1.0)
    lag = 1
    while lag < window:
        out[lag:] += persistence**lag * out[:-lag]
        lag *= 2
    return out


def _repeat_steps(values: Floats) -> Singles:
    """(12 n, S) values by step of (n, S) by bar."""
    return np.repeat(values.astype(np.float32), STEPS, axis=0)


def _drop_history(values: Reals) -> Singles:
    return np.asarray(values.reshape(-1, STEPS, values.shape[1])[LOOK_BACK - 1 :], dtype=np.float32)
