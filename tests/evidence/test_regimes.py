"""The regime model is filtered from the past only, and learns the parameters that generated the data."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from engine.domain.decision import REGIMES
from engine.domain.evidence import RegimeModel
from engine.domain.record import Floats, Ints
from engine.evidence import regimes
from tests.makers import lesson

KNOWN = np.ones(1, dtype=bool)
# a market other than the one the model starts from: stickier, its calm calmer, its storms stronger and its trends longer
CHAIN = np.array([[0.98, 0.02, 0.0, 0.0], [0.01, 0.96, 0.02, 0.01], [0.0, 0.03, 0.96, 0.01], [0.0, 0.05, 0.0, 0.95]])
MEANS = np.array([[-0.80, 0.60], [0.10, 0.90], [0.0, 2.80], [0.90, 1.40]])
DEVIATIONS = np.array([[0.15, 0.35], [0.12, 0.45], [0.20, 0.50], [0.25, 0.70]])


def filtered(surge: Floats, trend: Floats) -> Floats:
    """(T, R) for one symbol, by the model as it starts."""
    held, filtered_probabilities = regimes.uniform_probabilities(1), []
    for ratio, other in zip(surge, trend, strict=True):
        held, _ = regimes.filter_forward(held, np.array([ratio]), np.array([other]), KNOWN, regimes.initial_regime_model())
        filtered_probabilities.append(held[0])
    return np.stack(filtered_probabilities)


@cache
def simulated(bars: int = 6_000, symbols: int = 8) -> tuple[Ints, Floats]:
    """(T, S) regimes and (T, S, 2) what is seen of them, from the known chain."""
    draw = np.random.default_rng(11)
    regime = np.zeros((bars, symbols), dtype=np.int64)
    steps = CHAIN.cumsum(axis=1)
    for bar in range(1, bars):
        regime[bar] = (draw.random(symbols)[:, None] > steps[regime[bar - 1]]).sum(axis=1).clip(max=3)
    return regime, MEANS[regime] + DEVIATIONS[regime] * draw.normal(size=(bars, symbols, 2))


def played(seen: Floats, *, learning: bool) -> tuple[RegimeModel, Floats, Floats]:
    """The model at the end, (T, S, R) filtered probabilities and (T,) mean log density of each bar before it is seen."""
    hidden, held, known = regimes.initial_regime_model(), regimes.uniform_probabilities(seen.shape[1]), np.ones(seen.shape[1], dtype=bool)
    filtered_probabilities, foreseen = [], []
    for bar in seen:
        foreseen.append(density(held, bar, hidden))
        held, learned = regimes.filter_forward(held, bar[:, 0], bar[:, 1], known, hidden)
        hidden = learned if learning else hidden
        filtered_probabilities.append(held)
    return hidden, np.stack(filtered_probabilities), np.array(foreseen)


def density(held: Floats, bar: Floats, hidden: RegimeModel) -> float:
    means, deviations = regimes.emission_parameters(hidden)
    by_regime = np.exp(np.asarray(stats.norm.logpdf(bar[:, None, :], means, deviations)).sum(axis=2))
    return float(np.log(((held @ hidden.transition) * by_regime).sum(axis=1)).mean())


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(0, 1e6)), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_probabilities_sum_to_one_whatever_is_seen(seen: list[tuple[float, float]]) -> None:
    held, hidden = regimes.uniform_probabilities(1), regimes.initial_regime_model()
    for ratio, other in seen:
        held, hidden = regimes.filter_forward(held, np.array([ratio]), np.array([other]), KNOWN, hidden)
        assert (held >= 0).all()
        np.testing.assert_allclose(held.sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_allclose(hidden.pairs.sum(), 1.0)
    np.testing.assert_allclose(hidden.transition.sum(axis=1), 1.0)


def test_the_filter_is_bayes_rule_on_a_chain_that_stays() -> None:
    draw = np.random.default_rng(8)
    chain = np.full((4, 4), 0.01)
    np.fill_diagonal(chain, 0.97)
    held = np.full(4, 0.25)
    surge, trend = draw.normal(0, 0.3, 40), np.abs(draw.normal(0, 1, 40))
    filtered_probabilities = filtered(surge, trend)
    for step in range(40):
        likely = [stats.norm.pdf(surge[step], *regimes.VOLATILITY_RATIO[k]) * stats.norm.pdf(trend[step], *regimes.TREND[k]) for k in range(4)]
        held = (held @ chain) * np.array(likely)
        held = held / held.sum()
        np.testing.assert_allclose(filtered_probabilities[step], held, rtol=1e-9)


def test_later_bars_change_no_earlier_result() -> None:
    _, seen = simulated()
    other = seen[:400].copy()
    other[300:] += 1.0
    first, second = played(seen[:400], learning=True), played(other, learning=True)
    assert (first[1][:300] == second[1][:300]).all()
    assert (first[1][300:] != second[1][300:]).any()


def test_each_regime_is_recognised_by_its_own_measures() -> None:
    for index, name in enumerate(REGIMES):
        surge, trend = regimes.VOLATILITY_RATIO[index][0], regimes.TREND[index][0]
        filtered_probabilities = filtered(np.full(80, surge), np.full(80, trend))
        assert REGIMES[int(filtered_probabilities[-1].argmax())] == name


def test_the_parameters_converge_to_those_that_generated_the_data() -> None:
    hidden, _, _ = played(simulated()[1], learning=True)
    means, deviations = regimes.emission_parameters(hidden)
    np.testing.assert_allclose(means, MEANS, atol=0.04)
    np.testing.assert_allclose(deviations, DEVIATIONS, atol=0.04)
    np.testing.assert_allclose(hidden.transition.diagonal(), CHAIN.diagonal(), atol=0.012)
    assert np.abs(regimes.emission_parameters(regimes.initial_regime_model())[0] - MEANS).max() > 0.3


def test_the_fitted_filter_foresees_better_than_the_one_it_started_from_and_names_more_regimes_rightly() -> None:
    regime, seen = simulated()
    half = len(seen) // 2
    _, fitted, gained = played(seen, learning=True)
    _, fixed, held = played(seen, learning=False)
    difference = gained[half:] - held[half:]
    blocks = difference.reshape(30, -1).mean(axis=1)
    assert blocks.mean() - 2.0 * blocks.std(ddof=1) / np.sqrt(len(blocks)) > 0.5
    right, before = ((filtered_probabilities[half:].argmax(axis=2) == regime[half:]).mean() for filtered_probabilities in (fitted, fixed))
    assert right > before + 0.02
    assert right > 0.95


def test_names_keep_their_meaning_whatever_is_seen() -> None:
    for surge, trend in ((0.9, 5.0), (-0.9, 0.1), (0.0, 0.0)):
        hidden, _, _ = played(np.tile([surge, trend], (1_500, 3, 1)), learning=True)
        means, deviations = regimes.emission_parameters(hidden)
        names = dict(zip(REGIMES, means, strict=True))
        assert names["calm"][0] <= names["ranging"][0] <= names["volatile"][0]
        assert names["trending"][1] > max(names["calm"][1], names["ranging"][1])
        assert (deviations >= regimes.MIN_DEVIATION - 1e-12).all()


def test_an_unseen_symbol_moves_on_by_the_transition_and_does_not_update_the_model() -> None:
    held = np.array([[0.7, 0.1, 0.1, 0.1], [0.7, 0.1, 0.1, 0.1]])
    seen = np.array([True, False])
    filtered_probabilities, hidden = regimes.filter_forward(held, np.array([0.5, 0.5]), np.array([1.0, 1.0]), seen, regimes.initial_regime_model())
    np.testing.assert_allclose(filtered_probabilities[1], held[1] @ regimes.initial_regime_model().transition)
    _, alone = regimes.filter_forward(held[:1], np.array([0.5]), np.array([1.0]), seen[:1], regimes.initial_regime_model())
    np.testing.assert_allclose(hidden.moments, alone.moments)
    _, nobody = regimes.filter_forward(held, np.array([0.5, 0.5]), np.array([1.0, 1.0]), ~seen & False, regimes.initial_regime_model())
    assert nobody is regimes.initial_regime_model()


def test_a_change_of_regime_has_a_probability() -> None:
    model = regimes.initial_regime_model()
    held = np.array([[0.4, 0.3, 0.2, 0.1]])
    surge, trend = 0.45, 1.1
    filtered_probabilities, _ = regimes.filter_forward(held, np.array([surge]), np.array([trend]), KNOWN, model)
    likely = [stats.norm.pdf(surge, *regimes.VOLATILITY_RATIO[k]) * stats.norm.pdf(trend, *regimes.TREND[k]) for k in range(4)]
    pairs = held[0][:, None] * model.transition * np.array(likely)
    np.testing.assert_allclose(regimes.change_probability(held, filtered_probabilities, model), 1.0 - np.trace(pairs) / pairs.sum(), rtol=1e-9)
    regime, seen = simulated()
    before, held, alarms = regimes.uniform_probabilities(8), regimes.uniform_probabilities(8), []
    for bar in seen[:2_000]:
        before, (held, _) = held, regimes.filter_forward(held, bar[:, 0], bar[:, 1], np.ones(8, dtype=bool), model)
        alarms.append(regimes.change_probability(before, held, model))
    moved = regime[1:2_000] != regime[:1_999]
    chance = np.stack(alarms)[1:]
    assert chance[moved].mean() > 10 * chance[~moved].mean()


def test_parameters_are_updated_every_eighth_bar() -> None:
    hidden, held = regimes.initial_regime_model(), regimes.uniform_probabilities(1)
    changed = []
    for _ in range(17):
        held, after = regimes.filter_forward(held, np.array([0.4]), np.array([2.0]), KNOWN, hidden)
        changed.append(bool((after.emission != hidden.emission).any()))
        hidden = after
    assert [index for index, filtered_probabilities in enumerate(changed, 1) if filtered_probabilities] == [8, 16]


def test_every_moment_of_a_run_has_probabilities_and_the_model_learns_along() -> None:
    for tick, outcome in lesson().outcomes.items():
        np.testing.assert_allclose(outcome.market_state.probabilities.sum(axis=1), 1.0)
        assert (outcome.market_state.regime == outcome.market_state.probabilities.argmax(axis=1)).all()
        assert outcome.state.regime_model is outcome.market_state.regime_model
        assert outcome.market_state.regime_model.bars <= tick + 1
    assert lesson().outcomes[740].market_state.regime_model.bars > 600
    assert replace(regimes.initial_regime_model()).digest() == regimes.initial_regime_model().digest()


def test_the_parameters_of_the_first_bar() -> None:
    means, deviations = regimes.emission_parameters(regimes.initial_regime_model())
    np.testing.assert_allclose(means, [[-0.40, 0.80], [-0.02, 0.80], [0.05, 2.20], [0.50, 1.00]])
    np.testing.assert_allclose(deviations, [[0.25, 0.60], [0.20, 0.60], [0.30, 0.60], [0.30, 0.80]])
    transition = regimes.initial_regime_model().transition
    np.testing.assert_allclose(transition, np.where(np.eye(4), 0.97, 0.01))
    assert regimes.uniform_probabilities(2).tolist() == [[0.25] * 4] * 2


def test_a_bar_that_a_regime_all_but_rules_out_leaves_the_others_as_they_were() -> None:
    """A log density of -2,500 below that of the other regimes: its exponential is 0, and neither infinite nor unknown."""
    narrow = np.zeros((5, len(REGIMES)))
    narrow[2, 0] = -400.0
    hidden = replace(regimes.initial_regime_model(), emission=narrow, transition=np.full((len(REGIMES), len(REGIMES)), 1.0 / len(REGIMES)))
    after, _ = regimes.filter_forward(regimes.uniform_probabilities(1), np.array([2.5]), np.zeros(1), np.ones(1, dtype=bool), hidden)
    np.testing.assert_allclose(after, [[0.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0]])
