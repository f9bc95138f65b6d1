"""Each command is given once, with who, when and why, and what came of it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from engine.commands.router import list_commands
from engine.store.errors import LeaseLost
from engine.store.inbox import Inbox
from tests.store import made

ROOT = Path(__file__).parents[2]
NOW = made.WALL
CLAIMER = """
import os, sys
from engine.store.inbox import Inbox
for _ in range({processes}):
    if os.fork() == 0:
        inbox = Inbox({url!r})
        while (command := inbox.claim(1)) is not None or inbox.get({last}).status == "queued":
            if command is not None:
                os.write(1, f"{{command.id}}\\n".encode())
        os._exit(0)
for _ in range({processes}):
    os.wait()
"""


def test_a_command_goes_from_queued_to_done_and_says_what_came_of_it(tmp_path: Path) -> None:
    inbox = Inbox(made.empty(tmp_path))
    number = inbox.submit("set", {"signal": "0.1"}, "ada", "to see", NOW)
    command = inbox.claim(NOW + 1)
    assert command is not None
    assert (command.id, command.name, command.args, command.by, command.reason) == (number, "set", (("signal", "0.1"),), "ada", "to see")
    inbox.report_progress(number, 0.5, "half way")
    record = inbox.get(number)
    assert record is not None
    assert (record.status, record.at, record.started_at, record.progress, record.note, record.is_finished) == (
        "running",
        NOW,
        NOW + 1,
        0.5,
        "half way",
        False,
    )
    inbox.finish(number, True, {"message": "done"}, NOW + 2)
    record = inbox.get(number)
    assert record is not None
    assert (record.status, record.finished_at, record.is_finished) == ("done", NOW + 2, True)
    assert json.loads(record.result or "") == {"message": "done"}


def test_commands_are_given_in_order_and_then_there_is_none(tmp_path: Path) -> None:
    inbox = Inbox(made.empty(tmp_path))
    numbers = [inbox.submit(name, {}, "ada", "", NOW) for name in list_commands()]
    given = [inbox.claim(NOW) for _ in list_commands()]
    assert [command.id for command in given if command is not None] == numbers
    assert inbox.claim(NOW) is None


def test_a_failed_command_is_told_as_failed_and_cannot_be_closed_twice(tmp_path: Path) -> None:
    inbox = Inbox(made.empty(tmp_path))
    number = inbox.submit("pause", {}, "ada", "", NOW)
    with pytest.raises(LeaseLost, match=f"command {number} is not running here"):
        inbox.finish(number, True, {}, NOW)
    inbox.claim(NOW)
    inbox.finish(number, False, {"message": "no"}, NOW)
    with pytest.raises(LeaseLost):
        inbox.finish(number, True, {}, NOW)
    record = inbox.get(number)
    assert record is not None
    assert record.status == "failed"


def test_a_command_that_two_have_seen_is_given_to_the_first(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    first, second = Inbox(url), Inbox(url)
    number = first.submit("pause", {}, "ada", "", NOW)
    taken = [inbox.claim_number(number, NOW) for inbox in (first, second, first)]
    assert [command is not None for command in taken] == [True, False, False]


def test_looking_for_commands_does_not_wait_for_another_writer(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    inbox = Inbox(url)
    other = sqlite3.connect(tmp_path / "podium.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert inbox.claim(NOW) is None  # a write would wait for its turn, and raise in the end
    assert inbox.get(1) is None
    assert other.in_transaction
    other.close()


def test_a_name_that_is_no_command_is_refused_with_those_there_are(tmp_path: Path) -> None:
    inbox = Inbox(made.empty(tmp_path))
    with pytest.raises(ValueError, match="there is no command 'explode': there are"):
        inbox.submit("explode", {}, "ada", "", NOW)
    assert inbox.get(1) is None


def test_processes_that_claim_at_once_are_given_each_command_once(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    inbox = Inbox(url)
    numbers = [inbox.submit("retrain", {}, "ada", "", NOW) for _ in range(60)]
    script = CLAIMER.format(processes=3, url=url, last=numbers[-1])
    process = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=600)
    assert sorted(map(int, process.stdout.split())) == numbers
