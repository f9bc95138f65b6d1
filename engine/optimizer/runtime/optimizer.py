"""The optimizer of a running engine: its parts, its schedule, and the commands that reach it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.domain.optimization import Action, Actuators
from engine.domain.ports import Clock
from engine.domain.tick import Tick
from engine.optimizer.planner import EngineActivity
from engine.optimizer.runtime.experiment import ActionError, ReportProgress, run_action
from engine.optimizer.runtime.history import ExperimentHistory
from engine.optimizer.runtime.loop import OptimizerLoop
from engine.optimizer.runtime.ports import ExperimentParts, OptimizerSettings, ReadingSource, StopSignal
from engine.optimizer.runtime.readings_buffer import ReadingsBuffer
from engine.optimizer.runtime.repository import ExperimentRepository
from engine.optimizer.runtime.rule_engine import RuleEngine
from engine.optimizer.windows import MeasurementPlan
from engine.resilience.failure_log import FailureLog
from engine.service.component_status import ComponentStatus
from engine.service.monitor import Monitor
from engine.service.scheduler import JobScheduler
from engine.settings import Settings
from engine.store.write.writer import Writer

SECONDS = 2.0  # between two rounds of the loop


@dataclass(frozen=True, slots=True)
class OptimizerParts:
    """The parts of the engine that the optimizer works with."""

    settings: Settings
    writer: Writer
    monitor: Monitor
    probes: ReadingSource
    clock: Clock
    stop: StopSignal
    actuators: Actuators
    component_status: ComponentStatus
    training: Callable[[], bool]  # whether a training is under way
    actions: Mapping[str, Action]


class Optimizer:
    """One engine's optimizer. `note_tick` and `note_readings` take next to no time."""

    def __init__(self, parts: OptimizerParts, plan: MeasurementPlan | None = None) -> None:
        settings = parts.settings
        self._parts = parts
        self._jobs: JobScheduler | None = None
        self._tick: tuple[bool, int, float] | None = None  # the last one: whether it was a warm-up, orders, its end (s, monotonic)
        self._repository = ExperimentRepository(parts.writer)
        self.readings_buffer = ReadingsBuffer()
        self._history = ExperimentHistory(settings.database_url)
        self.experiments = ExperimentParts(
            self._repository, self._history, parts.probes, Path(settings.home), parts.clock, parts.stop, parts.actuators,
            plan or MeasurementPlan(before=settings.trial_seconds, after=settings.trial_seconds), self.readings_buffer, self._activity,
        )  # fmt: skip
        configured = OptimizerSettings(settings.rules, settings.modes, settings.seed)
        rules = RuleEngine(self.readings_buffer, self._repository.save_firing)
        self._loop = OptimizerLoop(
            self.experiments, self._repository, self._history, parts.actions, configured, parts.component_status, self._start_worker, rules,
            rest=settings.trial_rest_seconds,
        )  # fmt: skip

    def schedule(self, jobs: JobScheduler, recovery: FailureLog) -> None:
        """Schedule the loop; while it fails, it runs less and less often."""
        self._jobs = jobs
        jobs.run_every(SECONDS, "optimizer", "rules", recovery.with_backoff("optimizer", "rules", self._loop.run_once), recovery)

    def note_tick(self, tick: Tick) -> None:
        """Note that a tick has ended."""
        self._tick = (tick.is_warmup, len(tick.outcome.orders), self._parts.clock.tick())

    def note_readings(self) -> None:
        """Append the newest readings of the machine to the buffer."""
        self.readings_buffer.append(self._parts.monitor.newest)

    @property
    def rule_loop(self) -> OptimizerLoop:
        """The loop, for commands about rules and approvals."""
        return self._loop

    @property
    def rule_writer(self) -> ExperimentRepository:
        """The part of the store that such commands write to."""
        return self._repository

    def run_manual(self, action: str, *, dry_run: bool, by: str, reason: str, report_progress: ReportProgress) -> dict[str, object]:
        """Run an action on a person's request; its result as JSON."""
        try:
            return run_action(action, self.experiments, dry_run=dry_run, report_progress=report_progress, by=by, reason=reason)
        except ActionError as error:
            return {"error": str(error)}

    def _start_worker(self, work: Callable[[], None]) -> None:
        if self._jobs is None:
            raise RuntimeError("no jobs run here")
        self._jobs.run_once("optimizer", "trial", work, self._parts.component_status, executor="trials")

    def _activity(self) -> EngineActivity:
        if self._tick is None:
            return EngineActivity(True, self._parts.training(), 0, None, None, 0.0)
        is_warmup, orders, ended = self._tick
        return EngineActivity(is_warmup, self._parts.training(), orders, self._parts.clock.tick() - ended, None, 0.0)
