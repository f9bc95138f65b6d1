"""The model that learns at every tick continues from its training, follows changes, and is the same in a replay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.domain.model import TrainingSet
from engine.domain.record import Floats
from engine.domain.state import OnlineInputs, OnlineMemory
from engine.evidence import recursive_least_squares as sums
from engine.models import online
from tests.makers import engine, moment, play, resumed, simulated
from tests.makers import lesson as taught_lesson

HORIZONS = (1, 3, 12)
SYMBOLS, WIDTH, UNTIL = 8, 20, 1_999


FEATURES = np.random.default_rng(3).normal(size=(9_200, SYMBOLS, WIDTH))
NOISE = np.random.default_rng(4).normal(size=(9_200, len(HORIZONS), SYMBOLS))


def features(tick: int) -> Floats:
    return np.asarray(FEATURES[tick])


def target(tick: int, slope: float) -> Floats:
    """(H, S) what comes of the features of a tick."""
    return np.asarray(slope * FEATURES[tick, :, 2] + NOISE[tick])


def training(slope: float = 0.4) -> TrainingSet:
    x = np.concatenate([features(tick) for tick in range(UNTIL + 1)]).astype(np.float32)
    y = np.concatenate([target(tick, slope).T for tick in range(UNTIL + 1)])
    tick = np.repeat(np.arange(UNTIL + 1), SYMBOLS)
    return TrainingSet(tuple(f"c{index}" for index in range(WIDTH)), HORIZONS, x, y, tick, UNTIL)


def going_on(fitted: online.Fitted, ticks: int, slope: float) -> tuple[OnlineMemory, ...]:
    memories: tuple[OnlineMemory, ...] = ()
    for tick in range(UNTIL + 1, UNTIL + 1 + ticks):
        targets = np.stack([target(tick - horizon, slope)[index] for index, horizon in enumerate(HORIZONS)])
        known = np.array([[tick - horizon > UNTIL] * SYMBOLS for horizon in HORIZONS])
        seen = OnlineInputs(0, "a", online.DECAY, online.select_columns(fitted, features(tick)))
        memories = sums.update_memories(memories, (seen,), known[None], targets, HORIZONS)
    return memories


def worth(fitted: online.Fitted, memories: tuple[OnlineMemory, ...], ticks: int) -> float:
    """The slope of what is forecast on the feature that matters."""
    x = np.concatenate([features(tick) for tick in range(9_000, 9_200)])
    forecasts = online.predict_online(fitted, online.select_columns(fitted, x), sums.find_memory(memories, "a"), ticks)[0]
    return float(np.polyfit(x[:, 2], forecasts, 1)[0])


def test_going_on_is_the_fit_that_a_training_on_all_rows_would_have_been() -> None:
    """But for the columns and bounds it was trained with, and the ticks that had not come due when the training ended."""
    fitted = online.load(online.fit(training(), 7))
    memories = going_on(fitted, 600, 0.4)
    assert abs(worth(fitted, memories, 600) - 0.4) < 0.05
    assert abs(worth(fitted, (), 0) - 0.4) < 0.05


def test_it_follows_a_relation_that_turns_round_and_its_training_alone_does_not() -> None:
    fitted = online.load(online.fit(training(), 7))
    turned = going_on(fitted, int(1.5 * online.HALFLIFE), -0.4)
    assert worth(fitted, turned, int(1.5 * online.HALFLIFE)) < -0.1
    assert worth(fitted, (), 0) > 0.3


def test_a_version_with_a_shorter_halflife_goes_on_with_its_own() -> None:
    """It is the fit of a training that ends later, by its own halflife; by the default one the sums would be others."""
    halflife = 200.0
    fitted = online.load(online.fit(training(), 7, halflife=halflife))
    assert fitted.decay == 0.5 ** (1.0 / halflife)
    x = features(5)
    nothing_since = OnlineMemory(0, "a", np.zeros((16, 16)), np.zeros((16, 3)), np.zeros((12, SYMBOLS, 16), dtype=np.float32))
    columns = online.select_columns(fitted, x)
    forecasts = online.predict_online(fitted, columns, nothing_since, 400)
    quarter = 0.5 ** (400 / halflife)
    slopes = np.stack([np.linalg.solve(fitted.gram * quarter + fitted.penalty[h], fitted.moment[:, h] * quarter) for h in range(3)])
    np.testing.assert_allclose(forecasts, slopes @ columns.T, rtol=1e-6)


def test_it_selects_informative_columns() -> None:
    fitted = online.load(online.fit(training(), 7))
    assert 2 in fitted.columns
    assert len(fitted.columns) == min(online.COLUMNS, WIDTH)
    assert np.abs(fitted.slopes[0]).argmax() == fitted.columns.tolist().index(2)


def test_before_any_row_comes_due_it_predicts_as_trained() -> None:
    fitted = online.load(online.fit(training(), 7))
    x = features(5)
    np.testing.assert_array_equal(online.predict_online(fitted, online.select_columns(fitted, x), None, 0), online.predict(fitted, x))


def test_its_memory_is_in_the_state_and_an_engine_that_goes_on_from_it_decides_the_same() -> None:
    at = moment()
    served = at.catalog.serving[at.catalog.names.index("online")]
    assert served is not None
    memory = next(memory for memory in at.state.online_memories if memory.version == served.version)  # the others are of versions in shadow
    assert memory.version == f"online-{served.trained_to}"
    assert (memory.moment != 0).any()
    taught = taught_lesson()
    ticks = play(resumed(740, taught.bars[740:]), 10)
    assert [tick.decisions_digest for tick in ticks] == list(taught.decisions[740:750])


def test_without_models_that_serve_there_is_no_memory() -> None:
    assert play(engine(simulated(30), trains=False))[-1].outcome.state.online_memories == ()


def test_a_row_of_thinned_rows_stands_for_the_ticks_between_them() -> None:
    whole = training()
    thinned = [replace(whole, tick=whole.tick * every) for every in (1, 3)]
    assert [online._ticks_per_row(rows) for rows in thinned] == [1.0, 3.0]
    assert online._ticks_per_row(replace(whole, tick=np.zeros_like(whole.tick))) == 1.0
    sparse = online.load(online.fit(replace(whole, tick=whole.tick * 3, until=3 * UNTIL), 7, halflife=30_000.0))
    plain = online.load(online.fit(whole, 7, halflife=10_000.0))  # in as many rows
    np.testing.assert_allclose(sparse.gram, 3.0 * plain.gram, rtol=1e-6)
    np.testing.assert_allclose(sparse.moment, 3.0 * plain.moment, rtol=1e-6)
