"""A store is made once, brought up to date, and refused in one line when it is not one."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from engine.alerting import drills
from engine.service.settings_loader import load_settings
from engine.store import database, views
from engine.store.errors import StoreError
from engine.store.schema import METADATA
from engine.store.write.writer import Writer
from tests import economy
from tests.store import made

CONTRACT = {
    "v_decisions": "tick, at, symbol, action, intent, target, position, confidence, edge_bps, cost_bps, binding_gate, degraded, "
    "regime, outcome_bps, tick_ms",
    "v_gates": "tick, at, symbol, rung, gate, value, threshold, passed",
    "v_votes": "tick, symbol, horizon, model, version, mean, trust, weight",
    "v_spans": "tick, phase, start_ms, ms, fallback, error",
    "v_fills": "tick, at, symbol, side, size, price, mid, fee_bps, cost_bps",
    "v_positions": "tick, at, symbol, size, entry, mark",
    "v_equity": "tick, at, equity, benchmark, drawdown",
    "v_regimes": "tick, at, symbol, regime, probability",
    "v_skill": "scope, model, horizon, regime, r2, low, high, n, n_effective",
    "v_models": "model, version, role, trained_at, train_from, train_to, digest, r2, low, high, n",
    "v_evolutions": "id, at, trigger, detail, strategy, model, version, parent, state, evidence, threshold, decided_at",
    "v_readings": "at, source, name, value, unit",
    "v_components": "component, state, since, last_error",
    "v_triggers": "id, at, rule, kind, metric, value, threshold, state",
    "v_trials": "id, at, action, trigger, mode, placebo, metric, before, after, effect, low, high, verdict, undone",
    "v_actions": "action, kind, cures, mode, licence, trials, helped, no_effect, harmed",
    "v_alerts": "id, at, rule, severity, state, message, acked_by",
    "v_commands": "id, at, name, args, by, reason, status, result",
    "v_incidents": "id, kind, symbol, since, until, detail",
    "v_liquidity_forecast": "measure, r2, low, high, n, n_effective",
    "v_declined": "gate, n, mean_bps, low, high, n_effective",
    "v_streams": "symbol, stream, state, last_at, messages, messages_per_second, reconnects, gaps, late_trades, revised_candles, filled_bars, "
    "latency_p50_ms, latency_p99_ms, problem, problem_since",
    "v_audit": "id, at, who, origin, kind, subject, why, before, after, digest",
    "v_bots": "number, bot, session, sender, state, at, last_at, intents, late, refused, tick, equity, own_gain, engine_gain, pairs, mean_gain_bps, "
    "log_e_better, log_e_worse, log_threshold, verdict, verdict_tick",
    "v_intents": "id, bot, symbol, target, bar, sent_for, at, tick",
}


@pytest.fixture(autouse=True)
def as_shipped() -> Iterator[None]:
    """Stores are made here, where other tests copy one."""
    with economy.as_shipped():
        yield


def contents(url: str) -> tuple[list[str], dict[str, object]]:
    """Everything in a store, and how its file is laid out."""
    with closing(sqlite3.connect(database.path_from_url(url))) as connection:
        layout = {name: connection.execute(f"PRAGMA {name}").fetchone() for name in ("journal_mode", "auto_vacuum", "page_size", "encoding")}
        return sorted(connection.iterdump()), layout


def test_the_blank_store_that_other_tests_copy_is_as_it_is_made(tmp_path: Path) -> None:
    made_here = made.empty(tmp_path / "made")
    copied = f"sqlite:///{tmp_path / 'copied' / 'podium.db'}"
    (tmp_path / "copied").mkdir()
    economy.copy_blank(tmp_path / "blank" / "podium.db", database._set_up)(copied, database.path_from_url(copied))
    assert contents(copied) == contents(made_here)
    assert (tmp_path / "copied" / "podium.db").stat().st_mode == (tmp_path / "made" / "podium.db").stat().st_mode


def test_the_views_have_the_columns_of_the_contract_in_its_order(tmp_path: Path) -> None:
    with database.connect(made.empty(tmp_path), read_only=True).connect() as connection:
        columns = {name: ", ".join(connection.exec_driver_sql(f"SELECT * FROM {name}").keys()) for name in views.list_views()}
    assert columns == CONTRACT


def test_the_migrations_end_at_the_schema(tmp_path: Path) -> None:
    assert ScriptDirectory.from_config(database.build_configuration()).get_current_head() == database.SCHEMA_VERSION
    with database.connect(made.empty(tmp_path), read_only=True).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_minutes_of_a_store_from_before_the_tiers_are_kept_and_become_hours(tmp_path: Path) -> None:
    hour, minute = 3_600 * 10**9, 60 * 10**9
    start = made.WALL - made.WALL % hour
    path = tmp_path / "podium.db"
    path.touch()
    old = database.connect(f"sqlite:///{path}")
    with old.begin() as connection:
        config = database.build_configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.exec_driver_sql(
            "INSERT INTO readings_minute (source, name, at, unit, low, mean, high, n) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [("host", "cpu_percent", start + place * minute, "%", place, place + 1.0, place + 2.0, 30) for place in range(90)],
        )
        connection.exec_driver_sql("INSERT INTO readings_raw (at, source, name, value, unit) VALUES (?, 'host', 'cpu_percent', 5, '%')", (start,))
    old.dispose()
    database.prepare(f"sqlite:///{path}")
    with database.connect(f"sqlite:///{path}", read_only=True).connect() as migrated:
        assert migrated.exec_driver_sql("SELECT source, name, unit FROM series").fetchall() == [("host", "cpu_percent", "%")]
        assert migrated.exec_driver_sql("SELECT count(*), sum(n) FROM readings_minute").fetchall() == [(90, 2_700)]
        hours = migrated.exec_driver_sql("SELECT at, low, mean, high, n FROM readings_hour ORDER BY at").fetchall()
    assert hours == [(start, 0.0, 30.5, 61.0, 1_800), (start + hour, 60.0, 75.5, 91.0, 900)]


def test_a_store_is_in_wal_and_gives_pages_back(tmp_path: Path) -> None:
    with database.connect(made.empty(tmp_path), read_only=True).connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA auto_vacuum").scalar() == 2


def test_many_processes_may_make_the_same_store_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'deep' / 'er' / 'podium.db'}"
    script = f"from engine.store.database import prepare; prepare({url!r})"
    started = [subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [(process.communicate()[1], process.returncode) for process in started] == [("", 0)] * 4
    with database.connect(url, read_only=True).connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM v_decisions").scalar() == 0


def test_making_a_store_again_changes_nothing_in_it(tmp_path: Path) -> None:
    url = made.filled(tmp_path, 30)
    before = Path(tmp_path / "podium.db").read_bytes()
    database.prepare(url)
    assert Path(tmp_path / "podium.db").read_bytes() == before


def test_views_are_made_anew_when_their_text_has_changed(tmp_path: Path) -> None:
    url = made.filled(tmp_path, 5)
    with sqlite3.connect(tmp_path / "podium.db") as connection:
        connection.execute("DROP VIEW v_gates")
        connection.execute("CREATE VIEW v_gates AS SELECT 1 AS old")
        connection.execute("UPDATE meta SET value = 'older' WHERE key = 'views'")
    connection.close()
    database.prepare(url)
    with database.connect(url, read_only=True).connect() as migrated:
        assert list(migrated.exec_driver_sql("SELECT * FROM v_gates").keys()) == CONTRACT["v_gates"].split(", ")
        assert migrated.exec_driver_sql("SELECT count(*) FROM ticks").scalar() == 5


def test_nothing_can_be_written_through_a_read_only_connection(tmp_path: Path) -> None:
    engine = database.connect(made.empty(tmp_path), read_only=True)
    with pytest.raises(Exception, match="readonly"), engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM meta")


def test_a_file_that_is_no_database_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "podium.db").write_bytes(b"not a database " * 1000)
    with pytest.raises(StoreError, match=r"podium\.db is not a Podium store or is damaged: move the file away") as caught:
        database.prepare(f"sqlite:///{tmp_path / 'podium.db'}")
    assert "\n" not in str(caught.value)


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "podium.db") as connection:
        connection.execute("CREATE TABLE songs (name)")
    connection.close()
    with pytest.raises(StoreError, match="not a Podium store"):
        database.prepare(f"sqlite:///{tmp_path / 'podium.db'}")


def test_a_store_of_a_newer_podium_is_refused(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    with sqlite3.connect(tmp_path / "podium.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(StoreError, match="written by a newer Podium"):
        database.prepare(url)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://localhost/podium", "postgresql is not there yet"),
        ("sqlite://", "names no file"),
        ("podium.db", "is not the address of a store"),
        ("sqlite:////proc/nowhere/podium.db", "cannot be made"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_in_one_line(url: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        database.prepare(url)


def test_a_store_that_is_damaged_in_the_middle_says_so_in_one_line(tmp_path: Path) -> None:
    url = made.filled(tmp_path, 60)
    path = tmp_path / "podium.db"
    data = bytearray(path.read_bytes())
    data[4096:] = bytes(len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"podium\.db") as caught:
        Writer(url).save(next(made.Market(first_tick=60).ticks(1)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a?b", "a%2Fb", "a%41b", "100%", "a#b", "a b", "a:b@c", "a&b=c", "ü 株", "a+b", "a'b\"c", ":memory:"])
def test_the_store_is_in_its_home_whatever_the_homes_name(tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    url = load_settings({"PODIUM_HOME": str(home)}, tmp_path).database_url
    assert load_settings({"PODIUM_DATABASE_URL": url} if ":memory:" not in url else {"PODIUM_HOME": str(home)}, tmp_path).database_url == url
    database.prepare(url)
    with database.connect(url, read_only=True).connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM ticks").scalar() == 0
    assert (database.path_from_url(url), sorted(path.name for path in tmp_path.iterdir())) == (home / "podium.db", [name])
    assert (home / "podium.db").stat().st_size > 0
    assert drills._query(home / "podium.db", "SELECT count(*) FROM ticks", -1) == 0
