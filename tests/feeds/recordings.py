"""Writes small recordings for tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from engine.domain.market import MarketSnapshot
from engine.domain.record import Floats

START = 1_704_067_200 * 10**9  # 2024-01-01T00:00Z, ns
SECOND = 10**9
MINUTE = 60 * SECOND
BAR = "ts,open,high,low,close,volume"
TRADE = "ts,price,size,side"
BOOK = "ts,bid_px_0,bid_sz_0,ask_px_0,ask_sz_0"


def write(folder: Path, symbol: str, kind: str, header: str, rows: Iterable[Sequence[object]], suffix: str = ".csv") -> Path:
    """A file of a recording; ts given as ns."""
    file = folder / symbol / (kind + suffix)
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [header, *(",".join(str(value) for value in row) for row in rows)]
    file.write_text("\n".join(lines) + "\n")
    if suffix == ".parquet":
        table = pyarrow.csv.read_csv(file)
        times = table["ts"].cast(pa.timestamp("ns", "UTC"))
        pyarrow.parquet.write_table(table.set_column(0, "ts", times), file)
    return file


def bar(minute: float, close: float = 10.0, volume: float = 1.0) -> tuple[object, ...]:
    """A bar of one price around which it ranges by 1 both ways."""
    return (START + int(minute * MINUTE), close, close + 1.0, close - 1.0, close, volume)


def closes(slices: Iterable[MarketSnapshot]) -> Floats:
    return np.stack([snapshot.close for snapshot in slices])


def minutes(slices: Iterable[MarketSnapshot]) -> list[float]:
    """The closes' times, in minutes since START."""
    return [(snapshot.at - START) / MINUTE for snapshot in slices]
