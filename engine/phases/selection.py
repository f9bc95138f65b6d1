"""Phase 4, model selection: which models to hear in these conditions, by predicted loss."""

from __future__ import annotations

import numpy as np

from engine.domain.decision import MarketState, ModelSelection
from engine.domain.model import Catalog
from engine.domain.record import Floats
from engine.domain.state import State
from engine.evidence import selection_gain

MIN_ACTIVE_MODELS = 2  # models always heard: where none is worth anything, want of skill is to bind, not want of models
PRIOR_TICKS = 500.0  # ticks of "as good as no forecast" each model starts from


def market_conditions(mood: MarketState) -> Floats:
    """(C,) what a model's loss may depend on: 1, stress, mean |trend|, correlation."""
    return np.array([1.0, mood.stress, min(float(np.abs(mood.trend).mean()), 5.0), mood.correlation])


def select_models(mood: MarketState, state: State, catalog: Catalog) -> ModelSelection:
    """Prefers each model whose ridge regression of loss on conditions predicts no worse than "no forecast"; the best two always.

    Only those preferred are heard where that has been proved to pay against hearing all (evidence.silencing), else all that serve.

    The loss is sum (y - w f)^2 / sum y^2 over symbols and horizons of a tick, less 1, with w what the model's forecasts have been worth
    (see evidence.due), so that 0 is "no forecast" and the prior shrinks towards it. Decision 11 tells what this was compared with.
    """
    serving = np.array([served is not None for served in catalog.serving], dtype=bool)
    moments, target = state.conditions[:, :, :-1], state.conditions[:, :, -1]
    now = market_conditions(mood)
    slopes = np.linalg.solve(moments + PRIOR_TICKS * np.eye(len(now)), target[:, :, None])[:, :, 0]
    expected = 1.0 + slopes @ now
    if not np.isfinite(expected).all():
        raise ValueError(f"the predicted losses are not finite: {expected}")
    best = np.argsort(np.where(serving, expected, np.inf), kind="stable")[:MIN_ACTIVE_MODELS]
    preferred = serving & (expected <= 1.0)
    preferred[best] = serving[best]
    heard = preferred if selection_gain.is_selection_proved(state.selection_gain) else serving
    return ModelSelection(catalog.names, heard, preferred, np.where(serving, expected, np.nan), now)


def select_all_models(mood: MarketState, state: State, catalog: Catalog) -> ModelSelection:
    """Assumes nothing of the models: hears all that serve."""
    del state
    serving = np.array([served is not None for served in catalog.serving], dtype=bool)
    return ModelSelection(catalog.names, serving, serving, np.full(len(catalog.names), np.nan), market_conditions(mood))
