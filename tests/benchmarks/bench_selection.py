"""Which models to hear, and how to weigh them: several rules on the same votes, as decision 11 records them. `bench_selection` takes minutes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from engine.domain.ports import Feed
from engine.domain.record import Floats
from engine.domain.state import State
from engine.domain.tick import Tick
from engine.feeds.recorded import RecordedFeed
from engine.feeds.simulated import SimulatedFeed
from engine.phases import selection
from engine.service import process_memory
from engine.service.clock import WallClock
from engine.service.engine import Engine
from engine.service.worker_pool import WorkerPool
from engine.settings import Settings
from tests.benchmarks.scoring import Came

ROWS = 20_000  # in one training at most
SHARE = 0.001  # of the weight of every model that goes to all, a tick (fixed share: Herbster and Warmuth 1998)
FADE = 0.5 ** (1.0 / 20_000.0)  # as the ensemble's weights
PERIOD = ("2022-10-01T00:00", "2022-11-16T00:00")


@dataclass
class Rules:
    """Every rule's forecast, tick by tick. The weights are those that the engine learned, but for exponential weights and the hierarchical blend."""

    models: int
    horizons: tuple[int, ...]
    said: dict[str, list[Floats]] = field(default_factory=dict)
    gains: list[Floats] = field(default_factory=list)  # (M, H) of each tick, known when its horizon has passed
    votes: list[Floats] = field(default_factory=list)  # (M, H, S)

    def __post_init__(self) -> None:
        self.sums = np.zeros((self.models, len(self.horizons)))
        self.shares = np.full((self.models, len(self.horizons)), 1.0 / self.models)

    def add(self, tick: Tick, before: State, heard: Floats, came: Came) -> None:
        mean, weights = tick.outcome.predictions.mean, tick.outcome.forecast.weights
        self.votes.append(np.nan_to_num(mean))
        self._learn(came)
        best = np.where(self.sums == self.sums.max(axis=0), 1.0, 0.0)
        worth = np.maximum(before.moment.T, 0.0) / np.maximum(np.diagonal(before.gram, axis1=1, axis2=2).T * 1.0 + 4_000.0 * 0.05, 1e-9)
        blends = {
            "all": weights,
            "by predicted loss": weights * heard[:, None],
            "best so far": worth * best,
            "fixed share of each model's own worth": worth * self.shares,
            "mean of each model's own worth": worth / self.models,
        }
        for name, blend in blends.items():
            told = (np.nan_to_num(mean) * blend[:, :, None]).sum(axis=0)
            self.said.setdefault(name, []).append(np.where(np.isfinite(mean).any(axis=0), told, np.nan))

    def _learn(self, came: Came) -> None:
        """What came due at this tick: gains of each model by itself, for the best so far and for exponential weights."""
        for column, horizon in enumerate(self.horizons):
            if len(self.votes) <= horizon:
                continue
            then, now = -1 - horizon, -1
            move = (came.price[now] - came.price[then]) / (came.sigma[then] * np.sqrt(horizon))
            y = np.clip(np.nan_to_num(move), -5.0, 5.0)
            f = self.votes[then][:, column] * 0.3  # about what votes are worth, so that the boldest is not the worst by boldness alone
            gain = (f * (2.0 * y - f)).sum(axis=1)
            self.sums[:, column] = self.sums[:, column] * FADE + gain
            tilted = self.shares[:, column] * np.exp(np.clip(0.5 * gain / len(y), -1.0, 1.0))
            self.shares[:, column] = (1.0 - SHARE) * tilted / tilted.sum() + SHARE / self.models


def run(about: str, feed: Feed) -> None:
    """Prints the table for one feed."""
    workers = WorkerPool(2)
    try:
        engine = Engine(Settings(home="", database_url="", train_rows=ROWS), feed, WallClock(), training_pool=workers)
        rules, came = Rules(len(engine.catalog.names), engine.config.horizons), Came()
        process_memory.configure_memory()
        kept = 0
        while True:
            before = engine.state
            tick = engine.step()
            if tick is None:
                break
            came.add(tick)
            chosen = selection.select_models(tick.outcome.market_state, before, engine.catalog)
            kept += int(chosen.preferred.sum())
            rules.add(tick, before, chosen.preferred.astype(np.float64), came)
    finally:
        workers.close()
    print(f"{about}: {len(came.at):,} bars of {len(feed.info.symbols)} symbols, {kept / len(came.at):.2f} of {rules.models} models preferred")
    _tell(rules, came)


def _tell(rules: Rules, came: Came) -> None:
    base = np.stack(rules.said["all"])
    for name, said in rules.said.items():
        told = np.stack(said)
        figures = "  ".join(str(came.r2(told[:, column], horizon, told[:, column])) for column, horizon in enumerate(rules.horizons))
        against = "" if name == "all" else f"  against all, 1 bar: {came.difference(told[:, 0], base[:, 0], rules.horizons[0], base[:, 0])}"
        print(f"  {name:<38} {figures}{against}", flush=True)


def main() -> None:
    print("R2 with day-block intervals at 1, 3 and 12 bars")
    folder = Path(os.environ.get("PODIUM_TEST_DATA", Path(__file__).parents[3] / "shared" / "data")) / "binance_spot_5m_2022_2023"
    if folder.is_dir():
        since, until = (int(np.datetime64(text, "ns").astype(np.int64)) for text in PERIOD)
        run("binance_spot_5m", RecordedFeed(folder, since=since, until=until))
    run("simulated, default signal", SimulatedFeed(symbol_count=8, bars=6_000))


if __name__ == "__main__":
    main()
