"""New versions that contradict earlier ones, from trainings on flipped targets: positions, costs, a restart and a replay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from engine.domain.decision import LIMITS
from engine.domain.evidence import Agreement
from engine.domain.tick import Tick
from engine.evidence import succession
from engine.replay import replay_tick
from engine.service.engine import Engine
from engine.service.resume import resume_engine
from engine.settings import Settings
from engine.store import database
from engine.store.read.history import TickHistory
from engine.store.write.writer import Writer
from tests.evolution.evolving import fork
from tests.makers import KNOBS, Drawer, StoppedClock, play, settings, simulated
from tests.sabotage import Flipped

MODELS = ("random_fourier_features", "online", "ridge")
FIRST, EVERY, LATER = 300, 120, KNOBS.deployment_lag_bars
FLIPPED = (FIRST - 1 + 4 * EVERY, FIRST - 1 + 5 * EVERY)  # the last ticks that these trainings know
TURNED, TURNED_AGAIN, SOUND = (tick + LATER for tick in (*FLIPPED, FLIPPED[1] + EVERY))  # from which their models serve
ORDINARY = TURNED - EVERY
STOPPED, END = TURNED + 60, SOUND + 25
HERE = replace(KNOBS, first_training=FIRST, retrain_every=EVERY, watch_bars=0)  # the versions before do not return


def here(**changed: Any) -> Settings:
    return settings(models=MODELS, trading=HERE, **changed)


def market() -> Any:
    return simulated(END, symbols=8)


@pytest.fixture(scope="module")
def sound_so_far() -> tuple[Engine, list[Tick]]:
    """An engine on a market with a strong signal, before its fifth training, and its ticks; not to be moved on."""
    engine = Engine(here(), market(), StoppedClock(), training_pool=Flipped(*FLIPPED), store=Drawer())
    return engine, play(engine, FLIPPED[0])


@pytest.fixture(scope="module")
def sabotaged(sound_so_far: tuple[Engine, list[Tick]]) -> list[Tick]:
    """The fifth and the sixth training are flipped and the seventh is sound."""
    engine, ticks = sound_so_far
    return [*ticks, *play(fork(engine))]


def held(ticks: list[Tick]) -> list[float]:
    return [float(np.abs(tick.outcome.sizes.current).sum()) for tick in ticks]


def agreements(ticks: list[Tick]) -> dict[int, Agreement]:
    return {
        tick.inputs.tick: succession.agreement_from_event(event)
        for tick in ticks
        for event in tick.inputs.events
        if event.kind == succession.EVENT_KIND
    }


def test_a_training_on_flipped_targets_closes_what_is_held_and_a_sound_one_opens_again(sabotaged: list[Tick]) -> None:
    assert np.mean(held(sabotaged[TURNED - 40 : TURNED])) > 0.05
    assert max(held(sabotaged[TURNED + 2 : SOUND + 1])) == 0.0
    assert np.mean(held(sabotaged[SOUND + 4 :])) > 0.05
    equity = [tick.inputs.account.equity for tick in sabotaged]
    assert equity[SOUND] > 0.997 * equity[TURNED]


def test_ordinary_trainings_agree_and_flipped_ones_contradict(sabotaged: list[Tick]) -> None:
    agreement = agreements(sabotaged)
    proven = sabotaged[TURNED].outcome.state.succession.inherited < 1.0  # where nothing was, the record went on with the flipped versions
    assert proven[:2].all()
    assert sorted(agreement) == [ORDINARY - 2 * EVERY, ORDINARY - EVERY, ORDINARY, TURNED, TURNED_AGAIN, SOUND]
    for tick, signs in ((ORDINARY, (1, 1)), (TURNED, (-1, -1)), (TURNED_AGAIN, (-1, 1)), (SOUND, (1, -1))):
        assert (agreement[tick].with_record * signs[0] > 0.4)[proven].all(), tick
        assert (agreement[tick].with_previous * signs[1] > 0.4)[proven].all(), tick
        assert {version.rpartition("-")[0] for version, _ in agreement[tick].models} == set(MODELS)
        assert agreement[tick].rows >= 1_000


def test_the_limit_says_what_it_took(sabotaged: list[Tick]) -> None:
    row = LIMITS.index("new version")
    for tick, share in ((TURNED - 1, 1.0), (TURNED, 0.0), (TURNED_AGAIN, 0.0), (SOUND, 1.0)):
        steps = sabotaged[tick].outcome.sizes.steps
        assert np.abs(steps[row]).sum() > 0.0
        np.testing.assert_allclose(steps[row + 1], share * steps[row])


@dataclass
class Pieces:
    """The same, on a store, stopped while the flipped versions serve and gone on with."""

    url: str
    digests: list[str]


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Pieces:
    url = f"sqlite:///{tmp_path_factory.mktemp('succession') / 'podium.db'}"
    database.prepare(url)
    digests: list[str] = []
    for ticks in (STOPPED, None):
        writer, history = Writer(url), TickHistory(url)
        engine, _ = resume_engine(here(database_url=url), market(), StoppedClock(), writer, history, training_pool=Flipped(*FLIPPED))
        digests += [tick.decisions_digest for tick in play(engine, ticks)]
        history.close()
        writer.close()
    return Pieces(url, digests)


@pytest.fixture
def history(pieces: Pieces) -> Iterator[TickHistory]:
    opened = TickHistory(pieces.url)
    yield opened
    opened.close()


def test_a_restart_on_probation_changes_nothing(pieces: Pieces, sabotaged: list[Tick]) -> None:
    assert pieces.digests == [tick.decisions_digest for tick in sabotaged]


@pytest.mark.parametrize("tick", [TURNED - 1, TURNED, TURNED + 1, STOPPED, TURNED_AGAIN, SOUND, SOUND + 1])
def test_a_replay_sees_what_was_inherited(history: TickHistory, tick: int) -> None:
    verdict = replay_tick(history, tick)
    assert verdict.identical, verdict


def test_a_light_model_that_turns_costs_no_size_but_is_told(sound_so_far: tuple[Engine, list[Tick]]) -> None:
    """The weights decide: one model of three says the opposite, and the ensemble goes on saying the same."""
    engine = fork(sound_so_far[0])
    engine._training_pool = Flipped(FLIPPED[0], models=("random_fourier_features",))
    ticks = play(engine, TURNED + 1 - FLIPPED[0])
    agreement = agreements(ticks)[TURNED]
    by_model = {version.rpartition("-")[0]: values for version, values in agreement.models}
    assert (by_model["random_fourier_features"] < 0.0).all()
    assert (by_model["ridge"] > 0.5).all()
    weights = ticks[-1].outcome.forecast.weights
    shares = weights[MODELS.index("random_fourier_features")] / weights.sum(axis=0)
    assert ((agreement.with_record > 0.5) | (shares > 0.25)).all()
