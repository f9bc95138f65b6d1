"""What is asked of a view, read from the words of an address; a word that cannot be used is told in one line with its remedy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches

from engine.settings import SettingsError, parse_duration

DEFAULT_LIMIT, MAX_LIMIT = 100, 1_000  # rows
MAX_TIME = 2**63 - 1  # ns
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class BadRequest(ValueError):
    """One line with the value and the remedy."""


@dataclass(frozen=True, slots=True)
class RowQuery:
    """Which rows: the newest `limit` of one symbol, or of all, at or after `since` (ns UTC)."""

    symbol: str | None
    since: int | None
    limit: int


def parse_query(words: Sequence[tuple[str, str]], allowed: Sequence[str], now: int) -> RowQuery:
    """`words` are the names and values of the address in its order; raises BadRequest."""
    told: dict[str, str] = {}
    for name, value in words:
        if name not in allowed:
            near = get_close_matches(name, allowed, n=1)
            known = f"did you mean {near[0]}?" if near else f"it takes {', '.join(allowed)}" if allowed else "it takes none"
            raise BadRequest(f"there is no parameter {quote_value(name)}: {known}")
        if name in told:
            raise BadRequest(f"{name} is given twice: give it once")
        told[name] = value
    if told.get("symbol") == "":
        raise BadRequest("symbol is empty: give a symbol, or leave it away for all")
    since = parse_since(told["since"], now) if "since" in told else None
    return RowQuery(told.get("symbol"), since, _limit(told["limit"]) if "limit" in told else DEFAULT_LIMIT)


def parse_since(text: str, now: int) -> int:
    """ns UTC of 2024-01-31, 2024-01-31T12:00Z, 2h (that long before `now`), or whole ns since 1970."""
    at = _ns(text, now)
    if at is None:
        raise BadRequest(
            f"since={quote_value(text)} is not a time: write it as 2024-01-31, 2024-01-31T12:00Z, 2h (ago) or ns since 1970 (and + as %2B in an address)"
        )
    if not 0 <= at <= MAX_TIME:
        raise BadRequest(f"since={quote_value(text)} is not a time this can count: give one from 1970 to 2262")
    return at


def _ns(text: str, now: int) -> int | None:
    if len(text) > 40 or not text.isascii():
        return None
    if text == "0" or (text.isdigit() and len(text) > 8):  # 20240131 is a date
        return int(text)
    try:
        return now - parse_duration(text)
    except SettingsError:
        pass
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        return None
    since = (told if told.tzinfo else told.replace(tzinfo=UTC)) - _EPOCH
    return since // timedelta(microseconds=1) * 1_000


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= MAX_LIMIT):
        raise BadRequest(f"limit={quote_value(text)} is not a whole number from 1 to {MAX_LIMIT}: give one, or leave it away for {DEFAULT_LIMIT}")
    return int(text)


def quote_value(text: str) -> str:
    """A word of the address as it may be told again: quoted, on one line, and no longer than needed."""
    return repr(text if len(text) <= 60 else text[:60] + "...")
