"""An engine that is killed between a command about models and the next tick: the command is carried out when it resumes, and only once."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from engine.domain.tick import Tick
from engine.service.resume import resume_engine
from engine.service.session_controls import build_command_result
from engine.store import database
from engine.store.inbox import Inbox
from engine.store.read.history import TickHistory
from engine.store.write.writer import Writer
from tests.evolution.evolving import CONFIG, SEARCHED, Workers, act, here, market, stored
from tests.makers import START, StoppedClock

RACING = SEARCHED + CONFIG.search_lag_bars + 10
TWO = replace(CONFIG, max_challengers=2)
DIED = "the engine was killed"
Commands = Mapping[str, Mapping[str, str]]  # arguments by name


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a store in which a challenger races, and its version."""
    folder = tmp_path_factory.mktemp("raced")
    url = f"sqlite:///{folder / 'podium.db'}"
    database.prepare(url)
    engine, writer, history = stored(url, Workers(), TWO)
    act(engine, {SEARCHED: ("search",)}, RACING)
    ((version,),) = (arm.versions for arm in engine.state.evolution.arms if arm.kind == "challenger")
    for opened in (writer, history):
        opened.close()
    return folder, version


def copy_store(raced: tuple[Path, str], folder: Path) -> str:
    shutil.copytree(raced[0], folder / "copy")
    return f"sqlite:///{folder / 'copy' / 'podium.db'}"


def run(url: str, commands: Commands, *, ok: bool = True) -> Tick:
    """Carry out commands from the inbox as the service does, store their results, and decide the next tick."""
    engine, writer, history = stored(url, Workers(), TWO)
    session = history.latest_session()
    assert session is not None
    inbox = Inbox(url)
    for name, arguments in commands.items():
        number = inbox.submit(name, arguments, "ada", "it looks good", START)
        command = inbox.claim(START)
        assert command is not None
        result = build_command_result(engine.handle_command(command), session.id, engine.last_bar_at)
        if ok:
            inbox.finish(number, True, result, START)
    if os.environ.get(DIED):
        os.kill(os.getpid(), signal.SIGKILL)
    (tick,) = act(engine, {}, RACING + 1)
    for opened in (writer, history, inbox):
        opened.close()
    return tick


def run_killed(url: str, commands: Commands, *, ok: bool = True) -> None:
    child = os.fork()
    if child == 0:
        os.environ[DIED] = "yes"
        run(url, commands, ok=ok)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def resumed(url: str, until: int = RACING + 1) -> list[Tick]:
    lines: list[tuple[str, str]] = []
    writer, history = Writer(url), TickHistory(url)
    engine, _ = resume_engine(
        here(url, TWO), market(), StoppedClock(), writer, history, training_pool=Workers(), report=lambda fault, how: lines.append((fault, how))
    )
    ticks = act(engine, {}, until)
    for opened in (writer, history):
        opened.close()
    assert not lines
    return ticks


@pytest.mark.parametrize("names", [("search", "retrain", "promote"), ("revert",)])
def test_commands_that_are_done_are_carried_out_whether_the_engine_lives_or_not(
    names: tuple[str, ...], raced: tuple[Path, str], tmp_path: Path
) -> None:
    version = {"model": "ridge", "version": raced[1]}
    arguments = {"promote": version, "revert": version, "search": {"model": "ridge", "strategy": "shorter window"}, "retrain": {}}
    commands = {name: arguments[name] for name in names}
    lived = run(copy_store(raced, tmp_path / "lived"), commands)
    url = copy_store(raced, tmp_path / "killed")
    run_killed(url, commands)
    (tick,) = resumed(url)
    assert [event.subject for event in tick.inputs.events if event.kind == "command"] == list(names)
    assert (tick.inputs.events, tick.serving, tick.phase_digests) == (lived.inputs.events, lived.serving, lived.phase_digests)
    assert tick.decisions_digest == lived.decisions_digest
    assert (tick.outcome.instructions, tick.outcome.evolution.rows) == (lived.outcome.instructions, lived.outcome.evolution.rows)
    if names == ("revert",):
        (after,) = resumed(url, RACING + 2)  # another restart: a tick has seen the command
        assert [event for event in after.inputs.events if event.kind == "command"] == []


def test_a_command_whose_result_is_not_stored_is_not_repeated(raced: tuple[Path, str], tmp_path: Path) -> None:
    """Its status is running, and then failed: whoever asked is to look and to ask again."""
    url = copy_store(raced, tmp_path)
    run_killed(url, {"promote": {"model": "ridge", "version": raced[1]}}, ok=False)
    (tick,) = resumed(url)
    assert tick.inputs.events == ()
