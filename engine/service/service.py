"""The jobs of the engine that holds the store: ticks, commands, probes, alerts, pruning and signs of life."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Event

import orjson

from engine.alerting.service import AlertingService
from engine.commands.handlers.optimizer import Optimize
from engine.commands.router import read_arguments, route_command, runs_between_ticks
from engine.commands.types import Result, Services
from engine.domain.model import PLUGIN_ERRORS
from engine.domain.ports import Clock, Feed
from engine.domain.tick import Tick
from engine.domain.trading_config import Command
from engine.optimizer.runtime.actuators import EngineActuators
from engine.optimizer.runtime.experiment import ReportProgress
from engine.optimizer.runtime.optimizer import Optimizer
from engine.probes.engine import EngineProbe
from engine.probes.probes import Probes
from engine.resilience.backtest_repair import BacktestRepair
from engine.resilience.failure_log import FailureLog
from engine.resilience.remedies import ComponentRemedies
from engine.service.backtests import BacktestRunner
from engine.service.certifier import IdleCertifier, describe_look_ahead
from engine.service.command_results import FAILED, CommandResults
from engine.service.component_status import ComponentStatus
from engine.service.decision_tracker import DecisionTracker
from engine.service.engine import Engine
from engine.service.feeds import FeedFailed
from engine.service.live_feed import StreamReporter, wait_for_bar
from engine.service.logging import LOG
from engine.service.monitor import Monitor
from engine.service.priority_lock import PriorityLock
from engine.service.recording import RecordingMonitor
from engine.service.scheduler import JobScheduler
from engine.service.serial_queue import SerialQueue
from engine.service.session_controls import build_command_result, describe_change
from engine.service.worker_pool import WorkerPool
from engine.settings import Settings
from engine.store.errors import StoreError
from engine.store.inbox import Inbox
from engine.store.read.alert_facts import STORE_MOVED_KEY
from engine.store.retention import RetentionPolicy
from engine.store.write.writer import Writer

COMMANDS_SECONDS, PROBES_SECONDS, HEARTBEAT_SECONDS, PRUNE_SECONDS = 0.5, 1.0, 10.0, 600.0
ALERTS_SECONDS, DELIVERIES_SECONDS, DRILLS_SECONDS, STREAMS_SECONDS = 5.0, 2.0, 60.0, 2.0
CERTIFY_SECONDS = 1.0
WEBHOOKS_SECONDS = 0.5  # between two looks for new events
YIELD_SECONDS = 0.1  # that a command without the lock waits for a tick, at most
IDLE_SECONDS = 1.0  # between two reads of a feed that has no bar
JOB_NAMES = (
    "ticks",
    "commands",
    "probes",
    "heartbeats",
    "overrides",
    "rules",
    "alerts",
    "deliveries",
    "webhooks",
    "drills",
    "backtest files",
    "streams",
    "prune",
    "certify",
    "recording",
)


@dataclass(frozen=True, slots=True)
class ServiceParts:
    """The parts of an engine service, as bootstrap puts them together."""

    settings: Settings
    clock: Clock
    stop: Event  # the engine is to stop
    ended: Event  # nothing more is decided: the feed has ended, or the requested ticks are done
    lock: PriorityLock
    engine: Engine
    session: int
    writer: Writer
    inbox: Inbox
    results: CommandResults
    components: ComponentStatus
    failures: FailureLog
    remedies: ComponentRemedies
    probe: EngineProbe
    probes: Probes
    monitor: Monitor
    workers: WorkerPool
    tracker: DecisionTracker
    alerting: AlertingService
    actuators: EngineActuators
    backtests: BacktestRunner
    backtest_repair: BacktestRepair
    data_notes: tuple[str, ...]  # on the data that a recording leaves out
    optimizer: Optimizer
    certifier: IdleCertifier


class EngineService:
    """The engine with everything around it, for the holder of the lease."""

    def __init__(self, parts: ServiceParts, *, ticks: int | None = None) -> None:
        """With `ticks`, `ended` is set after so many."""
        self._parts, self._ticks = parts, ticks
        self._settings, self._clock, self._engine, self._session = parts.settings, parts.clock, parts.engine, parts.session
        self._writer, self._inbox, self._results, self._lock = parts.writer, parts.inbox, parts.results, parts.lock
        self._monitor, self._alerting, self._optimizer, self._stop = parts.monitor, parts.alerting, parts.optimizer, parts.stop
        self.components, self.failures, self.actuators, self.workers = parts.components, parts.failures, parts.actuators, parts.workers
        self.ended, self.data_notes, self.ticks_decided = parts.ended, parts.data_notes, 0
        self._manual_actions = SerialQueue(self.run_manual_action, self._report, self._finish)
        self._stream_reporter = StreamReporter(parts.components, parts.writer, parts.failures, parts.clock)
        self._recording = RecordingMonitor(parts.engine, parts.session, parts.failures, parts.writer, parts.clock)
        self._drills = SerialQueue(lambda command, _: parts.alerting.handle_drill(command), self._report, self._finish)

    @property
    def feed(self) -> Feed:
        """The feed that the engine takes its bars from."""
        return self._engine.feed

    def report_moved_store(self, at: int, message: str) -> None:
        """Record that the file of the store was deleted or replaced, for its alert and the failure log."""
        fault, _, how = message.partition("; ")
        self.failures.record_past_failure("store", "file", max(0.0, (self._clock.now() - at) / 1e9), fault, tries=1, how=how)
        try:
            self._writer.remember(STORE_MOVED_KEY, orjson.dumps([at, message]).decode())
        except StoreError as error:
            LOG.error("no alert is raised about it: %s", error)

    def schedule_jobs(self, jobs: JobScheduler) -> None:
        """Schedule every job."""
        self.actuators.jobs = jobs

        def run_every(seconds: float, component: str, name: str, work: Callable[[], None]) -> None:
            jobs.run_every(seconds, component, name, self.failures.with_backoff(component, name, work), self.failures)

        run_every(self._settings.tick_interval_seconds or IDLE_SECONDS, "engine", "ticks", self.run_ticks)
        jobs.run_every(COMMANDS_SECONDS, "engine", "commands", partial(self.process_commands, jobs), self.failures)
        run_every(PROBES_SECONDS, "probes", "probes", self.sample_machine)
        jobs.run_every(HEARTBEAT_SECONDS, "store", "heartbeats", self.components.write_all, self.failures)
        jobs.run_every(HEARTBEAT_SECONDS, "optimizer", "overrides", self.actuators.expire_overrides, self.failures)
        self._optimizer.schedule(jobs, self.failures)
        run_every(ALERTS_SECONDS, "alerts", "alerts", self._alerting.evaluate)
        run_every(DELIVERIES_SECONDS, "alerts", "deliveries", self.deliver_messages)
        if self._settings.webhooks:
            run_every(WEBHOOKS_SECONDS, "alerts", "webhooks", self.run_webhooks)
        run_every(PRUNE_SECONDS, "optimizer", "backtest files", self._parts.backtest_repair.run)
        jobs.run_every(DRILLS_SECONDS, "alerts", "drills", self._alerting.run_scheduled_drill, self.failures)
        run_every(PRUNE_SECONDS, "store", "prune", self.prune)
        run_every(CERTIFY_SECONDS, "optimizer", "certify", self.certify)
        run_every(STREAMS_SECONDS, "store", "recording", self._recording.run)
        if self._engine.live is not None:
            jobs.run_every(STREAMS_SECONDS, "feed", "streams", self.report_streams, self.failures)

    def run_ticks(self) -> None:
        """Run one tick; during the warm-up, or without a tick interval, all of them. Waits for a live bar without the lock."""
        while not (self._stop.is_set() or self.ended.is_set()):
            if not self._wait_for_bar():
                return
            with self._lock.tick():
                tick = self._step()
            if tick is None or not (self._settings.tick_interval_seconds == 0 or tick.is_warmup):
                return

    def _wait_for_bar(self) -> bool:
        """Wait for the next bar of a live market; False where the engine stops or the feed fails first."""
        if self._engine.live is None or self._engine.has_unsaved_tick or self._parts.remedies.is_backing_off:
            return True
        try:
            return wait_for_bar(lambda: self._engine.live, self._engine.last_bar_at, self._stop, self.ended)
        except PLUGIN_ERRORS as error:
            with self._lock.tick():
                self._parts.remedies.on_feed_failure(error)
            return False

    def report_streams(self) -> None:
        """Report the start and the streams of a live market."""
        live = self._engine.live
        if live is not None:
            self._stream_reporter.report(live)

    def _step(self) -> Tick | None:
        remedies = self._parts.remedies
        if self._stop.is_set() or remedies.is_backing_off:
            return None
        before = self._engine.state
        try:
            tick = self._engine.step()
        except (StoreError, FeedFailed) as error:
            self._parts.probe.record_error(self._clock.tick())
            report = remedies.on_store_failure if isinstance(error, StoreError) else remedies.on_feed_failure
            report(error)
            return None
        if tick is None:
            self.components.set_state("feed", "degraded", "the recording has ended: there is nothing more to decide", alert=False)
            self.ended.set()
            return None
        self._parts.tracker.record(tick, before)
        remedies.on_tick(tick)
        self._note(tick)
        self.components.report_part("engine", "bots", self._writer.referee.problem)
        return tick

    def _note(self, tick: Tick) -> None:
        phases = tuple((span.phase.value, span.ms) for span in tick.spans)
        symbols, degraded = len(tick.inputs.symbols), len(tick.outcome.degraded)
        self._parts.probe.record_tick(tick.ms, symbols, degraded, self._clock.tick(), save_ms=self._engine.save_ms, phases=phases)
        self.ticks_decided += 1
        self._optimizer.note_tick(tick)
        self._engine.waits_for_training = tick.is_warmup or self._engine.tick_interval_seconds == 0  # evidence counts there, not time
        if self._engine.live is None or self._engine.live.progress is None:
            self.components.mark_started("feed")
        self.failures.on_success("engine", "ticks")
        if not tick.is_warmup:
            self.components.mark_started("engine")
        engine = self._engine
        error = engine.training_error or engine.challengers.error or engine.drift_check.error or self.workers.last_error
        self.components.set_state("trainer", "degraded" if error else "ok", error)
        if self._ticks is not None and self.ticks_decided >= self._ticks:
            self.ended.set()

    def process_commands(self, jobs: JobScheduler) -> None:
        """Carry out every queued command: those for the engine between two ticks, all others at once."""
        self._results.flush()
        while not self._stop.is_set() and (oldest := self._inbox.peek()) is not None:
            number, name = oldest
            if runs_between_ticks(name):
                with self._lock.command():  # one between two waiting ticks, so that any number of commands leaves the interval unchanged
                    self._process(number, jobs)
            else:
                self._yield_to_tick()
                self._process(number, jobs)

    def _yield_to_tick(self) -> None:
        """Leave the store to a tick that is due; not where ticks have no interval, or wait for a training."""
        if not self._engine.waits_for_training:
            self._lock.yield_to_tick(YIELD_SECONDS)

    def _report(self, number: int, progress: float, note: str) -> None:
        self._yield_to_tick()
        self._inbox.report_progress(number, progress, note)

    def _finish(self, command: Command, result: Result) -> None:
        self._yield_to_tick()
        self._results.submit(command, result)

    def _process(self, number: int, jobs: JobScheduler) -> None:
        """Carry out one command; a worker finishes what takes long."""
        command = self._inbox.claim_number(number, self._clock.now())
        if command is None:
            return
        try:
            refusal = self._inbox.find_refusal(command, self._clock.now())
            result = {"error": refusal} if refusal is not None else route_command(command, self._services(jobs))
        except (ValueError, StoreError) as error:
            result = {"error": str(error)}
        except PLUGIN_ERRORS:  # no command stays open; the job reports and logs the error
            self._results.submit(command, FAILED)
            raise
        if result is not None:
            self._results.submit(command, result)

    def _services(self, jobs: JobScheduler) -> Services:
        runner = self._parts.backtests
        return Services(
            control_trading=self._control_trading, rule_loop=self._optimizer.rule_loop, rule_writer=self._optimizer.rule_writer,
            alerts=self._alerting.evaluator, backtests=runner, now=self._clock.now,
            queue_backtest=lambda command: self._start(jobs, "optimizer", "backtests", runner.enqueue(command), runner.run_next),
            queue_optimization=lambda command: self._start(
                jobs, "optimizer", "optimize", self._manual_actions.enqueue(command), self._manual_actions.run_next
            ),
            queue_drill=lambda command: self._start(jobs, "alerts", "drill", self._drills.enqueue(command), self._drills.run_next),
        )  # fmt: skip

    def _start(self, jobs: JobScheduler, component: str, name: str, queued: bool, work: Callable[[], None]) -> None:
        """Let the worker of a queue serve a command that was queued."""
        observer = self.failures if component == "alerts" else self.components
        if queued:
            jobs.run_once(component, name, work, observer, executor=name)

    def _control_trading(self, command: Command) -> Result:
        """Control the engine between two ticks: no stored tick obeys a command that the store calls failed."""
        at, before = self._engine.last_bar_at, self._engine.live_settings()
        result = build_command_result(self._engine.handle_command(command), self._session, at)
        return result | describe_change(before, self._engine.live_settings())

    def run_manual_action(self, command: Command, tell: ReportProgress) -> Result:
        """Run an action for a person; its result."""
        arguments = read_arguments(command.name, dict(command.args))
        assert isinstance(arguments, Optimize), command.name
        return self._optimizer.run_manual(arguments.action, dry_run=arguments.dry_run, by=command.by, reason=command.reason, report_progress=tell)

    def sample_machine(self) -> None:
        """Take a sample of the machine and store it."""
        self._monitor.sample()
        self._optimizer.note_readings()
        failed = [f"{source} {note}" for source, note in self._parts.probes.notes().items() if note.startswith("failed")]
        self.components.set_state("probes", "degraded" if failed else "ok", "; ".join(failed) or None)

    def deliver_messages(self) -> None:
        """Send the messages that are due."""
        self._alerting.deliver_messages()
        self.components.report_part("alerts", "targets", self._alerting.delivery_error)

    def run_webhooks(self) -> None:
        """Queue new events for webhooks and let them be sent."""
        self._alerting.run_webhooks()
        self.components.report_part("alerts", "receivers", self._alerting.webhooks.find_lasting_error())

    def prune(self) -> None:
        """Drop rows beyond their retention."""
        self._alerting.prune()
        dropped = self._writer.prune(self._clock.now(), RetentionPolicy(self._settings.retention_days, self._settings.retention_bytes))
        if dropped.ticks:
            LOG.info("pruned %s ticks and %s decisions", dropped.ticks, dropped.decisions)

    def certify(self) -> None:
        """Take a step of the checks for look-ahead. Where a file looks ahead, nothing more is decided: the supervisor starts an engine without it."""
        certifier = self._parts.certifier
        certifier.run()
        self.components.report_part("engine", "look-ahead", describe_look_ahead(certifier.certificate))
        if self.is_restart_due:
            self.stop()

    @property
    def is_restart_due(self) -> bool:
        """Whether the engine uses a file that is known to look ahead, and is to be started again without it."""
        return self._parts.certifier.is_restart_due

    def stop(self) -> None:
        """Let the current runs end soon, and start nothing more."""
        self._stop.set()
        self._manual_actions.stop()
        self._drills.stop()
        self._parts.backtests.stop()
        self._alerting.stop()

    def close(self) -> None:
        """End the workers and close the store, after the current tick; writes that the store refuses are lost."""
        self.stop()
        self._monitor.close()
        self._parts.certifier.close()
        if self._engine.live is not None:
            self._engine.live.close()
        if self._engine.recorder is not None:
            self._engine.recorder.close()
        self.workers.close()
        if self._engine.phase_pool is not None:
            self._engine.phase_pool.shutdown(wait=False)
        with self._lock.command():
            try:
                self._monitor.write()
                self._alerting.close()
                self.components.mark_stopped()
            except StoreError as error:
                LOG.info("the store did not take that the engine has stopped: %s", error)
            self._inbox.close()
            self._writer.close()
