"""Parity: decides a recorded session again from its recording, and names the first tick and input that differ from what was stored."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from engine.domain.live import BarBuilder
from engine.domain.market import Books, MarketSnapshot
from engine.domain.model import ServingModel
from engine.domain.record import DIGEST_FORMAT, Record, field_names
from engine.domain.state import State
from engine.feeds._recorded_session import RecordedBar, RecordingHeader
from engine.live.bar_builder import LiveBarBuilder
from engine.live.session_recording import SessionRecording
from engine.replay import RollForward, begin_rolling, decide_tick_again, find_difference
from engine.service.session_controls import recording_key
from engine.store.errors import NotStored
from engine.store.read.history import StoredSession, StoredTick, TickHistory

BLOCK = 500  # ticks read at once
NEVER = 2**63  # ns
MakeBuilder = Callable[[RecordingHeader], BarBuilder]


RESTART, UNWRITTEN, BEFORE = "restart", "unwritten", "before"  # causes of ticks that a recording lacks


@dataclass(frozen=True, slots=True)
class UnrecordedTicks(Record):
    """Consecutive stored ticks whose bars are not in the recording; they are decided again on the stored bars."""

    cause: str  # RESTART: between two runs of the recorder, UNWRITTEN: after its last part, BEFORE: before its first
    ticks: int
    first_tick: int
    last_tick: int


@dataclass(frozen=True, slots=True)
class ParityResult(Record):
    """The result of deciding a session again from its recording."""

    session: int
    ticks: int  # compared: those of the session that are stored, have a known state and are not in `unrecorded`
    history_ticks: int  # of these, decided on the history that the exchange gave at a start: they are not in the recording
    identical: bool
    first_tick: int | None  # the first that differs
    difference: str | None  # the input that differs, or the phase where all inputs are equal
    late_trades: int  # received after their bar was decided on
    revised_candles: int  # that differ from the bar that was decided on
    restarts: int
    unrecorded: tuple[UnrecordedTicks, ...] = ()


class Coverage:
    """The bars that a recording holds, and why it lacks a tick."""

    def __init__(self, recording: SessionRecording, session: StoredSession) -> None:
        self._recording, self._session = recording, session
        bars = [(bar.snapshot.at, bar.run) for bar in recording.bars()]
        self.newest_row = {at: row for row, (at, _) in enumerate(bars)}  # by close, ns UTC
        self._bars = sorted(bars)
        self.unrecorded: list[UnrecordedTicks] = []

    def add_unrecorded(self, stored: StoredTick) -> None:
        """Add a tick to `unrecorded`. Raises NotStored for a gap within a run, which no restart explains."""
        place = bisect(self._bars, (stored.at, NEVER))
        before, after = self._bars[:place][-1:], self._bars[place : place + 1]
        if before and after and before[0][1] == after[0][1]:
            folder, session = self._recording.folder, self._session.id
            raise NotStored(f"the recording at {folder} has a gap: it lacks tick {stored.tick}, so session {session} cannot be compared")
        cause = BEFORE if not before else RESTART if after else UNWRITTEN
        newest = self.unrecorded[-1] if self.unrecorded else None
        if newest is not None and (newest.cause, newest.last_tick) == (cause, stored.tick - 1):
            self.unrecorded[-1] = replace(newest, ticks=newest.ticks + 1, last_tick=stored.tick)
        else:
            self.unrecorded.append(UnrecordedTicks(cause, 1, stored.tick, stored.tick))

    def is_history(self, snapshot: MarketSnapshot) -> bool:
        """Whether a live market's tick was decided on candles that the exchange gave at a start: no book, before the first bar or not fresh."""
        without_books = bool(np.isnan(snapshot.books.bid_price).all() and np.isnan(snapshot.flow).all())
        first_close = self._bars[0][0] if self._bars else NEVER
        return self._session.feed == "live" and without_books and (snapshot.at < first_close or not snapshot.fresh.any())


def make_live_builder(header: RecordingHeader) -> BarBuilder:
    """Make the bar builder of the live feed."""
    return LiveBarBuilder(len(header.symbols), header.interval, header.levels, round(header.latency_ms * 1e6))


class RebuiltBars:
    """The bars of a recording, built again from its messages where the feed gave messages."""

    def __init__(self, recording: SessionRecording, make_builder: MakeBuilder) -> None:
        self._recording, self._make_builder = recording, make_builder
        self.runs = self.late_trades = self.revised_candles = 0

    def build(self) -> Iterator[MarketSnapshot]:
        """Build every bar in the order in which they were decided on. Raises NotStored where messages are missing."""
        events, run, builder, taken = self._recording.events(), 0, None, 0
        numbered, closed = next(events, None), None
        for bar in self._recording.bars():
            if bar.run != run:
                self._count(builder)
                self.runs, run, builder, closed, taken = self.runs + 1, bar.run, None, None, bar.first_sequence - 1
                builder = self._make_builder(self._recording.header) if self._recording.header.has_messages else None
            if builder is None:
                yield bar.snapshot
                continue
            while numbered is not None and numbered[0] <= bar.sequence:
                if numbered[0] >= bar.first_sequence:
                    builder.add(numbered[1])
                    taken += 1
                numbered = next(events, None)
            if closed is not None and closed.at == bar.snapshot.at:  # given out again, too late to act on
                closed = closed.as_stale()
                yield closed
                continue
            if taken != bar.sequence:
                raise NotStored(
                    f"the recording at {self._recording.folder} has a gap: {bar.sequence - taken:,} of the messages before the bar that closes at "
                    f"{np.datetime64(bar.snapshot.at, 'ns')}Z are not in it, so the session cannot be compared"
                )
            closed = _close(builder, bar)
            yield closed
        self._count(builder)

    def _count(self, builder: BarBuilder | None) -> None:
        counts = getattr(builder, "counts", None)
        if counts is not None:
            self.late_trades += int(counts.late_trades.sum())
            self.revised_candles += int(counts.revised_candles.sum())


def check_parity(
    history: TickHistory, number: int | None = None, make_builder: MakeBuilder = make_live_builder, folder: Path | None = None
) -> ParityResult:
    """Decide a session (the newest where none is given) again from its recording.

    Ticks that a killed recorder did not write are decided again on their stored bars and reported apart: `unrecorded`.
    Raises NotStored where the session, its recording or a part within a run is missing, BadRecording where the recording cannot be read.
    """
    session = history.latest_session() if number is None else history.session(number)
    if session is None:
        raise NotStored("the store has no session yet: start the engine (make run)")
    folder = folder or _find_folder(history, session)
    recording = SessionRecording(folder)
    if recording.header.symbols != session.symbols or recording.header.interval != session.interval:
        raise NotStored(f"the recording at {folder} is of another market than session {session.id}: give the session that it was made in")
    return _compare_ticks(TickComparison(history, session), RebuiltBars(recording, make_builder), recording)


def _compare_ticks(comparison: TickComparison, rebuilt: RebuiltBars, recording: SessionRecording) -> ParityResult:
    coverage = Coverage(recording, comparison.session)
    bars, row = rebuilt.build(), -1
    ticks = history_ticks = 0
    first_tick: int | None = None
    difference: str | None = None
    for stored in comparison.stored_ticks():
        snapshot: MarketSnapshot | None = stored.snapshot
        if stored.at in coverage.newest_row:
            while row < coverage.newest_row[stored.at]:
                snapshot, row = next(bars, None), row + 1
        elif coverage.is_history(stored.snapshot):
            history_ticks += 1
        else:
            coverage.add_unrecorded(stored)
        ticks += 1
        if snapshot is not None and difference is None:
            difference = comparison.find_difference(stored, snapshot)
            first_tick = None if difference is None else stored.tick
    for _ in bars:  # to the end, for the counts
        pass
    if ticks == sum(span.ticks for span in coverage.unrecorded):
        raise NotStored(f"the recording holds no tick of session {comparison.session.id}: nothing can be compared")
    return ParityResult(
        comparison.session.id, ticks - sum(span.ticks for span in coverage.unrecorded), history_ticks, difference is None, first_tick, difference,
        rebuilt.late_trades, rebuilt.revised_candles, max(0, rebuilt.runs - 1), tuple(coverage.unrecorded),
    )  # fmt: skip


class TickComparison:
    """Decides the ticks of a session again, one after the other, on other snapshots."""

    def __init__(self, history: TickHistory, session: StoredSession) -> None:
        threadpool_limits(1)  # as in the first decision
        self._history, self.session = history, session
        self._rolled: RollForward | None = None
        self._loaded: dict[str, ServingModel | None] = {}
        stored = history.tick_range(session.id)
        if stored is None:
            raise NotStored(f"session {session.id} has no stored tick to compare")
        if history.fingerprint(stored[1]).get("digests") != DIGEST_FORMAT:
            raise NotStored(f"session {session.id} was decided by an earlier version of Podium: compare it with that version")
        self._first, self._last = stored
        self._checkpoint = self._find_start()

    def stored_ticks(self) -> Iterator[StoredTick]:
        """The ticks from the first whose state before it is known."""
        for first in range(self._first, self._last + 1, BLOCK):
            yield from self._history.ticks(first, min(self._last, first + BLOCK - 1))

    def find_difference(self, stored: StoredTick, snapshot: MarketSnapshot) -> str | None:
        """Compare the inputs of a tick, then decide it again; None where all is equal, bit for bit."""
        if snapshot.digest() != stored.snapshot.digest():
            return describe_input(snapshot, stored.snapshot, self.session.symbols)
        if self._rolled is None:
            self._rolled = begin_rolling(self._history, self.session, stored, self._checkpoint)
        decide_tick_again(self._rolled, replace(stored, snapshot=snapshot), self._history, self.session, self._loaded)
        run, outcome = self._rolled.run, self._rolled.outcome
        if run is None or outcome is None:
            raise ValueError(f"tick {stored.tick} was not decided again")
        phase = find_difference(stored, run)
        if phase is not None:
            return f"the result of {phase.value}, from equal inputs"
        return None if outcome.decisions.digest() == stored.decisions_digest else "the decisions, from equal inputs"

    def _find_start(self) -> tuple[int, State] | None:
        """The state before the first tick that can be compared; where older ticks were pruned, that is the oldest checkpoint."""
        try:
            return self._history.checkpoint_at_or_before(self._first - 1, self.session.id)
        except NotStored:
            for session, tick in self._history.checkpoints():
                state = self._history.read_checkpoint(tick, {}) if session == self.session.id and self._first <= tick < self._last else None
                if state is not None:
                    self._first = tick + 1
                    return tick, state
            raise


def describe_input(rebuilt: MarketSnapshot, stored: MarketSnapshot, symbols: tuple[str, ...]) -> str:
    """Name the first field, and the first symbol in it, whose bits differ, with both values."""
    for name, before, now in _pairs(rebuilt, stored):
        if before is None or now is None or not isinstance(before, np.ndarray) or not isinstance(now, np.ndarray):
            if (before is None) != (now is None) or (before is not None and before != now):
                return f"{name}: {_show(before)} then, {_show(now)} now"
            continue
        if before.shape != now.shape or before.dtype != now.dtype:
            return f"{name}: {before.shape} then, {now.shape} now"
        equal = (before == now) | (np.isnan(before) & np.isnan(now)) if before.dtype.kind == "f" else before == now
        places = np.argwhere(~equal)
        if len(places):
            place = tuple(places[0].tolist())
            return f"{name} of {symbols[place[0]]}: {before[place]!r} then, {now[place]!r} now"
    return "a sign of zero or of NaN"


def _show(value: object) -> object:
    """A value in a few words; an array or record is there where the other side has none."""
    return "none" if value is None else "some" if isinstance(value, np.ndarray | Record) else value


def _pairs(rebuilt: MarketSnapshot, stored: MarketSnapshot) -> Iterator[tuple[str, object, object]]:
    for name in field_names(MarketSnapshot):
        before, now = getattr(stored, name), getattr(rebuilt, name)
        if isinstance(before, Books) and isinstance(now, Books):
            yield from ((f"{name}.{side}", getattr(before, side), getattr(now, side)) for side in field_names(Books))
        elif isinstance(before, Record) and isinstance(now, Record):
            yield name, before.digest(), now.digest()
        else:
            yield name, before, now


def _find_folder(history: TickHistory, session: StoredSession) -> Path:
    folder = history.fact(recording_key(session.id))
    if folder is None:
        raise NotStored(f"session {session.id} was not recorded: set record = DIR in podium.toml, or PODIUM_RECORD, while the engine runs")
    return Path(folder)


def _close(builder: BarBuilder, bar: RecordedBar) -> MarketSnapshot:
    return builder.close_bar(bar.snapshot.at, bar.read_at, bar.clock_offset or 0).snapshot
