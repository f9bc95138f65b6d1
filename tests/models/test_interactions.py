"""Interactions of columns: the products that count are found among thousands, and nothing is forecast where none does."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from engine.domain.model import TrainingSet
from engine.domain.record import Floats
from engine.evidence import linear
from engine.models import interactions

SYMBOLS, COLUMNS, PAIR = 10, 75, (1, 2)
SLOPE = np.sqrt(0.05 / 0.95)  # of the standardised product: R2 0.05 at one bar


def market(seed: int, ticks: int = 1_000, columns: int = COLUMNS, *, slope: float = 0.0, begins: int = 0) -> tuple[TrainingSet, Floats]:
    """Persistent columns with fat tails that symbols share, noise that symbols share, targets that overlap; and the (N,) signal of a bar."""
    draw = np.random.default_rng(seed)
    shock = np.sqrt(0.5) * (draw.standard_t(5, size=(ticks, SYMBOLS, columns)) + draw.standard_normal((ticks, 1, columns)))
    x = np.empty_like(shock)
    x[0] = shock[0]
    for now in range(1, ticks):
        x[now] = 0.9 * x[now - 1] + np.sqrt(1.0 - 0.81) * shock[now]
    product = x[..., PAIR[0]] * x[..., PAIR[1]]
    signal = slope * (product - product.mean()) / product.std() * (np.arange(ticks)[:, None] >= begins)
    move = signal + np.sqrt(0.5) * (draw.standard_normal((ticks, SYMBOLS)) + draw.standard_normal((ticks, 1)))
    total = np.concatenate((np.zeros((1, SYMBOLS)), np.cumsum(move, axis=0)))
    y = np.full((ticks, SYMBOLS, 3), np.nan)
    for place, horizon in enumerate((1, 3, 12)):
        y[: ticks - horizon, :, place] = (total[horizon:ticks] - total[: ticks - horizon]) / np.sqrt(horizon)
    tick = np.repeat(np.arange(ticks), SYMBOLS)
    names = tuple(f"c{place}" for place in range(columns))
    return TrainingSet(names, (1, 3, 12), x.reshape(-1, columns).astype(np.float32), y.reshape(-1, 3), tick, ticks - 1), signal.reshape(-1)


@pytest.mark.parametrize(("more", "counts"), [(0, True), (4, True), (12, False)])
def test_a_relation_must_reach_half_the_threshold_without_any_stripe_of_time(more: int, counts: bool) -> None:
    """t is 3.0, the threshold among 10 candidates 2.15. Without the first of 8 stripes, which has `more` times more, 2.63, 1.75 and 1.05 are left."""
    moment = np.ones(interactions.PARTS)
    moment[: interactions.PARTS // interactions.STRIPES] += more
    moment *= 3.0 / moment.sum()
    power = np.full(interactions.PARTS, 1.0 / interactions.PARTS)
    strength = interactions._strength(moment[:, None, None], power[:, None, None], 10)
    assert (strength.item() > 0.0) == counts


def pairs(fitted: interactions.Fitted) -> list[tuple[int, int]]:
    used = fitted.used
    return [(int(used[first]), int(used[second])) for first, second in zip(fitted.terms.first, fitted.terms.second, strict=True)]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_product_that_explains_a_twentieth_is_found_among_2775_from_10_000_rows(seed: int) -> None:
    fitted = interactions.load(interactions.fit(market(seed, slope=SLOPE)[0], 7))
    assert PAIR in pairs(fitted)
    assert len(pairs(fitted)) <= 3
    fresh, signal = market(seed + 100, slope=SLOPE)
    forecasts = interactions.predict(fitted, fresh.x.astype(np.float64))
    assert np.corrcoef(forecasts[0], signal)[0, 1] > 0.9
    y = fresh.y[:, 0]
    known = np.isfinite(y)
    gained = 1.0 - ((y - forecasts[0])[known] ** 2).sum() / (y[known] ** 2).sum()
    assert gained > 0.8 * signal.var() / y[known].var()


def test_where_there_is_nothing_the_forecast_is_almost_always_0() -> None:
    """At a t statistic of 2, one horizon in 40 would pass the cross-check by chance if a term were always selected: 36 are looked at."""
    spread = np.array([interactions.predict(load, market(50, 100)[0].x.astype(float)).std(axis=1) for load in map(fit_noise, range(12))])
    assert (spread == 0.0).mean() > 0.9
    assert spread.max() < 0.1


def fit_noise(seed: int) -> interactions.Fitted:
    return interactions.load(interactions.fit(market(seed)[0], 7))


def test_a_product_that_counts_in_one_stripe_of_the_time_only_is_not_selected() -> None:
    """875 of 1,000 ticks are the first seven of eight stripes; among few columns the measure of noise is low."""
    lasting, brief = (interactions.load(interactions.fit(market(3, columns=4, slope=8 * SLOPE, begins=begins)[0], 7)) for begins in (300, 880))
    assert PAIR in pairs(lasting)
    assert PAIR not in pairs(brief)


def test_the_sums_are_those_of_every_product_written_out() -> None:
    training = market(4, 200, 6)[0]
    z, part = training.x.astype(np.float64), interactions._divide(training)
    sums = interactions._sum_parts(z, training.y, part)
    for number, horizon, (first, second) in ((0, 0, (0, 1)), (17, 2, (2, 5)), (31, 1, (3, 4))):
        rows = (part == number) & np.isfinite(training.y[:, horizon])
        y = training.y[rows, horizon] - training.y[rows, horizon].mean()
        product = z[rows, first] * z[rows, second]
        assert sums.pair[number, horizon, first, second] == pytest.approx((y * product).sum(), rel=1e-4, abs=1e-3)
        assert sums.pair_power[number, horizon, first, second] == pytest.approx((y * y * product * product).sum(), rel=1e-4)
        assert sums.single[number, horizon, first] == pytest.approx((y * z[rows, first]).sum(), rel=1e-4, abs=1e-3)


def test_rows_whose_targets_reach_into_the_next_stripe_are_in_no_part() -> None:
    training = market(4, 320, 3)[0]
    part = interactions._divide(training)
    stripes = training.tick // 40
    for tick, number, stripe in zip(training.tick.tolist(), part.tolist(), stripes.tolist(), strict=True):
        last = tick % 40 >= 28 and stripe < 7
        assert (number < 0) == last or tick % 40 == 27, (tick, number)
        if number >= 0:
            assert number // 4 == stripe


def test_terms_are_the_columns_and_the_standardised_products() -> None:
    z = np.array([[1.0, 2.0, 3.0], [0.5, -1.0, 4.0]])
    terms = interactions.Terms(np.array([1]), np.array([0, 0]), np.array([1, 2]), np.array([1.0, 0.0]), np.array([2.0, 1.0]))
    np.testing.assert_allclose(terms.design(z), [[2.0, (2.0 - 1.0) / 2.0, 3.0], [-1.0, (-0.5 - 1.0) / 2.0, 2.0]])


def test_the_limits_on_products_and_columns_hold() -> None:
    training, _ = market(5, 600, 12)
    z = training.x.astype(np.float64)
    every = np.stack([z[:, first] * z[:, second] for first, second in combinations(range(6), 2)], axis=1)
    y = 0.3 * every.sum(axis=1) + 0.3 * z[:, :6].sum(axis=1) + np.random.default_rng(1).normal(size=len(z))
    taught = replace(training, y=np.tile(y[:, None], (1, 3)))
    for products, columns in ((1, 0), (3, 2), (12, 8)):
        fitted = interactions.load(interactions.fit(taught, 7, products=products, columns=columns))
        assert len(fitted.terms.first) <= products
        assert len(fitted.terms.single) <= columns
    assert len(interactions.load(interactions.fit(taught, 7, products=3, columns=2)).terms.first) == 3


@pytest.mark.parametrize(("slope", "least"), [(SLOPE, 0.8), (SLOPE / 3.0, 0.0)])
def test_forecasts_are_shrunk_and_never_magnified_by_the_cross_check(slope: float, least: float) -> None:
    """A relation that is proved keeps most of its slope; a weak one less, and none is ever made larger."""
    rows, _ = market(5, 2_000, 6, slope=slope)
    z = linear.fit_standardiser(rows.x).transform(rows.x)
    part = interactions._divide(rows)
    sums = interactions._sum_parts(z, rows.y, part)
    terms = interactions._select(z, sums, np.ones(interactions.PARTS, dtype=bool), (2, 4))
    trust = interactions._trust(z, rows, part, sums, (len(terms.single), len(terms.first)))
    assert trust.shape == (3,)
    assert ((trust >= 0.0) & (trust < 1.0)).all()
    assert trust[0] > least
    fitted = interactions.load(interactions.fit(rows, 7, columns=2, products=4))
    np.testing.assert_allclose(fitted.slopes, (linear.fit_ridge(terms.design(z), rows, 1.0) * trust)[:-1], rtol=1e-6, atol=1e-9)
