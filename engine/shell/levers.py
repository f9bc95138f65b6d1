"""What an action may turn in the running engine."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Protocol

import numpy as np
import psutil

from engine.domain.model import Serving
from engine.domain.ports import Clock
from engine.domain.record import Floats
from engine.domain.tuning import Batches, Block, Cache, Measured, ModelCost, Pace, Slack, Spare, Threads
from engine.probes.container import Container
from engine.shell.board import COMPONENTS, Board
from engine.shell.caches import Kept, own_caches
from engine.shell.dials import TurningDial
from engine.shell.engine import Engine
from engine.shell.jobs import Jobs
from engine.shell.logs import LOG
from engine.shell.turns import Turns
from engine.shell.workers import Workers
from engine.store import upkeep
from engine.store.writer import Writer

MOST_THREADS, MOST_PROCESSES = 64, 16
SHORTEST, LONGEST = 1.0, 60.0  # s between two writes of readings
FEWEST_MODELS = 2  # serve, whatever is asked for
LOOK = 0.3  # s over which the load is measured
ASKED = 5  # forecasts that a model's cost is the median of
PATIENCE = 1.0  # s for the threads of a pool to end
BROKEN = frozenset({"degraded", "down"})


class Batching(Protocol):
    """What writes readings some seconds at a time."""

    every: float  # s


@dataclass(frozen=True, slots=True)
class Parts:
    """The engine's parts that levers reach into."""

    engine: Engine
    turns: Turns
    workers: Workers
    writer: Writer
    monitor: Batching
    board: Board
    clock: Clock
    pace: Pace  # as set up
    recover: Callable[[str], Measured] | None = None
    failing: Callable[[], tuple[str, ...]] | None = None  # components with a fault that is open, besides those the board calls broken
    caches: tuple[Kept, ...] = ()  # besides the engine's own


class EngineLevers:
    """The levers of the engine that runs here."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.jobs: Jobs | None = None  # once it runs
        pool = parts.engine.pool
        self._threads = Threads(pool._max_workers if isinstance(pool, ThreadPoolExecutor) else 0, parts.workers.count)
        self._pace = parts.pace
        clock = parts.clock.tick
        self.threads = TurningDial(lambda: self._threads, self._set_threads, clock)
        self.resting = TurningDial(lambda: tuple(sorted(parts.engine.resting)), self._rest, clock)
        self.pace = TurningDial(lambda: self._pace, self._set_pace, clock)
        self.batches = TurningDial(self._read_batches, self._set_batches, clock)

    def ease(self) -> None:
        """Lets what was turned long ago go back."""
        for name in ("threads", "resting", "pace", "batches"):
            gone = getattr(self, name).ease()
            if gone is not None:
                LOG.info("%s went back by itself: %s, now %s", name, *gone)

    def processors(self) -> float:
        return min(float(len(_allowed())), self._limit(Container()).get("cpu_limit", math.inf))

    def free(self) -> float:
        container = Container()
        self._limit(container)  # its counts are told from the second look on
        busy = psutil.cpu_percent(LOOK, percpu=True)
        free = sum(1.0 - busy[number] / 100.0 for number in _allowed() if number < len(busy))
        told = self._limit(container)
        if {"cpu_limit", "cpu_percent"} <= set(told):
            free = min(free, told["cpu_limit"] * max(0.0, 1.0 - told["cpu_percent"] / 100.0))
        return free

    def _limit(self, container: Container) -> dict[str, float]:
        """The container's processors and how much of them it uses, where it has a limit."""
        clock = self._parts.clock
        return {reading.name: reading.value for reading in container.read(clock.now(), clock.tick()) if reading.source == "container"}

    def _set_threads(self, wanted: Threads) -> None:
        if not (0 <= wanted.phases <= MOST_THREADS and 1 <= wanted.training <= MOST_PROCESSES):
            raise ValueError(f"{wanted.phases} threads and {wanted.training} processes are outside what the engine works with")
        engine = self._parts.engine
        if wanted.phases != self._threads.phases:
            with self._parts.turns.command():
                old, engine.pool = engine.pool, ThreadPoolExecutor(wanted.phases, thread_name_prefix="phase") if wanted.phases else None
            _end(old)
        self._parts.workers.resize(wanted.training)
        self._threads = wanted

    def _rest(self, wanted: tuple[str, ...]) -> None:
        engine, names = self._parts.engine, frozenset(wanted)
        with self._parts.turns.command():
            fitted = {one.model.name for one in engine.fitted if one is not None}
            unknown = names - set(engine.catalog.names)
            if unknown:
                raise ValueError(f"there is no model {min(unknown)!r}: there are {', '.join(engine.catalog.names)}")
            if names and len(fitted - names) < FEWEST_MODELS:
                raise ValueError(f"fewer than {FEWEST_MODELS} models would serve: {len(fitted - names)} of {len(fitted)} that are fitted")
            engine.rest(names)

    def _set_pace(self, wanted: Pace) -> None:
        jobs = self.jobs
        if jobs is None:
            raise ValueError("nothing is scheduled yet: there is no pace to turn")
        for name in ("probes", "commands", "board", "ticks"):
            seconds = getattr(wanted, name)
            if seconds != getattr(self._pace, name):
                jobs.pace(name, seconds)
        self._pace = wanted

    def _read_batches(self) -> Batches:
        return Batches(self._parts.monitor.every, *upkeep.batches(self._parts.writer.store))

    def _set_batches(self, wanted: Batches) -> None:
        if not SHORTEST <= wanted.write_seconds <= LONGEST:
            raise ValueError(f"{wanted.write_seconds:g} s between two writes are outside {SHORTEST:g} to {LONGEST:g} s")
        upkeep.set_batches(self._parts.writer.store, wanted.log_pages, wanted.cache_bytes)
        self._parts.monitor.every = wanted.write_seconds

    def costs(self) -> tuple[ModelCost, ...]:
        engine = self._parts.engine
        looked, weights, fitted, serving = engine.looked, engine.state.weights, engine.fitted, engine.catalog.serving
        if looked is None:
            return ()
        share = np.abs(weights).mean(axis=1)
        share /= max(float(share.sum()), 1e-12)
        return tuple(
            ModelCost(name, self._ms(one, looked), float(share[index]), serving[index] is not None)
            for index, (name, one) in enumerate(zip(engine.catalog.names, fitted, strict=True))
            if one is not None
        )

    def _ms(self, one: Serving, looked: Floats) -> float:
        clock, took = self._parts.clock, []
        going_on = one.model.online
        for _ in range(ASKED):
            begun = clock.tick()
            if going_on is None:
                one.model.predict(one.fitted, looked)
            else:
                going_on.forecast(one.fitted, going_on.see(one.fitted, looked), None, 0)
            took.append(clock.tick() - begun)
        return median(took) * 1e3

    def commit_ms(self) -> float:
        return upkeep.commit_ms(self._parts.writer.store)

    def caches(self) -> tuple[Cache, ...]:
        return tuple(Cache(kept.name, *kept.look()) for kept in self._caches())

    def clear(self) -> tuple[Cache, ...]:
        held = self.caches()
        for kept in self._caches():
            kept.empty()
        return held

    def _caches(self) -> tuple[Kept, ...]:
        store = self._parts.writer.store
        pages = Kept("the store's pages", partial(upkeep.kept, store), partial(upkeep.release, store))
        return (pages, *own_caches(), *self._parts.caches)

    def blocks(self) -> tuple[Block, ...]:
        with self._parts.turns.command():
            return self._parts.engine.large()

    def compact(self) -> tuple[Block, ...]:
        with self._parts.turns.command():
            held = self._parts.engine.large()
            self._parts.engine.compact()
        return held

    def slack(self) -> Slack:
        return upkeep.slack(self._parts.writer.store)

    def spare(self, versions: int) -> Spare:
        return upkeep.unneeded(self._parts.writer.store, versions).told

    def drop_spare(self, versions: int) -> Spare:
        store = self._parts.writer.store
        return upkeep.drop(store, upkeep.unneeded(store, versions))

    def failing(self) -> tuple[str, ...]:
        broken = (name for name in COMPONENTS if self._parts.board.state(name) in BROKEN)
        return tuple(dict.fromkeys((*broken, *(self._parts.failing() if self._parts.failing else ()))))

    def recover(self, component: str) -> Measured:
        recover = self._parts.recover
        if recover is None:
            return Measured(0.0, "components", f"{component}: there is no way to recover it", done=False)
        return recover(component)


def _allowed() -> list[int]:
    """Numbers of the processors this process may run on."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def _end(pool: Executor | None) -> None:
    """Ends a pool's threads; one that hangs is waited for a moment, and not longer."""
    if pool is None:
        return
    threads = tuple(getattr(pool, "_threads", ()))
    pool.shutdown(wait=False)
    for thread in threads:
        thread.join(PATIENCE / len(threads))
