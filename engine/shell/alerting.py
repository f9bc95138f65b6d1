"""Checks every alert rule every few seconds, raises and resolves alerts, and queues messages about them: never inside a tick."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches

from sqlalchemy import Connection

from engine.alerts import messages, rules
from engine.alerts.standing import RAISE, RENEW, RESOLVE, advance
from engine.domain.alerting import Alert, Facts, Sight, Standing
from engine.domain.control import Command
from engine.domain.ports import Clock
from engine.shell.logs import LOG
from engine.store import alert_rows, chronicle
from engine.store.store import Store

NAMES = ("ack", "silence", "unsilence", "drill")  # the commands handled here
LARGEST = 2**63 - 1  # the largest number of a store
MINUTE = 60_000_000_000  # ns
LONGEST_SILENCE = 7 * 24 * 60.0  # min
RENEW_SECONDS = 60.0  # between two updates of the words of an open alert


@dataclass(frozen=True, slots=True)
class Told:
    """The recipients of messages, by the label of their address."""

    targets: tuple[str, ...] = ()
    escalation: tuple[str, ...] = ()
    minutes: float = 15.0  # before a critical alert that nobody acknowledged goes to the escalation targets


@dataclass(slots=True)
class Alerting:
    """The alerts of one engine. `look` belongs in a job of its own."""

    ledger: Store
    facts: Callable[[], Facts]
    clock: Clock
    told: Told
    _standing: dict[str, Standing] = field(default_factory=dict)
    _written: dict[str, tuple[str, float]] = field(default_factory=dict)  # by rule: the words last written, and when (s, monotonic)
    _restored: bool = False

    def look(self) -> None:
        """Check every rule, then queue the messages that are due. Raises StoreFailed; the next call repeats what failed."""
        if not self._restored:
            with self.ledger.read() as connection:
                alerts = alert_rows.open_alerts(connection)
            self._restore(alerts)
        open_now = frozenset(rule for rule, standing in self._standing.items() if standing.open)
        self._apply(rules.look(self.facts(), open_now))
        self._queue_messages()

    def acknowledge(self, number: int, by: str) -> str:
        """Send no more messages about an alert until it is resolved. Raises ValueError where it is not open."""
        with self.ledger.write() as connection:
            alert = alert_rows.acknowledge(connection, number, by, self.clock.now())
        if alert is None:
            raise ValueError(f"alert {number} is not open: Alerts shows the numbers of those that are")
        return f"alert {number}, {alert.rule}, is acknowledged by {alert.acked_by}: the next message comes when it is resolved"

    def silence(self, rule: str, minutes: float, by: str, reason: str) -> str:
        """Send no messages about a rule, or about all, for so many minutes. Raises ValueError."""
        self._known(rule)
        if not 1.0 <= minutes <= LONGEST_SILENCE:
            raise ValueError(f"minutes={minutes:g} is outside 1 to {LONGEST_SILENCE:g}: a silence lasts a week at most")
        if not reason.strip():
            raise ValueError("a silence needs a reason that others can read later: reason=...")
        until = self.clock.now() + round(minutes * MINUTE)
        with self.ledger.write() as connection:
            alert_rows.silence(connection, rule, until, by, reason.strip()[:200], self.clock.now())
        return f"{rule} is silenced until {messages.moment(until)} UTC; alerts are raised all the same"

    def unsilence(self, rule: str) -> str:
        """End the silence of a rule. Raises ValueError where it is not silenced."""
        with self.ledger.write() as connection:
            ended = alert_rows.unsilence(connection, rule, self.clock.now())
        if not ended:
            raise ValueError(f"{rule[:60]!r} is not silenced")
        return f"{rule} is no longer silenced"

    def obey(self, command: Command) -> str:
        """Handle ack, silence or unsilence; raises ValueError in one line."""
        args = dict(command.args)
        if command.name == "ack":
            return self.acknowledge(_whole("id", args.get("id", "")), command.by)
        rule = args.get("rule", "").strip()
        if not rule:
            raise ValueError(f"{command.name} needs rule=NAME, as Alerts shows it, or rule=all")
        if command.name == "unsilence":
            return self.unsilence(rule)
        return self.silence(rule, _number("minutes", args.get("minutes", "60")), command.by, command.reason)

    def _known(self, rule: str) -> None:
        with self.ledger.read() as connection:
            names = rules.known(tuple(alert.rule for alert in alert_rows.open_alerts(connection)))
        if rule not in names:
            near = get_close_matches(rule, names, n=1)
            raise ValueError(f"no rule is called {rule[:60]!r}: " + (f"did you mean {near[0]!r}" if near else f"there are {', '.join(names)}"))

    def _restore(self, alerts: tuple[Alert, ...]) -> None:
        """Keep the alerts of the previous engine open until their rules hold again."""
        retired = [alert.rule for alert in alerts if alert.rule in rules.RETIRED]
        if retired:
            with self.ledger.write() as connection:
                for rule in retired:
                    chronicle.resolve_alert(connection, rule, self.clock.now())
        for alert in alerts:
            if alert.rule in rules.LOOKED_AT:
                self._standing[alert.rule] = Standing(open=True)
        self._restored = True

    def _apply(self, sights: tuple[Sight, ...]) -> None:
        """Raise, renew and resolve in one transaction; the next call repeats what failed."""
        now = self.clock.tick()
        after = dict(self._standing)
        changes: list[tuple[Sight, str]] = []
        for sight in sights:
            after[sight.rule], change = advance(rules.BY_NAME[sight.rule], self._standing.get(sight.rule, Standing()), sight, now)
            if change in {RAISE, RESOLVE} or (change == RENEW and self._is_new(sight, now)):
                changes.append((sight, change or ""))
        if changes:
            with self.ledger.write() as connection:
                for sight, change in changes:
                    self._write(connection, sight, change)
        self._standing = after
        self._written |= {sight.rule: (sight.words, now) for sight, change in changes if change != RESOLVE}

    def _write(self, connection: Connection, sight: Sight, change: str) -> None:
        at = self.clock.now()
        if change == RESOLVE:
            chronicle.resolve_alert(connection, sight.rule, at)
        else:
            alert_rows.raise_alert(connection, sight.rule, rules.BY_NAME[sight.rule].severity, sight.words, sight.value, at)
        if change != RENEW:
            LOG.info("alert %s: %s %s", sight.rule, {RAISE: "raised", RESOLVE: "resolved"}[change], sight.words)

    def _is_new(self, sight: Sight, now: float) -> bool:
        words, at = self._written.get(sight.rule, ("", 0.0))
        return words != sight.words and now - at >= RENEW_SECONDS

    def _queue_messages(self) -> None:
        """Queue messages about alerts that are open, resolved, or critical and not acknowledged."""
        if not self.told.targets:
            return
        now = self.clock.now()
        with self.ledger.read() as connection:
            alerts, over = alert_rows.open_alerts(connection), alert_rows.over_untold(connection)
            notified_at = alert_rows.told_at(connection, [alert.id for alert in alerts])
            silences = alert_rows.silences(connection, now)
        opened = messages.opened(alerts, frozenset(notified_at), silences, now)
        late = messages.escalated(alerts, notified_at, silences, self.told.minutes, now)
        resolved = messages.resolved(over, now)
        if not (opened or late or resolved):
            return
        with self.ledger.write() as connection:
            for message in (*opened, *resolved):
                alert_rows.queue(connection, message, self.told.targets, now)
            for message in late:
                alert_rows.queue(connection, message, self.told.escalation or self.told.targets, now)
                alert_rows.mark_escalated(connection, message.alerts, now)


def _whole(name: str, text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise ValueError(f"{name}={text[:40]!r} is no whole number") from None
    if not 0 <= value <= LARGEST:
        raise ValueError(f"{name}={text[:40]} is outside 0 to {LARGEST}")
    return value


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{name}={text[:40]!r} is no number") from None
