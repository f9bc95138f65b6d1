"""Reads the hyperparameters that a model is fitted with."""

from __future__ import annotations

import math
from collections.abc import Mapping

from engine.domain.model import Hyperparameter


def read_parameters(parameters: tuple[Hyperparameter, ...], given: Mapping[str, float]) -> dict[str, float]:
    """The value of each parameter: the given one, else its default. Raises ValueError, in one line, for an unknown name or a value out of bounds."""
    known = {parameter.name: parameter for parameter in parameters}
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(f"there is no parameter {unknown[0]!r}: there are {', '.join(known)}")
    return {name: _read_value(parameter, given.get(name, parameter.default)) for name, parameter in known.items()}


def _read_value(parameter: Hyperparameter, value: float) -> float:
    value = float(value)
    if not (math.isfinite(value) and parameter.low <= value <= parameter.high):
        raise ValueError(f"{parameter.name} is {value:g}: it has to be between {parameter.low:g} and {parameter.high:g}")
    if parameter.integer and value != int(value):
        raise ValueError(f"{parameter.name} is {value:g}: it has to be a whole number")
    return value
