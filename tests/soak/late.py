"""Which bars of a soak differ from the exchange's for a reason that Podium reported and the exchange's ledger confirms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from engine.domain.live import Candle, StreamEvent, Trade
from engine.live.bar_builder import LiveBarBuilder
from engine.live.session_recording import SessionRecording
from engine.parity import make_live_builder
from tests.exchanges.market import TradeTruth
from tests.soak.bars import Bar, JudgedBar, is_same_bar

Place = tuple[int, int]  # close in ns UTC, column of the symbol


@dataclass(slots=True)
class Arrivals:
    """What a recording says of each bar: the trades that were here when it was decided on, and what Podium counted."""

    in_time: dict[Place, set[str]] = field(default_factory=lambda: defaultdict(set))  # ids
    late: dict[Place, set[str]] = field(default_factory=lambda: defaultdict(set))
    reported: set[Place] = field(default_factory=set)  # a late trade, or a candle that differs or fills it


def read_arrivals(recording: SessionRecording) -> Arrivals:
    """Read a recording and build its bars again, as parity does, to learn for which bars the builder's counts grew."""
    arrivals, builder, closed, interval = Arrivals(), None, set[int](), recording.header.interval
    events, run = recording.events(), 0
    numbered = next(events, None)
    for bar in recording.bars():
        if bar.run != run:
            run, builder = bar.run, make_live_builder(recording.header)
        assert isinstance(builder, LiveBarBuilder)
        while numbered is not None and numbered[0] <= bar.sequence:
            if numbered[0] >= bar.first_sequence:
                _add_event(arrivals, builder, numbered[1], interval, closed)
            numbered = next(events, None)
        if bar.snapshot.at not in closed:  # else it was given out again
            closed.add(bar.snapshot.at)
            before = _count(builder)
            builder.close_bar(bar.snapshot.at, bar.read_at, bar.clock_offset or 0)
            arrivals.reported |= {(bar.snapshot.at, column) for column in _find_grown(before, _count(builder))}
    return arrivals


def _add_event(arrivals: Arrivals, builder: LiveBarBuilder, event: StreamEvent, interval: int, closed: set[int]) -> None:
    before = _count(builder)
    builder.add(event)
    if isinstance(event, Trade):
        place = (event.at // interval + 1) * interval, event.symbol
        (arrivals.late if place[0] in closed else arrivals.in_time)[place].add(event.id)
    elif isinstance(event, Candle):
        place = event.opened + interval, event.symbol
    else:
        return
    if _find_grown(before, _count(builder)):
        arrivals.reported.add(place)


def _count(builder: LiveBarBuilder) -> list[list[int]]:
    return [values.tolist() for values in builder.counts]


def _find_grown(before: Sequence[Sequence[int]], after: Sequence[Sequence[int]]) -> set[int]:
    return {column for old, new in zip(before, after, strict=True) for column, (a, b) in enumerate(zip(old, new, strict=True)) if b > a}


def explain_bars(
    judged: Sequence[JudgedBar], arrivals: Arrivals, ledger: Mapping[str, Sequence[TradeTruth]], interval: int
) -> list[JudgedBar]:  # fmt: skip
    """Return the bars; one that differs is "reported" where Podium counted it and the exchange's own trades explain it.

    They do where the bar is that of the ledger's trades, in the order of their times, without those that were received after the decision. Every
    other bar that differs stays so.
    """
    columns = {symbol: column for column, symbol in enumerate(ledger)}
    trades: dict[Place, list[TradeTruth]] = defaultdict(list)
    for symbol, rows in ledger.items():
        for trade in rows:
            trades[(trade.at // interval + 1) * interval, columns[symbol]].append(trade)
    return [_explain(bar, (bar.at, columns[bar.symbol]), arrivals, trades) if bar.verdict == "differing" else bar for bar in judged]


def _explain(bar: JudgedBar, place: Place, arrivals: Arrivals, trades: Mapping[Place, list[TradeTruth]]) -> JudgedBar:
    late = arrivals.late.get(place, set())
    expected = build_bar([trade for trade in trades.get(place, []) if trade.id not in late])
    is_explained = bar.own is not None and expected is not None and is_same_bar(bar.own, expected)
    return replace(bar, verdict="reported") if is_explained and place in arrivals.reported else bar


def build_bar(trades: Sequence[TradeTruth]) -> Bar | None:
    """Return the bar of trades in the order of their times; None without any."""
    ordered = sorted(trades, key=lambda trade: trade.at)
    if not ordered:
        return None
    prices = [trade.price for trade in ordered]
    return prices[0], max(prices), min(prices), prices[-1], sum(trade.size for trade in ordered)


def count_late(arrivals: Arrivals, symbols: Sequence[str], sent: Mapping[tuple[str, str], int], settle: int) -> tuple[int, int]:
    """Return the trades that were received after the decision on their bar, and those of them that the exchange sent later than `settle` ns.

    `sent` has ns UTC by symbol and id of a trade.
    """
    late = [(at, symbols[column], trade) for (at, column), ids in arrivals.late.items() for trade in ids]
    return len(late), sum(sent.get((symbol, trade), 0) > at + settle for at, symbol, trade in late)
