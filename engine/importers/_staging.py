"""Merges rows of several sources into one file in order of time, with bounded memory.

Batches are written to a temporary Parquet file, a row group each, sorted. Row groups are then loaded in the order of their first times, and the rows
before the next group's first time are written: sorted sources need one or two groups in memory, whichever order their rows and the sources have.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from engine.domain.record import Bools, Ints
from engine.feeds._timestamps import describe_repeat, format_time
from engine.importers._format import ImportFault

MAX_POOL = 30_000_000  # rows in memory; more of them are refused
_ROW_GROUP = 1 << 17  # rows written at once
_PLACE = 1 << 32  # batches per source
DUPLICATE, REPLACED = "a repeat of a row that is there", "a bar that a later source has with other values"
_INTERNAL = frozenset({"order", "id"})


@dataclass(frozen=True, slots=True)
class _Group:
    """A row group on disk."""

    first: int  # ns UTC
    order: int
    index: int


@dataclass(slots=True)
class Staged:
    """The file of one symbol and kind while it is read, and what it holds when it is written."""

    symbol: str
    kind: str
    folder: Path
    backward: dict[int, bool] = field(default_factory=dict)  # by source, whether its newest rows come first
    groups: list[_Group] = field(default_factory=list)
    spans: dict[int, tuple[int, int]] = field(default_factory=dict)  # first and last time by source
    rows: int = 0
    first: int | None = None  # ns UTC
    last: int | None = None
    left_out: Counter[str] = field(default_factory=Counter)
    steps: Counter[int] = field(default_factory=Counter)  # ns between rows
    writer: pyarrow.parquet.ParquetWriter | None = None

    @property
    def path(self) -> Path:
        """The temporary file."""
        return self.folder / f"{len(self.symbol)}-{self.symbol}-{self.kind}.staged"

    def add(self, table: pa.Table, source: int) -> None:
        """Add the rows of a batch of one source, in the order in which they were read."""
        if not table.num_rows:
            return
        ts = table["ts"].to_numpy()
        place = len(self.groups)
        if ts[0] != ts[-1]:
            self.backward.setdefault(source, bool(ts[0] > ts[-1]))
        is_backward = self.backward.get(source, False)
        if is_backward:
            table = table.take(pa.array(np.arange(table.num_rows)[::-1]))
        order = source * _PLACE + (_PLACE // 2 - place if is_backward else _PLACE // 2 + place)
        table = table.append_column("order", pa.array(np.full(table.num_rows, order, dtype=np.int64)))
        table = table.take(pc.sort_indices(table, [("ts", "ascending")]))
        if self.writer is None:
            self.writer = pyarrow.parquet.ParquetWriter(self.path, table.schema, compression="zstd", compression_level=1)
        if table.schema != self.writer.schema:
            raise ImportFault(f"{self.symbol}: its sources have different columns ({', '.join(table.column_names)}): import them apart")
        self.writer.write_table(table, row_group_size=table.num_rows)
        first, last = int(ts.min()), int(ts.max())
        self.groups.append(_Group(first, order, place))
        before = self.spans.get(source, (first, last))
        self.spans[source] = (min(first, before[0]), max(last, before[1]))

    def write(self, target: Path) -> None:
        """Write the recording's file in order of time, without repeats. Raises ImportFault."""
        assert self.writer is not None
        self.writer.close()
        staged = pyarrow.parquet.ParquetFile(self.path)
        if self.kind == "trades" and "id" not in staged.schema_arrow.names:
            self._require_apart()
        groups = sorted(self.groups, key=lambda group: (group.first, group.order))
        schema = pa.schema(
            [_field(name, kind) for name, kind in zip(staged.schema_arrow.names, staged.schema_arrow.types, strict=True) if name not in _INTERNAL]
        )
        pool: pa.Table | None = None
        ready: list[pa.Table] = []
        with pyarrow.parquet.ParquetWriter(target, schema, compression="zstd") as written:
            for index, group in enumerate(groups):
                loaded = staged.read_row_group(group.index)
                pool = loaded if pool is None else pa.concat_tables([pool, loaded])
                if pool.num_rows > MAX_POOL:
                    raise ImportFault(f"{self.symbol}: {pool.num_rows:,} rows are in no order of time, more than {MAX_POOL:,}: sort the source")
                end = groups[index + 1].first if index + 1 < len(groups) else None
                pool, rows = _split(pool, end)
                if rows.num_rows:
                    ready.append(self._finish(rows))
                if sum(table.num_rows for table in ready) >= _ROW_GROUP:
                    written.write_table(pa.concat_tables(ready).cast(schema))
                    ready = []
            if ready:
                written.write_table(pa.concat_tables(ready).cast(schema))
        staged.close()
        self.path.unlink()

    def _require_apart(self) -> None:
        """Refuse sources of trades without ids that overlap: which trades are repeats cannot be known."""
        spans = sorted(self.spans.values())
        for (_, last), (first, _) in pairwise(spans):
            if first < last:
                raise ImportFault(
                    f"{self.symbol}: two sources of trades overlap from {format_time(np.int64(first))} and have no ids: give each time once"
                )

    def _finish(self, rows: pa.Table) -> pa.Table:
        """The rows without repeats, in order, counted."""
        rows = rows.take(pc.sort_indices(rows, [("ts", "ascending"), ("order", "ascending")]))
        ts = rows["ts"].to_numpy()
        keep = self._keep_bars(rows, ts) if self.kind == "bars" else self._keep_events(rows)
        rows, ts = rows.filter(pa.array(keep)), ts[keep]
        self.rows += len(ts)
        if self.kind == "bars":
            steps, counts = np.unique(np.diff(ts if self.last is None else np.concatenate([[self.last], ts])), return_counts=True)
            self.steps.update(dict(zip(steps.tolist(), counts.tolist(), strict=True)))
        self.first, self.last = int(ts[0]) if self.first is None else self.first, int(ts[-1])
        return rows.drop_columns([name for name in _INTERNAL if name in rows.column_names])

    def _keep_bars(self, rows: pa.Table, ts: Ints) -> Bools:
        """(n,) the last bar of each time; two different bars of one time in one source are refused."""
        keep = np.append(np.diff(ts) != 0, True)
        again = np.flatnonzero(~keep)
        if not len(again):
            return keep
        values = np.stack([column.to_numpy() for name, column in zip(rows.column_names, rows.columns, strict=True) if name not in {"ts", *_INTERNAL}])
        same = ((values[:, again] == values[:, again + 1]) | (np.isnan(values[:, again]) & np.isnan(values[:, again + 1]))).all(axis=0)
        source = rows["order"].to_numpy() // _PLACE
        own = again[~same & (source[again] == source[again + 1])]
        if len(own):
            at = int(ts[own[0]])
            raise ImportFault(f"{self.symbol}: there are two different bars of {format_time(np.int64(at))} in one source: {describe_repeat(at)}")
        self.left_out[DUPLICATE] += int(same.sum())
        self.left_out[REPLACED] += int((~same).sum())
        return keep

    def _keep_events(self, rows: pa.Table) -> Bools:
        """(n,) all events but those whose time and id are there before; events without ids are all kept, as trades of one time may be alike."""
        keep = np.ones(rows.num_rows, dtype=np.bool_)
        if "id" not in rows.column_names:
            return keep
        ts, codes = rows["ts"].to_numpy(), rows["id"].combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
        order = np.lexsort((codes, ts))
        repeat = (np.diff(ts[order]) == 0) & (np.diff(codes[order]) == 0) & (codes[order][1:] >= 0)
        keep[order[1:][repeat]] = False
        self.left_out[DUPLICATE] += int(repeat.sum())
        return keep


def _field(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, pa.timestamp("ns", "UTC") if name == "ts" else kind)


def _split(pool: pa.Table, end: int | None) -> tuple[pa.Table | None, pa.Table]:
    """The rows at or after `end` (ns), and those before it."""
    if end is None:
        return None, pool
    before = pc.less(pool["ts"], end)
    return pool.filter(pc.invert(before)), pool.filter(before)
