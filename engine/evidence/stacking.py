"""Weights of an ensemble learned online: discounted ridge regression of the target on the models' forecasts, not negative, shrunk towards 0."""

from __future__ import annotations

import numpy as np

from engine.domain.record import Floats

SWEEPS = 25


def weigh(gram: Floats, moment: Floats, rows: Floats, prior_rows: float) -> Floats:
    """(M, H) weights minimising w'Gw - 2 w'b + prior sum_m G_mm w_m^2 / n over w >= 0, with G (H, M, M), b (H, M) and n (H,) discounted sums.

    The prior says "as many rows as `prior_rows` in which a forecast was worth nothing", so weights start at 0 and must be earned; they never
    exceed what the evidence supports, and a forecast twice too bold is halved. Coordinate descent; a model that never spoke keeps weight 0.
    """
    diagonal = np.einsum("hmm->hm", gram)
    stiff = diagonal * (1.0 + prior_rows / np.maximum(rows, 1.0)[:, None])
    live = diagonal > 1e-12
    safe = np.where(live, stiff, 1.0)
    weights = np.zeros_like(moment)
    for _ in range(SWEEPS):
        for model in range(moment.shape[1]):
            others = np.einsum("hk,hk->h", gram[:, model, :], weights) - diagonal[:, model] * weights[:, model]
            weights[:, model] = np.where(live[:, model], np.maximum(0.0, (moment[:, model] - others) / safe[:, model]), 0.0)
    return np.ascontiguousarray(weights.T)
