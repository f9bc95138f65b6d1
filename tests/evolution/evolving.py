"""An engine whose trainings and searches are what a test wants: a stub in place of the worker processes, which any number of restarts repeats."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from typing import Any

from engine.domain.model import TrainingSet
from engine.domain.recipe import Recipe
from engine.domain.tick import Tick
from engine.domain.trading_config import TradingConfig
from engine.feeds.simulated import SimulatedFeed
from engine.search.strategies import SearchReport
from engine.service import training, training_spool
from engine.service.engine import Engine
from engine.service.resume import resume_engine
from engine.service.search import SearchRequest, SearchResult
from engine.settings import Settings
from engine.store.read.history import TickHistory
from engine.store.write.writer import Writer
from tests.makers import StoppedClock, command, settings, simulated

FIRST = 200  # bars decided before the first training
SEARCHED, PROMOTED = 212, 272  # ticks: of a search by hand, and of the promotion that follows where the first training was flipped
CONFIG = TradingConfig(
    evolution="full",
    first_training=FIRST, retrain_every=10_000, horizons=(1,), shrinkage_rows=10.0, search_lag_bars=6, contest_alpha=0.5, contest_clip=2.0,
    max_challengers=1,
)  # fmt: skip
REFRESHED, RETURNED = 460, 508  # ticks: of a training by hand that is flipped, and of the return to the versions before it
WATCHED = replace(CONFIG, first_training=300, evolution="refresh", contest_clip=1.0)
BETTER = Recipe("ridge", window_bars=100_000)


def flipped(rows: TrainingSet) -> TrainingSet:
    """Rows from which a model learns the opposite of what is true."""
    return replace(rows, y=-rows.y)


@dataclass
class Workers(Executor):
    """Trains in place, on flipped targets where the last tick of the rows is among `flips`; a search gives the recipe, or raises what it is given."""

    flips: frozenset[int] = frozenset({FIRST - 1})
    found: Recipe | Exception | None = BETTER

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(self._search(*args) if isinstance(args[0], SearchRequest) else self._fit(*args))
        except (ValueError, OSError, RuntimeError) as error:
            future.set_exception(error)
        return future

    def _fit(self, place: str, recipe: Recipe, spooled: training_spool.SpooledTraining, seed: int, serves_from: int) -> Any:
        rows = training_spool.read_spooled_training(spooled)
        return training.fit_model(place, recipe, flipped(rows) if rows.until in self.flips else rows, seed, serves_from)

    def _search(self, request: SearchRequest, spooled: training_spool.SpooledTraining) -> SearchResult:
        if isinstance(self.found, Exception):
            raise self.found
        report = SearchReport(1, 0.01, 0.001, 0.01, 0.001, 2, 0.5, "" if self.found else "no recipe was better")
        if self.found is None:
            return SearchResult(request.place, request.strategy, None, (), report)
        rows = training_spool.read_spooled_training(spooled)
        artifact = training.fit_model(request.place, self.found, rows, request.seed, request.serves_from)
        return SearchResult(request.place, request.strategy, self.found, (artifact,), report)


def here(url: str = "", config: TradingConfig = CONFIG) -> Settings:
    return settings(database_url=url, trading=config, models=("ridge",))


def market(bars: int = 600) -> SimulatedFeed:
    return simulated(bars, symbols=4, signal=0.5)


def unstored(workers: Workers, config: TradingConfig = CONFIG, bars: int = 600) -> Engine:
    return Engine(here(config=config), market(bars), StoppedClock(), training_pool=workers)


def stored(url: str, workers: Workers, config: TradingConfig = CONFIG, bars: int = 600) -> tuple[Engine, Writer, TickHistory]:
    writer, history = Writer(url), TickHistory(url)
    engine, _ = resume_engine(here(url, config), market(bars), StoppedClock(), writer, history, training_pool=workers)
    return engine, writer, history


def fork(engine: Engine) -> Engine:
    """A copy that decides on by itself; the market of both is opened anew after the last bar."""
    engine._slices = None  # an open market cannot be copied
    return copy.deepcopy(engine)


def act(engine: Engine, actions: Mapping[int, tuple[str, ...]], until: int) -> list[Tick]:
    """Decides up to a tick, with searches and trainings by hand before some ticks."""
    played: list[Tick] = []
    while engine.tick < until:
        for action in actions.get(engine.tick, ()):
            if action == "search":
                engine.request_search("ridge", "tuning", "a test")
            else:
                engine.handle_command(command(action))
        tick = engine.step()
        assert tick is not None
        played.append(tick)
    return played
