"""Damage in a store is found and repaired where that is sound, and its former state is backed up."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from engine.__main__ import main
from engine.replay import replay_tick
from engine.resilience.repair import repair_store
from engine.service.clock import WallClock
from engine.service.lease import Lease
from engine.store.errors import StoreError
from engine.store.integrity import Damage, find_damage
from engine.store.read.history import TickHistory
from tests.makers import simulated
from tests.resilience.remedied_engine import Scene
from tests.store.made import empty

TICKS = 130


def scene(folder: Path) -> Scene:
    return Scene(f"sqlite:///{folder}/podium.db", simulated(TICKS + 20, symbols=2), changed={"models": ("ridge",), "warmup_bars": 0})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with checkpoints of the ticks 0 and 100."""
    folder = tmp_path_factory.mktemp("whole")
    empty(folder)
    made = scene(folder)
    for _ in range(TICKS):
        assert made.step() is not None
    made.writer.close()
    return folder


@pytest.fixture
def url(whole: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copytree(whole, tmp_path / 'home')}/podium.db"


def execute(url: str, *statements: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as store:
        return [row for statement in statements for row in store.execute(statement).fetchall()]


def swap_indexes(url: str) -> None:
    """Each of two indexes now holds what belongs to the other."""
    roots = {str(name): page for name, page in execute(url, "SELECT name, rootpage FROM sqlite_master WHERE name LIKE 'ix_ticks_%'")}
    change = "UPDATE sqlite_master SET rootpage = {} WHERE name = '{}'"
    execute(
        url, "PRAGMA writable_schema = ON", change.format(roots["ix_ticks_wall"], "ix_ticks_at"), change.format(roots["ix_ticks_at"], "ix_ticks_wall")
    )


STATE = "SELECT data FROM checkpoints WHERE tick = 100"
BROKEN_STATE = "UPDATE checkpoints SET data = zeroblob(50) WHERE tick = 100"


def test_indexes_and_checkpoints_are_mended_and_what_they_were_is_kept(url: str) -> None:
    before, folder = execute(url, STATE), Path(url.removeprefix("sqlite:///")).parent
    swap_indexes(url)
    execute(url, BROKEN_STATE)
    damage = find_damage(url)
    assert (tuple(sorted(damage.indexes)), damage.pages, [tick for _, tick, _ in damage.checkpoints]) == (("ix_ticks_at", "ix_ticks_wall"), (), [100])
    lines = list(repair_store(url, WallClock()))
    assert [line.split(" ")[0] for line in lines] == ["the", "rebuilt", "rebuilt", "merged"]
    assert find_damage(url) == Damage()
    assert execute(url, STATE) == before
    assert replay_tick(TickHistory(url), TICKS - 1).identical
    (backup,) = folder.glob("podium.db.before-repair-*")
    assert str(backup) in lines[0]
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert execute(f"sqlite:///{backup}", STATE) == [(b"\0" * 50,)]
    assert list(repair_store(url, WallClock())) == ["merged the log into the store"]


def test_a_checkpoint_that_cannot_be_found_again_is_taken_out(url: str) -> None:
    execute(url, BROKEN_STATE, "UPDATE ticks SET phase_digests = '[\"0\"]' WHERE tick = 100")
    assert any("deleted the damaged checkpoint of tick 100" in line for line in repair_store(url, WallClock()))
    assert execute(url, "SELECT tick FROM checkpoints") == [(0,)]
    assert replay_tick(TickHistory(url), TICKS - 1).identical


def test_a_session_that_cannot_be_gone_on_from_is_ended_and_a_new_one_begins(url: str, tmp_path: Path) -> None:
    execute(url, f"UPDATE market_snapshots SET data = zeroblob(50) WHERE tick = {TICKS - 5}")
    with pytest.raises(StoreError, match="doctor --repair"):
        scene(tmp_path / "home")
    lines = list(repair_store(url, WallClock()))
    assert any(line.startswith("ended session 1, which cannot be resumed (") for line in lines)
    going_on = scene(tmp_path / "home")
    assert going_on.step() is not None
    going_on.writer.close()
    assert execute(url, "SELECT session, count(*) FROM ticks GROUP BY session") == [(1, TICKS), (2, 1)]


@pytest.mark.parametrize("damage", [swap_indexes, lambda url: execute(url, BROKEN_STATE)])
def test_doctor_finds_and_repairs(
    url: str, damage: Callable[[str], object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PODIUM_HOME", str(Path(url.removeprefix("sqlite:///")).parent))
    damage(url)
    main(["doctor", "--quiet"])
    assert "stop Podium and run python -m engine doctor --repair" in capsys.readouterr().out
    main(["doctor", "--repair"])
    output = capsys.readouterr().out
    assert "repair the former state of the store is in" in output
    assert "ok     every page, index and checkpoint of the store is sound" in output
    assert "holds an earlier state of the store" in output


def test_nothing_is_repaired_while_an_engine_holds_the_store(url: str) -> None:
    execute(url, BROKEN_STATE)
    lease = Lease(url)
    assert lease.acquire(WallClock().now(), 0.0)
    with pytest.raises(StoreError, match="an engine holds the store"):
        list(repair_store(url, WallClock()))
    lease.release()
    lease.close()
    assert execute(url, STATE) == [(b"\0" * 50,)]
