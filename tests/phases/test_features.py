"""Usable symbols: those with enough history, a volatility, a fresh bar and every required column."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from engine.domain.decision import FeatureMatrix
from engine.domain.market import MarketView
from engine.domain.model import FeatureFamily
from engine.domain.record import Floats
from engine.phases import features
from tests.makers import Moment, changed, moment
from tests.sabotage import family_that


def built(at: Moment) -> FeatureMatrix:
    return features.build_features(at.inputs, at.catalog)


def viewed(at: Moment, **parts: object) -> Moment:
    return changed(at, view=replace(at.inputs.view, **parts))  # type: ignore[arg-type]


def test_all_families_stand_side_by_side_and_every_symbol_is_usable() -> None:
    at = moment()
    matrix = built(at)
    np.testing.assert_array_equal(matrix.values, np.concatenate([family.build(at.inputs.view) for family in at.catalog.families], axis=1))
    assert matrix.columns == at.catalog.columns
    assert matrix.usable.all()


@pytest.mark.parametrize(
    ("name", "odd", "usable"), [("known", 120, True), ("known", 119, False), ("age", 0, True), ("age", 1, False), ("sigma", np.nan, False)]
)
def test_one_symbol_without_what_it_needs_is_not_usable_and_the_others_are(name: str, odd: float, usable: bool) -> None:
    part = getattr(moment().inputs.view, name).copy()
    part[3] = odd
    at = viewed(moment(), **{name: part})
    assert at.inputs.config.min_history == 120
    expected = np.ones(8, dtype=bool)
    expected[3] = usable
    assert built(at).usable.tolist() == expected.tolist()


def test_a_stale_bar_is_not_usable() -> None:
    fresh = np.ones(8, dtype=bool)
    fresh[5] = False
    assert built(changed(moment(), fresh=fresh)).usable.tolist() == fresh.tolist()


def test_a_symbol_with_a_blank_where_none_may_be_is_not_usable() -> None:
    def blanked(family: FeatureFamily, view: MarketView) -> Floats:
        values = np.array(family.build(view))
        values[2, 0] = np.nan
        return values

    assert built(family_that(moment(), blanked)).usable.tolist() == [place != 2 for place in range(8)]


def nothing(family: FeatureFamily, view: MarketView) -> Floats:
    return family.build(view) * np.nan


def test_columns_that_may_be_blank_take_nobody_out() -> None:
    at = moment()
    families = tuple(replace(one, may_be_blank=True, build=partial(nothing, one)) for one in at.catalog.families)
    assert built(replace(at, catalog=replace(at.catalog, families=families))).usable.all()


def test_a_family_that_is_blank_or_of_the_wrong_shape_is_named() -> None:
    with pytest.raises(ValueError, match=r"^returns has blank columns for every symbol$"):
        built(family_that(moment(), nothing))
    with pytest.raises(ValueError, match=r"^returns returned shape \(7, \d+\), expected \(8, \d+\)$"):
        built(family_that(moment(), lambda family, view: family.build(view)[1:]))


def test_where_no_symbol_has_a_history_a_blank_family_is_no_fault() -> None:
    at = viewed(family_that(moment(), nothing), known=np.zeros(8, dtype=np.int64))
    assert not built(at).usable.any()


def test_when_building_fails_every_column_is_blank_and_nobody_usable() -> None:
    at = moment()
    matrix = features.leave_features_blank(at.inputs, at.catalog)
    assert np.isnan(matrix.values).all()
    assert matrix.values.shape == (8, len(at.catalog.columns))
    assert not matrix.usable.any()
