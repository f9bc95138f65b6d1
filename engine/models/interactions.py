"""Ridge regression on the strongest columns and pairwise products of columns, which no model of single columns and few nonlinear ones see.

Screening: the sums of target times product over all pairs are one matrix product per horizon, X' diag(y) X, and with the squares of both those of
their heteroscedasticity-robust variance (White 1980). Symbols move together and targets overlap, so that variance is too small; it is raised to that
of the sums of successive parts of the time, for each pair and for all on average (as variances are pooled by Smyth 2004). A pair passes where its
statistic exceeds sqrt(2 log pairs), about the largest of as many of noise (Donoho and Johnstone 1994), and half of that with any stripe left out.
Cross-check: what is selected and fitted on every second stripe of the time forecasts the others; unless these forecasts go with the targets, the
model forecasts 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.domain.model import Hyperparameter, Model, TrainingSet
from engine.domain.record import Bools, Floats, Ints
from engine.evidence import linear
from engine.models._hyperparameters import read_parameters

HYPERPARAMETERS = (
    Hyperparameter("products", 12, 1, 64, integer=True, log=True, structural=True),
    Hyperparameter("columns", 8, 0, 32, integer=True),
    Hyperparameter("penalty_scale", 1.0, 0.05, 50.0, log=True),
)
STRIPES = 8  # of the time: every second one is fitted, the others check
PARTS = 4 * STRIPES  # of the time, whose sums are compared
MIN_ROWS = 400  # below which nothing is learned
CHECK_PENALTY = 0.1  # of the cross-check's fits, in multiples of their rows
NO_EVIDENCE = 2.0  # t statistic of the cross-check up to which the model forecasts 0; it is the scale of the shrinkage above


@dataclass(frozen=True, slots=True)
class Fitted:
    """Coefficients on standardised columns and standardised products of them; U columns are used, P pairs, K single ones."""

    used: Ints  # (U,) among all
    standard: linear.Standardiser  # of those
    terms: Terms  # among those
    slopes: Floats  # (K + P, H)
    intercept: Floats  # (H,)


@dataclass(frozen=True, slots=True)
class Terms:
    """Single columns and pairs, with the moments of the products."""

    single: Ints  # (K,)
    first: Ints  # (P,)
    second: Ints  # (P,)
    mean: Floats  # (P,)
    deviation: Floats  # (P,)

    def design(self, z: Floats) -> Floats:
        """(N, K + P) regressors, of (N, F) standardised columns."""
        products = (z[:, self.first] * z[:, self.second] - self.mean) / self.deviation
        return np.concatenate((z[:, self.single], products), axis=1)


@dataclass(frozen=True, slots=True)
class _ScreeningSums:
    """Sums over the rows of each part of the time, of columns and of pairs; T parts."""

    single: Floats  # (T, H, F) target times column
    single_power: Floats  # (T, H, F) squared
    pair: Floats  # (T, H, F, F) target times product
    pair_power: Floats  # (T, H, F, F) squared


def fit(training: TrainingSet, seed: int, **parameters: float) -> bytes:
    """Select columns and pairs, then fit a ridge regression on them; `seed` has no effect."""
    del seed
    values = read_parameters(HYPERPARAMETERS, parameters)
    standard = linear.fit_standardiser(training.x)
    z = standard.transform(training.x)
    terms, slopes = _empty_terms(), np.zeros((1, len(training.horizons)))
    part = _divide(training)
    if np.isfinite(training.y).all(axis=1).sum() >= MIN_ROWS and len(np.unique(part[part >= 0])) == PARTS:
        sums = _sum_parts(z, training.y, part)
        limits = int(values["columns"]), int(values["products"])
        terms = _select(z, sums, np.ones(PARTS, dtype=bool), limits)
        slopes = linear.fit_ridge(terms.design(z), training, values["penalty_scale"]) * _trust(
            z, training, part, sums, (len(terms.single), len(terms.first))
        )
    used = np.unique(np.concatenate((terms.single, terms.first, terms.second)))
    places = {name: np.searchsorted(used, getattr(terms, name)) for name in ("single", "first", "second")}
    return linear.arrays_to_bytes(
        used=used, mean_product=terms.mean, deviation_product=terms.deviation, slopes=slopes, **places, **standard.select_columns(used).to_arrays()
    )


def load(data: bytes) -> Fitted:
    """Load the model from its bytes. Raises ValueError for other bytes."""
    names = ("used", "single", "first", "second", "mean_product", "deviation_product", "slopes")
    parts = linear.arrays_from_bytes(data, *linear.STANDARDISER_ARRAYS, *names)
    used, single, first, second = (parts[name].astype(np.int64) for name in names[:4])
    terms = Terms(single, first, second, parts["mean_product"], parts["deviation_product"])
    slopes = parts["slopes"]
    if slopes.ndim != 2 or len(slopes) != len(single) + len(first) + 1:
        raise ValueError(f"these {len(data)} bytes have coefficients of shape {slopes.shape}")
    return Fitted(used, linear.standardiser_from_arrays(parts), terms, slopes[:-1], slopes[-1])


def predict(fitted: Fitted, x: Floats) -> Floats:
    """(H, S) forecasts in horizon volatilities, from (S, F) features."""
    z = fitted.standard.transform(x[:, fitted.used])
    return np.ascontiguousarray((fitted.terms.design(z) @ fitted.slopes + fitted.intercept).T)


def _empty_terms() -> Terms:
    none, nothing = np.zeros(0, dtype=np.int64), np.zeros(0)
    return Terms(none, none, none, nothing, nothing)


def _divide(training: TrainingSet) -> Ints:
    """(N,) the part of the time of each row; -1 for rows whose targets reach into the next stripe."""
    edges = np.quantile(training.tick, np.arange(1, PARTS) / PARTS) if len(training.tick) else np.zeros(PARTS - 1)
    part, end = (np.searchsorted(edges, training.tick + ahead, side="right") for ahead in (0, max(training.horizons)))
    return np.where(_stripe(part) == _stripe(end), part, -1)


def _stripe(part: Ints) -> Ints:
    return part // (PARTS // STRIPES)


def _sum_parts(z: Floats, y: Floats, part: Ints) -> _ScreeningSums:
    """The sums of each part; unknown targets count as its mean. In single precision, which halves the time: a screen needs no more."""
    width, horizons = z.shape[1], y.shape[1]
    single, pair = np.zeros((2, PARTS, horizons, width)), np.zeros((2, PARTS, horizons, width, width))
    for number in range(PARTS):
        rows = part == number
        columns, targets = z[rows].astype(np.float32), y[rows]
        known = np.isfinite(targets)
        centre = np.where(known, targets, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        weights = np.where(known, targets - centre, 0.0).astype(np.float32)
        for power, (left, right) in enumerate(((columns, weights), (columns * columns, weights * weights))):
            single[power, number] = right.T @ left
            for index in range(horizons):
                pair[power, number, index] = (left * right[:, index : index + 1]).T @ left
    return _ScreeningSums(single[0], single[1], pair[0], pair[1])


def _select(z: Floats, sums: _ScreeningSums, parts: Bools, limits: tuple[int, int]) -> Terms:
    """The strongest columns and pairs over these parts, at most so many of each."""
    width = z.shape[1]
    single = _strongest(_strength(sums.single[parts], sums.single_power[parts], width), limits[0])
    first, second = np.triu_indices(width, 1)
    strength = _strength(sums.pair[parts][:, :, first, second], sums.pair_power[parts][:, :, first, second], len(first))
    chosen = _strongest(strength, limits[1])
    first, second = first[chosen], second[chosen]
    products = z[:, first] * z[:, second]
    deviation = products.std(axis=0)
    return Terms(single, first, second, products.mean(axis=0), np.where(deviation > 1e-9, deviation, 1.0))


def _strength(moment: Floats, power: Floats, count: int) -> Floats:
    """(C,) largest statistic over the horizons, of (T, H, C) sums by part; 0 where it is below that of `count` candidates of noise.

    Every second stripe alone is for the cross-check, which compares as many terms as passed over all of the time: there nothing is too weak.
    """
    if count == 0:
        return np.zeros(0)
    threshold = np.sqrt(2.0 * np.log(max(count, 2))) if len(moment) == PARTS else 0.0
    white = np.maximum(power.sum(axis=0), 1e-12)
    parts = len(moment)
    apart = (np.diff(moment, axis=0) ** 2).sum(axis=0) / 2.0 * parts / (parts - 1)  # a relation that begins or ends hardly adds to it
    effect = np.maximum((apart / white).mean(axis=1, keepdims=True), 1.0)  # of dependence, on the variance
    variance = np.maximum((apart + effect * white) / 2.0, white)
    strength = _normal_score(moment.sum(axis=0) / np.sqrt(variance), 2.0 * parts / 1.5)
    stripes = moment.reshape(-1, PARTS // STRIPES, *moment.shape[1:]).sum(axis=1)
    left = (moment.sum(axis=0) - stripes) / np.sqrt(variance)
    lasting = (np.sign(strength) * left).min(axis=0) > threshold / 2.0
    return np.asarray(np.where((np.abs(strength) > threshold) & lasting, np.abs(strength), 0.0).max(axis=0))


def _normal_score(t: Floats, freedom: float) -> Floats:
    """The standard normal deviate as unlikely as a t statistic with so many degrees of freedom (Wallace 1959)."""
    return np.asarray(np.sign(t) * (8.0 * freedom + 1.0) / (8.0 * freedom + 3.0) * np.sqrt(freedom * np.log1p(t * t / freedom)))


def _strongest(strength: Floats, most: int) -> Ints:
    """Places of the strongest, in ascending order; none of strength 0."""
    order = np.argsort(-strength, kind="stable")[:most]
    return np.sort(order[strength[order] > 0])


def _trust(z: Floats, training: TrainingSet, part: Ints, sums: _ScreeningSums, limits: tuple[int, int]) -> Floats:
    """(H,) factor from 0 to below 1 that shrinks the forecasts: 1 - (2 / t)^2, t being that of the cross-check."""
    y = np.where(np.isfinite(training.y), training.y, 0.0)
    forecasts = np.zeros_like(y)
    for odd in (0, 1):
        inside, parts = (part >= 0) & (_stripe(part) % 2 == odd), _stripe(np.arange(PARTS)) % 2 == odd
        terms = _select(z, sums, parts, limits)
        design, rows = terms.design(z), int(inside.sum())
        gram = design[inside].T @ design[inside] + CHECK_PENALTY * rows * np.eye(design.shape[1])
        outside = (part >= 0) & ~inside
        forecasts[outside] = design[outside] @ np.linalg.solve(gram, design[inside].T @ y[inside])
    block = training.tick // (4 * max(training.horizons))  # of rows whose targets overlap
    gains = np.zeros((int(block.max() - block.min()) + 1, y.shape[1]))
    np.add.at(gains, block - block.min(), forecasts * y)
    t = gains.sum(axis=0) / np.sqrt(np.maximum((gains * gains).sum(axis=0), 1e-12))
    return np.asarray(np.where(t > NO_EVIDENCE, 1.0 - (NO_EVIDENCE / np.maximum(t, NO_EVIDENCE)) ** 2, 0.0))


def contribute(data: bytes, x: Floats) -> Floats:
    """(H, S, F + 1) contributions of (S, F) features: exact Shapley values between the training mean and the features.

    At the mean a product is 0 whatever the other column is, so that both columns of a product have half of it each.
    """
    fitted = load(data)
    z, terms = fitted.standard.transform(x[:, fitted.used]), fitted.terms
    single, paired = fitted.slopes[: len(terms.single)], fitted.slopes[len(terms.single) :] / terms.deviation[:, None]
    halves = np.einsum("ph,np->hnp", paired, z[:, terms.first] * z[:, terms.second]) / 2.0
    parts = np.zeros((fitted.slopes.shape[1], len(x), x.shape[1] + 1))
    for places, shares in ((terms.single, np.einsum("kh,nk->hnk", single, z[:, terms.single])), (terms.first, halves), (terms.second, halves)):
        for column, place in enumerate(fitted.used[places].tolist()):  # a column may stand in several products
            parts[:, :, place] += shares[:, :, column]
    parts[:, :, -1] = (fitted.intercept - terms.mean @ paired)[:, None]
    return parts


MODEL = Model(
    "interactions", "interactions of columns", fit, load, predict, parameters=HYPERPARAMETERS, serves_by_default=False, contribute=contribute,
    baseline=linear.MEAN_BASELINE,
)  # fmt: skip
