"""What the optimizer reads, does and judges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from engine.domain.record import Record

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading(Record):
    """One measured value. `source` says whose it is: host, container, process, engine, gpu."""

    at: int  # ns UTC
    source: str
    name: str  # snake_case with the unit's family, e.g. cpu_percent, rss_bytes
    value: float
    unit: str  # %, bytes, bytes/s, ms, 1/s, count, C, W


@dataclass(frozen=True, slots=True)
class ActionResult(Record):
    """What an action did, by its own measurement: the direct effect, apart from the causal one."""

    amount: float  # freed or changed, in `unit`
    unit: str  # bytes, threads, ms, runs a minute ...
    detail: str  # one plain sentence with the figures
    done: bool = True  # False: nothing was done, because there was nothing to do or it was a dry run; `detail` says which


@dataclass(frozen=True, slots=True)
class ThreadCounts(Record):
    """What the engine works with besides the thread of the tick itself."""

    phases: int  # threads that phases 1 to 3 run beside each other on, 0 for one after the other
    training: int  # processes that models are trained in


@dataclass(frozen=True, slots=True)
class PollingIntervals(Record):
    """Seconds between two runs of what the engine does again and again."""

    probes: float  # readings of the machine
    commands: float  # looks into the inbox
    heartbeats: float  # signs of life of the components
    ticks: float  # 0 where the market, or the machine, sets the pace


@dataclass(frozen=True, slots=True)
class BatchSizes(Record):
    """How much the store is given, and takes, at once."""

    write_seconds: float  # between two transactions that write readings of the machine
    wal_pages: int  # pages of the write-ahead log after which it is folded into the store
    cache_bytes: int  # of the store's pages kept in memory by the connection that writes


@dataclass(frozen=True, slots=True)
class ModelCost(Record):
    """What a fitted model takes and gives."""

    name: str
    ms: float  # one forecast for every symbol, measured now
    weight: float  # its share in the ensemble, mean of the horizons
    serves: bool


@dataclass(frozen=True, slots=True)
class CacheUsage(Record):
    """Values kept so that they need not be made again."""

    name: str
    entries: int
    bytes: int | None  # None where they are not counted


@dataclass(frozen=True, slots=True)
class MemoryBlock(Record):
    """A large block of memory that the engine holds, and how much of it would do."""

    name: str
    rows: int  # that could go
    held: int  # bytes
    needed: int  # bytes


@dataclass(frozen=True, slots=True)
class UnusedArtifacts(Record):
    """What the store keeps that no kept tick was decided with."""

    artifacts: int  # versions of models
    knobs: int
    bytes: int


@dataclass(frozen=True, slots=True)
class ReclaimableSpace(Record):
    """What the store holds on the disk and does not need."""

    log_bytes: int  # of the write-ahead log, which could be folded in
    free_bytes: int  # of pages that nothing is in


class Override(Protocol[T]):
    """A setting of the running engine that may be turned for a while. It goes back by itself, and at once by `back`."""

    def current(self) -> T:
        """As it is."""
        ...

    def default(self) -> T:
        """As it was set up."""
        ...

    def apply(self, wanted: T) -> None:
        """Takes hold between two ticks; raises ValueError in one line for what cannot be."""
        ...

    def revert(self) -> tuple[T, T] | None:
        """Undoes the last turn: what was in force and what is now; None where nothing was turned."""
        ...


class Actuators(Protocol):
    """What an action may turn in the running engine. Safe from any thread; a decision is never changed while it is made."""

    @property
    def threads(self) -> Override[ThreadCounts]: ...

    @property
    def resting_models(self) -> Override[tuple[str, ...]]:
        """Names of the models that are fitted and do not serve, in order. Who serves is kept with each tick, so a replay repeats it."""
        ...

    @property
    def polling(self) -> Override[PollingIntervals]: ...

    @property
    def batches(self) -> Override[BatchSizes]: ...

    def processors(self) -> float:
        """That this process may use, a container's limit counted."""
        ...

    def free_processors(self) -> float:
        """Of these, how many nobody uses just now; takes a third of a second to measure."""
        ...

    def model_costs(self) -> tuple[ModelCost, ...]:
        """Of the models that are fitted, measured on a tick's own columns; () before the first are."""
        ...

    def commit_ms(self) -> float:
        """What a transaction of the store takes just now, the median of a few."""
        ...

    def caches(self) -> tuple[CacheUsage, ...]: ...

    def clear_caches(self) -> tuple[CacheUsage, ...]:
        """Empties them; what each held. They fill again as they are asked."""
        ...

    def memory_blocks(self) -> tuple[MemoryBlock, ...]: ...

    def compact_memory(self) -> tuple[MemoryBlock, ...]:
        """Gives back what is not needed of each, between two ticks; the blocks as they were. No value in use changes."""
        ...

    def reclaimable_space(self) -> ReclaimableSpace: ...

    def unused_artifacts(self, versions: int) -> UnusedArtifacts:
        """The newest `versions` of each model are never spare."""
        ...

    def drop_unused_artifacts(self, versions: int) -> UnusedArtifacts: ...

    def failing_components(self) -> tuple[str, ...]:
        """Names of the components that do not work just now."""
        ...

    def recover_component(self, component: str) -> ActionResult:
        """Restarts, reconnects or resets one; what was done, or `done=False` with why nothing could be."""
        ...


@dataclass(frozen=True, slots=True)
class ActionContext:
    """All an action may touch: its folder, the store's housekeeping and the engine's levers, nothing else."""

    home: Path  # PODIUM_HOME
    temp: Path  # the folder in home for temporary files
    tune_store: Callable[[], ActionResult]  # checkpoint, optimize and compact the store; given by the shell
    report_progress: Callable[[float, str], None]  # progress 0..1 and a word
    dry_run: bool
    now: int  # ns UTC, what the age of a file is counted to
    actuators: Actuators


@dataclass(frozen=True, slots=True)
class Action:
    """An optimization with a direct effect on this process or its own folders."""

    name: str
    kind: str  # memory, cpu, disk, error recovery, performance
    metric: str  # the reading it should move, as "source.name"
    better: int  # -1 when a fall of that reading is a cure, +1 when a rise is
    cost: str  # none, low, high: what it takes from the engine while it runs
    description: str  # one sentence for the page
    run: Callable[[ActionContext], ActionResult]
    changes_decisions: bool = False  # what is decided may come out otherwise while it is in force
    undo: Callable[[ActionContext], ActionResult] | None = None  # takes the last run back; None where there is nothing to take back


MANUAL = "manual"  # the mode of a run that a person asked for; it enters no sum, rate or licence, for no coin decided it
_COMPARISONS = {"helped": "better than usual", "no measurable effect": "as usual", "harmed": "worse than usual"}


def describe_comparison(verdict: str) -> str:
    """The verdict on a manual run in words that claim no cause."""
    return _COMPARISONS.get(verdict, verdict)


def describe_verdict(verdict: str) -> str:
    """The verdict on a run by hand: one without a measurable effect is called so, for any other no cause is claimed."""
    return verdict if verdict == "no measurable effect" else describe_comparison(verdict)


def manual_result(result: Mapping[str, object]) -> str | None:
    """What a run by hand came to, the verdict first, so that it is never merely done; None of any other command's result."""
    verdict = result.get("verdict")
    if isinstance(verdict, str):
        return describe_verdict(verdict)
    return "nothing to do" if result.get("status") == "declined" else None


def describe_trial(action: str, verdict: str, mode: str) -> str:
    """A run in a few words; of one by hand no cause is claimed."""
    name = action.replace("_", " ")
    return f"{name} by hand: {describe_comparison(verdict)}" if mode == MANUAL else f"{name}: {verdict}"


@dataclass(frozen=True, slots=True)
class Effect(Record):
    """What became of a trial's metric: after less before, against windows without the action. Causal where a coin decided that it was run; of a run
    by hand an indication, against idle windows that began at a comparable level."""

    before: float  # NaN where it was not measured; so for the two below
    after: float
    effect: float  # after - before, less what the same difference is without the action
    low: float | None  # 95 % interval; None with too few windows
    high: float | None
    windows: int  # compared with
    verdict: str  # helped, no measurable effect, harmed, not enough data


@dataclass(frozen=True, slots=True)
class Trial(Record):
    """A run of an action that was measured and judged, as the store keeps it."""

    at: int  # ns UTC, when the action began
    action: str
    trigger: str  # "by hand"
    mode: str  # "manual"
    placebo: bool  # a window in which a trigger fired and nothing was done
    metric: str  # the reading it is judged on, "source.name"
    unit: str
    effect: Effect
    undone: bool
    amount: float  # the direct effect, in amount_unit
    amount_unit: str
    detail: str  # the action's own sentence
    by: str
    reason: str
    seconds: float  # the action took
    guards: str | None = None  # JSON: {metric: [before, after]} of what must not suffer
    probability: float | None = None  # with which a trigger's answer was to run the action and not to do nothing; None by hand
    comparison: str | None = (
        None  # JSON: {"before", "pause", "after": s, "planned", "starts": [ns]}: its spans, and when windows it was compared with began
    )


@dataclass(frozen=True, slots=True)
class Firing(Record):
    """A rule that fired, cleared, or lost sight of its metric."""

    at: int  # ns UTC
    rule: str
    kind: str  # threshold, performance, error, schedule, by hand
    metric: str  # "source.name"
    value: float
    threshold: float  # NaN where the rule has none
    state: str  # fired, cleared, no data
    answer: str | None = None  # what was done about it, or why nothing was
