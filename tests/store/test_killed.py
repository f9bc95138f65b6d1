"""A writer killed at any moment leaves whole ticks, none doubled, none lost but the one in hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sqlalchemy import Connection

from engine.store import database
from engine.store.read.history import TickHistory
from engine.store.write.writer import Writer
from engine.window import WINDOW_BARS
from tests.store import made

SYMBOLS = 10
ROOT = Path(__file__).parents[2]


def kill(url: str, kills: int, *keep: int) -> None:
    writer = Writer(url)
    made.begin(writer, made.Market(made.names(SYMBOLS)))
    writer.close()
    process = subprocess.run(
        [sys.executable, "-m", "tests.store.killing", url, str(kills), "1", *map(str, keep)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (process.returncode, process.stderr) == (0, "")


def ticks_of(connection: Connection, table: str) -> list[int]:
    return [int(row[0]) for row in connection.exec_driver_sql(f"SELECT tick FROM {table} ORDER BY tick")]


def test_after_25_kills_every_tick_is_whole_and_the_numbering_has_no_gap(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    kill(url, 25)
    database.prepare(url)
    with database.connect(url, read_only=True).connect() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        ticks = ticks_of(connection, "ticks")
        assert len(ticks) >= 25, "a writer was killed before it had saved anything"
        assert ticks == list(range(len(ticks)))
        assert ticks_of(connection, "market_snapshots") == ticks
        assert ticks_of(connection, "decisions") == [tick for tick in ticks for _ in range(SYMBOLS)]
        assert ticks_of(connection, "checkpoints") == ticks[::100]
    stored = TickHistory(url).ticks(0, len(ticks))
    assert [row.tick for row in stored] == ticks
    writer = Writer(url)
    writer.save(made.Market(made.names(SYMBOLS), first_tick=len(ticks)).tick())
    assert writer.last_tick() == len(ticks)


def test_killed_while_it_prunes_every_decision_kept_still_has_its_inputs(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    kill(url, 40, 3_000_000)
    with database.connect(url, read_only=True).connect() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        stored, slices, checkpoints = (ticks_of(connection, table) for table in ("ticks", "market_snapshots", "checkpoints"))
        assert ticks_of(connection, "decisions") == [tick for tick in stored for _ in range(SYMBOLS)]
    assert stored[0] > 0, "nothing was pruned"
    have = set(slices)
    history = TickHistory(url)
    for tick in stored:
        begin = max((checkpoint_tick for checkpoint_tick in checkpoints if checkpoint_tick < tick), default=-1)
        assert set(range(begin + 1, tick)) <= set(stored), f"tick {tick} cannot be rolled forward to from {begin}"
        assert set(range(max(0, begin + 2 - WINDOW_BARS), tick + 1)) <= have
    checkpoint = history.checkpoint_at_or_before(stored[-1])
    assert checkpoint is not None
    assert checkpoint[1].tick == checkpoint[0]
