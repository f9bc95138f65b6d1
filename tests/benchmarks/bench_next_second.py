"""Next second up or down, among the seconds that move the mid: a logistic regression on book and flow, walked forward, beside the base rate."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from engine import broker
from engine.domain.market import Books
from engine.domain.record import Bools, Floats
from engine.domain.trading_config import TradingConfig
from engine.features import book, flow
from engine.feeds.recorded import RecordedFeed
from engine.service.windows import MarketWindow

SECOND = 10**9
STEPS = {  # between two looks at the next second: eleven minutes are looked at twice a second, what that repeats is not counted as effective
    "nasdaq_20120621": SECOND, "binance_l2_20240808": SECOND // 2, "bitstamp_20150501": SECOND,
}  # fmt: skip
EVERY, FITS = 30, 200  # s between two fits at least, and fits in all at most; each knows only what had come due before it
FEWEST = 40  # moves, of all symbols, before the first fit; until then the base rate is said
PENALTY = 30.0  # rows of "up and down are alike"
BLOCK = 30  # s whose gains make one sample, since they come in bursts
ENOUGH = 300.0  # effective rows before a figure is given
COLUMNS = tuple(f"book.{name}" for name in book.COLUMNS) + tuple(f"flow.{name}" for name in flow.COLUMNS)


@dataclass(frozen=True)
class Seconds:
    """T looks at S symbols."""

    symbols: tuple[str, ...]
    ahead: int  # looks in a second
    x: Floats  # (T, S, F) known at the look
    move: Floats  # (T, S) of the mid in the second after it, NaN where it is not known


@dataclass(frozen=True)
class Figure:
    """The gain in log loss, nats a move, with its 95 % interval; None with fewer than 300 effective rows."""

    n: int
    n_effective: float
    gain: float | None
    low: float | None
    high: float | None
    naive: float  # log loss of the base rate


def seconds(feed: RecordedFeed) -> Seconds:
    """The features of every bar as the engine sees them, and what the mid did in the second after it."""
    window, knobs = MarketWindow(feed.info), TradingConfig()
    account = broker.open_account(1.0, len(feed.info.symbols))
    rows, mids, times = [], [], []
    with np.errstate(invalid="ignore", divide="ignore"):
        for tick, bar in enumerate(feed.slices(None)):
            window.append(bar)
            view = window.build_inputs(tick, account, knobs, ()).view
            rows.append(np.concatenate((book.build(view), flow.build(view)), axis=1))
            mids.append(mid_of(bar.books))
            times.append(bar.at)
    mid, at, ahead = np.array(mids), np.array(times), SECOND // feed.info.interval
    move = np.full_like(mid, np.nan)
    move[:-ahead] = np.where((at[ahead:] - at[:-ahead] == SECOND)[:, None], mid[ahead:] - mid[:-ahead], np.nan)
    return Seconds(feed.info.symbols, ahead, np.array(rows), move)


def mid_of(books: Books) -> Floats:
    """(S,) NaN where the book is one-sided or crossed."""
    bid, ask = books.bid_price[:, 0], books.ask_price[:, 0]
    return np.where((bid > 0) & (ask > bid), (bid + ask) / 2.0, np.nan)


def fit(x: Floats, up: Bools) -> Floats:
    """(F + 1,) penalised coefficients and an intercept that is not, by Newton's method."""
    design = np.column_stack((x, np.ones(len(x))))
    penalty = np.append(np.full(x.shape[1], PENALTY), 1e-6)
    slopes = np.zeros(design.shape[1])
    for _ in range(8):
        chance = 1.0 / (1.0 + np.exp(-design @ slopes))
        weight = np.maximum(chance * (1.0 - chance), 1e-6)
        step = np.linalg.solve((design * weight[:, None]).T @ design + np.diag(penalty), design.T @ (up - chance) - penalty * slopes)
        slopes += step
        if np.abs(step).max() < 1e-8:
            break
    return slopes


def standardised(x: Floats, past: Floats) -> tuple[Floats, Floats]:
    """Rows and past rows by the past's mean and deviation, clipped at 4; blanks are 0."""
    known = np.isfinite(past)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, past, 0.0).sum(axis=0) / count
    deviation = np.sqrt(np.where(known, (past - mean) ** 2, 0.0).sum(axis=0) / count)
    scale = np.where(deviation > 1e-9, deviation, np.inf)
    here, before = (np.nan_to_num(np.clip((part - mean) / scale, -4.0, 4.0)) for part in (x, past))
    return here, before


def walked(told: Seconds) -> tuple[Floats, Floats]:
    """(T, S) log loss of the regression and of the symbol's base rate at every look whose next second moved, NaN elsewhere.

    One regression for all symbols of a recording. A fit at t knows the looks whose second had ended by t, each symbol standardised by its own past.
    """
    moved = np.isfinite(told.move) & (told.move != 0)
    ours, naive = np.full((2, *told.move.shape), np.nan)
    every = max(EVERY * told.ahead, -(-len(told.move) // FITS))
    for begin in range(0, len(told.move), every):
        known = moved.copy()
        known[max(begin - told.ahead + 1, 0) :] = False
        now = np.zeros_like(moved)
        now[begin : begin + every] = moved[begin : begin + every]
        slopes = fitted(told, known)
        for symbol in range(len(told.symbols)):
            here, past = now[:, symbol], known[:, symbol]
            up, before = told.move[here, symbol] > 0, told.move[past, symbol] > 0
            base = np.full(len(up), (before.sum() + 10.0) / (len(before) + 20.0))
            naive[here, symbol] = loss(base, up)
            ours[here, symbol] = naive[here, symbol]
            if slopes is not None and len(before):
                rows, _ = standardised(told.x[here, symbol], told.x[past, symbol])
                ours[here, symbol] = loss(1.0 / (1.0 + np.exp(-(rows @ slopes[:-1] + slopes[-1]))), up)
    return ours, naive


def fitted(told: Seconds, known: Bools) -> Floats | None:
    """The regression on the rows known of all symbols; None where they are too few."""
    if known.sum() < FEWEST:
        return None
    x = np.concatenate([standardised(told.x[known[:, s], s], told.x[known[:, s], s])[1] for s in range(known.shape[1])])
    return fit(x, np.concatenate([told.move[known[:, s], s] > 0 for s in range(known.shape[1])]))


def loss(chance: Floats, up: Bools) -> Floats:
    return np.asarray(-np.log(np.clip(np.where(up, chance, 1.0 - chance), 1e-6, 1.0)))


def figure(ours: Floats, naive: Floats, ahead: int) -> Figure:
    """Blocks of 30 s make one sample; the interval is a normal one over the blocks."""
    length = BLOCK * ahead
    known = np.isfinite(ours)
    gain = np.where(known, naive - ours, 0.0)
    n = int(known.sum())
    size = -(-len(gain) // length) * length
    block = np.pad(gain, (0, size - len(gain))).reshape(-1, length).sum(axis=1)
    rows = np.pad(known * 1.0, (0, size - len(gain))).reshape(-1, length).sum(axis=1)
    if n == 0:
        return Figure(0, 0.0, None, None, None, math.nan)
    mean = float(gain.sum()) / n
    spread = float(((block - mean * rows) ** 2).sum())
    single = float((((gain - mean) * known) ** 2).sum())
    effective = min(float(n), n * single / spread) if spread > 0 else 0.0
    base = float(naive[known].mean())
    if effective < ENOUGH:
        return Figure(n, effective, None, None, None, base)
    reach = 1.96 * math.sqrt(spread) / n
    return Figure(n, effective, mean, mean - reach, mean + reach, base)


def data() -> Path:
    return Path(os.environ.get("PODIUM_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


def figures(folder: Path) -> Iterator[tuple[str, Figure]]:
    """Of every symbol of a recording."""
    told = seconds(RecordedFeed(folder, interval=STEPS[folder.name], latency_ms=100.0))
    ours, naive = walked(told)
    for index, symbol in enumerate(told.symbols):
        yield symbol, figure(ours[:, index], naive[:, index], told.ahead)


def main() -> None:
    print(f"logistic regression on {len(COLUMNS)} columns of book and flow, one a recording, fitted anew on all that was past")
    for recording in STEPS:
        folder = data() / recording
        if not folder.is_dir():
            print(f"{recording}: absent")
            continue
        begun = perf_counter()
        for symbol, one in figures(folder):
            about = f"{recording} {symbol:<12} n {one.n:>6,}, effective {one.n_effective:>8,.0f}, naive {one.naive:.4f}"
            if one.gain is None:
                print(f"{about}: not enough data")
            else:
                print(f"{about}: better by {one.gain:+.4f} nats a move ({one.low:+.4f} .. {one.high:+.4f})")
        print(f"  {perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
