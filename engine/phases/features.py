"""Phase 2, feature engineering: every family's columns, for all symbols at once."""

from __future__ import annotations

import numpy as np

from engine.domain.decision import Matrix
from engine.domain.market import Inputs
from engine.domain.model import Catalog


def build(inputs: Inputs, catalog: Catalog) -> Matrix:
    """The columns of all families side by side; a symbol is usable once it has the history the knobs ask for and a volatility."""
    values = np.concatenate([family.build(inputs.view) for family in catalog.families], axis=1)
    usable = (inputs.view.known >= inputs.knobs.min_history) & np.isfinite(inputs.view.sigma)
    return Matrix(catalog.columns, values, usable)


def leave_blank(inputs: Inputs, catalog: Catalog) -> Matrix:
    """Assumes nothing: every column blank, no symbol usable, so that no model is heard."""
    count = len(inputs.symbols)
    return Matrix(catalog.columns, np.full((count, len(catalog.columns)), np.nan), np.zeros(count, dtype=bool))
