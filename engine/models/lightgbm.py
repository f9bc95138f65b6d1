"""Gradient-boosted trees (LightGBM, Ke et al. 2017), small and heavily regularised."""

from __future__ import annotations

import json
from dataclasses import dataclass

import lightgbm
import numpy as np

from engine.domain.model import Model, TrainingSet
from engine.domain.record import Bools, Floats
from engine.models import _booster_text

ROUNDS = 60
MIN_ROWS = 200  # below which no tree is grown
BIN_SAMPLE = 20_000  # rows from which bin edges are derived: with all rows, that would be a third of the work
MIN_SHARED = 0.9  # share of a horizon's rows known to all horizons, above which they share one binned set
PARAMETERS = {
    "objective": "regression",
    "learning_rate": 0.05,
    "num_leaves": 12,
    "max_bin": 63,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.5,
    "bagging_freq": 5,
    "lambda_l2": 10.0,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}


@dataclass(frozen=True, slots=True)
class Fitted:
    """A booster per horizon, None where there were too few rows.

    `joint` holds all of them in one, where they have equally many trees: one call predicts the same bits in half the time.
    """

    boosters: tuple[lightgbm.Booster | None, ...]
    joint: lightgbm.Booster | None = None


def fit(training: TrainingSet, seed: int) -> bytes:
    """Fit one booster per horizon on the rows with a known target; the same rows and seed give the same text."""
    return json.dumps(_grow(training, seed)).encode()


def load(data: bytes) -> Fitted:
    """Load the boosters from their text form. Raises ValueError for other bytes."""
    try:
        texts = json.loads(data)
        if not isinstance(texts, list) or not texts:
            raise ValueError("they hold no list of texts")
        horizons = [None if text is None else _booster_text.read_booster(text) for text in texts]
        boosters = tuple(None if trees is None else lightgbm.Booster(model_str=_booster_text.write_booster([trees])) for trees in horizons)
        known = [trees for trees in horizons if trees is not None]
        if len({trees.features for trees in known}) > 1:
            raise ValueError("the horizons do not have the same features")
        joinable = len(known) == len(horizons) and len({len(trees.trees) for trees in known}) == 1
        return Fitted(boosters, lightgbm.Booster(model_str=_booster_text.write_booster(known)) if joinable else None)
    except (lightgbm.basic.LightGBMError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ValueError(f"these {len(data)} bytes are no boosters: {' '.join(str(error).split())}") from error


def predict(fitted: Fitted, x: Floats) -> Floats:
    """(H, S) forecasts from (S, F) features; 0, which is no forecast, for a horizon with too few training rows."""
    if fitted.joint is not None:
        return np.ascontiguousarray(np.asarray(fitted.joint.predict(x, num_threads=1)).T)
    zeros = np.zeros(len(x))
    return np.stack([zeros if booster is None else np.asarray(booster.predict(x, num_threads=1)) for booster in fitted.boosters])


def _grow(training: TrainingSet, seed: int) -> list[str | None]:
    """A tree ensemble per horizon. Binning is most of the work, so horizons with nearly the same rows share one binned set."""
    known = np.isfinite(training.y)
    shared = np.asarray(known.all(axis=1))
    if shared.sum() >= max(MIN_ROWS, MIN_SHARED * known.sum(axis=0).max()):
        data = _bin(training, shared)
        return [_boost(data, training.y[shared, index], seed) for index in range(len(training.horizons))]
    each: list[Bools] = [np.ascontiguousarray(known[:, index]) for index in range(len(training.horizons))]
    return [_boost(_bin(training, rows), training.y[rows, index], seed) if rows.sum() >= MIN_ROWS else None for index, rows in enumerate(each)]


def _bin(training: TrainingSet, rows: Bools) -> lightgbm.Dataset:
    settings = {"max_bin": PARAMETERS["max_bin"], "bin_construct_sample_cnt": BIN_SAMPLE, "verbosity": -1}
    return lightgbm.Dataset(training.x[rows], label=np.zeros(int(rows.sum())), params=settings).construct()


def _boost(data: lightgbm.Dataset, y: Floats, seed: int) -> str:
    """The text of a booster. Only a tenth of the mean stays in the target, since drift is the least reliable feature of a sample."""
    data.set_label(y - y.mean() * 0.9)
    settings = {**PARAMETERS, "seed": seed, "bin_construct_sample_cnt": BIN_SAMPLE, "min_data_in_leaf": max(20, len(y) // 200)}
    return lightgbm.train(settings, data, num_boost_round=ROUNDS).model_to_string()


MODEL = Model("lightgbm", "boosted trees", fit, load, predict)
