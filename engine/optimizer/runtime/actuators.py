"""The actuators of the running engine: the settings and parts that an action may change."""

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

from engine import units
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

MAX_THREADS, MAX_PROCESSES = 64, 16
MIN_WRITE_SECONDS, MAX_WRITE_SECONDS = 1.0, 60.0  # between two writes of readings
MIN_MODELS = 2  # that always serve
LOAD_SECONDS = 0.3  # over which the load is measured
COST_SAMPLES = 5  # forecasts whose median is a model's cost
POOL_TIMEOUT = 1.0  # s for the threads of a pool to end
BROKEN = frozenset({"degraded", "down"})


class BatchedWriter(Protocol):
    """Writes the readings of several seconds at once."""

    write_seconds: float


@dataclass(frozen=True, slots=True)
class ActuatorParts:
    """The parts of the engine that the actuators reach into."""

    engine: Engine
    turns: PriorityLock
    workers: WorkerPool
    writer: Writer
    monitor: BatchedWriter
    component_status: ComponentStatus
    clock: Clock
    pace: PollingIntervals  # as configured
    recover: Callable[[str], ActionResult] | None = None
    failing: Callable[[], tuple[str, ...]] | None = None  # components with an open fault, besides those whose status is broken
    caches: tuple[ClearableCache, ...] = ()  # besides the engine's own


class EngineActuators:
    """The actuators of the engine in this process."""

    def __init__(self, parts: ActuatorParts) -> None:
        self._parts = parts
        self.jobs: JobScheduler | None = None  # once the engine runs
        pool = parts.engine.phase_pool
        self._threads = ThreadCounts(pool._max_workers if isinstance(pool, ThreadPoolExecutor) else 0, parts.workers.count)
        self._polling = parts.pace
        clock = parts.clock.tick
        self.threads = TemporaryOverride(lambda: self._threads, self._set_threads, clock)
        self.resting_models = TemporaryOverride(lambda: tuple(sorted(parts.engine.resting_models)), self._set_resting_models, clock)
        self.polling = TemporaryOverride(lambda: self._polling, self._set_polling, clock)
        self.batches = TemporaryOverride(self._read_batches, self._set_batches, clock)

    def expire_overrides(self) -> None:
        """Return what was changed long ago to its configured value."""
        expired = (
            ("threads", self.threads.expire()),
            ("resting models", self.resting_models.expire()),
            ("polling", self.polling.expire()),
            ("batches", self.batches.expire()),
        )
        for name, change in expired:
            if change is not None:
                LOG.info("the override of %s expired: %s -> %s", name, *change)

    def processors(self) -> float:
        return min(float(len(_usable_processors())), self._read_limit(ContainerProbe()).get("cpu_limit", math.inf))

    def free_processors(self) -> float:
        container = ContainerProbe()
        self._read_limit(container)  # its rates are there from the second reading on
        busy = psutil.cpu_percent(LOAD_SECONDS, percpu=True)
        free = sum(1.0 - busy[number] / 100.0 for number in _usable_processors() if number < len(busy))
        limit = self._read_limit(container)
        if {"cpu_limit", "cpu_percent"} <= set(limit):
            free = min(free, limit["cpu_limit"] * max(0.0, 1.0 - limit["cpu_percent"] / 100.0))
        return free

    def _read_limit(self, container: ContainerProbe) -> dict[str, float]:
        """The container's processors and their use, where it has a limit."""
        clock = self._parts.clock
        return {reading.name: reading.value for reading in container.read(clock.now(), clock.tick()) if reading.source == "container"}

    def _set_threads(self, desired: ThreadCounts) -> None:
        if not (0 <= desired.phases <= MAX_THREADS and 1 <= desired.training <= MAX_PROCESSES):
            limits = f"give 0 to {MAX_THREADS} threads and 1 to {MAX_PROCESSES} processes"
            raise ValueError(f"{desired.phases} threads and {desired.training} processes: {limits}")
        engine = self._parts.engine
        if desired.phases != self._threads.phases:
            with self._parts.turns.command():
                old, engine.phase_pool = engine.phase_pool, ThreadPoolExecutor(desired.phases, thread_name_prefix="phase") if desired.phases else None
            _shut_down(old)
        self._parts.workers.resize(desired.training)
        self._threads = desired

    def _set_resting_models(self, desired: tuple[str, ...]) -> None:
        engine, names = self._parts.engine, frozenset(desired)
        with self._parts.turns.command():
            fitted = {serving.place for serving in engine.fitted_models if serving is not None}
            unknown = names - set(engine.catalog.names)
            if unknown:
                raise ValueError(f"there is no model {min(unknown)!r}: there are {', '.join(engine.catalog.names)}")
            if names and len(fitted - names) < MIN_MODELS:
                raise ValueError(f"fewer than {MIN_MODELS} models would serve: {len(fitted - names)} of {len(fitted)} fitted models")
            engine.rest_models(names)

    def _set_polling(self, desired: PollingIntervals) -> None:
        jobs = self.jobs
        if jobs is None:
            raise ValueError("nothing is scheduled yet: there is no polling to change")
        now = self._polling
        intervals = (
            ("probes", desired.probes, now.probes),
            ("commands", desired.commands, now.commands),
            ("heartbeats", desired.heartbeats, now.heartbeats),
            ("ticks", desired.ticks, now.ticks),
        )
        for job, seconds, before in intervals:
            if seconds != before:
                jobs.reschedule(job, seconds)
        self._polling = desired

    def _read_batches(self) -> BatchSizes:
        return BatchSizes(self._parts.monitor.write_seconds, *maintenance.read_batch_sizes(self._parts.writer.store))

    def _set_batches(self, desired: BatchSizes) -> None:
        if not MIN_WRITE_SECONDS <= desired.write_seconds <= MAX_WRITE_SECONDS:
            bounds = f"{units.format_setting(MIN_WRITE_SECONDS)} to {units.format_setting(MAX_WRITE_SECONDS, 's')}"
            raise ValueError(f"{units.format_setting(desired.write_seconds, 's')} between two writes is outside {bounds}")
        maintenance.set_batch_sizes(self._parts.writer.store, desired.wal_pages, desired.cache_bytes)
        self._parts.monitor.write_seconds = desired.write_seconds

    def model_costs(self) -> tuple[ModelCost, ...]:
        engine = self._parts.engine
        features, weights, catalog = engine.newest_features, engine.state.weights, engine.catalog
        if features is None:
            return ()
        shares = np.abs(weights).mean(axis=1)
        shares /= max(float(shares.sum()), 1e-12)
        return tuple(
            ModelCost(name, self._measure_ms(fitted, features), float(shares[index]), catalog.serving[index] is not None)
            for index, (name, fitted) in enumerate(zip(catalog.names, engine.fitted_models, strict=True))
            if fitted is not None
        )

    def _measure_ms(self, serving: ServingModel, features: Floats) -> float:
        """The median time of a forecast."""
        clock, seconds = self._parts.clock, []
        for _ in range(COST_SAMPLES):
            begun = clock.tick()
            serving.predict(features, None, 0)
            seconds.append(clock.tick() - begun)
        return median(seconds) * 1e3

    def commit_ms(self) -> float:
        return maintenance.measure_commit_ms(self._parts.writer.store)

    def caches(self) -> tuple[CacheUsage, ...]:
        return tuple(CacheUsage(cache.name, *cache.measure()) for cache in self._list_caches())

    def clear_caches(self) -> tuple[CacheUsage, ...]:
        usage = self.caches()
        for cache in self._list_caches():
            cache.clear()
        return usage

    def _list_caches(self) -> tuple[ClearableCache, ...]:
        store = self._parts.writer.store
        pages = ClearableCache("the store's pages", partial(maintenance.measure_page_cache, store), partial(maintenance.release_page_cache, store))
        return (pages, *engine_caches(), *self._parts.caches)

    def memory_blocks(self) -> tuple[MemoryBlock, ...]:
        with self._parts.turns.command():
            return self._parts.engine.memory_blocks()

    def compact_memory(self) -> tuple[MemoryBlock, ...]:
        with self._parts.turns.command():
            blocks = self._parts.engine.memory_blocks()
            self._parts.engine.compact()
        return blocks

    def reclaimable_space(self) -> ReclaimableSpace:
        return maintenance.measure_reclaimable(self._parts.writer.store)

    def unused_artifacts(self, versions: int) -> UnusedArtifacts:
        return maintenance.find_obsolete(self._parts.writer.store, versions).summary

    def drop_unused_artifacts(self, versions: int) -> UnusedArtifacts:
        store = self._parts.writer.store
        return maintenance.drop_obsolete(store, maintenance.find_obsolete(store, versions))

    def failing_components(self) -> tuple[str, ...]:
        broken = (name for name in COMPONENTS if self._parts.component_status.state(name) in BROKEN)
        return tuple(dict.fromkeys((*broken, *(self._parts.failing() if self._parts.failing else ()))))

    def recover_component(self, component: str) -> ActionResult:
        recover = self._parts.recover
        if recover is None:
            return ActionResult(0.0, "components", f"{component}: there is no way to recover it", done=False)
        return recover(component)


def _usable_processors() -> list[int]:
    """Numbers of the processors this process may run on."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def _shut_down(pool: Executor | None) -> None:
    """End a pool's threads; wait for one that hangs for a moment and no longer."""
    if pool is None:
        return
    threads = tuple(getattr(pool, "_threads", ()))
    pool.shutdown(wait=False)
    for thread in threads:
        thread.join(POOL_TIMEOUT / len(threads))
