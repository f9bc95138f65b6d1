"""Pages of a table of history at a cost that does not grow with it: each begins at a row's key, never at a count of rows.

What no index can find, such as a text or the order of another column, is looked for among `MAX_SEARCHED` rows at a time; a page then says how far.
The order of a column that an index begins with covers all rows: its values are read one after another, each newest first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pandas as pd
from sqlalchemy import Connection, text

from engine.store.read.history_tables import HistoryTable, StoredFilter
from engine.store.read.key_search import find_period_keys, search_key_by_tick, search_key_by_time
from engine.store.read.past import choose_outcomes
from engine.store.read.period import Period
from engine.store.read.reader import Reader, SqlValue, fetch_exact_frame, fetch_frame, fetch_scalar

MAX_SEARCHED = 50_000  # rows searched for a page, unless a query says otherwise
MAX_WORDS, MAX_WORD = 8, 60
MOST_NEWER = 1_000  # rows counted at most
LARGEST = 2**62  # of ticks and times
Place = tuple[SqlValue, ...]  # the value sorted by, where it is not the key, and the key of the first row of a page


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Which rows of a table are read, in which order, and from where.

    `until` is the newest key to be read, `as_of` the newest tick: nothing that was stored for a later tick is read.
    """

    filters: tuple[tuple[str, str], ...] = ()
    search: str = ""  # words, all of which a row must contain
    sort: str = ""  # name of a column; "" for the key
    is_ascending: bool = False
    place: Place | None = None
    until: int | None = None
    as_of: int | None = None
    searched: int = MAX_SEARCHED  # rows searched at most for a page
    period: Period | None = None  # by the clock of the table


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Rows in order, and where the pages beside them begin."""

    frame: pd.DataFrame
    first: Place | None  # of the first row; None on a page without rows
    following: Place | None  # of the page that follows; None on the last
    until: int | None  # newest key that was read; None in an empty table
    searched_to: int | None  # the last key searched where the search was cut short


@dataclass(frozen=True, slots=True)
class _Term:
    """A part of the order; only the value of a column may be unknown, and unknown values come last."""

    sql: str
    is_descending: bool
    may_be_null: bool


@dataclass(frozen=True, slots=True)
class _Span:
    """Keys that are searched, of those there are."""

    low: int
    high: int
    oldest: int
    newest: int  # of those that may be read


class _Search:
    """A query made ready: its order, its conditions and their parameters."""

    def __init__(self, connection: Connection, table: HistoryTable, query: HistoryQuery) -> None:
        self.connection, self.table, self.query = connection, table, query
        self.terms = _list_terms(table, query)
        self.params: dict[str, SqlValue] = {}
        chosen = [(condition(value), value) for name, value in query.filters if (condition := table.find_filter(name)) is not None]
        filters = [self._add_filter(place, condition, value) for place, (condition, value) in enumerate(chosen)]
        words = [self._add_word(place, word) for place, word in enumerate(_split_words(query.search))]
        self.conditions = [condition.sql for condition in filters] + words
        bound = None if query.as_of is None else search_key_by_tick(connection, table, query.as_of)
        self.newest = min(LARGEST if query.until is None else query.until, LARGEST if query.as_of is None else -1 if bound is None else bound)
        self.period = None if query.period is None else find_period_keys(connection, table, query.period, query.as_of)
        self.is_sorted = len(self.terms) > len(table.key)  # by a column that is not the key
        has_index = len(self.conditions) <= 1 and not words and all(condition.has_index for condition in filters)
        if self.period is not None and not self.period.is_whole:
            self.conditions.append(self.period.condition)
            self.params |= {"since": self.period.since, "before": self.period.before}
            has_index = False  # the keys between may be of any number of rows of other times
        column = table.find_column(query.sort)
        self.within = column.within if column is not None and self.is_sorted and not self.conditions else ""
        self.is_bounded = (self.is_sorted and not self.within) or not has_index
        self.place = query.place if query.place is not None and len(query.place) == len(self.terms) else None

    def _add_filter(self, place: int, condition: StoredFilter, value: str) -> StoredFilter:
        self.params[f"filter{place}"] = clean_text(value)
        return replace(condition, sql=condition.sql.replace(":value", f":filter{place}"))

    def _add_word(self, place: int, word: str) -> str:
        self.params[f"word{place}"] = word
        columns = [f"coalesce({column.searched}, '')" for column in self.table.columns if column.searched]
        return f"instr(lower({' || char(10) || '.join(columns)}), lower(:word{place})) > 0"  # no word contains the end of a line

    def find_span(self, *, backwards: bool) -> _Span | None:
        """The keys to be searched for this page, or for the one before it; None in an empty table."""
        oldest, newest = _find_ends(self.connection, self.table)
        if oldest is None or newest is None:
            return None
        newest = min(newest, self.newest)
        if self.period is not None:
            oldest, newest = max(oldest, self.period.low), min(newest, self.period.high)
        if newest < oldest:
            return None
        if not self.is_bounded:
            return _Span(oldest, newest, oldest, newest)
        width = max(1, self.query.searched // max(1, _count_rows_per_key(self.connection, self.table, newest)))
        if self.is_sorted:
            return _Span(max(oldest, newest - width + 1), newest, oldest, newest)
        return self._around_place(width, oldest, newest, is_upwards=self.query.is_ascending != backwards)

    def _around_place(self, width: int, oldest: int, newest: int, *, is_upwards: bool) -> _Span:
        start = self.place[0] if self.place is not None else None
        begin = int(start) if isinstance(start, int | float) else oldest if is_upwards else newest
        begin = min(max(begin, oldest), newest)
        return _Span(begin, min(newest, begin + width - 1), oldest, newest) if is_upwards else _Span(
            max(oldest, begin - width + 1), begin, oldest, newest
        )  # fmt: skip

    def read_places(self, span: _Span, limit: int, *, backwards: bool = False) -> list[Place]:
        """The places of up to `limit` matching rows: those from the place on, or backwards those before it, nearest first."""
        return self._read_by_value(span, limit, backwards=backwards) if self.within else self._read_in_order(span, limit, backwards=backwards)

    def _read_by_value(self, span: _Span, limit: int, *, backwards: bool) -> list[Place]:
        """The same through the index that has the sorted column first: one value of it after another."""
        places: list[Place] = []
        value, place = (self._find_value(backwards=backwards), None) if self.place is None else (self.place[0], self.place)
        while True:
            places += self._read_value(span, value, place, limit - len(places), backwards=backwards)
            following = self._find_value(value, backwards=backwards) if backwards or value is not None else None
            if len(places) >= limit or (following is None and (backwards or value is None)):
                return places
            value, place = following, None

    def _read_value(self, span: _Span, value: SqlValue, place: Place | None, limit: int, *, backwards: bool) -> list[Place]:
        """The places of rows with one value: from a place of that value on, or backwards those before it."""
        key, *rest = self.table.key
        self.params |= {"low": span.low, "high": span.high, "value": value, "limit": limit}
        conditions = [f"{self.terms[0].sql} IS :value", f"{key} >= :low", f"{key} <= :high"]
        if place is not None:
            conditions += [f"{self.within} {'>=' if backwards else '<='} :bound", self._beyond_place(place, backwards=backwards, first=1)]
            self.params["bound"] = self._find_bound(place, LARGEST if not backwards else -LARGEST)
        downwards, upwards = _direction(not backwards), _direction(backwards)
        order = ", ".join(dict.fromkeys([f"{self.within} {downwards}", f"{key} {downwards}", *(f"{name} {upwards}" for name in rest)]))
        sql = f"SELECT {self.terms[0].sql}, {', '.join(self.table.key)} FROM {self.table.base} WHERE {' AND '.join(conditions)}"
        return [tuple(row) for row in self.connection.execute(text(f"{sql} ORDER BY {order} LIMIT :limit"), self.params)]

    def _find_value(self, after: SqlValue = None, *, backwards: bool) -> SqlValue:
        """The first value of the sorted column in the order of the pages, or the next after one; None after the last, where unknown ones follow."""
        is_falling = self.terms[0].is_descending != backwards
        sql = f"SELECT {'max' if is_falling else 'min'}({self.terms[0].sql}) FROM {self.table.base}"
        if after is None:
            extreme: SqlValue = fetch_scalar(self.connection, sql)
            return extreme
        beyond: SqlValue = fetch_scalar(self.connection, f"{sql} WHERE {self.terms[0].sql} {'<' if is_falling else '>'} :after", after=after)
        return beyond

    def _find_bound(self, place: Place, missing: int) -> SqlValue:
        """Where a place is in the column that follows the sorted one in the index; `missing` where its row is stored no more."""
        if self.within == self.table.key[0]:
            return place[1]
        bound: SqlValue = fetch_scalar(self.connection, f"SELECT {self.within} FROM {self.table.base} WHERE {self.table.key[0]} = :key", key=place[1])
        return missing if bound is None else bound

    def _read_in_order(self, span: _Span, limit: int, *, backwards: bool) -> list[Place]:
        order = ", ".join(
            f"{f'({term.sql}) IS NULL {_direction(backwards)}, ' if term.may_be_null else ''}{term.sql} {_direction(term.is_descending != backwards)}"
            for term in self.terms
        )
        chosen = ", ".join(f"{term.sql} AS p{place}" for place, term in enumerate(self.terms))
        rows = self.connection.execute(text(f"SELECT {chosen} {self._from(span, backwards=backwards)} ORDER BY {order} LIMIT :limit"),
                                       self.params | {"limit": limit})  # fmt: skip
        return [tuple(row) for row in rows]

    def count(self, span: _Span, limit: int, *, backwards: bool) -> int:
        """The matching rows before the place, up to `limit`; all matching rows of the span where there is no place."""
        return int(fetch_scalar(self.connection, f"SELECT count(*) FROM (SELECT 1 {self._from(span, backwards=backwards)} LIMIT :limit)",
                                **self.params, limit=limit))  # fmt: skip

    def _from(self, span: _Span, *, backwards: bool) -> str:
        key, low, high = self.table.key[0], span.low, span.high
        start = self.place[0] if self.place is not None and not self.is_sorted else None
        if isinstance(start, int | float):  # the range of the index begins at the place: of two bounds SQLite may take the wider
            low, high = (max(low, int(start)), high) if self.query.is_ascending != backwards else (low, min(high, int(start)))
        self.params |= {"low": low, "high": high}
        conditions = [f"{key} >= :low", f"{key} <= :high", *self.conditions]
        if self.place is not None:
            conditions.append(self._beyond_place(self.place, backwards=backwards))
        return f"FROM {self.table.base} WHERE {' AND '.join(conditions)}"

    def _beyond_place(self, place: Place, *, backwards: bool, first: int = 0) -> str:
        """The condition of the rows from the place on, or of those before it: lexicographic, unknown values last; by the terms from `first` on."""
        choices: list[str] = []
        equal: list[str] = []
        for number, (term, value) in enumerate(zip(self.terms[first:], place[first:], strict=True)):
            name = f":place{number}"
            self.params[name[1:]] = value
            beyond = _beyond(term, value, name, backwards=backwards)
            choices += [" AND ".join([*equal, beyond])] if beyond else []
            equal.append(f"{term.sql} IS {name}")
        if not backwards:
            choices.append(" AND ".join(equal))
        return f"({' OR '.join(f'({choice})' for choice in choices)})" if choices else "0"


def read_history_page(reader: Reader, table: HistoryTable, query: HistoryQuery, *, limit: int, is_exact: bool = False) -> HistoryPage:
    """Up to `limit` rows from the query's place on, at first the newest; with `is_exact`, integers stay integers where some are missing."""
    with reader.reading() as connection:
        search = _Search(connection, table, query)
        span = search.find_span(backwards=False)
        if span is None:
            return HistoryPage(_read_rows(connection, table, [], is_exact=is_exact), None, None, None, None)
        places = search.read_places(span, limit + 1)
        frame = _read_rows(connection, table, [place[-len(table.key) :] for place in places[:limit]], is_exact=is_exact)
    first = places[0] if places else None
    if len(places) > limit:
        return HistoryPage(frame, first, places[limit], span.newest, None)
    is_upwards = query.is_ascending and not search.is_sorted
    searched_to = span.high if is_upwards else span.low
    if searched_to == (span.newest if is_upwards else span.oldest):
        return HistoryPage(frame, first, None, span.newest, None)
    beyond = (searched_to + 1 if is_upwards else searched_to - 1, *_before_all(table))
    return HistoryPage(frame, first, None if search.is_sorted else beyond, span.newest, searched_to)


def find_page_before(reader: Reader, table: HistoryTable, query: HistoryQuery, *, limit: int) -> Place | None:
    """The place of the page before the query's place; None where that is the first page."""
    with reader.reading() as connection:
        search = _Search(connection, table, query)
        span = None if search.place is None else search.find_span(backwards=True)
        if span is None:
            return None
        places = search.read_places(span, limit + 1, backwards=True)
    if len(places) > limit:
        return places[limit - 1]
    reached, end = (span.low, span.oldest) if query.is_ascending else (span.high, span.newest)
    return None if search.is_sorted or reached == end else (reached, *_before_all(table))


def count_newer_rows(reader: Reader, table: HistoryTable, query: HistoryQuery) -> int:
    """The matching rows newer than a page that stands still, up to `MOST_NEWER` and one more; 0 on the first page."""
    if query.place is None:
        return 0
    with reader.reading() as connection:
        search = _Search(connection, table, query)
        if not search.is_sorted:
            span = None if query.is_ascending or search.place is None else search.find_span(backwards=True)
            return 0 if span is None else search.count(span, MOST_NEWER + 1, backwards=True)
        if query.until is None:
            return 0
        search = _Search(connection, table, replace(query, until=None, place=None))
        span = search.find_span(backwards=False)
        return 0 if span is None else search.count(replace(span, low=max(span.low, query.until + 1)), MOST_NEWER + 1, backwards=False)


def iterate_history(reader: Reader, table: HistoryTable, query: HistoryQuery, *, chunk: int, most: int) -> Iterator[pd.DataFrame]:
    """All matching rows that there are now, up to `most`, a chunk at a time, in the query's order and from its beginning."""
    query = replace(query, place=None)
    left = most
    while left > 0:
        page = read_history_page(reader, table, query, limit=min(chunk, left), is_exact=True)
        if len(page.frame):
            yield page.frame
        left -= len(page.frame)
        if page.following is None:
            return
        query = replace(query, place=page.following, until=page.until)


def find_key_at_tick(reader: Reader, table: HistoryTable, tick: int) -> int | None:
    """The newest key that was stored by this tick; None where there is none."""
    with reader.reading() as connection:
        return search_key_by_tick(connection, table, min(tick, LARGEST))


def find_key_at_time(reader: Reader, table: HistoryTable, at: int) -> int | None:
    """The newest key at or before a time, ns UTC, by the clock of the table; None where there is none."""
    with reader.reading() as connection:
        return search_key_by_time(connection, table, at)


def clean_text(value: str) -> str:
    """A text as SQLite takes it: without lone surrogates and zero characters."""
    return value.replace("\0", "").encode("utf-8", "ignore").decode()


def _split_words(search: str) -> list[str]:
    return [word[:MAX_WORD] for word in clean_text(search).split()][:MAX_WORDS]


def _list_terms(table: HistoryTable, query: HistoryQuery) -> tuple[_Term, ...]:
    first, *rest = table.key
    column = None if query.sort in table.ordered else table.find_column(query.sort)
    if column is None or not column.sql:
        return (_Term(first, not query.is_ascending, may_be_null=False), *(_Term(name, is_descending=False, may_be_null=False) for name in rest))
    by_value = _Term(column.sql, not query.is_ascending, may_be_null=True)
    return (by_value, _Term(first, is_descending=True, may_be_null=False), *(_Term(name, is_descending=False, may_be_null=False) for name in rest))


def _beyond(term: _Term, value: SqlValue, name: str, *, backwards: bool) -> str:
    """The condition of values strictly after this one, or before it; "" where there can be none."""
    if value is None:
        return f"({term.sql}) IS NOT NULL" if backwards else ""
    compared = f"{term.sql} {'<' if term.is_descending != backwards else '>'} {name}"
    return f"({compared} OR ({term.sql}) IS NULL)" if term.may_be_null and not backwards else compared


def _direction(is_descending: bool) -> str:
    return "DESC" if is_descending else "ASC"


def _before_all(table: HistoryTable) -> Place:
    """The rest of a key, before that of every row."""
    return ("",) * (len(table.key) - 1)


def _find_ends(connection: Connection, table: HistoryTable) -> tuple[int | None, int | None]:
    key = table.key[0]
    oldest, newest = (fetch_scalar(connection, f"SELECT {name}({key}) FROM {table.base}") for name in ("min", "max"))
    return oldest, newest


def _count_rows_per_key(connection: Connection, table: HistoryTable, newest: int) -> int:
    if len(table.key) == 1:
        return 1
    key = table.key[0]
    latest = f"(SELECT max({key}) FROM {table.base} WHERE {key} <= :newest)"
    return int(fetch_scalar(connection, f"SELECT count(*) FROM {table.base} WHERE {key} = {latest}", newest=newest))


def _read_rows(connection: Connection, table: HistoryTable, keys: list[Place], *, is_exact: bool) -> pd.DataFrame:
    """The rows of these keys with all their fields, in the order of the keys."""
    by_key = " AND ".join(f"{name} = json_extract(k.value, '$[{place}]')" for place, name in enumerate(table.key))
    joins = table.joins.format(outcomes=choose_outcomes(connection))
    sql = f"SELECT {table.fields} FROM json_each(:keys) k CROSS JOIN {table.base} ON {by_key} {joins} ORDER BY k.key"
    fetch = fetch_exact_frame if is_exact else fetch_frame
    return table.complete(fetch(connection, sql, {"keys": json.dumps(keys)}))
