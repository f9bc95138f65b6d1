"""Phase 2, feature engineering: every family's columns, for all symbols at once."""

from __future__ import annotations

import numpy as np

from engine.domain.decision import FeatureMatrix
from engine.domain.market import Inputs
from engine.domain.model import Catalog


def build_features(inputs: Inputs, catalog: Catalog) -> FeatureMatrix:
    """The columns of all families side by side; a symbol is usable once it has the history the knobs ask for, a volatility and every column it must.

    A symbol whose newest bar is not fresh is not usable: its columns are stale.

    Raises ValueError naming a family that gave the wrong shape, or is blank for every symbol where it may not be.
    """
    count = len(inputs.symbols)
    usable = (inputs.view.known >= inputs.config.min_history) & np.isfinite(inputs.view.sigma) & inputs.fresh & (inputs.view.age == 0)
    parts = []
    for family in catalog.families:
        part = family.build(inputs.view)
        if part.shape != (count, len(family.columns)):
            raise ValueError(f"{family.name} gave shape {part.shape}, expected {(count, len(family.columns))}")
        parts.append(part)
    values = np.concatenate(parts, axis=1)
    there = np.isfinite(values) | catalog.may_be_blank
    complete = usable & there.all(axis=1)
    if usable.any() and not complete.any():
        blank = catalog.columns[int(there[usable].sum(axis=0).argmin())]
        raise ValueError(f"{blank.split('.')[0]} has blank columns for every symbol")
    return FeatureMatrix(catalog.columns, values, complete)


def leave_features_blank(inputs: Inputs, catalog: Catalog) -> FeatureMatrix:
    """Assumes nothing: every column blank, no symbol usable, so that no model is heard."""
    count = len(inputs.symbols)
    return FeatureMatrix(catalog.columns, np.full((count, len(catalog.columns)), np.nan), np.zeros(count, dtype=bool))
