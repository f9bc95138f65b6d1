"""Cases of the models: fitted on fixed tables, what they forecast and how they explain it; and the linear parts that they share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from engine.domain.model import Model, TrainingSet
from engine.domain.record import Floats
from engine.domain.state import OnlineInputs, OnlineMemory
from engine.evidence import linear, recursive_least_squares
from engine.models import fourier_features, interactions, neural, online, prototypes, ridge

Cases = Iterator[tuple[str, object]]
HORIZONS, COLUMNS = (1, 3, 12), 9
GIVEN: tuple[tuple[Model, tuple[dict[str, float], ...]], ...] = (
    (ridge.MODEL, ({}, {"penalty_scale": 4.0})),
    (online.MODEL, ({}, {"columns": 4, "halflife": 500.0, "penalty_scale": 1.0})),
    (prototypes.MODEL, ({"clusters": 6}, {"clusters": 5, "components": 3, "prior": 40.0})),
    (fourier_features.MODEL, ({}, {"features": 32, "length_scale": 3.0})),
    (interactions.MODEL, ({}, {"products": 2, "columns": 2})),
    (neural.MODEL, ({}, {"units": 8, "steps": 100.0})),
)


def model_cases() -> Cases:
    """Every case."""
    sets = {"table": table(700), "persistent": persistent(table(1_300)), "small": table(150)}
    for model, variants in GIVEN:
        for parameters in variants:
            known = {parameter.name for parameter in model.parameters}
            given = {name: value for name, value in parameters.items() if name in known}
            for name, training in sets.items():
                if model is fourier_features.MODEL and name == "persistent":
                    continue  # its products are nearly singular there, so that the coefficients depend on rounding errors
                yield from _fitted(f"{model.name} {sorted(given.items())} {name}", model, training, given)
        yield f"hyperparameters of {model.name}", model.parameters
    yield from _online(sets["table"])
    yield from _linear(sets)


def table(rows: int) -> TrainingSet:
    """Three rows per tick of nine columns in clusters, some blank; the target has linear, bent and joint parts, and the newest are unknown."""
    draw = np.random.default_rng(rows)
    centres = draw.normal(0.0, 3.0, (5, COLUMNS))
    x = centres[draw.integers(0, 5, rows)] + draw.normal(0.0, 0.5, (rows, COLUMNS)) * np.linspace(0.5, 2.0, COLUMNS)
    clean = (x - x.mean(axis=0)) / x.std(axis=0)
    signal = 0.5 * clean[:, 0] - 0.3 * clean[:, 1] + 0.6 * clean[:, 2] * clean[:, 3] + 0.2 * np.tanh(2.0 * clean[:, 4])
    y = np.stack([signal * (1.0 + 0.1 * place) + draw.normal(0.0, 0.6, rows) for place in range(len(HORIZONS))], axis=1)
    x[draw.random(x.shape) < np.linspace(0.0, 0.3, COLUMNS)] = np.nan
    tick = np.arange(rows) // 3
    for place, horizon in enumerate(HORIZONS):
        y[tick > tick[-1] - horizon, place] = np.nan
    y[draw.random(rows) < 0.02] = np.nan
    return TrainingSet(tuple(f"f.c{place}" for place in range(COLUMNS)), HORIZONS, x.astype(np.float32), y, tick, int(tick[-1]) + 2)


def persistent(training: TrainingSet) -> TrainingSet:
    """The rows with a constant column, a blank one, and targets at one horizon that are mostly unknown."""
    x, y = training.x.copy(), training.y.copy()
    x[:, 7], x[:, 8] = 2.0, np.nan
    y[::2, 2] = np.nan
    return replace(training, x=x, y=y)


def new_rows(count: int = 6) -> Floats:
    """Rows to forecast: usual ones, blank ones and one far outside."""
    rows = np.random.default_rng(5).normal(0.0, 3.0, (count, COLUMNS))
    rows[1, :4], rows[2], rows[3] = np.nan, np.nan, rows[3] * 50.0
    return rows


def _fitted(name: str, model: Model, training: TrainingSet, parameters: dict[str, float]) -> Cases:
    data = model.fit(training, 3, **parameters)
    fitted = model.load(data)
    if model is not neural.MODEL:
        yield f"{name}: fitted", _without_signs(fitted)
    yield f"{name}: forecast", list(np.asarray(model.predict(fitted, new_rows())).T)
    if model.contribute is not None:
        contributed = np.asarray(model.contribute(data, new_rows()))
        yield f"{name}: contributions", list(contributed[:, :3].transpose(1, 0, 2))


def _without_signs(fitted: object) -> object:
    """What was fitted; of principal components, whose signs are arbitrary, and of centres, whose order is, only the sizes."""
    if isinstance(fitted, prototypes.Fitted):
        return (fitted.standard, np.abs(fitted.axes), np.sort((fitted.centres**2).sum(axis=1)), fitted.width, np.sort(fitted.outcomes, axis=0))
    return fitted


def _online(training: TrainingSet) -> Cases:
    """The online model learns on for some ticks from what it forecast."""
    draw = np.random.default_rng(8)
    for parameters in ({}, {"columns": 5, "halflife": 200.0}):
        fitted = online.load(online.fit(training, 1, **parameters))
        memories: tuple[OnlineMemory, ...] = ()
        learner = online.MODEL.online
        assert learner is not None
        for tick in range(40):
            x = draw.normal(0.0, 3.0, (4, COLUMNS))
            inputs = OnlineInputs(0, "online-1", learner.decay_of(fitted), learner.select_columns(fitted, x))
            target, known = draw.normal(x[:, 0] * 0.3, 0.5, (3, 4)), draw.random((1, 3, 4)) < 0.9
            memories = recursive_least_squares.update_memories(memories, (inputs,), known, target, HORIZONS)
            if tick % 13 == 12:
                memories = recursive_least_squares.age_memories(memories)
            memory = recursive_least_squares.find_memory(memories, "online-1")
            if tick in {3, 20, 39}:
                yield f"online {parameters} after {tick}", (memory, learner.forecast(fitted, inputs.columns, memory, tick + 5))
                assert learner.contribute is not None
                yield f"online {parameters} after {tick}: contributions", list(learner.contribute(fitted, new_rows(), memory, tick + 5)[0])
        yield f"online {parameters}: another version", recursive_least_squares.find_memory(memories, "online-2")


def _linear(sets: dict[str, TrainingSet]) -> Cases:
    for name, training in sets.items():
        standard = linear.fit_standardiser(training.x)
        z = standard.transform(training.x)
        yield f"standardiser of {name}", standard
        yield f"standardised {name}", (z[:3], standard.transform_single(training.x)[:3], standard.select_columns(np.array([2, 0])))
        yield f"bounds of {name}", linear.training_bounds(training.x)
        yield f"penalties of {name}", linear.choose_penalties(z, training)
        for scale in (0.2, 1.0, 30.0):
            slopes = linear.fit_ridge(z, training, scale)
            yield f"ridge of {name} {scale}", list(slopes.T)
            yield f"contributions of {name} {scale}", list(linear.linear_contributions(slopes[:-1].T, z[:2], slopes[-1])[0])
    arrays = linear.arrays_from_bytes(linear.arrays_to_bytes(a=np.arange(3.0), b=np.eye(2)), "a", "b")
    yield "arrays", arrays
    large = np.random.default_rng(1).normal(0.0, 1.0, (41_000, 2)).cumsum(axis=0)
    large[::7, 1] = np.nan
    yield "bounds of many rows", (linear.training_bounds(large), linear.fit_standardiser(large))
