"""Looks at what is wrong every few seconds, raises and resolves alerts, and queues what people are to be told: never inside a tick."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Protocol

from sqlalchemy import Connection

from engine.alerting import messages, rules
from engine.alerting.alert_state import RAISE, RENEW, RESOLVE, advance_alert
from engine.domain.alerting import Alert, AlertInputs, AlertRuleState, RuleObservation
from engine.domain.ports import Clock
from engine.domain.trading_config import Command
from engine.service.logging import LOG
from engine.store.write import alerts, components

COMMANDS = ("ack", "silence", "unsilence", "drill")  # commands that are obeyed here
MAX_INTEGER = 2**63 - 1  # that a store can hold
MINUTE = 60_000_000_000  # ns
MAX_SILENCE_MINUTES = 7 * 24 * 60.0  # min
RENEW_SECONDS = 60.0  # at most so often are the words of an open alert written anew


class Transactions(Protocol):
    """The store's own connection."""

    def read(self) -> AbstractContextManager[Connection]: ...

    def write(self) -> AbstractContextManager[Connection]: ...


@dataclass(frozen=True, slots=True)
class Recipients:
    """Who is told: what stands for each address in the store."""

    targets: tuple[str, ...] = ()
    escalation: tuple[str, ...] = ()
    escalation_minutes: float = 15.0  # after which a critical alert that nobody acknowledged goes to the escalation targets


@dataclass(slots=True)
class AlertEvaluator:
    """The alerts of one engine. `look` belongs in a job of its own."""

    store: Transactions
    read_facts: Callable[[], AlertInputs]
    clock: Clock
    recipients: Recipients
    _standing: dict[str, AlertRuleState] = field(default_factory=dict)
    _said: dict[str, tuple[str, float]] = field(default_factory=dict)  # by rule: the words last written, and when (s, monotonic)
    _taken_up: bool = False

    def evaluate(self) -> None:
        """One look at every rule, then whoever is to be told gets a message in the queue. Raises StoreFailed; the next look does it again."""
        if not self._taken_up:
            with self.store.read() as connection:
                standing = alerts.find_open_alerts(connection)
            self._take_up(standing)
        open_now = frozenset(name for name, one in self._standing.items() if one.open)
        self._settle(rules.evaluate_rules(self.read_facts(), open_now))
        self._tell()

    def acknowledge(self, number: int, by: str) -> str:
        """Until it is resolved it is not told again. Raises ValueError."""
        with self.store.write() as connection:
            found = alerts.acknowledge_alert(connection, number, by, self.clock.now())
        if found is None:
            raise ValueError(f"alert {number} is not open: Alerts shows the numbers of those that are")
        return f"alert {number}, {found.rule}, is acknowledged by {found.acked_by}: it is told again when it is resolved"

    def silence(self, rule: str, minutes: float, by: str, reason: str) -> str:
        """Nothing of a rule, or of all, is told for so long. Raises ValueError."""
        self._known(rule)
        if not 1.0 <= minutes <= MAX_SILENCE_MINUTES:
            raise ValueError(f"minutes={minutes:g} is outside 1 to {MAX_SILENCE_MINUTES:g}: a silence ends by itself after a week at most")
        if not reason.strip():
            raise ValueError("a silence needs a reason, for whoever wonders later: reason=...")
        until = self.clock.now() + round(minutes * MINUTE)
        with self.store.write() as connection:
            alerts.silence_rule(connection, rule, until, by, reason.strip()[:200], self.clock.now())
        return f"{rule} is silenced until {messages.format_utc(until)} UTC; alerts are raised all the same"

    def unsilence(self, rule: str) -> str:
        """Raises ValueError where nothing silences it."""
        with self.store.write() as connection:
            ended = alerts.end_silences(connection, rule, self.clock.now())
        if not ended:
            raise ValueError(f"{rule[:60]!r} is not silenced")
        return f"{rule} is told again"

    def handle_command(self, command: Command) -> str:
        """Carries out ack, silence or unsilence; raises ValueError in one line."""
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
        with self.store.read() as connection:
            names = rules.list_rule_names(tuple(one.rule for one in alerts.find_open_alerts(connection)))
        if rule not in names:
            near = get_close_matches(rule, names, n=1)
            raise ValueError(f"no rule is called {rule[:60]!r}: " + (f"did you mean {near[0]!r}" if near else f"there are {', '.join(names)}"))

    def _take_up(self, standing: tuple[Alert, ...]) -> None:
        """What was open when the engine before ended goes on being open until it is seen to be well."""
        retired = [one.rule for one in standing if one.rule in rules.RETIRED]
        if retired:
            with self.store.write() as connection:
                for rule in retired:
                    components.resolve_alert(connection, rule, self.clock.now())
        for one in standing:
            if one.rule in rules.CHECKS:
                self._standing[one.rule] = AlertRuleState(open=True)
        self._taken_up = True

    def _settle(self, sights: tuple[RuleObservation, ...]) -> None:
        """Raises, renews and resolves in one transaction, where there is anything to do; what fails is done by the next look."""
        now = self.clock.tick()
        after = dict(self._standing)
        changes: list[tuple[RuleObservation, str]] = []
        for sight in sights:
            after[sight.rule], change = advance_alert(rules.BY_NAME[sight.rule], self._standing.get(sight.rule, AlertRuleState()), sight, now)
            if change in {RAISE, RESOLVE} or (change == RENEW and self._is_new(sight, now)):
                changes.append((sight, change or ""))
        if changes:
            with self.store.write() as connection:
                for sight, change in changes:
                    self._write(connection, sight, change)
        self._standing = after
        self._said |= {sight.rule: (sight.message, now) for sight, change in changes if change != RESOLVE}

    def _write(self, connection: Connection, sight: RuleObservation, change: str) -> None:
        at = self.clock.now()
        if change == RESOLVE:
            components.resolve_alert(connection, sight.rule, at)
        else:
            alerts.raise_alert(connection, sight.rule, rules.BY_NAME[sight.rule].severity, sight.message, sight.value, at)
        if change != RENEW:
            LOG.info("alert %s: %s %s", sight.rule, {RAISE: "raised", RESOLVE: "resolved"}[change], sight.message)

    def _is_new(self, sight: RuleObservation, now: float) -> bool:
        words, at = self._said.get(sight.rule, ("", 0.0))
        return words != sight.message and now - at >= RENEW_SECONDS

    def _tell(self) -> None:
        """Queues messages for what is open, what is over, and what nobody has acknowledged."""
        if not self.recipients.targets:
            return
        now = self.clock.now()
        with self.store.read() as connection:
            standing, over = alerts.find_open_alerts(connection), alerts.find_unannounced_resolutions(connection)
            when = alerts.find_first_notifications(connection, [one.id for one in standing])
            quiet = alerts.find_silences(connection, now)
        opened = messages.compose_opened(standing, frozenset(when), quiet, now)
        late = messages.compose_escalated(standing, when, quiet, self.recipients.escalation_minutes, now)
        resolved = messages.compose_resolved(over, now)
        if not (opened or late or resolved):
            return
        with self.store.write() as connection:
            for message in (*opened, *resolved):
                alerts.queue_message(connection, message, self.recipients.targets, now)
            for message in late:
                alerts.queue_message(connection, message, self.recipients.escalation or self.recipients.targets, now)
                alerts.mark_escalated(connection, message.alerts, now)


def _whole(name: str, text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise ValueError(f"{name}={text[:40]!r} is no whole number") from None
    if not 0 <= value <= MAX_INTEGER:
        raise ValueError(f"{name}={text[:40]} is none there can be")
    return value


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{name}={text[:40]!r} is no number") from None
