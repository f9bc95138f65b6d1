"""Microstructure metrics: the fit of moves on order flow by cells and windows, and quantiles of quoting errors."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from engine.domain.market import Books
from engine.domain.record import Floats
from engine.domain.tick import Tick
from engine.evidence.microstructure import CostErrorHistogram, FlowRegression, MicrostructureMetrics

SECOND = 10**9
START = 1_704_067_200 * SECOND


def measure_r2(flow: Floats, mid: Floats, *, cell: int = 10, start: int = START, skip: tuple[int, ...] = ()) -> list[float | None]:
    """A fit over bars of 1 s, of (T, S) flow and mids; bars in `skip` do not come."""
    fit = FlowRegression(flow.shape[1], SECOND, cell * SECOND)
    for index in range(len(flow)):
        if index not in skip:
            fit.add(start + (index + 1) * SECOND, mid[index], flow[index])
    return fit.r_squared()


def made(seconds: int, share: float, seed: int = 1) -> tuple[Floats, Floats]:
    """(T, 2) flow, and mids that it explains to about `share` in every second."""
    draw = np.random.default_rng(seed)
    flow = draw.normal(0, 1, (seconds, 2))
    noise = draw.normal(0, np.sqrt(1 / share - 1), (seconds, 2))
    return flow, 100.0 + 0.01 * (flow + noise).cumsum(axis=0)


def expected(flow: Floats, mid: Floats, cell: int) -> float:
    """Mean over windows of half an hour, straight from the definition."""
    rows = len(flow) // cell
    x = flow[: rows * cell].reshape(rows, cell).sum(axis=1)[1:]
    y = np.diff(mid[cell - 1 :: cell][:rows])
    window = (np.arange(1, rows) * cell) // 1_800
    windows = [part for part in np.unique(window) if (window == part).sum() >= 30]
    return float(np.mean([np.corrcoef(x[window == part], y[window == part])[0, 1] ** 2 for part in windows]))


@pytest.mark.parametrize("cell", [1, 10])
def test_the_fit_is_the_mean_of_r2_over_half_hours(cell: int) -> None:
    flow, mid = made(4_000, 0.5)
    result = measure_r2(flow, mid, cell=cell)
    for symbol, r2 in enumerate(result):
        assert r2 is not None
        np.testing.assert_allclose(r2, expected(flow[:, symbol], mid[:, symbol], cell), rtol=1e-9)
        assert 0.4 < r2 < 0.6


def test_a_move_over_a_gap_is_not_counted() -> None:
    flow, mid = made(1_800, 0.9)
    jumped = mid.copy()
    jumped[700:] += 50.0
    with_jump, without = measure_r2(flow, jumped, skip=tuple(range(695, 705)))[0], measure_r2(flow, mid)[0]
    assert with_jump is not None
    assert without is not None
    np.testing.assert_allclose(with_jump, without, atol=0.01)
    seen = measure_r2(flow, jumped)[0]
    assert seen is not None
    assert seen < 0.1


def test_a_symbol_without_a_book_has_no_r2_and_does_not_affect_others() -> None:
    flow, mid = made(1_800, 0.5)
    alone = measure_r2(flow, mid)
    mid[:, 0] = np.nan
    result = measure_r2(flow, mid)
    assert result[0] is None
    assert result[1] == alone[1]


def test_too_few_cells_are_not_enough_data() -> None:
    flow, mid = made(200, 0.5)
    assert measure_r2(flow, mid) == [None, None]


def test_midnight_does_not_cut_a_cell() -> None:
    flow, mid = made(1_800, 0.5)
    late = START - 905 * SECOND
    r2 = measure_r2(flow, mid, start=late - late % (10 * SECOND))[0]
    assert r2 is not None
    assert 0.4 < r2 < 0.6


@pytest.mark.parametrize("off", [1, SECOND // 3, SECOND - 1])
def test_bars_that_close_off_the_clock_are_in_the_cells_of_the_clock(off: int) -> None:
    flow, mid = made(1_800, 0.5)
    aligned, beside = (FlowRegression(2, SECOND, 10 * SECOND) for _ in range(2))
    for index in range(len(flow)):
        aligned.add(START + index * SECOND, mid[index], flow[index])
        beside.add(START + index * SECOND + off, mid[index], flow[index])
    assert beside.r_squared() == pytest.approx(aligned.r_squared(), rel=0.02)


def test_quantiles_are_within_a_hundredth_however_long_the_run() -> None:
    draw = np.random.default_rng(2)
    errors = CostErrorHistogram()
    met = draw.exponential(2.0, (700, 2, 2, 3))
    for row in met:
        errors.add(np.full((2, 2, 3), 2.0), np.full((2, 2, 3), 3.0), row, np.ones(3))
    report = errors.summarize()
    for kind, notional in enumerate(("10000", "100000")):
        off = 2.0 - met[:, kind].ravel()
        assert report[notional]["n"] == off.size
        assert report[notional]["p90_bps"] == pytest.approx(np.quantile(np.abs(off), 0.9), rel=0.015)
        assert report[notional]["p90_last_book_bps"] == pytest.approx(np.quantile(np.abs(1.0 + off), 0.9), rel=0.015)
        assert report[notional]["bias_bps"] == pytest.approx(off.mean())
        by_tick = 2.0 - met[:, kind].mean(axis=(1, 2))
        reach = 1.96 * by_tick.std() / np.sqrt(len(by_tick))
        assert report[notional]["bias_low_bps"] == pytest.approx(off.mean() - reach, rel=1e-3)
        assert report[notional]["bias_high_bps"] == pytest.approx(off.mean() + reach, rel=1e-3)
        assert report[notional]["cannot_fill"] == 0.0


def test_errors_beyond_the_last_edge_are_at_the_last_edge() -> None:
    errors = CostErrorHistogram()
    for _ in range(700):
        errors.add(np.full((2, 2, 3), 2.0), np.full((2, 2, 3), 3.0), np.full((2, 2, 3), 1e6), np.ones(3))
    assert errors.summarize()["10000"]["p90_bps"] == 1e4


def test_sizes_beyond_the_book_count_as_a_share_and_have_no_error() -> None:
    errors = CostErrorHistogram()
    forecast = np.full((2, 2, 4), 1.0)
    forecast[1] = np.nan
    for _ in range(20):
        errors.add(forecast, forecast, np.full((2, 2, 4), 1.5), np.array([1.0, 1.0, 1.0, np.nan]))
    report = errors.summarize()
    nothing = {"p90_bps": None, "p90_last_book_bps": None, "bias_bps": None, "bias_low_bps": None, "bias_high_bps": None}
    assert report["100000"] == {"n": 0, **nothing, "cannot_fill": 1.0}
    assert report["10000"]["cannot_fill"] == 0.0
    assert report["10000"]["bias_bps"] == -0.5


def booked(at: int, number: int, mid: float, flow: float, *, kept: bool = True) -> Tick:
    """What the metrics read of a tick: its bar with books and flow, and the book metrics of its decision."""
    one = np.ones((1, 1))
    books, cost = Books(one, one, one, one), np.full((2, 2, 1), 1.0)
    pending = SimpleNamespace(mid=np.array([mid]), cost_at_fill=cost + 0.5)
    forecast = SimpleNamespace(tick=number if kept else number - 1, pending=pending)
    metrics = SimpleNamespace(liquidity_forecast=forecast, forecast_cost_bps=cost, quoted_bps=cost + 2.0)
    made = SimpleNamespace(
        snapshot=SimpleNamespace(at=at, books=books, ofi=np.array([[flow]])),
        inputs=SimpleNamespace(tick=number),
        outcome=SimpleNamespace(liquidity=SimpleNamespace(book_metrics=metrics)),
    )
    return cast("Tick", made)


@pytest.mark.parametrize("seconds", [1, 10, 20])
def test_order_flow_explains_by_the_bar_and_by_ten_seconds(seconds: int) -> None:
    """Ten seconds are cells of ten bars of 1 s, one of 10 s, and are not known of bars of 20 s but for what the feed says of its events."""
    flow, mid = made(7_200 // seconds, 0.5)
    metrics = MicrostructureMetrics(("A",), seconds * SECOND)
    for index in range(len(flow)):
        metrics.add(booked(START + (index + 1) * seconds * SECOND, index, float(mid[index, 0]), float(flow[index, 0])))
    figures = metrics.summarize((0.25,))
    by_cell = []
    for cell in (seconds, 10):
        fit = FlowRegression(1, seconds * SECOND, cell * SECOND)
        for index in range(len(flow)):
            fit.add(START + (index + 1) * seconds * SECOND, mid[index, :1], flow[index, :1])
        by_cell += fit.r_squared()
    bar, ten = by_cell
    assert bar is not None
    assert figures["ofi_r2_bar"] == pytest.approx(bar)
    assert figures["ofi_r2_10s"] == (0.25 if seconds == 20 else pytest.approx(ten))
    assert figures["cost_error_bps"] == pytest.approx(0.5, rel=0.01)
    assert metrics.summarize()["ofi_r2_10s"] == (None if seconds == 20 else pytest.approx(ten))


def test_a_market_without_books_has_no_figures_and_books_that_were_not_read_are_left_out() -> None:
    metrics = MicrostructureMetrics(("A",), SECOND)
    assert metrics.summarize() == {"ofi_r2_10s": None, "cost_error_bps": None}
    for number in range(200):
        metrics.add(booked(START + number * SECOND, number, 100.0 + number % 3, 1.0, kept=number % 2 == 0))
    costs = metrics.summarize()["cost"]
    assert isinstance(costs, dict)
    assert costs["10000"]["n"] == 99 * 2  # the forecast of the tick before is scored at every second tick, for both sides
