"""Rows of a recording that were left out, and unknown volume, each in one line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from engine.domain.ports import RECORDED, UNKNOWN, ZERO, CountsData, DataCounts, Feed, HasNotes
from engine.units import format_count

MOST_NAMES = 8  # in one line; the JSON of a backtest and the Backtests page have all of them
_PARTS: tuple[tuple[Callable[[DataCounts], int], str, str], ...] = (  # the text for one and for several
    (lambda count: count.duplicate_bars, "duplicate row dropped", "duplicate rows dropped"),
    (lambda count: count.faulty, "faulty row left out", "faulty rows left out"),
    (
        lambda count: count.without_volume if count.volume == RECORDED else 0,
        "bar without volume, on which nothing is opened",
        "bars without volume, on which nothing is opened",
    ),
    (lambda count: count.outside_session, "bar outside the session left out", "bars outside the session left out"),
    (
        lambda count: count.moved_bars,
        "bar of summer time moved to the opening time of winter",
        "bars of summer time moved to the opening time of winter",
    ),
    (lambda count: count.trades_without_bar, "trade without a bar left out", "trades without a bar left out"),
    (lambda count: count.unsigned_trades, "trade of unknown side", "trades of unknown side"),
    (lambda count: count.faulty_books, "book crossed, one-sided or malformed", "books crossed, one-sided or malformed"),
)


def describe_data(feed: Feed) -> tuple[str, ...]:
    """Return lines on unread rows of a feed's files, on unknown volume and on what an exchange does not give; none where all is well."""
    if isinstance(feed, HasNotes):
        return feed.notes
    if not isinstance(feed, CountsData):
        return ()
    return tuple(line for line in (describe_losses(feed.counts, feed.left_out), describe_volume(feed.counts)) if line)


def describe_losses(counts: Sequence[DataCounts], left_out: Mapping[str, str]) -> str:
    """Return what was left out, by symbol; "" where everything was read."""
    parts = [text for measure, thing, things in _PARTS if (text := _by_symbol(counts, measure, thing, things))]
    if parts:
        parts[0] = f"of {format_count(sum(count.rows for count in counts), 'row')}, {parts[0]}"
    if left_out:
        parts.append(f"not read: {_listed([f'{name} ({reason})' for name, reason in left_out.items()])}")
    return "; ".join(parts)


def describe_volume(counts: Sequence[DataCounts]) -> str:
    """Return the consequences of zero or unknown volume, by symbol; "" where every symbol has volume."""
    unbooked = [count.symbol for count in counts if count.volume == UNKNOWN and not count.has_books]
    booked = [count.symbol for count in counts if count.volume == UNKNOWN and count.has_books]
    silent = [count.symbol for count in counts if count.volume == ZERO and not count.has_books]
    parts = []
    if unbooked:
        parts.append(
            f"the volume of {_listed(unbooked)} is unknown: volume features are blank, impact is that of an order of a whole bar's volume, "
            "and no order fills, because an order takes a share of a bar's volume: add books, or write an assumed volume into the column volume"
        )
    if booked:
        parts.append(f"the volume of {_listed(booked)} is unknown: volume features are blank, and only books limit an order")
    if silent:
        parts.append(
            f"the volume of {_listed(silent)} is 0 in every bar, so nothing can be traded: leave the column volume empty where it is unknown"
        )
    return "; ".join(parts)


def _by_symbol(counts: Sequence[DataCounts], measure: Callable[[DataCounts], int], thing: str, things: str) -> str:
    """Return a count over all symbols and each symbol's share of it; "" where it is 0."""
    counted = sorted(((measure(count), count.symbol) for count in counts if measure(count)), key=lambda pair: (-pair[0], pair[1]))
    if not counted:
        return ""
    where = f" ({_listed([f'{symbol} {count:,}' for count, symbol in counted])})" if len(counts) > 1 else ""
    return f"{format_count(sum(count for count, _ in counted), thing, things)}{where}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")
