"""Gradient-boosted trees (LightGBM, Ke et al. 2017), small and heavily regularised."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from engine.domain.model import Hyperparameter, Model, TrainingSet
from engine.domain.record import Bools, Floats
from engine.evidence import linear
from engine.models import _booster_text
from engine.models._hyperparameters import read_parameters
from engine.models._lightgbm_library import library as lightgbm

ROUNDS = 60
MIN_ROWS = 200  # below which no tree is grown
BIN_SAMPLE = 20_000  # rows from which bin edges are derived: with all rows, that would be a third of the work
BAG_ROWS = 20_000  # a tree is grown on half of the rows; where that is more than this, on as many or on a quarter, whichever is more
MIN_SHARED = 0.9  # share of a horizon's rows known to all horizons, above which they share one binned set
PARAMETERS = {
    "objective": "regression",
    "num_leaves": 12,
    "max_bin": 63,
    "feature_fraction": 0.5,
    "bagging_freq": 5,
    "lambda_l2": 10.0,
    "deterministic": True,
    "force_col_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
UNLIMITED_DEPTH = 63  # of a tree with at most 64 leaves
HYPERPARAMETERS = (
    Hyperparameter("rounds", ROUNDS, 10, 400, integer=True, log=True),
    Hyperparameter("learning_rate", 0.05, 0.005, 0.3, log=True),
    Hyperparameter("num_leaves", 12, 2, UNLIMITED_DEPTH + 1, integer=True, log=True, structural=True),
    Hyperparameter("max_depth", UNLIMITED_DEPTH, 1, UNLIMITED_DEPTH, integer=True, log=True, structural=True),
    Hyperparameter("min_data_share", 0.005, 0.0005, 0.1, log=True),  # share of the rows that a leaf has at least
    Hyperparameter("lambda_l2", 10.0, 0.01, 1_000.0, log=True),
    Hyperparameter("feature_fraction", 0.5, 0.1, 1.0),
)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A booster per horizon, None where there were too few rows.

    `joint` holds all of them in one, where they have equally many trees: one call predicts the same bits in half the time.
    """

    boosters: tuple[lightgbm.Booster | None, ...]
    joint: lightgbm.Booster | None = None


def fit(training: TrainingSet, seed: int, **parameters: float) -> bytes:
    """Fit one booster per horizon on the rows with a known target; the same rows and seed give the same text."""
    return json.dumps(_grow(training, seed, read_parameters(HYPERPARAMETERS, parameters))).encode()


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
    """(..., H, S) forecasts from (..., S, F) features; 0, which is no forecast, for a horizon with too few training rows."""
    rows = x.reshape(-1, x.shape[-1])
    if fitted.joint is not None:
        forecasts = np.asarray(fitted.joint.predict(rows, num_threads=1)).reshape(*x.shape[:-1], -1)
    else:
        zeros = np.zeros(len(rows))
        parts = [zeros if booster is None else np.asarray(booster.predict(rows, num_threads=1)) for booster in fitted.boosters]
        forecasts = np.stack(parts, axis=-1).reshape(*x.shape[:-1], -1)
    return np.ascontiguousarray(forecasts.swapaxes(-1, -2))


def contribute(data: bytes, x: Floats) -> Floats:
    """(H, S, F + 1) contributions of (S, F) features: TreeSHAP (Lundberg et al. 2020), measured from the mean forecast over the training rows.

    It needs the numbers of rows in the leaves, which `load` leaves out: LightGBM reads the stored text itself, after `load` has checked it.
    """
    fitted = load(data)
    parts = np.zeros((len(fitted.boosters), len(x), x.shape[1] + 1))
    for index, text in enumerate(json.loads(data)):
        if text is not None:
            parts[index] = np.asarray(lightgbm.Booster(model_str=text).predict(x, num_threads=1, pred_contrib=True))
    return parts


def _grow(training: TrainingSet, seed: int, values: dict[str, float]) -> list[str | None]:
    """A tree ensemble per horizon. Binning is most of the work, so horizons with nearly the same rows share one binned set."""
    known = np.isfinite(training.y)
    shared = np.asarray(known.all(axis=1))
    if shared.sum() >= max(MIN_ROWS, MIN_SHARED * known.sum(axis=0).max()):
        data = _bin(training, shared)
        return [_boost(data, training.y[shared, index], seed, values) for index in range(len(training.horizons))]
    each: list[Bools] = [np.ascontiguousarray(known[:, index]) for index in range(len(training.horizons))]
    return [
        _boost(_bin(training, rows), training.y[rows, index], seed, values) if rows.sum() >= MIN_ROWS else None for index, rows in enumerate(each)
    ]


def _bin(training: TrainingSet, rows: Bools) -> lightgbm.Dataset:
    settings = {"max_bin": PARAMETERS["max_bin"], "bin_construct_sample_cnt": BIN_SAMPLE, "verbosity": -1}
    return lightgbm.Dataset(linear.select_rows(training.x, rows), label=np.zeros(int(rows.sum())), params=settings).construct()


def _boost(data: lightgbm.Dataset, y: Floats, seed: int, values: dict[str, float]) -> str:
    """The text of a booster. Only a tenth of the mean stays in the target, since drift is the least reliable feature of a sample."""
    data.set_label(y - y.mean() * 0.9)
    settings = {
        **PARAMETERS,
        "learning_rate": values["learning_rate"],
        "num_leaves": int(values["num_leaves"]),
        "feature_fraction": values["feature_fraction"],
        "lambda_l2": values["lambda_l2"],
        "bagging_fraction": share_of_rows(len(y)),
        "seed": seed,
        "bin_construct_sample_cnt": BIN_SAMPLE,
        "min_data_in_leaf": max(20, int(len(y) * values["min_data_share"] + 1e-6)),
    }
    if values["max_depth"] < UNLIMITED_DEPTH:
        settings["max_depth"] = int(values["max_depth"])
    return lightgbm.train(settings, data, num_boost_round=int(values["rounds"])).model_to_string()


def share_of_rows(count: int) -> float:
    """The share of so many rows that a tree is grown on."""
    return min(0.5, max(0.25, BAG_ROWS / count))


MODEL = Model(
    "lightgbm", "boosted trees", fit, load, predict, parameters=HYPERPARAMETERS, contribute=contribute,
    baseline="the mean forecast over the training rows", takes_blocks=True,
)  # fmt: skip
