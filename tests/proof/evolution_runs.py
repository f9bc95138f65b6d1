"""Runs of the engine on simulated markets that change, for the proofs of evolution: `python -m tests.proof.evolution_runs KIND FIRST LAST`."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from engine.domain.model import TrainingSet
from engine.domain.recipe import Recipe
from engine.domain.record import Floats
from engine.feeds.simulated import SimulatedFeed
from engine.service import training
from engine.service.engine import Engine
from engine.settings import Settings
from tests.makers import Inline, StoppedClock

CHANGE = 2_000  # bar from which the relation is another


@dataclass(frozen=True, slots=True)
class Market:
    """A simulated market with its length and the models that are decided with."""

    bars: int
    changes: str = ""
    signal: float = 0.05
    symbols: int = 8
    models: tuple[str, ...] = ()
    first_training: int = 600


KINDS = {
    "flip": Market(CHANGE + 3_000, f"{CHANGE}:flip"),
    "interaction": Market(CHANGE + 5_000, f"{CHANGE}:interaction"),
    "null": Market(2_000, signal=0.0, symbols=4, models=("ridge", "lightgbm"), first_training=300),
}


@dataclass(frozen=True, slots=True)
class Course:
    """What happened in one run."""

    gain: Floats  # (T, H) sums of the ensemble's gain
    power: Floats  # (T, H) sums of squared targets
    promoted: tuple[tuple[int, str, str, str], ...]  # tick, strategy, model and recipe or blend of each promotion of a challenger or a blend
    reverted: int
    contests: int
    cpu: float  # s
    oracle: Floats | None  # (H,) R2 over the last 1,000 bars of a recipe that knows the relation

    def r2(self, first: int, last: int) -> Floats:
        """(H,) out-of-sample R2 of the ensemble from one tick to another."""
        first, last = min(first, len(self.gain) - 1), min(last, len(self.gain) - 1)
        return np.asarray((self.gain[last] - self.gain[first]) / (self.power[last] - self.power[first]))


def play(seed: int, kind: str, mode: str) -> Course:
    """Decide one market with evolution in that mode."""
    market = KINDS[kind]
    settings = Settings(home="", database_url="", seed=seed, models=market.models)
    settings = replace(settings, trading=replace(settings.trading, first_training=market.first_training, evolution=mode))
    feed = SimulatedFeed(symbol_count=market.symbols, signal=market.signal, seed=seed, bars=market.bars, changes=market.changes)
    began = time.process_time()
    engine = Engine(settings, feed, StoppedClock(), training_pool=Inline())
    sums: list[tuple[Floats, Floats]] = []
    promoted: dict[int, tuple[int, str, str, str]] = {}
    reverted: set[int] = set()
    while (tick := engine.step()) is not None:
        skill = tick.outcome.state.skill
        sums.append((skill.gain[-1, :, -1], skill.power[-1, :, -1]))
        for row in tick.outcome.evolution.rows:
            if row.state == "promoted" and row.strategy != "refresh" and row.verdict == "better":
                recipe = row.version if row.model == "ensemble" else row.version.rsplit("-", 1)[-1]
                promoted.setdefault(row.number, (tick.inputs.tick, row.strategy, row.model, recipe))
            if row.state == "reverted":
                reverted.add(row.number)
    gain, power = (np.array(part) for part in zip(*sums, strict=True))
    oracle = follow_oracle(engine, market) if kind == "interaction" else None
    state = engine.state.evolution
    return Course(gain, power, tuple(promoted.values()), len(reverted), state.contests_begun, time.process_time() - began, oracle)


def follow_oracle(engine: Engine, market: Market) -> Floats:
    """(H,) R2 over the last 1,000 bars of the kind of model that sees products, trained on all bars since the change and before those."""
    rows = engine.rows.training_set(market.bars - 1, engine.config.horizons, 0)
    known, tested = (select_ticks(rows, *span) for span in ((CHANGE, market.bars - 1_012), (market.bars - 1_000, market.bars)))
    served = training.load_model(training.fit_model("interactions", Recipe("interactions"), known, 7, market.bars))
    forecast = served.predict(tested.x.astype(np.float64)).T
    seen = np.isfinite(tested.y)
    y, forecast = np.where(seen, tested.y, 0.0), np.where(seen, forecast, 0.0)
    return np.asarray((forecast * (2.0 * y - forecast)).sum(axis=0) / (y * y).sum(axis=0))


def select_ticks(rows: TrainingSet, first: int, last: int) -> TrainingSet:
    """The rows of these ticks."""
    chosen = (rows.tick >= first) & (rows.tick < last)
    return replace(rows, x=rows.x[chosen], y=rows.y[chosen], tick=rows.tick[chosen], until=last)


def play_all(kind: str, mode: str, seeds: Sequence[int], workers: int = 2) -> list[Course]:
    """The courses of all seeds."""
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(partial(play, kind=kind, mode=mode), seeds))


def main() -> None:
    """Print one line of JSON for each seed and mode."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int)
    parser.add_argument("--modes", default="full,refresh")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    tasks = [(seed, mode) for seed in range(options.first, options.last + 1) for mode in options.modes.split(",")]
    with ProcessPoolExecutor(options.workers) as pool:
        futures = [(seed, mode, pool.submit(play, seed, options.kind, mode)) for seed, mode in tasks]
        for seed, mode, future in futures:
            course = future.result()
            print(json.dumps({"kind": options.kind, "seed": seed, "mode": mode, **summarize(course)}), flush=True)


def summarize(course: Course) -> dict[str, object]:
    """The figures of a course in steps of 500 bars."""
    last = len(course.gain) - 1
    return {
        "after": course.r2(CHANGE, last).round(5).tolist() if last > CHANGE else None,
        "end": course.r2(last - 1_000, last).round(5).tolist(),
        "steps": [course.r2(first, first + 500).round(4).tolist() for first in range(600, last - 1, 500)],
        "promoted": course.promoted,
        "reverted": course.reverted,
        "contests": course.contests,
        "cpu": round(course.cpu, 1),
        "oracle": None if course.oracle is None else course.oracle.round(5).tolist(),
        "share": None if course.oracle is None else round(float(course.r2(last - 1_000, last)[0] / course.oracle[0]), 3),
    }


if __name__ == "__main__":
    main()
