"""Records a running feed as a recording: its messages in the order in which they were taken, and every bar as it was decided on."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from engine.domain.live import BookUpdate, Candle, ClosedBar, StreamEvent, Trade
from engine.domain.market import MarketSnapshot
from engine.domain.ports import FeedInfo
from engine.domain.record import Floats
from engine.feeds._recorded_session import HEADER_KEY, SESSION_SCHEMA, SESSION_TABLE, RecordedBar, RecordingHeader, describe_market, session_row
from engine.feeds._recording_folder import SETTINGS_FILE, BadRecording
from engine.files import private_files
from engine.live.recording_parts import (
    BAR_COLUMNS,
    BAR_SCHEMA,
    CANDLE_SCHEMA,
    FAULT_SCHEMA,
    TRADE_SCHEMA,
    PartTable,
    book_row,
    book_schema,
    candle_row,
    delete_drafts,
    delete_old_parts,
    fault_row,
    trade_row,
)
from engine.live.recording_terms import describe_terms
from engine.settings import DAY, Settings, SettingsError, count_order_delay_ms, parse_retention

MARKER = ".podium-recording"  # a file in the recording's folder: the market that is recorded in it
STOP_SECONDS = 10.0  # that the end of a recording waits for a disk that hangs
FLUSH_SECONDS = 20.0  # between two parts
MAX_ROWS = 400_000  # rows held while they cannot be written; what is beyond is lost and counted
RETENTION_FLUSHES = 30  # parts are deleted at every 30th flush
CANDLES_TABLE, FAULTS_TABLE = "candles.parquet", "faults.parquet"
Rows = list[tuple[Any, ...]]


class ParquetRecorder:
    """Writes a recording in parts, on a thread of its own; safe to call from several threads.

    A failure to write is never raised: it is reported once and stands in `problem`, rows are held and written later, and those that
    cannot be held are counted in `lost_rows`. Raises BadRecording and OSError where the folder cannot be used.
    """

    def __init__(
        self, folder: Path, info: FeedInfo, *, exchange: str = "", latency_ms: float = 250.0, has_messages: bool = False, detail: str = "",
        retention: tuple[float | None, int | None] = (None, None), flush_seconds: float | None = FLUSH_SECONDS,
        report: Callable[[str], None] | None = None,
    ) -> None:  # fmt: skip
        self.folder = folder
        self.header = describe_market(info, exchange, latency_ms, has_messages=has_messages, detail=detail)
        claim_folder(folder, self.header)
        self._retention, self._report = retention, report
        self._tables = self._open_tables()
        delete_drafts(table.folder for table in self._tables.values())
        write_settings(folder, self.header, info)
        self._lock, self._writing = threading.Lock(), threading.Lock()  # of the rows that wait; of the files
        self._pending: dict[str, Rows] = {name: [] for name in self._tables}
        self._rows = 0
        written = [number for name, table in self._tables.items() if (number := table.newest_value("sequence")) is not None]
        self._first_sequence = self._sequence = max(written, default=0)
        self._first_sequence += 1
        self._run = (self._tables[SESSION_TABLE].newest_value("run") or 0) + 1
        self._last_bar_at = self._tables[SESSION_TABLE].newest_value("at") or 0  # ns UTC: earlier bars, as of a history, are in the tables already
        self._losing = False
        self._flushes = 0
        self.bars = self.lost_rows = self.gaps = self.deleted_parts = 0
        self.problem: str | None = None
        self._stop = threading.Event()
        self._thread = None
        if flush_seconds is not None:
            self._thread = threading.Thread(  # noqa: TID251 - a disk that hangs must not hold up the feed or the scheduler
                target=self._flush_regularly, args=(flush_seconds,), name="recorder", daemon=True
            )
            self._thread.start()

    def add_event(self, event: StreamEvent) -> None:
        """Record a message, in the order in which the bar builder takes it."""
        with self._lock:
            self._sequence += 1
            if isinstance(event, Trade):
                self._append(f"{self.header.folders[event.symbol]}/trades.parquet", trade_row(event, self._sequence))
            elif isinstance(event, BookUpdate):
                self._append(f"{self.header.folders[event.symbol]}/books.parquet", book_row(event, self._sequence))
            elif isinstance(event, Candle):
                self._append(CANDLES_TABLE, candle_row(event, self._sequence))
            else:
                self._append(FAULTS_TABLE, fault_row(event, self._sequence))

    def add_bar(self, bar: ClosedBar) -> None:
        """Record a bar as it was decided on, after the messages that it was built from."""
        timing = bar.timing
        with self._lock:
            self._append_bar(bar.snapshot, timing.read_at, timing.clock_offset, tuple(bar.sources.tolist()), timing.ages)

    def add_snapshot(self, snapshot: MarketSnapshot, read_at: int) -> None:
        """Record a bar of a feed that gives no messages: its bar, its book at the close, and the snapshot.

        A bar that is recorded already is skipped: the same market plays it again.
        """
        with self._lock:
            if snapshot.at <= self._last_bar_at:
                return
            for column, folder in enumerate(self.header.folders):
                levels = _levels_of(snapshot, column)
                if levels.shape[1] and levels[0, 0] > 0.0:
                    row = (snapshot.at, *levels.T.ravel().tolist(), read_at, self._sequence)
                    self._append(f"{folder}/books.parquet", row)
            self._append_bar(snapshot, read_at, None, None, None)

    @property
    def last_bar_at(self) -> int | None:
        """The close (ns UTC) of the newest recorded bar; None without one."""
        return self._last_bar_at or None

    def flush(self) -> None:
        """Write what is pending, the bars last, so that the messages of every bar in the recording are there too."""
        with self._writing:
            with self._lock:
                pending, self._pending = self._pending, {name: [] for name in self._tables}
            written = 0
            try:
                for name in sorted(pending, key=lambda name: name == SESSION_TABLE):
                    if pending[name]:
                        self._tables[name].write(pending[name])
                        written += len(pending[name])
                        pending[name] = []
                self._flushes += 1
                if self._flushes % RETENTION_FLUSHES == 1:
                    self._delete_old()
                self.problem = None
            except (OSError, pa.ArrowException) as error:
                self._note(f"the recording at {self.folder} cannot be written ({error}): free space on the disk, or correct its mode")
            with self._lock:
                self._rows -= written
                for name, rows in pending.items():
                    self._pending[name][:0] = rows

    def close(self) -> None:
        """Write what is pending and end the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)
        self.flush()

    def _open_tables(self) -> dict[str, PartTable]:
        session = SESSION_SCHEMA.with_metadata({HEADER_KEY: self.header.encode()})
        schemas = {SESSION_TABLE: session, CANDLES_TABLE: CANDLE_SCHEMA, FAULTS_TABLE: FAULT_SCHEMA}
        for folder in self.header.folders:
            schemas |= {f"{folder}/bars.parquet": BAR_SCHEMA, f"{folder}/trades.parquet": TRADE_SCHEMA}
            schemas[f"{folder}/books.parquet"] = book_schema(self.header.levels)
        return {name: PartTable(self.folder / name, schema) for name, schema in schemas.items()}

    def _append_bar(
        self, snapshot: MarketSnapshot, read_at: int, clock_offset: int | None, sources: tuple[int, ...] | None, ages: Floats | None
    ) -> None:
        self.bars += 1
        values = [getattr(snapshot, name) for name in BAR_COLUMNS]
        for column, folder in enumerate(self.header.folders):
            if snapshot.at > self._last_bar_at and snapshot.close[column] > 0.0:
                row = (snapshot.at - self.header.interval, *(float(part[column]) for part in values), self._sequence)
                self._append(f"{folder}/bars.parquet", row)
        self._last_bar_at = max(self._last_bar_at, snapshot.at)
        bar = RecordedBar(snapshot, read_at, clock_offset, self._run, self._first_sequence, self._sequence, sources)
        self._append(SESSION_TABLE, session_row(bar, ages))

    def _append(self, name: str, row: tuple[Any, ...]) -> None:
        if self._rows >= MAX_ROWS:
            self.gaps += not self._losing
            self.lost_rows, self._losing = self.lost_rows + 1, True
            return
        self._losing = False
        self._rows += 1
        self._pending[name].append(row)

    def _flush_regularly(self, seconds: float) -> None:
        while not self._stop.wait(seconds):
            self.flush()

    def _delete_old(self) -> None:
        days, size = self._retention
        age = None if days is None else round(days * DAY)
        self.deleted_parts += delete_old_parts((table.folder for table in self._tables.values()), age, size)

    def _note(self, problem: str) -> None:
        if self.problem is None and self._report is not None:
            self._report(problem)
        self.problem = problem


def open_recorder(settings: Settings, info: FeedInfo, report: Callable[[str], None] | None = None) -> ParquetRecorder | None:
    """Open the recorder of the settings; None where nothing is to be recorded. Raises BadRecording and SettingsError in one line."""
    if settings.record is None:
        return None
    live = settings.feed == "live"
    exchange = (settings.exchange or "") if live else ""
    try:
        return ParquetRecorder(
            Path(settings.record), info, exchange=exchange, latency_ms=count_order_delay_ms(settings), has_messages=live,
            detail=_describe_market(settings),
            retention=parse_retention(settings.record_retention), report=report,
        )  # fmt: skip
    except OSError as error:
        raise SettingsError(f"{settings.record} cannot be recorded in ({error.strerror or error}): give another folder in record") from error


def _describe_market(settings: Settings) -> str:
    """What makes the market apart from its symbols and interval."""
    if settings.feed == "recorded":
        return str(Path(settings.feed_path or "").resolve())
    if settings.feed != "simulated":
        return ""
    return f"seed {settings.seed}, R2 {settings.sim_signal}, {settings.sim_persistence}, {settings.sim_volatility_bps}, {settings.sim_changes}"


def claim_folder(folder: Path, header: RecordingHeader) -> None:
    """Create the folder and mark it with its market. Raises BadRecording where it holds another market's recording, or other files; OSError."""
    identity = json.dumps(_identify(header), sort_keys=True)
    marker = folder / MARKER
    if marker.is_file():
        before = _read_marker(marker)
        for name, value in _identify(header).items():
            if before.get(name) != value:
                values = f"{name} {_shorten(before.get(name))}, not {_shorten(value)}"
                raise BadRecording(f"{folder} holds the recording of another market ({values}): record into another folder")
        return
    if folder.exists() and not folder.is_dir():
        raise BadRecording(f"{folder} is a file: record into a folder")
    if folder.is_dir() and (others := sorted(entry.name for entry in folder.iterdir())):
        raise BadRecording(f"{folder} holds other files ({others[0]!r}), which recording would mix with: record into an empty folder")
    private_files.make_private_folder(folder)
    draft = folder / f"{MARKER}.draft"
    draft.write_text(identity, encoding="utf-8")
    private_files.replace_synced(draft, marker)


def _read_marker(marker: Path) -> dict[str, Any]:
    try:
        before = json.loads(marker.read_text(encoding="utf-8"))
    except ValueError:
        before = None
    if not isinstance(before, dict):
        raise BadRecording(f"{marker} is damaged: record into another folder")
    return before


def _identify(header: RecordingHeader) -> dict[str, Any]:
    names = ("feed", "exchange", "symbols", "interval", "levels", "latency_ms", "detail")
    return {name: list(value) if isinstance(value := asdict(header)[name], tuple) else value for name in names}


def _shorten(value: object) -> str:
    return str(value)[:60]


def write_settings(folder: Path, header: RecordingHeader, info: FeedInfo) -> None:
    """Write recording.toml and the symbols' folders: the terms of each symbol, and names of symbols that no folder can have. Raises OSError."""
    for name in header.folders:
        private_files.make_private_folder(folder / name)
    draft = folder / f".{SETTINGS_FILE}.draft"
    draft.write_text(describe_terms(header, info), encoding="utf-8")
    private_files.replace_synced(draft, folder / SETTINGS_FILE)


def _levels_of(snapshot: MarketSnapshot, column: int) -> Floats:
    """(4, D) bid price and size, ask price and size of a symbol's book at the close."""
    books = snapshot.books
    return np.stack([books.bid_price[column], books.bid_size[column], books.ask_price[column], books.ask_size[column]])
