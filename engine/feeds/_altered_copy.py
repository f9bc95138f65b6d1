"""Copies of a part of a recording in which everything after one time is replaced by another future."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from engine.domain.record import Bools, Floats
from engine.feeds._bar_spacing import align_days, find_spacing
from engine.feeds._recording_files import KINDS, PRICES, file_of, symbol_folders
from engine.feeds._recording_folder import SETTINGS_FILE
from engine.feeds._tables import load_table
from engine.feeds._timestamps import read_times

RECORDED = "recorded"  # the recording's own future
FUTURES = ("random", "reversed", "missing")  # those that replace it
MIN_ROWS = 2  # rows before the cut, without which a file is left out of every copy
FAULTY_SHARE = 0.005  # rows without prices in a missing future, as a share of the past's: a recording with 1 % is refused
WALK = 0.05  # standard deviation of the log price at the end of a random continuation
_TIMES = ("ts", "ts_recv")
_REFERENCES = ("close", "price", "bid_px_0")  # the price that a random continuation moves, by kind of file


@dataclass(frozen=True, slots=True)
class Cut:
    """The part of a recording that is copied, and the time after which it is replaced."""

    since: int  # ns UTC, open of the first bar
    at: int  # ns UTC, close of the last bar of the past
    until: int  # ns UTC, end of the copy


def write_copies(source: Path, symbols: tuple[str, ...], cut: Cut, targets: Mapping[str, Path], seed: int) -> None:
    """Write one copy per future (RECORDED and FUTURES) into the folders of `targets`, by future.

    All copies hold the same rows up to the cut, and the same symbols and files: a file with fewer than MIN_ROWS rows before it is left out of
    each. Bars belong to the past where they open before the cut, events where they are not later than it. Raises BadRecording and OSError.
    """
    generator = np.random.default_rng((seed, cut.at))
    for target in targets.values():
        target.mkdir(parents=True)
        if (source / SETTINGS_FILE).is_file():
            shutil.copyfile(source / SETTINGS_FILE, target / SETTINGS_FILE)
    for folder in symbol_folders(source, symbols):
        for kind in KINDS:
            file = file_of(folder, kind)
            if file is None:
                continue
            past, future = _split(file, kind, cut)
            if past.num_rows < MIN_ROWS:
                continue
            for name, target in targets.items():
                copy = target / folder.name / file.name
                copy.parent.mkdir(exist_ok=True)
                _write(copy, pa.concat_tables((past, replace_future(name, past, future, generator))))


def replace_future(name: str, past: pa.Table, future: pa.Table, generator: np.random.Generator) -> pa.Table:
    """The rows of a future of this name, at the times of the recorded one; fewer where it is missing. Prices are float64 in all three tables."""
    match name:
        case "random":
            return _continue_randomly(past, future, generator)
        case "reversed":
            return _with_times(future.take(np.arange(future.num_rows)[::-1].copy()), future)
        case "missing":
            rows = future.slice(0, int(FAULTY_SHARE * past.num_rows))
            return _map_prices(rows, np.full(rows.num_rows, np.nan))
        case _:
            return future


def _split(file: Path, kind: str, cut: Cut) -> tuple[pa.Table, pa.Table]:
    """The rows of the part before and after the cut, prices as float64."""
    table = load_table(file)
    times = read_times(file, table["ts"])
    if kind == "bars":
        times = align_days(times, find_spacing(file, times))
    wanted = (times >= cut.since) & (times < cut.until)
    is_past: Bools = times < cut.at if kind == "bars" else times <= cut.at
    table = _map_prices(table, np.ones(table.num_rows))
    return table.filter(pa.array(wanted & is_past)), table.filter(pa.array(wanted & ~is_past))


def _continue_randomly(past: pa.Table, future: pa.Table, generator: np.random.Generator) -> pa.Table:
    """Rows drawn from the past, their prices moved along a random walk that starts at the last price before the cut."""
    reference = next((name for name in _REFERENCES if name in past.column_names), None)
    price: Floats = np.ones(past.num_rows) if reference is None else np.asarray(past[reference].to_numpy(), dtype=np.float64)
    usable = np.flatnonzero(np.isfinite(price) & (price > 0.0))
    count = future.num_rows
    if not len(usable) or not count:
        return future
    rows = generator.choice(usable, count)
    walk = np.exp(np.cumsum(generator.normal(0.0, WALK / np.sqrt(count), count)))
    return _with_times(_map_prices(past.take(rows), walk * price[usable[-1]] / price[rows]), future)


def _with_times(rows: pa.Table, times: pa.Table) -> pa.Table:
    for name in _TIMES:
        if name in rows.column_names:
            rows = rows.set_column(rows.column_names.index(name), name, times[name])
    return rows


def _map_prices(rows: pa.Table, factor: Floats) -> pa.Table:
    """The rows with every price multiplied by the (n,) factor of its row."""
    for place, name in enumerate(rows.column_names):
        if name in PRICES or name == "price" or name.startswith(("bid_px_", "ask_px_")):
            rows = rows.set_column(place, name, pc.multiply(pc.cast(rows[name], pa.float64()), pa.array(factor)))
    return rows


def _write(file: Path, table: pa.Table) -> None:
    if file.suffix == ".csv":
        pyarrow.csv.write_csv(table, file)
    else:
        pyarrow.parquet.write_table(table, file)
