"""Tuning: trials are a function of the seed and of the values, stopped trials count, and nothing global is left changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import optuna
import pytest

from engine.domain.model import Hyperparameter
from engine.search import tuning

SPACE = (
    Hyperparameter("rate", 0.1, 0.001, 1.0, log=True),
    Hyperparameter("leaves", 12, 2, 64, integer=True, log=True),
    Hyperparameter("share", 0.5, 0.1, 1.0),
)
Report = Callable[[float, int], bool]


def play(trials: int, seed: int, start: Mapping[str, float], *, fails: bool = False) -> list[tuple[dict[str, float], int]]:
    """The values of each trial and the number of folds that it was evaluated on; the best is at a rate of 0.01 and 40 leaves."""
    played = []

    def objective(values: Mapping[str, float], report: Report) -> float | None:
        value = -((values["rate"] / 0.01 - 1.0) ** 2) - (values["leaves"] - 40.0) ** 2
        count = next((count for count in range(1, 5) if report(value, count)), 5)
        played.append((dict(values), count))
        return None if count < 5 or (fails and len(played) % 2) else value

    tuning.tune_parameters(SPACE, start, objective, trials, seed)
    return played


def test_the_first_trial_is_the_start_and_the_count_is_fixed() -> None:
    played = play(12, 3, {"rate": 0.02})
    assert len(played) == 12
    assert played[0][0] == {"rate": 0.02, "leaves": 12.0, "share": 0.5}
    for values, _ in played:
        assert set(values) == {"rate", "leaves", "share"}
        for parameter in SPACE:
            assert parameter.low <= values[parameter.name] <= parameter.high
        assert values["leaves"] == int(values["leaves"])


def test_the_same_seed_gives_the_same_trials_and_another_gives_others() -> None:
    assert play(12, 3, {}) == play(12, 3, {})
    assert [values for values, _ in play(12, 3, {})[1:]] != [values for values, _ in play(12, 4, {})[1:]]


def test_hopeless_trials_are_stopped_and_good_values_are_found() -> None:
    played = play(40, 1, {})
    assert min(count for _, count in played) == 2  # the first fold alone stops nothing
    assert sum(count < 5 for _, count in played) > 10
    late = [abs(values["leaves"] - 40.0) < 10.0 for values, _ in played[20:]]
    assert sum(late) >= 7  # of 20; 3 by chance


def test_trials_that_fail_are_trials() -> None:
    assert len(play(10, 1, {}, fails=True)) == 10


def test_optuna_says_nothing_and_its_settings_are_as_before(capfd: pytest.CaptureFixture[str]) -> None:
    optuna.logging.set_verbosity(optuna.logging.INFO)
    with pytest.raises(ZeroDivisionError):
        tuning.tune_parameters(SPACE, {}, lambda *_: 1 / 0, 3, 1)
    play(8, 1, {})
    assert optuna.logging.get_verbosity() == optuna.logging.INFO
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("parameter", "value", "rounded"), [(0, 0.0123456, 0.01235), (0, 7.0, 1.0), (1, 3.4, 3.0), (1, 1.0, 2.0)])
def test_values_are_rounded_within_bounds(parameter: int, value: float, rounded: float) -> None:
    assert tuning.round_parameter(SPACE[parameter], value) == rounded
