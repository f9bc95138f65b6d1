"""The optimizer's place at the engine's desk: what it is made of, and when it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.commands.handlers.optimizer import apply_optimizer_command
from engine.domain.optimization import Action, Actuators
from engine.domain.ports import Clock
from engine.domain.tick import Tick
from engine.domain.trading_config import Command
from engine.optimizer.planner import EngineActivity
from engine.optimizer.runtime.experiment import ReadingSource, StopSignal
from engine.optimizer.runtime.history import ExperimentHistory
from engine.optimizer.runtime.loop import OptimizerLoop
from engine.optimizer.runtime.ports import OptimizerSettings
from engine.optimizer.runtime.readings_buffer import ReadingsBuffer
from engine.optimizer.runtime.trial_tools import ExperimentParts
from engine.optimizer.windows import MeasurementPlan
from engine.resilience.failure_log import FailureLog
from engine.service.component_status import ComponentStatus
from engine.service.monitor import Monitor
from engine.service.scheduler import JobScheduler
from engine.settings import Settings
from engine.store.errors import StoreError
from engine.store.read.optimizer_history import OptimizerHistory
from engine.store.write.optimizer_repository import OptimizerRepository
from engine.store.write.writer import Writer

SECONDS = 2.0  # between two looks at the rules


class TrialPast(ExperimentHistory):
    """What a trial reads of the store: readings, runs, and ticks."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._optimizer = OptimizerHistory(url)
        self.ticks = self._optimizer.ticks


@dataclass(frozen=True, slots=True)
class OptimizerParts:
    """The engine's parts that the optimizer works with."""

    settings: Settings
    writer: Writer
    monitor: Monitor
    probes: ReadingSource
    clock: Clock
    stop: StopSignal
    actuators: Actuators
    board: ComponentStatus
    training: Callable[[], bool]  # whether one is under way
    actions: Mapping[str, Action]


class Optimizer:
    """One engine's optimizer. `saw` and `hear` cost a tick and a sample next to nothing."""

    def __init__(self, parts: OptimizerParts, plan: MeasurementPlan | None = None) -> None:
        settings = parts.settings
        self._parts = parts
        self._jobs: JobScheduler | None = None
        self._tick: tuple[bool, int, float] | None = None  # warm, orders, s of the clock's tick when it was done
        self._pen = OptimizerRepository(parts.writer)
        self.readings_buffer = ReadingsBuffer()
        self.plan = plan or MeasurementPlan(before=settings.trial_seconds, after=settings.trial_seconds)
        tools = ExperimentParts(
            self._pen, TrialPast(settings.database_url), self.readings_buffer, parts.probes, Path(settings.home), parts.clock, parts.stop, parts.actuators,
            self._slot, self.plan,
        )  # fmt: skip
        wishes = OptimizerSettings(settings.rules, settings.modes, settings.seed)
        past = OptimizerHistory(settings.database_url)
        self._tuner = OptimizerLoop(tools, self._pen, past, parts.actions, wishes, parts.board, self._begin, rest=settings.trial_rest_seconds)

    def schedule(self, jobs: JobScheduler, recovery: FailureLog) -> None:
        """Gives the loop its time; while it fails it is run less and less often."""
        self._jobs = jobs
        jobs.run_every(SECONDS, "optimizer", "rules", recovery.with_backoff("optimizer", "rules", self._tuner.run_once), recovery)

    def note_tick(self, tick: Tick) -> None:
        """A tick is done."""
        self._tick = (tick.is_warmup, len(tick.outcome.orders), self._parts.clock.tick())

    def note_readings(self) -> None:
        """A sample of the machine was taken."""
        self.readings_buffer.append(self._parts.monitor.newest)

    def handle_command(self, command: Command) -> tuple[dict[str, object], Command | None]:
        """Carries out a command; what came of it, and the optimization to be run by hand for it, if any."""
        try:
            said, wish = apply_optimizer_command(command, self._tuner, self._pen, self._parts.clock.now())
        except (ValueError, StoreError) as error:
            return {"error": str(error)}, None
        return {"message": said}, wish

    def _begin(self, work: Callable[[], None]) -> None:
        if self._jobs is None:
            raise RuntimeError("no jobs run here")
        self._jobs.run_once("optimizer", "trial", work, self._parts.board, executor="trials")

    def _slot(self) -> EngineActivity:
        if self._tick is None:
            return EngineActivity(True, self._parts.training(), 0, None, None, 0.0)
        warm, orders, done = self._tick
        return EngineActivity(warm, self._parts.training(), orders, self._parts.clock.tick() - done, None, 0.0)
