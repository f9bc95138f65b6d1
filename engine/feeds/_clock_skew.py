"""The distance between the recorder's clock and the venue's, bar by bar, where a recording has each row's time of receipt (ts_recv)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from engine.domain.record import Floats, Ints
from engine.feeds._recording_files import file_of
from engine.feeds._recording_folder import BadRecording
from engine.feeds._recording_parts import list_parts

COLUMNS = ["ts", "ts_recv"]


def measure_lags(folders: tuple[Path, ...], closes: Ints, interval: int) -> Floats | None:
    """(K, S) seconds from a row's time at the venue to its time of receipt, the median over each bar; NaN where unknown, None where it always is.

    Read from the books, or from the trades where there are no books; only from parquet files with timestamps in both columns. Raises BadRecording.
    """
    columns = [_measure_symbol(folder, closes, interval) for folder in folders]
    return np.stack(columns, axis=1) if any(np.isfinite(column).any() for column in columns) else None


def _measure_symbol(folder: Path, closes: Ints, interval: int) -> Floats:
    medians = np.full(len(closes), np.nan)
    file = file_of(folder, "books") or file_of(folder, "trades")
    times = _read_both_times(file) if file is not None and file.suffix == ".parquet" else None
    if times is None:
        return medians
    sent, lag = times[0], (times[1] - times[0]) / 1e9
    row = np.searchsorted(closes, sent, side="right")
    inside = row < len(closes)
    inside[inside] = sent[inside] >= closes[row[inside]] - interval
    row, lag = row[inside], lag[inside]
    order = np.lexsort((lag, row))
    row, lag = row[order], lag[order]
    bars, starts, counts = np.unique(row, return_index=True, return_counts=True)
    medians[bars] = 0.5 * (lag[starts + (counts - 1) // 2] + lag[starts + counts // 2])
    return medians


def _read_both_times(file: Path) -> tuple[Ints, Ints] | None:
    parts = list_parts(file) or [file]
    schema = pyarrow.parquet.read_schema(parts[0])
    if any(name not in schema.names or not pa.types.is_timestamp(schema.field(name).type) for name in COLUMNS):
        return None
    table = pa.concat_tables([pyarrow.parquet.ParquetFile(part).read(columns=COLUMNS) for part in parts]).drop_null()
    try:
        sent, received = (np.asarray(pc.cast(pc.cast(table[name], pa.timestamp("ns")), pa.int64()).to_numpy(), dtype=np.int64) for name in COLUMNS)
    except pa.ArrowException as error:  # of ts_recv: ts has been read
        raise BadRecording(f"{file}: ts_recv has a time beyond the reach of ns (1677 to 2262): correct it or leave the column out") from error
    return sent, received
