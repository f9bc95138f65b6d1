"""Figures of functions against stored references; see test_sessions.py."""

from __future__ import annotations

import itertools

import pytest

from tests.reference.cases import CASES, run_cases
from tests.reference.figures import figures_of
from tests.reference.stored import read_values, value_differences


@pytest.mark.parametrize("name", CASES)
def test_every_figure_of_the_cases_is_that_of_the_reference(name: str) -> None:
    stored, seen = read_values(name), set()
    for case, value in run_cases(name):
        differing = list(itertools.islice(value_differences(case, figures_of(value, ""), stored.get(case, {})), 6))
        assert not differing, f"{name}, {case}: " + "; ".join(differing)
        assert case not in seen, f"{name}: two cases are called {case}"
        seen.add(case)
    assert seen == stored.keys()
