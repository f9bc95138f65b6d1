"""Backtests by command: one at a time in a process of its own, cancelled, stored and deleted; hostile arguments are refused in one line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from threading import Event

import pytest

from engine.commands.handlers.backtests import RunBacktest
from engine.commands.router import read_arguments
from engine.domain.trading_config import Command
from engine.files.owned_folders import MARKER
from engine.service.backtests import MAX_WAITING, BacktestRunner
from engine.service.clock import WallClock
from engine.store import backtest_files
from engine.store.backtest_files import BacktestNotFound, StoredBacktest
from tests.commands.routing import carry_out

LONG = 300.0  # s, never waited for when all is well
SMALL = {"market": "simulated", "bars": "60", "symbol_count": "2", "seed": "3", "training": "none"}
ENDLESS = SMALL | {"bars": "1000000"}
Result = dict[str, object]


def command(number: int, name: str = "backtest", **args: str) -> Command:
    return Command(number, name, tuple(args.items()), "ada", "to see")


def command_line(args: dict[str, str]) -> list[str]:
    arguments = read_arguments("backtest", args)
    assert isinstance(arguments, RunBacktest)
    return arguments.command_line()


class Runner:
    """What the engine's service gives to its backtests, and what they told it."""

    def __init__(self, home: Path) -> None:
        self.results: dict[int, Result] = {}
        self.steps: dict[int, list[tuple[float, str]]] = {}
        self.folder = backtest_files.backtest_folder(home)
        self.backtests = BacktestRunner(home, WallClock(), self.report, self.finish)
        self.pool = ThreadPoolExecutor(1)

    def report(self, number: int, progress: float, note: str) -> None:
        self.steps.setdefault(number, []).append((progress, note))

    def finish(self, command: Command, result: Result) -> None:
        self.results[command.id] = result

    def ask(self, submitted: Command) -> Future[None]:
        assert self.handle(submitted)
        return self.pool.submit(self.backtests.run_next)

    def handle(self, command: Command) -> bool:
        """Hand a command to the backtests as the engine does; True where a worker has something to do."""
        queued: list[bool] = []
        result: Result | None
        try:
            result = carry_out(command, backtests=self.backtests, queue_backtest=lambda command: queued.append(self.backtests.enqueue(command)))
        except ValueError as error:
            result = {"error": str(error)}
        if result is not None:
            self.finish(command, result)
        return any(queued)

    def close(self) -> None:
        self.backtests.stop()
        self.pool.shutdown()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Runner]:
    made = Runner(tmp_path / "home")
    yield made
    made.close()


def until(condition: Callable[[], object]) -> None:
    pause, clock = Event(), WallClock()
    begun = clock.tick()
    while not condition():
        assert clock.tick() - begun < LONG, "it never came true"
        pause.wait(0.02)


def decides(service: Runner, number: int) -> bool:
    """It has told how many bars it has decided."""
    return any("bars" in note for _, note in service.steps.get(number, []))


def test_the_one_in_hand_ends_when_it_is_cancelled_and_the_next_is_run_and_kept_with_who_and_why(service: Runner) -> None:
    first = service.ask(command(1, **ENDLESS))
    until(lambda: decides(service, 1))
    second = service.ask(command(2, **SMALL))
    assert service.steps[1][:2] == [(0.0, "is next"), (0.0, "opens the market")]
    assert service.steps[2] == [(0.0, "waits for 1 before it")]
    service.handle(command(3, "cancel_backtest", id="1"))
    first.result(LONG)
    second.result(LONG)
    assert service.results[1] == {"error": "cancelled by ada"}
    assert service.results[3] == {"message": "backtest 1 is ended"}

    stored = backtest_files.read_backtest(service.folder, str(service.results[2]["backtest"]))
    assert (stored.by, stored.reason, stored.arguments) == ("ada", "to see", SMALL)
    assert stored.report["decisions"] == 120
    assert service.results[2]["digest"] == stored.report["digest"]
    assert [file.name for file in service.folder.glob("[!.]*")] == [f"{stored.name}.json"]

    curve = stored.report["equity"]  # begins with the first bar and holds both lines
    assert len(curve) == 60
    assert curve[0][1] == curve[0][2]
    assert all(before[0] < after[0] for before, after in pairwise(curve))

    steps = service.steps[2]  # progress is passed on
    assert steps[1] == (0.0, "opens the market")
    assert any("of 60 bars" in note for _, note in steps)
    assert all(0.0 <= share <= 1.0 for share, _ in steps)


def test_one_that_waits_is_taken_from_the_queue(service: Runner) -> None:
    assert service.handle(command(1, **ENDLESS))
    service.handle(command(2, "cancel_backtest", id="1"))
    service.backtests.run_next()
    assert service.results[1] == {"error": "cancelled by ada"}
    assert not service.folder.exists()


@pytest.mark.parametrize(
    ("number", "refusal"), [("1", "runs or waits"), *((text, "give a whole number") for text in ("", "-1", "../../etc", "1 OR 1=1"))]
)
def test_nothing_is_cancelled_that_is_not_there(service: Runner, number: str, refusal: str) -> None:
    service.handle(command(9, "cancel_backtest", id=number))
    assert refusal in str(service.results[9]["error"])


def test_the_queue_has_an_end(service: Runner) -> None:
    for number in range(MAX_WAITING):
        assert service.handle(command(number, **ENDLESS))
    assert not service.handle(command(99, **ENDLESS))
    assert "wait already" in str(service.results[99]["error"])


def test_the_engine_ends_what_runs_and_what_waits_when_it_stops(service: Runner) -> None:
    running = service.ask(command(1, **ENDLESS))
    service.handle(command(2, **ENDLESS))
    until(lambda: service.backtests.process_id)
    service.backtests.stop()
    running.result(LONG)
    assert all("the engine stopped" in str(service.results[number]["error"]) for number in (1, 2))
    assert [file.name for file in service.folder.iterdir()] == [MARKER]


def test_a_process_that_is_killed_ends_its_command_with_a_reason(service: Runner) -> None:
    running = service.ask(command(1, **ENDLESS))
    until(lambda: service.backtests.process_id)
    child = service.backtests.process_id
    assert child is not None
    os.kill(child, 9)
    running.result(LONG)
    assert "code -9" in str(service.results[1]["error"])


def test_what_the_command_line_refuses_is_told_in_its_words(service: Runner, tmp_path: Path) -> None:
    folder = tmp_path / "recording" / "BTC"
    folder.mkdir(parents=True)
    (folder / "bars.csv").write_text("ts,open\n", encoding="utf-8")
    service.ask(command(1, market=str(folder.parent))).result(LONG)
    error = str(service.results[1]["error"])
    assert "bars.csv" in error
    assert "\n" not in error
    assert "Traceback" not in error


HOSTILE = [
    {"market": ""}, {"market": "recording"}, {"market": "--help"}, {"market": "/"}, {"market": "/etc"}, {"market": "/nowhere/at/all"},
    {"market": "/dev/null"}, {"market": "relative"},
    {"market": "../../etc"}, {"market": "/tmp\0x"}, {"market": "/tmp\nx"}, {"market": "/" + "a" * 5_000}, {"market": "/" + "a" * 900},
    {"market": "simulated; rm -rf /"}, {"market": "simulated", "seed": "-1"}, {"market": "simulated", "seed": "1;ls"},
    {"market": "simulated", "seed": "٣"},
    {"market": "simulated", "bars": "0"}, {"market": "simulated", "bars": "10000000"}, {"market": "simulated", "bars": "1e3"},
    {"market": "simulated", "signal": "nan"}, {"market": "simulated", "signal": "0.6"}, {"market": "simulated", "signal": "-0.1"},
    {"market": "simulated", "symbol_count": "9999"}, {"market": "simulated", "symbols": "A,B"}, {"market": "simulated", "training": "maybe"},
    {"market": "simulated", "under": "1"}, {"market": "simulated", "json": "no"}, {"market": "simulated", "$(id)": "1"},
]  # fmt: skip


@pytest.mark.parametrize("args", HOSTILE, ids=[json.dumps(args)[:50] for args in HOSTILE])
def test_what_is_hostile_is_refused_in_one_line(service: Runner, args: dict[str, str]) -> None:
    assert not service.handle(command(1, **args))
    error = str(service.results[1]["error"])
    assert error
    assert "\n" not in error
    assert len(error) <= 300
    assert not service.folder.exists()


@pytest.mark.parametrize(
    "args", [{"symbols": "A;B"}, {"symbols": "--json"}, {"symbols": "../x"}, {"from": "yesterday"}, {"to": "2023-01-01 --json"}, {"interval": "5 m"}]
)
def test_the_words_for_a_recording_are_checked_one_by_one(tmp_path: Path, args: dict[str, str]) -> None:
    (tmp_path / "BTC").mkdir()
    (tmp_path / "BTC" / "bars.csv").touch()
    if args.get("symbols") == "--json":
        assert command_line({"market": str(tmp_path), **args})[1] == "--symbols=--json"  # one word: never a flag of its own
        return
    with pytest.raises(ValueError, match=f"{next(iter(args))} is"):
        command_line({"market": str(tmp_path), **args})


def test_every_word_becomes_one_of_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "BTC").mkdir()
    (tmp_path / "BTC" / "bars.csv").touch()
    arguments = command_line(
        {"market": str(tmp_path), "symbols": "BTC", "from": "2023-01-01", "to": "2023-01-02T12:00Z", "interval": "5m", "seed": "007"}
    )
    assert arguments == [str(tmp_path), "--symbols=BTC", "--from=2023-01-01", "--to=2023-01-02T12:00Z", "--interval=5m", "--seed=7"]
    assert command_line({"market": "simulated", "signal": "0.05", "training": "none"}) == ["simulated", "--signal=0.05", "--no-training"]


def backtest(name: str) -> StoredBacktest:
    return StoredBacktest(name, "ada", "to see", 1, 2, {"market": "simulated"}, {"decisions": 1})


def test_a_backtest_is_deleted_by_its_name_only(service: Runner, tmp_path: Path) -> None:
    service.folder.mkdir(parents=True)
    backtest_files.save_backtest(service.folder, backtest("20260101-000000-1"))
    (tmp_path / "home" / "precious.json").write_text("{}", encoding="utf-8")
    for name in ("../precious", "/etc/passwd", "20260101-000000-2", "", "20260101-000000-1.json"):
        service.handle(command(2, "delete_backtest", id=name))
        assert "error" in service.results[2]
    assert (tmp_path / "home" / "precious.json").exists()
    service.handle(command(3, "delete_backtest", id="20260101-000000-1"))
    assert service.results[3] == {"message": "backtest 20260101-000000-1 is deleted"}
    assert backtest_files.list_backtests(service.folder) == ()


def test_the_shelf_keeps_the_newest_and_no_more(tmp_path: Path) -> None:
    for number in range(backtest_files.MAX_FILES + 3):
        backtest_files.save_backtest(tmp_path, backtest(f"20260101-000000-{number}"))
    names = backtest_files.list_backtests(tmp_path)
    assert len(names) == backtest_files.MAX_FILES
    assert names[0] == f"20260101-000000-{backtest_files.MAX_FILES + 2}"
    assert names[-1] == "20260101-000000-3"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"name": 1}', b'{"by": "a", "reason": "", "at": "x"}', b"\xff\xfe"])
def test_a_damaged_file_is_named_and_the_others_are_read(tmp_path: Path, content: bytes) -> None:
    backtest_files.save_backtest(tmp_path, backtest("20260101-000000-1"))
    (tmp_path / "20260101-000000-2.json").write_bytes(content)
    (tmp_path / "notes.json").write_bytes(b"mine")
    backtests, trouble = backtest_files.read_backtests(tmp_path)
    assert [backtest.name for backtest in backtests] == ["20260101-000000-1"]
    assert len(trouble) == 1
    assert "20260101-000000-2" in trouble[0]


def test_what_a_killed_engine_left_is_swept_away_a_day_later(tmp_path: Path) -> None:
    folder = backtest_files.backtest_folder(tmp_path)
    folder.mkdir()
    backtest_files.save_backtest(folder, backtest("20260101-000000-1"))
    for name in (".20260101-000000-2.out", "20260101-000000-3.draft", ".20260101-000000-4.out"):
        (folder / name).touch()
        os.utime(folder / name, (1, 1) if "-4" not in name else None)
    os.utime(folder / "20260101-000000-1.json", (1, 1))
    Runner(tmp_path).close()
    assert sorted(file.name for file in folder.iterdir()) == [".20260101-000000-4.out", MARKER, "20260101-000000-1.json"]


def test_a_name_that_is_none_reads_nothing(tmp_path: Path) -> None:
    with pytest.raises(BacktestNotFound, match="no backtest's name"):
        backtest_files.read_backtest(tmp_path, "../../etc/passwd")
