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

from engine.domain.model import ServingModel
from engine.domain.optimization import (
    ActionResult,
    BatchSizes,
    CacheUsage,
    MemoryBlock,
    ModelCost,
    PollingIntervals,
    ReclaimableSpace,
    ThreadCounts,
    UnusedArtifacts,
)
from engine.domain.ports import Clock
from engine.domain.record import Floats
from engine.optimizer.runtime.temporary_override import TemporaryOverride
from engine.probes.container import ContainerProbe
from engine.service.caches import ClearableCache, engine_caches
from engine.service.component_status import COMPONENTS, ComponentStatus
from engine.service.engine import Engine
from engine.service.logging import LOG
from engine.service.priority_lock import PriorityLock
from engine.service.scheduler import JobScheduler
from engine.service.worker_pool import WorkerPool
from engine.store import maintenance
from engine.store.write.writer import Writer

MOST_THREADS, MOST_PROCESSES = 64, 16
SHORTEST, LONGEST = 1.0, 60.0  # s between two writes of readings
MIN_MODELS = 2  # serve, whatever is asked for
LOAD_SECONDS = 0.3  # s over which the load is measured
COST_SAMPLES = 5  # forecasts that a model's cost is the median of
POOL_TIMEOUT = 1.0  # s for the threads of a pool to end
BROKEN = frozenset({"degraded", "down"})


class BatchedWriter(Protocol):
    """What writes readings some seconds at a time."""

    write_seconds: float


@dataclass(frozen=True, slots=True)
class ActuatorParts:
    """The engine's parts that levers reach into."""

    engine: Engine
    turns: PriorityLock
    workers: WorkerPool
    writer: Writer
    monitor: BatchedWriter
    board: ComponentStatus
    clock: Clock
    pace: PollingIntervals  # as set up
    recover: Callable[[str], ActionResult] | None = None
    failing: Callable[[], tuple[str, ...]] | None = None  # components with a fault that is open, besides those the board calls broken
    caches: tuple[ClearableCache, ...] = ()  # besides the engine's own


class EngineActuators:
    """The levers of the engine that runs here."""

    def __init__(self, parts: ActuatorParts) -> None:
        self._parts = parts
        self.jobs: JobScheduler | None = None  # once it runs
        pool = parts.engine.phase_pool
        self._threads = ThreadCounts(pool._max_workers if isinstance(pool, ThreadPoolExecutor) else 0, parts.workers.count)
        self._pace = parts.pace
        clock = parts.clock.tick
        self.threads = TemporaryOverride(lambda: self._threads, self._set_threads, clock)
        self.resting_models = TemporaryOverride(lambda: tuple(sorted(parts.engine.resting_models)), self._rest, clock)
        self.polling = TemporaryOverride(lambda: self._pace, self._set_pace, clock)
        self.batches = TemporaryOverride(self._read_batches, self._set_batches, clock)

    def expire_overrides(self) -> None:
        """Lets what was turned long ago go back."""
        for name in ("threads", "resting", "pace", "batches"):
            gone = getattr(self, name).ease()
            if gone is not None:
                LOG.info("%s went back by itself: %s, now %s", name, *gone)

    def processors(self) -> float:
        return min(float(len(_allowed())), self._limit(ContainerProbe()).get("cpu_limit", math.inf))

    def free_processors(self) -> float:
        container = ContainerProbe()
        self._limit(container)  # its counts are told from the second look on
        busy = psutil.cpu_percent(LOAD_SECONDS, percpu=True)
        free = sum(1.0 - busy[number] / 100.0 for number in _allowed() if number < len(busy))
        told = self._limit(container)
        if {"cpu_limit", "cpu_percent"} <= set(told):
            free = min(free, told["cpu_limit"] * max(0.0, 1.0 - told["cpu_percent"] / 100.0))
        return free

    def _limit(self, container: ContainerProbe) -> dict[str, float]:
        """The container's processors and how much of them it uses, where it has a limit."""
        clock = self._parts.clock
        return {reading.name: reading.value for reading in container.read(clock.now(), clock.tick()) if reading.source == "container"}

    def _set_threads(self, wanted: ThreadCounts) -> None:
        if not (0 <= wanted.phases <= MOST_THREADS and 1 <= wanted.training <= MOST_PROCESSES):
            raise ValueError(f"{wanted.phases} threads and {wanted.training} processes are outside what the engine works with")
        engine = self._parts.engine
        if wanted.phases != self._threads.phases:
            with self._parts.turns.command():
                old, engine.phase_pool = engine.phase_pool, ThreadPoolExecutor(wanted.phases, thread_name_prefix="phase") if wanted.phases else None
            _end(old)
        self._parts.workers.resize(wanted.training)
        self._threads = wanted

    def _rest(self, wanted: tuple[str, ...]) -> None:
        engine, names = self._parts.engine, frozenset(wanted)
        with self._parts.turns.command():
            fitted = {one.model.name for one in engine.fitted_models if one is not None}
            unknown = names - set(engine.catalog.names)
            if unknown:
                raise ValueError(f"there is no model {min(unknown)!r}: there are {', '.join(engine.catalog.names)}")
            if names and len(fitted - names) < MIN_MODELS:
                raise ValueError(f"fewer than {MIN_MODELS} models would serve: {len(fitted - names)} of {len(fitted)} that are fitted")
            engine.rest_models(names)

    def _set_pace(self, wanted: PollingIntervals) -> None:
        jobs = self.jobs
        if jobs is None:
            raise ValueError("nothing is scheduled yet: there is no pace to turn")
        for name in ("probes", "commands", "board", "ticks"):
            seconds = getattr(wanted, name)
            if seconds != getattr(self._pace, name):
                jobs.reschedule(name, seconds)
        self._pace = wanted

    def _read_batches(self) -> BatchSizes:
        return BatchSizes(self._parts.monitor.write_seconds, *maintenance.read_batch_sizes(self._parts.writer.store))

    def _set_batches(self, wanted: BatchSizes) -> None:
        if not SHORTEST <= wanted.write_seconds <= LONGEST:
            raise ValueError(f"{wanted.write_seconds:g} s between two writes are outside {SHORTEST:g} to {LONGEST:g} s")
        maintenance.set_batch_sizes(self._parts.writer.store, wanted.wal_pages, wanted.cache_bytes)
        self._parts.monitor.write_seconds = wanted.write_seconds

    def model_costs(self) -> tuple[ModelCost, ...]:
        engine = self._parts.engine
        looked, weights, fitted, serving = engine.newest_features, engine.state.weights, engine.fitted_models, engine.catalog.serving
        if looked is None:
            return ()
        share = np.abs(weights).mean(axis=1)
        share /= max(float(share.sum()), 1e-12)
        return tuple(
            ModelCost(name, self._ms(one, looked), float(share[index]), serving[index] is not None)
            for index, (name, one) in enumerate(zip(engine.catalog.names, fitted, strict=True))
            if one is not None
        )

    def _ms(self, one: ServingModel, looked: Floats) -> float:
        clock, took = self._parts.clock, []
        going_on = one.model.online
        for _ in range(COST_SAMPLES):
            begun = clock.tick()
            if going_on is None:
                one.model.predict(one.fitted, looked)
            else:
                going_on.forecast(one.fitted, going_on.select_columns(one.fitted, looked), None, 0)
            took.append(clock.tick() - begun)
        return median(took) * 1e3

    def commit_ms(self) -> float:
        return maintenance.measure_commit_ms(self._parts.writer.store)

    def caches(self) -> tuple[CacheUsage, ...]:
        return tuple(CacheUsage(kept.name, *kept.measure()) for kept in self._caches())

    def clear_caches(self) -> tuple[CacheUsage, ...]:
        held = self.caches()
        for kept in self._caches():
            kept.clear()
        return held

    def _caches(self) -> tuple[ClearableCache, ...]:
        store = self._parts.writer.store
        pages = ClearableCache("the store's pages", partial(maintenance.measure_page_cache, store), partial(maintenance.release_page_cache, store))
        return (pages, *engine_caches(), *self._parts.caches)

    def memory_blocks(self) -> tuple[MemoryBlock, ...]:
        with self._parts.turns.command():
            return self._parts.engine.memory_blocks()

    def compact_memory(self) -> tuple[MemoryBlock, ...]:
        with self._parts.turns.command():
            held = self._parts.engine.memory_blocks()
            self._parts.engine.compact()
        return held

    def reclaimable_space(self) -> ReclaimableSpace:
        return maintenance.measure_slack(self._parts.writer.store)

    def unused_artifacts(self, versions: int) -> UnusedArtifacts:
        return maintenance.find_obsolete(self._parts.writer.store, versions).summary

    def drop_unused_artifacts(self, versions: int) -> UnusedArtifacts:
        store = self._parts.writer.store
        return maintenance.drop_obsolete(store, maintenance.find_obsolete(store, versions))

    def failing_components(self) -> tuple[str, ...]:
        broken = (name for name in COMPONENTS if self._parts.board.state(name) in BROKEN)
        return tuple(dict.fromkeys((*broken, *(self._parts.failing() if self._parts.failing else ()))))

    def recover_component(self, component: str) -> ActionResult:
        recover = self._parts.recover
        if recover is None:
            return ActionResult(0.0, "components", f"{component}: there is no way to recover it", done=False)
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
        thread.join(POOL_TIMEOUT / len(threads))
