"""Checks for drift outside the tick: a worker compares the newest days with the rows that the serving models were trained on.

A check is due at fixed ticks, and its report is adopted a fixed number of ticks later, as an event that a replay repeats. What a check compares
depends on its tick, on the versions that served then and on stored rows, so a check that was lost with its process is repeated on resuming, with the
same result. Only a check that was late already, which happens while live, is skipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field

import numpy as np
from threadpoolctl import threadpool_limits

from engine.domain.model import PLUGIN_ERRORS, ServingModel
from engine.domain.trading_config import Event, TradingConfig
from engine.evidence import drift
from engine.evolution.progress import ALL
from engine.service import training_spool
from engine.service.training_spool import SpooledTraining
from engine.service.windows import TrainingRows

DRIFT_EVERY = 288  # ticks
DRIFT_LAG = 6  # ticks from a check to the event of its report
MIN_RECENT = 288  # ticks
MAX_RECENT_SPANS = 7  # of the shortest recent span; older rows are left out
MAX_ROWS = 40_000  # of reference and recent together, thinned evenly in time
DAY = 86_400 * 10**9  # ns


@dataclass(frozen=True, slots=True)
class DriftSpans:
    """The ticks that are compared; those between the two are left out."""

    first: int  # of the reference
    reference_to: int
    recent_from: int
    until: int


@dataclass(frozen=True, slots=True)
class DriftJob:
    """A check under way."""

    adopt_at: int  # tick
    future: Future[str]


@dataclass(slots=True)
class DriftCheck:
    """The checks for drift of one engine. For one thread at a time."""

    pool: Executor | None
    home: str
    interval: int  # ns, of a bar
    jobs: list[DriftJob] = field(default_factory=list)
    error: str | None = None  # why the last check failed

    def begin(self, tick: int, config: TradingConfig, rows: TrainingRows, serving: Sequence[ServingModel | None]) -> tuple[Event, ...]:
        """Submit the check of the tick just decided, where one is due; the event of its failure where it cannot be submitted."""
        trained_to = max((served.trained_to for served in serving if served is not None), default=-1)
        return self._submit(tick, config, rows, trained_to) if is_due(tick, config) else ()

    def repeat(self, tick: int, config: TradingConfig, rows: TrainingRows, trained_to: int) -> None:
        """Submit the check of an earlier tick again, `trained_to` that of the versions which served it."""
        self._submit(tick, config, rows, trained_to)

    def adopt(self, tick: int, *, waits: bool) -> tuple[Event, ...]:
        """The reports that are due before this tick; with `waits`, wait for them. None of a check in which no column could be judged."""
        events: list[Event] = []
        for job in [job for job in self.jobs if job.adopt_at <= tick and (waits or job.future.done())]:
            self.jobs.remove(job)
            events += self._follow_result(job.future)
        return tuple(events)

    def _follow_result(self, future: Future[str]) -> tuple[Event, ...]:
        if future.cancelled():
            return (self._fail("it was not measured: the workers were closed"),)
        error = future.exception()
        if error is not None:
            return (self._fail(f"{type(error).__name__}: {error}"),)
        self.error = None
        return (Event("drift", ALL, future.result()),) if future.result() else ()

    def _fail(self, reason: str) -> Event:
        line = " ".join(reason.split())[:300]
        self.error = f"the check for drift failed: {line}"
        return Event("drift_failed", ALL, line)

    def _submit(self, tick: int, config: TradingConfig, rows: TrainingRows, trained_to: int) -> tuple[Event, ...]:
        # the oldest rows are left out: on resuming they may have made room for those decided since
        first = rows.first_tick(tick, DRIFT_LAG)
        spans = None if first is None else choose_spans(first, tick, trained_to, self.interval, config.horizons)
        if self.pool is None or spans is None:
            return ()
        try:
            training = rows.sample(spans.first, tick, config.horizons, MAX_ROWS)
            spooled, file = training_spool.spool_training(training, self.home)
            futures: list[Future[str]] = []
            try:
                futures.append(self.pool.submit(_measure, spooled, spans))
            finally:
                if not futures:
                    file.delete()
            training_spool.delete_when_done(file, futures)
        except PLUGIN_ERRORS as error:  # no memory, no room for a file, no process: the current tick is not affected
            return (self._fail(f"{type(error).__name__}: {error}"),)
        self.jobs.append(DriftJob(tick + DRIFT_LAG, futures[0]))
        return ()


def is_due(tick: int, config: TradingConfig) -> bool:
    """Whether a check is made after this tick: half a period after a training on schedule, so that workers do not do both at once."""
    return config.evolution == "full" and (tick + 1 - config.first_training) % DRIFT_EVERY == DRIFT_EVERY // 2


def find_lost_check(tick: int, config: TradingConfig) -> int | None:
    """The tick of the check whose report is due after `tick`, the last one stored; None where there is none."""
    return next((due for due in range(tick, tick - DRIFT_LAG, -1) if due >= 0 and is_due(due, config)), None)


def choose_spans(first: int, until: int, trained_to: int, interval: int, horizons: tuple[int, ...]) -> DriftSpans | None:
    """What is compared at a tick: whole days since the training, as many as the reference has enough blocks for; None without any.

    `first` is the oldest tick with a row, `interval` in ns. No target of the reference contains a recent bar.
    """
    if trained_to < 0:
        return None
    day = max(1, round(DAY / interval))
    shortest = -(-MIN_RECENT // day) * day
    for count in range(min(max((until - trained_to) // shortest, 1), MAX_RECENT_SPANS), 0, -1):
        recent = shortest * count
        recent_from = until - recent + 1
        reference_to = min(trained_to, recent_from - max(horizons))
        block = max(drift.MIN_BLOCK, -(-recent // drift.RECENT_BLOCKS))
        if reference_to - first + 1 >= drift.MIN_REFERENCE_BLOCKS * block:
            return DriftSpans(first, reference_to, recent_from, until)
    return None


def measure_spans(spooled: SpooledTraining, spans: DriftSpans) -> str:
    """The report of the spans as JSON, "" where no column could be judged."""
    rows = training_spool.read_spooled_training(spooled)
    reference = slice(0, int(np.searchsorted(rows.tick, spans.reference_to, side="right")))  # ticks ascend
    recent = slice(int(np.searchsorted(rows.tick, spans.recent_from)), None)
    x, y = (np.asarray(part, dtype=np.float64) for part in (rows.x, rows.y))
    report = drift.measure_drift(
        x[reference], x[recent], y[reference], y[recent], rows.tick[reference], rows.tick[recent], rows.columns, rows.horizons
    )
    return drift.drift_to_json(report) if report.inputs or report.targets else ""


def _measure(spooled: SpooledTraining, spans: DriftSpans) -> str:
    with threadpool_limits(1):
        return measure_spans(spooled, spans)
