"""Every hyperparameter with its default and bounds, how it is searched, and that a search stays within what a model accepts."""

from __future__ import annotations

import re

import numpy as np
import pytest

from engine.domain.model import Hyperparameter, Model, TrainingSet
from engine.plugins import discover_plugins

MODELS: dict[str, Model] = {model.name: model for model in discover_plugins("engine.models", "MODEL")}
# default, low, high; i: integer, l: on a logarithmic scale, s: by the structure search
SPACE: dict[str, dict[str, tuple[float, float, float, str]]] = {
    "interactions": {"products": (12, 1, 64, "ils"), "columns": (8, 0, 32, "i"), "penalty_scale": (1, 0.05, 50, "l")},
    "kmeans_prototypes": {"clusters": (48, 4, 256, "ils"), "components": (8, 1, 32, "il"), "prior": (200, 10, 10_000, "l")},
    "lightgbm": {
        "rounds": (60, 10, 400, "il"),
        "learning_rate": (0.05, 0.005, 0.3, "l"),
        "num_leaves": (12, 2, 64, "ils"),
        "max_depth": (63, 1, 63, "ils"),
        "min_data_share": (0.005, 0.0005, 0.1, "l"),
        "lambda_l2": (10, 0.01, 1_000, "l"),
        "feature_fraction": (0.5, 0.1, 1, ""),
    },
    "neural": {
        "units": (32, 4, 128, "ils"),
        "steps": (400, 50, 2_000, "il"),
        "learning_rate": (4e-4, 2e-5, 1e-2, "l"),
        "decay": (0.02, 1e-4, 10, "l"),
    },
    "online": {"columns": (16, 2, 48, "ils"), "halflife": (3_000, 200, 50_000, "l"), "penalty_scale": (0.3, 0.01, 10, "l")},
    "random_fourier_features": {"features": (96, 16, 512, "ils"), "length_scale": (1.5, 0.3, 10, "l")},
    "ridge": {"penalty_scale": (1, 0.05, 50, "l")},
}


def flags(parameter: Hyperparameter) -> str:
    return "i" * parameter.integer + "l" * parameter.log + "s" * parameter.structural


def rows() -> TrainingSet:
    """Few rows: what is out of bounds is refused before anything is fitted."""
    return TrainingSet(("a", "b"), (1,), np.zeros((4, 2), dtype=np.float32), np.zeros((4, 1)), np.arange(4), 4)


def test_every_model_with_hyperparameters_is_written_here() -> None:
    assert {name for name, model in MODELS.items() if model.parameters} == set(SPACE)


@pytest.mark.parametrize("name", SPACE)
def test_the_space_of_a_model_is_the_one_written_here_and_a_fit_refuses_what_lies_outside(name: str) -> None:
    model = MODELS[name]
    assert {part.name: (part.default, part.low, part.high, flags(part)) for part in model.parameters} == SPACE[name]
    for parameter, (_, low, high, kind) in SPACE[name].items():
        for beyond in (low - 0.01 * (high - low), high + 0.01 * (high - low)):
            with pytest.raises(ValueError, match=re.escape(f"{parameter} is {beyond:g}: it has to be between {low:g} and {high:g}")):
                model.fit(rows(), 1, **{parameter: beyond})
        if "i" in kind:
            with pytest.raises(ValueError, match=f"{parameter} is {low + 0.5:g}: it has to be a whole number"):
                model.fit(rows(), 1, **{parameter: low + 0.5})
    with pytest.raises(ValueError, match="there is no parameter 'other'"):
        model.fit(rows(), 1, other=1.0)


@pytest.mark.parametrize("name", SPACE)
def test_a_default_lies_within_its_bounds_and_a_logarithm_has_a_positive_range(name: str) -> None:
    for part in MODELS[name].parameters:
        assert part.low <= part.default <= part.high
        assert part.low < part.high
        assert part.low > 0.0 or not part.log
        assert not part.integer or float(part.default).is_integer()
