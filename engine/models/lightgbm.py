"""Gradient-boosted trees (LightGBM), small and heavily regularised."""

from __future__ import annotations

import json
from dataclasses import dataclass

import lightgbm
import numpy as np

from engine.domain.model import Model, Training
from engine.domain.record import Floats

ROUNDS = 60
FEWEST = 200  # rows below which no tree is grown
PARAMETERS = {
    "objective": "regression",
    "learning_rate": 0.05,
    "num_leaves": 12,
    "max_bin": 63,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.5,
    "bagging_freq": 1,
    "lambda_l2": 10.0,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}


@dataclass(frozen=True, slots=True)
class Fitted:
    """A booster a horizon; None where there were too few rows."""

    boosters: tuple[lightgbm.Booster | None, ...]


def fit(training: Training, seed: int) -> bytes:
    """One booster a horizon on the rows whose target is known; the same rows and seed give the same text."""
    return json.dumps([_grow(training.x, training.y[:, index], seed) for index in range(len(training.horizons))]).encode()


def load(data: bytes) -> Fitted:
    """The boosters back from their text form."""
    return Fitted(tuple(None if text is None else lightgbm.Booster(model_str=text) for text in json.loads(data)))


def predict(fitted: Fitted, x: Floats) -> Floats:
    """(S, F) to (H, S); 0, which is no forecast, where a horizon had too few rows to learn from."""
    blank = np.zeros(len(x))
    return np.stack([blank if booster is None else np.asarray(booster.predict(x, num_threads=1)) for booster in fitted.boosters])


def _grow(x: Floats, y: Floats, seed: int) -> str | None:
    known = np.isfinite(y)
    rows = int(known.sum())
    if rows < FEWEST:
        return None
    settings = {**PARAMETERS, "seed": seed, "min_data_in_leaf": max(20, rows // 200)}
    data = lightgbm.Dataset(x[known], label=y[known] - y[known].mean() * 0.9, params={"max_bin": 63, "verbosity": -1}, free_raw_data=True)
    return lightgbm.train(settings, data, num_boost_round=ROUNDS).model_to_string()


MODEL = Model("lightgbm", "boosted trees", fit, load, predict)
