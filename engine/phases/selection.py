"""Phase 4, model selection: which models to hear in these conditions, by predicted loss."""

from __future__ import annotations

import numpy as np

from engine.domain.decision import Chosen, Mood
from engine.domain.model import Catalog
from engine.domain.record import Floats
from engine.domain.state import State
from engine.evidence import silencing

FEWEST = 2  # models always heard: where none is worth anything, want of skill is to bind, not want of models
PRIOR = 500.0  # ticks of "as good as no forecast" each model starts from


def conditions(market_state: Mood) -> Floats:
    """(C,) what a model's loss may depend on: 1, stress, mean |trend|, correlation."""
    return np.array([1.0, market_state.stress, min(float(np.abs(market_state.trend).mean()), 5.0), market_state.correlation])


def choose(market_state: Mood, state: State, catalog: Catalog) -> Chosen:
    """Prefers each model whose ridge regression of loss on conditions predicts no worse than "no forecast"; the best two always.

    Only those preferred are heard where that has been proved to pay against hearing all (evidence.silencing), else all that serve.

    The loss is sum (y - w f)^2 / sum y^2 over symbols and horizons of a tick, less 1, with w what the model's forecasts have been worth
    (see evidence.due), so that 0 is "no forecast" and the prior shrinks towards it. Decision 11 tells what this was compared with.
    """
    serving = np.array([served is not None for served in catalog.serving], dtype=bool)
    moments, target = state.conditions[:, :, :-1], state.conditions[:, :, -1]
    now = conditions(market_state)
    slopes = np.linalg.solve(moments + PRIOR * np.eye(len(now)), target[:, :, None])[:, :, 0]
    expected = 1.0 + slopes @ now
    if not np.isfinite(expected).all():
        raise ValueError(f"the predicted losses are not finite: {expected}")
    best = np.argsort(np.where(serving, expected, np.inf), kind="stable")[:FEWEST]
    preferred = serving & (expected <= 1.0)
    preferred[best] = serving[best]
    heard = preferred if silencing.pays(state.silencing) else serving
    return Chosen(catalog.names, heard, preferred, np.where(serving, expected, np.nan), now)


def choose_all(market_state: Mood, state: State, catalog: Catalog) -> Chosen:
    """Assumes nothing of the models: hears all that serve."""
    del state
    serving = np.array([served is not None for served in catalog.serving], dtype=bool)
    return Chosen(catalog.names, serving, serving, np.full(len(catalog.names), np.nan), conditions(market_state))
