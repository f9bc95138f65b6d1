"""Every model against its textbook form written out, with its settings as numbers: a changed setting changes a forecast."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from sklearn.cluster import KMeans

from engine.domain.model import TrainingSet
from engine.domain.record import Floats
from engine.domain.state import OnlineMemory
from engine.evidence import linear
from engine.models import fourier_features, lightgbm, neural, online, prototypes, ridge

ROWS, COLUMNS, HORIZONS, SEED = 600, 20, (1, 3, 12), 5
UNTIL = 199


def rows(count: int = ROWS) -> TrainingSet:
    """Three rows a tick; the first column tells a tenth of the target, the second bends it; some columns are often blank; the newest targets are not
    known yet."""
    draw = np.random.default_rng(8)
    x = draw.standard_normal((count, COLUMNS))
    y = np.stack([0.35 * x[:, 0] + 0.2 * np.sin(2 * x[:, 1]) + 0.1 + draw.standard_normal(count) for _ in HORIZONS], axis=1)
    x[draw.random(x.shape) < np.linspace(0.0, 0.8, COLUMNS) * (np.arange(COLUMNS) > 4)] = np.nan
    tick = np.arange(count) // 3
    for index, horizon in enumerate(HORIZONS):
        y[tick > tick[-1] - horizon, index] = np.nan
    return TrainingSet(tuple(f"c{index}" for index in range(COLUMNS)), HORIZONS, x.astype(np.float32), y, tick, int(tick[-1]))


def live(count: int = 7) -> Floats:
    return np.random.default_rng(9).standard_normal((count, COLUMNS))


def scaled(training: TrainingSet) -> Floats:
    return linear.fit_standardiser(training.x).transform(training.x)


def test_ridge_is_the_linear_fit_on_standardised_columns() -> None:
    training = rows()
    slopes = linear.fit_ridge(scaled(training), training)
    expected = ridge.predict(ridge.load(ridge.fit(training, SEED)), live())
    z = linear.fit_standardiser(training.x).transform(live())
    np.testing.assert_allclose(expected, np.array([[row @ slopes[:-1, h] + slopes[-1, h] for row in z] for h in range(3)]), rtol=1e-12)


def test_the_kernel_model_is_ridge_on_96_random_cosines() -> None:
    training = rows()
    fitted = fourier_features.load(fourier_features.fit(training, SEED))
    assert fitted.frequencies.shape == (COLUMNS, 96)
    assert fitted.frequencies.std() == pytest.approx(1.0 / (1.5 * np.sqrt(COLUMNS)), rel=0.05)
    assert abs(fitted.frequencies.mean()) < 0.02
    assert 0.0 <= fitted.phases.min() < 0.3
    assert 6.0 < fitted.phases.max() <= 2.0 * np.pi
    slopes = linear.fit_ridge(np.cos(scaled(training) @ fitted.frequencies + fitted.phases), training)
    z = fitted.standard.transform(live())
    np.testing.assert_allclose(
        fourier_features.predict(fitted, live()), (np.cos(z @ fitted.frequencies + fitted.phases) @ slopes[:-1] + slopes[-1]).T, rtol=1e-4, atol=1e-5
    )
    assert not np.array_equal(fourier_features.load(fourier_features.fit(training, SEED + 1)).phases, fitted.phases)


def test_random_cosines_stand_for_the_gaussian_kernel() -> None:
    """Rahimi and Recht 2007: the mean of 2 cos cos over the features is exp(-|a - b|^2 / 2 l^2), with l 1.5 roots of the columns."""
    fitted = fourier_features.load(fourier_features.fit(rows(), SEED))
    near, far = live(40)[:20] * 0.5, live(40)[20:] * 0.5
    waves = [np.cos(z @ fitted.frequencies + fitted.phases) for z in (near, far)]
    kernel = 2.0 * (waves[0] * waves[1]).mean(axis=1)
    np.testing.assert_allclose(kernel, np.exp(-((near - far) ** 2).sum(axis=1) / (2 * 1.5**2 * COLUMNS)), atol=0.35)


def test_local_means_are_those_of_48_situations_shrunk_by_200_rows() -> None:
    training = rows()
    fitted = prototypes.load(prototypes.fit(training, SEED))
    z = scaled(training)
    _, vectors = np.linalg.eigh(np.cov(z.T, bias=True) + np.outer(z.mean(axis=0), z.mean(axis=0)))
    np.testing.assert_allclose(np.abs(fitted.axes.T @ vectors[:, ::-1][:, :8]), np.eye(8), atol=1e-6)  # the first eight principal components
    places = z @ fitted.axes
    kmeans = KMeans(48, n_init=1, max_iter=30, random_state=SEED, algorithm="lloyd").fit(places)
    np.testing.assert_allclose(fitted.centres, kmeans.cluster_centers_, rtol=1e-9)
    squared = ((places[:, None, :] - fitted.centres) ** 2).sum(axis=2)
    assert fitted.width == pytest.approx(squared.min(axis=1).mean(), rel=1e-9)
    voices = np.exp(-squared / fitted.width)
    voices /= voices.sum(axis=1, keepdims=True)
    for index in range(3):
        known = np.isfinite(training.y[:, index])
        means = voices[known].T @ training.y[known, index] / (voices[known].sum(axis=0) + 200.0)
        np.testing.assert_allclose(fitted.outcomes[:, index], means, rtol=1e-7)
    here = fitted.standard.transform(live()) @ fitted.axes
    far = ((here[:, None, :] - fitted.centres) ** 2).sum(axis=2)
    expected = np.exp(-far / fitted.width)
    np.testing.assert_allclose(prototypes.predict(fitted, live()), (expected / expected.sum(axis=1, keepdims=True) @ fitted.outcomes).T, rtol=1e-7)


def test_situations_are_found_in_an_even_sample_and_never_more_than_rows() -> None:
    many = rows(16_002)
    fitted = prototypes.load(prototypes.fit(many, SEED))
    places = scaled(many) @ fitted.axes
    kmeans = KMeans(48, n_init=1, max_iter=30, random_state=SEED, algorithm="lloyd").fit(np.ascontiguousarray(places[::2]))
    np.testing.assert_allclose(fitted.centres, kmeans.cluster_centers_, rtol=1e-9)
    few = prototypes.load(prototypes.fit(rows(20), SEED))
    assert len(few.centres) == 20
    assert few.width == 1e-3
    assert np.isfinite(prototypes.predict(few, live())).all()


def adam(z: Floats, y: Floats, layers: list[Floats], draw: np.random.Generator) -> list[Floats]:
    """Kingma and Ba 2015 with decoupled decay (Loshchilov and Hutter 2019), as their papers write it."""
    m, v = ([np.zeros_like(layer) for layer in layers] for _ in range(2))
    for t in range(1, 401):
        batch = draw.integers(0, len(z), 1_024)
        inward, bias, outward = layers
        hidden = np.tanh(z[batch] @ inward + bias)
        error = hidden @ outward - y[batch]
        back = error @ outward.T * (1 - hidden**2)
        gradients = [np.einsum("ni,nu->iu", z[batch], back) / 1_024, back.mean(axis=0), np.einsum("nu,nh->uh", hidden, error) / 1_024]
        rate = 4e-4 * (401 - t) / 400
        for place, gradient in enumerate(gradients):
            m[place] = 0.9 * m[place] + 0.1 * gradient
            v[place] = 0.999 * v[place] + 0.001 * gradient**2
            steep = (m[place] / (1 - 0.9**t)) / (np.sqrt(v[place] / (1 - 0.999**t)) + 1e-8)
            layers[place] = layers[place] - rate * (steep + 0.02 * layers[place])
    return layers


def test_the_network_is_400_steps_of_adam_from_no_forecast() -> None:
    training = rows()
    fitted = neural.load(neural.fit(training, SEED))
    known = np.isfinite(training.y).all(axis=1)
    draw = np.random.default_rng([SEED, 19_860_101])
    start = [draw.standard_normal((COLUMNS, 32)) / np.sqrt(COLUMNS), np.zeros(32), np.zeros((32, 3))]
    y = training.y[known]
    wanted = adam(linear.fit_standardiser(training.x).transform(training.x[known]), y - 0.9 * y.mean(axis=0), start, draw)
    for layer, result in zip(wanted, (fitted.hidden_weights, fitted.bias, fitted.output_weights), strict=True):
        np.testing.assert_allclose(result, layer, rtol=1e-4, atol=1e-5)  # the descent is in single precision
    hidden = np.tanh(fitted.standard.transform(live()) @ wanted[0] + wanted[1])
    np.testing.assert_allclose(neural.predict(fitted, live()), (hidden @ wanted[2]).T, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("known", "learned"), [(199, False), (200, True)])
def test_the_network_learns_nothing_from_fewer_than_200_rows(known: int, learned: bool) -> None:
    training = rows()
    y = training.y.copy()
    y[known:] = np.nan
    assert neural.load(neural.fit(replace(training, y=y), SEED)).output_weights.any() == learned


def chosen(z: Floats, y: Floats, count: int) -> list[int]:
    """Orthogonal matching pursuit with the residuals themselves."""
    picked: list[int] = []
    left = y.copy()
    for _ in range(count):
        gain = [
            (((z[:, column] @ left) ** 2).sum() / (z[:, column] @ z[:, column])) if column not in picked else -1.0 for column in range(z.shape[1])
        ]
        picked.append(int(np.argmax(gain)))
        left = y - z[:, picked] @ np.linalg.lstsq(z[:, picked], y, rcond=None)[0]
    return sorted(picked)


def test_the_model_that_goes_on_learns_on_16_columns_with_a_half_life_of_3000_ticks() -> None:
    training = rows()
    fitted = online.load(online.fit(training, SEED))
    known = np.isfinite(training.y).all(axis=1)
    assert fitted.columns.tolist() == chosen(scaled(training)[known], training.y[known], 16)
    z = scaled(training)[:, fitted.columns]
    fade = 0.5 ** ((training.until - training.tick) / 3_000.0)
    gram, moment = np.zeros((16, 16)), np.zeros((16, 3))
    for row, share, target in zip(z, fade, training.y, strict=True):
        gram += share * np.outer(row, row) * np.isfinite(target[0])
        moment += share * np.outer(row, np.nan_to_num(target))
    np.testing.assert_allclose(fitted.gram, gram, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(fitted.moment, moment, rtol=1e-9, atol=1e-9)
    penalties = np.maximum(0.3 * np.array(linear.choose_penalties(z, training)) * fade.sum(), 1.0)  # one row at least
    np.testing.assert_allclose([np.diagonal(item)[0] for item in fitted.penalty], penalties, rtol=1e-9)
    for index, penalty in enumerate(penalties):
        np.testing.assert_allclose(fitted.slopes[index], np.linalg.solve(gram + penalty * np.eye(16), moment[:, index]), rtol=1e-6)
    here = linear.fit_standardiser(training.x).transform(live())[:, fitted.columns].astype(np.float32)
    np.testing.assert_array_equal(online.select_columns(fitted, live()), here)
    np.testing.assert_allclose(online.predict(fitted, live()), fitted.slopes @ here.T, rtol=1e-6)


def test_later_rows_are_added_to_the_discounted_training() -> None:
    fitted = online.load(online.fit(rows(), SEED))
    since = OnlineMemory(0, "a", 3.0 * np.eye(16), np.ones((16, 3)), np.zeros((12, 1, 16), dtype=np.float32))
    left = 0.5 ** (600 / 3_000)
    slopes = [np.linalg.solve(left * fitted.gram + 3.0 * np.eye(16) + fitted.penalty[h], left * fitted.moment[:, h] + 1.0) for h in range(3)]
    seen = online.select_columns(fitted, live())
    np.testing.assert_allclose(online.predict_online(fitted, seen, since, 600), np.array(slopes) @ seen.T, rtol=1e-5)


def test_rows_that_were_thinned_stand_for_the_ticks_between_them() -> None:
    training = rows()
    whole, thin = (online.load(online.fit(replace(training, tick=training.tick * every, until=training.until * every), SEED)) for every in (1, 4))
    fade = 0.5 ** ((training.until - training.tick) * 4 / 3_000.0)
    known = np.isfinite(training.y[:, 0])
    z = scaled(training)[:, thin.columns]
    np.testing.assert_allclose(thin.gram, 4.0 * (z * (fade * known)[:, None]).T @ z, rtol=1e-9, atol=1e-9)
    assert np.trace(thin.gram) > 3.0 * np.trace(whole.gram)


def test_a_training_at_one_tick_stands_for_itself() -> None:
    training = rows(3)
    y = np.ones((3, 3))
    fitted = online.load(online.fit(replace(training, y=y, tick=np.zeros(3, dtype=np.int64), until=0), SEED))
    z = scaled(training)[:, fitted.columns]
    np.testing.assert_allclose(fitted.gram, z.T @ z, rtol=1e-9, atol=1e-9)


def boosted(training: TrainingSet, index: int = 0) -> str:
    text: str = json.loads(lightgbm.fit(training, SEED))[index]
    return text


def test_the_trees_are_few_small_and_held_back_as_their_settings_say() -> None:
    text = boosted(rows(9_000))
    result = dict(re.findall(r"^\[(\w+): (.*)\]$", text, flags=re.MULTILINE))
    wanted = {
        "objective": "regression", "learning_rate": 0.05, "num_leaves": 12, "max_bin": 63, "feature_fraction": 0.5, "bagging_fraction": 0.5,
        "bagging_freq": 5, "lambda_l2": 10.0, "num_iterations": 60, "min_data_in_leaf": 44, "seed": SEED, "num_threads": 1,
        "deterministic": 1, "force_col_wise": 1, "bin_construct_sample_cnt": 20_000,
    }  # fmt: skip
    for name, value in wanted.items():
        assert result[name] == value if isinstance(value, str) else float(result[name]) == value, name
    assert text.count("\nTree=") == 60
    assert float(dict(re.findall(r"^\[(\w+): (.*)\]$", boosted(rows(900)), flags=re.MULTILINE))["min_data_in_leaf"]) == 20


@pytest.mark.parametrize(("known", "grown"), [(199, False), (200, True)])
def test_a_horizon_with_fewer_than_200_rows_grows_no_tree(known: int, grown: bool) -> None:
    training = rows()
    y = np.where(np.arange(ROWS)[:, None] < [known, ROWS, ROWS], np.nan_to_num(training.y), np.nan)
    fitted = lightgbm.load(lightgbm.fit(replace(training, y=y), SEED))
    assert [booster is not None for booster in fitted.boosters] == [grown, True, True]


def test_only_a_tenth_of_a_drift_is_forecast() -> None:
    training = rows(3_000)
    y = training.y - np.nanmean(training.y, axis=0)
    still, drifting = (lightgbm.predict(lightgbm.load(lightgbm.fit(replace(training, y=item), SEED)), live(50)) for item in (y, y + 5.0))
    np.testing.assert_allclose(drifting - still, 0.5, atol=0.02)


@pytest.mark.parametrize(("share", "together"), [(0.9, True), (0.8975, False)])
def test_nine_tenths_of_the_rows_are_enough_to_share_one_binned_set(share: float, together: bool) -> None:
    """Where they share, every horizon learns from the rows that all know; else each from its own."""
    training = rows()
    y = np.nan_to_num(training.y)
    y[round(share * ROWS) :, 2] = np.nan
    shared = np.isfinite(y).all(axis=1)
    alone = boosted(replace(training, x=training.x[shared], y=y[shared], tick=training.tick[shared]))
    assert (boosted(replace(training, y=y)) == alone) is together
