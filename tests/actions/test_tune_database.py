"""Tuning the store: the store's own measure is handed on."""

from __future__ import annotations

from pathlib import Path

from engine.actions.tune_database import ACTION
from engine.domain.tuning import Measured
from tests.actions.makers import room


def test_what_the_store_measured_is_what_is_told(tmp_path: Path) -> None:
    measured = Measured(4_096.0, "bytes", "store 8,192 -> 4,096 bytes")
    assert ACTION.do(room(tmp_path, tune_store=lambda: measured)) == measured


def test_a_dry_run_weighs_the_log_and_tunes_nothing(tmp_path: Path) -> None:
    (tmp_path / "podium.db-wal").write_bytes(b"x" * 1_234)
    measured = ACTION.do(room(tmp_path, dry_run=True))
    assert not measured.done
    assert "podium.db-wal holds 1,234 bytes" in measured.detail


def test_a_dry_run_without_a_log_says_so(tmp_path: Path) -> None:
    assert "no write-ahead log" in ACTION.do(room(tmp_path, dry_run=True)).detail
