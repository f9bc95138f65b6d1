"""The actuators where no engine runs."""

from __future__ import annotations

from typing import NoReturn

from engine.domain.optimization import (
    ActionResult,
    BatchSizes,
    CacheUsage,
    MemoryBlock,
    ModelCost,
    Override,
    PollingIntervals,
    ReclaimableSpace,
    ThreadCounts,
    UnusedArtifacts,
)


class NullActuators:
    """Every actuator raises ValueError in one line: there is nothing to change."""

    @property
    def threads(self) -> Override[ThreadCounts]:
        self._refuse()

    @property
    def resting_models(self) -> Override[tuple[str, ...]]:
        self._refuse()

    @property
    def polling(self) -> Override[PollingIntervals]:
        self._refuse()

    @property
    def batches(self) -> Override[BatchSizes]:
        self._refuse()

    def processors(self) -> float:
        self._refuse()

    def free_processors(self) -> float:
        self._refuse()

    def model_costs(self) -> tuple[ModelCost, ...]:
        self._refuse()

    def commit_ms(self) -> float:
        self._refuse()

    def caches(self) -> tuple[CacheUsage, ...]:
        self._refuse()

    def clear_caches(self) -> tuple[CacheUsage, ...]:
        self._refuse()

    def memory_blocks(self) -> tuple[MemoryBlock, ...]:
        self._refuse()

    def compact_memory(self) -> tuple[MemoryBlock, ...]:
        self._refuse()

    def reclaimable_space(self) -> ReclaimableSpace:
        self._refuse()

    def unused_artifacts(self, versions: int) -> UnusedArtifacts:
        self._refuse()

    def drop_unused_artifacts(self, versions: int) -> UnusedArtifacts:
        self._refuse()

    def failing_components(self) -> tuple[str, ...]:
        self._refuse()

    def recover_component(self, component: str) -> ActionResult:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ValueError("no engine runs here: there is nothing to change")
