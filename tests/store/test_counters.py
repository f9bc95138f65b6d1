"""Counts that only grow: what a store from before they were kept is counted to is what it would have counted itself."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection

from engine.store import database
from engine.store.write.writer import Writer
from tests.store import made


def totals(connection: Connection, table: str = "counters") -> dict[tuple[str, str, str], float]:
    rows = connection.exec_driver_sql(f"SELECT * FROM {table}").fetchall()
    return {(kind, name, detail): value for kind, name, detail, value in rows}


def count_as_before(connection: Connection, version: str, function: str) -> dict[tuple[str, str, str], float]:
    """Runs an old migration on the counters under the names they had at that time."""
    connection.exec_driver_sql("ALTER TABLE counters RENAME TO totals")
    for before, after in (("name", "one"), ("detail", "two")):
        connection.exec_driver_sql(f"ALTER TABLE totals RENAME COLUMN {before} TO {after}")
    if version == "0003_optimizer":
        connection.exec_driver_sql("DROP TABLE totals")
    with Operations.context(MigrationContext.configure(connection)):
        getattr(import_module(f"engine.store.migrations.versions.{version}"), function)()
    return totals(connection, "totals")


def test_an_older_store_is_counted_once_when_it_is_brought_up_to_date(tmp_path: Path) -> None:
    engine = database.connect(made.filled(tmp_path, 130))
    with engine.begin() as connection:
        stored = totals(connection)
        counted = count_as_before(connection, "0003_optimizer", "_count")
    assert {kind for kind, _, _ in stored} == {"bound", "costs", "decisions", "degraded", "fallbacks", "fills", "firings", "ticks", "trials"}
    assert counted == pytest.approx({key: value for key, value in stored.items() if key[0] != "firings"})  # rules are newer than that


def test_runs_by_hand_of_an_older_store_are_counted_apart(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    writer = Writer(url)
    for _ in range(3):
        writer.save_trial(made.trial(verdict="helped"))
    writer.save_trial(made.by_hand(made.trial(verdict="helped")))
    writer.save_trial(made.by_hand(made.trial(verdict="harmed")))
    writer.close()
    engine = database.connect(url)
    with engine.begin() as connection:
        apart = totals(connection)
        connection.exec_driver_sql("DELETE FROM counters")
        together = [("trials", "collect_garbage", "helped", 4.0), ("trials", "collect_garbage", "harmed", 1.0)]  # as 0.3 counted them
        connection.exec_driver_sql("INSERT INTO counters (kind, name, detail, value) VALUES (?, ?, ?, ?)", together)
        assert count_as_before(connection, "0004_runs_by_hand", "upgrade") == apart
    assert apart == {
        ("trials", "collect_garbage", "helped"): 3.0, ("by hand", "collect_garbage", "helped"): 1.0, ("by hand", "collect_garbage", "harmed"): 1.0,
    }  # fmt: skip


def test_an_empty_older_store_counts_nothing(tmp_path: Path) -> None:
    engine = database.connect(made.empty(tmp_path))
    with engine.begin() as connection:
        assert count_as_before(connection, "0003_optimizer", "_count") == {}
