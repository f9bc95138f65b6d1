"""What the optimizer reads, does and judges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.domain.record import Record


@dataclass(frozen=True, slots=True)
class Reading(Record):
    """One measured value. `source` says whose it is: host, container, process, engine, gpu."""

    at: int  # ns UTC
    source: str
    name: str  # snake_case with the unit's family, e.g. cpu_percent, rss_bytes
    value: float
    unit: str  # %, bytes, bytes/s, ms, 1/s, count, C, W


@dataclass(frozen=True, slots=True)
class Measured(Record):
    """What an action did, by its own measurement: the direct effect, apart from the causal one."""

    amount: float  # freed or changed, in `unit`
    unit: str  # bytes, files, pages
    detail: str  # one plain sentence with the figures
    done: bool = True  # False: nothing was done, because there was nothing to do or it was a dry run; `detail` says which


@dataclass(frozen=True, slots=True)
class Room:
    """All an action may touch: its folder and the store's housekeeping, nothing else."""

    home: Path  # PODIUM_HOME
    temp: Path  # home / "tmp"
    tune_store: Callable[[], Measured]  # checkpoint, optimize and compact the store; given by the shell
    tell: Callable[[float, str], None]  # progress 0..1 and a word
    dry_run: bool
    now: int  # ns UTC, what the age of a file is counted to


@dataclass(frozen=True, slots=True)
class Action:
    """An optimization with a direct effect on this process or its own folders."""

    name: str
    kind: str  # memory, cpu, disk, error recovery, performance
    cures: str  # the reading it should move, as "source.name"
    better: int  # -1 when a fall of that reading is a cure, +1 when a rise is
    cost: str  # none, low, high: what it takes from the engine while it runs
    about: str  # one sentence for the page
    do: Callable[[Room], Measured]


@dataclass(frozen=True, slots=True)
class Effect(Record):
    """The causal effect of a trial on its metric: after less before, against random idle windows of the last 24 h."""

    before: float  # NaN where it was not measured; so for the two below
    after: float
    effect: float  # after - before, less the mean of the same difference in idle windows
    low: float | None  # 95 % interval; None with too few windows
    high: float | None
    windows: int  # idle windows compared with
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
    also: str | None = None  # JSON: {metric: [before, after]} of what must not suffer
    chance: float | None = None  # with which a trigger's answer was to run the action and not to do nothing; None by hand
    compared: str | None = None  # JSON: {"before": s, "after": s, "starts": [ns]}: its windows, and when those it was compared with began


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
