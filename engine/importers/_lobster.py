"""LOBSTER: joins a day's message file and book file, which have neither header nor date, into a table of books and a table of trades.

The names have the date (AAPL_2012-06-21_34200000_57600000_message_10.csv), the times are seconds after midnight in New York. The n-th row of a book
file is the book after the n-th message. Executions (types 4 and 5) are trades; their direction is that of the resting order.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO
from zoneinfo import ZoneInfo

from engine.importers._format import ImportFault
from engine.importers._sources import Member

_NAME = re.compile(r"(?P<symbol>[A-Za-z.]+)_(?P<day>\d{4}-\d\d-\d\d)_\d+_\d+_(?P<kind>message|orderbook)_(?P<levels>\d+)\.csv", re.IGNORECASE)
_EXECUTIONS = (b"4", b"5")  # of a visible and of a hidden order


@dataclass(frozen=True, slots=True)
class _Day:
    messages: Member
    books: Member | None
    midnight: int  # s since 1970
    levels: int


def join_lobster(members: tuple[Member, ...]) -> tuple[Member, ...]:
    """The members with each pair of LOBSTER's files replaced by its books and its trades. Raises ImportFault for books without messages."""
    named = {member.name: (member, match) for member in members if (match := _NAME.fullmatch(member.name))}
    joined: list[Member] = []
    for member in members:
        if member.name not in named:
            joined.append(member)
            continue
        match = named[member.name][1]
        partner = member.name.replace("_message_", "_orderbook_") if match["kind"] == "message" else member.name.replace("_orderbook_", "_message_")
        if match["kind"] == "orderbook":
            if partner not in named:
                raise ImportFault(f"{member.title} has no times: name {partner}, which has them, too")
            continue
        midnight = int(datetime.fromisoformat(match["day"]).replace(tzinfo=ZoneInfo("America/New_York")).timestamp())
        day = _Day(member, named[partner][0] if partner in named else None, midnight, int(match["levels"]))
        joined += _tables_of(day, match["symbol"])
    return tuple(joined)


def _tables_of(day: _Day, symbol: str) -> Iterator[Member]:
    source = day.messages.source
    if day.books is not None:
        yield Member(source, f"{symbol}_lobster_books.csv", _opener(lambda: _join_books(day)), is_plain=False)
    yield Member(source, f"{symbol}_lobster_trades.csv", _opener(lambda: _list_trades(day)), is_plain=False)


def _opener(lines: Callable[[], Iterator[bytes]]) -> Callable[[], IO[bytes]]:
    return lambda: io.BufferedReader(_LineStream(lines()), 1 << 20)


def _join_books(day: _Day) -> Iterator[bytes]:
    assert day.books is not None
    sides = (f"lobster_ask_px_{level},lobster_ask_sz_{level},lobster_bid_px_{level},lobster_bid_sz_{level}" for level in range(day.levels))
    yield f"lobster_ns,{','.join(sides)}\n".encode()
    with day.messages.open() as messages, day.books.open() as books:
        try:
            for message, book in zip(messages, books, strict=True):
                yield b"%d,%b\n" % (_time_of(message, day), book.strip())
        except ValueError as error:
            raise ImportFault(f"{day.books.title} and its messages do not fit together ({error}): get both again") from error


def _list_trades(day: _Day) -> Iterator[bytes]:
    yield b"lobster_ns,lobster_price,lobster_size,lobster_resting\n"
    with day.messages.open() as messages:
        for message in messages:
            cells = message.strip().split(b",")
            if len(cells) >= 6 and cells[1] in _EXECUTIONS:
                yield b"%d,%b,%b,%b\n" % (_time_of(message, day), cells[4], cells[3], b"true" if cells[5] == b"1" else b"false")


def _time_of(message: bytes, day: _Day) -> int:
    """The time of a message, ns UTC; raises ValueError."""
    seconds, _, fraction = message.partition(b",")[0].partition(b".")
    return (day.midnight + int(seconds)) * 10**9 + int(fraction[:9].ljust(9, b"0"))


class _LineStream(io.RawIOBase):
    """Lines as a stream of bytes."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        view = memoryview(buffer)
        parts, size = [self._rest], len(self._rest)
        while size < len(view) and (line := next(self._lines, b"")):
            parts.append(line)
            size += len(line)
        content = b"".join(parts)
        count = min(len(content), len(view))
        view[:count] = content[:count]
        self._rest = content[count:]
        return count
