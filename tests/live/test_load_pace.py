"""Bars that close faster than they are loaded are reported, and an exchange that was away once is not."""

from __future__ import annotations

from engine.live.load_pace import LoadPace

SECOND = 10**9


def test_two_slow_loads_in_a_row_are_a_problem_until_one_is_quick() -> None:
    pace = LoadPace(50, SECOND, 13)
    assert pace.add_load(14 * SECOND)
    assert pace.add_load(13 * SECOND)
    assert pace.add_load(20 * SECOND)
    assert str(pace.problem) == "None"
    assert not pace.add_load(50 * SECOND)
    assert "50 symbols took 50 s to load, in which 50 bars closed" in str(pace.problem)
    assert pace.add_load(SECOND)
    assert str(pace.problem) == "None"


def test_a_bar_that_is_closed_in_time_ends_the_problem() -> None:
    pace = LoadPace(2, SECOND, 13)
    assert pace.add_load(14 * SECOND)
    assert not pace.add_load(14 * SECOND)
    assert "took 14 s to load" in str(pace.problem)
    pace.clear()
    assert str(pace.problem) == "None"
    assert pace.add_load(14 * SECOND)
