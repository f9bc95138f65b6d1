"""Order-flow measures against a plain implementation."""

from __future__ import annotations

import numpy as np
import pytest

from engine.domain.market import OrderFlow
from engine.domain.record import Floats
from engine.evidence import order_flow

SYMBOLS, BARS = 3, 60


def flow(signed: Floats, *, ofi: Floats | None = None, depth: Floats | None = None) -> OrderFlow:
    count, bars = signed.shape
    blank = np.full((count, bars), np.nan)
    return OrderFlow(np.empty((count, bars, 0)) if ofi is None else ofi, signed, blank, blank, blank, blank if depth is None else depth)


def drawn(seed: int = 1) -> tuple[Floats, Floats, Floats]:
    """Signed volume, volume and returns of the last 60 bars."""
    draw = np.random.default_rng(seed)
    volume = draw.gamma(2.0, 50.0, (SYMBOLS, BARS))
    signed = volume * draw.uniform(-1.0, 1.0, (SYMBOLS, BARS))
    return signed, volume, 1e-6 * signed + draw.normal(0.0, 1e-4, (SYMBOLS, BARS))


def slowly(signed: Floats, volume: Floats) -> float:
    """VPIN of one symbol: bar after bar into twelve parts of equal volume, by the middle of the bar."""
    parts, reach, total = np.zeros(12), 0.0, float(volume[-48:].sum())
    for bought, traded in zip(signed[-48:], volume[-48:], strict=True):
        place = min(11, int((reach + traded / 2) / total * 12))
        parts[place] += bought
        reach += traded
    return float(np.abs(parts).sum() / total)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_toxicity_is_that_of_twelve_parts_of_equal_volume_over_48_bars(seed: int) -> None:
    signed, volume, _ = drawn(seed)
    np.testing.assert_allclose(order_flow.vpin(flow(signed), volume), [slowly(*pair) for pair in zip(signed, volume, strict=True)], rtol=1e-9)


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_the_unit_of_volume_does_not_matter_to_toxicity(unit: float) -> None:
    signed, volume, _ = drawn()
    volume[0, 5:9] = signed[0, 5:9] = 0.0
    np.testing.assert_allclose(order_flow.vpin(flow(signed * unit), volume * unit), order_flow.vpin(flow(signed), volume), rtol=1e-9)


def test_toxicity_of_bars_without_sides_or_volume_is_not_known() -> None:
    signed, volume, _ = drawn()
    signed[0], volume[1], signed[2, -1], volume[2, -2] = np.nan, 0.0, np.nan, np.nan
    value = order_flow.vpin(flow(signed), volume)
    assert np.isnan(value[:2]).tolist() == [True, True]
    known = np.isfinite(signed[2]) & np.isfinite(volume[2])
    assert value[2] == pytest.approx(slowly(np.where(known, signed[2], 0.0), np.where(known, volume[2], 0.0)))
    assert np.isnan(order_flow.vpin(flow(np.empty((SYMBOLS, 0))), volume)).all()


def test_the_slope_is_that_of_a_line_through_the_last_48_bars() -> None:
    signed, _, returns = drawn()
    price = np.array([100.0, 2.0, 30_000.0])
    slopes = [np.polyfit(x[-48:], y[-48:], 1)[0] / p * 1e4 * 1e6 for x, y, p in zip(signed, returns, price, strict=True)]
    np.testing.assert_allclose(order_flow.kyle_lambda(flow(signed), returns, price), slopes, rtol=1e-9)


@pytest.mark.parametrize(("known", "value"), [(12, True), (11, False), (0, False)])
def test_a_slope_needs_twelve_bars_that_are_known(known: int, value: bool) -> None:
    signed, _, returns = drawn()
    signed[:, : BARS - known] = np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = order_flow.kyle_lambda(flow(signed), returns, np.ones(SYMBOLS))
        level = order_flow.kyle_lambda(flow(np.ones((SYMBOLS, BARS))), returns, np.ones(SYMBOLS))
    assert np.isfinite(slope).tolist() == [value] * SYMBOLS
    if value:
        np.testing.assert_allclose(slope, [np.polyfit(x[-known:], y[-known:], 1)[0] * 1e10 for x, y in zip(signed, returns, strict=True)], rtol=1e-7)
    assert np.isnan(level).all()  # nothing to lay a line through
    assert np.isnan(order_flow.kyle_lambda(flow(np.empty((SYMBOLS, 0))), returns, np.ones(SYMBOLS))).all()


def test_pressure_is_the_last_bars_imbalance_over_its_depth() -> None:
    signed = np.array([[5.0, 8.0], [1.0, -3.0], [1.0, np.nan]])
    volume = np.array([[10.0, 16.0], [10.0, 12.0], [10.0, 4.0]])
    ofi = np.array([[[9.0, 9.0], [6.0, 2.0]], [[9.0, 9.0], [np.nan, -4.0]], [[9.0, 9.0], [np.nan, np.nan]]])
    depth = np.array([[7.0, 4.0], [7.0, 8.0], [7.0, 2.0]])
    with np.errstate(invalid="ignore", divide="ignore"):
        best, levels = order_flow.order_flow_imbalance(flow(signed, ofi=ofi, depth=depth), volume)
    np.testing.assert_allclose(best, [1.5, -0.25, np.nan])  # the best level; else signed volume over volume; else not known
    np.testing.assert_allclose(levels, [1.0, -0.5, np.nan])  # the mean of those that are known
    best, levels = order_flow.order_flow_imbalance(flow(signed), volume)
    np.testing.assert_allclose(best, [0.5, -0.25, np.nan])
    assert np.isnan(levels).all()
    assert np.isnan(order_flow.order_flow_imbalance(flow(np.empty((3, 0))), volume)).all()
