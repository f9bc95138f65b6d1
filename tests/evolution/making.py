"""Arms, states and forecasts of made numbers: two models, two horizons and four symbols."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from engine.domain.decision import Forecast, Predictions
from engine.domain.evolution import BETTER, Arm
from engine.domain.market import Inputs
from engine.domain.model import Catalog, ServingModel
from engine.domain.recipe import Recipe
from engine.domain.state import State
from engine.domain.tick import Tick
from engine.domain.trading_config import Event, TradingConfig
from engine.evidence import contest
from engine.evidence.scoring import ScoredForecasts
from engine.evolution.arms import BLEND, CHALLENGER
from engine.evolution.progress import Progress, begin_contest
from engine.phases import learning
from engine.service import training
from tests.evolution.evolving import Workers, unstored

NAMES = ("ridge", "lightgbm")
HORIZONS = (1, 3)
SYMBOLS = 4
CONFIG = TradingConfig(evolution="full", horizons=HORIZONS, shrinkage_rows=20.0, weight_halflife=50.0)


@cache
def tick() -> Tick:
    made = unstored(Workers(), replace(CONFIG, first_training=10_000)).step()
    assert made is not None
    return made


def situation(at: int = 500, *events: Event, **changed: object) -> Inputs:
    return replace(tick().inputs, tick=at, events=events, config=replace(CONFIG, **changed))  # type: ignore[arg-type]


def version(place: str, digest: str, trained_to: int = 400, recipe: Recipe | None = None) -> ServingModel:
    """A version that cannot predict, for what only looks at names."""
    (model,) = training.select_models((place,))
    none = np.zeros(3)
    return ServingModel(model, f"{place}-{digest}", digest, None, none, none, trained_to, none, place, recipe or Recipe(place))


def catalog(*shadows: ServingModel) -> Catalog:
    return Catalog((), NAMES, tuple(version(name, f"{name}-serving") for name in NAMES), shadows)


def state(seed: int = 3, **changed: object) -> State:
    """A state with a random record of two models over 100 rows."""
    draw = np.random.default_rng(seed)
    votes = draw.normal(size=(2, len(NAMES), 100))
    target = 0.5 * votes[:, 0] + 0.2 * votes[:, 1] + draw.normal(size=(2, 100))
    blank = learning.blank_state(SYMBOLS, NAMES, HORIZONS)
    return replace(
        blank,
        tick=499,
        decided=500,
        last_training=400,
        gram=votes @ votes.transpose(0, 2, 1),
        moment=(votes * target[:, None]).sum(axis=2),
        weight_rows=np.full((2, 2), 100.0),
        weights=np.array([[0.5, 0.4], [0.2, 0.1]]),
        **changed,  # type: ignore[arg-type]
    )


def make_arm(number: int = 7, kind: str = CHALLENGER, places: tuple[int, ...] = (0,), strategy: str = "tuning", **changed: str) -> Arm:
    digests = tuple(f"{kind}-{number}-{place}" for place in places)
    versions = tuple(f"{NAMES[place]}-{number}" for place in places)
    blend = changed.get("blend", "fast stacking" if kind == BLEND else "")
    parent = "stacking" if kind == BLEND else "ridge-before"
    return Arm(number, kind, places, versions, digests, blend, changed.get("trigger", "schedule"), "figures", strategy, parent, 450, 0.0)


def racing(*arms: Arm, config: TradingConfig = CONFIG, begun: int = 20) -> Progress:
    """Contests that have just begun."""
    now = Progress(state()).evolve(begun=begun)
    for arm in arms:
        now = begin_contest(now, arm, config)
    return now


def prove(progress: Progress, number: int, verdict: int, kind: str = CHALLENGER, log_wealth: float = 50.0) -> Progress:
    """The same contests, one of them with the evidence for a verdict."""
    place = [(arm.number, arm.kind) for arm in progress.evolution.arms].index((number, kind))
    wealth = progress.evolution.contests.log_wealth.copy()
    rows = {BETTER: [contest.NOT_BETTER], 2: [contest.NOT_WORSE], 3: [contest.WORSE_THAN_MARGIN, contest.BETTER_THAN_MARGIN]}[verdict]
    wealth[place, rows] = log_wealth
    return progress.evolve(contests=replace(progress.evolution.contests, log_wealth=wealth))


def age(progress: Progress, ticks: int) -> Progress:
    contests = progress.evolution.contests
    return progress.evolve(contests=replace(contests, ticks=np.full(len(contests.ticks), ticks)))


def predict(seed: int = 5, *, serving: State | None = None) -> tuple[Predictions, Forecast, State]:
    """Random predictions at random reliabilities, the forecast by stacking, and the state that has learned it as pending."""
    draw, now = np.random.default_rng(seed), serving or state()
    shape = (len(NAMES), len(HORIZONS), SYMBOLS)
    predictions = replace(tick().outcome.predictions, mean=draw.normal(size=shape), reliability=draw.choice([0.0, 0.5, 1.0], size=shape))
    mean = (predictions.mean * predictions.reliability * now.weights[:, :, None]).sum(axis=0)
    forecast = replace(tick().outcome.forecast, mean=mean, weights=now.weights)
    pending = now.pending.mean.copy()
    pending[0, -1] = np.where((predictions.reliability > 0).any(axis=0), mean, np.nan)
    return predictions, forecast, replace(now, pending=replace(now.pending, mean=pending))


def score(seed: int = 9) -> ScoredForecasts:
    """Random forecasts that come due, a few of them unknown."""
    draw = np.random.default_rng(seed)
    shape = (len(NAMES) + 1, len(HORIZONS), SYMBOLS)
    known = draw.random(shape) < 0.8
    none, flat = np.zeros((2, 4, 2)), np.zeros((2, SYMBOLS))
    return ScoredForecasts(
        np.where(known, draw.normal(size=shape), 0.0), draw.normal(size=shape[1:]), known, none, flat + 0.01, np.zeros((2, SYMBOLS, 2)), flat,
        flat.astype(np.int64), np.zeros((2, 2, SYMBOLS)),
    )  # fmt: skip
