"""Promotions, returns and searches by hand, and versions that cannot be read: the present version serves on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from engine.domain.tick import Artifact
from engine.service import training
from engine.service.engine import Engine
from engine.service.resume import resume_engine
from engine.service.version_controls import VersionMemory
from engine.store import database
from engine.store.read.history import TickHistory
from engine.store.write.writer import Writer
from tests.evolution.evolving import BETTER, CONFIG, PROMOTED, SEARCHED, Workers, act, fork, here, market, stored, unstored
from tests.makers import StoppedClock

RACING = SEARCHED + CONFIG.search_lag_bars + 10


@cache
def _raced() -> Engine:
    engine = unstored(Workers())
    act(engine, {SEARCHED: ("search",)}, RACING)
    return engine


def raced() -> Engine:
    """An engine on which a challenger races."""
    return fork(_raced())


def challenger(engine: Engine) -> str:
    (version,) = next(arm.versions for arm in engine.state.evolution.arms if arm.kind == "challenger")
    return version


class Versions:
    """One stored version."""

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact

    def list_versions(self, model: str, /) -> tuple[str, ...]:
        del model
        return (self.artifact.version,)

    def find_version(self, model: str, version: str, /) -> Artifact | None:
        del model
        return self.artifact if version == self.artifact.version else None


def test_a_challenger_is_promoted_by_hand_with_its_record_and_without_a_watch() -> None:
    engine = raced()
    version, before = challenger(engine), engine.state
    place = [arm.kind for arm in before.evolution.arms].index("challenger")
    assert engine.promote_version("ridge", version, "it looks good") == f"{version} serves from the next tick"
    (tick,) = act(engine, {}, RACING + 1)
    assert tick.serving == before.evolution.arms[place].digests
    (row,) = [row for row in tick.outcome.evolution.rows if row.state == "promoted"]
    assert row.detail.endswith("promoted by hand")
    assert row.trigger == "by hand"
    assert [arm.kind for arm in tick.outcome.state.evolution.arms if arm.kind != "blend"] == []
    assert tick.outcome.instructions == ()
    assert tick.outcome.state.weight_rows.max() < before.weight_rows.max()


def test_forks_of_an_engine_decide_as_it_does_and_change_nothing_in_it() -> None:
    whole = unstored(Workers())
    expected = [tick.decisions_digest for tick in act(whole, {SEARCHED: ("search",)}, RACING + 3)[RACING:]]
    for _ in range(2):
        assert [tick.decisions_digest for tick in act(raced(), {}, RACING + 3)] == expected


def test_a_second_change_before_the_next_tick_is_refused() -> None:
    engine = raced()
    version = challenger(engine)
    engine.promote_version("ridge", version, "it looks good")
    serving = engine.catalog.serving
    for change in (engine.promote_version, engine.revert_version):
        with pytest.raises(ValueError, match="wait for the next tick"):
            change("ridge", version, "again")
    assert engine.catalog.serving == serving


def test_a_challenger_that_cannot_be_read_is_not_promoted_and_its_record_does_not_serve() -> None:
    engine = raced()
    engine.challengers.shadows.clear()
    before = engine.catalog.serving
    with pytest.raises(ValueError, match=r"^[^\n]*cannot be read: the present version serves on$"):
        engine.promote_version("ridge", challenger(engine), "it looks good")
    (tick,) = act(engine, {}, RACING + 1)
    assert tick.inputs.events == ()
    assert engine.catalog.serving == before


def test_a_version_in_no_contest_is_not_promoted() -> None:
    engine = raced()
    with pytest.raises(ValueError, match="is in no contest"):
        engine.promote_version("ridge", "ridge-1", "it looks good")


def test_a_return_by_hand_ends_the_contests_about_its_place() -> None:
    engine = raced()
    old, racing = engine.catalog.serving[0], challenger(engine)
    assert old is not None
    rows = engine.rows.training_set(RACING - 1, CONFIG.horizons, 0)
    artifact = training.fit_model("ridge", BETTER, rows, 7, RACING)
    engine.stored_versions = Versions(artifact)
    line = engine.revert_version("ridge", artifact.version, "it was better")
    assert line == f"{artifact.version} serves from the next tick, in place of {old.version}"
    (tick,) = act(engine, {}, RACING + 1)
    assert tick.serving == (artifact.data_digest,)
    decided = [(row.state, row.version) for row in tick.outcome.evolution.rows if row.decided and row.model != "ensemble"]
    assert sorted(decided) == [("retired", racing), ("reverted", artifact.version)]
    assert [arm.kind for arm in engine.state.evolution.arms if arm.kind != "blend"] == []
    with pytest.raises(ValueError, match="serves already"):
        engine.revert_version("ridge", artifact.version, "again")


def test_a_corrupt_version_is_not_returned_to() -> None:
    engine = raced()
    rows = engine.rows.training_set(RACING - 1, CONFIG.horizons, 0)
    artifact = training.fit_model("ridge", BETTER, rows, 7, RACING)
    before = engine.catalog.serving
    engine.stored_versions = Versions(replace(artifact, data=artifact.data[:-1] + b"x"))
    with pytest.raises(ValueError, match=r"^[^\n]*is corrupt[^\n]*$"):
        engine.revert_version("ridge", artifact.version, "it was better")
    with pytest.raises(ValueError, match="is not stored"):
        engine.revert_version("ridge", "ridge-7", "it was better")
    (tick,) = act(engine, {}, RACING + 1)
    assert (tick.inputs.events, engine.catalog.serving) == ((), before)


def test_a_version_of_a_kind_that_looks_ahead_does_not_serve_whatever_its_place() -> None:
    engine = raced()
    rows = engine.rows.training_set(RACING - 1, CONFIG.horizons, 0)
    artifact = training.fit_model("ridge", BETTER, rows, 7, RACING)
    engine.stored_versions = Versions(artifact)
    version, before = challenger(engine), engine.catalog.serving
    racing = engine.challengers.shadows[next(arm.digests[0] for arm in engine.state.evolution.arms if arm.kind == "challenger")]
    engine.challengers.excluded = frozenset({racing.recipe.model, BETTER.model})
    with pytest.raises(ValueError, match=f"is of the model {racing.recipe.model}, which looks ahead"):
        engine.promote_version("ridge", version, "it looks good")
    assert not engine.replace_versions((racing.digest,))  # nor by a verdict
    with pytest.raises(ValueError, match=f"is of the model {BETTER.model}, which looks ahead"):
        engine.revert_version("ridge", artifact.version, "it was better")
    assert engine.catalog.serving == before


def test_searches_by_hand_end_at_the_limit_however_quickly_they_are_requested() -> None:
    engine = unstored(Workers(), replace(CONFIG, max_challengers=2))
    with pytest.raises(ValueError, match="no model is trained yet"):
        engine.request_search("ridge", "tuning", "to see")
    act(engine, {}, SEARCHED)
    engine.request_search("ridge", "tuning", "to see")
    engine.request_search("ridge", "longer window", "to see")
    with pytest.raises(ValueError, match="max_challengers"):
        engine.request_search("ridge", "column selection", "to see")
    (tick,) = act(engine, {}, SEARCHED + 1)
    assert [(search.place, search.strategy) for search in tick.outcome.state.evolution.searches] == [("ridge", "tuning"), ("all", "longer window")]
    limited = unstored(Workers(), replace(CONFIG, evolution="refresh"))
    with pytest.raises(ValueError, match="evolution is refresh"):
        limited.request_search("ridge", "tuning", "to see")


def test_versions_of_several_places_are_replaced_together_or_not_at_all() -> None:
    engine = raced()
    (digest,) = next(arm.digests for arm in engine.state.evolution.arms if arm.kind == "challenger")
    before = engine.catalog.serving
    assert not engine.replace_versions((digest, "missing"))
    assert engine.catalog.serving == before
    assert engine.replace_versions((digest,))
    assert before[0] is not None
    assert before[0].digest in engine.challengers.shadows


@pytest.mark.parametrize("stop", [RACING, PROMOTED])
def test_a_version_in_shadow_that_is_damaged_at_a_restart_is_reported_and_the_present_one_serves(tmp_path: Path, stop: int) -> None:
    url = f"sqlite:///{tmp_path / 'podium.db'}"
    database.prepare(url)
    engine, writer, history = stored(url, Workers())
    ticks = act(engine, {SEARCHED: ("search",)}, stop + 1)
    for opened in (writer, history):
        opened.close()
    with closing(sqlite3.connect(tmp_path / "podium.db")) as connection, connection as store:
        store.execute("UPDATE artifacts SET data = zeroblob(99) WHERE version LIKE 'ridge-%-%'")
    writer, history, lines = Writer(url), TickHistory(url), list[tuple[str, str]]()
    engine, _ = resume_engine(
        here(url), market(), StoppedClock(), writer, history, training_pool=Workers(), report=lambda fault, how: lines.append((fault, how))
    )
    assert {("is corrupt" in fault, "\n" in fault, "the present version serves on" in how) for fault, how in lines} == {(True, False, True)}
    (tick,) = act(engine, {}, stop + 2)
    assert tick.serving == ticks[-1].serving
    assert not tick.outcome.degraded
    for opened in (writer, history):
        opened.close()


def test_a_memory_of_nothing_restores_nothing() -> None:
    assert VersionMemory().find("digest") is None
    assert VersionMemory().serving_after(5) is None
