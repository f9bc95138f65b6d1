"""Accounts and log-ins: passwords, failed tries that are slowed down, cookies that end, and what the audit trail has of them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.access.accounts import MAX_WAIT_SECONDS, Accounts
from engine.access.logins import HOUR, LoginLimits, Logins, load_key
from engine.domain.access import Visitor
from engine.domain.alerting import AlertInputs
from engine.store.read.alert_facts import FactsReader
from engine.store.read.audit import verify_trail
from engine.store.read.reader import Reader
from tests.store import made

PASSWORD, SECOND, NOW = "a long password", 10**9, made.WALL
ANN = Visitor("ann", "operator")


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    accounts = Accounts(made.empty(tmp_path), "root", "command line")
    accounts.add("ann", "operator", PASSWORD, NOW)
    return accounts


def logins(accounts: Accounts, tmp_path: Path, idle: float = 12.0, days: float = 7.0) -> Logins:
    return Logins(accounts.store, load_key(tmp_path), LoginLimits(idle, days))


@pytest.mark.parametrize(
    ("name", "role", "password", "words"),
    [
        ("ann", "viewer", PASSWORD, "there is an account ann already"), ("", "viewer", PASSWORD, "not a name"),
        ("a b", "viewer", PASSWORD, "not a name"),
        ("<b>", "viewer", PASSWORD, "not a name"), ("bob", "root", PASSWORD, "'root' is not a role: give viewer, operator or admin"),
        ("bob", "viewer", "short", "the password has 5 characters"), ("bob", "viewer", "x" * 1_001, "the password has 1001 characters"),
    ],
)  # fmt: skip
def test_what_is_no_account_is_refused_in_a_line_without_the_password(accounts: Accounts, name: str, role: str, password: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        accounts.add(name, role, password, NOW)
    assert password not in str(caught.value)
    assert [account.name for account in accounts.list()] == ["ann"]


@pytest.mark.parametrize("act", ["remove", "change_role", "change_password"])
def test_an_account_that_is_not_there_cannot_be_changed(accounts: Accounts, act: str) -> None:
    extra = {"remove": (), "change_role": ("admin",), "change_password": (PASSWORD,)}[act]
    with pytest.raises(ValueError, match="there is no account 'bob'"):
        getattr(accounts, act)("bob", *extra, NOW)


def test_the_right_password_logs_in_and_no_other(accounts: Accounts) -> None:
    assert accounts.log_in("ann", PASSWORD, "10.0.0.9", NOW).visitor == ANN
    for name, password in (("ann", PASSWORD + "x"), ("ann", ""), ("bob", PASSWORD), ("ANN", PASSWORD), ("ann'--", PASSWORD), ("", "")):
        assert accounts.log_in(name, password, name or "elsewhere", NOW).visitor is None


def test_failed_tries_wait_twice_as_long_each_and_the_right_password_waits_too(accounts: Accounts) -> None:
    now = NOW
    waits = []
    for _ in range(14):
        while (result := accounts.log_in("ann", "a wrong password", f"10.0.0.{now % 250}", now)).wait_seconds:
            waits.append(result.wait_seconds)
            assert accounts.log_in("ann", PASSWORD, "10.0.0.1", now).visitor is None
            now += result.wait_seconds * SECOND
    assert waits[:8] == [1, 2, 4, 8, 16, 32, 64, 128]
    assert set(waits[9:]) == {MAX_WAIT_SECONDS}
    now += MAX_WAIT_SECONDS * SECOND
    assert accounts.log_in("ann", PASSWORD, "10.0.0.1", now).visitor == ANN
    assert accounts.log_in("ann", "a wrong password", "10.0.0.1", now).wait_seconds == 0


def test_an_address_that_tries_many_names_is_slowed_down_too(accounts: Accounts) -> None:
    for number in range(10):
        assert accounts.log_in(f"name{number}", PASSWORD, "10.0.0.66", NOW).wait_seconds == 0
    assert accounts.log_in("ann", PASSWORD, "10.0.0.66", NOW).wait_seconds == 1
    assert accounts.log_in("ann", PASSWORD, "10.0.0.7", NOW).visitor == ANN


def test_failed_tries_are_counted_entered_and_alerted(accounts: Accounts) -> None:
    for number in range(5):
        accounts.log_in("ann" if number % 2 else f"my password {number}", "a wrong password", f"10.0.0.{number}", NOW)
    frame = Reader(accounts.url).view("audit")
    failed = frame[(frame["kind"] == "log-in") & (frame["subject"] == "failed")]
    assert sorted(set(failed["who"])) == ["ann", "unknown name"]  # what was typed as a name may be a password
    assert set(failed["origin"]) == {f"10.0.0.{number}" for number in range(5)}
    assert FactsReader(accounts.url).read(AlertInputs(NOW + SECOND)).failed_logins == 5
    assert FactsReader(accounts.url).read(AlertInputs(NOW + 2 * HOUR)).failed_logins == 0
    with closing(sqlite3.connect(accounts.url.removeprefix("sqlite:///"))) as store:
        assert store.execute("SELECT name, value FROM counters WHERE kind = 'logins'").fetchall() == [("failed", 5.0)]


def test_a_cookie_is_worth_a_log_in_until_it_ends(accounts: Accounts, tmp_path: Path) -> None:
    desk = logins(accounts, tmp_path)
    cookie = desk.begin(ANN, "10.0.0.9", NOW)
    assert desk.find(cookie, NOW + HOUR) == ANN
    desk.end(cookie, NOW + HOUR)
    assert desk.find(cookie, NOW + HOUR) is None
    assert logins(accounts, tmp_path).find(cookie, NOW + HOUR) is None


def test_a_log_in_ends_without_use_and_after_its_longest_time(accounts: Accounts, tmp_path: Path) -> None:
    desk = logins(accounts, tmp_path)
    idle = desk.begin(ANN, "10.0.0.9", NOW)
    assert desk.find(idle, NOW + 12 * HOUR) == ANN
    assert desk.find(idle, NOW + 24 * HOUR + HOUR) is None  # 13 h after its last use
    used = desk.begin(ANN, "10.0.0.9", NOW)
    for hour in range(6, 7 * 24 + 1, 6):
        assert desk.find(used, NOW + hour * HOUR) == ANN
    assert desk.find(used, NOW + 7 * 24 * HOUR + HOUR) is None


@pytest.mark.parametrize("change", ["role", "remove", "password"])
def test_a_change_of_the_account_holds_at_once(accounts: Accounts, tmp_path: Path, change: str) -> None:
    desk = logins(accounts, tmp_path)
    cookie = desk.begin(ANN, "10.0.0.9", NOW)
    if change == "role":
        accounts.change_role("ann", "viewer", NOW)
    elif change == "remove":
        accounts.remove("ann", NOW)
    else:
        accounts.change_password("ann", "another password", NOW)
    assert desk.find(cookie, NOW + 1) == (Visitor("ann", "viewer") if change == "role" else None)
    if change == "remove":  # somebody of the same name is somebody else
        accounts.add("ann", "admin", PASSWORD, NOW)
        assert desk.find(cookie, NOW + 1) is None


def test_a_cookie_that_was_not_signed_here_is_worth_nothing(accounts: Accounts, tmp_path: Path) -> None:
    desk = logins(accounts, tmp_path)
    cookie = desk.begin(ANN, "10.0.0.9", NOW)
    elsewhere = Logins(accounts.store, b"k" * 32, LoginLimits(12.0, 7.0))
    for forged in (None, "", "x", cookie[:-1], f"{cookie}x", cookie.replace(".", ""), elsewhere.begin(ANN, "", NOW), "a" * 10_000):
        assert desk.find(forged, NOW) is None
    with closing(sqlite3.connect(accounts.url.removeprefix("sqlite:///"))) as store:
        stored = [row[0] for row in store.execute("SELECT id FROM logins")]
    assert all(desk.find(identifier, NOW) is None for identifier in stored)  # whoever reads the store cannot log in with it


def test_the_key_of_the_cookies_is_private_and_stays(tmp_path: Path) -> None:
    key = load_key(tmp_path)
    assert load_key(tmp_path) == key
    assert (tmp_path / "login.key").stat().st_mode & 0o077 == 0
    (tmp_path / "login.key").write_bytes(b"short")
    with pytest.raises(ValueError, match="is not a key"):
        load_key(tmp_path)


def test_every_change_of_accounts_and_every_log_in_is_in_the_audit_trail(accounts: Accounts, tmp_path: Path) -> None:
    accounts.change_role("ann", "viewer", NOW)
    accounts.change_password("ann", "another password", NOW)
    desk = logins(accounts, tmp_path)
    desk.end(desk.begin(ANN, "10.0.0.9", NOW), NOW)
    accounts.remove("ann", NOW)
    frame = Reader(accounts.url).view("audit")
    assert list(zip(frame["kind"], frame["subject"], frame["who"], strict=True)) == [
        *[("account", "ann", "root")] * 3, ("log-in", "began", "ann"), ("log-in", "ended", "ann"), ("account", "ann", "root"),
    ]  # fmt: skip
    assert (frame["before"][1], frame["after"][1]) == ('{"role":"operator"}', '{"role":"viewer"}')
    assert verify_trail(Reader(accounts.url)).fault is None
