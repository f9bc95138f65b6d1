"""Reads what a program posts to the push feed, and refuses what cannot be a market by the checks of recordings, in one line each."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from engine import units
from engine.domain.record import Floats, Ints, Record
from engine.feeds._contracts import Contract
from engine.feeds._recording_files import BookRows, TradeRows, parse_bars, parse_books, parse_trades
from engine.feeds._recording_folder import BadRecording, require_money
from engine.feeds._timestamps import format_time
from engine.schema import suggest
from engine.settings import format_duration

MAX_ROWS, MAX_COLUMNS, MAX_BYTES = 100_000, 250, 64_000_000  # of one post; bytes as tables in memory
MAX_LETTERS = 64  # of a trade's id, and of a name in a message
KINDS = {"bars": "open", "trades": "price", "books": "bid_px_0"}  # what is posted, and a column that only it has
_OR_IMPORT = re.compile(r", or let `python -m engine import` convert it")


class PostRefused(ValueError):
    """A post of which nothing was taken: one line with what is wrong, where, and the remedy."""


class PostConflicts(PostRefused):
    """A post about what is decided already, or that differs from what was accepted."""


class PostTooEarly(PostRefused):
    """A post that cannot be taken now and can be sent again unchanged."""


@dataclass(frozen=True, slots=True)
class SymbolBars(Record):
    """Posted bars of one symbol in base units, without repeats within the post."""

    column: int
    closes: Ints  # (n,) ns UTC, increasing
    values: Floats  # (5, n) open, high, low, close, volume; volume is NaN in every row where it is unknown


@dataclass(frozen=True, slots=True)
class SymbolTrades(Record):
    """Posted trades of one symbol in base units, in order of time."""

    column: int
    rows: TradeRows
    ids: tuple[str, ...]  # "" where none is given


@dataclass(frozen=True, slots=True)
class SymbolBooks(Record):
    """Posted books of one symbol in base units, in order of time."""

    column: int
    rows: BookRows


@dataclass(frozen=True, slots=True)
class MarketPost(Record):
    """One post, checked as far as it can be without what was posted before."""

    bars: tuple[SymbolBars, ...]
    trades: tuple[SymbolTrades, ...]
    books: tuple[SymbolBooks, ...]
    rows: int
    key: str  # a digest of what was posted, by which a repeat is recognised

    @property
    def kinds(self) -> tuple[str, ...]:
        """What is in it: bars, trades, books."""
        return tuple(kind for kind in KINDS if getattr(self, kind))


def parse_json_post(body: bytes) -> dict[str, pa.Table]:
    """Parse {"bars": [...], "trades": [...], "books": [...]}, each a list of rows with the columns of a recording and `symbol`, as a table by kind.

    Raises PostRefused.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise PostRefused(f"this is no JSON ({str(error)[:120]}): send an object of bars, trades or books; JSON has no NaN and no Infinity") from None
    if not isinstance(document, dict):
        raise PostRefused('the body is no object: send {"bars": [{"symbol", "ts", "open", "high", "low", "close", "volume"}, ...]}')
    for name in document:
        if name not in KINDS:
            raise PostRefused(f"there is no {_shorten(name)}: {suggest(name, sorted(KINDS), 'there are')}")
    return {kind: _table_of_rows(kind, rows) for kind, rows in document.items()}


def parse_arrow_post(body: bytes) -> dict[str, pa.Table]:
    """Parse an Arrow IPC stream of bars, trades or books, told apart by their columns, as a table by kind. Raises PostRefused."""
    batches, rows, size = [], 0, 0
    try:
        with pa.ipc.open_stream(body) as stream:
            schema = stream.schema
            for batch in stream:
                batch.validate(full=True)
                batches.append(batch)
                rows, size = rows + batch.num_rows, size + batch.nbytes
                if size > MAX_BYTES:
                    raise PostRefused(f"the stream unpacks to more than {units.format_bytes(MAX_BYTES)}: post it in parts")
                _require_few(rows)
        table = pa.Table.from_batches(batches, schema)
        kinds = [kind for kind, column in KINDS.items() if column in table.column_names]
    except (pa.ArrowException, OSError, OverflowError, UnicodeDecodeError) as error:
        raise PostRefused(
            f"this is no Arrow stream ({' '.join(str(error).split())[:120]}): send the stream format of Arrow IPC, not a file"
        ) from None
    if len(kinds) != 1:
        names = ", ".join(_shorten(name) for name in table.column_names[:12])
        raise PostRefused(f"the columns {names} are not those of bars, trades or books alone: post ts and symbol with open, price or bid_px_0 ...")
    return {kinds[0]: table}


def check_post(tables: dict[str, pa.Table], symbols: Sequence[str], contracts: Sequence[Contract], interval: int, levels: int) -> MarketPost:
    """Check tables by kind, and convert contracts to base units; `interval` in ns, at most `levels` of books. Raises PostRefused."""
    rows, digest = sum(table.num_rows for table in tables.values()), hashlib.blake2b(digest_size=16)
    _require_few(rows)
    parts: dict[str, list[Any]] = {kind: [] for kind in KINDS}
    for kind in KINDS:
        if kind not in tables or not tables[kind].num_rows:
            continue
        for symbol, table in _split_by_symbol(kind, tables[kind], symbols):
            column, source = symbols.index(symbol), Path(f"{kind} of {symbol}")
            try:
                part = _CHECKS[kind](source, table, column, contracts[column], interval, levels)
            except BadRecording as error:
                raise PostRefused(_OR_IMPORT.sub("", str(error))) from None
            except (pa.ArrowException, OverflowError, TypeError) as error:
                raise PostRefused(f"{source} cannot be read ({' '.join(str(error).split())[:120]}): give numbers, and ts as a time") from None
            parts[kind].append(part)
            digest.update(part.digest().encode())
    return MarketPost(tuple(parts["bars"]), tuple(parts["trades"]), tuple(parts["books"]), rows, digest.hexdigest())


def _check_bars(source: Path, table: pa.Table, column: int, contract: Contract, interval: int, levels: int) -> SymbolBars:
    del levels
    opened, values, single, _ = parse_bars(source, table, 0.0)
    off = np.flatnonzero(opened % interval)
    if len(off):
        raise PostRefused(
            f"{source}: row {off[0] + 1} opens at {format_time(opened[off[0]])}, which is no multiple of {format_duration(interval)}: "
            "ts is the open of the bar in UTC"
        )
    outside = np.flatnonzero(~contract.session.covers(opened)) if contract.session is not None else np.empty(0, dtype=np.int64)
    if contract.session is not None and len(outside):
        raise PostRefused(f"{source}: row {outside[0] + 1} opens outside of its session of {contract.session.text}: leave it out, or correct [push]")
    values = values[:, single].copy()
    values[4] = contract.units(values[4], values[3])
    require_money(str(source), values[3], values[4])
    return SymbolBars(column, opened[single] + interval, values)


def _check_trades(source: Path, table: pa.Table, column: int, contract: Contract, interval: int, levels: int) -> SymbolTrades:
    del interval, levels
    rows = parse_trades(source, table, 0.0)
    size = contract.units(rows.size, rows.price)
    require_money(str(source), rows.price, size)
    ids = tuple("" if value is None else value for value in pc.cast(table["id"], pa.string()).to_pylist()) if "id" in table.column_names else ()
    if any(len(value) > MAX_LETTERS for value in ids):
        raise PostRefused(f"{source}: an id has more than {MAX_LETTERS} letters: give shorter ones, or none")
    return SymbolTrades(column, TradeRows(rows.at, rows.price, size, rows.sign, 0), ids or ("",) * len(rows.at))


def _check_books(source: Path, table: pa.Table, column: int, contract: Contract, interval: int, levels: int) -> SymbolBooks:
    del interval
    rows = parse_books(source, table)
    bad = np.flatnonzero(~rows.valid)
    if len(bad):
        raise PostRefused(
            f"{source}: row {bad[0] + 1} has no valid best bid and ask (crossed, missing, or a price or size that is not above 0): "
            "correct it, or post no book"
        )
    sides = [side[:, :levels] for side in (rows.bid_price, rows.bid_size, rows.ask_price, rows.ask_size)]
    for side, name, sign in ((sides[0], "bid", -1.0), (sides[2], "ask", 1.0)):
        with np.errstate(invalid="ignore"):
            back = np.flatnonzero((np.diff(side, axis=1) * sign <= 0.0).any(axis=1))
        if len(back):
            raise PostRefused(
                f"{source}: row {back[0] + 1} has {name} levels that do not go away from the best: give the best first, each price once"
            )
    return SymbolBooks(
        column,
        BookRows(rows.at, sides[0], contract.units(sides[1], sides[0]), sides[2], contract.units(sides[3], sides[2]), rows.valid),
    )  # fmt: skip


_CHECKS: dict[str, Callable[[Path, pa.Table, int, Contract, int, int], Any]] = {"bars": _check_bars, "trades": _check_trades, "books": _check_books}


def _table_of_rows(kind: str, rows: object) -> pa.Table:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise PostRefused(f"{kind} is no list of objects: write each row as an object with symbol, ts and the columns of {kind}")
    _require_few(len(rows))
    names = dict.fromkeys(name for row in rows for name in row)
    if len(names) > MAX_COLUMNS:
        raise PostRefused(f"{kind} has {len(names)} columns: give at most {MAX_COLUMNS}")
    columns = {}
    for name in names:
        values = [row.get(name) for row in rows]
        truth = next((row for row, value in enumerate(values) if isinstance(value, bool)), None)
        if truth is not None and name not in {"is_buyer_maker", "isBuyerMaker"}:
            raise PostRefused(f"{kind}: row {truth + 1} has the {_shorten(name)} {str(values[truth]).lower()}: make it a number or a text")
        columns[name] = pa.chunked_array([_array_of(kind, name, values)])
    return pa.table(columns)


def _array_of(kind: str, name: str, values: list[Any]) -> pa.Array:
    """The values as a column; numbers among texts become texts, which the checks of recordings read."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError, TypeError) as error:
        if all(value is None or isinstance(value, str | float | int) for value in values):
            return pa.array([None if value is None else str(value) for value in values])
        reason = " ".join(str(error).split())[:120]
        raise PostRefused(f"{kind}: the values of {_shorten(name)} are of several kinds ({reason}): give all in one form") from None


def _split_by_symbol(kind: str, table: pa.Table, symbols: Sequence[str]) -> list[tuple[str, pa.Table]]:
    """The rows of each symbol in their order, without that column."""
    if "symbol" not in table.column_names:
        raise PostRefused(f"{kind} lacks symbol: its columns are {', '.join(_shorten(name) for name in table.column_names[:12])}")
    if table.column_names.count("symbol") > 1:
        raise PostRefused(f"{kind} has the column symbol twice: give it once")
    try:
        names = pc.cast(table["symbol"], pa.string())
        known = pc.unique(names).to_pylist()
    except pa.ArrowException:
        raise PostRefused(f"{kind}: symbol is {table['symbol'].type}: give names") from None
    for name in known:
        if name not in symbols:
            remedy = suggest(str(name), symbols, "there are") if len(symbols) <= 12 else f"there are {', '.join(symbols[:12])} and more"
            raise PostRefused(f"{kind}: {'a row has no symbol' if name is None else f'there is no symbol {_shorten(name)}'}: {remedy}")
    rest = table.drop_columns(["symbol"])
    return [(name, rest.filter(pc.equal(names, name))) for name in known] if len(known) > 1 else [(known[0], rest)]


def _require_few(rows: int) -> None:
    if rows > MAX_ROWS:
        raise PostRefused(f"the post has more than {MAX_ROWS:,} rows: post them in parts")


def _shorten(name: object) -> str:
    return repr(str(name)[:MAX_LETTERS])
