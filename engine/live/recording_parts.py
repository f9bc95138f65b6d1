"""The tables that a recorder writes: their columns, and parts that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from engine.domain.live import STREAMS, BookUpdate, Candle, StreamFault, Trade
from engine.feeds._recording_files import BOOK_COLUMNS
from engine.feeds._recording_parts import list_parts
from engine.files import private_files

TIME = pa.timestamp("ns", tz="UTC")
NUMBERS = (("received", TIME), ("sequence", pa.int64()))  # when a message was received, and its place among all messages
BAR_COLUMNS = ("open", "high", "low", "close", "volume")
BAR_SCHEMA = pa.schema([("ts", TIME), *((name, pa.float64()) for name in BAR_COLUMNS), ("sequence", pa.int64())])
TRADE_SCHEMA = pa.schema([("ts", TIME), ("price", pa.float64()), ("size", pa.float64()), ("side", pa.string()), ("id", pa.string()), *NUMBERS])
CANDLE_SCHEMA = pa.schema([("ts", TIME), ("column", pa.int64()), *((name, pa.float64()) for name in BAR_COLUMNS), *NUMBERS])
FAULT_SCHEMA = pa.schema([("column", pa.int64()), ("stream", pa.string()), ("kind", pa.string()), ("detail", pa.string()), *NUMBERS])
SIDES = {1.0: "buy", -1.0: "sell", 0.0: "none"}
SIGNS = {side: sign for sign, side in SIDES.items()}


def book_schema(levels: int) -> pa.Schema:
    """The columns of a table of books with so many levels, best first."""
    columns = [(f"{name}_{level}", pa.float64()) for level in range(levels) for name in BOOK_COLUMNS]
    return pa.schema([("ts", TIME), *columns, *NUMBERS])


def trade_row(trade: Trade, sequence: int) -> tuple[Any, ...]:
    """The row of a trade."""
    return trade.at, trade.price, trade.size, SIDES[trade.sign], trade.id, trade.received, sequence


def book_row(update: BookUpdate, sequence: int) -> tuple[Any, ...]:
    """The row of a book, level by level."""
    return update.at, *update.levels.T.ravel().tolist(), update.received, sequence


def candle_row(candle: Candle, sequence: int) -> tuple[Any, ...]:
    """The row of a candle."""
    return candle.opened, candle.symbol, *candle.values, candle.received, sequence


def fault_row(fault: StreamFault, sequence: int) -> tuple[Any, ...]:
    """The row of a fault. Raises ValueError for a stream that there is not."""
    if fault.stream not in STREAMS:
        raise ValueError(f"there is no stream {fault.stream!r}: there are {', '.join(STREAMS)}")
    return fault.symbol, fault.stream, fault.kind, fault.detail, fault.received, sequence


class PartTable:
    """A folder of parts; each is written under a hidden name and renamed, so that a reader never sees half a part.

    A part is on the disk, under its name, when `write` returns: a power cut loses nothing of it.
    """

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self.folder, self._schema = folder, schema
        parts = list_parts(folder)
        self._number = int(parts[-1].stem.partition("-")[2]) if parts else 0
        self._newest = parts[-1] if parts else None

    def write(self, rows: Sequence[tuple[Any, ...]]) -> Path:
        """Write rows as the next part. Raises OSError, after which nothing of it is left."""
        columns = [pa.array(values, field.type) for values, field in zip(zip(*rows, strict=True), self._schema, strict=True)]
        table = pa.Table.from_arrays(columns, schema=self._schema)
        if not self.folder.is_dir():
            private_files.make_private_folder(self.folder)
            private_files.sync_folder(self.folder.parent)
        part = self.folder / f"part-{self._number + 1:06d}.parquet"
        draft = self.folder / f".{part.name}.{os.getpid()}.draft"
        try:
            with open(draft, "wb", opener=private_files.private_opener) as file:
                pyarrow.parquet.write_table(table, file, compression="zstd")
                file.flush()
                os.fsync(file.fileno())
            draft.replace(part)
            private_files.sync_folder(self.folder)
        except OSError:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise
        self._number += 1
        return part

    def newest_value(self, column: str) -> int | None:
        """The largest number in a column of the part that was the newest when this was opened; None without one. Raises OSError."""
        if self._newest is None:
            return None
        try:
            values = pyarrow.parquet.ParquetFile(self._newest).read(columns=[column])[column]
        except (pa.ArrowException, KeyError) as error:
            raise OSError(f"{self._newest} cannot be read ({str(error).splitlines()[0]}): remove it") from error
        largest: int | None = pc.max(pc.cast(values, pa.int64())).as_py()
        return largest


def delete_drafts(folders: Iterable[Path]) -> None:
    """Delete the drafts of recorders that were killed."""
    for folder in folders:
        for draft in folder.glob(".part-*.parquet.*.draft"):
            with suppress(OSError):
                draft.unlink()


def delete_old_parts(folders: Iterable[Path], age: int | None, size: int | None) -> int:
    """Delete parts written more than `age` ns before the newest, then the oldest beyond `size` bytes in all. Returns their number.

    Raises OSError.

    Only parts by their name are touched; the newest of each table stays, because it holds the numbers that the next start continues.
    """
    older_parts = []
    total = newest = 0
    for folder in folders:
        parts = list_parts(folder)
        status = [(part.stat().st_mtime_ns, part.stat().st_size, part) for part in parts]
        total += sum(entry[1] for entry in status)
        newest = max([newest, *(entry[0] for entry in status)])
        older_parts += status[:-1]
    deleted = 0
    for written, count, part in sorted(older_parts):
        if (age is None or newest - written <= age) and (size is None or total <= size):
            break
        part.unlink(missing_ok=True)
        total, deleted = total - count, deleted + 1
    return deleted
