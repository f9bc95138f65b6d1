"""Alerting of one engine: the evaluation of rules, the delivery of messages, the failure log on its way to the store, and drills."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from threading import Event, Lock

from engine.alerting import drills
from engine.alerting.delivery import Dispatcher, Sender
from engine.alerting.evaluator import AlertEvaluator, Recipients
from engine.alerting.messages import summarize_drill
from engine.alerting.sender_process import SenderProcess
from engine.alerting.webhook_process import WebhookSender
from engine.alerting.webhooks import WebhookService
from engine.domain.addresses import label_addresses
from engine.domain.alerting import AlertInputs, Drill, EngineProgress
from engine.domain.ports import Clock
from engine.domain.trading_config import Command
from engine.health import is_in_future
from engine.resilience.failure_log import FailureLog
from engine.service.logging import LOG
from engine.service.webhook_settings import read_secret
from engine.settings import Settings
from engine.store.connection import Store
from engine.store.database import path_from_url
from engine.store.errors import StoreError
from engine.store.read.alert_facts import FactsReader
from engine.store.write import alerts

HOUR = 3_600_000_000_000  # ns
FIRST_DRILL_SECONDS = 300.0  # after the start before the first drill
OVERDUE_FACTOR = 2  # intervals between trainings before one is overdue

CommandResult = dict[str, object]


class AlertingService:
    """Every method runs in a job of its own. Raises StoreError; the next run repeats what failed."""

    def __init__(
        self, settings: Settings, store: Store, failures: FailureLog, clock: Clock, *,
        decision_context: Callable[[], drills.DecisionContext | None], ended: Event, progress: Callable[[], EngineProgress],
        sender: Sender | None = None,
    ) -> None:  # fmt: skip
        self._settings, self._store, self._failures, self._clock = settings, store, failures, clock
        self._moment, self._ended, self._progress = decision_context, ended, progress
        urls = tuple(dict.fromkeys((*settings.alert_urls, *settings.escalate_urls)))
        targets = dict(zip(label_addresses(urls), urls, strict=True))
        named = {url: name for name, url in targets.items()}
        recipients = Recipients(
            tuple(named[url] for url in settings.alert_urls), tuple(named[url] for url in settings.escalate_urls), settings.escalate_minutes
        )
        self._sender = sender or SenderProcess()
        self._reader = FactsReader(settings.database_url)
        self._up = clock.tick()
        self._stop = Event()
        self._drilling = Lock()
        self.targets = recipients.targets
        self.evaluator = AlertEvaluator(store, self.collect_facts, clock, recipients)
        self.dispatcher = Dispatcher(store, targets, self._sender, clock)
        self.webhooks = WebhookService(
            settings.webhooks, store, settings.database_url, clock, lambda webhook: WebhookSender(partial(read_secret, webhook))
        )
        with store.write() as connection:
            alerts.close_recoveries(connection)
        self._store_recipients(recipients)

    def _store_recipients(self, recipients: Recipients) -> None:
        """Store the masked addresses for the pages."""
        facts = {"alert targets": recipients.targets, "escalation targets": recipients.escalation or recipients.targets}
        with self._store.write() as connection:
            facts["webhooks"] = tuple(f"{webhook.name}: {', '.join(webhook.events)}" for webhook in self._settings.webhooks)
            for key, names in facts.items():
                connection.exec_driver_sql("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, "\n".join(names)))

    def collect_facts(self) -> AlertInputs:
        """Everything that the rules check, as of now."""
        settings, config = self._settings, self._settings.trading
        usage = shutil.disk_usage(settings.home)
        path = path_from_url(settings.database_url)
        parts = (path, path.with_name(path.name + "-wal"))
        plain = AlertInputs(
            self._clock.now(), progress=self._progress(), ended=self._ended.is_set(),
            store_bytes=sum(part.stat().st_size for part in parts if part.exists()), store_limit=settings.retention_bytes,
            disk_used=usage.used / max(1, usage.used + usage.free),
            training_due=max(config.first_training, OVERDUE_FACTOR * config.retrain_every) + config.deployment_lag_bars + config.retrain_every,
        )  # fmt: skip
        return self._reader.read(plain)

    def evaluate(self) -> None:
        """Write the failure log and evaluate the rules."""
        self._failures.flush()
        self.evaluator.evaluate()

    def deliver_messages(self) -> None:
        """Send what is due; a target that refuses is a failure of the component alerts until it accepts."""
        for target in self.dispatcher.send_due():
            trouble = self.dispatcher.errors.get(target)
            if trouble is None:
                self._failures.record_recovery("alerts", target)
            else:
                self._failures.record_failure("alerts", target, f"{target}: {trouble}")

    def run_webhooks(self) -> None:
        """Queue new events and let them be sent; a webhook that refuses is a failure of the component alerts until it accepts."""
        self.webhooks.run()
        for target, trouble in self.webhooks.take_troubles().items():
            if trouble is None:
                self._failures.record_recovery("alerts", target)
            else:
                self._failures.record_failure("alerts", target, f"{target}: {trouble}")

    def prune(self) -> None:
        """Drop old alerts, messages, failures and drills, and give up messages that no target will accept."""
        self.dispatcher.give_up_stale()
        self.webhooks.give_up()
        with self._store.write() as connection:
            alerts.prune_alerts(connection, self._clock.now())

    @property
    def delivery_error(self) -> str | None:
        """The targets that refuse messages now, with their reasons."""
        return "; ".join(f"{target}: {why}" for target, why in self.dispatcher.errors.items()) or None

    def is_drill_due(self) -> bool:
        """Whether a drill is due by the schedule; the engine must have run for a while."""
        hours = self._settings.drill_hours
        if hours <= 0 or self._moment() is None or self._clock.tick() - self._up < FIRST_DRILL_SECONDS:
            return False
        with self._store.read() as connection:
            last = alerts.find_last_drill(connection)
        now = self._clock.now()
        return last is None or is_in_future(last.at, now) or now - last.at >= hours * HOUR

    def run_drill(self, by: str) -> Drill | None:
        """Run a drill and store its result; None where one is under way or the engine stops."""
        if not self._drilling.acquire(blocking=False):
            return None
        try:
            result = drills.run_drill({
                "kill switch": lambda: drills.drill_kill_switch(self._moment()),
                "stop": lambda: drills.drill_stop(self._clock, self._stop, self._settings.home),
                "alert path": lambda: drills.drill_alert_path(self.dispatcher, self.targets, self._store, self._sender, self._clock, self._stop),
            }, self._clock, by)  # fmt: skip
            if self._stop.is_set():  # a drill that was cut short proves nothing
                return None
            with self._store.write() as connection:
                alerts.save_drill(connection, result)
        finally:
            self._drilling.release()
        LOG.info("drill by %s: %s", by, summarize_drill(result))
        return result

    def run_scheduled_drill(self) -> None:
        """Run a drill where one is due."""
        if self.is_drill_due():
            self.run_drill("schedule")

    def handle_drill(self, command: Command) -> CommandResult:
        """Carry out the command drill."""
        try:
            if self._moment() is None:  # before that a drill proves nothing
                raise ValueError("no tick has been decided yet on which the kill switch could be tested: try again after the first")
            result = self.run_drill(command.by)
        except (ValueError, StoreError) as error:
            return {"error": str(error)}
        if result is None:
            return {"error": "a drill is under way, or the engine stops: try again"}
        details = {proof.name: proof.detail for proof in result.checks}
        return {"message" if result.passed else "error": summarize_drill(result), "seconds": result.seconds, **details}

    def stop(self) -> None:
        """End what is under way."""
        self._stop.set()
        self.dispatcher.stop()
        self.webhooks.stop()

    def close(self) -> None:
        """Write the failure log as far as the store accepts it, and close."""
        self.stop()
        try:
            self._failures.flush()
        except StoreError as error:
            LOG.info("the newest failures were not stored: %s", error)
        self._reader.close()
