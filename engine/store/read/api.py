"""The newest rows of the views for the HTTP API, page by page at a cost that does not grow with the history."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from engine.store.read.api_views import SPARSE, ApiView, list_api_views
from engine.store.read.metrics import NEWEST_READINGS
from engine.store.read.reader import Reader, SqlValue, fetch_all, fetch_first, fetch_scalar

MAX_TICKS_SEARCHED = 200_000  # ticks looked at for their time
MAX_ROWS_SEARCHED = 20_000  # rows of a view of ticks that a page with a filter looks at, about
MAX_IDS_SEARCHED = 50_000  # numbers of rows that a page with a filter looks at
Values = tuple[int | float | str, ...]  # of the columns of a key, or of the first of them


class NoSuchSymbol(ValueError):
    """The symbol is unknown to the store; the message lists the known ones in one line."""


@dataclass(frozen=True, slots=True)
class RowsQuery:
    """Which rows of a view, which of their columns, and the place after which they begin."""

    limit: int
    filters: Mapping[str, int | str] = field(default_factory=dict)
    since: int | None = None  # ns UTC
    after: Values = ()
    fields: tuple[str, ...] = ()  # all columns if empty


@dataclass(frozen=True, slots=True)
class ViewRows:
    """Rows of a view, newest first, with their column names, and the place after which the next page begins; () where nothing follows."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    following: Values = ()


@dataclass(frozen=True, slots=True)
class _Session:
    """The last tick that may have a symbol, and the rows per tick."""

    last: int  # tick
    symbols: int
    gates: int
    votes: int


def read_view_rows(reader: Reader, view: str, query: RowsQuery) -> ViewRows:
    """A page of a view; raises StoreUnreadable, NoSuchSymbol."""
    served = list_api_views()[view]
    with reader.reading() as connection:
        if served.has_ticks:
            return _read_ticks(connection, served, query)
        if view == "readings" and query.since is None and not query.after:
            return _read_newest_readings(connection, served, query)
        return _read_by_key(connection, served, query)


def read_decisions_at(reader: Reader, at: int) -> ViewRows:
    """The decisions of the newest tick on the bar that closed at `at` (ns UTC), by symbol; none where there is no such tick."""
    sql = "SELECT * FROM v_decisions WHERE tick = (SELECT max(tick) FROM ticks WHERE at = :at) ORDER BY symbol"
    with reader.reading() as connection:
        result = connection.execute(text(sql), {"at": at})
        return ViewRows(tuple(result.keys()), tuple(tuple(row) for row in result))


def _read_newest_readings(connection: Connection, view: ApiView, query: RowsQuery) -> ViewRows:
    """The newest reading of each source and name, all on one page."""
    sql = f"SELECT * FROM ({NEWEST_READINGS}){_where(_filter_conditions(query))}"
    result = connection.execute(text(sql), {"since": 0, "limit": query.limit, **_filter_values(query)})
    return _pick(view, query, list(result.keys()), [tuple(row) for row in result])


def _read_by_key(connection: Connection, view: ApiView, query: RowsQuery) -> ViewRows:
    conditions, params = _filter_conditions(query), _filter_values(query)
    if query.since is not None:
        conditions.append(f'"{view.since}" >= :since')
        params["since"] = query.since
    floor = None
    if view.key[0].column == "id" and conditions:
        newest = query.after[0] if query.after else fetch_scalar(connection, f"SELECT max(id) FROM {view.table}")
        floor = max(0, int(newest or 0) - MAX_IDS_SEARCHED)
        conditions.append("id > :floor")
        params["floor"] = floor
    return _read_page(connection, view, query, conditions, params, end=(floor,) if floor else ())


def _read_ticks(connection: Connection, view: ApiView, query: RowsQuery) -> ViewRows:
    """Find as many of the newest ticks as hold that many rows, then read only their rows."""
    symbol = query.filters.get("symbol")
    session = _find_session(connection, None if symbol is None else str(symbol))
    ticks = _count_ticks(view, query, session)
    after = int(query.after[0]) if query.after else None
    bound = session.last if after is None else min(session.last, after - (len(query.after) == 1))
    newest = fetch_scalar(connection, "SELECT max(tick) FROM ticks WHERE tick <= :last", last=bound)
    upto = -1 if newest is None else int(newest)
    ends = fetch_first(
        connection,
        "SELECT min(tick) AS first, max(tick) AS last, count(*) AS n FROM "
        "(SELECT tick FROM ticks WHERE tick <= :upto AND tick > :floor AND at >= :since ORDER BY tick DESC LIMIT :ticks)",
        upto=upto, floor=upto - MAX_TICKS_SEARCHED, since=query.since or 0, ticks=ticks,
    )  # fmt: skip
    if ends is None or ends["first"] is None:
        return _pick(view, query, [], [])
    conditions, params = _filter_conditions(query), _filter_values(query)
    conditions += ["tick >= :first", "tick <= :last"]
    params |= {"first": int(ends["first"]), "last": int(ends["last"])}
    if query.since is not None and any(column.name == "at" for column in view.columns):
        conditions.append("at >= :since")
        params["since"] = query.since
    is_cut = int(ends["n"]) == ticks
    return _read_page(connection, view, query, conditions, params, end=(int(ends["first"]),) if is_cut else ())


def _count_ticks(view: ApiView, query: RowsQuery, session: _Session) -> int:
    """How many ticks to read: those that hold the page, and one more that it may begin within; more where not every row is wanted."""
    rows = {"gates": session.symbols * session.gates, "votes": session.symbols * session.votes, "equity": 1, "spans": 10}.get(
        view.name, session.symbols
    )
    wanted = {name for name in query.filters if name != "symbol"}
    if wanted or view.name in SPARSE:
        return max(100, MAX_ROWS_SEARCHED // max(1, rows))
    if "symbol" in query.filters:
        rows //= max(1, session.symbols)
    return -(-query.limit // max(1, rows)) + (len(query.after) > 1)


def _read_page(
    connection: Connection, view: ApiView, query: RowsQuery, conditions: Sequence[str], params: Mapping[str, SqlValue], *, end: Values
) -> ViewRows:  # fmt: skip
    """Read a page by its key; `end` is where the search ended although more may follow."""
    order = ", ".join(f'"{key.column}"{" DESC" if key.is_descending else ""}' for key in view.key)
    columns = ", ".join(f'"{name}"' for name in dict.fromkeys([*(c.name for c in view.columns), *(key.column for key in view.key)]))
    conditions = [*conditions, *_place_conditions(view, query.after)]
    sql = f"SELECT {columns} FROM {view.table}{_where(conditions)} ORDER BY {order} LIMIT :limit"
    places = {f"key{place}": value for place, value in enumerate(query.after)}
    result = connection.execute(text(sql), {**params, **places, "limit": query.limit + 1})
    names, rows = list(result.keys()), [tuple(row) for row in result]
    if len(rows) > query.limit:
        last = rows[query.limit - 1]
        end = tuple(last[names.index(key.column)] for key in view.key)
    return _pick(view, query, names, rows[: query.limit], end)


def _place_conditions(view: ApiView, after: Values) -> list[str]:
    """The rows after a place: those with a later value of a column of the key and the same values of the columns before it."""
    if not after:
        return []
    terms = [f'"{key.column}" {"<" if key.is_descending else ">"} :key{place}' for place, key in enumerate(view.key[: len(after)])]
    same = [f'"{key.column}" = :key{place}' for place, key in enumerate(view.key[: len(after)])]
    first = view.key[0]
    bound = f'"{first.column}" {"<=" if first.is_descending else ">="} :key0'  # that an index finds
    return [bound, "(" + " OR ".join(" AND ".join([*same[:place], term]) for place, term in enumerate(terms)) + ")"]


def _filter_conditions(query: RowsQuery) -> list[str]:
    return [f'"{name}" = :value{place}' for place, name in enumerate(query.filters)]


def _filter_values(query: RowsQuery) -> dict[str, SqlValue]:
    return {f"value{place}": value for place, value in enumerate(query.filters.values())}


def _where(conditions: Sequence[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _pick(view: ApiView, query: RowsQuery, names: Sequence[str], rows: Sequence[tuple[Any, ...]], following: Values = ()) -> ViewRows:
    """The columns that are wanted of rows with these names; the first are those of the view, in its order."""
    wanted = query.fields or tuple(column.name for column in view.columns)
    places = [names.index(name) for name in wanted] if rows else []
    if places == list(range(len(names))):
        return ViewRows(wanted, tuple(rows), following)
    return ViewRows(wanted, tuple(tuple(row[place] for place in places) for row in rows), following)


def _find_session(connection: Connection, symbol: str | None) -> _Session:
    """The newest session with the symbol, or the newest of all. A session's ticks end where the next one's begin."""
    sessions = fetch_all(
        connection,
        "SELECT s.symbols, s.gates, s.models, s.horizons, (SELECT min(r.first_tick) FROM runs r WHERE r.session > s.id) AS next_tick "
        "FROM sessions s ORDER BY s.id DESC LIMIT 100",
    )
    newest: list[str] = []
    for row in sessions:
        symbols = json.loads(row["symbols"])
        newest = newest or symbols
        if symbol is None or symbol in symbols:
            last = 2**62 if row["next_tick"] is None else int(row["next_tick"]) - 1
            votes = len(json.loads(row["models"])) * len(json.loads(row["horizons"]))
            return _Session(last, len(symbols), len(json.loads(row["gates"] or "[]")), votes)
    if newest:
        few = ", ".join(newest[:12])
        raise NoSuchSymbol(f"there are {few}{f' and {len(newest) - 12} more' if len(newest) > 12 else ''}")
    return _Session(-1, 1, 1, 1)
