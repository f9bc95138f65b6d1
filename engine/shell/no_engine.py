"""The levers without an engine."""

from __future__ import annotations

from typing import NoReturn

from engine.domain.tuning import Batches, Block, Cache, Dial, Measured, ModelCost, Pace, Slack, Spare, Threads


class NoEngine:
    """The levers of the command line, where no engine runs: each refuses in one line."""

    @property
    def threads(self) -> Dial[Threads]:
        self._refuse()

    @property
    def resting(self) -> Dial[tuple[str, ...]]:
        self._refuse()

    @property
    def pace(self) -> Dial[Pace]:
        self._refuse()

    @property
    def batches(self) -> Dial[Batches]:
        self._refuse()

    def processors(self) -> float:
        self._refuse()

    def free(self) -> float:
        self._refuse()

    def costs(self) -> tuple[ModelCost, ...]:
        self._refuse()

    def commit_ms(self) -> float:
        self._refuse()

    def caches(self) -> tuple[Cache, ...]:
        self._refuse()

    def clear(self) -> tuple[Cache, ...]:
        self._refuse()

    def blocks(self) -> tuple[Block, ...]:
        self._refuse()

    def compact(self) -> tuple[Block, ...]:
        self._refuse()

    def slack(self) -> Slack:
        self._refuse()

    def spare(self, versions: int) -> Spare:  # noqa: ARG002 as every lever
        self._refuse()

    def drop_spare(self, versions: int) -> Spare:  # noqa: ARG002 as every lever
        self._refuse()

    def failing(self) -> tuple[str, ...]:
        self._refuse()

    def recover(self, component: str) -> Measured:  # noqa: ARG002 as every lever
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ValueError("no engine runs here: there is nothing to turn")
