"""Phase 4, model selection: the models to use in the present conditions, by predicted loss."""

from __future__ import annotations

import numpy as np

from engine.domain.decision import MarketState, ModelSelection
from engine.domain.model import Catalog
from engine.domain.record import Floats
from engine.domain.state import State
from engine.evidence import selection_gain

MIN_ACTIVE_MODELS = 2  # models that are always active: where none has value, the gate on skill is to bind, not the gate on their number
PRIOR_TICKS = 500.0  # ticks of "as good as no forecast" that each model starts from

PRIOR = PRIOR_TICKS * np.eye(4)  # by condition


def market_conditions(market_state: MarketState) -> Floats:
    """Return (C,) the conditions that a model's loss may depend on: 1, stress, mean |trend|, correlation."""
    return np.array([1.0, market_state.stress, min(float(np.abs(market_state.trend).mean()), 5.0), market_state.correlation])


def select_models(market_state: MarketState, state: State, catalog: Catalog) -> ModelSelection:
    """Prefer each model whose ridge regression of loss on conditions predicts no worse than "no forecast", and always the best two.

    Only the preferred models are active where that is proven to beat using all (evidence.selection_gain); otherwise all that serve are.

    The loss is sum (y - w f)^2 / sum y^2 over the symbols and horizons of a tick, minus 1, where w is the value of the model's forecasts so far
    (see evidence.scoring). So 0 is "no forecast", and the prior shrinks towards it. Decision 11 lists the alternatives.
    """
    serving = np.array([served is not None for served in catalog.serving], dtype=bool)
    moments, target = state.conditions[:, :, :-1], state.conditions[:, :, -1]
    present = market_conditions(market_state)
    slopes = np.linalg.solve(moments + PRIOR, target[:, :, None])[:, :, 0]
    expected = 1.0 + slopes @ present
    if not np.isfinite(expected).all():
        raise ValueError(f"the predicted losses are not finite: {expected}")
    best = np.argsort(np.where(serving, expected, np.inf), kind="stable")[:MIN_ACTIVE_MODELS]
    preferred = serving & (expected <= 1.0)
    preferred[best] = serving[best]
    active = preferred if selection_gain.is_selection_proved(state.selection_gain) else serving
    return ModelSelection(catalog.names, active, preferred, np.where(serving, expected, np.nan), present)


def select_all_models(market_state: MarketState, state: State, catalog: Catalog) -> ModelSelection:
    """Fall back to all serving models."""
    del state
    serving = np.array([served is not None for served in catalog.serving], dtype=bool)
    return ModelSelection(catalog.names, serving, serving, np.full(len(catalog.names), np.nan), market_conditions(market_state))
