"""The simulated market's prices: heavy-tailed, clustered, correlated innovations and an optional signal (docs/simulated_market.md)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.domain.record import Floats, Ints, Record
from engine.feeds._simulated_changes import ReturnHistory, SignalGains, empty_history, expect_returns

Reals = NDArray[np.floating[Any]]  # in single or double precision
MIN_TICKS = 10.0  # of a bar's volatility
FLOOR_SHARE = 0.25  # of the unconditional volatility: the smallest volatility of a bar
TAIL = 5.0  # degrees of freedom of Student's t
SECTORS = 2
LOG_VOL_PERSISTENCE = 0.985
LOG_VOL_SPREAD = 0.30  # standard deviation of log volatility within a regime
LOG_VOL_SHARED = 0.8  # share of its variance common to all symbols
VOL_CORRELATION = float(np.exp(-(LOG_VOL_SPREAD**2) * (1.0 - LOG_VOL_SHARED)))  # E[sigma_i sigma_j] / E[sigma^2] of two symbols
ACTIVITY_PERSISTENCE = 0.95
ACTIVITY_SPREAD = 0.45  # standard deviation of the clustered part of log volume
SEASON = 0.2  # amplitude of the daily pattern of volatility, highest at 14:00 UTC
REGIME_FACTOR = (0.7, 1.0, 1.7)  # calm, normal, volatile: factor of volatility
LEAVE_CALM, CALM_DOWN, STIR_UP, LEAVE_VOLATILE = 1 / 600, 1 / 800, 1 / 1000, 1 / 200  # chances per bar, between neighbouring regimes
_WEIGHT = np.array([CALM_DOWN / LEAVE_CALM, 1.0, STIR_UP / LEAVE_VOLATILE])
REGIME_SHARE = _WEIGHT / _WEIGHT.sum()  # in the long run
DAY = 86_400 * 10**9  # ns

_NAMES = (
    "ALFA", "BRAVO", "CHARLIE", "DELTA", "ECHO", "FOXTROT", "GOLF", "HOTEL", "INDIA", "JULIETT", "KILO", "LIMA", "MIKE",
    "NOVEMBER", "OSCAR", "PAPA", "QUEBEC", "ROMEO", "SIERRA", "TANGO", "UNIFORM", "VICTOR", "WHISKEY", "XRAY", "YANKEE", "ZULU",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PriceModel(Record):
    """The parameters drawn once from the seed."""

    loadings: Floats  # (S, 1 + SECTORS + S) of the market, the sectors and the symbol itself; rows of length 1
    volatility: float  # of the innovation of a bar's log return, unconditional
    persistence: float  # of the signal, from bar to bar


@dataclass(frozen=True, slots=True)
class PriceState(Record):
    """The state at the end of a chunk of bars, from which the next begins."""

    log_price: Floats  # (S,) before rounding to the tick
    close: Floats  # (S,)
    drive: Floats  # (S,) sum of past innovations, each weighted by the persistence of the bars since
    log_vol: Floats  # (1 + S,) shared, then each symbol's own; unit variance
    activity: Floats  # (S,) clustered part of log volume; unit variance
    regime: int
    history: ReturnHistory


@dataclass(frozen=True, slots=True)
class PricePath(Record):
    """The prices of a chunk of n bars and their true expected returns, volatilities and regimes."""

    returns: Floats  # (n, S) log return of each bar, before rounding to the tick
    expected: Floats  # (n, S) the best forecast of it from public data before the bar
    sigma: Floats  # (n, S) volatility of the innovation
    regime: Ints  # (n,) index into REGIME_FACTOR
    activity: Floats  # (n, S)
    tick: Floats  # (n, S) price step in force
    open: Floats  # (n, S) the close before
    close: Floats  # (n, S)


def symbol_names(count: int) -> tuple[str, ...]:
    """Symbol names that no venue uses: ALFA, BRAVO ... ZULU, ALFA2 ..."""
    return tuple(_NAMES[i % len(_NAMES)] + (str(i // len(_NAMES) + 1) if i >= len(_NAMES) else "") for i in range(count))


def seasonal_factor(opens: Ints) -> Floats:
    """(n,) factor of volatility by time of day, for bars that open at (n,) ns UTC; its square has mean 1 over a day."""
    turn = 2.0 * np.pi * ((opens % DAY) / DAY - 14.0 / 24.0)
    return np.asarray((1.0 + SEASON * np.cos(turn)) / np.sqrt(1.0 + SEASON**2 / 2.0), dtype=np.float64)


def initial_market(count: int, seed: int, volatility: float, persistence: float) -> tuple[PriceModel, PriceState]:
    """The market of a seed and the state before its first bar; `volatility` is per bar, as a log return."""
    stream = np.random.default_rng([seed, 0])
    market = np.sqrt(stream.uniform(0.34, 0.46, count))
    sector = np.sqrt(stream.uniform(0.08, 0.14, count))
    own = np.zeros((count, 1 + SECTORS))
    own[:, 0] = market
    own[np.arange(count), 1 + np.arange(count) % SECTORS] = sector
    loadings = np.hstack([own, np.diag(np.sqrt(1.0 - market**2 - sector**2))])
    price = np.geomspace(40_000.0, 6.0, count) * stream.uniform(0.85, 1.2, count)
    carry = PriceState(
        np.log(price), snap_to_tick(price, tick_size_at(price, volatility)), np.zeros(count), stream.standard_normal(1 + count),
        stream.standard_normal(count), int(np.searchsorted(REGIME_SHARE.cumsum(), stream.random())),
        empty_history(count),
    )  # fmt: skip
    return PriceModel(loadings, volatility, persistence), carry


def simulate_prices(
    market: PriceModel, carry: PriceState, stream: np.random.Generator, season: Floats, gains: SignalGains
) -> tuple[PricePath, PriceState]:
    """The prices of the next n bars and the state after them; `season` (n,) multiplies volatility, `gains` are the signal's k at each bar."""
    bars, count = len(season), len(carry.close)
    regime = _regimes(carry.regime, stream.random(bars))
    log_vol = _autoregress(carry.log_vol, stream.standard_normal((bars, 1 + count)), LOG_VOL_PERSISTENCE)
    activity = _autoregress(carry.activity, stream.standard_normal((bars, count)), ACTIVITY_PERSISTENCE)
    sigma = _volatility(market.volatility, regime, season, log_vol)
    shocks = stream.standard_t(TAIL, (bars, market.loadings.shape[1])) * np.sqrt((TAIL - 2.0) / TAIL)
    innovation = sigma * mix_factors(market.loadings, shocks[:, : 1 + SECTORS], shocks[:, 1 + SECTORS :])
    drive = _accumulate(carry.drive, innovation, gains.persistence)
    expected, history = expect_returns(gains, np.vstack([carry.drive, drive[:-1]]), innovation, carry.history)
    returns = innovation + expected
    log_price = carry.log_price + np.cumsum(returns, axis=0)
    tick = tick_size_at(np.exp(np.vstack([carry.log_price, log_price[:-1]])), market.volatility)
    close = snap_to_tick(np.exp(log_price), tick)
    path = PricePath(returns, expected, sigma, regime, activity, tick, np.vstack([carry.close, close[:-1]]), close)
    state = PriceState(
        log_price[-1].copy(), close[-1].copy(), drive[-1].copy(), log_vol[-1].copy(), activity[-1].copy(), int(regime[-1]),
        history,
    )  # fmt: skip
    return path, state


def tick_size_at(price: Floats, volatility: float) -> Floats:
    """The venue's tick size at a price: the largest 1, 2 or 5 times a power of ten of which the smallest volatility is at least 10."""
    step = price * (volatility * FLOOR_SHARE / MIN_TICKS)
    power = np.power(10.0, np.floor(np.log10(step)))
    lead = step / power
    return np.asarray(np.where(lead >= 5.0, 5.0, np.where(lead >= 2.0, 2.0, 1.0)) * power, dtype=np.float64)


def snap_to_tick(price: Floats, tick: Floats, rounding: np.ufunc = np.rint) -> Floats:
    """Prices rounded to the tick, as the doubles nearest to their decimals."""
    fine = tick < 1.0
    per_unit = np.where(fine, np.rint(1.0 / tick), 1.0)
    coarse = np.where(fine, 1.0, tick)
    return np.asarray(rounding(price / coarse * per_unit) / per_unit * coarse, dtype=np.float64)


def mix_factors(loadings: Reals, shared: Reals, own: Reals) -> Reals:
    """(n, S) mixed shocks of shared ones (n, 1 + SECTORS) and own ones (n, S); not a matrix product, whose bits depend on the number of threads."""
    mixed = own * np.diagonal(loadings[:, 1 + SECTORS :])
    for factor in range(1 + SECTORS):
        mixed += shared[:, factor, None] * loadings[:, factor]
    return np.asarray(mixed)


def _volatility(unconditional: float, regime: Ints, season: Floats, log_vol: Floats) -> Floats:
    factor = np.array(REGIME_FACTOR)
    factor = factor / np.sqrt((REGIME_SHARE * factor**2).sum())
    log_factor = np.sqrt(LOG_VOL_SHARED) * log_vol[:, :1] + np.sqrt(1.0 - LOG_VOL_SHARED) * log_vol[:, 1:]
    level = unconditional * factor[regime] * season * np.exp(-(LOG_VOL_SPREAD**2))  # exp(2 x) of a normal x has mean exp(2 var)
    return np.asarray(np.maximum(level[:, None] * np.exp(LOG_VOL_SPREAD * log_factor), unconditional * FLOOR_SHARE), dtype=np.float64)


def _regimes(start: int, chances: Floats) -> Ints:
    out = np.empty(len(chances), dtype=np.int64)
    regime = start
    for bar, chance in enumerate(chances.tolist()):
        if regime == 1:
            regime = 0 if chance < CALM_DOWN else 2 if chance < CALM_DOWN + STIR_UP else 1
        elif chance < (LEAVE_CALM if regime == 0 else LEAVE_VOLATILE):
            regime = 1
        out[bar] = regime
    return out


def _autoregress(start: Floats, news: Floats, persistence: float) -> Floats:
    """x_t = persistence * x_(t-1) + news_t, with the news scaled so that x keeps a variance of 1."""
    return _accumulate(start, news * np.sqrt(1.0 - persistence**2), np.full(len(news), persistence))


def _accumulate(start: Floats, news: Floats, persistence: Floats) -> Floats:
    """x_t = persistence_t * x_(t-1) + news_t."""
    out = news.copy()
    out[0] += persistence[0] * start
    for (before, row), share in zip(pairwise(out), persistence[1:].tolist(), strict=True):
        np.add(row, share * before, out=row)
    return np.asarray(out, dtype=np.float64)
