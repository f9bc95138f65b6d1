"""A table of a recording in parts: a folder `bars.parquet` that holds part-000001.parquet and so on, which together are one table."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

PART_NAME = re.compile(r"part-(\d{6,})\.parquet", re.ASCII)
RECORDER_TABLES = ("session.parquet", "faults.parquet", "candles.parquet")  # of the recorder, directly in the recording's folder


def list_parts(folder: Path) -> list[Path]:
    """The parts of a table in order of their numbers; none where it is no folder of parts."""
    if not folder.is_dir():
        return []
    numbered = [
        (int(match[1]), entry)
        for entry in folder.iterdir()
        if (match := PART_NAME.fullmatch(entry.name)) and entry.is_file() and not entry.is_symlink()
    ]
    return [entry for _, entry in sorted(numbered)]


def load_parts(folder: Path) -> pa.Table:
    """Read the parts as one table, in order of time where messages were received out of order. Raises ArrowException and OSError."""
    table = pa.concat_tables([pyarrow.parquet.ParquetFile(part).read() for part in list_parts(folder)], promote_options="default")
    if "ts" not in table.column_names or not pa.types.is_timestamp(table.schema.field("ts").type):
        return table
    times = pc.cast(table["ts"], pa.int64()).to_numpy()
    if (times[1:] >= times[:-1]).all():
        return table
    return table.take(pa.array(times.argsort(kind="stable")))


def read_parts_metadata(folder: Path) -> tuple[int, int]:
    """The rows of all parts, and their columns. Raises ArrowException and OSError."""
    parts = [pyarrow.parquet.read_metadata(part) for part in list_parts(folder)]
    return sum(part.num_rows for part in parts), max(part.num_columns for part in parts)
