"""The contract of every model."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import combinations

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from engine.domain.model import Model, TrainingSet
from engine.domain.recipe import Recipe
from engine.domain.record import Floats
from engine.evidence import skill
from engine.plugins import discover_plugins
from engine.service import training
from tests.makers import BARS, KNOBS, Lesson, engine, lesson, play, simulated

MODELS: tuple[Model, ...] = discover_plugins("engine.models", "MODEL")
SERVING = training.select_models()  # by default
EVERY = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)


def live(count: int) -> Floats:
    """(count, 12) features as a tick hands them over."""
    return np.asarray(rows().x[:count], dtype=np.float64)


@cache
def rows(count: int = 1_500, columns: int = 12, seed: int = 3) -> TrainingSet:
    """Made rows in which a tenth of the target can be known, with blanks among the features and targets that are not yet known."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(count, columns))
    y = np.stack([0.3 * x[:, 0] + 0.2 * np.sin(x[:, 1]) + draw.normal(size=count) for _ in range(3)], axis=1)
    x[draw.random(x.shape) < 0.02] = np.nan
    tick = np.arange(count) // 4
    for index, horizon in enumerate((1, 3, 12)):
        y[tick > tick[-1] - horizon, index] = np.nan
    return TrainingSet(tuple(f"c{index}" for index in range(columns)), (1, 3, 12), x.astype(np.float32), y, tick, int(tick[-1]))


def test_there_are_models_of_six_kinds_lightgbm_is_one_and_one_learns_at_every_tick() -> None:
    assert len({model.kind for model in MODELS}) >= 6
    assert len({model.name for model in MODELS}) == len(MODELS)
    assert "lightgbm" in {model.name for model in MODELS}
    assert any(model.online is not None for model in MODELS)


@EVERY
def test_the_same_rows_and_seed_give_the_same_bytes(model: Model) -> None:
    data = model.fit(rows(), 7)
    assert isinstance(data, bytes)
    assert model.fit(replace(rows()), 7) == data


@EVERY
def test_its_bytes_are_no_pickle(model: Model) -> None:
    data = model.fit(rows(), 7)
    assert data[:2] != b"\x80\x04"
    assert data[:1] in {b"[", b"{", b"P"}  # JSON or a zip of plain arrays
    assert b"pickle" not in data
    assert b"numpy.core" not in data


@EVERY
def test_a_loaded_model_predicts_every_symbol(model: Model) -> None:
    fitted = model.load(model.fit(rows(), 7))
    forecasts = model.predict(fitted, live(9))
    assert forecasts.shape == (3, 9)
    assert np.isfinite(forecasts).all()
    assert np.asarray(model.predict(fitted, live(1))).shape == (3, 1)
    again = model.predict(model.load(model.fit(rows(), 7)), live(9))
    assert np.asarray(forecasts).tobytes() == np.asarray(again).tobytes()


@EVERY
def test_blank_features_are_survived(model: Model) -> None:
    fitted = model.load(model.fit(rows(), 7))
    blank = np.full((2, 12), np.nan)
    assert np.isfinite(model.predict(fitted, blank)).all()
    hollow = replace(rows(), x=np.where(np.arange(12) == 4, np.nan, rows().x))
    assert np.isfinite(model.predict(model.load(model.fit(hollow, 7)), live(3))).all()


@EVERY
@pytest.mark.parametrize("count", [1, 5, 60, 250])
def test_few_rows_are_survived(model: Model, count: int) -> None:
    few = rows(count)
    assert np.isfinite(model.predict(model.load(model.fit(few, 7)), live(2))).all()


@EVERY
def test_a_target_nowhere_known_is_survived(model: Model) -> None:
    unknown = replace(rows(), y=np.full_like(rows().y, np.nan))
    forecasts = model.predict(model.load(model.fit(unknown, 7)), live(2))
    np.testing.assert_allclose(forecasts, 0.0, atol=1e-12)


@EVERY
def test_it_finds_a_signal_and_little_where_there_is_none(model: Model) -> None:
    many = rows(6_000)
    fresh = rows(3_000, seed=8)
    forecasts = model.predict(model.load(model.fit(many, 7)), fresh.x.astype(np.float64))[0]
    y = 0.3 * np.nan_to_num(fresh.x[:, 0]) + 0.2 * np.sin(np.nan_to_num(fresh.x[:, 1]))
    assert np.corrcoef(forecasts, y)[0, 1] > 0.2
    noise = replace(many, y=np.where(np.isfinite(many.y), np.random.default_rng(1).normal(size=many.y.shape), np.nan))
    assert model.predict(model.load(model.fit(noise, 7)), fresh.x.astype(np.float64))[0].std() < 0.35


@EVERY
def test_bytes_that_are_not_its_own_are_refused_in_one_line(model: Model) -> None:
    artifact = training.fit_model(model.name, Recipe(model.name), rows(), 7, 12)
    with pytest.raises(ValueError, match="is corrupt") as forecasts:
        training.load_model(replace(artifact, data=artifact.data[:-1]))
    assert "\n" not in str(forecasts.value)


@EVERY
@pytest.mark.parametrize("spoiled", ["nothing", "words", "half", "another's", "an empty list"])
def test_load_refuses_other_bytes_in_one_line(model: Model, spoiled: str) -> None:
    whole = model.fit(rows(300), 7)
    other = next(running for running in MODELS if running.name != model.name and (running.name == "lightgbm") != (model.name == "lightgbm"))
    data = {
        "nothing": b"",
        "words": b"no model",
        "half": whole[: len(whole) // 2],
        "another's": other.fit(rows(300), 7),
        "an empty list": b'["tree"]',
    }
    with pytest.raises(ValueError, match=r"these .* bytes") as forecasts:
        model.load(data[spoiled])
    assert "\n" not in str(forecasts.value)


@EVERY
def test_features_without_bounds_are_survived(model: Model) -> None:
    x = rows(300).x.copy()
    x[::50, 3], x[1::50, 4] = np.inf, -np.inf
    fitted = model.load(model.fit(replace(rows(300), x=x), 7))
    wild = np.tile([np.inf, -np.inf, 1e300, -1e300, np.nan, 0.0], (6, 2))
    assert np.isfinite(model.predict(fitted, wild)).all()


@EVERY
def test_the_number_of_threads_changes_no_bit(model: Model) -> None:
    digests = []
    for threads in (1, 2, 4):
        with threadpool_limits(threads):
            digests.append(training.fit_model(model.name, Recipe(model.name), rows(1_500, 40), 7, 12).data_digest)
    assert len(set(digests)) == 1


@EVERY
def test_a_models_reliance_on_columns_is_measured(model: Model) -> None:
    draw = np.random.default_rng(5)
    y = 0.8 * np.nan_to_num(rows(3_000).x[:, :1]) + draw.normal(size=(3_000, 3))
    hollow = np.where(np.arange(12) == 4, np.nan, rows(3_000).x).astype(np.float32)
    served = training.load_model(training.fit_model(model.name, Recipe(model.name), replace(rows(3_000), x=hollow, y=y), 7, 12))
    assert served.reliance.sum() == pytest.approx(1.0)
    assert served.reliance.argmax() == 0
    assert served.reliance[4] == 0.0
    silent = training.load_model(training.fit_model(model.name, Recipe(model.name), replace(rows(), y=np.full_like(rows().y, np.nan)), 7, 12))
    assert np.isfinite(silent.reliance).all()


def test_forecasts_of_two_models_are_not_one_forecast() -> None:
    """Pairwise, over every horizon, at the default signal: a larger one is one linear truth that every good model must agree on."""
    ticks = play(engine(simulated(1_100, signal=0.05)))
    votes = np.concatenate([tick.outcome.predictions.mean.reshape(len(SERVING), -1) for tick in ticks[640:]], axis=1)
    for first, second in combinations(range(len(SERVING)), 2):
        both = np.corrcoef(votes[first], votes[second])[0, 1]
        assert abs(both) < 0.95, (SERVING[first].name, SERVING[second].name, both)


def ensemble_r2(names: tuple[str, ...]) -> tuple[str, float]:
    """The digest of a run's decisions and the ensemble's R2 at one bar with these models."""
    running = engine(simulated(480), models=names, trading=replace(KNOBS, first_training=250, retrain_every=1_000))
    digests = [tick.decisions_digest for tick in play(running)]
    ensemble_row = next(
        row for row in skill.skill_table(running.state, running.config.horizons) if (row.model, row.horizon, row.regime) == ("ensemble", 1, "all")
    )
    assert ensemble_row.r2 is not None
    return digests[-1], ensemble_row.r2


@pytest.mark.slow
def test_each_model_can_be_taken_away_and_its_part_is_measured() -> None:
    names = tuple(model.name for model in SERVING)
    whole_digest, whole = ensemble_r2(names)
    parts = {}
    for name in names:
        digest, without = ensemble_r2(tuple(other for other in names if other != name))
        assert digest != whole_digest
        parts[name] = whole - without
    print({name: f"{part:+.4f} of R2 {whole:.4f}" for name, part in parts.items()})
    assert all(np.isfinite(part) for part in parts.values())
    assert all(part != 0.0 for part in parts.values())


def test_the_lesson_that_others_rely_on_was_trained_three_times() -> None:
    taught: Lesson = lesson()
    assert [artifact.trained_to for artifact in taught.artifacts[:: len(SERVING)]] == [399, 549, 699]
    assert len(taught.decisions) == BARS
