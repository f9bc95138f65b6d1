"""Phase 5, cross-model validation: what each model says, how far they agree, and how far each is to be trusted."""

from __future__ import annotations

import numpy as np

from engine.domain.decision import FeatureMatrix, ModelSelection, Predictions
from engine.domain.model import Catalog, ServingModel
from engine.domain.record import Bools, Floats
from engine.domain.state import OnlineInputs, State
from engine.evidence import recursive_least_squares, stacking

WARN_OUT_OF_DISTRIBUTION, STOP_OUT_OF_DISTRIBUTION = 0.10, 0.35  # share of features outside their trained range
OUTLIER_DEVIATIONS = 6.0  # median absolute deviations beyond which a vote is doubted
MAX_BLANK_RELIANCE = 0.25  # of what a model relies on: it is not heard where more of that is blank
PRIOR_ROWS = 4_000.0  # of a forecast worth nothing, that a model's record starts from
NORMAL_LOG_ODDS_SLOPE = 1.6  # slope at 0 of a standard normal's log odds: 4 phi(0)


def cross_check_models(chosen: ModelSelection, matrix: FeatureMatrix, state: State, catalog: Catalog) -> Predictions:
    """Every serving model's forecast; trust falls with features outside their trained range and with outlying votes, to 0 where it is not heard.

    Not heard are models that were not chosen, and for one symbol those whose columns are blank or stale for it.
    """
    if not any(catalog.serving):
        return trust_no_model(chosen, matrix, state, catalog)
    count, horizons = len(matrix.usable), state.weights.shape[1]
    mean = np.full((len(catalog.names), horizons, count), np.nan)
    seen: list[OnlineInputs] = []
    for index, served in enumerate(catalog.serving):
        if served is not None:
            mean[index] = _ask(index, served, matrix, state, seen)
    mean = np.where(matrix.usable, mean, np.nan)
    blank = np.isnan(matrix.values)
    outside = _outside(matrix, blank, catalog)
    heard = chosen.active[:, None] & matrix.usable & ~_hollow(blank, catalog)
    trust = heard[:, None, :] * (1.0 - np.minimum(outside / STOP_OUT_OF_DISTRIBUTION, 1.0) * 0.5)
    spoken = np.isfinite(mean)
    votes = np.where(spoken, mean, 0.0)
    trust = np.where(spoken, trust * np.where(_outlying(votes, trust), 0.5, 1.0), 0.0)
    verdict, factor = _verdict(outside, matrix)
    trusted = trust * factor
    agreement, disagreement = _accord(votes, trust)
    return Predictions(
        models=catalog.names,
        versions=tuple(["" if served is None else served.version for served in catalog.serving]),
        mean=mean,
        reliability=trusted,
        agreement=agreement,
        out_of_distribution=outside,
        active_models=(trusted[:, 0] > 0).sum(axis=0) * 1.0,
        verdict=verdict,
        confidence=vote_confidence(votes, state),
        dispersion=disagreement,
        online_inputs=tuple(seen),
        selection=chosen,
    )


def _ask(index: int, served: ServingModel, matrix: FeatureMatrix, state: State, seen: list[OnlineInputs]) -> Floats:
    """(H, S) what a model says, whatever of symbols that are not usable; raises ValueError when that is no forecast.

    What a model that learns at every tick looked at is added to `seen`.
    """
    going_on = served.model.online
    if going_on is None:
        said = np.asarray(served.model.predict(served.fitted, matrix.values))
    else:
        looked = going_on.select_columns(served.fitted, matrix.values)
        elapsed = state.tick - served.trained_to
        said = going_on.forecast(served.fitted, looked, recursive_least_squares.find_memory(state.online_memories, served.version), elapsed)
        seen.append(OnlineInputs(index, served.version, going_on.decay, looked))
    horizons = state.weights.shape[1]
    if said.shape != (horizons, len(matrix.usable)):
        raise ValueError(f"{served.version} gave shape {said.shape}, expected {(horizons, len(matrix.usable))}")
    if not np.isfinite(said).all() and not np.isfinite(said[:, matrix.usable]).all():
        raise ValueError(f"{served.version} gave a forecast that is not finite")
    return said


def trust_no_model(chosen: ModelSelection, matrix: FeatureMatrix, state: State, catalog: Catalog) -> Predictions:
    """Assumes no model can be relied on: none is heard."""
    count = len(matrix.usable)
    shape = (len(chosen.models), state.weights.shape[1], count)
    versions = tuple("" if served is None else served.version for served in catalog.serving)
    nothing, calm = np.zeros(count), np.zeros(shape[1:])
    return Predictions(
        chosen.models, versions, np.full(shape, np.nan), np.zeros(shape), calm, np.ones(count), nothing, "unreliable", np.full(shape, 0.5), calm, (),
        chosen,
    )  # fmt: skip


def _hollow(blank: Bools, catalog: Catalog) -> Bools:
    """(M, S) where more than a quarter of what a model relies on is `blank` (S, F)."""
    none = np.zeros(blank.shape[1])
    reliance = np.array([none if served is None else served.reliance for served in catalog.serving])
    return np.asarray(reliance @ blank.T > MAX_BLANK_RELIANCE)


def _outside(matrix: FeatureMatrix, blank: Bools, catalog: Catalog) -> Floats:
    """(S,) share of features outside the range the serving models were trained on; 1 where none serves."""
    served: list[ServingModel] = [one for one in catalog.serving if one is not None]
    if not served:
        return np.ones(len(matrix.usable))
    newest = max(served, key=lambda one: one.trained_to)
    beyond = (matrix.values < newest.feature_low) | (matrix.values > newest.feature_high) | (blank & np.isfinite(newest.feature_low))
    return np.where(matrix.usable, beyond.mean(axis=1), 1.0)


def _outlying(votes: Floats, trust: Floats) -> Bools:
    """(M, H, S) votes far from the median of those heard, in median absolute deviations; needs three votes to tell."""
    heard = trust > 0
    enough = heard.sum(axis=0) >= 3
    away = np.abs(votes - _median(votes))
    return np.asarray(enough & (away > OUTLIER_DEVIATIONS * np.maximum(_median(away), 1e-3)))


def _median(votes: Floats) -> Floats:
    """Of finite numbers, along the first axis: numpy's own spends most of its time on blanks and shapes."""
    ordered, count = np.sort(votes, axis=0), len(votes)
    return np.asarray((ordered[(count - 1) // 2] + ordered[count // 2]) / 2.0)


def _accord(votes: Floats, trust: Floats) -> tuple[Floats, Floats]:
    """(H, S) trust-weighted share of votes on the side of the majority, and (H, S) trust-weighted deviation of the votes; 0 where none is heard."""
    total = trust.sum(axis=0)
    share = trust / np.where(total > 0, total, 1.0)
    up = (share * (votes > 0)).sum(axis=0)
    away = votes - (share * votes).sum(axis=0)
    return np.where(total > 0, np.maximum(up, 1.0 - up), 0.0), np.sqrt((share * away * away).sum(axis=0))


def vote_confidence(votes: Floats, state: State) -> Floats:
    """(M, H, S) chance that a vote has the direction right: the vote, scaled by what votes of its model and horizon have been worth.

    Each model by itself, as the ensemble's weights are learned: the slope of what came on what was said, shrunk towards 0.
    """
    worth = stacking.single_model_weights(state.gram, state.moment, state.weight_rows, PRIOR_ROWS)
    return np.asarray(1.0 / (1.0 + np.exp(-NORMAL_LOG_ODDS_SLOPE * np.minimum(np.abs(votes) * worth[:, :, None], 10.0))))


def _verdict(outside: Floats, matrix: FeatureMatrix) -> tuple[str, float]:
    """The verdict over the universe, and what it makes of everybody's trust."""
    share = float(outside[matrix.usable].mean()) if matrix.usable.any() else 1.0
    if share > STOP_OUT_OF_DISTRIBUTION:
        return "unreliable", 0.0
    return ("warning", 0.75) if share > WARN_OUT_OF_DISTRIBUTION else ("reliable", 1.0)
