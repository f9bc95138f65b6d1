"""Checks every alert rule every few seconds, raises and resolves alerts, and queues messages about them: never inside a tick."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches

from sqlalchemy import Connection

from engine.alerting import messages, rules
from engine.alerting.alert_state import RAISE, RENEW, RESOLVE, advance_alert
from engine.domain.alerting import Alert, AlertInputs, AlertRuleState, RuleObservation
from engine.domain.ports import Clock
from engine.domain.webhooks import TARGET
from engine.service.logging import LOG
from engine.store.connection import Store
from engine.store.write import alerts as write_alerts
from engine.store.write import webhook_queue

MAX_INTEGER = 2**63 - 1  # the largest number of a store
MINUTE = 60_000_000_000  # ns
MAX_SILENCE_MINUTES = 7 * 24 * 60.0  # min
RENEW_SECONDS = 60.0  # between two updates of the message of an open alert


@dataclass(frozen=True, slots=True)
class Recipients:
    """The recipients of messages, by the label of their address."""

    targets: tuple[str, ...] = ()
    escalation: tuple[str, ...] = ()
    escalation_minutes: float = 15.0  # before a critical alert that nobody acknowledged goes to the escalation targets


@dataclass(slots=True)
class AlertEvaluator:
    """The alerts of one engine. `evaluate` belongs in a job of its own."""

    store: Store
    read_facts: Callable[[], AlertInputs]
    clock: Clock
    recipients: Recipients
    _standing: dict[str, AlertRuleState] = field(default_factory=dict)
    _written: dict[str, tuple[str, float]] = field(default_factory=dict)  # by rule: the message last written, and when (s, monotonic)
    _restored: bool = False

    def evaluate(self) -> None:
        """Check every rule, then queue the messages that are due. Raises StoreError; the next call repeats what failed."""
        if not self._restored:
            with self.store.read() as connection:
                alerts = write_alerts.find_open_alerts(connection)
            self._restore(alerts)
        open_now = frozenset(rule for rule, standing in self._standing.items() if standing.open)
        self._apply(rules.evaluate_rules(self.read_facts(), open_now))
        self._queue_messages()

    def acknowledge(self, number: int, by: str) -> str:
        """Send no more messages about an alert until it is resolved. Raises ValueError where it is not open."""
        with self.store.write() as connection:
            alert = write_alerts.acknowledge_alert(connection, number, by, self.clock.now())
        if alert is None:
            raise ValueError(f"alert {number} is not open: Alerts shows the numbers of those that are")
        return f"alert {number}, {alert.rule}, is acknowledged by {alert.acked_by}: the next message comes when it is resolved"

    def silence(self, rule: str, minutes: float, by: str, reason: str, others: tuple[str, ...] = ()) -> str:
        """Send no messages about a rule, or about all, for so many minutes; `others` are rules without alerts. Raises ValueError."""
        self._known(rule, others)
        if not 1.0 <= minutes <= MAX_SILENCE_MINUTES:
            raise ValueError(f"minutes={minutes:g} is outside 1 to {MAX_SILENCE_MINUTES:g}: a silence lasts a week at most")
        if not reason.strip():
            raise ValueError("a silence needs a reason that others can read later: reason=...")
        until = self.clock.now() + round(minutes * MINUTE)
        with self.store.write() as connection:
            write_alerts.silence_rule(connection, rule, until, by, reason.strip()[:200], self.clock.now())
        what = "it is not recommended to respond to it, but it is evaluated" if rule in others else "alerts are raised"
        return f"{rule} is silenced until {messages.format_utc(until)} UTC; {what} all the same"

    def unsilence(self, rule: str) -> str:
        """End the silence of a rule. Raises ValueError where it is not silenced."""
        with self.store.write() as connection:
            ended = write_alerts.end_silences(connection, rule, self.clock.now())
        if not ended:
            raise ValueError(f"{rule[:60]!r} is not silenced")
        return f"{rule} is no longer silenced"

    def resend(self, webhook: str, event: int | None) -> str:
        """Send the dead letters of a webhook again, or one of them. Raises ValueError where there is none."""
        with self.store.write() as connection:
            count = webhook_queue.requeue_dead_letters(connection, f"{TARGET}{webhook}", event, self.clock.now())
        if not count:
            what = "no dead letter" if event is None else f"no dead letter about event {event}"
            raise ValueError(f"webhook {webhook[:32]!r} has {what}: Alerts lists those that there are")
        return f"{count} event{'' if count == 1 else 's'} sent again to webhook {webhook}"

    def _known(self, rule: str, others: tuple[str, ...] = ()) -> None:
        with self.store.read() as connection:
            names = rules.list_rule_names((*(alert.rule for alert in write_alerts.find_open_alerts(connection)), *others))
        if rule not in names:
            near = get_close_matches(rule, names, n=1)
            raise ValueError(f"no rule is called {rule[:60]!r}: " + (f"did you mean {near[0]!r}" if near else f"there are {', '.join(names)}"))

    def _restore(self, alerts: tuple[Alert, ...]) -> None:
        """Keep the alerts of the previous engine open until their rules hold again."""
        retired = [alert.rule for alert in alerts if alert.rule in rules.RETIRED]
        if retired:
            with self.store.write() as connection:
                for rule in retired:
                    write_alerts.resolve_alert(connection, rule, self.clock.now())
        for alert in alerts:
            if alert.rule in rules.CHECKS:
                self._standing[alert.rule] = AlertRuleState(open=True)
        self._restored = True

    def _apply(self, observations: tuple[RuleObservation, ...]) -> None:
        """Raise, renew and resolve in one transaction; the next call repeats what failed."""
        now = self.clock.tick()
        after = dict(self._standing)
        changes: list[tuple[RuleObservation, str]] = []
        for observation in observations:
            rule, before = rules.BY_NAME[observation.rule], self._standing.get(observation.rule, AlertRuleState())
            after[observation.rule], change = advance_alert(rule, before, observation, now)
            if change in {RAISE, RESOLVE} or (change == RENEW and self._is_new(observation, now)):
                changes.append((observation, change or ""))
        if changes:
            with self.store.write() as connection:
                for observation, change in changes:
                    self._write(connection, observation, change)
        self._standing = after
        self._written |= {observation.rule: (observation.message, now) for observation, change in changes if change != RESOLVE}

    def _write(self, connection: Connection, observation: RuleObservation, change: str) -> None:
        at = self.clock.now()
        if change == RESOLVE:
            write_alerts.resolve_alert(connection, observation.rule, at)
        else:
            severity = rules.BY_NAME[observation.rule].severity
            write_alerts.raise_alert(connection, observation.rule, severity, observation.message, observation.value, at)
        if change != RENEW:
            LOG.info("alert %s: %s %s", observation.rule, {RAISE: "raised", RESOLVE: "resolved"}[change], observation.message)

    def _is_new(self, observation: RuleObservation, now: float) -> bool:
        message, at = self._written.get(observation.rule, ("", 0.0))
        return message != observation.message and now - at >= RENEW_SECONDS

    def _queue_messages(self) -> None:
        """Queue messages about alerts that are open, resolved, or critical and not acknowledged."""
        if not self.recipients.targets:
            return
        now = self.clock.now()
        with self.store.read() as connection:
            alerts, over = write_alerts.find_open_alerts(connection), write_alerts.find_unannounced_resolutions(connection)
            notified_at = write_alerts.find_first_notifications(connection, [alert.id for alert in alerts])
            silences = write_alerts.find_silences(connection, now)
        opened = messages.compose_opened(alerts, frozenset(notified_at), silences, now)
        late = messages.compose_escalated(alerts, notified_at, silences, self.recipients.escalation_minutes, now)
        resolved = messages.compose_resolved(over, now)
        if not (opened or late or resolved):
            return
        with self.store.write() as connection:
            for message in (*opened, *resolved):
                write_alerts.queue_message(connection, message, self.recipients.targets, now)
            for message in late:
                write_alerts.queue_message(connection, message, self.recipients.escalation or self.recipients.targets, now)
                write_alerts.mark_escalated(connection, message.alerts, now)
