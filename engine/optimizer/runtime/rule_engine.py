"""The rule engine: advances every rule, stores its events, and holds the firings that wait for a response."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from engine.domain.optimization import Firing
from engine.domain.record import Record
from engine.domain.rules import CLEARED, ERROR, FIRED, PERFORMANCE, THRESHOLD, Rule
from engine.optimizer.rule_state import INITIAL_STATE, RuleState, advance_rule, effective_threshold
from engine.optimizer.runtime.readings_buffer import ReadingsBuffer
from engine.service.logging import LOG
from engine.service.outbox import Outbox

BACKLOG = 200  # events that wait for the store
CHANGED = "the rule was changed"
RESTARTED = "the engine restarted and learns the baseline again"


@dataclass(frozen=True, slots=True)
class PendingFiring(Record):
    """A rule that fired and has no response yet."""

    rule: Rule
    number: int  # of the firing in the store
    at: int  # ns UTC


class RuleEngine:
    """Not for two threads at once."""

    def __init__(self, buffer: ReadingsBuffer, save: Callable[[Firing], int]) -> None:
        self._buffer, self._save = buffer, save
        self.rules: tuple[Rule, ...] = ()
        self.pending: dict[str, PendingFiring] = {}  # by rule
        self._states: dict[str, RuleState] = {}
        self._outbox: Outbox[tuple[Rule, Firing]] = Outbox("events of rules", self._save_events, capacity=BACKLOG, batch=1)
        self._since = 0  # ns UTC, the last evaluation
        self.obsolete: list[tuple[int, str]] = []  # firings that need no response any more, and why

    def replace_rules(self, rules: tuple[Rule, ...], now: int, last: Mapping[str, str] | None = None) -> None:
        """Put rules in force. At a start `last` is the last event of each rule, so that a rule that had fired can clear."""
        before = {rule.name: rule for rule in self.rules}
        self.rules = rules
        after = {rule.name: rule for rule in rules}
        for name, rule in before.items():
            if after.get(name) != rule:
                self._remove(rule, now)
        for name, rule in after.items():
            if last is not None and last.get(name) == FIRED:
                if rule.kind in {THRESHOLD, ERROR} and rule.enabled:
                    self._states[name] = replace(INITIAL_STATE, fired=True)
                elif rule.kind == PERFORMANCE or not rule.enabled:
                    self._queue_event(rule, INITIAL_STATE, CLEARED, now, RESTARTED)

    def evaluate(self, now: int) -> None:
        """Advance every rule once. Raises StoreError where an event cannot be stored; it waits, and nothing responds to it until it is stored."""
        for rule in self.rules:
            before = self._states.get(rule.name, INITIAL_STATE)
            reading = self._buffer.latest(rule.metric, self._since) if rule.metric else None
            state, event = advance_rule(rule, before, now, None if reading is None else reading.value)
            self._states[rule.name] = state
            if event is not None:
                self._queue_event(rule, state, event, now)
        self._since = now
        self._outbox.flush()

    def _remove(self, rule: Rule, now: int) -> None:
        state, pending = self._states.pop(rule.name, INITIAL_STATE), self.pending.pop(rule.name, None)
        if pending is not None:
            self.obsolete.append((pending.number, CHANGED))
        if state.fired:
            self._queue_event(rule, state, CLEARED, now, CHANGED)

    def _queue_event(self, rule: Rule, state: RuleState, event: str, now: int, answer: str | None = None) -> None:
        LOG.info("rule %s: %s", rule.name, event)
        self._outbox.put((rule, Firing(now, rule.name, rule.kind, rule.metric, state.figure, effective_threshold(rule, state), event, answer)))

    def _save_events(self, events: Sequence[tuple[Rule, Firing]]) -> None:
        for rule, firing in events:
            number = self._save(firing)
            before = self.pending.pop(rule.name, None)
            if before is not None:
                self.obsolete.append((before.number, "it fired again first" if firing.state == FIRED else f"{firing.state} before anything was done"))
            if firing.state == FIRED and rule in self.rules:
                self.pending[rule.name] = PendingFiring(rule, number, firing.at)
