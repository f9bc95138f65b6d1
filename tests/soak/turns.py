"""What an engine decided while a fault had its turn, and how long it took to recover, from the store."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

SECOND = 1_000_000_000  # ns
FAULT_SECONDS, QUIET_SECONDS = 10.0, 20.0
LAST_SECONDS = 5  # at the end of a turn, in which there must be a tick in time
LONGEST_GAP_SECONDS = 10.0  # between two ticks
CLEAN = 0.999  # of the ticks, in which no phase falls back


@dataclass(frozen=True, slots=True)
class Turn:
    """The time of a fault and of the quiet after it."""

    name: str
    begin: int  # ns UTC
    end: int
    resumed: int  # the fault's end


@dataclass(frozen=True, slots=True)
class TurnResult:
    """What the engine decided in a turn, or in all turns of a fault."""

    name: str
    ticks: int
    clean: int  # in which no phase fell back and a symbol had data
    phases: tuple[str, ...]  # that fell back
    fell_back: int  # ticks
    late: int  # ticks a bar or more after their close, which act on nothing: the machine was too slow
    no_data: int  # other ticks for which no symbol had a bar in time
    decisions: int
    stale: int  # decisions on a symbol without a fresh bar, at ticks in time
    lost: int  # closes of bars without a tick
    gap: float  # s, the longest between two ticks
    recovery: float | None  # s from the fault's end to the ticks from which on every tick in time has every symbol fresh; None: never
    overloaded: bool  # no tick of the last seconds was in time, so that a recovery cannot be seen


@dataclass(frozen=True, slots=True)
class _TickRow:
    at: int
    wall: int
    degraded: str
    no_data: bool
    is_late: bool
    fresh: tuple[bool, ...]  # by symbol


def read_turns(store: Path, turns: Sequence[Turn], interval: int) -> list[TurnResult]:
    """Return the results of each turn, from ticks that are not warm-up; `interval` in ns."""
    with closing(sqlite3.connect(store)) as connection:
        return [_judge_turn(_read_ticks(connection, turn, interval), turn, interval) for turn in turns]


def _read_ticks(connection: sqlite3.Connection, turn: Turn, interval: int) -> list[_TickRow]:
    rows = connection.execute(
        "SELECT t.at, t.wall, t.degraded, t.no_data, t.read_at + t.clock_offset - t.at, "
        "(SELECT group_concat(d.fresh, '') FROM decisions d WHERE d.tick = t.tick) "
        "FROM ticks t WHERE t.warm = 0 AND t.wall >= ? AND t.wall < ? ORDER BY t.wall",
        (turn.begin, turn.end),
    ).fetchall()
    return [
        _TickRow(at, wall, degraded, bool(no_data), age is not None and age >= interval, tuple(fresh == "1" for fresh in marks or ""))
        for at, wall, degraded, no_data, age, marks in rows
    ]


def _judge_turn(rows: Sequence[_TickRow], turn: Turn, interval: int) -> TurnResult:
    closes = {row.at for row in rows}
    expected = (max(closes) - min(closes)) // interval + 1 if closes else 0
    walls = [turn.begin, *(row.wall for row in rows), turn.end]
    phases = {str(phase) for row in rows for phase in json.loads(row.degraded)}
    whole = [row for row in rows if row.degraded == "[]"]
    late, no_data = sum(row.is_late for row in whole), sum(row.no_data and not row.is_late for row in whole)
    clean = sum(not row.no_data for row in whole)
    in_time = [row for row in rows if not row.is_late]
    return TurnResult(
        turn.name, len(rows), clean, tuple(sorted(phases)), len(rows) - len(whole), late, no_data, sum(len(row.fresh) for row in in_time),
        sum(not fresh for row in in_time for fresh in row.fresh), expected - len(closes),
        max(later - earlier for earlier, later in pairwise(walls)) / SECOND, _measure_recovery(in_time, turn),
        not any(row.wall >= turn.end - LAST_SECONDS * SECOND for row in in_time),
    )  # fmt: skip


def _measure_recovery(in_time: Sequence[_TickRow], turn: Turn) -> float | None:
    """Seconds from the fault's end to the first of the ticks at the end of the turn that are all fresh; None where the last is not."""
    recovered: int | None = None
    for row in reversed(in_time):
        if not row.fresh or not all(row.fresh):
            break
        recovered = row.wall
    return None if recovered is None else max(0.0, (recovered - turn.resumed) / SECOND)


def join_results(results: Sequence[TurnResult]) -> list[TurnResult]:
    """Return one result per fault."""
    names = dict.fromkeys(result.name for result in results)
    return [join_turns(name, [result for result in results if result.name == name]) for name in names]


def join_turns(name: str, results: Sequence[TurnResult]) -> TurnResult:
    """Return one result of several: sums, and the longest times."""
    phases = tuple(sorted({phase for result in results for phase in result.phases}))
    ticks, clean, fell_back, late, no_data, decisions, stale, lost = (
        sum(getattr(result, field) for result in results)
        for field in ("ticks", "clean", "fell_back", "late", "no_data", "decisions", "stale", "lost")
    )
    seconds = [result.recovery for result in results]
    known = [value for value in seconds if value is not None]
    return TurnResult(
        name, ticks, clean, phases, fell_back, late, no_data, decisions, stale, lost, max((result.gap for result in results), default=0.0),
        max(known, default=0.0) if len(known) == len(seconds) else None, any(result.overloaded for result in results),
    )  # fmt: skip


def find_failures(results: Sequence[TurnResult]) -> list[str]:
    """Return what is not as it should be, a line each."""
    ticks, fell_back = sum(result.ticks for result in results), sum(result.fell_back for result in results)
    wrong = []
    if not ticks or 1.0 - fell_back / ticks < CLEAN:
        wrong.append(f"ticks without a fallback are below {CLEAN:.1%}: {ticks - fell_back} of {ticks}")
    wrong += [f"{result.name}: {result.gap:.0f} s without a tick" for result in results if result.gap > LONGEST_GAP_SECONDS]
    for result in results:
        if result.overloaded:
            wrong.append(f"{result.name}: no tick was in time at the end of its turn: the machine is too busy to judge the recovery")
        elif result.recovery is None:
            wrong.append(f"{result.name}: a symbol without fresh data {QUIET_SECONDS:.0f} s after its end")
    return wrong


def summarize(results: Sequence[TurnResult]) -> list[str]:
    """Return a table, a line per fault."""
    names = f"{'fell back':>11}{'no data':>9}{'late':>6}{'stale':>8}{'no tick':>9}{'longest gap':>13}{'fresh again':>13}"
    lines = [f"{'fault':<20}{'ticks':>7}{'clean':>9}{names}"]
    for result in results:
        share = f"{result.clean / result.ticks:.2%}" if result.ticks else "-"
        stale = f"{result.stale / result.decisions:.1%}" if result.decisions else "-"
        phases = f"  fell back: {', '.join(result.phases)}" if result.phases else ""
        counts = f"{result.fell_back:>11}{result.no_data:>9}{result.late:>6}{stale:>8}{result.lost:>9}"
        again = "never" if result.recovery is None else f"{result.recovery:.1f} s"
        lines.append(f"{result.name:<20}{result.ticks:>7,}{share:>9}{counts}{result.gap:>11.1f} s{again:>13}{phases}")
    return lines
