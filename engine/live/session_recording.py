"""Reads a recorded session back: its messages in the order in which they were taken, and its bars."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from engine.domain.live import BookUpdate, Candle, StreamEvent, StreamFault, Trade
from engine.feeds._recorded_session import RecordedBar, RecordingHeader, read_bars_decided_on, read_header
from engine.feeds._recording_files import BOOK_COLUMNS, BadRecording
from engine.feeds._recording_parts import list_parts
from engine.live.recorder import CANDLES_TABLE, FAULTS_TABLE
from engine.live.recording_parts import BAR_COLUMNS, SIGNS

Numbered = tuple[int, StreamEvent]


class SessionRecording:
    """A recording written by the recorder. Raises BadRecording where the folder holds no recorded session."""

    def __init__(self, folder: Path) -> None:
        header = read_header(folder)
        if header is None:
            raise BadRecording(f"there is no recorded session at {folder}: set record = DIR while the engine runs")
        self.folder, self.header = folder, header

    def bars(self) -> Iterator[RecordedBar]:
        """The bars in the order in which they were decided on."""
        return read_bars_decided_on(self.folder, self.header)

    def events(self) -> Iterator[Numbered]:
        """Every message with its number, in the order in which the bar builder took them; one part of each table is in memory."""
        streams = [_read_rows(self.folder / CANDLES_TABLE, _candle_of), _read_rows(self.folder / FAULTS_TABLE, _fault_of)]
        for column, name in enumerate(self.header.folders):
            streams.append(_read_rows(self.folder / name / "trades.parquet", _trade_reader(column)))
            if self.header.has_messages:
                streams.append(_read_rows(self.folder / name / "books.parquet", _book_reader(column, self.header)))
        return heapq.merge(*streams, key=lambda numbered: numbered[0])


def _read_rows(table: Path, build: Callable[[dict[str, Any]], StreamEvent]) -> Iterator[Numbered]:
    for part in list_parts(table):
        try:
            rows = pyarrow.parquet.ParquetFile(part).read()
            for name in ("ts", "received"):
                if name in rows.column_names:
                    rows = rows.set_column(rows.schema.get_field_index(name), name, rows[name].cast(pa.int64()))
        except (pa.ArrowException, OSError) as error:
            raise BadRecording(f"{part} cannot be read ({str(error).splitlines()[0]}): the session cannot be compared") from error
        try:
            for row in rows.to_pylist():
                yield row["sequence"], build(row)
        except KeyError as error:
            raise BadRecording(f"{part} lacks {error}: it was not written by the recorder") from error


def _trade_reader(symbol: int) -> Callable[[dict[str, Any]], StreamEvent]:
    def build(row: dict[str, Any]) -> StreamEvent:
        return Trade(symbol, row["ts"], row["received"], row["price"], row["size"], SIGNS[row["side"]], row["id"])

    return build


def _book_reader(symbol: int, header: RecordingHeader) -> Callable[[dict[str, Any]], StreamEvent]:
    names = [[f"{name}_{level}" for level in range(header.levels)] for name in BOOK_COLUMNS]

    def build(row: dict[str, Any]) -> StreamEvent:
        return BookUpdate(symbol, row["ts"], row["received"], np.array([[row[name] for name in side] for side in names], dtype=np.float64))

    return build


def _candle_of(row: dict[str, Any]) -> StreamEvent:
    first_price, high, low, last_price, volume = (row[name] for name in BAR_COLUMNS)
    return Candle(row["column"], row["ts"], row["received"], (first_price, high, low, last_price, volume))


def _fault_of(row: dict[str, Any]) -> StreamEvent:
    return StreamFault(row["column"], row["stream"], row["kind"], row["received"], row["detail"])
