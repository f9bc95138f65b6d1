"""The parameters of a view, read from the query of an address; a refusal is one line with the value and the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from msgspec import Struct

from engine.schema import Reader, find_near, limits, parameters_of, read_value
from engine.settings import SettingsError, parse_duration

DEFAULT_LIMIT, MAX_LIMIT = 100, 1_000  # rows
MAX_TIME = 2**63 - 1  # ns
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class BadRequest(ValueError):
    """One line with the value and the remedy."""


class RowQuery(Struct, frozen=True, kw_only=True):
    """The newest `limit` rows of one symbol, or of all, at or after `since`."""

    symbol: Annotated[str, limits(form="symbol", help="one symbol; all if left out")] | None = None
    since: Annotated[int, limits(0, MAX_TIME, "ns", "rows at or after that time: 2024-01-31, 2h (ago) or ns since 1970", form="since")] | None = None
    limit: Annotated[int, limits(1, MAX_LIMIT, "rows", "the newest rows, at most", form="limit")] = DEFAULT_LIMIT


_SCHEMA = parameters_of(RowQuery)


def parse_query(pairs: Sequence[tuple[str, str]], allowed: Sequence[str], now: int) -> RowQuery:
    """Read the names and values of an address, in its order; `allowed` are the parameters of its view. Raises BadRequest."""
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in allowed:
            near = find_near(name, allowed, cutoff=0.6)
            known = f"did you mean {near}?" if near else f"it takes {', '.join(allowed) or 'none'}"
            raise BadRequest(f"there is no parameter {quote_value(name)}: {known}")
        if name in given:
            raise BadRequest(f"{name} is given twice: give it once")
        given[name] = value
    readers: dict[str, Reader] = {"symbol": _read_symbol, "limit": _read_limit, "since": lambda _, text: parse_since(str(text), now)}
    return RowQuery(**{name: read_value(_SCHEMA[name], name, value, readers) for name, value in given.items()})


def parse_since(text: str, now: int) -> int:
    """Parse 2024-01-31, 2024-01-31T12:00Z, 2h (before `now`) or whole ns since 1970 as ns UTC; raises BadRequest."""
    at = _parse_time(text, now)
    if at is None:
        raise BadRequest(
            f"since={quote_value(text)} is not a time: write it as 2024-01-31, 2024-01-31T12:00Z, 2h (ago) or ns since 1970 "
            "(and + as %2B in an address)"
        )
    if not 0 <= at <= MAX_TIME:
        raise BadRequest(f"since={quote_value(text)} is out of range: give a time from 1970 to 2262")
    return at


def _parse_time(text: str, now: int) -> int | None:
    if len(text) > 40 or not text.isascii():
        return None
    if text == "0" or (text.isdigit() and len(text) > 8):  # 20240131 is a date
        return int(text)
    try:
        return now - parse_duration(text)
    except SettingsError:
        pass
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    since = (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)) - _EPOCH
    return since // timedelta(microseconds=1) * 1_000


def _read_symbol(name: str, value: object) -> str:
    if value == "":
        raise BadRequest(f"{name} is empty: give a symbol, or leave it out for all")
    return str(value)


def _read_limit(name: str, value: object) -> int:
    text = str(value)
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= MAX_LIMIT):
        raise BadRequest(f"{name}={quote_value(text)} is not a whole number from 1 to {MAX_LIMIT}: give one, or leave it out for {DEFAULT_LIMIT}")
    return int(text)


def quote_value(text: str) -> str:
    """Quote a value of the address for a message: on one line and no longer than needed."""
    return repr(text if len(text) <= 60 else text[:60] + "...")
