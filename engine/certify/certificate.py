"""The certificate: random ticks, the futures that replace the recorded one after each, and the first part whose digest moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from engine.certify.trial import STEPS, Schedule, TickTrace, Trace, configure_trial, trace_run
from engine.domain.decision import Phase
from engine.domain.ports import Clock
from engine.feeds._altered_copy import FUTURES, RECORDED, Cut, write_copies
from engine.files import temporary_files
from engine.service.feeds import open_configured_feed
from engine.service.worker_pool import WorkerPool
from engine.settings import Settings

T = TypeVar("T")
SCHEDULE = Schedule()
BARS_AFTER = 48  # bars of every copy after the cut
WORKERS = 2
NOT_REPRODUCIBLE = "none"  # instead of a future, where the same copy decided twice gives two results
RunTraces = Callable[[Sequence[tuple[Settings, str, int]]], Iterator[Trace]]
ReportProgress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class LookAhead:
    """The first part of a run that moved with the future."""

    tick: int  # of the whole recording, counted from 0
    at: int  # ns UTC, the close of its bar
    future: str  # of FUTURES, or NOT_REPRODUCIBLE
    phase: str  # of STEPS
    part: str  # file
    column: str | None  # of the features, or the model


@dataclass(frozen=True, slots=True)
class Certificate:
    """The result for one recording."""

    recording: str
    ticks: tuple[int, ...]  # those after which the future was replaced, counted from 0 in the whole recording
    futures: tuple[str, ...]
    decisions: int  # decided again and compared
    changed: int  # of these, at ticks with a digest that moved
    first: LookAhead | None
    seconds: float
    fitted: frozenset[str] = frozenset()  # models with a fit from every training of every run

    def to_json(self) -> dict[str, object]:
        values = asdict(self) | {"ticks": list(self.ticks), "futures": list(self.futures)}
        return {name: value for name, value in values.items() if name != "fitted"}


@dataclass(frozen=True, slots=True)
class TriedTick:
    """The result for one tick."""

    decisions: int
    changed: int
    first: LookAhead | None
    fitted: frozenset[str]


def certify_recording(
    settings: Settings,
    ticks: int,
    *,
    clock: Clock,
    report_progress: ReportProgress,
    run_traces: RunTraces | None = None,
    schedule: Schedule = SCHEDULE,
) -> Certificate:
    """Replace the future after `ticks` random ticks of the configured recording and decide again.

    Each tick has its own part of the recording: `schedule.last_tick` bars before it, BARS_AFTER after it. The part is copied with its own future
    and with each of FUTURES, and every copy is decided from its first bar by a process of its own, trainings included. The search ends at the
    first tick for which a digest moved. Raises ValueError in one line for a recording that is too short.
    """
    begun = clock.tick()
    feed = open_configured_feed(settings)
    closes = [bar.at for bar in feed.slices(None)]
    places = choose_ticks(closes, ticks, settings.seed, schedule.last_tick)
    tried: list[TriedTick] = []
    first = None
    for done, place in enumerate(places):
        report_progress(done, len(places))
        since, until = closes[place - schedule.last_tick] - feed.info.interval, closes[min(len(closes) - 1, place + BARS_AFTER)]
        tried.append(_try_tick(configure_trial(settings, schedule), Cut(since, closes[place], until), run_traces or run_in_fresh_processes))
        first = tried[-1].first
        if first is not None:
            first = LookAhead(closes.index(first.at), *list(asdict(first).values())[1:])
            places = places[: done + 1]
            break
    report_progress(len(places), len(places))
    decisions, changed = sum(result.decisions for result in tried), sum(result.changed for result in tried)
    fitted = frozenset.intersection(*(result.fitted for result in tried))
    return Certificate(feed.info.label, tuple(places), FUTURES, decisions, changed, first, clock.tick() - begun, fitted)


def choose_ticks(closes: Sequence[int], count: int, seed: int, before: int) -> list[int]:
    """The places of `count` random bars with `before` bars before them and one after them, fewer where it is short. Raises ValueError for none."""
    candidates = np.arange(before, len(closes) - 1)
    if not len(candidates):
        raise ValueError(f"the recording has {len(closes):,} bars: certify needs at least {before + 2:,}, so record more or shorten the interval")
    chosen = np.random.default_rng(seed).choice(candidates, min(count, len(candidates)), replace=False)
    return sorted(int(place) for place in chosen)


def _try_tick(settings: Settings, cut: Cut, run_traces: RunTraces) -> TriedTick:
    """Decide every copy; where two differ, decide both again: only a difference between two runs that repeat bit for bit is a look-ahead."""
    folder = temporary_files.create_folder(settings.home, "certify")
    try:
        name = Path(str(settings.feed_path)).resolve().name
        copies = {future: folder.path / future / name for future in (RECORDED, *FUTURES)}
        write_copies(Path(str(settings.feed_path)), settings.symbols, cut, copies, settings.seed)
        jobs = [(settings, str(copy), cut.at) for copy in copies.values()]
        own, *others = run_traces(jobs)
        past = sum(tick.at <= cut.at for tick in own.ticks)
        by_future = {future: find_look_ahead(own, other, cut.at, future) for future, other in zip(FUTURES, others, strict=True)}
        moved = sum(count_moved(own, other, cut.at) for other in others)
        differences = [difference for difference in by_future.values() if difference is not None]
        first = min(differences, key=lambda difference: (difference.at, STEPS.index(difference.phase)), default=None)
        if first is not None:
            place = 1 + FUTURES.index(first.future)
            again = run_traces([jobs[0], jobs[place]])
            repeats = [find_look_ahead(*pair, cut.at, NOT_REPRODUCIBLE) for pair in zip((own, others[place - 1]), again, strict=True)]
            first = next((difference for difference in repeats if difference is not None), first)
        fitted = frozenset.intersection(*(find_fitted(trace) for trace in (own, *others)))
        return TriedTick(past * own.symbols * len(others), moved * own.symbols, first, fitted)
    finally:
        folder.delete()


def run_in_fresh_processes(jobs: Sequence[tuple[Settings, str, int]]) -> Iterator[Trace]:
    """The traces of the jobs, each from a process of its own: what one run has read or learned stays unknown to the next."""
    return call_in_fresh_processes(trace_run, jobs)


def call_in_fresh_processes(work: Callable[..., T], jobs: Sequence[tuple[Any, ...]]) -> Iterator[T]:
    """The results of `work` on the arguments of each job, in order, each from a process of its own; raises what it raises."""
    for start in range(0, len(jobs), WORKERS):
        batch = jobs[start : start + WORKERS]
        pools = [WorkerPool() for _ in batch]
        try:
            yield from [future.result() for future in [pool.submit(work, *job) for pool, job in zip(pools, batch, strict=True)]]
        finally:
            for pool in pools:
                pool.close()


def find_fitted(trace: Trace) -> frozenset[str]:
    """The models with a fit from every training of the run; none where nothing was trained."""
    fits = [frozenset(model for model, _ in tick.fits) for tick in trace.ticks if tick.fits]
    return frozenset.intersection(*fits) if fits else frozenset()


def count_moved(own: Trace, other: Trace, until: int) -> int:
    """The number of ticks by `until` (ns UTC) with a digest that moved, or that one run lacks."""
    mine, theirs = ({tick.at: tick for tick in trace.ticks if tick.at <= until} for trace in (own, other))
    return sum(mine.get(at) != theirs.get(at) for at in mine.keys() | theirs.keys())


def find_look_ahead(own: Trace, other: Trace, until: int, future: str) -> LookAhead | None:
    """The first part by `until` (ns UTC) that differs between two runs; None where every digest is equal."""
    mine, theirs = ([tick for tick in trace.ticks if tick.at <= until] for trace in (own, other))
    for tick, changed in zip(mine, theirs, strict=False):
        if tick != changed:
            return _locate(own, tick, changed, future)
    if len(mine) != len(theirs):
        missing = max(mine, theirs, key=len)[min(len(mine), len(theirs))]
        return LookAhead(missing.tick, missing.at, future, "feed", own.feed_file, None)
    return None


def _locate(trace: Trace, own: TickTrace, other: TickTrace, future: str) -> LookAhead:
    """The first step of a tick that differs, and the file that it stands in."""
    at = min(own.at, other.at)
    if own.at != other.at:
        return LookAhead(own.tick, at, future, "feed", trace.feed_file, None)
    step = next((name for name, mine, changed in zip(STEPS, own.steps, other.steps, strict=False) if mine != changed), "training")
    part, column = _files(trace).get(step, f"engine/phases/{step}.py"), None
    if step == Phase.FEATURES.value:
        part, column = _first(own.columns, other.columns, trace.column_files, trace.columns) or (part, None)
    elif step == Phase.VALIDATION.value:
        part, column = _first(own.predictions, other.predictions, trace.model_files, trace.models) or (part, None)
    elif step == "training":
        fits = [dict(tick.fits) for tick in (own, other)]
        first, second = (tuple(fit.get(name) for name in trace.models) for fit in fits)
        part, column = _first(first, second, trace.model_files, trace.models) or (part, None)
    return LookAhead(own.tick, at, future, step, part, column)


def _files(trace: Trace) -> dict[str, str]:
    return {
        "feed": trace.feed_file, "window": "engine/service/windows.py", "account": "engine/broker.py", "events": "engine/service/engine.py",
        "training": "engine/service/training.py",
    }  # fmt: skip


def _first(own: Sequence[object], other: Sequence[object], files: Sequence[str], names: Sequence[str]) -> tuple[str, str] | None:
    """The file and the name of the first item that differs."""
    pairs = zip(own, other, files, names, strict=False)
    return next(((file, name) for mine, changed, file, name in pairs if mine != changed), None)
