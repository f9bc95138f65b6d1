"""The rules in force and what each remembers; what they say is kept, also where the store cannot be written just now."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from engine.domain.optimization import Firing
from engine.domain.record import Record
from engine.domain.rules import CLEARED, ERROR, FIRED, PERFORMANCE, THRESHOLD, Rule
from engine.optimizer.rule_state import INITIAL_STATE, RuleState, advance_rule, effective_threshold
from engine.optimizer.runtime.readings_buffer import ReadingsBuffer
from engine.service.logging import LOG

BACKLOG = 200  # words of rules that wait for the store
CHANGED = "the rule was changed"
RESTARTED = "the engine started anew and learns the usual again"


@dataclass(frozen=True, slots=True)
class PendingFiring(Record):
    """A rule that fired and has no answer yet."""

    rule: Rule
    number: int  # of the firing
    at: int  # ns UTC


class RuleEngine:
    """Steps every rule; not for two threads at once."""

    def __init__(self, recent: ReadingsBuffer, save: Callable[[Firing], int]) -> None:
        self._recent, self._save = recent, save
        self.rules: tuple[Rule, ...] = ()
        self.pending: dict[str, PendingFiring] = {}
        self._watches: dict[str, RuleState] = {}
        self._backlog: deque[tuple[Rule, Firing]] = deque(maxlen=BACKLOG)
        self._since = 0  # ns UTC, the last step
        self.obsolete: list[tuple[int, str]] = []  # firings that need no answer any more, and why

    def replace_rules(self, rules: tuple[Rule, ...], now: int, last: Mapping[str, str] | None = None) -> None:
        """The rules in force from now on. At a start `last` is what each said last, so that what has fired can clear."""
        before = {rule.name: rule for rule in self.rules}
        self.rules = rules
        kept = {rule.name: rule for rule in rules}
        for name, rule in before.items():
            if kept.get(name) != rule:
                self._forget(rule, now)
        for name, rule in kept.items():
            if last is not None and last.get(name) == FIRED:
                if rule.kind in {THRESHOLD, ERROR} and rule.enabled:
                    self._watches[name] = replace(INITIAL_STATE, fired=True)
                elif rule.kind == PERFORMANCE or not rule.enabled:
                    self._say(rule, INITIAL_STATE, CLEARED, now, RESTARTED)

    def evaluate(self, now: int) -> None:
        """Every rule once. Raises StoreFailed where what one said could not be kept: it is kept later, and nothing is done about it until then."""
        for rule in self.rules:
            before = self._watches.get(rule.name, INITIAL_STATE)
            reading = self._recent.latest(rule.metric, self._since) if rule.metric else None
            watch, said = advance_rule(rule, before, now, None if reading is None else reading.value)
            self._watches[rule.name] = watch
            if said is not None:
                self._say(rule, watch, said, now)
        self._since = now
        self._keep()

    def has_fired(self, name: str) -> bool:
        """Whether the trouble of a rule is still there."""
        return self._watches.get(name, INITIAL_STATE).fired

    def _forget(self, rule: Rule, now: int) -> None:
        watch, before = self._watches.pop(rule.name, INITIAL_STATE), self.pending.pop(rule.name, None)
        if before is not None:
            self.obsolete.append((before.number, CHANGED))
        if watch.fired:
            self._say(rule, watch, CLEARED, now, CHANGED)

    def _say(self, rule: Rule, watch: RuleState, said: str, now: int, answer: str | None = None) -> None:
        LOG.info("rule %s: %s", rule.name, said)
        self._backlog.append((rule, Firing(now, rule.name, rule.kind, rule.metric, watch.figure, effective_threshold(rule, watch), said, answer)))

    def _keep(self) -> None:
        while self._backlog:
            rule, told = self._backlog[0]
            number = self._save(told)
            self._backlog.popleft()
            before = self.pending.pop(rule.name, None)
            if before is not None:
                self.obsolete.append((before.number, "it fired again first" if told.state == FIRED else f"{told.state} before anything was done"))
            if told.state == FIRED and rule in self.rules:
                self.pending[rule.name] = PendingFiring(rule, number, told.at)
