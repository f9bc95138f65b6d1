"""Drift by column: distances and q-values as other people's code has them, p-values that dependence does not make too small, shifts that are seen."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.stats import ks_2samp, kstwobign, norm
from scipy.stats import t as student
from statsmodels.stats.multitest import multipletests

from engine.domain.evolution import DriftReport
from engine.domain.record import Floats
from engine.evidence import drift

REFERENCE, RECENT, SYMBOLS = 2_016, 288, 4


def autoregression(persistence: float, ticks: int, columns: int, seed: int, symbols: int = SYMBOLS) -> Floats:
    """(ticks, symbols, columns) of unit variance; half of each symbol's shocks are those of all."""
    draw = np.random.default_rng(seed)
    shocks = (draw.standard_normal((ticks + 300, 1, columns)) + draw.standard_normal((ticks + 300, symbols, columns))) * math.sqrt(0.5)
    return np.asarray(lfilter([math.sqrt(1.0 - persistence**2)], [1.0, -persistence], shocks, axis=0)[300:])


def compare(
    x: Floats, columns: Sequence[str] = (), y: Floats | None = None, horizons: tuple[int, ...] = (), reference: int = REFERENCE
) -> DriftReport:
    """The report on (ticks, symbols, columns), whose first ticks are the reference."""
    ticks, symbols, count = x.shape
    rows, first = x.reshape(-1, count), reference * symbols
    tick = np.repeat(np.arange(ticks), symbols)
    target = np.zeros((len(rows), 0)) if y is None else y.reshape(len(rows), -1)
    names = tuple(columns) or tuple(f"c.{place}" for place in range(count))
    return drift.measure_drift(rows[:first], rows[first:], target[:first], target[first:], tick[:first], tick[first:], names, horizons)


def test_the_distance_is_that_of_kolmogorov_and_smirnov() -> None:
    """With 30 different values every jump of the distribution functions is at an edge, so that the distance is exact."""
    draw = np.random.default_rng(4)
    reference, recent = draw.integers(0, 30, (2_000, 1, 1)) * 1.0, draw.integers(2, 30, (300, 1, 1)) * 1.0
    row = compare(np.concatenate((reference, recent)), reference=2_000).inputs[0]
    assert row.distance == pytest.approx(ks_2samp(reference.ravel(), recent.ravel()).statistic)
    assert row.drifted


@pytest.mark.parametrize("seed", range(4))
def test_p_of_independent_rows_is_near_that_of_the_textbook(seed: int) -> None:
    draw = np.random.default_rng(seed)
    x = draw.standard_normal((21_000, 1, 1))
    x[20_000:] += 0.08
    row = compare(x, reference=20_000).inputs[0]
    textbook = ks_2samp(x[:20_000].ravel(), x[20_000:].ravel())
    assert row.distance == pytest.approx(textbook.statistic, abs=0.015)
    assert row.distance <= textbook.statistic + 1e-12
    assert abs(math.log(row.p) - math.log(textbook.pvalue)) < 2.5
    assert 600.0 < row.recent_n <= 1_000.0


def test_the_tail_is_kolmogorovs_for_independent_rows_and_the_normal_one_for_a_single_mode() -> None:
    level = np.arange(1, 40) / 40
    variance, covariance = level * (1.0 - level), level[:-1] * (1.0 - level[1:])
    for distance in (1.2, 1.36, 1.63):
        assert drift.supremum_tail(distance, variance, covariance, 1e9) == pytest.approx(kstwobign.sf(distance), rel=0.3)
    together = np.sqrt(variance[:-1] * variance[1:])  # all counts move as one
    assert drift.supremum_tail(1.0, variance, together, 1e9) == pytest.approx(2.0 * norm.sf(2.0), rel=1e-6)
    assert drift.supremum_tail(1.0, variance, together, 20.0) > 1.3 * drift.supremum_tail(1.0, variance, together, 1e9)  # an estimated variance
    assert drift.supremum_tail(0.0, variance, covariance, 20.0) == 1.0


@pytest.mark.parametrize(("distance", "freedom"), [(1.5, 8.0), (2.5, 20.0), (3.5, 20.0), (3.0, 100.0)])
def test_of_a_single_mode_with_an_estimated_variance_the_tail_is_students(distance: float, freedom: float) -> None:
    together = np.ones(3)
    tail = drift.supremum_tail(distance, np.array([1.0, 1.0, 1.0, 0.999_999]), together, freedom)
    assert tail == pytest.approx(2.0 * student.sf(distance, freedom), rel=0.01)


def test_two_correlated_counts_by_hand() -> None:
    """At a correlation of 1/2 the step has an angle of 60 degrees; the crossing is 2 / u phi(u) (Phi(u pi / 6) - 1/2)."""
    u = 2.0
    step = 2.0 / u * norm.pdf(u) * (norm.cdf(u * math.pi / 6.0) - 0.5)
    assert drift.supremum_tail(u, np.ones(2), np.full(1, 0.5), 1e9) == pytest.approx(2.0 * (norm.sf(u) + step), rel=1e-6)


@pytest.mark.parametrize(("persistence", "least"), [(0.0, 0.005), (0.95, 0.02)])
def test_p_values_are_not_too_small_without_drift(persistence: float, least: float) -> None:
    """300 columns without drift: the shares of p-values below 20, 5 and 1 % are no larger than these, and not far smaller."""
    rows = compare(autoregression(persistence, REFERENCE + RECENT, 300, 3)).inputs
    p = np.array([row.p for row in rows])
    assert len(p) >= 270
    for level in (0.2, 0.05, 0.01):
        assert (p <= level).mean() <= level + 2.0 * math.sqrt(level * (1.0 - level) / 300)
    assert (p <= 0.05).mean() >= least
    naive = [ks_2samp(*sample).pvalue < 0.05 for sample in textbook_samples(persistence)]
    assert np.mean(naive) > 0.5  # what dependence does to the textbook's p-values


def textbook_samples(persistence: float) -> list[tuple[Floats, Floats]]:
    x = autoregression(max(persistence, 0.9), REFERENCE + RECENT, 20, 5)
    return [(x[:REFERENCE, :, place].ravel(), x[REFERENCE:, :, place].ravel()) for place in range(20)]


def test_few_false_discoveries_among_columns_that_depend_on_each_other() -> None:
    """40 columns of four factors, some with the opposite sign: Benjamini and Hochberg's bound is not proved for that, but holds."""
    draw, looks, false = np.random.default_rng(8), 40, 0
    for look in range(looks):
        factors = autoregression(0.9, 1_008 + 144, 4, look, symbols=2)
        loadings = draw.choice((-1.0, 1.0), (4, 40)) * (np.arange(40) % 4 == np.arange(4)[:, None])
        x = factors @ loadings + 0.5 * draw.standard_normal((1_152, 2, 40))
        false += any(row.drifted for row in compare(x, reference=1_008).inputs)
    assert false / looks <= 0.05 + 2.0 * math.sqrt(0.05 * 0.95 / looks)


def test_the_columns_that_shift_are_discovered_with_the_part_that_changed() -> None:
    x = autoregression(0.5, REFERENCE + RECENT, 60, 2)
    x[REFERENCE:, :, 7] += 1.0
    x[REFERENCE:, :, 11] *= 3.0  # wider
    x[REFERENCE:, :, 13] = np.nan  # gone blank
    report = compare(x)
    inputs, targets = drift.drifted_columns(report)
    assert set(inputs) == {"c.7", "c.11", "c.13"}
    assert targets == ()
    rows = {row.column: row for row in report.inputs}
    assert rows["c.7"].quintile == 5
    assert rows["c.7"].change == pytest.approx(norm.sf(norm.isf(0.2) - 1.0) - 0.2, abs=0.06)
    assert rows["c.11"].quintile in {1, 5}
    assert rows["c.13"].change == pytest.approx(0.8, abs=0.01)
    assert [row.p for row in report.inputs] == sorted(row.p for row in report.inputs)


def test_columns_that_are_blank_for_a_part_of_the_time_are_judged_by_that_part() -> None:
    draw = np.random.default_rng(12)
    x = autoregression(0.0, REFERENCE + RECENT, 3, 12)
    x[:, :, 0] = np.nan  # always
    x[:, :, 1:][draw.random((*x.shape[:2], 2)) < 0.5] = np.nan
    x[REFERENCE:, :, 2] = np.where(draw.random(x[REFERENCE:, :, 2].shape) < 0.4, np.nan, x[REFERENCE:, :, 2])  # 70 %
    report = compare(x)
    assert report.unjudged == ("c.0",)
    rows = {row.column: row for row in report.inputs}
    assert not rows["c.1"].drifted
    assert rows["c.2"].drifted
    assert rows["c.2"].distance == pytest.approx(0.2, abs=0.05)
    assert (rows["c.2"].quintile, rows["c.2"].change > 0.1) == (5, True)


def test_a_target_that_widens_is_a_drift_of_its_square() -> None:
    y = autoregression(0.0, REFERENCE + RECENT, 2, 9)
    y[REFERENCE:, :, 1] *= 1.5
    y[:50, :, 0] = np.nan
    report = compare(y[:, :, :1], y=y, horizons=(1, 3))
    assert {row.column for row in report.targets} == {"target.1", "target.1 squared", "target.3", "target.3 squared"}
    drifted = drift.drifted_columns(report)[1]
    assert drifted[0] == "target.3 squared"
    assert {name.split()[0] for name in drifted} == {"target.3"}


def test_what_cannot_be_judged_is_named() -> None:
    x = autoregression(0.0, REFERENCE + RECENT, 3, 6)
    x[:, :, 0] = np.arange(len(x))[:, None] / 100.0  # a level that moves on and on
    x[:, :, 1] = 5.0  # constant
    report = compare(x, ("price.level", "flat.column", "calendar.day_sine"))
    assert report.inputs == ()
    assert report.unjudged == ("price.level", "flat.column")
    slow = compare(autoregression(0.98, REFERENCE + RECENT, 20, 4))  # a correlation time of 100 ticks, blocks of 36
    assert len(slow.unjudged) > 10
    assert drift.drifted_columns(slow) == ((), ())
    assert compare(x[:REFERENCE]).unjudged == ("c.0", "c.1", "c.2")  # without recent rows


def test_blocks_have_six_ticks_or_an_eighth_of_the_recent_rows_and_the_reference_has_fifteen() -> None:
    x = autoregression(0.0, 200, 2, 10)
    for reference, recent, judged in ((85, 40, True), (84, 40, False), (85, 48, True), (85, 49, False), (99, 49, True), (98, 49, False)):
        report = compare(x[: reference + recent], reference=reference)
        assert (len(report.inputs) == 2) == judged, (reference, recent)
        assert (len(report.unjudged) == 0) == judged


def test_a_discovery_is_a_rate_of_a_twentieth_or_less() -> None:
    figures = {name: (0.1, p, 100.0, 50.0, 1, 0.2) for name, p in (("c.b", 0.05), ("c.a", 0.05), ("c.c", 0.06))}
    assert [row.drifted for row in drift._rows({"c.b": figures["c.b"]})] == [True]
    rows = drift._rows({**figures, "c.d": None})
    assert [(row.column, row.q, row.drifted) for row in rows] == [("c.a", 0.06, False), ("c.b", 0.06, False), ("c.c", 0.06, False)]


def test_columns_that_are_constant_for_each_symbol_have_no_variance_and_only_drift_when_they_change() -> None:
    tick = np.repeat(np.arange(720), 2)
    x = np.tile((0.0, 1.0), 720)[:, None]
    earlier, later = tick < 600, tick >= 600
    for recent, drifted in ((x[later], ()), (x[later] + 1.0, ("family.constant",))):
        report = drift.measure_drift(x[earlier], recent, x[earlier], x[later], tick[earlier], tick[later], ("family.constant",), (1,))
        assert drift.drifted_columns(report) == (drifted, ())
        assert [row.p for row in report.inputs] == [0.0 if drifted else 1.0]


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=40))
def test_q_values_are_those_of_statsmodels(p: list[float]) -> None:
    np.testing.assert_allclose(drift.adjust_p_values(np.array(p)), multipletests(p, method="fdr_bh")[1], atol=1e-12)


def test_a_report_goes_through_its_json() -> None:
    x = autoregression(0.3, 700, 25, 1)
    x[600:, :, 3] += 1.0
    report = compare(x, y=x[:, :, :1], horizons=(1,), reference=600)
    text = drift.drift_to_json(report)
    again = drift.drift_from_json(text)
    assert len(text) < 2_500
    assert len(again.inputs) == drift.MAX_ROWS
    assert drift.drift_to_json(again) == text
    assert again.inputs[0].column == "c.3"
    assert again.inputs[0].distance == pytest.approx(report.inputs[0].distance, rel=1e-3)
    assert json.loads(text)["recent"] == [600, 699]
    for bad in ("", "{}", "[1]", '{"reference":[1],"recent":[1,2]}', text.replace("[", "", 1)):
        with pytest.raises(ValueError, match="this is no drift report") as error:
            drift.drift_from_json(bad)
        assert "\n" not in str(error.value)
