"""Measures what a recording holds: by symbol its files, rows, time, gaps, repeats and faulty rows, and a strip of coverage over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from engine.domain.live import STATEMENTS
from engine.domain.record import Bools, Floats, Ints, Record
from engine.feeds._contracts import TradingSession, read_contracts
from engine.feeds._recorded_session import read_header
from engine.feeds._recording_files import KINDS, BadRecording, file_of, read_bars, read_books, read_files, read_trades, symbol_folders
from engine.feeds._recording_folder import find_left_out, require_memory
from engine.feeds._recording_parts import list_parts

CELLS = 200  # of a strip, over the time of the whole recording
NOTHING_DUE = -1  # a cell in which no bar is due
_FINE_CELLS = 2_000  # of a file's own time, while the whole is not known
_MAX_DUE = 30_000_000  # bars that may be due in a session: more are counted as if it had none
_FAULTS_TABLE = "faults.parquet"


@dataclass(frozen=True, slots=True)
class FileSurvey(Record):
    """A file of a symbol. Counts are 0, and times None, where it cannot be read."""

    kind: str  # bars, books or trades
    file: str  # within the recording
    rows: int  # that can be used
    first: int | None  # ns UTC
    last: int | None
    faulty: int  # rows left out; of books, crossed or one-sided
    repeats: int  # identical bars left out
    spacing: int | None  # ns, of bars
    gaps: int  # stretches without a bar that is due, of bars
    missing: int  # bars that are due and not there
    longest_gap: int  # of bars in a row
    error: str | None  # why it cannot be read
    strip: tuple[int, ...]  # CELLS numbers from 0 to 100: share of the due bars, or 100 where there is any event; NOTHING_DUE


@dataclass(frozen=True, slots=True)
class SymbolSurvey(Record):
    """Everything that is recorded of a symbol."""

    symbol: str
    files: tuple[FileSurvey, ...]
    session: str  # trading hours in recording.toml, "" for round the clock
    incidents: tuple[tuple[str, int], ...]  # what went wrong with its streams while it was recorded, by kind


@dataclass(frozen=True, slots=True)
class RecordingSurvey(Record):
    """Everything that a recording holds."""

    path: str
    first: int | None  # ns UTC, of all its files
    last: int | None
    bytes: int
    is_session: bool  # written by a running engine
    symbols: tuple[SymbolSurvey, ...]
    left_out: tuple[tuple[str, str], ...]  # names and reasons


@dataclass(frozen=True, slots=True)
class _Measured:
    """A file without its strip, and (2, _FINE_CELLS) events and due events over its own time."""

    kind: str
    file: str
    rows: int = 0
    first: int | None = None
    last: int | None = None
    faulty: int = 0
    repeats: int = 0
    spacing: int | None = None
    gaps: tuple[int, int, int] = (0, 0, 0)  # gaps, missing bars, longest
    error: str | None = None
    cells: Floats | None = None


def survey_recording(path: Path) -> RecordingSurvey:
    """Measure a recording, one file in memory at a time. Raises BadRecording where the folder is no recording."""
    folders = symbol_folders(path, ())
    declared = read_contracts(path, tuple(folder.name for folder in folders))
    measured = {
        folder.name: [_measure_file(path, file, kind, declared[folder.name].session) for kind in KINDS if (file := file_of(folder, kind))]
        for folder in folders
    }
    times = [at for files in measured.values() for file in files for at in (file.first, file.last) if at is not None]
    first, last = (min(times), max(times)) if times else (None, None)
    incidents = _count_incidents(path)
    symbols = []
    for name, files in measured.items():
        session = declared[name].session
        surveys = tuple(_finish(file, first, last) for file in files)
        symbols.append(SymbolSurvey(name, surveys, session.text if session else "", incidents.get(name, ())))
    size = sum(part.stat().st_size for file in read_files(folders) for part in (list_parts(file) or [file]))
    is_session = (path / "session.parquet").is_dir() and read_header(path) is not None
    return RecordingSurvey(str(path), first, last, size, is_session, tuple(symbols), tuple(find_left_out(path, read_files(folders)).items()))


def _measure_file(path: Path, file: Path, kind: str, session: TradingSession | None) -> _Measured:
    name = f"{file.parent.name}/{file.name}"
    try:
        require_memory((file,))
        return _MEASURES[kind](file, name, session)
    except BadRecording as error:
        return _Measured(kind, name, error=str(error).replace(f"{path}/", ""))


def _measure_bars(file: Path, name: str, session: TradingSession | None) -> _Measured:
    rows = read_bars(file)
    if not len(rows.opened):
        return _Measured("bars", name, faulty=rows.faulty, repeats=rows.duplicates)
    due, present = _find_due(rows.opened, rows.spacing, session)
    first, last = int(rows.opened[0]), int(rows.opened[-1])
    cells = np.stack([_count_cells(due[present], first, last), _count_cells(due, first, last)])
    return _Measured("bars", name, len(rows.opened), first, last, rows.faulty, rows.duplicates, rows.spacing, _measure_gaps(present), cells=cells)


def _measure_trades(file: Path, name: str, session: TradingSession | None) -> _Measured:
    del session
    rows = read_trades(file)
    return _measure_events("trades", name, rows.at, rows.faulty)


def _measure_books(file: Path, name: str, session: TradingSession | None) -> _Measured:
    del session
    rows = read_books(file)
    return _measure_events("books", name, rows.at, int((~rows.valid).sum()))


def _measure_events(kind: str, name: str, at: Ints, faulty: int) -> _Measured:
    if not len(at):
        return _Measured(kind, name, faulty=faulty)
    first, last = int(at[0]), int(at[-1])
    events = _count_cells(at, first, last)
    return _Measured(kind, name, len(at), first, last, faulty, cells=np.stack([events, np.ones(_FINE_CELLS)]))


_MEASURES: dict[str, Callable[[Path, str, TradingSession | None], _Measured]] = {
    "bars": _measure_bars,
    "books": _measure_books,
    "trades": _measure_trades,
}


def _find_due(opened: Ints, spacing: int | None, session: TradingSession | None) -> tuple[Ints, Bools]:
    """The opens (n,) in ns UTC at which a bar is due, and whether (n,) each has one: every spacing from the first bar on, within the session."""
    if not spacing or (int(opened[-1]) - int(opened[0])) // spacing > _MAX_DUE:
        return opened, np.ones(len(opened), dtype=np.bool_)
    slot = (opened - opened[0] + spacing // 2) // spacing
    present = np.zeros(int(slot[-1]) + 1, dtype=np.bool_)
    present[slot] = True
    due = opened[0] + np.arange(len(present), dtype=np.int64) * spacing
    if session is None:
        return due, present
    inside = session.covers(due)
    return due[inside], present[inside]


def _measure_gaps(present: Bools) -> tuple[int, int, int]:
    """The number of gaps, of bars missing in them, and the bars of the longest."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], ~present, [False]]).astype(np.int8)))
    lengths = edges[1::2] - edges[::2]
    return len(lengths), int((~present).sum()), int(lengths.max()) if len(lengths) else 0


def _count_cells(at: Ints, first: int, last: int) -> Floats:
    """(_FINE_CELLS,) the number of times in each part of first to last."""
    place = (at - first).astype(np.float64) / (last - first + 1) * _FINE_CELLS
    return np.bincount(np.clip(place, 0, _FINE_CELLS - 1).astype(np.int64), minlength=_FINE_CELLS).astype(np.float64)


def _finish(file: _Measured, first: int | None, last: int | None) -> FileSurvey:
    return FileSurvey(
        file.kind, file.file, file.rows, file.first, file.last, file.faulty, file.repeats, file.spacing, *file.gaps, file.error,
        _draw_strip(file, first, last),
    )  # fmt: skip


def _draw_strip(file: _Measured, first: int | None, last: int | None) -> tuple[int, ...]:
    """The cells of a file over the time of the whole recording."""
    if file.cells is None or file.first is None or file.last is None or first is None or last is None:
        return (NOTHING_DUE,) * CELLS
    middle = file.first + (np.arange(_FINE_CELLS) + 0.5) / _FINE_CELLS * (file.last - file.first)
    place = np.minimum((middle - first) / max(1, last - first) * CELLS, CELLS - 1).astype(np.int64)
    events, due = (np.bincount(place, weights=cells, minlength=CELLS) for cells in file.cells)
    share = np.where(due > 0.0, 100.0 * events / np.maximum(due, 1.0), NOTHING_DUE)
    if file.kind == "bars":
        share = _extend_bars(share, due > 0.0, (file.spacing or 0) * CELLS / max(1, last - first))
    else:
        share = np.where(due > 0.0, np.where(events > 0.0, 100.0, 0.0), NOTHING_DUE)
    return tuple(int(value) for value in np.where(share > 0.0, np.maximum(1.0, np.floor(share)), share))


def _extend_bars(share: Floats, is_due: Bools, length: float) -> Floats:
    """(CELLS,) shares in which a bar of `length` cells covers the cells up to the next that is due."""
    cells = np.arange(len(share))
    newest = np.maximum.accumulate(np.where(is_due, cells, -1))
    covered = (newest >= 0) & (cells - newest < length)
    return np.asarray(np.where(covered, share[np.maximum(newest, 0)], share))


def _count_incidents(path: Path) -> dict[str, tuple[tuple[str, int], ...]]:
    """The faults of streams that a recorder wrote, by the folder of their symbol and by kind; those without a symbol are under ""."""
    header = read_header(path) if list_parts(path / "session.parquet") else None
    if header is None:
        return {}
    counts: Counter[tuple[str, str]] = Counter()
    for part in list_parts(path / _FAULTS_TABLE):
        try:
            rows = pyarrow.parquet.ParquetFile(part).read(columns=["column", "stream", "kind"])
        except (pa.ArrowException, OSError):
            continue  # as where it was deleted meanwhile
        for row in rows.to_pylist():
            if row["kind"] in STATEMENTS:
                continue
            folder = header.folders[row["column"]] if 0 <= row["column"] < len(header.folders) else ""
            counts[folder, f"{row['stream']}: {row['kind']}"] += 1
    names = sorted({name for name, _ in counts})
    return {name: tuple((kind, count) for (owner, kind), count in sorted(counts.items()) if owner == name) for name in names}
