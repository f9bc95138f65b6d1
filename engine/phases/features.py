"""Phase 2, feature engineering: the columns of every family, for all symbols at once."""

from __future__ import annotations

import numpy as np

from engine.domain.decision import FeatureMatrix
from engine.domain.market import Inputs
from engine.domain.model import Catalog
from engine.window import evaluate


def build_features(inputs: Inputs, catalog: Catalog) -> FeatureMatrix:
    """Return the columns of all families; a symbol is usable with `min_history` bars, a volatility and every required column.

    A symbol whose newest bar is not fresh is not usable, because its columns are stale. Raises ValueError naming a family that returned the wrong
    shape, or that is blank for every symbol although it may not be.
    """
    count = len(inputs.symbols)
    usable = (inputs.view.known >= inputs.config.min_history) & np.isfinite(inputs.view.sigma) & inputs.fresh & (inputs.view.age == 0)
    parts = []
    for family in catalog.families:
        part = evaluate(family.build, inputs.view)
        if part.shape != (count, len(family.columns)):
            raise ValueError(f"{family.name} returned shape {part.shape}, expected {(count, len(family.columns))}")
        parts.append(part)
    values = np.concatenate(parts, axis=1)
    filled = np.isfinite(values) | catalog.may_be_blank
    complete = usable & filled.all(axis=1)
    if usable.any() and not complete.any():
        blank = catalog.columns[int(filled[usable].sum(axis=0).argmin())]
        raise ValueError(f"{blank.split('.')[0]} has blank columns for every symbol")
    return FeatureMatrix(catalog.columns, values, complete)


def leave_features_blank(inputs: Inputs, catalog: Catalog) -> FeatureMatrix:
    """Fall back to blank columns and no usable symbol, so that no model is active."""
    count = len(inputs.symbols)
    return FeatureMatrix(catalog.columns, np.full((count, len(catalog.columns)), np.nan), np.zeros(count, dtype=bool))
