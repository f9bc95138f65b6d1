"""Records of the optimizer: readings, actions and the actuators they use, trials and the judgement of an action."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from engine.domain.record import Record

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading(Record):
    """One measured value. `source` is its origin: host, container, process, engine, gpu."""

    at: int  # ns UTC
    source: str
    name: str  # snake_case with the unit's family, e.g. cpu_percent, rss_bytes
    value: float
    unit: str  # %, bytes, bytes/s, ms, 1/s, count, C, W


@dataclass(frozen=True, slots=True)
class ActionResult(Record):
    """The direct effect of an action, by its own measurement; the causal effect is judged separately."""

    amount: float  # freed or changed, in `unit`
    unit: str  # bytes, threads, ms, runs per minute ...
    detail: str  # one plain sentence with the figures
    done: bool = True  # False where there was nothing to do or it was a dry run; `detail` says which


@dataclass(frozen=True, slots=True)
class ThreadCounts(Record):
    """The threads and processes of the engine besides the thread of the tick."""

    phases: int  # threads that run phases 1 to 3 in parallel, 0 for sequential
    training: int  # processes that train models


@dataclass(frozen=True, slots=True)
class PollingIntervals(Record):
    """Seconds between two runs of each recurring task of the engine."""

    probes: float  # readings of the machine
    commands: float  # polls of the inbox
    heartbeats: float  # heartbeats of the components
    ticks: float  # 0 where the market or the machine sets the interval


@dataclass(frozen=True, slots=True)
class BatchSizes(Record):
    """The batch sizes of the store."""

    write_seconds: float  # between two transactions that write readings of the machine
    wal_pages: int  # pages of the write-ahead log at which it is checkpointed into the store
    cache_bytes: int  # page cache of the writing connection


@dataclass(frozen=True, slots=True)
class ModelCost(Record):
    """The cost and the weight of a fitted model."""

    name: str
    ms: float  # duration of one forecast for every symbol, measured now
    weight: float  # its share in the ensemble, mean over the horizons
    serves: bool


@dataclass(frozen=True, slots=True)
class CacheUsage(Record):
    """The usage of one cache."""

    name: str
    entries: int
    bytes: int | None  # None where not counted


@dataclass(frozen=True, slots=True)
class MemoryBlock(Record):
    """A large block of memory that the engine holds, and the part of it that it needs."""

    name: str
    rows: int  # not needed
    held: int  # bytes
    needed: int  # bytes


@dataclass(frozen=True, slots=True)
class UnusedArtifacts(Record):
    """Rows of the store that no stored tick was decided with."""

    artifacts: int  # model versions
    configurations: int
    bytes: int


@dataclass(frozen=True, slots=True)
class ReclaimableSpace(Record):
    """Disk space of the store that could be reclaimed."""

    log_bytes: int  # of the write-ahead log, by a checkpoint
    free_bytes: int  # of empty pages


class Override(Protocol[T]):
    """A setting of the running engine that an action may override for a while. The override ends after its time, or at once by `revert`."""

    def current(self) -> T:
        """Return the value in force."""
        ...

    def default(self) -> T:
        """Return the configured value."""
        ...

    def apply(self, wanted: T) -> None:
        """Set a value, which takes effect between two ticks; raises ValueError in one line for an impossible one."""
        ...

    def revert(self) -> tuple[T, T] | None:
        """Undo the override; return the value before and the value now, None where there was no override."""
        ...


class Actuators(Protocol):
    """What an action may change in the running engine. Safe from any thread; no decision changes while it is computed."""

    @property
    def threads(self) -> Override[ThreadCounts]: ...

    @property
    def resting_models(self) -> Override[tuple[str, ...]]:
        """Names of the fitted models that do not serve, in order. The serving models are stored with each tick, so a replay repeats them."""
        ...

    @property
    def polling(self) -> Override[PollingIntervals]: ...

    @property
    def batches(self) -> Override[BatchSizes]: ...

    def processors(self) -> float:
        """Return the number of processors that this process may use, within the container's limit."""
        ...

    def free_processors(self) -> float:
        """Return how many of these are idle; measuring takes a third of a second."""
        ...

    def model_costs(self) -> tuple[ModelCost, ...]:
        """Return the costs of the fitted models, measured on a tick's own columns; () before the first training."""
        ...

    def commit_ms(self) -> float:
        """Return the duration of a store transaction now, the median of a few."""
        ...

    def caches(self) -> tuple[CacheUsage, ...]: ...

    def clear_caches(self) -> tuple[CacheUsage, ...]:
        """Empty the caches and return what each held. They refill on use."""
        ...

    def memory_blocks(self) -> tuple[MemoryBlock, ...]: ...

    def compact_memory(self) -> tuple[MemoryBlock, ...]:
        """Free the unneeded part of each block, between two ticks, and return the blocks as they were. No value in use changes."""
        ...

    def reclaimable_space(self) -> ReclaimableSpace: ...

    def unused_artifacts(self, versions: int) -> UnusedArtifacts:
        """Return the unreferenced rows; the newest `versions` of each model always count as referenced."""
        ...

    def drop_unused_artifacts(self, versions: int) -> UnusedArtifacts: ...

    def failing_components(self) -> tuple[str, ...]:
        """Return the names of the components that do not work now."""
        ...

    def recover_component(self, component: str) -> ActionResult:
        """Restart, reconnect or reset a component; the result says what was done, or has `done=False` and the reason."""
        ...


@dataclass(frozen=True, slots=True)
class ActionContext:
    """Everything an action may use: its folder, the store's maintenance and the engine's actuators."""

    home: Path  # PODIUM_HOME
    temp: Path  # the folder in home for temporary files
    tune_store: Callable[[], ActionResult]  # checkpoint, optimize and compact the store; provided by the service
    report_progress: Callable[[float, str], None]  # progress 0..1 and a word
    dry_run: bool
    now: int  # ns UTC, from which the age of a file is measured
    actuators: Actuators


@dataclass(frozen=True, slots=True)
class Action:
    """An optimization that acts directly on this process or its own folders."""

    name: str
    kind: str  # memory, cpu, disk, error recovery, performance
    metric: str  # the reading it should move, as "source.name"
    better: int  # -1 where a fall of that reading is better, +1 where a rise is
    cost: str  # load on the engine while it runs: none, low, high
    description: str  # one sentence for the page
    run: Callable[[ActionContext], ActionResult]
    changes_decisions: bool = False  # decisions may differ while it is in force
    undo: Callable[[ActionContext], ActionResult] | None = None  # undoes the last run; None where there is nothing to undo


MANUAL = "manual"  # the mode of a run that a person requested; it enters no sum, rate or licence, because it was not randomised
_COMPARISONS = {"helped": "better than usual", "no measurable effect": "as usual", "harmed": "worse than usual"}


def describe_comparison(verdict: str) -> str:
    """Phrase the verdict on a manual run without claiming a cause."""
    return _COMPARISONS.get(verdict, verdict)


def describe_verdict(verdict: str) -> str:
    """Phrase the verdict on a manual run: "no measurable effect" as it is, any other without claiming a cause."""
    return verdict if verdict == "no measurable effect" else describe_comparison(verdict)


def manual_result(result: Mapping[str, object]) -> str | None:
    """Return the verdict of a manual run from a command's result; None for the result of any other command."""
    verdict = result.get("verdict")
    if isinstance(verdict, str):
        return describe_verdict(verdict)
    return "nothing to do" if result.get("status") == "declined" else None


def describe_trial(action: str, verdict: str, mode: str) -> str:
    """Describe a run in a few words; for a manual one no cause is claimed."""
    name = action.replace("_", " ")
    return f"{name} by hand: {describe_comparison(verdict)}" if mode == MANUAL else f"{name}: {verdict}"


@dataclass(frozen=True, slots=True)
class Effect(Record):
    """The change of a trial's metric (after - before) against windows without the action.

    Causal where the run was randomised; for a manual run an indication, against idle windows that began at a comparable level.
    """

    before: float  # NaN where not measured, as are the next two
    after: float
    effect: float  # (after - before) minus the same difference without the action
    low: float | None  # 95 % interval; None with too few windows
    high: float | None
    windows: int  # number of windows compared with
    verdict: str  # helped, no measurable effect, harmed, not enough data


@dataclass(frozen=True, slots=True)
class Trial(Record):
    """A run of an action that was measured and judged, as stored."""

    at: int  # ns UTC, when the action began
    action: str
    trigger: str  # "by hand"
    mode: str  # "manual"
    placebo: bool  # a control window: a trigger fired and the action was withheld
    metric: str  # the reading it is judged on, "source.name"
    unit: str
    effect: Effect
    undone: bool
    amount: float  # the direct effect, in amount_unit
    amount_unit: str
    detail: str  # the action's own sentence
    by: str
    reason: str
    seconds: float  # duration of the action
    guards: str | None = None  # JSON: {metric: [before, after]} of the metrics that must not suffer
    probability: float | None = None  # probability that the trigger ran the action and did not withhold it; None by hand
    comparison: str | None = (
        None  # JSON: {"before", "pause", "after": s, "planned", "starts": [ns]}: its periods, and the starts of the compared windows
    )


@dataclass(frozen=True, slots=True)
class Firing(Record):
    """A rule that fired, cleared, or lost its metric."""

    at: int  # ns UTC
    rule: str
    kind: str  # threshold, performance, error, schedule, by hand
    metric: str  # "source.name"
    value: float
    threshold: float  # NaN where the rule has none
    state: str  # fired, cleared, no data
    answer: str | None = None  # the action taken, or the reason for none


@dataclass(frozen=True, slots=True)
class WindowOutcome(Record):
    """One window after a trigger: whether the action ran, with what probability, and the changes (after - before), NaN where unmeasured."""

    treated: bool
    probability: float  # that the action runs, known before the draw
    change: float  # of the metric that fired
    latency: float  # of the duration of a tick, ms
    clean: float  # of the share of ticks without a fallback, %


@dataclass(frozen=True, slots=True)
class EffectEstimate(Record):
    """An effect with its 95 % interval; None where the data do not bound it."""

    effect: float  # NaN without data
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Judgement(Record):
    """The verdict on an action for a metric."""

    treated: int
    placebos: int
    effect: EffectEstimate
    latency: EffectEstimate
    clean: EffectEstimate
    verdict: str  # helped, no measurable effect, harmed, not enough data
    why: str  # one sentence with the figures
