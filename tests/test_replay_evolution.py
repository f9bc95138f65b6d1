"""Promotions and returns on the simulated market: decided again bit for bit, and gone on with after a stop at any tick around them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from engine.domain.tick import Tick
from engine.domain.trading_config import TradingConfig
from engine.replay import replay_tick
from engine.store import database
from engine.store.read.history import TickHistory
from tests.evolution.evolving import CONFIG, PROMOTED, REFRESHED, RETURNED, SEARCHED, WATCHED, Workers, act, stored, unstored

RETRAINED = PROMOTED - 5  # a training is under way when the challenger is promoted
SEARCHING = {SEARCHED: ("search",), RETRAINED: ("retrain",)}
END = PROMOTED + 20


@dataclass(frozen=True)
class Run:
    """A store, and what an engine without a stop has decided on the same market."""

    url: str
    ticks: list[Tick]


def make(folder: Path, workers: Workers, config: TradingConfig, actions: Mapping[int, tuple[str, ...]], until: int) -> Run:
    url = f"sqlite:///{folder / 'podium.db'}"
    database.prepare(url)
    engine, writer, history = stored(url, workers, config)
    ticks = act(engine, actions, until)
    history.close()
    writer.close()
    return Run(url, ticks)


@pytest.fixture(scope="module")
def promoted(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make(tmp_path_factory.mktemp("promoted"), Workers(), CONFIG, SEARCHING, END)


@pytest.fixture(scope="module")
def returned(tmp_path_factory: pytest.TempPathFactory) -> Run:
    workers = Workers(flips=frozenset({REFRESHED}))
    return make(tmp_path_factory.mktemp("returned"), workers, WATCHED, {REFRESHED: ("retrain",)}, RETURNED + 20)


@pytest.fixture
def history(promoted: Run) -> Iterator[TickHistory]:
    opened = TickHistory(promoted.url)
    yield opened
    opened.close()


def digests(ticks: list[Tick]) -> list[tuple[str, str]]:
    return [(tick.decisions_digest, tick.outcome.state.digest()) for tick in ticks]


def rows(ticks: list[Tick]) -> list[tuple[int, int, str, str]]:
    """Tick, number, state and verdict of what was decided."""
    return [(tick.inputs.tick, row.number, row.state, row.verdict) for tick in ticks for row in tick.outcome.evolution.rows if row.decided]


def test_a_challenger_that_is_better_is_promoted_and_serves_from_the_next_tick(promoted: Run) -> None:
    ticks = {tick.inputs.tick: tick for tick in promoted.ticks}
    number = ticks[SEARCHED].outcome.evolution.rows[0].number
    assert (PROMOTED, number, "promoted", "better") in rows(promoted.ticks)
    (instruction,) = ticks[PROMOTED].outcome.instructions
    before, after = ticks[PROMOTED].serving, ticks[PROMOTED + 1].serving
    assert (instruction.kind, instruction.subject, (instruction.detail,)) == ("promote", "ridge", after)
    assert before != after
    arms = ticks[PROMOTED].outcome.state.evolution.arms
    assert [(arm.kind, arm.number, arm.digests) for arm in arms if arm.kind != "blend"] == [("watch", number, before)]
    place = [arm.kind for arm in arms].index("watch")
    newest = [ticks[tick].outcome.state.evolution.sums.pending[0, place] for tick in (PROMOTED, PROMOTED + 1)]
    assert np.isnan(newest[0]).all()  # the version that it competes with does not serve yet
    assert np.isfinite(newest[1]).any()
    report = ticks[PROMOTED + 1].evolution
    assert report is not None
    assert report.shadows == before
    assert ticks[SEARCHED + CONFIG.search_lag_bars].inputs.events[0].kind == "challenger_entered"


def test_a_stored_version_names_the_trigger_and_number_of_its_evolution(promoted: Run, history: TickHistory) -> None:
    number = next(
        row.number for tick in promoted.ticks for row in tick.outcome.evolution.rows if row.strategy not in {"refresh", "ensemble adjustment"}
    )
    first, challenger = (history.artifact(str(promoted.ticks[tick].serving[0])) for tick in (PROMOTED, PROMOTED + 1))
    assert (first.origin, challenger.origin) == ("first training, evolution 1", f"by hand, evolution {number}")


def test_the_promoted_record_serves(promoted: Run) -> None:
    ticks = {tick.inputs.tick: tick.outcome.state for tick in promoted.ticks}
    before, after = ticks[PROMOTED - 1], ticks[PROMOTED]
    (challenger,) = [place for place, arm in enumerate(before.evolution.arms) if arm.kind == "challenger"]
    assert after.weight_rows.max() < before.weight_rows.max()  # the challenger's own, not those of all ticks
    assert before.weights.max() < 0.1
    assert before.evolution.sums.weights[challenger].max() > 0.5
    assert after.weights.max() > 0.5


def test_a_contest_changes_no_decision_until_the_promotion(promoted: Run) -> None:
    without = act(unstored(Workers(), CONFIG), {RETRAINED: ("retrain",)}, PROMOTED + 2)
    assert [tick.decisions_digest for tick in promoted.ticks[: PROMOTED + 1]] == [tick.decisions_digest for tick in without[: PROMOTED + 1]]
    assert [tick.outcome.forecast.digest() for tick in promoted.ticks[: PROMOTED + 1]] == [
        tick.outcome.forecast.digest() for tick in without[: PROMOTED + 1]
    ]
    assert promoted.ticks[PROMOTED + 1].outcome.forecast.digest() != without[PROMOTED + 1].outcome.forecast.digest()


def test_a_training_by_the_recipe_before_a_promotion_is_not_adopted_and_ends(promoted: Run) -> None:
    due = RETRAINED + CONFIG.deployment_lag_bars
    ticks = {tick.inputs.tick: tick for tick in promoted.ticks}
    assert [search.strategy for search in ticks[due - 1].outcome.state.evolution.searches] == ["refresh"]
    assert ticks[due].serving == ticks[due - 1].serving
    assert ticks[due].outcome.state.evolution.searches == ()
    (row,) = [row for row in ticks[due].outcome.evolution.rows if row.strategy == "refresh"]
    assert (row.state, row.version) == ("retired", "")


@pytest.mark.parametrize("tick", [SEARCHED, SEARCHED + 6, SEARCHED + 7, PROMOTED - 1, PROMOTED, PROMOTED + 1, PROMOTED + 2, 284, END - 1])
def test_ticks_across_a_promotion_are_decided_again_bit_for_bit(history: TickHistory, tick: int) -> None:
    verdict = replay_tick(history, tick)
    assert verdict.identical, verdict


@pytest.mark.parametrize("tick", [472, 473, RETURNED - 1, RETURNED, RETURNED + 1, RETURNED + 19])
def test_ticks_across_a_return_are_decided_again_bit_for_bit(returned: Run, tick: int) -> None:
    opened = TickHistory(returned.url)
    verdict = replay_tick(opened, tick)
    opened.close()
    assert verdict.identical, verdict


def test_a_refresh_on_flipped_targets_is_reverted(returned: Run) -> None:
    ticks = {tick.inputs.tick: tick for tick in returned.ticks}
    adopted = REFRESHED + WATCHED.deployment_lag_bars
    before, flipped = ticks[adopted - 1].serving, ticks[adopted].serving
    assert before != flipped
    assert (RETURNED, 2, "reverted", "better") in rows(returned.ticks)
    assert ticks[RETURNED].serving == flipped
    assert [tick.serving for number, tick in ticks.items() if number > RETURNED] == [before] * 19
    assert ticks[RETURNED + 1].outcome.state.evolution.arms == ()


def go_on(folder: Path, workers: Workers, config: TradingConfig, actions: Mapping[int, tuple[str, ...]], stops: tuple[int, ...]) -> list[Tick]:
    """An engine that is stopped after each of these ticks and resumed on its store."""
    url = f"sqlite:///{folder / 'podium.db'}"
    database.prepare(url)
    ticks: list[Tick] = []
    for stop in stops:
        engine, writer, opened = stored(url, workers, config)
        ticks += act(engine, actions, stop + 1)
        opened.close()
        writer.close()
    return ticks


def assert_equal(ticks: list[Tick], whole: list[Tick]) -> None:
    differing = [tick.inputs.tick for tick, other in zip(ticks, whole, strict=True) if digests([tick]) != digests([other])]
    assert differing == []
    assert [tick.serving for tick in ticks] == [tick.serving for tick in whole]
    assert [tick.inputs.events for tick in ticks] == [tick.inputs.events for tick in whole]


def test_an_engine_that_stops_around_a_promotion_goes_on_as_if_it_had_not(promoted: Run, tmp_path: Path) -> None:
    """With a search, a training or a contest under way."""
    stops = (SEARCHED, SEARCHED + 3, SEARCHED + 5, SEARCHED + 6, RETRAINED, PROMOTED - 1, PROMOTED, PROMOTED + 1, 278, 279, END - 1)
    assert_equal(go_on(tmp_path, Workers(), CONFIG, SEARCHING, stops), promoted.ticks)


def test_an_engine_that_stops_around_a_return_goes_on_as_if_it_had_not(returned: Run, tmp_path: Path) -> None:
    workers, stops = Workers(flips=frozenset({REFRESHED})), (REFRESHED, 471, 472, RETURNED - 1, RETURNED, RETURNED + 1, RETURNED + 19)
    assert_equal(go_on(tmp_path, workers, WATCHED, {REFRESHED: ("retrain",)}, stops), returned.ticks)


def test_the_first_training_is_flipped(promoted: Run) -> None:
    """What these tests rest on: the champion's forecasts are worth nothing."""
    assert promoted.ticks[PROMOTED - 1].outcome.state.weights.max() < 0.1
