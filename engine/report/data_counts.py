"""What was left out of a recording, and what is not known of it, each in a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from engine.domain.ports import RECORDED, UNKNOWN, ZERO, CountsData, DataCounts, Feed

MOST_NAMES = 8  # in one line; the JSON of a backtest and the Backtests page have all
_PARTS: tuple[tuple[Callable[[DataCounts], int], str], ...] = (
    (lambda count: count.duplicate_bars, "duplicate rows dropped"),
    (lambda count: count.faulty, "faulty rows left out"),
    (lambda count: count.without_volume if count.volume == RECORDED else 0, "bars without volume, on which nothing is opened"),
    (lambda count: count.outside_session, "bars outside the session left out"),
    (lambda count: count.moved_bars, "bars of summer time taken as opening as late as in winter"),
    (lambda count: count.trades_without_bar, "trades left out where there is no bar"),
    (lambda count: count.unsigned_trades, "trades whose side is not known"),
    (lambda count: count.faulty_books, "books crossed, one-sided or malformed"),
)


def describe_data(feed: Feed) -> tuple[str, ...]:
    """At most two lines on what was not read of a feed's files and what is not known of them; none where nothing is to be said."""
    if not isinstance(feed, CountsData):
        return ()
    return tuple(line for line in (describe_losses(feed.counts, feed.left_out), describe_volume(feed.counts)) if line)


def describe_losses(counts: Sequence[DataCounts], left_out: Mapping[str, str]) -> str:
    """What was left out, and of which symbols; "" where everything was read."""
    parts = [text for measure, words in _PARTS if (text := _by_symbol(counts, measure, words))]
    if parts:
        parts[0] = f"of {sum(count.rows for count in counts):,} rows {parts[0]}"
    if left_out:
        parts.append(f"not read: {_listed([f'{name} ({reason})' for name, reason in left_out.items()])}")
    return "; ".join(parts)


def describe_volume(counts: Sequence[DataCounts]) -> str:
    """What follows where symbols have no volume, or none that is known; "" where each has some."""
    unbooked = [count.symbol for count in counts if count.volume == UNKNOWN and not count.has_books]
    booked = [count.symbol for count in counts if count.volume == UNKNOWN and count.has_books]
    silent = [count.symbol for count in counts if count.volume == ZERO and not count.has_books]
    parts = []
    if unbooked:
        parts.append(
            f"the volume of {_listed(unbooked)} is not known: volume features are blank, impact is that of an order as large as a bar's volume, "
            "and no order fills, for an order may take a share of a bar's volume: give books, or write the volume to assume into the column volume"
        )
    if booked:
        parts.append(f"the volume of {_listed(booked)} is not known: volume features are blank, and books alone limit an order")
    if silent:
        parts.append(
            f"the volume of {_listed(silent)} is 0 in every bar, so nothing can be traded: leave the column volume empty where it is not known"
        )
    return "; ".join(parts)


def _by_symbol(counts: Sequence[DataCounts], measure: Callable[[DataCounts], int], words: str) -> str:
    """A count over all symbols with those it is of; "" where it is 0."""
    found = sorted(((measure(count), count.symbol) for count in counts if measure(count)), key=lambda pair: (-pair[0], pair[1]))
    if not found:
        return ""
    where = f" ({_listed([f'{symbol} {count:,}' for count, symbol in found])})" if len(counts) > 1 else ""
    return f"{sum(count for count, _ in found):,} {words}{where}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")
