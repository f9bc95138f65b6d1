"""Manual runs on a real store, with the machine's own readings and clock."""

from __future__ import annotations

import gc
import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Event

import numpy as np

from engine.domain.optimization import Reading
from engine.files import owned_folders
from engine.files.owned_folders import TEMPORARY
from engine.optimizer.runtime.experiment import load_actions, run_action
from engine.optimizer.runtime.history import ExperimentHistory
from engine.optimizer.runtime.ports import ExperimentParts
from engine.optimizer.windows import SECOND, MeasurementPlan
from engine.probes.engine import EngineProbe
from engine.probes.probes import Probes
from engine.service.clock import WallClock
from engine.store.database import prepare
from engine.store.write.optimizer_repository import OptimizerRepository
from engine.store.write.writer import Writer
from tests.actions.makers import Plain

QUICK = MeasurementPlan(before=1.0, after=1.0, step=0.1, rest=0.0, widest_gap=60.0, fewest=2, longest_settling=0.0)


def run_on_a_store(home: Path, name: str, *, history: tuple[Reading, ...] = ()) -> tuple[dict[str, object], list[tuple[object, ...]]]:
    """Runs an action by name on a store in `home`; what it told, and the rows of v_trials."""
    url, clock = f"sqlite:///{home}/podium.db", WallClock()
    prepare(url)
    writer = Writer(url)
    writer.save_readings(history)
    probes = Probes(home, clock, EngineProbe(home / "podium.db"))
    parts = ExperimentParts(OptimizerRepository(writer), ExperimentHistory(url), probes, home, clock, Event(), Plain(), QUICK)
    result = run_action(name, parts, dry_run=False, report_progress=lambda *_: None, by="ann", reason="a test")
    writer.close()
    with closing(sqlite3.connect(home / "podium.db")) as connection:
        return result, connection.execute("SELECT action, trigger, mode, metric, before, after, effect, low, high, verdict FROM v_trials").fetchall()


def steady(metric: str, value: float) -> tuple[Reading, ...]:
    """Ten minutes of a reading that stays within 3 %, up to a second ago."""
    source, _, name = metric.partition(".")
    end = WallClock().now() - SECOND
    moves = 1.0 + np.random.default_rng(7).uniform(-0.03, 0.03, 6_000)
    return tuple(Reading(end - back * SECOND // 10, source, name, value * float(moves[back - 1]), "bytes") for back in range(6_000, 0, -1))


def test_a_run_is_in_the_store_with_its_figures(tmp_path: Path) -> None:
    name = "tune_database"
    result, rows = run_on_a_store(tmp_path, name, history=steady(load_actions()[name].metric, 1e9))
    assert result["status"] == "measured"
    assert len(rows) == 1
    row = rows[0]
    assert row[:4] == (name, "by hand", "manual", load_actions()[name].metric)
    assert row[4:] == tuple(result[figure] for figure in ("before", "after", "effect", "low", "high", "verdict"))
    assert isinstance(result["windows"], int)
    assert result["windows"] >= 20
    assert isinstance(result["after"], float)
    assert result["after"] > 0


def test_the_store_shrinks_where_its_log_was_long_and_the_run_says_so(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/podium.db"
    prepare(url)
    writer = Writer(url)
    for minute in range(300):
        writer.save_readings([Reading(minute * 60 * SECOND, "host", f"value_{index}", 1.0, "count") for index in range(40)])
    before = sum(path.stat().st_size for path in tmp_path.glob("podium.db*"))
    result, _ = run_on_a_store(tmp_path, "tune_database")
    writer.close()
    after = sum(path.stat().st_size for path in tmp_path.glob("podium.db*"))
    assert isinstance(result["amount"], float)
    assert result["amount"] > 100_000
    assert after < before - 100_000


def test_an_old_file_goes_and_its_bytes_are_the_direct_effect(tmp_path: Path) -> None:
    owned_folders.claim_folder(tmp_path / TEMPORARY.name, TEMPORARY)
    old = tmp_path / TEMPORARY.name / "rows-0123456789abcdef"
    old.write_bytes(b"x" * 2_000_000)
    result, rows = run_on_a_store(tmp_path, "delete_temp")
    assert not old.exists()
    assert isinstance(result["amount"], float)
    assert result["amount"] >= 2_000_000
    assert (result["verdict"], rows[0][-1]) == ("not enough data", "not enough data")  # a young store


def test_a_heap_of_garbage_is_a_measured_cure(tmp_path: Path) -> None:
    """The condition is made for real: 200 MB in rings that only the collector can free; RSS is measured by the probes, not by the action."""

    class Node:
        other: object
        load: bytes

    gc.collect()
    gc.disable()
    try:
        for _ in range(50_000):
            first, second = Node(), Node()
            first.other, second.other, first.load = second, first, bytes(4_000)
        del first, second
        own = next(reading.value for reading in Probes(tmp_path, WallClock(), EngineProbe()).read() if reading.name == "rss_bytes")
        result, _ = run_on_a_store(tmp_path, "collect_garbage", history=steady("process.rss_bytes", own))
    finally:
        gc.enable()
    assert result["verdict"] == "helped"
    assert isinstance(result["effect"], float)
    assert isinstance(result["amount"], float)
    assert result["effect"] < -100_000_000
    assert result["amount"] > 100_000_000
