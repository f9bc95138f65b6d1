"""The parameters of a view, read from the query of an address; a refusal is one line with the value and the remedy."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple

import orjson
from msgspec import Struct

from engine.schema import find_near, limits, parameters_of
from engine.settings import SettingsError, parse_duration
from engine.store.read.api import RowsQuery, Values
from engine.store.read.api_views import list_api_views, list_parameters
from engine.store.view_columns import WHOLE

DEFAULT_LIMIT, MAX_LIMIT = 100, 1_000  # rows
MAX_TIME = 2**63 - 1  # ns
MAX_TEXT = 1_000  # characters of a filter or a cursor
NUMBERED = frozenset({"tick", "id", "at", "trained_at"})  # columns of keys that are whole numbers
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class BadRequest(ValueError):
    """One line with the value and the remedy."""


class RowParameters(Struct, frozen=True, kw_only=True):
    """What every view takes besides its filters."""

    since: Annotated[int, limits(0, MAX_TIME, "ns", "rows at or after that time: 2024-01-31, 2h (ago) or ns since 1970", form="since")] | None = None
    at: (
        Annotated[int, limits(0, MAX_TIME, "ns", "what was known at the newest tick up to that market time, in the forms of since", form="since")]
        | None
    ) = None
    limit: Annotated[int, limits(1, MAX_LIMIT, "rows", "the newest rows, at most", form="limit")] = DEFAULT_LIMIT
    cursor: Annotated[str, limits(help="the `next` of an answer to the same question: the rows that follow it", form="cursor")] | None = None
    fields: Annotated[str, limits(help="columns to answer, separated by commas; all if left out", form="fields")] | None = None


class ViewQuery(NamedTuple):
    """What an address asks of a view."""

    rows: RowsQuery
    at: int | None = None  # ns UTC, market time: what was known then


SCHEMA = parameters_of(RowParameters)


def parse_query(pairs: Sequence[tuple[str, str]], view: str, now: int) -> ViewQuery:
    """Read the names and values of an address, in its order. Raises BadRequest."""
    given = read_names(pairs, list_parameters(view))
    columns = {column.name: column.type for column in list_api_views()[view].filters}
    since = None if "since" not in given else parse_time(given["since"], now, "since")
    at = None if "at" not in given else parse_time(given["at"], now, "at")
    rows = RowsQuery(
        _read_limit(given["limit"]) if "limit" in given else DEFAULT_LIMIT,
        {name: _read_filter(name, value, columns[name]) for name, value in given.items() if name in columns},
        since,
        _read_cursor(given["cursor"], view) if "cursor" in given else (),
        _read_fields(given["fields"], view) if "fields" in given else (),
    )
    return ViewQuery(rows, at)


def read_names(pairs: Sequence[tuple[str, str]], allowed: Sequence[str]) -> dict[str, str]:
    """The values of an address by name; raises BadRequest for a name that is not allowed, or given twice."""
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in allowed:
            near = find_near(name, allowed, cutoff=0.6)
            known = f"did you mean {near}?" if near else f"it takes {', '.join(allowed) or 'none'}"
            raise BadRequest(f"there is no parameter {quote_value(name)}: {known}")
        if name in given:
            raise BadRequest(f"{name} is given twice: give it once")
        given[name] = value
    return given


def write_cursor(place: Values) -> str | None:
    """The text that a program sends back for the rows after a place; None where nothing follows."""
    return base64.urlsafe_b64encode(orjson.dumps(place)).decode().rstrip("=") if place else None


def parse_time(text: str, now: int, name: str) -> int:
    """Parse 2024-01-31, 2024-01-31T12:00Z, 2h (before `now`) or whole ns since 1970 as ns UTC; raises BadRequest."""
    at = _parse_time(text, now)
    if at is None:
        raise BadRequest(
            f"{name}={quote_value(text)} is not a time: write it as 2024-01-31, 2024-01-31T12:00Z, 2h (ago) or ns since 1970 "
            "(and + as %2B in an address)"
        )
    if not 0 <= at <= MAX_TIME:
        raise BadRequest(f"{name}={quote_value(text)} is out of range: give a time from 1970 to 2262")
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


def _read_filter(name: str, text: str, kind: str) -> int | str:
    if name == "symbol" and not text:
        raise BadRequest(f"{name} is empty: give a symbol, or leave it out for all")
    if kind != WHOLE:
        if len(text) > MAX_TEXT:
            raise BadRequest(f"{name} has {len(text)} characters: give at most {MAX_TEXT}")
        return text
    if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) <= 20 and -MAX_TIME <= int(text) <= MAX_TIME):
        raise BadRequest(f"{name}={quote_value(text)} is not a whole number: give one that the column can have")
    return int(text)


def _read_limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= MAX_LIMIT):
        raise BadRequest(f"limit={quote_value(text)} is not a whole number from 1 to {MAX_LIMIT}: give one, or leave it out for {DEFAULT_LIMIT}")
    return int(text)


def _read_fields(text: str, view: str) -> tuple[str, ...]:
    names, known = tuple(text.split(",")), [column.name for column in list_api_views()[view].columns]
    for name in names:
        if name not in known:
            near = find_near(name, known, cutoff=0.6)
            raise BadRequest(f"fields: there is no column {quote_value(name)}: " + (f"did you mean {near}?" if near else f"give {', '.join(known)}"))
    if len(set(names)) < len(names):
        raise BadRequest(f"fields={quote_value(text)} has a column twice: give each once")
    return names


def _read_cursor(text: str, view: str) -> Values:
    """The place that a cursor stands for: the first columns of the view's key, each with a value of its own type."""
    try:
        padded = text + "=" * (-len(text) % 4)
        place = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True)) if text.isascii() and len(text) <= MAX_TEXT else None
    except ValueError:
        place = None
    key = list_api_views()[view].key
    if (
        not isinstance(place, list)
        or not 0 < len(place) <= len(key)
        or not all(_is_key(value) for value in place)
        or (key[0].column in NUMBERED and type(place[0]) is not int)
    ):
        raise BadRequest(f"cursor={quote_value(text)} is none of this view: give the `next` of its last answer, or leave it out")
    return tuple(place)


def _is_key(value: object) -> bool:
    return isinstance(value, str | float) or (type(value) is int and -MAX_TIME <= value <= MAX_TIME)


def quote_value(text: str) -> str:
    """Quote a value of the address for a message: on one line and no longer than needed."""
    return repr(text if len(text) <= 60 else text[:60] + "...")
