"""Phase 5, cross-model validation: the prediction of each model, their agreement, and the reliability of each."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from engine.domain.decision import FeatureMatrix, ModelSelection, Predictions
from engine.domain.model import PLUGIN_ERRORS, Catalog, ServingModel
from engine.domain.record import Bools, Floats
from engine.domain.state import OnlineInputs, State
from engine.evidence import recursive_least_squares, stacking

WARN_OUT_OF_DISTRIBUTION, STOP_OUT_OF_DISTRIBUTION = 0.10, 0.35  # share of features outside their range in training
OUTLIER_DEVIATIONS = 6.0  # median absolute deviations from the median beyond which a prediction may be an outlier
OUTLIER_SIZES = 4.0  # root mean squares of the model's own forecasts beyond which it is one
RECORD_ROWS = 500.0  # of a model's forecasts that its root mean square needs
MAX_BLANK_RELIANCE = 0.25  # share of a model's reliance on blank columns above which it is not active
PRIOR_ROWS = 4_000.0  # rows of a worthless forecast that a model's record starts from
NORMAL_LOG_ODDS_SLOPE = 1.6  # slope at 0 of a standard normal's log odds: 4 phi(0)


def cross_check_models(selection: ModelSelection, matrix: FeatureMatrix, state: State, catalog: Catalog) -> Predictions:
    """Return the prediction of every serving model. Features out of distribution and outliers lower its reliability; it is 0 where not active.

    A model is not active where it was not selected, and for a symbol whose columns are blank or stale.
    """
    if not any(catalog.serving):
        return trust_no_model(selection, matrix, state, catalog)
    count, horizons = len(matrix.usable), state.weights.shape[1]
    mean = np.full((len(catalog.names), horizons, count), np.nan)
    online_inputs: list[OnlineInputs] = []
    for index, served in enumerate(catalog.serving):
        if served is not None:
            mean[index] = _predict(index, served, matrix, state, catalog, online_inputs)
    mean = np.where(matrix.usable, mean, np.nan)
    shadows = _predict_shadows(matrix, state, catalog, online_inputs)
    blank = np.isnan(matrix.values)
    outside = _out_of_distribution(matrix, blank, catalog)
    active = selection.active[:, None] & matrix.usable & ~_relies_on_blanks(blank, catalog)
    reliability = active[:, None, :] * (1.0 - np.minimum(outside / STOP_OUT_OF_DISTRIBUTION, 1.0) * 0.5)
    known = np.isfinite(mean)
    votes = np.where(known, mean, 0.0)
    reliability = np.where(known, reliability * np.where(_outliers(votes, reliability, _usual_sizes(state)), 0.5, 1.0), 0.0)
    verdict, factor = _verdict(outside, matrix)
    reduced = reliability * factor
    agreement, dispersion = _agreement(votes, reliability)
    return Predictions(
        models=catalog.names,
        versions=tuple(["" if served is None else served.version for served in catalog.serving]),
        mean=mean,
        reliability=reduced,
        agreement=agreement,
        out_of_distribution=outside,
        active_models=(reduced[:, 0] > 0).sum(axis=0) * 1.0,
        verdict=verdict,
        confidence=vote_confidence(votes, state),
        dispersion=dispersion,
        online_inputs=tuple(online_inputs),
        selection=selection,
        shadow_digests=tuple([served.digest for served in catalog.shadows]),
        shadows=shadows,
    )


def _predict(index: int, served: ServingModel, matrix: FeatureMatrix, state: State, catalog: Catalog, online_inputs: list[OnlineInputs]) -> Floats:
    """Return (H, S) the prediction of a model; raises ValueError where its shape is wrong or it is not finite for a usable symbol.

    The inputs of an online-learning model are appended to `online_inputs`.
    """
    learner, inputs = served.model.online, served.online_inputs(index, matrix.values)
    if learner is None or inputs is None:
        prediction = catalog.predict(served, matrix.values)
    else:
        memory = recursive_least_squares.find_memory(state.online_memories, served.version)
        prediction = np.asarray(learner.forecast(served.fitted, inputs.columns, memory, state.tick - served.trained_to))
        online_inputs.append(inputs)
    horizons = state.weights.shape[1]
    if prediction.shape != (horizons, len(matrix.usable)):
        raise ValueError(f"{served.version} returned shape {prediction.shape}, expected {(horizons, len(matrix.usable))}")
    if np.count_nonzero(np.isfinite(prediction)) < prediction.size and not np.isfinite(prediction[:, matrix.usable]).all():
        raise ValueError(f"{served.version} returned a forecast that is not finite")
    return prediction


def _predict_shadows(matrix: FeatureMatrix, state: State, catalog: Catalog, online_inputs: list[OnlineInputs]) -> Floats:
    """Return (C, H, S) the predictions of the versions in shadow; NaN where a version fails, which concerns its contest and not the decision."""
    shadows = np.full((len(catalog.shadows), state.weights.shape[1], len(matrix.usable)), np.nan)
    if not catalog.shadows:
        return shadows
    for index, served in enumerate(catalog.shadows):
        with suppress(*PLUGIN_ERRORS):
            shadows[index] = _predict(catalog.names.index(served.place), served, matrix, state, catalog, online_inputs)
    return np.where(matrix.usable, shadows, np.nan)


def trust_no_model(selection: ModelSelection, matrix: FeatureMatrix, state: State, catalog: Catalog) -> Predictions:
    """Fall back to no active model."""
    count = len(matrix.usable)
    shape = (len(selection.models), state.weights.shape[1], count)
    versions = tuple("" if served is None else served.version for served in catalog.serving)
    none_active, zero = np.zeros(count), np.zeros(shape[1:])
    return Predictions(
        selection.models, versions, np.full(shape, np.nan), np.zeros(shape), zero, np.ones(count), none_active, "unreliable", np.full(shape, 0.5),
        zero, (), selection, (), np.zeros((0, *shape[1:])),
    )  # fmt: skip


def _relies_on_blanks(blank: Bools, catalog: Catalog) -> Bools:
    """Return (M, S) where more than a quarter of a model's reliance is on `blank` (S, F) columns."""
    none = np.zeros(blank.shape[1])
    reliance = np.array([none if served is None else served.reliance for served in catalog.serving])
    return np.asarray(reliance @ blank.T > MAX_BLANK_RELIANCE)


def _out_of_distribution(matrix: FeatureMatrix, blank: Bools, catalog: Catalog) -> Floats:
    """Return (S,) the share of features outside the range that the newest serving model was trained on; 1 where none serves.

    A model that was trained on all columns goes before a newer one that was trained on some, whose share is that of its own columns.
    """
    serving: list[ServingModel] = [served for served in catalog.serving if served is not None]
    if not serving:
        return np.ones(len(matrix.usable))
    newest = max(serving, key=lambda served: (served.columns is None, served.trained_to))
    with np.errstate(over="ignore"):
        values = matrix.values.astype(np.float32)  # as the bounds were measured: rounding puts nothing outside
    beyond = (values < newest.feature_low) | (values > newest.feature_high) | (blank & np.isfinite(newest.feature_low))
    return np.where(matrix.usable, newest.select(beyond).mean(axis=1), 1.0)


def _outliers(votes: Floats, reliability: Floats, sizes: Floats) -> Bools:
    """Return (M, H, S) predictions far from their median, in median absolute deviations, and beyond what is usual for the model itself; needs three
    active models. Distance alone would mark the one model that sees something where the others see nothing. `sizes` is (M, H).
    """
    enough = (reliability > 0).sum(axis=0) >= 3
    deviation = np.abs(votes - _median(votes))
    is_far = deviation > OUTLIER_DEVIATIONS * np.maximum(_median(deviation), 1e-3)
    return np.asarray(enough & is_far & (np.abs(votes) > OUTLIER_SIZES * sizes[:, :, None]))


def _usual_sizes(state: State) -> Floats:
    """Return (M, H) the root mean square of each model's forecasts on record; 0 where the record is too short to tell."""
    rows = state.weight_rows.T
    power = np.diagonal(state.gram, axis1=1, axis2=2).T / np.maximum(rows, 1.0)
    return np.asarray(np.where(rows >= RECORD_ROWS, np.sqrt(power), 0.0))


def _median(votes: Floats) -> Floats:
    """Return the median of finite numbers along the first axis; np.median spends most of its time on NaN and shapes."""
    ordered, count = np.sort(votes, axis=0), len(votes)
    return np.asarray((ordered[(count - 1) // 2] + ordered[count // 2]) / 2.0)


def _agreement(votes: Floats, reliability: Floats) -> tuple[Floats, Floats]:
    """Return (H, S) the reliability-weighted share of predictions with the majority's sign, and (H, S) their weighted deviation; 0 without any."""
    total = reliability.sum(axis=0)
    share = reliability / np.where(total > 0, total, 1.0)
    up = (share * (votes > 0)).sum(axis=0)
    deviation = votes - (share * votes).sum(axis=0)
    return np.where(total > 0, np.maximum(up, 1.0 - up), 0.0), np.sqrt((share * deviation * deviation).sum(axis=0))


def vote_confidence(votes: Floats, state: State) -> Floats:
    """Return (M, H, S) the probability that a prediction has the right direction: the prediction times its model's slope at that horizon.

    The slope is that of targets on the model's own predictions, shrunk towards 0, from the moments that the ensemble's weights are learned from.
    """
    slope = stacking.single_model_weights(state.gram, state.moment, state.weight_rows, PRIOR_ROWS)
    return np.asarray(1.0 / (1.0 + np.exp(-NORMAL_LOG_ODDS_SLOPE * np.minimum(np.abs(votes) * slope[:, :, None], 10.0))))


def _verdict(outside: Floats, matrix: FeatureMatrix) -> tuple[str, float]:
    """Return the verdict over the universe, and the factor that it puts on every reliability."""
    share = float(outside[matrix.usable].mean()) if matrix.usable.any() else 1.0
    if share > STOP_OUT_OF_DISTRIBUTION:
        return "unreliable", 0.0
    return ("warning", 0.75) if share > WARN_OUT_OF_DISTRIBUTION else ("reliable", 1.0)
