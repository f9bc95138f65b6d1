"""Tuning the store: one with a long log, and one without."""

from __future__ import annotations

from pathlib import Path

from engine.actions.tune_database import ACTION, MIN_BYTES
from engine.domain.optimization import ActionResult
from tests.actions.engines import desk
from tests.actions.makers import Plain, make_context


def test_the_report_is_the_store_s_own_measurement(tmp_path: Path) -> None:
    measured = ActionResult(4_096.0, "bytes", "store 8,192 -> 4,096 bytes")
    assert ACTION.run(make_context(tmp_path, tune_store=lambda: measured, actuators=Plain())) == measured


def test_a_dry_run_weighs_the_log_and_tunes_nothing(tmp_path: Path) -> None:
    measured = ACTION.run(make_context(tmp_path, dry_run=True, actuators=Plain()))
    assert not measured.done
    assert measured.detail.startswith("dry run: ")
    assert "the write-ahead log holds 5.0 MB" in measured.detail


def test_a_bloated_store_gives_its_log_and_free_pages_back_and_then_declines(tmp_path: Path) -> None:
    """16 MB are written and deleted again: they lie in the log, and then in free pages."""
    with desk(tmp_path) as made:
        made._step()
        made._writer.tune()
        assert not ACTION.run(make_context(tmp_path, tune_store=made._writer.tune, actuators=made.actuators)).done
        for number in range(64):
            made._writer.remember(f"bloat {number}", "x" * 250_000)
        with made._writer.write() as connection:
            connection.exec_driver_sql("DELETE FROM meta WHERE key LIKE 'bloat %'")
        slack = made.actuators.reclaimable_space()
        assert slack.log_bytes > 1_000_000
        assert slack.free_bytes > 10_000_000
        files = (tmp_path / "podium.db", tmp_path / "podium.db-wal")
        before = sum(file.stat().st_size for file in files)
        measured = ACTION.run(make_context(tmp_path, tune_store=made._writer.tune, actuators=made.actuators))
        after = sum(file.stat().st_size for file in files)
        assert measured.done
        assert measured.amount == before - after > 10_000_000
        assert made.actuators.reclaimable_space().log_bytes + made.actuators.reclaimable_space().free_bytes < MIN_BYTES
        assert not ACTION.run(make_context(tmp_path, tune_store=made._writer.tune, actuators=made.actuators)).done
        assert made._step() is not None
