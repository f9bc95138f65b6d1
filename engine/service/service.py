"""What the engine that holds the store does, job by job: ticks, commands, probes, pruning and signs of life."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event

import orjson

from engine.alerting import evaluator
from engine.alerting.drills import DecisionContext
from engine.alerting.service import AlertingService
from engine.commands.handlers import optimizer
from engine.domain.alerting import EngineProgress
from engine.domain.optimization import Action, PollingIntervals
from engine.domain.ports import Clock, Feed
from engine.domain.tick import Tick
from engine.domain.trading_config import Command
from engine.files import temporary_files
from engine.optimizer.planner import default_mode
from engine.optimizer.runtime import optimizer as runtime_optimizer
from engine.optimizer.runtime.actuators import ActuatorParts, EngineActuators
from engine.optimizer.runtime.experiment import ActionError, ReportProgress, load_actions, run_action
from engine.optimizer.runtime.history import ExperimentHistory
from engine.optimizer.runtime.optimizer import Optimizer
from engine.probes.engine import EngineProbe
from engine.probes.probes import Probes
from engine.report.data_counts import describe_data
from engine.resilience.backtest_repair import BacktestRepair
from engine.resilience.circuit_breaker import PLUGIN_ERRORS
from engine.resilience.failure_log import FailureLog
from engine.resilience.remedies import ComponentRemedies, ThrottledSource
from engine.service import backtests, process_memory
from engine.service.caches import ClearableCache
from engine.service.command_results import FAILED, CommandResults
from engine.service.component_status import ComponentStatus
from engine.service.feeds import FeedFailed
from engine.service.logging import LOG
from engine.service.monitor import Monitor
from engine.service.priority_lock import PriorityLock
from engine.service.resume import resume_engine
from engine.service.scheduler import JobScheduler
from engine.service.serial_queue import SerialQueue
from engine.service.worker_pool import WorkerPool
from engine.settings import Settings
from engine.store import backtest_files
from engine.store.database import path_from_url
from engine.store.errors import StoreError
from engine.store.inbox import Inbox
from engine.store.read.alert_facts import STORE_MOVED_KEY
from engine.store.read.history import TickHistory
from engine.store.retention import RetentionPolicy
from engine.store.write.writer import Writer

COMMANDS_SECONDS, PROBES_SECONDS, BOARD_SECONDS, PRUNE_SECONDS = 0.5, 1.0, 10.0, 600.0
ALERTS_SECONDS, DELIVERIES_SECONDS, DRILLS_SECONDS = 5.0, 2.0, 60.0
YIELD_SECONDS = 0.1  # that a command which takes no turn waits for a tick, at most
IDLE_SECONDS = 1.0  # between looks at a feed that has nothing now
CONCURRENT_COMMANDS = frozenset(
    {*optimizer.OPTIMIZER_COMMANDS, *evaluator.COMMANDS, "optimize", "drill", *backtests.COMMANDS}
)  # commands that do not touch the engine
JOB_NAMES = ("ticks", "commands", "probes", "board", "levers", "rules", "alerts", "deliveries", "drills", "shelf", "prune")


class EngineService:
    """The engine with its store, feed, probes and worker, for the one who holds the lease. Raises StoreFailed or ValueError in one line."""

    def __init__(self, settings: Settings, feed: Feed, clock: Clock, holder: str, *, ticks: int | None = None, caches: tuple[ClearableCache, ...] = (),
                 reopen: Callable[[], Feed] | None = None) -> None:  # fmt: skip
        """`reopen` opens the feed anew, where it was not handed in by somebody who alone can."""
        url = settings.database_url
        self._settings, self._clock, self._left = settings, clock, ticks
        self._stop, self._turns, self._work = Event(), PriorityLock(), EngineProbe(path_from_url(url))
        self._writer = Writer(url, holder, RetentionPolicy(settings.retention_days, settings.retention_bytes))
        self.components = ComponentStatus(self._writer, clock)
        self.failures = recovery = FailureLog(self._writer, self.components, clock)
        self._probes = Probes(Path(settings.home), clock, self._work, wrap=lambda source: ThrottledSource(source, recovery))
        self._inbox = Inbox(url, holder)
        self._answers = CommandResults(self._inbox, clock)
        self._monitor = Monitor(self._probes, self._writer, clock, self._work, self._inbox.count_queued)
        self._past = ExperimentHistory(url)
        self._backtests = backtests.BacktestRunner(Path(settings.home), clock, self._inbox.report_progress, self._answers.write)
        self._by_hand = SerialQueue(self.run_manual_action, self._report, self._finish)
        self.workers = WorkerPool(
            on_failure=partial(recovery.record_failure, "trainer", "workers"), on_recovery=partial(recovery.record_recovery, "trainer", "workers")
        )
        beside = ThreadPoolExecutor(settings.threads, thread_name_prefix="phase") if settings.threads else None
        self.ended, self.ticks_decided = Event(), 0  # the feed has ended, or the ticks asked for are done
        try:
            known = load_actions()
            self._introduce(known, feed)
            self._engine, self._session = resume_engine(
                settings, feed, clock, self._writer, TickHistory(url), training_pool=self.workers, phase_pool=beside, report=self._report_mended
            )
            self._watch_over(reopen)
        except (StoreError, ValueError, OSError) as error:
            self._refuse(error)
            raise
        self._engine.read_machine = self._monitor.machine_json
        self.actuators = self._levers(caches)
        self._optimizing = self._optimizer(known)
        process_memory.configure_memory()
        for component in ("store", "trainer", "optimizer", "alerts"):
            self.components.set_state(component, "ok")

    def _report_mended(self, fault: str, how: str) -> None:
        """What was wrong with the store at the start, for the page of components."""
        self.failures.record_past_failure("store", "checkpoint", 0.0, fault, tries=1, how=how)

    def report_moved_store(self, at: int, words: str) -> None:
        """The file of the store was deleted or replaced: for the alert of it, and for the page of components."""
        fault, _, how = words.partition("; ")
        self.failures.record_past_failure("store", "file", max(0.0, (self._clock.now() - at) / 1e9), fault, tries=1, how=how)
        try:
            self._writer.remember(STORE_MOVED_KEY, orjson.dumps([at, words]).decode())
        except StoreError as error:
            LOG.error("no alert is raised of it: %s", error)

    def _introduce(self, known: dict[str, Action], feed: Feed) -> None:
        _sweep(self._settings.home)
        self._writer.sync_actions(list(known.values()), {name: default_mode(action) for name, action in known.items()}, "auto")
        self.components.write_all()
        self._writer.remember("backtests", str(backtest_files.backtest_folder(Path(self._settings.home))))
        self.data_notes = describe_data(feed)  # in the log and on Components
        for line in self.data_notes:
            LOG.warning("the recording: %s", line)
        self._writer.remember("recording", "\n".join(self.data_notes))

    def _watch_over(self, reopen: Callable[[], Feed] | None) -> None:
        settings, store = self._settings, self._writer.store
        self._moment: DecisionContext | None = None  # what the newest tick was decided from
        self._up = self._clock.tick()
        self._decided_at: float | None = None  # s of the monotonic clock, the newest tick
        past = TickHistory(settings.database_url)
        self._mending = ComponentRemedies(self.failures, self._engine, self._turns, self.workers, store, past, self._session, reopen)
        self._safeguards = guards = AlertingService(settings, store, self.failures, self._clock, decision_context=lambda: self._moment, ended=lambda: self.ended,
                                                progress=self._progress)  # fmt: skip
        self._shelf = BacktestRepair(
            backtest_files.backtest_folder(Path(settings.home)), self._inbox.get, self._inbox.submit, self.failures, self._clock
        )
        self._drills = SerialQueue(lambda command, _: guards.handle_command(command), self._report, self._finish)

    def _levers(self, caches: tuple[ClearableCache, ...]) -> EngineActuators:
        pace = PollingIntervals(PROBES_SECONDS, COMMANDS_SECONDS, BOARD_SECONDS, self._settings.tick_interval_seconds)
        return EngineActuators(
            ActuatorParts(
                self._engine, self._turns, self.workers, self._writer, self._monitor, self.components, self._clock, pace,
                recover=self.failures.recover, failing=self.failures.failing_components, caches=caches,
            )
        )  # fmt: skip

    def _optimizer(self, known: dict[str, Action]) -> Optimizer:
        return Optimizer(
            runtime_optimizer.OptimizerParts(
                self._settings, self._writer, self._monitor, self._probes, self._clock, self._stop, self.actuators, self.components,
                lambda: bool(self._engine.training_jobs), known,
            )
        )  # fmt: skip

    def _refuse(self, error: Exception) -> None:
        try:
            self.components.set_state("engine", "down", str(error))
        except StoreError as trouble:
            LOG.info("the store was not told that the engine did not start: %s", trouble)
        self._monitor.close()
        self._writer.close()
        self._inbox.close()

    def schedule_jobs(self, jobs: JobScheduler) -> None:
        """Gives every job its time."""
        pace = self._settings.tick_interval_seconds or IDLE_SECONDS
        jobs.run_every(pace, "engine", "ticks", self.failures.with_backoff("engine", "ticks", self.run_ticks), self.failures)
        jobs.run_every(COMMANDS_SECONDS, "engine", "commands", partial(self.process_commands, jobs), self.failures)
        jobs.run_every(PROBES_SECONDS, "probes", "probes", self.failures.with_backoff("probes", "probes", self.sample_machine), self.failures)
        jobs.run_every(BOARD_SECONDS, "store", "board", self.components.write_all, self.failures)
        jobs.run_every(BOARD_SECONDS, "optimizer", "levers", self.actuators.expire_overrides, self.failures)
        self.actuators.jobs = jobs
        self._optimizing.schedule(jobs, self.failures)
        jobs.run_every(ALERTS_SECONDS, "alerts", "alerts", self.failures.with_backoff("alerts", "alerts", self._safeguards.evaluate), self.failures)
        jobs.run_every(
            DELIVERIES_SECONDS, "alerts", "deliveries", self.failures.with_backoff("alerts", "deliveries", self.deliver_messages), self.failures
        )
        jobs.run_every(PRUNE_SECONDS, "optimizer", "shelf", self.failures.with_backoff("optimizer", "shelf", self._shelf.run), self.failures)
        jobs.run_every(DRILLS_SECONDS, "alerts", "drills", self._safeguards.run_scheduled_drill, self.failures)
        jobs.run_every(PRUNE_SECONDS, "store", "prune", self.failures.with_backoff("store", "prune", self.prune), self.failures)

    def run_ticks(self) -> None:
        """One tick; many, one after the other, while warming up or with no pace set."""
        while not (self._stop.is_set() or self.ended.is_set()):
            with self._turns.tick():
                tick = self._step()
            if tick is None or not (self._settings.tick_interval_seconds == 0 or tick.is_warmup):
                return

    def _step(self) -> Tick | None:
        if self._stop.is_set() or self._mending.is_backing_off:
            return None
        before = self._engine.state
        try:
            tick = self._engine.step()
        except (StoreError, FeedFailed) as error:
            self._work.record_error(self._clock.tick())
            tell = self._mending.on_store_failure if isinstance(error, StoreError) else self._mending.on_feed_failure
            tell(error)
            return None
        if tick is None:
            self.components.set_state("feed", "degraded", "the recording has ended: there is nothing more to decide", alert=False)
            self.ended.set()
            return None
        self._decided_at = self._clock.tick()
        self._moment = DecisionContext(tick.inputs, before, self._engine.catalog)
        self._mending.on_tick(tick)
        self._note(tick)
        return tick

    def _progress(self) -> EngineProgress:
        """How deciding gets on, for whoever raises alerts."""
        now, decided = self._clock.tick(), self._decided_at
        done, every = self._engine.progress
        pace = self.actuators.polling.current().ticks if self._settings.tick_interval_seconds else 0.0
        return EngineProgress(now - self._up, None if decided is None else now - decided, pace, done < every, self._engine.is_training)

    def _note(self, tick: Tick) -> None:
        phases = tuple((span.phase.value, span.ms) for span in tick.spans)
        self._work.record_tick(
            tick.ms, len(tick.inputs.symbols), len(tick.outcome.degraded), self._clock.tick(), save_ms=self._engine.save_ms, phases=phases
        )
        self.ticks_decided += 1
        self._optimizing.note_tick(tick)
        self._engine.waits_for_training = (
            tick.is_warmup or self._settings.tick_interval_seconds == 0
        )  # while warming up there is no hurry but for evidence
        self.components.mark_started("feed")
        self.failures.on_success("engine", "ticks")
        if not tick.is_warmup:
            self.components.mark_started("engine")
        trouble = self._engine.training_error or self.workers.last_error
        self.components.set_state("trainer", "degraded" if trouble else "ok", trouble)
        if self._left is not None and self.ticks_decided >= self._left:
            self.ended.set()

    def process_commands(self, jobs: JobScheduler) -> None:
        """Gives every queued command to its doer: an optimization to a worker of its own, anything else to the engine, before its next tick."""
        self._by_hand.flush()
        self._drills.flush()
        self._answers.flush()
        while not self._stop.is_set() and (oldest := self._inbox.peek()) is not None:
            number, name = oldest
            if name in CONCURRENT_COMMANDS:
                self._give_way()
                self._take(number, partial(self._serve, jobs))
            else:
                with self._turns.command():  # one between two ticks that wait, so that any number of commands leaves the pace as it is
                    self._take(number, self._obey)

    def _give_way(self) -> None:
        """Lets a tick that is due have the store to itself; where ticks have no pace, or wait for a training, nobody is kept."""
        if not self._engine.waits_for_training:
            self._turns.yield_to_tick(YIELD_SECONDS)

    def _report(self, number: int, progress: float, note: str) -> None:
        self._give_way()
        self._inbox.report_progress(number, progress, note)

    def _finish(self, command: Command, told: dict[str, object]) -> None:
        self._give_way()
        self._answers.write(command, told)

    def _take(self, number: int, serve: Callable[[Command], None]) -> None:
        command = self._inbox.claim_number(number, self._clock.now())
        if command is None:
            return
        try:
            serve(command)
        except (*PLUGIN_ERRORS, StoreError):  # no command is left running; the job tells and logs it
            self._answers.submit(command, FAILED)
            raise

    def _serve(self, jobs: JobScheduler, command: Command) -> None:
        """What does not touch the engine."""
        if command.name in optimizer.OPTIMIZER_COMMANDS:
            told, wish = self._optimizing.handle_command(command)
            if wish is None:
                self._answers.submit(command, told)
                return
            command = wish
        if command.name in evaluator.COMMANDS and command.name != "drill":
            self._answers.submit(command, self._safeguards.handle_command(command))
        else:
            self._serve_beside(command, jobs)

    def _serve_beside(self, command: Command, jobs: JobScheduler) -> None:
        """What takes long has a worker of its own."""
        if command.name == "drill":
            if self._drills.enqueue(command):
                jobs.run_once("alerts", "drill", self._drills.run_next, self.failures, executor="drill")
        elif command.name == "optimize":
            if self._by_hand.enqueue(command):
                jobs.run_once("optimizer", "optimize", self._by_hand.run_next, self.components, executor="by hand")
        elif self._backtests.handle_command(command):
            jobs.run_once("optimizer", "backtests", self._backtests.run_waiting, self.components)

    def _obey(self, command: Command) -> None:
        """In a command's turn: closed before the next tick, so that no tick is kept that heeds a command the store calls failed."""
        at = self._engine.last_bar_at or 0
        try:
            told: dict[str, object] = {"message": self._engine.handle_command(command), "session": self._session, "at": at}
        except (ValueError, StoreError) as error:
            told = {"error": str(error)}
        self._answers.submit(command, told)

    def run_manual_action(self, command: Command, tell: ReportProgress) -> dict[str, object]:
        """Runs an action by hand; what it measured."""
        args = dict(command.args)
        dry = args.get("dry_run", "false").lower()
        if dry not in {"true", "false"}:
            return {"error": f"dry_run is {dry[:40]!r}: give true or false"}
        try:
            return run_action(
                args.get("action", ""), dry_run=dry == "true", writer=self._writer, past=self._past, probes=self._probes,
                home=Path(self._settings.home), clock=self._clock, stop=self._stop, tell=tell, by=command.by, reason=command.reason,
                levers=self.actuators, plan=self._optimizing.plan, recent=self._optimizing.readings_buffer,
            )  # fmt: skip
        except ActionError as error:
            return {"error": str(error)}

    def sample_machine(self) -> None:
        """Reads the machine and keeps what it said."""
        self._monitor.sample()
        self._optimizing.note_readings()
        failed = [f"{source} {note}" for source, note in self._probes.notes().items() if note.startswith("failed")]
        self.components.set_state("probes", "degraded" if failed else "ok", "; ".join(failed) or None)

    def deliver_messages(self) -> None:
        """Sends what people are to be told."""
        self._safeguards.deliver_messages()
        self.components.report_part("alerts", "targets", self._safeguards.delivery_error)

    def prune(self) -> None:
        """Drops what is older, or more, than is to be kept."""
        self._safeguards.prune()
        dropped = self._writer.prune(self._clock.now(), RetentionPolicy(self._settings.retention_days, self._settings.retention_bytes))
        if dropped.ticks:
            LOG.info("pruned %s ticks and %s decisions", dropped.ticks, dropped.decisions)

    def stop(self) -> None:
        """Lets the runs in hand end soon; starts nothing more."""
        self._stop.set()
        self._by_hand.stop()
        self._drills.stop()
        self._backtests.stop()
        self._safeguards.stop()

    def close(self) -> None:
        """Ends the worker and closes the store; what cannot be written any more (the lease is another's) is left."""
        self.stop()
        self._monitor.close()
        self.workers.close()
        beside = self._engine.phase_pool
        if beside is not None:
            beside.shutdown(wait=False)
        with self._turns.command():  # the tick in hand is over
            try:
                self._monitor.write()
                self._safeguards.close()
                self.components.mark_stopped()
            except StoreError as error:
                LOG.info("the store was not told of the stop: %s", error)
            self._inbox.close()
            self._writer.close()


def _sweep(home: str) -> None:
    """Deletes the training rows and other temporary files of engines that were killed."""
    try:
        swept = temporary_files.sweep_at_start(home)
    except (OSError, ValueError) as error:
        LOG.warning("temporary files of killed processes were not deleted: %s", error)
        return
    if swept.items:
        LOG.info("deleted %s temporary files that killed processes left, %s bytes", f"{swept.items:,}", f"{swept.bytes:,}")
