"""Weights of an ensemble learned online: discounted ridge regression of the target on the models' forecasts, not negative, shrunk towards 0."""

from __future__ import annotations

import numpy as np

from engine.domain.record import Floats

SWEEPS = 25


def stacking_weights(gram: Floats, moment: Floats, rows: Floats, prior_rows: float) -> Floats:
    """(M, H) weights minimising w'Gw - 2 w'b + prior sum_m G_mm w_m^2 / n over w >= 0, with G (H, M, M), b (H, M) and n (H,) discounted sums.

    The prior says "as many rows as `prior_rows` in which a forecast was worth nothing", so weights start at 0 and must be earned; they never
    exceed what the evidence supports, and a forecast twice too bold is halved. Coordinate descent; a model that never spoke keeps weight 0.
    """
    stiffer = 1.0 + prior_rows / np.maximum(rows, 1.0)
    columns = [_descend(*one) for one in zip(gram.tolist(), moment.tolist(), stiffer.tolist(), strict=True)]
    return np.array(columns).reshape(moment.shape).T.copy()


def single_model_weights(gram: Floats, moment: Floats, rows: Floats, prior_rows: float) -> Floats:
    """(M, H) what a model's forecast has been worth by itself: the slope of what came on it, not negative, with the same prior."""
    stiffer = 1.0 + prior_rows / np.maximum(rows, 1.0)
    power = np.diagonal(gram, axis1=1, axis2=2) * stiffer[:, None]
    return np.asarray(np.where(power > 1e-12, np.maximum(moment, 0.0) / np.maximum(power, 1e-12), 0.0).T)


def _descend(gram: list[list[float]], moment: list[float], stiffer: float) -> list[float]:
    """The weights of one horizon, in plain numbers: with a handful of models, arrays cost more than they save."""
    weights = [0.0] * len(moment)
    live = [model for model, row in enumerate(gram) if row[model] > 1e-12]
    for _ in range(SWEEPS):
        before = weights.copy()
        for model in live:
            row = gram[model]
            others = sum(one * weight for one, weight in zip(row, weights, strict=True)) - row[model] * weights[model]
            weights[model] = max(0.0, (moment[model] - others) / (row[model] * stiffer))
        if weights == before:
            break
    return weights
