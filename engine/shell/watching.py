"""The rules in force and what each remembers; what they say is kept, also where the store cannot be written just now."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from engine.domain.record import Record
from engine.domain.rules import CLEARED, ERROR, FIRED, PERFORMANCE, THRESHOLD, Rule
from engine.domain.tuning import Firing
from engine.optimizer.rules import WATCH, Watch, limit_of, step
from engine.shell.logs import LOG
from engine.shell.recent import Recent

BACKLOG = 200  # words of rules that wait for the store
CHANGED = "the rule was changed"
ANEW = "the engine started anew and learns the usual again"


@dataclass(frozen=True, slots=True)
class Pending(Record):
    """A rule that fired and has no answer yet."""

    rule: Rule
    number: int  # of the firing
    at: int  # ns UTC


class Watching:
    """Steps every rule; not for two threads at once."""

    def __init__(self, recent: Recent, save: Callable[[Firing], int]) -> None:
        self._recent, self._save = recent, save
        self.rules: tuple[Rule, ...] = ()
        self.pending: dict[str, Pending] = {}
        self._watches: dict[str, Watch] = {}
        self._backlog: deque[tuple[Rule, Firing]] = deque(maxlen=BACKLOG)
        self._since = 0  # ns UTC, the last step
        self.dropped: list[tuple[int, str]] = []  # firings that need no answer any more, and why

    def take(self, rules: tuple[Rule, ...], now: int, last: Mapping[str, str] | None = None) -> None:
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
                    self._watches[name] = replace(WATCH, fired=True)
                elif rule.kind == PERFORMANCE or not rule.enabled:
                    self._say(rule, WATCH, CLEARED, now, ANEW)

    def step(self, now: int) -> None:
        """Every rule once. Raises StoreFailed where what one said could not be kept: it is kept later, and nothing is done about it until then."""
        for rule in self.rules:
            before = self._watches.get(rule.name, WATCH)
            reading = self._recent.last(rule.metric, self._since) if rule.metric else None
            watch, said = step(rule, before, now, None if reading is None else reading.value)
            self._watches[rule.name] = watch
            if said is not None:
                self._say(rule, watch, said, now)
        self._since = now
        self._keep()

    def has_fired(self, name: str) -> bool:
        """Whether the trouble of a rule is still there."""
        return self._watches.get(name, WATCH).fired

    def _forget(self, rule: Rule, now: int) -> None:
        watch, before = self._watches.pop(rule.name, WATCH), self.pending.pop(rule.name, None)
        if before is not None:
            self.dropped.append((before.number, CHANGED))
        if watch.fired:
            self._say(rule, watch, CLEARED, now, CHANGED)

    def _say(self, rule: Rule, watch: Watch, said: str, now: int, answer: str | None = None) -> None:
        LOG.info("rule %s: %s", rule.name, said)
        self._backlog.append((rule, Firing(now, rule.name, rule.kind, rule.metric, watch.figure, limit_of(rule, watch), said, answer)))

    def _keep(self) -> None:
        while self._backlog:
            rule, told = self._backlog[0]
            number = self._save(told)
            self._backlog.popleft()
            before = self.pending.pop(rule.name, None)
            if before is not None:
                self.dropped.append((before.number, "it fired again first" if told.state == FIRED else f"{told.state} before anything was done"))
            if told.state == FIRED and rule in self.rules:
                self.pending[rule.name] = Pending(rule, number, told.at)
