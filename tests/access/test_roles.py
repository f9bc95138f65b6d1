"""Who may send which command: decided by one function, again when it is carried out, with the role of that moment."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine.access.accounts import Accounts
from engine.commands.router import list_commands
from engine.domain.access import ADMINISTER, OPERATE, ROLES, VIEW, Visitor, judge_access
from engine.domain.trading_config import Command
from engine.store.inbox import Inbox
from tests.service.test_service import Scene
from tests.store import made

ADMINS_ONLY = {"configure", "set", "rule", "mode", "licence"}  # they change settings and rules; every other command is an operator's
PASSWORD = "a long password"


def test_every_role_may_what_it_is_for_and_nothing_more() -> None:
    allowed = {
        (role, right) for role, right in itertools.product(ROLES, (VIEW, OPERATE, ADMINISTER)) if judge_access(Visitor("ann", role), right) is None
    }
    assert allowed == {
        ("viewer", VIEW), ("operator", VIEW), ("operator", OPERATE), ("admin", VIEW), ("admin", OPERATE), ("admin", ADMINISTER),
    }  # fmt: skip
    assert all(
        judge_access(visitor, right) for visitor in (None, Visitor("ann", ""), Visitor("ann", "root")) for right in (VIEW, OPERATE, ADMINISTER)
    )
    assert judge_access(Visitor("ann", "admin"), "everything") is not None


def test_a_refusal_says_who_and_what_it_takes() -> None:
    assert judge_access(Visitor("ann", "viewer"), OPERATE) == "ann is viewer and may not do this: it takes an operator"
    assert judge_access(None, VIEW) == "log in first"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = made.empty(tmp_path_factory.mktemp("accounts"))
    accounts = Accounts(url)
    for role in ROLES:
        accounts.add(role, role, PASSWORD, made.WALL)
    accounts.close()
    return url


@pytest.mark.parametrize("name", sorted(list_commands()))
@pytest.mark.parametrize("account", [*ROLES, "nobody", None])
def test_every_command_is_carried_out_for_whoever_may_send_it_and_refused_to_all_others(url: str, name: str, account: str | None) -> None:
    inbox = Inbox(url)
    number = inbox.submit(name, {}, "somebody", "", made.WALL, account=account)
    refusal = inbox.find_refusal(Command(number, name, (), "somebody", ""), made.WALL)
    inbox.close()
    may = account in {"admin", None} or (account == "operator" and name not in ADMINS_ONLY)
    assert (refusal is None) == may
    if account == "viewer":
        assert refusal is not None
        assert refusal.startswith("viewer is viewer and may not")


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made_scene = Scene(tmp_path)
    yield made_scene
    made_scene.close()


def test_the_role_counts_when_a_command_is_carried_out_not_when_it_was_sent(scene: Scene) -> None:
    accounts = Accounts(scene.url)
    accounts.add("ann", "operator", PASSWORD, made.WALL)

    def submit(name: str) -> int:
        return scene.inbox.submit(name, {}, "ann", "a test", scene.clock.now(), "dashboard", "ann")

    kept = submit("pause")
    scene.service.process_commands(scene.jobs)
    taken = submit("resume")
    accounts.change_role("ann", "viewer", made.WALL)
    scene.service.process_commands(scene.jobs)
    removed = submit("resume")
    accounts.remove("ann", made.WALL)
    accounts.close()
    scene.service.process_commands(scene.jobs)
    assert [scene.status(number) for number in (kept, taken, removed)] == ["done", "failed", "failed"]
    assert scene.service._engine.config.paused
    record = scene.inbox.get(taken)
    assert record is not None
    assert "ann is viewer and may not do this" in str(record.result)


def test_a_password_is_nowhere_in_the_store(url: str) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as store:
        assert PASSWORD not in "\n".join(store.iterdump())
        assert all(row[0].startswith("$argon2id$") for row in store.execute("SELECT password FROM users"))
