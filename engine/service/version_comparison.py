"""Compares newly adopted model versions with those to which the record of skill belongs, on the newest rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from engine.domain.evidence import Agreement
from engine.domain.model import PLUGIN_ERRORS, ServingModel
from engine.domain.record import Floats
from engine.domain.state import State
from engine.evidence import recursive_least_squares, succession
from engine.service.windows import TrainingRows

RECENT_TICKS = 288  # the newest ticks, which hold the rows
MAX_ROWS = 1_200  # compared at most, but at least FEWEST ticks of every symbol
MIN_TICKS = 8
ServingModels = tuple[ServingModel | None, ...]
Versions = tuple[str, ...]  # one per model, "" where none serves
Find = Callable[[str], ServingModel | None]  # a version that served earlier


def compare_versions(before: ServingModels, after: ServingModels, state: State, rows: TrainingRows, find: Find) -> Agreement | None:
    """The agreement of the ensemble `after` with that of the versions of record and with `before`, by today's weights of the models.

    None where there is nothing to compare: every serving version is one of record or the first of its model, or no model is in both, as where
    the only one has failed and its previous version replaces it. The inherited record is then inherited further.
    """
    record, now, earlier = state.succession.record_versions, _versions(after), _versions(before)
    if not any(new and then not in ("", new) for then_all in record for new, then in zip(now, then_all, strict=True)):
        return None
    x = rows.newest_features(RECENT_TICKS, MAX_ROWS, MIN_TICKS)
    served = {version.version: version for version in (*before, *after) if version is not None}
    named = {*now, *earlier, *(version for versions in record for version in versions)} - {""}
    forecasts = {version: _forecast(served.get(version) or find(version), x, state) for version in sorted(named)}
    unit_weights = np.ones((1, len(record)))

    def with_record(versions: Versions, places: slice, weights: Floats) -> Floats:
        return np.array([_agree(versions, then[places], forecasts, weights)[h] for h, then in enumerate(record)])

    agreement = with_record(now, slice(None), state.weights)
    if not np.isfinite(agreement).any():
        return None
    return Agreement(
        rows=len(x),
        with_record=agreement,
        with_previous=_agree(now, earlier, forecasts, state.weights),
        models=tuple((version, with_record((version,), slice(m, m + 1), unit_weights)) for m, version in enumerate(now) if version),
    )


def _versions(fitted: ServingModels) -> Versions:
    return tuple("" if served is None else served.version for served in fitted)


def _agree(now: Versions, then: Versions, forecasts: Mapping[str, Floats], weights: Floats) -> Floats:
    """(H,) agreement of two ensembles over the models that are in both; `weights` (M, H)."""
    pairs = enumerate(zip(now, then, strict=True))
    both = [(m, new, old) for m, (new, old) in pairs if new and old and np.isfinite(forecasts[new] + forecasts[old]).all()]
    if not both:
        return np.full(weights.shape[1], np.nan)
    new = sum(forecasts[version] * weights[m, :, None] for m, version, _ in both)
    old = sum(forecasts[version] * weights[m, :, None] for m, _, version in both)
    return succession.measure_agreement(np.asarray(new), np.asarray(old))


def _forecast(served: ServingModel | None, x: Floats, state: State) -> Floats:
    """(H, N) forecasts of a version from these rows; NaN where it is missing or fails."""
    nothing = np.full((len(state.weight_rows), len(x)), np.nan)
    if served is None:
        return nothing
    try:
        memory = recursive_least_squares.find_memory(state.online_memories, served.version)
        return served.predict(x, memory, state.tick + 1 - served.trained_to)
    except PLUGIN_ERRORS:  # a version may fail on old rows and serve on the newest
        return nothing
