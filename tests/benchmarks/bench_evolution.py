"""What evolution costs at a tick of 10 symbols, saved to a real store: processor time of engines that take turns on the same bars."""

from __future__ import annotations

import tempfile
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import process_time

import numpy as np

from engine.domain.decision import Phase
from engine.domain.evolution import Search
from engine.domain.recipe import Recipe
from engine.domain.trading_config import Command, TradingConfig
from engine.feeds.simulated import SimulatedFeed
from engine.search.strategies import SearchReport
from engine.service import fingerprint, process_memory, training
from engine.service.clock import WallClock
from engine.service.engine import Engine
from engine.service.search import SearchJob, SearchResult
from engine.settings import Settings
from engine.store import database
from engine.store.write.writer import Writer
from tests.makers import Inline

SYMBOLS, TICKS, BLOCK = 10, 600, 12  # ticks measured, and in a row of one engine
FIRST = 320  # bars before the training, so that every feature is there
SECOND = FIRST + 40  # ticks before a refresh, whose versions before stay in shadow
BEGIN = SECOND + 40
NEVER = 10**6
RECIPE = Recipe("lightgbm", (("num_leaves", 8.0),))
BUDGET, SHADOW_SHARE = 1.25, 0.25


class CpuClock(WallClock):
    """A clock that measures durations in processor time."""

    def tick(self) -> float:
        return process_time()


class WithoutSearches(Engine):
    """An engine whose triggers are read and whose searches never begin, so that the contests stay the same."""

    def begin_searches(self, ms: float, now: float) -> None:
        del ms, now
        self._postponed.clear()


@dataclass
class Racer:
    """An engine with one setting of evolution, and the processor time of its ticks in ms."""

    name: str
    engine: Engine
    writer: Writer
    has_challenger: bool
    spent: list[float] = field(default_factory=list)
    spans: dict[Phase, list[float]] = field(default_factory=dict)

    def step(self, *, measured: bool) -> None:
        """Take one bar."""
        begun = process_time()
        tick = self.engine.step()
        ms = (process_time() - begun) * 1e3
        assert tick is not None
        if measured:
            self.spent.append(ms)
            for span in tick.spans:
                self.spans.setdefault(span.phase, []).append(span.ms)

    def enter_challenger(self) -> None:
        """Let a version of another recipe enter a contest with the next tick."""
        engine = self.engine
        rows = engine.rows.training_set(engine.tick - 1, engine.config.horizons, 0)
        artifact = training.fit_model("lightgbm", RECIPE, rows, 1, engine.tick)
        future: Future[SearchResult] = Future()
        report = SearchReport(1, None, None, None, None, 1, 0.0, "")
        future.set_result(SearchResult("lightgbm", "tuning", RECIPE, (artifact,), report))
        evolution = engine.state.evolution
        search = Search(evolution.begun + 1, "lightgbm", "tuning", "by hand", "", engine.tick - 1)
        engine.state = replace(engine.state, evolution=replace(evolution, begun=search.number, searches=(*evolution.searches, search)))
        engine.challengers.searches.append(SearchJob(search.number, engine.tick - 1, engine.tick, future))


def build_racer(folder: Path, name: str, evolution: str, *, watches: bool = False, challenger: bool = False, bars: int) -> Racer:
    """An engine that has taken BEGIN bars, with its models refreshed once."""
    home = folder / name.replace(" ", "_").replace(",", "")
    home.mkdir()
    url = f"sqlite:///{home / 'podium.db'}"
    database.prepare(url)
    writer, clock = Writer(url), CpuClock()
    config = TradingConfig(first_training=FIRST, retrain_every=NEVER, evolution=evolution, watch_bars=NEVER if watches else 0, contest_budget=NEVER)
    settings = Settings(home=str(home), database_url=url, trading=config, train_rows=20_000)
    feed = SimulatedFeed(symbol_count=SYMBOLS, bars=bars)
    session = writer.begin_session("bench", feed.info, ("all",), config.horizons, "{}", fingerprint.read_platform(), clock.now())
    engine = WithoutSearches(settings, feed, clock, training_pool=Inline(), store=writer, session=session)
    racer = Racer(name, engine, writer, challenger)
    for tick in range(BEGIN):
        if tick == SECOND:
            engine.handle_command(Command(1, "retrain", (), "bench", ""))
        if tick == BEGIN - BLOCK and challenger:
            racer.enter_challenger()
        racer.step(measured=False)
    return racer


def race(folder: Path, ticks: int = TICKS) -> dict[str, Racer]:
    """Engines of all settings after the same bars, BLOCK ticks of each at a time."""
    bars = BEGIN + ticks
    racers = [
        build_racer(folder, "off", "off", bars=bars),
        build_racer(folder, "refresh, watched", "refresh", watches=True, bars=bars),
        build_racer(folder, "full", "full", bars=bars),
        build_racer(folder, "full, challenger", "full", challenger=True, bars=bars),
        build_racer(folder, "full, watched, challenger", "full", watches=True, challenger=True, bars=bars),
    ]
    process_memory.configure_memory()  # as the server does
    for turn in range(ticks // BLOCK):
        for racer in racers if turn % 2 else reversed(racers):
            for _ in range(BLOCK):
                racer.step(measured=True)
    return {racer.name: racer for racer in racers}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        racers = race(Path(folder))
        for racer in racers.values():
            tick, phase = float(np.median(racer.spent)), float(np.median(racer.spans[Phase.EVOLUTION]))
            validation = float(np.median(racer.spans[Phase.VALIDATION]))
            print(
                f"evolution {racer.name:<26}: p50 {tick:5.2f} ms, mean {np.mean(racer.spent):5.2f} ms of a core; phase 10 {phase:5.2f} ms "
                f"({phase / tick:4.0%}), phase 5 {validation:5.2f} ms; shadows {len(racer.engine.catalog.shadows)}, "
                f"arms {len(racer.engine.state.evolution.arms)}"
            )
            racer.writer.close()
    p50 = {name: float(np.median(racer.spent)) for name, racer in racers.items()}
    for above, below, about in (
        ("refresh, watched", "off", ""),
        ("full", "off", ""),
        ("full, challenger", "full", f" (budget {BUDGET})"),
        ("full, challenger", "off", f" (budget {BUDGET})"),
        ("full, watched, challenger", "off", ""),
    ):
        print(f"  {above} / {below}: {p50[above] / p50[below]:.3f} times{about}")
    for name in ("full, challenger", "full, watched, challenger"):
        print(f"  evolution takes {1.0 - p50['off'] / p50[name]:.0%} of a tick of {name} (budget {SHADOW_SHARE:.0%})")


if __name__ == "__main__":
    main()
