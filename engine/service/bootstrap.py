"""Chooses the parts of an engine and puts them together: the only place that does."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event

from engine.alerting.service import AlertingService
from engine.domain.optimization import Action, PollingIntervals
from engine.domain.ports import Clock, Feed
from engine.feeds.live import LiveFeed
from engine.feeds.push import PushFeed
from engine.files import temporary_files
from engine.files.import_folders import IMPORTS, sweep_imports
from engine.live.bar_builder import COMPARED_SPAN
from engine.live.recorder import open_recorder
from engine.optimizer.planner import default_mode
from engine.optimizer.runtime.actuators import ActuatorParts, EngineActuators
from engine.optimizer.runtime.experiment import load_actions
from engine.optimizer.runtime.optimizer import Optimizer, OptimizerParts
from engine.probes.engine import EngineProbe
from engine.probes.probes import Probes
from engine.report.data_counts import describe_data
from engine.resilience.backtest_repair import BacktestRepair
from engine.resilience.failure_log import FailureLog
from engine.resilience.remedies import ComponentRemedies, ThrottledSource
from engine.service import process_memory
from engine.service.backtests import BacktestRunner
from engine.service.caches import ClearableCache
from engine.service.certifier import IdleCertifier, read_known_files
from engine.service.command_results import CommandResults
from engine.service.component_status import ComponentStatus
from engine.service.decision_tracker import DecisionTracker
from engine.service.engine import Engine
from engine.service.logging import LOG
from engine.service.monitor import Monitor
from engine.service.plugin_files import Quarantine, exclude_models
from engine.service.priority_lock import PriorityLock
from engine.service.resume import resume_engine
from engine.service.service import COMMANDS_SECONDS, HEARTBEAT_SECONDS, PROBES_SECONDS, EngineService, ServiceParts
from engine.service.session_controls import recording_key
from engine.service.worker_pool import WorkerPool
from engine.settings import Settings
from engine.store import backtest_files
from engine.store.database import path_from_url
from engine.store.errors import StoreError
from engine.store.inbox import Inbox
from engine.store.read.history import TickHistory
from engine.store.retention import RetentionPolicy
from engine.store.write.bots import BotReferee
from engine.store.write.writer import Writer


def build_service(
    settings: Settings, feed: Feed, clock: Clock, holder: str, *, ticks: int | None = None, ended: Event | None = None,
    caches: tuple[ClearableCache, ...] = (), reopen: Callable[[], Feed] | None = None,
) -> EngineService:  # fmt: skip
    """The engine with its store, feed, probes, workers, alerting and optimizer, for the holder of the lease.

    `ended` is set once nothing more is decided, after `ticks` ticks at the latest; `reopen` opens the feed again, where the engine may.
    Raises StoreError or ValueError in one line.
    """
    url = settings.database_url
    writer = Writer(url, holder, RetentionPolicy(settings.retention_days, settings.retention_bytes))
    components = ComponentStatus(writer, clock)
    failures = FailureLog(writer, components, clock)
    inbox, probe = Inbox(url, holder), EngineProbe(path_from_url(url))
    probes = Probes(Path(settings.home), clock, probe, wrap=lambda source: ThrottledSource(source, failures))
    monitor = Monitor(probes, writer, clock, probe, inbox.count_queued)
    workers = WorkerPool(
        on_failure=partial(failures.record_failure, "trainer", "workers"), on_recovery=partial(failures.record_recovery, "trainer", "workers")
    )
    stop, lock, ended = Event(), PriorityLock(), ended or Event()
    try:
        actions, notes = load_actions(), describe_data(feed)
        _store_facts(settings, writer, components, actions, notes)
        known = read_known_files(TickHistory(url))
        settings = exclude_models(settings, known.quarantine.models)
        engine, session = _start_engine(settings, feed, clock, writer, workers, failures, monitor, known.quarantine)
        remedies = ComponentRemedies(failures, engine, lock, workers, writer.store, TickHistory(url), session, reopen)
        tracker = DecisionTracker(clock, engine)
        certifier = IdleCertifier(
            settings, feed.info, session, known, writer, clock, has_time=tracker.has_time, is_late=tracker.is_late,
        )  # fmt: skip
        alerting = AlertingService(
            settings, writer.store, failures, clock, decision_context=lambda: tracker.context, ended=ended, progress=tracker.progress
        )
    except (StoreError, ValueError, OSError) as error:
        _end_failed_start(error, components, monitor, writer, inbox)
        raise
    results = CommandResults(inbox, clock)
    actuators = EngineActuators(
        ActuatorParts(
            engine, lock, workers, writer, monitor, components, clock,
            PollingIntervals(PROBES_SECONDS, COMMANDS_SECONDS, HEARTBEAT_SECONDS, settings.tick_interval_seconds),
            recover=failures.recover, failing=failures.failing_components, caches=caches,
        )
    )  # fmt: skip
    if engine.tick_interval_seconds:  # the optimizer changes only an interval that is set, not that of live bars
        tracker.read_interval = lambda: actuators.polling.current().ticks or engine.tick_interval_seconds
    parts = ServiceParts(
        settings, clock, stop, ended, lock, engine, session, writer, inbox, results, components, failures, remedies, probe, probes, monitor, workers,
        tracker, alerting, actuators, BacktestRunner(Path(settings.home), clock, inbox.report_progress, results.submit),
        BacktestRepair(backtest_files.backtest_folder(Path(settings.home)), inbox.get, inbox.submit, failures, clock), notes,
        Optimizer(
            OptimizerParts(settings, writer, monitor, probes, clock, stop, actuators, components, lambda: bool(engine.training_jobs), actions)
        ),
        certifier,
    )  # fmt: skip
    process_memory.configure_memory()
    for component in ("store", "trainer", "optimizer", "alerts"):
        components.set_state(component, "ok")
    return EngineService(parts, ticks=ticks)


def _start_engine(
    settings: Settings, feed: Feed, clock: Clock, writer: Writer, workers: WorkerPool, failures: FailureLog, monitor: Monitor, quarantine: Quarantine
) -> tuple[Engine, int]:
    """The engine of a new or a resumed session, its number, and its recorder."""
    engine, session = resume_engine(
        settings, feed, clock, writer, TickHistory(settings.database_url), training_pool=workers, phase_pool=_open_phase_pool(settings),
        report=lambda fault, how: failures.record_past_failure("store", "checkpoint", 0.0, fault, tries=1, how=how), quarantine=quarantine,
    )  # fmt: skip
    engine.read_machine = monitor.machine_json
    writer.referee = BotReferee(settings.capital)
    engine.continue_feed = partial(_continue_feed, settings, engine, writer, session)
    engine.continue_feed(engine.feed)
    return engine, session


def _continue_feed(settings: Settings, engine: Engine, writer: Writer, session: int, feed: Feed) -> None:
    """Record the feed, and have a live market fetch the bars that the window lacks: an engine that was killed in an outage did not wait for them.

    The funding rates of the feed before hold on: those of the start may be days old. A push feed recognises the bars that were decided on.
    """
    _start_recorder(settings, engine, writer, session, feed)
    if isinstance(feed, LiveFeed):
        if isinstance(engine.feed, LiveFeed) and engine.feed.funding is not None:
            feed.state_funding(engine.feed.funding)
        feed.request_bars(engine.window.find_missing_bars(COMPARED_SPAN))
    elif isinstance(feed, PushFeed):
        if isinstance(engine.feed, PushFeed) and engine.feed is not feed:
            feed.continue_from(engine.feed)
        feed.restore_bars(*engine.window.recent_bars())


def _start_recorder(settings: Settings, engine: Engine, writer: Writer, session: int, feed: Feed) -> None:
    """Record the feed where the settings say so; a live market records its own messages. The store remembers the folder for parity."""
    if settings.record is None:
        return
    recorder = open_recorder(settings, feed.info, LOG.warning)
    if isinstance(feed, LiveFeed):
        feed.set_recorder(recorder)
    else:
        engine.recorder = recorder
    writer.remember(recording_key(session), str(Path(settings.record).resolve()))


def _open_phase_pool(settings: Settings) -> ThreadPoolExecutor | None:
    return ThreadPoolExecutor(settings.threads, thread_name_prefix="phase") if settings.threads else None


def _store_facts(settings: Settings, writer: Writer, components: ComponentStatus, actions: dict[str, Action], notes: tuple[str, ...]) -> None:
    """Store what the pages show of this engine: its actions, its components, its folder of backtests and the notes on its data."""
    _delete_temporary_files(settings.home)
    writer.sync_actions(list(actions.values()), {name: default_mode(action) for name, action in actions.items()}, "auto")
    components.write_all()
    writer.remember("backtests", str(backtest_files.backtest_folder(Path(settings.home))))
    for line in notes:
        LOG.warning("the data: %s", line)
    writer.remember("recording", "\n".join(notes))


def _delete_temporary_files(home: str) -> None:
    """Delete the training rows and other temporary files of engines that were killed, and what killed imports left."""
    imports = sweep_imports(Path(home) / IMPORTS)
    if imports:
        LOG.info("deleted the files of %s killed imports", f"{imports:,}")
    try:
        deleted = temporary_files.sweep_at_start(home)
    except (OSError, ValueError) as error:
        LOG.warning("temporary files of killed processes were not deleted: %s", error)
        return
    if deleted.items:
        LOG.info("deleted %s temporary files of killed processes, %s bytes", f"{deleted.items:,}", f"{deleted.bytes:,}")


def _end_failed_start(error: Exception, components: ComponentStatus, *parts: Monitor | Writer | Inbox) -> None:
    try:
        components.set_state("engine", "down", str(error))
    except StoreError as refusal:
        LOG.info("the store did not take that the engine failed to start: %s", refusal)
    for part in parts:
        part.close()
