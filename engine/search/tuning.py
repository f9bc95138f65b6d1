"""Tuning of parameters by Optuna (Akiba et al. 2019): a tree-structured Parzen estimator, pruned by fold at the median."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from engine.domain.model import Hyperparameter

STARTUP_TRIALS = 6  # drawn at random before the estimator
PRUNE_AFTER = 4  # complete trials
DIGITS = 4  # significant, of a searched parameter

Objective = Callable[[Mapping[str, float], Callable[[float, int], bool]], float | None]
"""Values by parameter, and `report`(value so far, folds) which says whether to stop -> the value, None where it failed or was stopped."""


def tune_parameters(parameters: tuple[Hyperparameter, ...], start: Mapping[str, float], objective: Objective, trials: int, seed: int) -> None:
    """Call `objective` for a fixed number of trials, the first with `start`; what it is given depends on the seed and its values only.

    Optuna is imported here because it is only needed in a worker; its log is silent meanwhile and the study is in memory.
    """
    import optuna  # noqa: PLC0415 heavy, and only a worker needs it

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS, multivariate=False)
        pruner = optuna.pruners.MedianPruner(n_startup_trials=PRUNE_AFTER, n_warmup_steps=2)  # the first fold alone stops nothing
        study = optuna.create_study(storage=None, sampler=sampler, pruner=pruner, direction="maximize")
        study.enqueue_trial({each.name: _to_searched(each, start.get(each.name, each.default)) for each in parameters})
        for _ in range(trials):
            trial = study.ask()
            values = {each.name: _suggest(trial, each) for each in parameters}
            value = objective(values, partial(_report, trial))
            if value is None or not math.isfinite(value):
                study.tell(trial, state=optuna.trial.TrialState.PRUNED if trial.should_prune() else optuna.trial.TrialState.FAIL)
            else:
                study.tell(trial, value)
    finally:
        optuna.logging.set_verbosity(verbosity)


def round_parameter(parameter: Hyperparameter, value: float) -> float:
    """The value within the parameter's bounds, whole or with four significant digits."""
    rounded = float(round(value)) if parameter.integer else float(f"{value:.{DIGITS}g}")
    return float(min(parameter.high, max(parameter.low, rounded)))


def _to_searched(parameter: Hyperparameter, value: float) -> float:
    bounded = round_parameter(parameter, value)
    return int(bounded) if parameter.integer else bounded


def _suggest(trial: Any, parameter: Hyperparameter) -> float:
    if parameter.integer:
        return float(trial.suggest_int(parameter.name, int(parameter.low), int(parameter.high), log=parameter.log))
    return round_parameter(parameter, trial.suggest_float(parameter.name, parameter.low, parameter.high, log=parameter.log))


def _report(trial: Any, value: float, step: int) -> bool:
    trial.report(value, step)
    return bool(trial.should_prune())
