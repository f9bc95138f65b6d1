"""Mean-variance sizes by hand, against a general solver, and their general properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from engine.evidence import mean_variance
from engine.evidence.mean_variance import conditional_size, optimise_sizes

SEEDS = st.integers(0, 100_000)
NONE = np.zeros(2)


def correlation(count: int, draw: np.random.Generator) -> np.ndarray:
    """A correlation matrix with groups, some of whose pairs nearly move as one, to either side."""
    loads = draw.normal(size=(count, 3)) * draw.choice([0.2, 1.0, 5.0], (count, 1))
    whole = loads @ loads.T + np.diag(draw.uniform(0.05, 1.0, count))
    root = np.sqrt(np.diag(whole))
    return np.asarray(whole / np.outer(root, root))


def problem(seed: int, count: int | None = None) -> tuple[np.ndarray, ...]:
    draw = np.random.default_rng(seed)
    n = int(draw.integers(2, 12)) if count is None else count
    edge, cost = draw.uniform(0.0, 2.0, n), draw.uniform(0.0, 0.5, n)
    held = np.where(draw.random(n) < 0.5, 0.0, draw.uniform(0.0, 2.0, n))
    bound = np.minimum(conditional_size(edge, cost, held, np.full(n, np.inf)), draw.uniform(0.2, 3.0))
    return correlation(n, draw), edge, cost, held, bound


def worth(size: np.ndarray, whole: np.ndarray, edge: np.ndarray, cost: np.ndarray, held: np.ndarray) -> float:
    return float(edge @ size - size @ whole @ size / 2 - cost @ np.maximum(size - held, 0.0))


@given(SEEDS)
@settings(max_examples=400, deadline=None)
def test_every_size_is_the_best_given_the_others(seed: int) -> None:
    whole, edge, cost, held, bound = problem(seed)
    size = optimise_sizes(whole, edge, cost, held, bound)
    np.testing.assert_allclose(size, conditional_size(edge + size - whole @ size, cost, held, bound), atol=1e-7)
    assert (size >= 0).all()
    assert (size <= bound + 1e-12).all()


@pytest.mark.parametrize("seed", range(25))
def test_no_general_solver_finds_anything_better(seed: int) -> None:
    whole, edge, cost, held, bound = problem(seed)
    size = optimise_sizes(whole, edge, cost, held, bound)
    # what is bought beyond what is held, and what is kept of it, as two parts: smooth, so that any solver can do it
    n, most = len(edge), np.minimum(held, bound)

    def loss(parts: np.ndarray) -> tuple[float, np.ndarray]:
        total = parts[:n] + parts[n:]
        slope = whole @ total - edge
        return float(total @ whole @ total / 2 - edge @ total + cost @ parts[n:]), np.concatenate((slope, slope + cost))

    reference = minimize(
        loss, np.zeros(2 * n), jac=True, method="L-BFGS-B", bounds=[(0, m) for m in most] + [(0, b - m) for b, m in zip(bound, most, strict=True)],
        options={"maxiter": 5_000, "ftol": 1e-15, "gtol": 1e-10},
    )  # fmt: skip
    assert worth(size, whole, edge, cost, held) >= -reference.fun - 1e-7


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_another_order_of_symbols_gives_the_same_sizes(seed: int) -> None:
    whole, *rest = problem(seed)
    order = np.random.default_rng(seed).permutation(len(whole))
    there = optimise_sizes(whole[np.ix_(order, order)], *(part[order] for part in rest))
    np.testing.assert_allclose(there, optimise_sizes(whole, *rest)[order], atol=1e-7)


@given(SEEDS)
@settings(max_examples=100, deadline=None)
def test_without_correlation_each_symbol_has_the_size_it_would_have_alone(seed: int) -> None:
    _, edge, cost, held, bound = problem(seed)
    np.testing.assert_array_equal(optimise_sizes(np.eye(len(edge)), edge, cost, held, bound), bound)


def test_two_names_of_one_symbol_share_one_size_evenly() -> None:
    nearly = np.array([[1.0, 0.9999], [0.9999, 1.0]])
    size = optimise_sizes(nearly, np.array([0.8, 0.8]), np.array([0.1, 0.1]), NONE, np.array([0.7, 0.7]))
    np.testing.assert_allclose(size, 0.35, rtol=1e-3)


def test_a_pair_by_hand() -> None:
    whole = np.array([[1.0, 0.5], [0.5, 1.0]])
    size = optimise_sizes(whole, np.array([1.0, 0.7]), NONE, NONE, np.array([1.0, 0.7]))
    np.testing.assert_allclose(size, np.linalg.solve(whole, [1.0, 0.7]))
    np.testing.assert_allclose(optimise_sizes(whole, np.array([1.0, 0.4]), NONE, NONE, np.array([1.0, 0.4])), [1.0, 0.0])


def test_a_size_within_its_band_given_the_other_is_not_traded() -> None:
    whole, cost, held = np.array([[1.0, 0.5], [0.5, 1.0]]), np.array([0.2, 0.2]), np.array([0.5, 0.5])
    size = optimise_sizes(whole, np.array([0.8, 0.8]), cost, held, np.array([0.6, 0.6]))  # left: 0.8 - 0.25 = 0.55, worth 0.35 to buy: 0.5 is between
    np.testing.assert_allclose(size, held)


def test_a_symbol_that_hedges_is_never_larger_than_alone() -> None:
    whole = np.array([[1.0, -0.8], [-0.8, 1.0]])
    size = optimise_sizes(whole, np.array([1.0, 0.7]), NONE, NONE, np.array([1.0, 0.7]))
    np.testing.assert_allclose(size, [1.0, 0.7])


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_coordinate_descent_finds_the_same_where_newtons_method_does_not_end(seed: int) -> None:
    draw = np.random.default_rng(seed)
    whole, edge, cost, held, bound = problem(seed)
    whole = 0.5 * whole + 0.5 * np.eye(len(edge))
    size = draw.random(len(edge)) * bound
    for _ in range(20):
        size = mean_variance._descend(whole, edge, cost, held, size, bound)
    np.testing.assert_allclose(size, optimise_sizes(whole, edge, cost, held, bound), atol=1e-6)
