"""The bars that a live soak decided on against those of the exchange: which were lost, and which the exchange does not have."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from engine.domain.market import MarketSnapshot
from tests.exchanges.market import CandleTruth

PATIENCE = 10  # s before the end, in which a bar may still be filled
Bar = tuple[float, float, float, float, float]  # open, high, low, close, volume


@dataclass(frozen=True, slots=True)
class BarCounts:
    """The bars of one stretch of time, of every symbol."""

    exchange: int = 0  # that the exchange has
    at_once: int = 0  # equal to the exchange's when they were decided on, or of quotes where nothing traded
    filled: int = 0  # equal after they were given later
    quotes: int = 0  # of mids without volume where the exchange has no candle: a halt that is not noticed yet
    reported: int = 0  # that differ at the end of the run as Podium reported and the exchange's ledger explains (tests.soak.late)
    lost: int = 0  # that the exchange has and the window does not, or has without the trades in it
    invented: int = 0  # with volume where the exchange has none
    differing: int = 0  # that differ otherwise

    def __add__(self, other: BarCounts) -> BarCounts:
        return BarCounts(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(BarCounts)))


@dataclass(frozen=True, slots=True)
class JudgedBar:
    """A bar of a symbol, and which of the counts of `BarCounts` it belongs to."""

    at: int  # ns UTC, its close
    symbol: str
    verdict: str
    own: Bar | None
    true: Bar | None


def judge_bars(
    snapshots: Sequence[MarketSnapshot], truth: Mapping[str, Sequence[CandleTruth]], interval: int, live_after: int
) -> list[JudgedBar]:  # fmt: skip
    """Compare what the window held at the end with the exchange's candles, from the first live bar to some seconds before the last."""
    if not snapshots:
        return []
    end = snapshots[-1].at - PATIENCE * 10**9
    judged: list[JudgedBar] = []
    for column, (symbol, candles) in enumerate(truth.items()):
        first, final = _collect(snapshots, column)
        true = {candle.opened + interval: (candle.open, candle.high, candle.low, candle.close, candle.volume) for candle in candles}
        closes = sorted(close for close in true.keys() | final.keys() if live_after < close <= end)
        judged += [JudgedBar(at, symbol, _judge(first.get(at), final.get(at), true.get(at)), final.get(at), true.get(at)) for at in closes]
    return judged


def count_bars(judged: Iterable[JudgedBar], begin: int, end: int) -> BarCounts:
    """Count the bars that closed from `begin` to before `end` (ns UTC by the exchange's clock)."""
    chosen = [bar for bar in judged if begin <= bar.at < end]
    counts = {name: sum(bar.verdict == name for bar in chosen) for name in {bar.verdict for bar in chosen}}
    return BarCounts(exchange=sum(bar.true is not None for bar in chosen), **counts)


def _collect(snapshots: Sequence[MarketSnapshot], column: int) -> tuple[dict[int, Bar], dict[int, Bar]]:
    """Return the bars of a symbol by their close: as they were decided on, and as they stood in the end."""
    first: dict[int, Bar] = {}
    final: dict[int, Bar] = {}
    for snapshot in snapshots:
        if snapshot.backfilled is not None:
            for row, at in enumerate(snapshot.backfilled.at.tolist()):
                later = snapshot.backfilled.values[:, row, column].tolist()
                if math.isfinite(later[3]):
                    final[at] = _bar(later)
        if np.isfinite(snapshot.close[column]):
            values = [getattr(snapshot, name)[column] for name in ("open", "high", "low", "close", "volume")]
            first[snapshot.at] = final[snapshot.at] = _bar(values)
    return first, final


def _judge(first: Bar | None, final: Bar | None, true: Bar | None) -> str:
    if true is None:
        return "quotes" if final is not None and final[4] == 0.0 else "invented"
    if final is None or (final[4] == 0.0 and true[4] > 0.0):
        return "lost"
    if not is_same_bar(final, true):
        return "differing"
    return "at_once" if first is not None and is_same_bar(first, true) else "filled"


def is_same_bar(own: Bar, true: Bar) -> bool:
    """Whether two bars are equal but for rounding, or both are without trades."""
    return own[4] == true[4] == 0.0 or np.allclose(own, true, rtol=1e-6, atol=0.0)


def _bar(values: Sequence[float]) -> Bar:
    first, high, low, last, volume = (float(value) for value in values)
    return first, high, low, last, volume
