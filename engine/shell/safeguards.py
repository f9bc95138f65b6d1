"""What watches over the engine from beside it: alerts and their delivery, recoveries that are kept, and drills."""

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
SETTLED_SECONDS = 300.0  # after its start before the first drill
OVERDUE = 2  # times the spacing of trainings, after which one is overdue

Answer = dict[str, object]


class Safeguards:
    """Everything here runs in jobs of its own. Raises StoreFailed; whatever failed is done by the next run."""

    def __init__(
        self, settings: Settings, store: Store, recovery: Recovery, clock: Clock, *,
        moment: Callable[[], drill.Moment | None], ended: Callable[[], Event], progress: Callable[[], Progress], sender: Sender | None = None,
    ) -> None:  # fmt: skip
        self._settings, self._store, self._recovery, self._clock = settings, store, recovery, clock
        self._moment, self._ended, self._progress = moment, ended, progress
        urls = tuple(dict.fromkeys((*settings.alert_urls, *settings.escalate_urls)))
        targets = dict(zip(labels(urls), urls, strict=True))
        named = {url: name for name, url in targets.items()}
        told = Told(tuple(named[url] for url in settings.alert_urls), tuple(named[url] for url in settings.escalate_urls), settings.escalate_minutes)
        self._sender = sender or Courier()
        self._reader = FactsReader(settings.database_url)
        self._up = clock.tick()
        self._stop = Event()
        self._drilling = Lock()
        self.targets = told.targets
        self.alerting = Alerting(store, self.facts, clock, told)
        self.deliveries = Deliveries(store, targets, self._sender, clock)
        with store.write() as connection:
            alert_rows.close_recoveries(connection)
        self._remember(told)

    def _remember(self, told: Told) -> None:
        """The pages show who is told, masked."""
        kept = {"alert targets": told.targets, "escalation targets": told.escalation or told.targets}
        with self._store.write() as connection:
            for key, names in kept.items():
                connection.exec_driver_sql("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, "\n".join(names)))

    def facts(self) -> Facts:
        """All that the rules look at, as of now."""
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
        """Alerts, and what recovered since."""
        self._recovery.settle()
        self.alerting.look()

    def deliver(self) -> None:
        """Sends what is due; a target that takes nothing is a fault of the component alerts until it does."""
        for target in self.deliveries.work():
            trouble = self.deliveries.trouble.get(target)
            if trouble is None:
                self._recovery.mended("alerts", target)
            else:
                self._recovery.broke("alerts", target, f"{target}: {trouble}")

    def prune(self) -> None:
        """Drops old alerts, messages, recoveries and drills, and gives up messages that nobody will take."""
        self.deliveries.sweep()
        with self._store.write() as connection:
            alert_rows.prune(connection, self._clock.now())

    @property
    def trouble(self) -> str | None:
        """Which targets take nothing just now."""
        return "; ".join(f"{target}: {why}" for target, why in self.deliveries.trouble.items()) or None

    def drill_is_due(self) -> bool:
        """By the schedule, once the engine has run for a while."""
        hours = self._settings.drill_hours
        if hours <= 0 or self._moment() is None or self._clock.tick() - self._up < SETTLED_SECONDS:
            return False
        with self._store.read() as connection:
            last = alert_rows.last_drill(connection)
        now = self._clock.now()
        return last is None or is_ahead(last.at, now) or now - last.at >= hours * HOUR

    def drill(self, by: str) -> Drill | None:
        """Carries one out and keeps it; None where one is under way."""
        if not self._drilling.acquire(blocking=False):
            return None
        try:
            told = drill.run_drill({
                "kill switch": lambda: drill.kill_switch(self._moment()),
                "stop": lambda: drill.stop(self._clock, self._stop, self._settings.home),
                "alert path": lambda: drill.alert_path(self.deliveries, self.targets, self._store, self._sender, self._clock, self._stop),
            }, self._clock, by)  # fmt: skip
            if self._stop.is_set():  # it was cut short: that proves nothing either way
                return None
            with self._store.write() as connection:
                alert_rows.save_drill(connection, told)
        finally:
            self._drilling.release()
        LOG.info("drill by %s: %s", by, tally(told))
        return told

    def drill_by_schedule(self) -> None:
        """The job of it."""
        if self.drill_is_due():
            self.drill("schedule")

    def obey(self, command: Command) -> Answer:
        """Carries out ack, silence, unsilence or drill."""
        try:
            if command.name != "drill":
                return {"message": self.alerting.obey(command)}
            if self._moment() is None:  # before that a drill proves nothing, and nothing is wrong
                raise ValueError("no tick has been decided yet that the kill switch could be tried on: ask again after the first")
            told = self.drill(command.by)
        except (ValueError, StoreFailed) as error:
            return {"error": str(error)}
        if told is None:
            return {"error": "a drill is under way, or the engine stops: ask again"}
        words = {one.name: one.detail for one in told.proofs}
        return {"message" if told.passed else "error": tally(told), "seconds": told.seconds, **words}

    def leave(self) -> None:
        """Ends what is under way."""
        self._stop.set()
        self.deliveries.leave()

    def close(self) -> None:
        """Writes what recovered, as far as the store takes it."""
        self.leave()
        try:
            self._recovery.settle()
        except StoreFailed as error:
            LOG.info("the newest recoveries were not kept: %s", error)
        self._reader.close()
