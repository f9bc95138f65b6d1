"""A damaged backtest is set aside and run again, once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.resilience.backtest_repair import BacktestRepair
from engine.resilience.failure_log import FailureLog
from engine.store import backtest_files
from engine.store.backtest_files import StoredBacktest
from engine.store.inbox import Inbox
from engine.store.write.writer import Writer
from tests.makers import StoppedClock
from tests.resilience.test_failure_log import Watched
from tests.store.made import empty


class Scene:
    def __init__(self, home: Path) -> None:
        url = empty(home)
        self.folder = backtest_files.backtest_folder(home)
        self.folder.mkdir()
        self.inbox, self.writer = Inbox(url), Writer(url)
        self.recovery = FailureLog(self.writer, Watched(), StoppedClock())
        self.mending = BacktestRepair(self.folder, self.inbox.get, self.inbox.submit, self.recovery, StoppedClock())

    def put(self, number: int) -> str:
        name = f"20260131-12000{number % 10}-{number}"
        backtest_files.save_backtest(self.folder, StoredBacktest(name, "ada", "to see", 1, 2, {"market": "simulated"}, {"decisions": 7}))
        return name


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.writer.close()
    made.inbox.close()


def test_a_damaged_file_is_put_aside_and_its_backtest_asked_for_again_once(scene: Scene) -> None:
    number = scene.inbox.submit("backtest", {"market": "simulated", "bars": "900"}, "ada", "to see", 1)
    name = scene.put(number)
    assert scene.mending.repair_damaged() == "every stored backtest can be read"
    file = scene.folder / f"{name}.json"
    file.write_bytes(file.read_bytes()[:20])
    os.utime(file, ns=(1, 1))
    assert scene.mending.repair_damaged() == "1 damaged backtest set aside, 1 of them run again"
    assert backtest_files.list_backtests(scene.folder) == ()
    again = scene.inbox.get(number + 1)
    assert again is not None
    assert (again.command.name, dict(again.command.args), again.command.by) == ("backtest", {"market": "simulated", "bars": "900"}, "podium")
    assert scene.mending.repair_damaged() == "every stored backtest can be read"
    scene.recovery.flush()
    with scene.writer.store.read() as connection:
        assert connection.exec_driver_sql("SELECT component, how FROM recoveries").fetchall() == [("caches", "it is run again")]


def test_one_whose_command_is_gone_is_only_put_aside(scene: Scene) -> None:
    name = scene.put(77)
    (scene.folder / f"{name}.json").write_bytes(b"\x00" * 40)
    assert scene.mending.repair_damaged() == "1 damaged backtest set aside, 0 of them run again"
    assert (scene.folder / f"{name}.damaged").exists()
