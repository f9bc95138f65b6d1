"""The market view of a window: closes carried over missing bars, log returns, volatility, and the weights of moving averages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple, TypeVar

import numpy as np

from engine.domain.market import Bars, Books, MarketView, OrderFlow
from engine.domain.record import Floats, Ints

T = TypeVar("T")
WINDOW_BARS = 300  # bars
MIN_RETURNS = 30  # bars before a volatility is known


class Series(NamedTuple):
    """The series of a view; see MarketView. A block of bars is a leading axis: (..., S, T) and (..., S)."""

    log_close: Floats
    log_high: Floats
    log_low: Floats
    log_open: Floats
    returns: Floats
    volume: Floats
    known: Ints
    age: Ints
    sigma: Floats


def build_view(bars: Bars, books: Books, flow: OrderFlow, at: int, interval: int, halflife: float) -> MarketView:
    """Prepare the window once for every phase.

    A bar with a price that is not finite and above 0 is missing. A missing bar has return 0 and volume 0; sigma is NaN with fewer than 30 known bars.
    sigma^2 is the exponentially weighted mean of squared log returns, with the given half-life in bars, over the known bars.
    """
    logs = (np.log(bars.open), np.log(bars.high), np.log(bars.low), np.log(bars.close))
    return MarketView(at, interval, *build_series(logs, bars.volume, halflife), books, flow)


def build_series(logs: Sequence[Floats], volume: Floats, halflife: float) -> Series:
    """Return the series of windows whose open, high, low and close have these logs, (..., S, T) each."""
    log_open, log_high, log_low, log_close = logs
    length = log_close.shape[-1]
    seen = np.isfinite(log_open + log_high + log_low + log_close)
    complete = bool(seen.all())
    if not complete:
        log_close = _carry(np.where(seen, log_close, np.nan), seen)
    returns = np.zeros_like(log_close)
    np.subtract(log_close[..., 1:], log_close[..., :-1], out=returns[..., 1:])
    known = np.full(log_close.shape[:-1], length)
    age = np.zeros(log_close.shape[:-1], dtype=np.int64)
    if not complete:
        returns = np.nan_to_num(returns, nan=0.0)
        log_open, log_high, log_low = (np.where(seen, part, log_close) for part in (log_open, log_high, log_low))
        volume = np.where(seen, volume, 0.0)
        known = seen.sum(axis=-1)
        age = np.where(known > 0, np.argmax(seen[..., ::-1], axis=-1), length)
    return Series(log_close, log_high, log_low, log_open, returns, volume, known, age, _volatility(returns, seen, known, halflife))


def evaluate(function: Callable[[MarketView], T], view: MarketView) -> T:
    """Return a pure function of the view: the value computed for a block of bars at once where there is one."""
    prepared = view.prepared
    if prepared is None or function not in prepared:
        return function(view)
    value: T = prepared[function]
    return value


def _carry(close: Floats, seen: np.ndarray) -> Floats:
    """Replace each missing close by the last known one, or by the first where none precedes it; NaN where none is known."""
    length = close.shape[-1]
    last = np.maximum.accumulate(np.where(seen, np.arange(length), -1), axis=-1)
    first = np.argmax(seen, axis=-1)[..., None]
    return np.take_along_axis(close, np.where(last < 0, first, last), axis=-1)


def _volatility(returns: Floats, seen: np.ndarray, known: Ints, halflife: float) -> Floats:
    weights = decay_weights(returns.shape[-1], halflife)
    power = (returns * returns) @ weights
    total = seen @ weights
    with np.errstate(invalid="ignore", divide="ignore"):
        sigma = np.sqrt(power / total)
    return np.where((known >= MIN_RETURNS) & (sigma > 0), sigma, np.nan)


@cache
def decay_weights(length: int, halflife: float) -> Floats:
    """Return weights that halve every `halflife` bars into the past, newest last, summing to 1."""
    weights = 0.5 ** (np.arange(length - 1, -1, -1) / halflife)
    weights /= weights.sum()
    weights.flags.writeable = False
    return weights


@cache
def mean_weights(length: int, spans: tuple[int, ...]) -> Floats:
    """Return (T, k) weights, one column per span: `window @ weights` is the mean over the last `span` bars."""
    kernel = np.zeros((length, len(spans)))
    for column, span in enumerate(spans):
        kernel[max(0, length - span) :, column] = 1.0 / min(span, length)
    kernel.flags.writeable = False
    return kernel


@cache
def ewma_weights(length: int, halflives: tuple[float, ...]) -> Floats:
    """Return (T, k) exponential weights, one column per half-life, each summing to 1."""
    kernel = np.ascontiguousarray(np.stack([decay_weights(length, halflife) for halflife in halflives], axis=1))
    kernel.flags.writeable = False
    return kernel


@cache
def seeded_ewma_weights(length: int, span: int, alpha: float, start: int = 0) -> Floats:
    """Return (T,) weights of exponential smoothing seeded as in TA-Lib: with the plain mean of the first `span` values from `start` on.

    Wilder's smoothing has an alpha of 1 / span, the usual moving average 2 / (span + 1). Raises ValueError where the window is too short.
    """
    after = length - start - span
    if after < 0:
        raise ValueError(f"a window of {length} bars has fewer than {span} bars from bar {start} on, which a smoothing starts with")
    weights = np.zeros(length)
    weights[start : start + span] = (1.0 - alpha) ** after / span
    weights[start + span :] = alpha * (1.0 - alpha) ** np.arange(after - 1, -1, -1)
    weights.flags.writeable = False
    return weights


def weights_on_steps(weights: Floats) -> Floats:
    """Return (T,) weights for the steps of a series that equal `weights` for the series; these must sum to 0, or the series start at 0."""
    return np.ascontiguousarray(np.cumsum(weights[::-1])[::-1])
