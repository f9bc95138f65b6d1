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


def totals(connection: Connection) -> dict[tuple[str, str, str], float]:
    rows = connection.exec_driver_sql("SELECT kind, one, two, value FROM totals").fetchall()
    return {(kind, one, two): value for kind, one, two, value in rows}


def test_an_older_store_is_counted_once_when_it_is_brought_up_to_date(tmp_path: Path) -> None:
    migration = import_module("engine.store.migrations.versions.0003_optimizer")
    engine = database.connect(made.filled(tmp_path, 130))
    with engine.begin() as connection:
        kept = totals(connection)
        connection.exec_driver_sql("DROP TABLE totals")
        with Operations.context(MigrationContext.configure(connection)):
            migration._count()
        counted = totals(connection)
    assert {kind for kind, _, _ in kept} == {"bound", "costs", "decisions", "degraded", "fallbacks", "fills", "firings", "ticks", "trials"}
    assert counted == pytest.approx({key: value for key, value in kept.items() if key[0] != "firings"})  # rules are newer than that


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
        connection.exec_driver_sql("DELETE FROM totals")
        together = [("trials", "collect_garbage", "helped", 4.0), ("trials", "collect_garbage", "harmed", 1.0)]  # as 0.3 counted them
        connection.exec_driver_sql("INSERT INTO totals (kind, one, two, value) VALUES (?, ?, ?, ?)", together)
        with Operations.context(MigrationContext.configure(connection)):
            import_module("engine.store.migrations.versions.0004_runs_by_hand").upgrade()
        assert totals(connection) == apart
    assert apart == {
        ("trials", "collect_garbage", "helped"): 3.0, ("by hand", "collect_garbage", "helped"): 1.0, ("by hand", "collect_garbage", "harmed"): 1.0,
    }  # fmt: skip


def test_an_empty_older_store_counts_nothing(tmp_path: Path) -> None:
    migration = import_module("engine.store.migrations.versions.0003_optimizer")
    engine = database.connect(made.empty(tmp_path))
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE totals")
        with Operations.context(MigrationContext.configure(connection)):
            migration._count()
        assert totals(connection) == {}
