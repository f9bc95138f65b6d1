"""Accounts and log-ins: passwords, failed tries that are slowed down, cookies that end, and what the audit trail has of them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.__main__ import main
from engine.access import passwords
from engine.access.accounts import Accounts, list_accounts
from engine.access.login_tries import MAX_WAIT_SECONDS
from engine.access.logins import HOUR, LoginLimits, Logins, load_key
from engine.access.tokens import DAY, Tokens
from engine.domain.access import Visitor
from engine.domain.alerting import AlertInputs
from engine.store import database, retention
from engine.store.read.alert_facts import FactsReader
from engine.store.read.audit import verify_trail
from engine.store.read.reader import Reader
from tests import economy
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
    assert [account.name for account in list_accounts(accounts.url)] == ["ann"]


@pytest.mark.parametrize("act", ["remove", "change_role", "change_password"])
def test_an_account_that_is_not_there_cannot_be_changed(accounts: Accounts, act: str) -> None:
    extra = {"remove": (), "change_role": ("admin",), "change_password": (PASSWORD,)}[act]
    with pytest.raises(ValueError, match="there is no account 'bob'"):
        getattr(accounts, act)("bob", *extra, NOW)


@pytest.mark.parametrize("words", [["doctor"], ["user", "list"]])
def test_looking_at_accounts_migrates_no_store(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {"PODIUM_HOME": str(tmp_path), "PODIUM_LOGIN": "local"}.items():
        monkeypatch.setenv(name, value)
    path = database.path_from_url(made.empty(tmp_path))
    with closing(sqlite3.connect(path)) as store, store:
        store.execute("DROP TABLE users")
        store.execute("UPDATE meta SET value = 'of an earlier version' WHERE key = 'views'")
    main(words)
    with closing(sqlite3.connect(path)) as store:
        assert store.execute("SELECT value FROM meta WHERE key = 'views'").fetchone() == ("of an earlier version",)


def test_a_password_is_hashed_at_the_cost_that_the_library_recommends() -> None:
    with economy.as_shipped():
        stored = passwords.hash_password(PASSWORD)
        assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
        assert passwords.verify_password(stored, PASSWORD)
        assert not passwords.verify_password(stored, PASSWORD + " ")


def test_the_right_password_logs_in_and_no_other(accounts: Accounts) -> None:
    assert accounts.log_in("ann", PASSWORD, "10.0.0.9", NOW).visitor == ANN
    for name, password in (("ann", PASSWORD + "x"), ("ann", ""), ("bob", PASSWORD), ("ANN", PASSWORD), ("ann'--", PASSWORD), ("", "")):
        assert accounts.log_in(name, password, name or "elsewhere", NOW).visitor is None


def test_failed_tries_wait_twice_as_long_each_and_the_right_password_waits_too(accounts: Accounts) -> None:
    now = NOW
    waits = []
    for _ in range(14):
        while (result := accounts.log_in("ann", "a wrong password", "10.0.0.1", now)).wait_seconds:
            waits.append(result.wait_seconds)
            assert accounts.log_in("ann", PASSWORD, "10.0.0.1", now).visitor is None
            now += result.wait_seconds * SECOND
    assert waits[:8] == [1, 2, 4, 8, 16, 32, 64, 128]
    assert set(waits[9:]) == {MAX_WAIT_SECONDS}
    now += MAX_WAIT_SECONDS * SECOND
    assert accounts.log_in("ann", PASSWORD, "10.0.0.1", now).visitor == ANN
    assert accounts.log_in("ann", "a wrong password", "10.0.0.2", now).wait_seconds == 0


def test_nobody_keeps_the_owner_of_a_name_out_from_another_address(accounts: Accounts) -> None:
    for number in range(8):
        accounts.log_in("ann", "a wrong password", f"10.0.1.{number % 2}", NOW)
    assert accounts.log_in("ann", "a wrong password", "10.0.1.0", NOW).wait_seconds > 0
    assert accounts.log_in("ann", PASSWORD, "10.0.0.1", NOW).visitor == ANN


def test_a_name_that_is_tried_from_very_many_addresses_is_slowed_down(accounts: Accounts) -> None:
    with closing(sqlite3.connect(accounts.url.removeprefix("sqlite:///"))) as store, store:
        store.execute("INSERT INTO login_tries (key, failures, last_at) VALUES ('name ann', 99, ?)", (NOW,))
    assert accounts.log_in("ann", "a wrong password", "10.0.1.1", NOW).wait_seconds == 0
    assert accounts.log_in("ann", "a wrong password", "10.0.2.1", NOW).wait_seconds == 1


def test_a_log_in_of_ones_own_frees_no_tries_of_an_address(accounts: Accounts) -> None:
    for number in range(9):
        accounts.log_in(f"name{number}", "a wrong password", "10.0.0.66", NOW)
    assert accounts.log_in("ann", PASSWORD, "10.0.0.66", NOW).visitor == ANN
    accounts.log_in("name9", "a wrong password", "10.0.0.66", NOW)
    assert accounts.log_in("ann", PASSWORD, "10.0.0.66", NOW).wait_seconds == 1
    assert accounts.log_in("ann", PASSWORD, "10.0.0.66", NOW + HOUR).visitor == ANN
    for number in range(5):  # half of ten were forgotten
        assert accounts.log_in(f"name{number}", "a wrong password", "10.0.0.66", NOW + HOUR).wait_seconds == 0


def test_the_addresses_of_one_network_are_one(accounts: Accounts) -> None:
    for number in range(10):
        accounts.log_in(f"name{number}", "a wrong password", f"2001:db8:0:1::{number:x}", NOW)
    assert accounts.log_in("ann", PASSWORD, "2001:db8:0:1:ffff::1", NOW).wait_seconds == 1
    assert accounts.log_in("ann", PASSWORD, "2001:db8:0:2::1", NOW).visitor == ANN


def test_a_password_that_was_replaced_meanwhile_admits_nobody(accounts: Accounts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def verify_slowly(stored: str | None, password: str) -> bool:
        accounts.change_password("ann", "another password", NOW)
        return passwords.verify_password(stored, password)

    monkeypatch.setattr("engine.access.accounts.verify_password", verify_slowly)
    desk = logins(accounts, tmp_path)
    result = accounts.log_in("ann", PASSWORD, "10.0.0.9", NOW, lambda connection, visitor: desk.begin_within(connection, visitor, "10.0.0.9", NOW))
    assert (result.visitor, result.cookie) == (None, None)
    with closing(sqlite3.connect(accounts.url.removeprefix("sqlite:///"))) as store:
        assert store.execute("SELECT count(*) FROM logins").fetchone() == (0,)


@pytest.mark.parametrize("change", ["remove", "demote", "promote"])
def test_the_tokens_of_an_admin_end_with_the_right_to_create_them(accounts: Accounts, change: str) -> None:
    accounts.add("root", "admin", PASSWORD, NOW)
    tokens = Tokens(accounts.store, "root", "dashboard")
    secret, other = tokens.create("bot", ["read"], 1.0, (), NOW), Tokens(accounts.store, "ann").create("other", ["read"], 1.0, (), NOW)
    if change == "remove":
        accounts.remove("root", NOW)
    else:
        accounts.change_role("root", "operator" if change == "demote" else "admin", NOW)
    assert (tokens.find_visitor(secret, NOW) is None) == (change != "promote")
    assert tokens.find_visitor(other, NOW) is not None
    frame = Reader(accounts.url).view("audit")
    assert ("token", "bot") in set(zip(frame["kind"], frame["subject"], strict=True))
    assert list(frame["kind"]).count("token") == (2 if change == "promote" else 3)


def test_a_store_that_cannot_be_written_still_lets_in_who_is_logged_in(accounts: Accounts, tmp_path: Path) -> None:
    desk = logins(accounts, tmp_path)
    cookie = desk.begin(ANN, "10.0.0.9", NOW)
    tokens = Tokens(accounts.store)
    secret = tokens.create("bot", ["read"], 1.0, (), NOW)
    with closing(sqlite3.connect(accounts.url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert desk.find(cookie, NOW + HOUR) == ANN
        assert tokens.find_visitor(secret, NOW + HOUR) is not None
        other.execute("ROLLBACK")
    assert accounts.store.pragma("PRAGMA busy_timeout") == [(accounts.busy_ms,)]
    assert desk.find(cookie, NOW + 12 * HOUR) == ANN
    assert desk.find(cookie, NOW + 13 * HOUR) == ANN  # the use before was noted


def test_what_counts_no_longer_is_pruned(accounts: Accounts, tmp_path: Path) -> None:
    desk = logins(accounts, tmp_path)
    ended, standing = desk.begin(ANN, "10.0.0.9", NOW), desk.begin(ANN, "10.0.0.9", NOW)
    desk.end(ended, NOW)
    accounts.log_in("ann", "a wrong password", "10.0.0.9", NOW)
    assert retention.prune_logins(accounts.store, NOW + DAY // 2) == 0
    assert retention.prune_logins(accounts.store, NOW + 3 * DAY) == 1 + 3
    assert desk.find(standing, NOW + HOUR) == ANN
    assert retention.prune_logins(accounts.store, NOW + 400 * DAY) == 1


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
