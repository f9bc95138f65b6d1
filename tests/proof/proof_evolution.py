"""Evolution on markets that change, on twenty seeds each, and on noise: `make proof`. The figures stand in docs/evidence/evolution.md."""

from __future__ import annotations

import numpy as np
import pytest

from tests.proof.evolution_runs import CHANGE, Course, play_all

SEEDS = range(1, 21)
NULL_SEEDS = range(1, 201)


@pytest.fixture(scope="module")
def flipped() -> tuple[list[Course], list[Course]]:
    """The courses with evolution and with scheduled refreshes only, over a flip of the relation."""
    return play_all("flip", "full", SEEDS), play_all("flip", "refresh", SEEDS)


def test_on_noise_a_challenger_is_promoted_in_at_most_5_percent_of_runs() -> None:
    courses = play_all("null", "full", NULL_SEEDS)
    promoted = sum(bool(course.promoted) for course in courses)
    print(f"runs with a promotion {promoted} of {len(courses)}, contests a run {np.mean([course.contests for course in courses]):.1f}")
    assert promoted <= 0.05 * len(courses)


def test_after_a_flip_evolution_is_better_than_refreshes_on_schedule(flipped: tuple[list[Course], list[Course]]) -> None:
    gains = np.array([full.r2(CHANGE, CHANGE + 3_000) - refresh.r2(CHANGE, CHANGE + 3_000) for full, refresh in zip(*flipped, strict=True)])
    mean, error = gains.mean(axis=0), gains.std(axis=0, ddof=1) / np.sqrt(len(gains))
    print("difference of R2 over 3,000 bars by horizon", mean.round(4), "+-", (1.96 * error).round(4))
    for name, courses in zip(("full", "refresh"), flipped, strict=True):
        print(name, "bars to half of the R2 before:", [half_recovery(course) for course in courses])
    assert (mean - 1.96 * error > 0.0).all()


def test_an_interaction_is_found_and_serves_within_5000_bars() -> None:
    courses = play_all("interaction", "full", SEEDS)
    shares = []
    for course in courses:
        assert course.oracle is not None
        shares.append(float(course.r2(len(course.gain) - 1_001, len(course.gain) - 1)[0] / course.oracle[0]))
    print("share of the oracle's R2 at one bar over the last 1,000 bars", np.round(shares, 2))
    assert np.mean([bool(course.promoted) for course in courses]) >= 0.8
    assert np.mean(np.array(shares) > 0.8) >= 0.8


def half_recovery(course: Course) -> int | None:
    """Bars from the change to the end of the first 250 bars whose R2 at one bar is half of that of the 1,000 bars before; None without any."""
    before = float(course.r2(CHANGE - 1_000, CHANGE)[0])
    ends = (last for last in range(CHANGE + 250, len(course.gain), 25) if float(course.r2(last - 250, last)[0]) >= before / 2.0)
    last = next(ends, None)
    return None if last is None else last - CHANGE
