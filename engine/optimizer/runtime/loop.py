"""The optimizer's loop: readings, rules, a plan, a trial or a placebo, a judgement, a licence. Nothing it does is done in a tick."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from threading import RLock

from engine.domain.optimization import Action, Reading, Trial
from engine.domain.rules import ASK, AUTO, QUARANTINED, RECOMMEND, Rule
from engine.optimizer.default_rules import merge_rules
from engine.optimizer.licences import next_licence
from engine.optimizer.planner import (
    APPROVAL_SECONDS,
    WAIT,
    Candidate,
    EngineActivity,
    ResponsePlan,
    default_mode,
    make_generator,
    plan_response,
    why_busy,
)
from engine.optimizer.pooled_test import POOL_WINDOWS, judge_pooled
from engine.optimizer.rule_schema import parse_rule
from engine.optimizer.runtime.experiment import EXPERIMENT_LOCK
from engine.optimizer.runtime.ports import ApprovalRequest, FailureReporter, OptimizerReader, OptimizerSettings, OptimizerWriter
from engine.optimizer.runtime.rule_engine import PendingFiring, RuleEngine
from engine.optimizer.runtime.trial import run_trial, target_metric, undo_action
from engine.optimizer.runtime.trial_tools import ExperimentParts, ExperimentResult, TriggeredCase
from engine.service.logging import LOG
from engine.store.read.optimizer_history import ActionStatus
from engine.store.write.optimizer import ASKS, TRIES, WAITS

REST_SECONDS = 20.0  # s between two runs
FIRING_TIMEOUT = 300.0  # s that a firing waits for its time
MAX_FAILURES = 3  # in a row, after which an action may not run by itself


StartWorker = Callable[[Callable[[], None]], None]  # runs a trial in a thread of its own


class OptimizerLoop:
    """`step` belongs in a job of the scheduler, every few seconds; trials run where `begin` puts them."""

    def __init__(
        self,
        tools: ExperimentParts,
        pen: OptimizerWriter,
        past: OptimizerReader,
        known: Mapping[str, Action],
        wishes: OptimizerSettings,
        board: FailureReporter,
        begin: StartWorker,
        *,
        rest: float = REST_SECONDS,
        bounds: bool = True,
    ) -> None:
        """`bounds` False judges without intervals, for many runs in a row."""
        self._tools, self._pen, self._past, self._board, self._begin = tools, pen, past, board, begin
        self.actions, self._wishes, self._rest, self._bounds = known, wishes, rest, bounds
        self._watching = RuleEngine(tools.recent, pen.save_firing)
        self._current: int | None = None  # the firing that is answered by a trial under way
        self._rested = 0.0  # s of the clock's tick, when the rest is over
        self._said: dict[int, str] = {}  # by firing, its answer so far
        self._since: dict[int, float] = {}  # by firing, s of the clock's tick since which it waits
        self._failures: dict[str, int] = {}
        self.approval_requests: dict[int, ApprovalRequest] = {}
        self._opened = False
        self._lock = RLock()  # commands change the rules while the loop runs

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self._watching.rules

    def record_readings(self, newest: Mapping[str, Reading]) -> None:
        """The readings of a moment; costs nothing."""
        self._tools.recent.append(newest)

    def run_once(self) -> None:
        """One round; raises StoreFailed, and what was to be done is done by the next."""
        with self._lock:
            self._round()

    def _round(self) -> None:
        if not self._opened:
            self._open()
        now = self._tools.clock.now()
        self._watching.evaluate(now)  # goes on watching also where the store cannot be written
        self._pen.flush()
        self._expire()
        if self._current is None:
            self._answer()

    def reload(self) -> None:
        """Takes up rules and modes anew."""
        kept: list[Rule] = []
        base = {rule.name: rule for rule in merge_rules(self._wishes.rules)}
        for name, told in self._past.rules().items():
            try:
                names = (*self.actions, *told.get("actions", "").split(","))  # an action that is gone is passed over
                kept.append(parse_rule(name, told, base.get(name), names))
            except ValueError as error:
                LOG.warning("a rule that was changed is not in force: %s", error)
        last = None if self._opened else self._past.last_rule_states()
        rules = merge_rules(self._wishes.rules, kept)
        with self._lock:
            self._watching.replace_rules(rules, self._tools.clock.now(), last)

    def modes(self) -> dict[str, str]:
        """The mode of every action: as set by a person, in podium.toml, or by what it can do."""
        told = {name: default_mode(action) for name, action in self.actions.items()}
        told |= {name: mode for name, mode in self._wishes.modes if name in told}
        return told | {name: mode for name, mode in self._past.modes().items() if name in told}

    def activity(self) -> EngineActivity:
        """How quiet it is now."""
        resting = max(0.0, self._rested - self._tools.clock.tick())
        return replace(self._tools.slot(), running_action="a run" if EXPERIMENT_LOCK.locked() else None, rest_seconds=resting)

    def _open(self) -> None:
        closed = self._pen.open_session(self.modes())
        if closed:
            LOG.info("%s trials were cut short by a stop", closed)
        self.reload()
        self._opened = True

    def _expire(self) -> None:
        """By the monotonic clock: a wall clock that is set neither ends nor lengthens a wait."""
        now = self._tools.clock.tick()
        while self._watching.obsolete:
            number, why = self._watching.obsolete[-1]
            if number != self._current:
                self._tell(number, why)
                self._forget(number)
            self._watching.obsolete.pop()
        for number, asked in list(self.approval_requests.items()):
            if now > asked.until:
                self._tell(number, f"asked whether to run {asked.action}: nobody answered in {APPROVAL_SECONDS / 60:.0f} min")
                self.approval_requests.pop(number, None)
        for name, pending in list(self._watching.pending.items()):
            since = self._since.setdefault(pending.number, now)
            if now - since > FIRING_TIMEOUT and pending.number != self._current:
                self._tell(
                    pending.number, f"nothing was done in {FIRING_TIMEOUT / 60:.0f} min: {self._said.get(pending.number, 'its turn did not come')}"
                )
                self._done(name, pending.number)

    def _answer(self) -> None:
        """Answers to the firings there are, the oldest first, until one begins a trial."""
        standing = self._past.action_statuses()
        for name, pending in sorted(self._watching.pending.items(), key=lambda pair: pair[1].at):
            answer = self._plan(pending, standing)
            if answer.mode == AUTO:
                self._start(pending, answer)
                return
            if answer.mode == WAIT:
                self._tell(pending.number, f"{WAITS} {answer.why}")
                if why_busy(self.activity()) is not None:
                    return
                continue
            self._put(pending, answer)
            self._done(name, pending.number)

    def _plan(self, pending: PendingFiring, standing: Mapping[str, ActionStatus]) -> ResponsePlan:
        rule = pending.rule
        found = []
        for name in rule.candidates:
            if name in self.actions and name in standing:
                metric, better = target_metric(rule, self.actions[name])
                outcomes = tuple(one.outcome for one in self._past.finished_trials(metric).get(name, ()))
                at = standing[name]
                found.append(Candidate(name, at.mode, at.licence, self.actions[name].cost == "high", outcomes, better))
        return plan_response(found, self.activity(), make_generator(self._wishes.seed, rule.name, pending.at, 0))

    def _put(self, pending: PendingFiring, answer: ResponsePlan) -> None:
        """What is not done by itself: a question, a recommendation, or a note."""
        what = answer.actions[0] if answer.actions else ""
        if answer.mode == ASK:
            self.approval_requests[pending.number] = ApprovalRequest(what, pending.rule.name, self._tools.clock.tick() + APPROVAL_SECONDS)
            self._tell(
                pending.number, f"{ASKS} whether to run {what}: approve id={pending.number} within {APPROVAL_SECONDS / 60:.0f} min; {answer.why}"
            )
        elif what:
            word = "recommends to run" if answer.mode == RECOMMEND else "observes only: would run"
            self._tell(pending.number, f"{word} {what}; {answer.why}")
        else:
            self._tell(pending.number, answer.why)

    def _start(self, pending: PendingFiring, answer: ResponsePlan) -> None:
        self._tell(pending.number, f"{TRIES} {answer.actions[0]}; {answer.why}")
        self._current = pending.number
        ready = tuple(self.actions[name] for name in answer.actions)
        try:
            self._begin(lambda: self._carry_out(pending, ready, answer.why))
        except RuntimeError:  # nothing begins any more: the engine stops
            self._current = None

    def _carry_out(self, pending: PendingFiring, ready: Sequence[Action], why: str) -> None:
        """In a thread of its own: the trial, and what it means. What is not foreseen goes on to the job that it runs in, once all is put right."""
        over = True
        try:
            ended = run_trial(self._tools, TriggeredCase(pending.rule, pending.at, self._wishes.seed), tuple(ready), self._past.finished_trials)
            over = ended is not None
            self._rested = self._tools.clock.tick() + (self._rest if ended is not None and ended.trial is not None else 0.0)
            if ended is not None:
                self._tell(pending.number, f"{ended.said}; {why}")
                self._judge(pending.rule, ended)
            else:
                self._said.pop(pending.number, None)
        finally:
            if over:
                self._done(pending.rule.name, pending.number)
            self._current = None

    def _judge(self, rule: Rule, ended: ExperimentResult) -> None:
        trial, action = ended.trial, ended.action
        if trial is None or action is None:
            return
        now = self._tools.clock.now()
        self._count(action.name, trial, ended.failed, now)
        licence = self._past.action_statuses()[action.name].licence
        metric, better = target_metric(rule, action)
        told = tuple(one.outcome for one in self._past.finished_trials(metric).get(action.name, ()))
        pool = told[(len(told) - 1) // POOL_WINDOWS * POOL_WINDOWS :] if told else ()
        judgement = judge_pooled(pool, better, bounds=self._bounds)
        self._pen.save_judgement(action.name, metric, trial.unit, now, judgement)
        change = (QUARANTINED, f"harmed at once: {ended.harmed}") if ended.harmed is not None else next_licence(licence, judgement)
        if change is not None:
            LOG.warning("%s is licensed to %s: %s", action.name, *change)
            self._pen.set_licence(action.name, *change, now)
            if change[0] == QUARANTINED and not trial.undone:
                undo_action(self._tools, action)

    def _count(self, action: str, trial: Trial, failed: str | None, now: int) -> None:
        """Failures in a row; an action that only fails is not tried again and again."""
        if trial.placebo:
            return
        self._failures[action] = 0 if failed is None else self._failures.get(action, 0) + 1
        if failed is None:
            self._board.on_success("optimizer", action)
            return
        self._board.on_failure("optimizer", action, failed)
        if self._failures[action] >= MAX_FAILURES:
            self._pen.set_licence(action, RECOMMEND, f"failed {MAX_FAILURES} times in a row: {failed}", now)
            self._board.on_success("optimizer", action)  # it is not run by itself any more: its licence tells, and nothing of the optimizer fails

    def _tell(self, number: int, text: str) -> None:
        if self._said.get(number) != text:
            self._pen.save_answer(number, text)
            self._said[number] = text

    def _done(self, name: str, number: int) -> None:
        if name in self._watching.pending and self._watching.pending[name].number == number:
            self._watching.pending.pop(name)
        self._forget(number)

    def _forget(self, number: int) -> None:
        self._said.pop(number, None)
        self._since.pop(number, None)
