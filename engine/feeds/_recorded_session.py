"""The table session.parquet of a recording: every bar as it was decided on, one row each, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from engine.domain.market import BackfilledBars, Books, MarketSnapshot
from engine.domain.ports import FeedInfo
from engine.domain.record import Floats, Record
from engine.feeds._recording_folder import BadRecording
from engine.feeds._recording_parts import list_parts

SESSION_TABLE = "session.parquet"
HEADER_KEY = b"podium"  # of the metadata of each part
_TIME, _LIST = pa.timestamp("ns", tz="UTC"), pa.list_(pa.float64())
_BARS = ("open", "high", "low", "close", "volume")
_BOOKS = ("bid_price", "bid_size", "ask_price", "ask_size")
SESSION_SCHEMA = pa.schema([
    ("at", _TIME), ("read_at", _TIME), ("clock_offset", pa.int64()), ("run", pa.int64()), ("first_sequence", pa.int64()), ("sequence", pa.int64()),
    ("sources", pa.list_(pa.int64())), ("ages", _LIST), ("fresh", pa.list_(pa.bool_())), *((name, _LIST) for name in _BARS), ("books", _LIST),
    ("fill_books", _LIST), ("ofi", _LIST), ("flow", _LIST), ("later", _LIST), ("backfilled_at", pa.list_(pa.int64())), ("backfilled", _LIST),
    ("funding", _LIST),
])  # fmt: skip

LATER_COLUMNS = ("funding",)  # that a recording of an earlier version lacks; the last of the schema


@dataclass(frozen=True, slots=True)
class RecordingHeader(Record):
    """The market of a recording, and how its bars were built."""

    feed: str  # simulated, recorded, live
    label: str
    exchange: str  # "" where the feed has none
    symbols: tuple[str, ...]  # in the order of the session's columns
    folders: tuple[str, ...]  # of the symbols
    interval: int  # ns
    levels: int  # D of books
    has_flow: bool
    latency_ms: float
    has_messages: bool  # bars can be built again from recorded messages
    detail: str = ""  # what else makes the market: the seed of a simulated one, the folder of a recorded one

    def encode(self) -> bytes:
        """Encode as JSON, for the metadata of parts."""
        return json.dumps(asdict(self), sort_keys=True).encode()


@dataclass(frozen=True, slots=True)
class RecordedBar(Record):
    """A bar as it was decided on, and the messages that had been taken by then."""

    snapshot: MarketSnapshot
    read_at: int  # ns UTC by the recorder's clock
    clock_offset: int | None  # ns, the exchange's clock less the recorder's; None for feeds without messages
    run: int  # number of the start of the recorder, from 1
    first_sequence: int  # the first message of this run
    sequence: int  # the last message taken before the bar was closed; first_sequence - 1 without one
    sources: tuple[int, ...] | None  # by symbol, index into BAR_SOURCES; None for feeds without messages


def describe_market(info: FeedInfo, exchange: str, latency_ms: float, *, has_messages: bool, detail: str = "") -> RecordingHeader:
    """Describe the market of a feed. Symbols whose names no folder can have get another one, with - in the place of / and :."""
    folders: list[str] = []
    for symbol in info.symbols:
        name = plain = symbol.replace("/", "-").replace(":", "-").replace("\\", "-").lstrip(".") or "-"
        while name in folders:
            name = f"{plain}-{len(folders)}"
        folders.append(name)
    return RecordingHeader(
        info.name, info.label, exchange, info.symbols, tuple(folders), info.interval, info.levels, info.has_flow, latency_ms, has_messages, detail
    )


def session_row(bar: RecordedBar, ages: Floats | None) -> tuple[Any, ...]:
    """Return the bar as a row of SESSION_SCHEMA."""
    snapshot, filled = bar.snapshot, bar.snapshot.backfilled
    return (
        snapshot.at, bar.read_at, bar.clock_offset, bar.run, bar.first_sequence, bar.sequence,
        None if bar.sources is None else list(bar.sources), None if ages is None else ages.ravel().tolist(), snapshot.fresh.tolist(),
        *(getattr(snapshot, name).tolist() for name in _BARS), _flatten(snapshot.books), _flatten(snapshot.fill_books), snapshot.ofi.ravel().tolist(),
        snapshot.flow.ravel().tolist(), None if snapshot.trades_after_arrival is None else snapshot.trades_after_arrival.ravel().tolist(),
        None if filled is None else filled.at.tolist(), None if filled is None else filled.values.ravel().tolist(),
        None if snapshot.funding is None else snapshot.funding.tolist(),
    )  # fmt: skip


def read_header(path: Path) -> RecordingHeader | None:
    """Read the header of the newest part; None where the folder holds no recorded session. Raises BadRecording."""
    parts = list_parts(path / SESSION_TABLE)
    if not parts:
        return None
    try:
        metadata = pyarrow.parquet.read_schema(parts[-1]).metadata or {}
        values = json.loads(metadata[HEADER_KEY])
        return RecordingHeader(**values | {"symbols": tuple(values["symbols"]), "folders": tuple(values["folders"])})
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise BadRecording(f"{parts[-1]} is no part of a recorded session ({error}): remove it") from error


def read_bars_decided_on(path: Path, header: RecordingHeader) -> Iterator[RecordedBar]:
    """Read the session's bars in the order in which they were recorded. Raises BadRecording."""
    for part in list_parts(path / SESSION_TABLE):
        try:
            table = _add_later_columns(pyarrow.parquet.ParquetFile(part).read()).cast(SESSION_SCHEMA)
            for name in ("at", "read_at"):
                table = table.set_column(table.schema.get_field_index(name), name, table[name].cast(pa.int64()))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise BadRecording(f"{part} cannot be read ({str(error).splitlines()[0]}): remove {path / SESSION_TABLE}") from error
        for row in table.to_pylist():
            yield _bar_of(row, header)


def _add_later_columns(table: pa.Table) -> pa.Table:
    """Add what earlier versions did not record, as null."""
    for name in LATER_COLUMNS:
        if name not in table.column_names:
            table = table.append_column(SESSION_SCHEMA.field(name), pa.nulls(len(table), SESSION_SCHEMA.field(name).type))
    return table


def _flatten(books: Books) -> list[float]:
    return [value for name in _BOOKS for value in getattr(books, name).ravel().tolist()]


def _bar_of(row: dict[str, Any], header: RecordingHeader) -> RecordedBar:
    symbols = len(header.symbols)
    later, filled_at = row["later"], row["backfilled_at"]
    backfilled = None
    if filled_at is not None:
        backfilled = BackfilledBars(np.array(filled_at, dtype=np.int64), _shape(row["backfilled"], (5, len(filled_at), symbols)))
    books, fills = (Books(*_shape(row[name], (4, symbols, -1) if row[name] else (4, symbols, 0))) for name in ("books", "fill_books"))
    opened, high, low, close, volume = (np.array(row[name], dtype=np.float64) for name in _BARS)
    snapshot = MarketSnapshot(
        row["at"], opened, high, low, close, volume, np.array(row["fresh"], dtype=np.bool_), books, fills,
        _shape(row["ofi"], (symbols, -1) if row["ofi"] else (symbols, 0)), _shape(row["flow"], (symbols, -1) if row["flow"] else (symbols, 0)),
        None if later is None else _shape(later, (symbols, 4)), backfilled,
        None if row["funding"] is None else np.array(row["funding"], dtype=np.float64),
    )  # fmt: skip
    sources = None if row["sources"] is None else tuple(row["sources"])
    return RecordedBar(snapshot, row["read_at"], row["clock_offset"], row["run"], row["first_sequence"], row["sequence"], sources)


def _shape(values: list[float], shape: tuple[int, ...]) -> Floats:
    return np.array(values, dtype=np.float64).reshape(shape)
