"""Phase 5, cross-model validation: what each model says, how far they agree, and how far each is to be trusted."""

from __future__ import annotations

import numpy as np

from engine.domain.decision import Chosen, Matrix, Opinions
from engine.domain.model import Catalog, Serving
from engine.domain.record import Floats
from engine.domain.state import State

WARN_OUTSIDE, STOP_OUTSIDE = 0.10, 0.35  # share of features outside their trained range
OUTLYING = 6.0  # median absolute deviations beyond which a vote is doubted


def cross_check(chosen: Chosen, matrix: Matrix, state: State, catalog: Catalog) -> Opinions:
    """Every serving model's forecast; trust falls with features outside their trained range and with outlying votes, to 0 where it is not heard."""
    count, horizons = len(matrix.usable), state.weights.shape[1]
    mean = np.full((len(catalog.names), horizons, count), np.nan)
    for index, served in enumerate(catalog.serving):
        if served is not None:
            mean[index] = _ask(served, matrix, horizons)
    outside = _outside(matrix, catalog)
    trust = np.broadcast_to((chosen.heard[:, None] & matrix.usable)[:, None, :], mean.shape) * (1.0 - np.clip(outside / STOP_OUTSIDE, 0.0, 1.0) * 0.5)
    trust = np.where(np.isfinite(mean), trust * np.where(_outlying(mean, trust), 0.5, 1.0), 0.0)
    verdict, factor = _verdict(outside, matrix)
    versions = tuple("" if served is None else served.version for served in catalog.serving)
    trusted = trust * factor
    return Opinions(catalog.names, versions, mean, trusted, _agreement(mean, trust), outside, (trusted[:, 0] > 0).sum(axis=0) * 1.0, verdict)


def _ask(served: Serving, matrix: Matrix, horizons: int) -> Floats:
    """(H, S) what a model says, blank for symbols that are not usable; raises ValueError when that is no forecast."""
    said = np.asarray(served.model.predict(served.fitted, matrix.values))
    if said.shape != (horizons, len(matrix.usable)):
        raise ValueError(f"{served.version} gave shape {said.shape}, expected {(horizons, len(matrix.usable))}")
    if not np.isfinite(said[:, matrix.usable]).all():
        raise ValueError(f"{served.version} gave a forecast that is not finite")
    return np.where(matrix.usable, said, np.nan)


def trust_none(chosen: Chosen, matrix: Matrix, state: State, catalog: Catalog) -> Opinions:
    """Assumes no model can be relied on: none is heard."""
    count = len(matrix.usable)
    shape = (len(chosen.models), state.weights.shape[1], count)
    versions = tuple("" if served is None else served.version for served in catalog.serving)
    nothing = np.zeros(count)
    return Opinions(chosen.models, versions, np.full(shape, np.nan), np.zeros(shape), np.zeros(shape[1:]), np.ones(count), nothing, "unreliable")


def _outside(matrix: Matrix, catalog: Catalog) -> Floats:
    """(S,) share of features outside the range the serving models were trained on; 1 where none serves."""
    served: list[Serving] = [one for one in catalog.serving if one is not None]
    if not served:
        return np.ones(len(matrix.usable))
    newest = max(served, key=lambda one: one.trained_to)
    beyond = (matrix.values < newest.low) | (matrix.values > newest.high) | (np.isnan(matrix.values) & np.isfinite(newest.low))
    return np.where(matrix.usable, beyond.mean(axis=1), 1.0)


def _outlying(mean: Floats, trust: Floats) -> np.ndarray:
    """(M, H, S) votes far from the median of those heard, in median absolute deviations; needs three votes to tell."""
    heard = trust > 0
    enough = heard.sum(axis=0) >= 3
    votes = np.where(np.isfinite(mean), mean, 0.0)
    away = np.abs(votes - _median(votes))
    return np.asarray(enough & (away > OUTLYING * np.maximum(_median(away), 1e-3)))


def _median(votes: Floats) -> Floats:
    """Of finite numbers, along the first axis: numpy's own spends most of its time on blanks and shapes."""
    ordered, count = np.sort(votes, axis=0), len(votes)
    return np.asarray((ordered[(count - 1) // 2] + ordered[count // 2]) / 2.0)


def _agreement(mean: Floats, trust: Floats) -> Floats:
    """(H, S) trust-weighted share of votes on the side of the majority."""
    total = trust.sum(axis=0)
    up = (trust * (np.where(np.isfinite(mean), mean, 0.0) > 0)).sum(axis=0)
    share = np.where(total > 0, up / np.where(total > 0, total, 1.0), 0.0)
    return np.where(total > 0, np.maximum(share, 1.0 - share), 0.0)


def _verdict(outside: Floats, matrix: Matrix) -> tuple[str, float]:
    """The verdict over the universe, and what it makes of everybody's trust."""
    share = float(outside[matrix.usable].mean()) if matrix.usable.any() else 1.0
    if share > STOP_OUTSIDE:
        return "unreliable", 0.0
    return ("warning", 0.75) if share > WARN_OUTSIDE else ("reliable", 1.0)
