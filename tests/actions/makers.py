"""Makes the context of an action, and actuators over plain values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from engine.domain.optimization import (
    ActionContext,
    ActionResult,
    Actuators,
    BatchSizes,
    CacheUsage,
    MemoryBlock,
    ModelCost,
    PollingIntervals,
    ReclaimableSpace,
    ThreadCounts,
    UnusedArtifacts,
)
from engine.files.owned_folders import TEMPORARY
from engine.optimizer.runtime.temporary_override import TemporaryOverride
from tests.actions.null_actuators import NullActuators

NOW = 1_700_000_000 * 1_000_000_000  # ns UTC
T = TypeVar("T")


def nothing_tuned() -> ActionResult:
    raise AssertionError("the store is not this action's")


def make_context(
    home: Path,
    *,
    dry_run: bool = False,
    tune_store: Callable[[], ActionResult] = nothing_tuned,
    progress_log: list[tuple[float, str]] | None = None,
    now: int = NOW,
    actuators: Actuators | None = None,
) -> ActionContext:
    progress_log = [] if progress_log is None else progress_log
    return ActionContext(
        home,
        home / TEMPORARY.name,
        tune_store,
        lambda progress, word: progress_log.append((progress, word)),
        dry_run,
        now,
        actuators or NullActuators(),
    )


@dataclass
class Plain:
    """Levers over plain values: with something to do for every action, or with nothing where `idle`."""

    idle: bool = False
    allowed: float = 2.0  # processors
    unused: float = 2.0
    transaction_ms: float = 50.0
    seconds: float = 0.0  # of a monotonic clock
    moved: list[str] = field(default_factory=list)  # what was done, besides turning

    def __post_init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.threads = self._dial("threads", ThreadCounts(0, 1) if self.idle else ThreadCounts(40, 8))
        none: tuple[str, ...] = ()
        self.resting_models = self._dial("resting", none)
        self.polling = self._dial("pace", PollingIntervals(600.0, 600.0, 600.0, 0.0) if self.idle else PollingIntervals(1.0, 0.5, 10.0, 5.0))
        self.batches = self._dial("batches", BatchSizes(5.0, 4_000, 2**25))

    def _dial(self, name: str, usual: T) -> TemporaryOverride[T]:
        self.values[name] = usual
        return TemporaryOverride(lambda: self.values[name], lambda wanted: self.values.update({name: wanted}), lambda: self.seconds)

    def processors(self) -> float:
        return self.allowed

    def free_processors(self) -> float:
        return self.unused

    def model_costs(self) -> tuple[ModelCost, ...]:
        costs = (("ridge", 0.02, 0.3), ("neural", 0.4, 0.4), ("online", 0.1, 0.2), ("lightgbm", 0.5, 0.05), ("random_fourier_features", 0.3, 0.05))
        resting = self.resting_models.current()
        return () if self.idle else tuple(ModelCost(name, ms, weight, name not in resting) for name, ms, weight in costs)

    def commit_ms(self) -> float:
        return 0.1 if self.idle else self.transaction_ms

    def caches(self) -> tuple[CacheUsage, ...]:
        return (CacheUsage("pages", 10, 0 if self.idle or "clear" in self.moved else 10_000_000),)

    def clear_caches(self) -> tuple[CacheUsage, ...]:
        held = self.caches()
        self.moved.append("clear")
        return held

    def memory_blocks(self) -> tuple[MemoryBlock, ...]:
        return (MemoryBlock("rows", 1_000, 9_000_000, 9_000_000 if self.idle or "compact" in self.moved else 1_000_000),)

    def compact_memory(self) -> tuple[MemoryBlock, ...]:
        held = self.memory_blocks()
        self.moved.append("compact")
        return held

    def reclaimable_space(self) -> ReclaimableSpace:
        return ReclaimableSpace(0, 0) if self.idle else ReclaimableSpace(5_000_000, 300_000)

    def unused_artifacts(self, versions: int) -> UnusedArtifacts:
        return UnusedArtifacts(0, 0, 0) if self.idle or "spare" in self.moved else UnusedArtifacts(4, 2, 40_000)

    def drop_unused_artifacts(self, versions: int) -> UnusedArtifacts:
        held = self.unused_artifacts(versions)
        self.moved.append("spare")
        return held

    def failing_components(self) -> tuple[str, ...]:
        return () if self.idle or "recover feed" in self.moved else ("feed",)

    def recover_component(self, component: str) -> ActionResult:
        self.moved.append(f"recover {component}")
        return ActionResult(1.0, "components", f"{component} is connected again")
