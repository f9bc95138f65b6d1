"""Trimming: obsolete models, archives beyond their number, abandoned drafts."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from engine.actions import trim_cache
from engine.actions.trim_cache import ACTION, KEEP_ARCHIVES, KEEP_VERSIONS
from engine.domain.tick import Artifact
from engine.replay import replay_tick
from engine.service.service import EngineService
from engine.store.read.history import TickHistory
from tests.actions.engines import desk
from tests.actions.hostile import aged
from tests.actions.makers import NOW, Plain, make_context


def artifact(number: int, model: str = "ridge", *, serves_from: int = 0) -> Artifact:
    return Artifact(f"{number:032x}", model, f"{model}-{number}", bytes(10_000), 0, number, 100, 0.1, ("a",), serves_from)


def stored_models(made: EngineService, home: Path) -> list[str]:
    from engine.store.database import connect

    with connect(f"sqlite:///{home}/podium.db", read_only=True).begin() as connection:
        return [str(row[0]) for row in connection.exec_driver_sql("SELECT version FROM artifacts ORDER BY id")]


def test_versions_nothing_needs_go_and_those_that_served_or_are_new_stay(tmp_path: Path) -> None:
    with desk(tmp_path) as made:
        assert made._step() is not None
        for number in range(8):
            made._writer.save_artifact(artifact(number), made._session, NOW)
            made._writer.save_artifact(artifact(100 + number, "neural"), made._session, NOW)
        with made._writer.write() as connection:  # the first ridge served the tick that is kept
            connection.exec_driver_sql("UPDATE ticks SET serving = ?", (f'["{0:032x}", null]',))
        dry = ACTION.run(make_context(tmp_path, dry_run=True, actuators=made.actuators))
        assert "would drop 0 files, 0 B; 9 model versions" in dry.detail
        measured = ACTION.run(make_context(tmp_path, actuators=made.actuators))
        assert measured.amount == 90_000
        newest = [f"{model}-{base + number}" for number in range(8 - KEEP_VERSIONS, 8) for model, base in (("ridge", 0), ("neural", 100))]
        assert stored_models(made, tmp_path) == ["ridge-0", *newest]
        again = ACTION.run(make_context(tmp_path, actuators=made.actuators))
        assert not again.done
        assert again.detail.startswith("nothing to trim: every model is needed")


def test_a_version_in_shadow_stays_however_many_are_newer(tmp_path: Path) -> None:
    with desk(tmp_path) as made:
        assert made._step() is not None
        for number in range(6):
            made._writer.save_artifact(artifact(number), made._session, NOW)
        with made._writer.write() as connection:  # a replay of the stored tick needs what was in shadow then
            connection.exec_driver_sql("UPDATE ticks SET shadows = ?", (f'["{1:032x}"]',))
        assert ACTION.run(make_context(tmp_path, actuators=made.actuators)).amount == 20_000
        assert stored_models(made, tmp_path) == ["ridge-1", "ridge-3", "ridge-4", "ridge-5"]


def test_a_model_that_is_to_serve_later_stays_however_many_are_newer(tmp_path: Path) -> None:
    with desk(tmp_path) as made:
        assert made._step() is not None
        for number in range(6):
            made._writer.save_artifact(artifact(number, serves_from=50), made._session, NOW)
        assert not ACTION.run(make_context(tmp_path, actuators=made.actuators)).done
        assert len(stored_models(made, tmp_path)) == 6


def test_configurations_of_no_stored_tick_go_and_every_tick_can_still_be_replayed(tmp_path: Path) -> None:
    with desk(tmp_path) as made:
        for margin in (1.0, 2.0):
            made._engine.config = replace(made._engine.config, edge_margin=margin)
            assert made._step() is not None
        with made._writer.write() as connection:
            connection.exec_driver_sql("INSERT INTO trading_configs VALUES ('ffff', ?)", (bytes(500),))
        measured = ACTION.run(make_context(tmp_path, actuators=made.actuators))
        assert "1 trading configuration, 500 B of the store" in measured.detail
        history = TickHistory(f"sqlite:///{tmp_path}/podium.db")
        assert [replay_tick(history, tick).identical for tick in (0, 1)] == [True, True]
        history.close()


def test_archives_beyond_their_number_and_drafts_of_a_day_go_oldest_first(tmp_path: Path) -> None:
    archives = [aged(tmp_path / f"logs/podium-{number}-1.log.zst", bytes(5_000), at=NOW / 1e9 - number) for number in range(KEEP_ARCHIVES + 3)]
    left = aged(tmp_path / "logs/podium-9-9.log.zst.part", at=NOW / 1e9 - trim_cache.DRAFT_SECONDS - 1)
    draft, young = aged(tmp_path / "backtests/20260101-000000-1.draft"), aged(tmp_path / "backtests/.20260101-000000-2.out", at=NOW / 1e9 - 3_600)
    report = aged(tmp_path / "backtests/20260101-000000-1.json")
    measured = ACTION.run(make_context(tmp_path, actuators=Plain(idle=True)))
    assert measured.detail.startswith("dropped 5 files, ")
    assert [path.exists() for path in archives] == [True] * KEEP_ARCHIVES + [False] * 3
    assert [path.exists() for path in (left, draft, young, report)] == [False, False, True, True]
    assert measured.amount >= 3 * 5_000


def test_archives_beyond_their_bytes_go_too(tmp_path: Path) -> None:
    for number in range(4):
        sparse = aged(tmp_path / f"logs/podium-{number}-1.log.zst", b"", at=NOW / 1e9 - number)
        with sparse.open("r+b") as file:
            file.truncate(trim_cache.KEEP_ARCHIVE_BYTES // 3)
        os.utime(sparse, (NOW / 1e9 - number, NOW / 1e9 - number))
    assert ACTION.run(make_context(tmp_path, actuators=Plain(idle=True))).detail.startswith("dropped 1 file, ")
    assert not (tmp_path / "logs/podium-3-1.log.zst").exists()
