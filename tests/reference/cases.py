"""Every set of cases by the name of its reference: figures of functions that the sessions do not reach, or reach with few kinds of input."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tests.reference.cases_evidence import evidence_cases
from tests.reference.cases_models import model_cases
from tests.reference.cases_optimizer import optimizer_cases
from tests.reference.cases_verdicts import verdict_cases

CASES: dict[str, Callable[[], Iterator[tuple[str, object]]]] = {
    "evidence": evidence_cases,
    "models": model_cases,
    "optimizer": optimizer_cases,
    "verdicts": verdict_cases,
}


def run_cases(name: str) -> Iterator[tuple[str, object]]:
    """The cases of a reference with their results; unknown numbers raise no warning, as in a phase."""
    cases = CASES[name]()
    while True:
        with np.errstate(invalid="ignore", divide="ignore"):
            case = next(cases, None)
        if case is None:
            return
        yield case
