"""What the engine that holds the store does, job by job: ticks, commands, probes, pruning and signs of life."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event

import orjson

from engine.domain.alerting import Progress
from engine.domain.control import Command
from engine.domain.ports import Clock, Feed
from engine.domain.tick import Tick
from engine.domain.tuning import Action, Pace
from engine.files import temporary
from engine.optimizer.planner import default_mode
from engine.probes.probes import Probes
from engine.probes.work import Work
from engine.report.data_counts import describe_data
from engine.settings import Settings
from engine.shell import alerting, backtests, obey_optimizer, optimizing, steady
from engine.shell.answers import FAILED, Answers
from engine.shell.board import Board
from engine.shell.by_hand import ByHand
from engine.shell.caches import Kept
from engine.shell.circuits import FAULTS
from engine.shell.drill import Moment
from engine.shell.feeding import FeedFailed
from engine.shell.jobs import Jobs
from engine.shell.levers import EngineLevers, Parts
from engine.shell.logs import LOG
from engine.shell.mending import Mending, Rested
from engine.shell.monitor import Monitor
from engine.shell.optimizing import Optimizing
from engine.shell.past import Past
from engine.shell.recovery import Recovery
from engine.shell.resume import resume
from engine.shell.safeguards import Safeguards
from engine.shell.shelving import ShelfMending
from engine.shell.tune import ActionError, Tell, actions, run_action
from engine.shell.turns import Turns
from engine.shell.workers import Workers
from engine.store import shelf
from engine.store.alert_facts import MOVED
from engine.store.database import path_of
from engine.store.errors import StoreFailed
from engine.store.history import History
from engine.store.inbox import Inbox
from engine.store.retention import Keep
from engine.store.writer import Writer

COMMANDS_SECONDS, PROBES_SECONDS, BOARD_SECONDS, PRUNE_SECONDS = 0.5, 1.0, 10.0, 600.0
ALERTS_SECONDS, DELIVERIES_SECONDS, DRILLS_SECONDS = 5.0, 2.0, 60.0
GIVE_WAY_SECONDS = 0.1  # that a command which takes no turn waits for a tick, at most
IDLE_SECONDS = 1.0  # between looks at a feed that has nothing now
BESIDE = frozenset({*obey_optimizer.NAMES, *alerting.NAMES, "optimize", "drill", *backtests.NAMES})  # commands that do not touch the engine
NAMES = ("ticks", "commands", "probes", "board", "levers", "rules", "alerts", "deliveries", "drills", "shelf", "prune")


class Desk:
    """The engine with its store, feed, probes and worker, for the one who holds the lease. Raises StoreFailed or ValueError in one line."""

    def __init__(self, settings: Settings, feed: Feed, clock: Clock, holder: str, *, ticks: int | None = None, caches: tuple[Kept, ...] = (),
                 reopen: Callable[[], Feed] | None = None) -> None:  # fmt: skip
        """`reopen` opens the feed anew, where it was not handed in by somebody who alone can."""
        url = settings.database_url
        self._settings, self._clock, self._left = settings, clock, ticks
        self._stop, self._turns, self._work = Event(), Turns(), Work(path_of(url))
        self._writer = Writer(url, holder, Keep(settings.keep_age_days, settings.keep_bytes))
        self.board = Board(self._writer, clock)
        self.recovery = recovery = Recovery(self._writer, self.board, clock)
        self._probes = Probes(Path(settings.home), clock, self._work, wrap=lambda source: Rested(source, recovery))
        self._inbox = Inbox(url, holder)
        self._answers = Answers(self._inbox, clock)
        self._monitor = Monitor(self._probes, self._writer, clock, self._work, self._inbox.waiting)
        self._past = Past(url)
        self._backtests = backtests.Backtests(Path(settings.home), clock, self._inbox.report, self._answers.end)
        self._by_hand = ByHand(self.optimize, self._report, self._finish)
        self.workers = Workers(broke=partial(recovery.broke, "trainer", "workers"), mended=partial(recovery.mended, "trainer", "workers"))
        beside = ThreadPoolExecutor(settings.threads, thread_name_prefix="phase") if settings.threads else None
        self.ended, self.decided = Event(), 0  # the feed has ended, or the ticks asked for are done
        try:
            known = actions()
            self._introduce(known, feed)
            self._engine, self._session = resume(
                settings, feed, clock, self._writer, History(url), trainers=self.workers, pool=beside, report=self._report_mended
            )
            self._watch_over(reopen)
        except (StoreFailed, ValueError, OSError) as error:
            self._refuse(error)
            raise
        self._engine.machine = self._monitor.machine
        self.levers = self._levers(caches)
        self._optimizing = self._optimizer(known)
        steady.settle()
        for component in ("store", "trainer", "optimizer", "alerts"):
            self.board.say(component, "ok")

    def _report_mended(self, fault: str, how: str) -> None:
        """What was wrong with the store at the start, for the page of components."""
        self.recovery.was_broken("store", "checkpoint", 0.0, fault, tries=1, how=how)

    def report_moved(self, at: int, words: str) -> None:
        """The file of the store was deleted or replaced: for the alert of it, and for the page of components."""
        fault, _, how = words.partition("; ")
        self.recovery.was_broken("store", "file", max(0.0, (self._clock.now() - at) / 1e9), fault, tries=1, how=how)
        try:
            self._writer.remember(MOVED, orjson.dumps([at, words]).decode())
        except StoreFailed as error:
            LOG.error("no alert is raised of it: %s", error)

    def _introduce(self, known: dict[str, Action], feed: Feed) -> None:
        _sweep(self._settings.home)
        self._writer.sync_actions(list(known.values()), {name: default_mode(action) for name, action in known.items()}, "auto")
        self.board.beat()
        self._writer.remember("backtests", str(shelf.folder_in(Path(self._settings.home))))
        self.notes = describe_data(feed)  # in the log and on Components
        for line in self.notes:
            LOG.warning("the recording: %s", line)
        self._writer.remember("recording", "\n".join(self.notes))

    def _watch_over(self, reopen: Callable[[], Feed] | None) -> None:
        settings, store = self._settings, self._writer.store
        self._moment: Moment | None = None  # what the newest tick was decided from
        self._up = self._clock.tick()
        self._decided_at: float | None = None  # s of the monotonic clock, the newest tick
        past = History(settings.database_url)
        self._mending = Mending(self.recovery, self._engine, self._turns, self.workers, store, past, self._session, reopen)
        self._safeguards = guards = Safeguards(settings, store, self.recovery, self._clock, moment=lambda: self._moment, ended=lambda: self.ended,
                                                progress=self._progress)  # fmt: skip
        self._shelf = ShelfMending(shelf.folder_in(Path(settings.home)), self._inbox.get, self._inbox.submit, self.recovery, self._clock)
        self._drills = ByHand(lambda command, _: guards.obey(command), self._report, self._finish)

    def _levers(self, caches: tuple[Kept, ...]) -> EngineLevers:
        pace = Pace(PROBES_SECONDS, COMMANDS_SECONDS, BOARD_SECONDS, self._settings.pace_seconds)
        return EngineLevers(
            Parts(
                self._engine, self._turns, self.workers, self._writer, self._monitor, self.board, self._clock, pace,
                recover=self.recovery.recover, failing=self.recovery.failing, caches=caches,
            )
        )  # fmt: skip

    def _optimizer(self, known: dict[str, Action]) -> Optimizing:
        return Optimizing(
            optimizing.Parts(
                self._settings, self._writer, self._monitor, self._probes, self._clock, self._stop, self.levers, self.board,
                lambda: bool(self._engine.jobs), known,
            )
        )  # fmt: skip

    def _refuse(self, error: Exception) -> None:
        try:
            self.board.say("engine", "down", str(error))
        except StoreFailed as trouble:
            LOG.info("the store was not told that the engine did not start: %s", trouble)
        self._monitor.close()
        self._writer.close()
        self._inbox.close()

    def schedule(self, jobs: Jobs) -> None:
        """Gives every job its time."""
        pace = self._settings.pace_seconds or IDLE_SECONDS
        jobs.every(pace, "engine", "ticks", self.recovery.paced("engine", "ticks", self.tick), self.recovery)
        jobs.every(COMMANDS_SECONDS, "engine", "commands", partial(self.obey, jobs), self.recovery)
        jobs.every(PROBES_SECONDS, "probes", "probes", self.recovery.paced("probes", "probes", self.probe), self.recovery)
        jobs.every(BOARD_SECONDS, "store", "board", self.board.beat, self.recovery)
        jobs.every(BOARD_SECONDS, "optimizer", "levers", self.levers.ease, self.recovery)
        self.levers.jobs = jobs
        self._optimizing.schedule(jobs, self.recovery)
        jobs.every(ALERTS_SECONDS, "alerts", "alerts", self.recovery.paced("alerts", "alerts", self._safeguards.look), self.recovery)
        jobs.every(DELIVERIES_SECONDS, "alerts", "deliveries", self.recovery.paced("alerts", "deliveries", self.deliver), self.recovery)
        jobs.every(PRUNE_SECONDS, "optimizer", "shelf", self.recovery.paced("optimizer", "shelf", self._shelf.work), self.recovery)
        jobs.every(DRILLS_SECONDS, "alerts", "drills", self._safeguards.drill_by_schedule, self.recovery)
        jobs.every(PRUNE_SECONDS, "store", "prune", self.recovery.paced("store", "prune", self.prune), self.recovery)

    def tick(self) -> None:
        """One tick; many, one after the other, while warming up or with no pace set."""
        while not (self._stop.is_set() or self.ended.is_set()):
            with self._turns.tick():
                tick = self._step()
            if tick is None or not (self._settings.pace_seconds == 0 or tick.warm):
                return

    def _step(self) -> Tick | None:
        if self._stop.is_set() or self._mending.rests:
            return None
        before = self._engine.state
        try:
            tick = self._engine.step()
        except (StoreFailed, FeedFailed) as error:
            self._work.failed(self._clock.tick())
            tell = self._mending.store_failed if isinstance(error, StoreFailed) else self._mending.feed_failed
            tell(error)
            return None
        if tick is None:
            self.board.say("feed", "degraded", "the recording has ended: there is nothing more to decide", alert=False)
            self.ended.set()
            return None
        self._decided_at = self._clock.tick()
        self._moment = Moment(tick.inputs, before, self._engine.catalog)
        self._mending.decided(tick)
        self._note(tick)
        return tick

    def _progress(self) -> Progress:
        """How deciding gets on, for whoever raises alerts."""
        now, decided = self._clock.tick(), self._decided_at
        done, every = self._engine.progress
        pace = self.levers.pace.now().ticks if self._settings.pace_seconds else 0.0
        return Progress(now - self._up, None if decided is None else now - decided, pace, done < every, self._engine.is_training)

    def _note(self, tick: Tick) -> None:
        phases = tuple((span.phase.value, span.ms) for span in tick.spans)
        self._work.saw(tick.ms, len(tick.inputs.symbols), len(tick.outcome.degraded), self._clock.tick(), save_ms=self._engine.save_ms, phases=phases)
        self.decided += 1
        self._optimizing.saw(tick)
        self._engine.patient = tick.warm or self._settings.pace_seconds == 0  # while warming up there is no hurry but for evidence
        self.board.is_up("feed")
        self.recovery.went_well("engine", "ticks")
        if not tick.warm:
            self.board.is_up("engine")
        trouble = self._engine.trouble or self.workers.trouble
        self.board.say("trainer", "degraded" if trouble else "ok", trouble)
        if self._left is not None and self.decided >= self._left:
            self.ended.set()

    def obey(self, jobs: Jobs) -> None:
        """Gives every queued command to its doer: an optimization to a worker of its own, anything else to the engine, before its next tick."""
        self._answers.settle()
        while not self._stop.is_set() and (oldest := self._inbox.peek()) is not None:
            number, name = oldest
            if name in BESIDE:
                self._give_way()
                self._take(number, partial(self._serve, jobs))
            else:
                with self._turns.command():  # one between two ticks that wait, so that any number of commands leaves the pace as it is
                    self._take(number, self._obey)

    def _give_way(self) -> None:
        """Lets a tick that is due have the store to itself; where ticks have no pace, or wait for a training, nobody is kept."""
        if not self._engine.patient:
            self._turns.give_way(GIVE_WAY_SECONDS)

    def _report(self, number: int, progress: float, note: str) -> None:
        self._give_way()
        self._inbox.report(number, progress, note)

    def _finish(self, command: Command, result: dict[str, object]) -> None:
        self._give_way()
        self._answers.end(command, result)

    def _take(self, number: int, serve: Callable[[Command], None]) -> None:
        command = self._inbox.take(number, self._clock.now())
        if command is None:
            return
        try:
            serve(command)
        except (*FAULTS, StoreFailed):  # no command is left running; the job tells and logs it
            self._answers.end(command, FAILED)
            raise

    def _serve(self, jobs: Jobs, command: Command) -> None:
        """What does not touch the engine."""
        if command.name in obey_optimizer.NAMES:
            told, wish = self._optimizing.obey(command)
            if wish is None:
                self._answers.end(command, told)
                return
            command = wish
        if command.name in alerting.NAMES and command.name != "drill":
            self._answers.end(command, self._safeguards.obey(command))
        else:
            self._serve_beside(command, jobs)

    def _serve_beside(self, command: Command, jobs: Jobs) -> None:
        """What takes long has a worker of its own."""
        if command.name == "drill":
            if self._drills.take(command):
                jobs.once("alerts", "drill", self._drills.work, self.recovery, worker="drill")
        elif command.name == "optimize":
            if self._by_hand.take(command):
                jobs.once("optimizer", "optimize", self._by_hand.work, self.board, worker="by hand")
        elif self._backtests.obey(command):
            jobs.once("optimizer", "backtests", self._backtests.work, self.board, worker="backtests")

    def _obey(self, command: Command) -> None:
        """In a command's turn: closed before the next tick, so that no tick is kept that heeds a command the store calls failed."""
        at = self._engine.after or 0
        try:
            told: dict[str, object] = {"message": self._engine.obey(command), "session": self._session, "at": at}
        except (ValueError, StoreFailed) as error:
            told = {"error": str(error)}
        self._answers.end(command, told)

    def optimize(self, command: Command, tell: Tell) -> dict[str, object]:
        """Runs an action by hand; what it measured."""
        args = dict(command.args)
        dry = args.get("dry_run", "false").lower()
        if dry not in {"true", "false"}:
            return {"error": f"dry_run is {dry[:40]!r}: give true or false"}
        try:
            return run_action(
                args.get("action", ""), dry_run=dry == "true", writer=self._writer, past=self._past, probes=self._probes,
                home=Path(self._settings.home), clock=self._clock, stop=self._stop, tell=tell, by=command.by, reason=command.reason,
                levers=self.levers, plan=self._optimizing.plan, recent=self._optimizing.recent,
            )  # fmt: skip
        except ActionError as error:
            return {"error": str(error)}

    def probe(self) -> None:
        """Reads the machine and keeps what it said."""
        self._monitor.look()
        self._optimizing.hear()
        failed = [f"{source} {note}" for source, note in self._probes.notes().items() if note.startswith("failed")]
        self.board.say("probes", "degraded" if failed else "ok", "; ".join(failed) or None)

    def deliver(self) -> None:
        """Sends what people are to be told."""
        self._safeguards.deliver()
        self.board.tell("alerts", "targets", self._safeguards.trouble)

    def prune(self) -> None:
        """Drops what is older, or more, than is to be kept."""
        self._safeguards.prune()
        dropped = self._writer.prune(self._clock.now(), Keep(self._settings.keep_age_days, self._settings.keep_bytes))
        if dropped.ticks:
            LOG.info("pruned %s ticks and %s decisions", dropped.ticks, dropped.decisions)

    def leave(self) -> None:
        """Lets the runs in hand end soon; starts nothing more."""
        self._stop.set()
        self._by_hand.leave()
        self._drills.leave()
        self._backtests.leave()
        self._safeguards.leave()

    def close(self) -> None:
        """Ends the worker and closes the store; what cannot be written any more (the lease is another's) is left."""
        self.leave()
        self._monitor.close()
        self.workers.close()
        beside = self._engine.pool
        if beside is not None:
            beside.shutdown(wait=False)
        with self._turns.command():  # the tick in hand is over
            try:
                self._monitor.write()
                self._safeguards.close()
                self.board.stopped()
            except StoreFailed as error:
                LOG.info("the store was not told of the stop: %s", error)
            self._inbox.close()
            self._writer.close()


def _sweep(home: str) -> None:
    """Deletes the training rows and other temporary files of engines that were killed."""
    try:
        swept = temporary.sweep_at_start(home)
    except (OSError, ValueError) as error:
        LOG.warning("temporary files of killed processes were not deleted: %s", error)
        return
    if swept.items:
        LOG.info("deleted %s temporary files that killed processes left, %s bytes", f"{swept.items:,}", f"{swept.bytes:,}")
