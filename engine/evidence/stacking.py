"""Stacking weights of an ensemble, learned online: discounted ridge regression of the target on forecasts, not negative (Breiman 1996)."""

from __future__ import annotations

from operator import mul

import numpy as np

from engine.domain.record import Floats

SWEEPS = 25


def stacking_weights(gram: Floats, moment: Floats, rows: Floats, prior_rows: float) -> Floats:
    """(M, H) weights minimising w'Gw - 2 w'b + prior sum_m G_mm w_m^2 / n over w >= 0, with G (H, M, M), b (H, M) and rows (H, M) discounted sums.

    The prior is equivalent to `prior_rows` rows in which a forecast was worth nothing, so that weights start at 0 and must be earned; a forecast that
    is twice too bold is halved. n is the largest number of rows of a horizon. Where a model has fewer rows than another, their products are scaled up
    to the rows of the other in its equation. Solved by coordinate descent; a model without forecasts keeps weight 0.
    """
    penalty_factor = _penalty_factor(rows, prior_rows)
    columns = [
        _descend(_scale_products(*sums).tolist(), own_moment.tolist(), float(factor))
        for *sums, own_moment, factor in zip(gram, rows, moment, penalty_factor, strict=True)
    ]
    return np.array(columns).reshape(moment.shape).T.copy()


def single_model_weights(gram: Floats, moment: Floats, rows: Floats, prior_rows: float) -> Floats:
    """(M, H) the weight of each model alone: the slope of the target on its forecast, not negative, with the same prior."""
    power = np.diagonal(gram, axis1=1, axis2=2) * _penalty_factor(rows, prior_rows)[:, None]
    return np.asarray(np.where(power > 1e-12, np.maximum(moment, 0.0) / np.maximum(power, 1e-12), 0.0).T)


def _penalty_factor(rows: Floats, prior_rows: float) -> Floats:
    """(H,) factor of each model's squared forecasts: the ensemble pays the prior once, not again for each model that joins it."""
    return np.asarray(1.0 + prior_rows / np.maximum(rows.max(axis=1), 1.0))


def _scale_products(gram: Floats, rows: Floats) -> Floats:
    """(M, M) the products in each model's own equation, as if they were summed over as many rows as its own squares."""
    if rows.min() == rows.max():
        return gram
    own = np.maximum(rows, 1.0)
    return np.asarray(gram * (own[:, None] / np.minimum(own[:, None], own)))


def _descend(gram: list[list[float]], moment: list[float], penalty_factor: float) -> list[float]:
    """The weights of one horizon in plain numbers: for a handful of models, arrays cost more than they save."""
    weights = [0.0] * len(moment)
    active = [model for model, row in enumerate(gram) if row[model] > 1e-12]
    for _ in range(SWEEPS):
        before = weights.copy()
        for model in active:
            row = gram[model]
            others = sum(map(mul, row, weights)) - row[model] * weights[model]
            weights[model] = max(0.0, (moment[model] - others) / (row[model] * penalty_factor))
        if weights == before:
            break
    return weights
