"""Calibration, worked by hand: reliability, coverage by regime, Winkler and Brier scores, agreement of models, and no interval without its rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from engine.domain.decision import REGIMES
from engine.domain.state import State
from engine.evidence.calibration import calibrate_horizon, count_agreements, estimate_share, measure_coverage
from engine.phases.learning import blank_state

ROWS = np.array([100.0, 40.0, 0.0, 60.0])  # by regime
COVERED = np.array([[70.0, 95.0], [32.0, 36.0], [0.0, 0.0], [48.0, 51.0]])  # within the intervals of 80 and of 90 %


def counted() -> State:
    """A state of two horizons: the first without any row, the second with 200."""
    state = blank_state(3, ("ridge",), (1, 3))
    direction, intervals = state.direction, state.intervals
    bins = np.zeros((3, 2, 10))  # stated, observed, counted
    bins[:, 1, 5] = 110.0, 120.0, 200.0
    bins[:, 1, 7] = 0.75, 1.0, 1.0
    winkler = np.array([[0.0, 0.0], [0.45, 120.0]])
    constant = np.array([[0.0, 0.0], [0.5, 0.0]])
    return replace(
        state,
        direction=replace(direction, rows=np.array([0.0, 201.0]), brier=np.array([0.0, 48.24]), stated=bins[0], observed=bins[1], counted=bins[2]),
        intervals=replace(
            intervals, rows=np.stack((ROWS * 0.0, ROWS)), covered=np.stack((COVERED * 0.0, COVERED)), winkler=winkler, winkler_constant=constant
        ),
    )


def test_a_horizon_has_its_own_counts_by_tenth_and_by_regime() -> None:
    figures = calibrate_horizon(counted(), 1, 3, 1.0)
    assert (figures.horizon, figures.n, figures.brier_naive) == (3, 201, 0.25)
    assert figures.brier == pytest.approx(0.24)
    assert [(part.stated, part.observed.share, part.observed.n) for part in figures.bins] == [(0.55, 0.6, 200), (0.75, 1.0, 1)]
    assert [(level, regime, share.n, share.share) for level, regime, share in figures.coverage] == [
        (0.8, REGIMES[0], 100, 0.7),
        (0.8, REGIMES[1], 40, 0.8),
        (0.8, REGIMES[2], 0, None),
        (0.8, REGIMES[3], 60, 0.8),
        (0.8, "all", 200, 0.75),
        (0.9, REGIMES[0], 100, 0.95),
        (0.9, REGIMES[1], 40, 0.9),
        (0.9, REGIMES[2], 0, None),
        (0.9, REGIMES[3], 60, 0.85),
        (0.9, "all", 200, 0.91),
    ]
    assert [level for level, _ in figures.winkler_gain] == [0.8, 0.9]
    assert figures.winkler_gain[0][1] == pytest.approx(0.1)
    assert figures.winkler_gain[1][1] is None  # a constant score of 0 has nothing to compare with
    blank = calibrate_horizon(counted(), 0, 1, 1.0)
    assert (blank.n, blank.brier, blank.brier_low, blank.brier_naive, blank.bins) == (0, None, None, None, ())
    assert blank.winkler_gain == ((0.8, None), (0.9, None))


def test_the_band_of_the_brier_score_has_the_spread_of_every_tenth() -> None:
    """Rows at 0.55 of which 0.6 rise have squares of errors of 0.45^2 and 0.55^2, the only one at 0.75, which rises, of 0.25^2."""
    square = (200.0 * (0.6 * 0.45**4 + 0.4 * 0.55**4) + 1.0 * 0.25**4) / 201.0
    radius = 1.96 * (max(0.0, square - 0.24**2) / (201.0 * 0.5)) ** 0.5
    figures = calibrate_horizon(counted(), 1, 3, 0.5)
    assert [figures.brier_low, figures.brier_high] == pytest.approx([0.24 - radius, 0.24 + radius], rel=1e-4)
    assert calibrate_horizon(counted(), 1, 3, 30.001 / 201.0).brier_low is not None
    assert calibrate_horizon(counted(), 1, 3, 29.999 / 201.0).brier_low is None
    assert calibrate_horizon(counted(), 1, 3, None).brier_high is None


@pytest.mark.parametrize(
    ("count", "n", "deflation", "wanted"),
    [
        (50.0, 100.0, 1.0, (0.5, 0.4038, 0.5962, 100)),
        (50.0, 100.0, 3.0, (0.5, 0.4038, 0.5962, 100)),  # rows never say more than as many independent ones
        (200.0, 400.0, 0.25, (0.5, 0.4038, 0.5962, 400)),
        (50.0, 100.0, None, (0.5, None, None, 100)),
        (5.0, 10.0, 1.0, (0.5, None, None, 10)),
        (101.0, 100.0, 1.0, (1.0, 0.9630, 1.0, 100)),
        (0.0, 0.0, 1.0, (None, None, None, 0)),
        (1.0, 1.0, 1.0, (1.0, None, None, 1)),
    ],
)
def test_a_share_has_wilsons_interval_of_its_effective_rows(
    count: float, n: float, deflation: float | None, wanted: tuple[float | None, float | None, float | None, int]
) -> None:
    share = estimate_share(count, n, deflation)
    assert [share.share, share.low, share.high, share.n] == [value if value is None else pytest.approx(value, abs=1e-4) for value in wanted]


def test_models_agree_where_both_have_a_side_and_it_is_the_same() -> None:
    forecasts = np.array([[1.0, 2.0, -1.0], [-1.0, -3.0, np.nan], [1.0, -1.0, 0.0], [-0.5, 0.2, -0.1]])
    same, both = count_agreements(forecasts)
    assert same.tolist() == [[4.0, 2.0, 1.0], [2.0, 4.0, 0.0], [1.0, 0.0, 2.0]]
    assert both.tolist() == [[4.0, 4.0, 2.0], [4.0, 4.0, 2.0], [2.0, 2.0, 2.0]]


def test_coverage_counts_what_is_known_and_only_every_horizon_th_row_as_independent() -> None:
    outcome = np.tile([1.0, -1.0, 0.0, 2.0, np.nan, 0.5], 40)
    low, high = np.tile([-1.0, -1.0, -1.0, -1.0, -1.0, np.nan], 40), np.full(240, 1.0)
    figures = measure_coverage(2, outcome, low, high)
    assert (figures.horizon, figures.n, figures.covered, figures.n_effective) == (2, 160, 120, 80.0)  # both ends belong to the interval
    wanted = stats.binomtest(60, 80).proportion_ci(method="wilson")
    assert [figures.low, figures.high] == pytest.approx([wanted.low, wanted.high])
    few = measure_coverage(12, outcome, low, high)
    assert (few.n, few.low, few.high) == (160, None, None)
    assert measure_coverage(1, outcome * np.nan, low, high).n == 0
