"""Alerting of one engine: the evaluation of rules, the delivery of messages, the failure log on its way to the store, and drills."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from threading import Event, Lock

from engine.alerts.messages import tally
from engine.domain.addresses import labels
from engine.domain.alerting import Drill, Facts, Progress
from engine.domain.control import Command
from engine.domain.ports import Clock
from engine.health import is_ahead
from engine.settings import Settings
from engine.shell import drill
from engine.shell.alerting import Alerting, Told
from engine.shell.courier import Courier
from engine.shell.deliver import Deliveries, Sender
from engine.shell.logs import LOG
from engine.shell.recovery import Recovery
from engine.store import alert_rows
from engine.store.alert_facts import FactsReader
from engine.store.database import path_of
from engine.store.errors import StoreFailed
from engine.store.store import Store

HOUR = 3_600_000_000_000  # ns
SETTLED_SECONDS = 300.0  # after the start before the first drill
OVERDUE = 2  # intervals between trainings before one is overdue

Answer = dict[str, object]


class Safeguards:
    """Every method runs in a job of its own. Raises StoreFailed; the next run repeats what failed."""

    def __init__(
        self, settings: Settings, store: Store, recovery: Recovery, clock: Clock, *,
        moment: Callable[[], drill.Moment | None], ended: Callable[[], Event], progress: Callable[[], Progress], sender: Sender | None = None,
    ) -> None:  # fmt: skip
        self._settings, self._store, self._recovery, self._clock = settings, store, recovery, clock
        self._moment, self._ended, self._progress = moment, ended, progress
        urls = tuple(dict.fromkeys((*settings.alert_urls, *settings.escalate_urls)))
        targets = dict(zip(labels(urls), urls, strict=True))
        named = {url: name for name, url in targets.items()}
        recipients = Told(
            tuple(named[url] for url in settings.alert_urls), tuple(named[url] for url in settings.escalate_urls), settings.escalate_minutes
        )
        self._sender = sender or Courier()
        self._reader = FactsReader(settings.database_url)
        self._up = clock.tick()
        self._stop = Event()
        self._drilling = Lock()
        self.targets = recipients.targets
        self.alerting = Alerting(store, self.facts, clock, recipients)
        self.deliveries = Deliveries(store, targets, self._sender, clock)
        with store.write() as connection:
            alert_rows.close_recoveries(connection)
        self._store_recipients(recipients)

    def _store_recipients(self, recipients: Told) -> None:
        """Store the masked addresses for the pages."""
        facts = {"alert targets": recipients.targets, "escalation targets": recipients.escalation or recipients.targets}
        with self._store.write() as connection:
            for key, names in facts.items():
                connection.exec_driver_sql("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, "\n".join(names)))

    def facts(self) -> Facts:
        """Everything that the rules check, as of now."""
        settings, knobs = self._settings, self._settings.knobs
        usage = shutil.disk_usage(settings.home)
        path = path_of(settings.database_url)
        parts = (path, path.with_name(path.name + "-wal"))
        plain = Facts(
            self._clock.now(), progress=self._progress(), ended=self._ended().is_set(),
            store_bytes=sum(part.stat().st_size for part in parts if part.exists()), store_limit=settings.keep_bytes,
            disk_used=usage.used / max(1, usage.used + usage.free),
            training_due=max(knobs.first_training, OVERDUE * knobs.retrain_every) + knobs.adopt_after + knobs.retrain_every,
        )  # fmt: skip
        return self._reader.read(plain)

    def look(self) -> None:
        """Write the failure log and evaluate the rules."""
        self._recovery.settle()
        self.alerting.look()

    def deliver(self) -> None:
        """Send what is due; a target that refuses is a failure of the component alerts until it accepts."""
        for target in self.deliveries.work():
            trouble = self.deliveries.trouble.get(target)
            if trouble is None:
                self._recovery.mended("alerts", target)
            else:
                self._recovery.broke("alerts", target, f"{target}: {trouble}")

    def prune(self) -> None:
        """Drop old alerts, messages, failures and drills, and give up messages that no target will accept."""
        self.deliveries.sweep()
        with self._store.write() as connection:
            alert_rows.prune(connection, self._clock.now())

    @property
    def trouble(self) -> str | None:
        """The targets that refuse messages now, with their reasons."""
        return "; ".join(f"{target}: {why}" for target, why in self.deliveries.trouble.items()) or None

    def drill_is_due(self) -> bool:
        """Whether a drill is due by the schedule; the engine must have run for a while."""
        hours = self._settings.drill_hours
        if hours <= 0 or self._moment() is None or self._clock.tick() - self._up < SETTLED_SECONDS:
            return False
        with self._store.read() as connection:
            last = alert_rows.last_drill(connection)
        now = self._clock.now()
        return last is None or is_ahead(last.at, now) or now - last.at >= hours * HOUR

    def drill(self, by: str) -> Drill | None:
        """Run a drill and store its result; None where one is under way or the engine stops."""
        if not self._drilling.acquire(blocking=False):
            return None
        try:
            result = drill.run_drill({
                "kill switch": lambda: drill.kill_switch(self._moment()),
                "stop": lambda: drill.stop(self._clock, self._stop, self._settings.home),
                "alert path": lambda: drill.alert_path(self.deliveries, self.targets, self._store, self._sender, self._clock, self._stop),
            }, self._clock, by)  # fmt: skip
            if self._stop.is_set():  # a drill that was cut short proves nothing
                return None
            with self._store.write() as connection:
                alert_rows.save_drill(connection, result)
        finally:
            self._drilling.release()
        LOG.info("drill by %s: %s", by, tally(result))
        return result

    def drill_by_schedule(self) -> None:
        """Run a drill where one is due."""
        if self.drill_is_due():
            self.drill("schedule")

    def obey(self, command: Command) -> Answer:
        """Handle ack, silence, unsilence or drill."""
        try:
            if command.name != "drill":
                return {"message": self.alerting.obey(command)}
            if self._moment() is None:  # before that a drill proves nothing
                raise ValueError("no tick has been decided yet on which the kill switch could be tested: try again after the first")
            result = self.drill(command.by)
        except (ValueError, StoreFailed) as error:
            return {"error": str(error)}
        if result is None:
            return {"error": "a drill is under way, or the engine stops: try again"}
        details = {proof.name: proof.detail for proof in result.proofs}
        return {"message" if result.passed else "error": tally(result), "seconds": result.seconds, **details}

    def leave(self) -> None:
        """End what is under way."""
        self._stop.set()
        self.deliveries.leave()

    def close(self) -> None:
        """Write the failure log as far as the store accepts it, and close."""
        self.leave()
        try:
            self._recovery.settle()
        except StoreFailed as error:
            LOG.info("the newest failures were not stored: %s", error)
        self._reader.close()
