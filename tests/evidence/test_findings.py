"""Findings: sums by cell as a plain loop has them, bets by hand, no finding by chance however long one watches, and words that say what there is."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.evolution import FINDING_KINDS, FindingsState
from engine.domain.record import Bools, Floats, Ints
from engine.evidence import findings
from engine.evidence.decline import find_gapped_blocks
from tests.evidence import chance

CELLS = findings.SYMBOLS_AT
KINDS = len(FINDING_KINDS)


def play(
    state: FindingsState,
    forecast: Floats,
    target: Floats,
    horizons: tuple[int, ...],
    regime: Ints,
    confidence: Floats,
    band: Ints,
    known: Bools | None = None,
) -> FindingsState:
    """After T ticks: forecasts and targets (T, H, S) of the forecasts made at each tick, conditions (T, S) and (T, H, S); five minutes a tick."""
    seen = np.ones(forecast.shape, dtype=bool) if known is None else known
    places = list(enumerate(horizons))
    for tick in range(len(forecast)):
        made = [max(tick - horizon, 0) for horizon in horizons]
        mean, due = (np.stack([part[made[place], place] for place, _ in places]) for part in (forecast, target))
        there = np.stack([seen[made[place], place] & (tick >= horizon) for place, horizon in places])
        hour = tick // 12 % 24
        state = findings.update_findings(state, mean, due, there, regime[tick], hour, confidence[tick], band[tick], tick, horizons)
    return state


def conditions(draw: np.random.Generator, ticks: int, horizons: int, symbols: int) -> tuple[Ints, Floats, Ints]:
    return draw.integers(0, 4, (ticks, symbols)), draw.random((ticks, horizons, symbols)), draw.integers(0, 3, (ticks, symbols))


def test_sums_by_cell_are_those_of_a_plain_loop() -> None:
    draw, horizons, symbols, ticks = np.random.default_rng(1), (1, 3), 27, 40
    forecast, target = draw.standard_normal((2, ticks, 2, symbols))
    known = draw.random((ticks, 2, symbols)) < 0.8
    regime, confidence, band = conditions(draw, ticks, 2, symbols)
    state = play(findings.empty_findings(symbols, horizons), forecast, target, horizons, regime, confidence, band, known)
    sums: list[defaultdict[tuple[int, int], float]] = [defaultdict(float) for _ in range(4)]
    gain, power, residual, rows = sums
    for place, horizon in enumerate(horizons):
        for made in range(ticks - horizon):
            for symbol in np.flatnonzero(known[made, place]).tolist():
                f, y = float(forecast[made, place, symbol]), float(target[made, place, symbol])
                cells = [
                    int(regime[made, symbol]),
                    findings.HOURS_AT + made // 12 % 24 // 3,
                    findings.CONFIDENCE_AT + int(confidence[made, place, symbol] * 5),
                    findings.VOLATILITY_AT + int(band[made, symbol]),
                    *([findings.SYMBOLS_AT + symbol] if symbol < 24 else []),
                ]
                for cell in cells:
                    gain[place, cell] += y * y - (y - f) ** 2
                    power[place, cell] += y * y
                    residual[place, cell] += y - f
                    rows[place, cell] += 1.0
    assert state.scores.rows.shape == (2, 2, CELLS + 24)
    for (place, cell), count in rows.items():
        assert state.scores.rows[:, place, cell].tolist() == [count, count]
        assert state.scores.gain[:, place, cell] == pytest.approx([gain[place, cell], residual[place, cell]])
        assert state.scores.power[:, place, cell] == pytest.approx([power[place, cell], count])
    assert state.scores.rows.sum() == pytest.approx(2.0 * sum(rows.values()))


def test_bets_are_made_on_blocks_of_known_scale_after_ten_of_them() -> None:
    """A forecast of 0.2 of a target that is 0.1 above and 0.1 below: gains of 0 and -0.08, sums of -0.48 a block; y - f is -0.1 and -0.3."""
    draw, ticks = np.random.default_rng(1), 12 * 12 + 1
    forecast, target = np.full((ticks, 1, 1), 0.2), np.where(np.arange(ticks) % 2, -0.1, 0.1)[:, None, None]
    zeros = np.zeros((ticks, 1), dtype=np.int64)
    state = play(findings.empty_findings(1, (1,)), forecast, target, (1,), zeros, draw.random((ticks, 1, 1)), zeros)
    assert state.blocks[:, 0, 0].tolist() == [12.0, 12.0]
    np.testing.assert_allclose(state.squares[:, 0, 0], [12 * 0.48**2, 12 * 2.4**2])
    up, down = np.log1p(findings.BETS), np.log1p(-findings.BETS)  # each of two blocks has the size of those before it
    np.testing.assert_allclose(state.log_wealth[:, 0, 0], 2.0 * np.stack((up, down, up)), rtol=1e-6)
    assert not state.log_wealth[:, 0, 1].any()  # no row was in another regime


@given(st.lists(st.floats(0.0, 12.0), min_size=3 * 2 * 4, max_size=3 * 2 * 4))
def test_discoveries_are_those_of_e_bh(logs: list[float]) -> None:
    log_wealth = np.repeat(np.array(logs).reshape(KINDS, 2, 4, 1), len(findings.BETS), axis=3)
    discovered, e_values, threshold = findings._discover(log_wealth)
    ordered = sorted(e_values.ravel().tolist(), reverse=True)
    passing = [k for k, value in enumerate(ordered, 1) if k * value >= len(ordered) / findings.ALPHA]
    assert discovered.sum() == (max(passing) if passing else 0)
    if passing:
        assert e_values[discovered].min() == ordered[max(passing) - 1] >= threshold


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_there_is_no_finding_by_chance_however_long_it_is_watched(share: float) -> None:
    """Forecasts that persist, of the conditional mean (1) or twice as large (0.5), when their gain is 0 on average; targets overlap, tails are heavy.

    60 runs of 1,200 ticks, each a horizon of its own, are looked at every twelfth tick; in at most 5 % there may ever be a finding.
    """
    runs, ticks, symbols, draw = 60, 1_200, 4, np.random.default_rng(6)
    horizons = (1, 3, 12) * (runs // 3)
    signal = math.sqrt(0.03) * chance.forecasts("persistent", (runs, ticks + 12, symbols), draw)
    returns = signal + chance.moves(runs, ticks + 12, symbols, draw)
    target, forecast = np.empty((2, ticks, runs, symbols))
    for run, horizon in enumerate(horizons):
        target[:, run] = chance.target(returns[run : run + 1], horizon, ticks)[0]
        forecast[:, run] = signal[run, :ticks] * (1.0 - 0.95**horizon) / 0.05 / math.sqrt(horizon) / share
    regime, confidence, band = conditions(draw, ticks, runs, symbols)
    state, ever = findings.empty_findings(symbols, horizons), np.zeros(runs, dtype=bool)
    kinds = slice(0, KINDS if share == 1.0 else 1)  # twice the conditional mean is biased whenever it persists
    for tick in range(12, ticks):
        made = [tick - horizon for horizon in horizons]
        mean, due = forecast[made, np.arange(runs)], target[made, np.arange(runs)]
        known = np.ones(mean.shape, dtype=bool)
        state = findings.update_findings(state, mean, due, known, regime[tick], tick // 12 % 24, confidence[tick], band[tick], tick, horizons)
        if tick % 12 == 11:
            ever |= [findings._discover(state.log_wealth[kinds, run : run + 1])[0].any() for run in range(runs)]
    assert ever.mean() <= findings.ALPHA
    assert state.log_wealth.any()


@cache
def biased(ticks: int = 4_200) -> tuple[FindingsState, tuple[str, ...], tuple[int, ...]]:
    """Forecasts of one bar are too high for the second of three symbols, and worse than none at 03-06 UTC."""
    draw, symbols, horizons = np.random.default_rng(3), 3, (1,)
    forecast = 0.3 * draw.standard_normal((ticks, 1, symbols))
    night = (np.arange(ticks) // 12 % 24 // 3 == 1)[:, None, None]
    target = np.where(night, -2.0, 1.0) * forecast + 0.7 * draw.standard_normal((ticks, 1, symbols)) - np.array([0.0, 0.4, 0.0])
    regime, confidence, band = conditions(draw, ticks, 1, symbols)
    return play(findings.empty_findings(symbols, horizons), forecast, target, horizons, regime, confidence, band), ("AAA", "BBB", "CCC"), horizons


def test_a_bias_is_discovered_and_put_into_words() -> None:
    state, symbols, horizons = biased()
    listed = {(row.condition, row.value, row.kind): row for row in findings.list_findings(state, symbols, horizons)}
    high, bold = listed["symbol", "BBB", "too high"], listed["hour", "03-06 UTC", "too bold"]
    e_values = [row.e_value for row in listed.values()]
    assert e_values == sorted(e_values, reverse=True)
    assert e_values[0] > e_values[-1]
    assert high.estimate == pytest.approx(-0.4, abs=0.06)
    assert high.text.startswith("For BBB forecasts of 1 bar are too high by 0.")
    assert high.text.endswith(f", n={high.n:,})")
    assert bold.low is not None
    assert bold.high is not None
    assert bold.low < bold.estimate < bold.high < 0.0
    assert bold.text.startswith("At 03-06 UTC forecasts of 1 bar are too bold: R² \N{MINUS SIGN}")
    assert min(row.e_value for row in listed.values()) >= high.threshold
    assert [key for key in listed if key[1] in {"AAA", "CCC"} and key[2] == "too high"] == []


def test_a_finding_that_holds_is_a_trigger_and_a_new_one_is_not() -> None:
    state, symbols, horizons = biased()
    standing = findings.standing_findings(state, symbols, horizons)
    assert "BBB" in {row.value for row in standing}
    assert min(row.held_ticks for row in standing) >= findings.STANDING_LOOKS * findings.LOOK_EVERY
    new = replace(state, held=np.minimum(state.held, 3))
    assert findings.standing_findings(new, symbols, horizons) == ()
    assert len(findings.list_findings(new, symbols, horizons)) >= len(standing)


def test_a_finding_that_is_over_starts_to_count_anew() -> None:
    state, _, horizons = biased()
    over = replace(state, log_wealth=np.zeros_like(state.log_wealth))
    nothing, whole = np.zeros((1, 3)), np.zeros(3, dtype=np.int64)
    after = findings.update_findings(over, nothing, nothing, nothing > 0.0, whole, 0, nothing, whole, 4_211, horizons)
    assert state.held.any()
    assert not after.held.any()


def test_bands_of_volatility_and_blocks_without_forecasts() -> None:
    assert findings.volatility_bands(np.array([0.5, 0.8, 1.0, 1.25, 3.0, np.nan])).tolist() == [0, 1, 1, 2, 2, 1]
    empty = findings.empty_findings(2, (1, 3))
    nothing, whole = np.full((2, 2), np.nan), np.zeros(2, dtype=np.int64)
    state = empty
    for tick in range(60):
        state = findings.update_findings(state, nothing, nothing, np.isfinite(nothing), whole, 23, nothing, whole, tick, (1, 3))
    assert find_gapped_blocks(12, (1, 3))[2].tolist() == [True, False]
    assert not state.blocks.any()
    assert np.isfinite(state.scores.sums).all()
    assert findings.list_findings(state, ("A", "B"), (1, 3)) == ()
