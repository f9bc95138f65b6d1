"""Phase 2, feature engineering: every family's columns, for all symbols at once."""

from __future__ import annotations

import numpy as np

from engine.domain.decision import Matrix
from engine.domain.market import Inputs
from engine.domain.model import Catalog


def build(inputs: Inputs, catalog: Catalog) -> Matrix:
    """The columns of all families side by side; a symbol is usable once it has the history the knobs ask for, a volatility and every column it must.

    A symbol whose newest bar is not fresh is not usable: its columns are stale.

    Raises ValueError naming a family that gave the wrong shape, or is blank for every symbol where it may not be.
    """
    count = len(inputs.symbols)
    usable = (inputs.view.known >= inputs.knobs.min_history) & np.isfinite(inputs.view.sigma) & inputs.fresh & (inputs.view.age == 0)
    expected, parts = bool(usable.any()), []
    for family in catalog.families:
        part = family.build(inputs.view)
        if part.shape != (count, len(family.columns)):
            raise ValueError(f"{family.name} gave shape {part.shape}, expected {(count, len(family.columns))}")
        if not family.may_be_blank:
            usable = usable & np.isfinite(part).all(axis=1)
        if expected and not usable.any():
            raise ValueError(f"{family.name} has blank columns for every symbol")
        parts.append(part)
    return Matrix(catalog.columns, np.concatenate(parts, axis=1), usable)


def leave_blank(inputs: Inputs, catalog: Catalog) -> Matrix:
    """Assumes nothing: every column blank, no symbol usable, so that no model is heard."""
    count = len(inputs.symbols)
    return Matrix(catalog.columns, np.full((count, len(catalog.columns)), np.nan), np.zeros(count, dtype=bool))
