"""What every family of features promises, whichever are there."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter

import numpy as np
import pytest

from engine.discover import discover
from engine.domain.market import Bars, Books, Flow
from engine.domain.model import Family
from engine.domain.record import Floats
from engine.window import look
from tests.makers import Moment, lesson, moment, no_books, no_flow

FAMILIES: tuple[Family, ...] = discover("engine.features", "FAMILY")
EVERY = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
ALONE = pytest.mark.parametrize("family", [family for family in FAMILIES if family.name != "cross_section"], ids=lambda family: family.name)


def built(family: Family, at: Moment) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return np.asarray(family.build(at.inputs.view))


def sliced(record: Bars | Books | Flow, symbols: slice) -> list[Floats]:
    return [np.ascontiguousarray(getattr(record, name)[symbols]) for name in type(record).__slots__]


def test_there_are_enough_columns_in_enough_families_and_names_are_unique() -> None:
    columns = lesson().moments[740].catalog.columns
    assert len(columns) == len(set(columns)) >= 30
    assert len(FAMILIES) >= 5
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)


@EVERY
def test_it_gives_a_column_for_each_name_and_numbers_where_it_must(family: Family) -> None:
    for tick, at in lesson().moments.items():
        values = built(family, at)
        assert values.shape == (8, len(family.columns)), tick
        assert values.dtype == np.float64
        if tick >= 120:
            assert np.isfinite(values).all(), tick


@EVERY
def test_it_looks_at_nothing_but_the_view_and_gives_the_same_twice(family: Family) -> None:
    at = moment()
    before = at.inputs.view.digest()
    assert built(family, at).tobytes() == built(family, at).tobytes()
    assert at.inputs.view.digest() == before


@ALONE
def test_symbols_do_not_hang_together_but_where_they_are_compared(family: Family) -> None:
    inputs = moment().inputs
    alone = []
    for symbol in range(8):
        one = slice(symbol, symbol + 1)
        view = look(
            Bars(*sliced(inputs.bars, one)), Books(*sliced(inputs.books, one)), Flow(*sliced(inputs.flow, one)), inputs.at, inputs.interval, 60.0
        )
        alone.append(family.build(view)[0])
    np.testing.assert_allclose(np.stack(alone), built(family, moment()), rtol=1e-9, atol=1e-12)


@EVERY
def test_hazards_in_the_data_never_make_it_fail_or_infinite(family: Family) -> None:
    inputs = moment().inputs
    flat = np.full_like(inputs.bars.close, 100.0)
    still = Bars(flat, flat, flat, flat, flat * 0)
    jump = inputs.bars.close.copy()
    jump[0, 200:] *= 1e6
    jump[1, 250:] *= 1e-6
    for bars in (
        still,
        replace(inputs.bars, volume=inputs.bars.volume * 0),
        replace(inputs.bars, volume=inputs.bars.volume * np.nan),
        replace(inputs.bars, close=jump, high=jump * 1.01, low=jump * 0.99, open=jump),
        Bars(*(part * np.nan for part in sliced(inputs.bars, slice(None)))),
        Bars(*(np.where(np.arange(300) < 299, np.nan, part) for part in sliced(inputs.bars, slice(None)))),
    ):
        for books, flow in ((inputs.books, inputs.flow), (no_books(8), no_flow(8))):
            with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
                view = look(bars, books, flow, inputs.at, inputs.interval, 60.0)
                assert not np.isinf(family.build(view)).any()


@EVERY
def test_it_costs_little(family: Family) -> None:
    """500 symbols together; the limit is ten times what it takes on a quiet machine, so that a loop over symbols fails."""
    inputs = moment().inputs
    many = [np.tile(part, (63,) + (1,) * (part.ndim - 1))[:500] for part in sliced(inputs.bars, slice(None))]
    books = [np.tile(part, (63, 1))[:500] for part in sliced(inputs.books, slice(None))]
    flow = [np.tile(part, (63,) + (1,) * (part.ndim - 1))[:500] for part in sliced(inputs.flow, slice(None))]
    view = look(Bars(*many), Books(*books), Flow(*flow), inputs.at, inputs.interval, 60.0)
    family.build(view)
    spent = []
    for _ in range(3):
        begun = perf_counter()
        family.build(view)
        spent.append(perf_counter() - begun)
    assert min(spent) < 0.1


def test_no_two_columns_say_the_same() -> None:
    assert _twins(lesson().x, moment().catalog.columns) == []


def _twins(x: Floats, columns: tuple[str, ...], limit: float = 0.995) -> list[tuple[str, str, float]]:
    """Pairs of columns that are correlated above the limit in absolute value, over rows in which both are known."""
    known = np.isfinite(x).all(axis=1)
    spread = x[known].std(axis=0) > 0
    values = x[known][:, spread]
    names = [name for name, moves in zip(columns, spread, strict=True) if moves]
    matrix = np.abs(np.corrcoef(values.T)) - 2 * np.eye(values.shape[1])
    return [(names[i], names[j], float(matrix[i, j])) for i, j in np.argwhere(np.triu(matrix) > limit)]
