"""The optimizer's loop: readings, rules, a response, an experiment, a judgement, a licence. Nothing of it runs inside a tick."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import RLock

from engine import units
from engine.domain.optimization import Action
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
from engine.optimizer.runtime.design import design_experiment, target_metric
from engine.optimizer.runtime.experiment import EXPERIMENT_LOCK, ExperimentResult, run_experiment, undo_action
from engine.optimizer.runtime.ports import ApprovalRequest, ExperimentParts, FailureReporter, OptimizerReader, OptimizerSettings, OptimizerWriter
from engine.optimizer.runtime.rule_engine import PendingFiring, RuleEngine
from engine.optimizer.states import FIRING_TRANSITIONS, FiringState, advance_state
from engine.service.logging import LOG
from engine.store.read.optimizer_history import ActionStatus
from engine.store.write.optimizer import ASKS, TRIES, WAITS

REST_SECONDS = 20.0  # s between two experiments
FIRING_TIMEOUT = 300.0  # s that a firing waits for its time
MAX_FAILURES = 3  # in a row, after which an action may not run on its own

StartWorker = Callable[[Callable[[], None]], None]  # starts an experiment in a thread of its own


@dataclass(slots=True)
class OpenFiring:
    """A firing that is not closed yet."""

    since: float  # s of the monotonic clock
    state: FiringState = FiringState.PENDING
    answer: str = ""  # as stored


class OptimizerLoop:
    """`run_once` belongs in a job of the scheduler, every few seconds; experiments run where `start_worker` starts them."""

    def __init__(
        self,
        parts: ExperimentParts,
        writer: OptimizerWriter,
        reader: OptimizerReader,
        actions: Mapping[str, Action],
        settings: OptimizerSettings,
        reporter: FailureReporter,
        start_worker: StartWorker,
        rules: RuleEngine,
        *,
        rest: float = REST_SECONDS,
        bounds: bool = True,
    ) -> None:
        """`bounds` False judges without intervals, for simulations of many runs."""
        self._parts, self._writer, self._reader, self._reporter, self._start_worker = parts, writer, reader, reporter, start_worker
        self.actions, self._settings, self._rest, self._bounds = actions, settings, rest, bounds
        self._rules = rules
        self._current: int | None = None  # the firing whose experiment is under way
        self._rested = 0.0  # s of the monotonic clock, when the rest is over
        self._firings: dict[int, OpenFiring] = {}
        self._failures: dict[str, int] = {}
        self.approval_requests: dict[int, ApprovalRequest] = {}
        self._opened = False
        self._lock = RLock()  # commands change the rules while the loop runs

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self._rules.rules

    def run_once(self) -> None:
        """Run one round; raises StoreError, and the next round catches up."""
        with self._lock:
            if not self._opened:
                self._open()
            self._rules.evaluate(self._parts.clock.now())  # also where the store cannot be written
            self._writer.flush()
            self._close_obsolete()
            self._close_expired()
            if self._current is None:
                self._respond_to_firings()

    def reload(self) -> None:
        """Read the rules that people have changed and put them in force."""
        changed: list[Rule] = []
        base = {rule.name: rule for rule in merge_rules(self._settings.rules)}
        for name, fields in self._reader.rules().items():
            try:
                actions = (*self.actions, *fields.get("actions", "").split(","))  # an action that no longer exists is passed over
                changed.append(parse_rule(name, fields, base.get(name), actions))
            except ValueError as error:
                LOG.warning("a changed rule is not in force: %s", error)
        last = None if self._opened else self._reader.last_rule_states()
        rules = merge_rules(self._settings.rules, changed)
        with self._lock:
            self._rules.replace_rules(rules, self._parts.clock.now(), last)

    def modes(self) -> dict[str, str]:
        """The mode of every action: set by a person, or in podium.toml, or its default."""
        modes = {name: default_mode(action) for name, action in self.actions.items()}
        for changes in (dict(self._settings.modes), self._reader.modes()):
            modes |= {name: mode for name, mode in changes.items() if name in modes}
        return modes

    def find_licence(self, action: str) -> str | None:
        """The licence of an action; None before it has one."""
        status = self._reader.action_statuses().get(action)
        return None if status is None else status.licence

    def activity(self) -> EngineActivity:
        """The engine's activity, with the optimizer's own."""
        rest_seconds = max(0.0, self._rested - self._parts.clock.tick())
        return replace(self._parts.activity(), running_action="a run" if EXPERIMENT_LOCK.locked() else None, rest_seconds=rest_seconds)

    def _open(self) -> None:
        closed = self._writer.open_session(self.modes())
        if closed:
            LOG.info("%s trials were cut short by a stop", closed)
        self.reload()
        self._opened = True

    def _close_obsolete(self) -> None:
        obsolete = self._rules.obsolete
        while obsolete:
            number, why = obsolete[-1]
            if number != self._current:
                self._save_answer(number, why)
                self._move(number, FiringState.SUPERSEDED)
            obsolete.pop()

    def _close_expired(self) -> None:
        """By the monotonic clock: a wall clock that is set neither ends nor lengthens a wait."""
        now = self._parts.clock.tick()
        for number, request in list(self.approval_requests.items()):
            if now > request.until:
                self._save_answer(number, f"requested approval to run {request.action}: nobody answered within {units.format_age(APPROVAL_SECONDS)}")
                self._move(number, FiringState.EXPIRED)
                self.approval_requests.pop(number, None)
        for number in [
            number for number, firing in self._firings.items() if firing.state is FiringState.ASKING and number not in self.approval_requests
        ]:
            self._move(number, FiringState.ANSWERED)  # by a command
        for pending in list(self._rules.pending.values()):
            firing = self._firing(pending.number)
            if now - firing.since > FIRING_TIMEOUT and pending.number != self._current:
                reason = firing.answer or "it expired before its turn"
                self._save_answer(pending.number, f"nothing was done within {units.format_age(FIRING_TIMEOUT)}: {reason}")
                self._close(pending, FiringState.EXPIRED)

    def _respond_to_firings(self) -> None:
        """The oldest first, until one starts an experiment."""
        statuses = self._reader.action_statuses()
        for pending in sorted(self._rules.pending.values(), key=lambda pending: pending.at):
            response = self._plan(pending, statuses)
            if response.mode == AUTO:
                self._start(pending, response)
                return
            if response.mode == WAIT:
                self._save_answer(pending.number, f"{WAITS} {response.why}")
                self._move(pending.number, FiringState.WAITING)
                if why_busy(self.activity()) is not None:
                    return
                continue
            self._close(pending, self._answer_only(pending, response))

    def _plan(self, pending: PendingFiring, statuses: Mapping[str, ActionStatus]) -> ResponsePlan:
        rule = pending.rule
        candidates = []
        for name in rule.candidates:
            if name in self.actions and name in statuses:
                metric, better = target_metric(rule, self.actions[name])
                outcomes = tuple(trial.outcome for trial in self._reader.finished_trials(metric).get(name, ()))
                status = statuses[name]
                candidates.append(Candidate(name, status.mode, status.licence, self.actions[name].cost == "high", outcomes, better))
        return plan_response(candidates, self.activity(), make_generator(self._settings.seed, rule.name, pending.at, 0))

    def _answer_only(self, pending: PendingFiring, response: ResponsePlan) -> FiringState:
        """Ask, recommend or note, where nothing is run without a person; the firing's state from then on."""
        action = response.actions[0] if response.actions else ""
        if response.mode == ASK:
            self.approval_requests[pending.number] = ApprovalRequest(action, pending.rule.name, self._parts.clock.tick() + APPROVAL_SECONDS)
            request = f"approve id={pending.number} within {units.format_age(APPROVAL_SECONDS)}"
            self._save_answer(pending.number, f"{ASKS} whether to run {action}: {request}; {response.why}")
            return FiringState.ASKING
        verb = "recommends running" if response.mode == RECOMMEND else "observes only: would run"
        self._save_answer(pending.number, f"{verb} {action}; {response.why}" if action else response.why)
        return FiringState.ANSWERED

    def _start(self, pending: PendingFiring, response: ResponsePlan) -> None:
        self._save_answer(pending.number, f"{TRIES} {response.actions[0]}; {response.why}")
        self._move(pending.number, FiringState.RUNNING)
        self._current = pending.number
        ready = tuple(self.actions[name] for name in response.actions)
        try:
            self._start_worker(lambda: self._experiment(pending, ready, response.why))
        except RuntimeError:  # nothing starts any more: the engine stops
            self._move(pending.number, FiringState.PENDING)
            self._current = None

    def _experiment(self, pending: PendingFiring, ready: Sequence[Action], why: str) -> None:
        """In a thread of its own: run an experiment and draw the consequences. An unforeseen error reaches the job, with the firing closed."""
        number = pending.number
        if not EXPERIMENT_LOCK.acquire(blocking=False):
            self._firing(number).answer = ""
            self._rested = self._parts.clock.tick()
            self._move(number, FiringState.PENDING)
            self._current = None
            return
        try:
            try:
                design = design_experiment(self._parts, pending.rule, pending.at, self._settings.seed, ready, self._reader.finished_trials)
                result = None if isinstance(design, str) else run_experiment(design, self._parts)
            finally:
                EXPERIMENT_LOCK.release()
            self._rested = self._parts.clock.tick() + (0.0 if result is None else self._rest)
            self._save_answer(number, f"{design if result is None else _describe(result)}; {why}")
            if result is not None:
                self._judge(pending.rule, result)
        finally:
            self._close(pending, FiringState.ANSWERED)
            self._current = None

    def _judge(self, rule: Rule, result: ExperimentResult) -> None:
        """Judge the action by all its windows on the metric, and change its licence where that says so."""
        trial, action = result.trial, result.action
        if trial is None:
            return
        now = self._parts.clock.now()
        if not trial.placebo:
            self._count_failures(action.name, result.failed, now)
        licence = self._reader.action_statuses()[action.name].licence
        metric, better = target_metric(rule, action)
        outcomes = tuple(finished.outcome for finished in self._reader.finished_trials(metric).get(action.name, ()))
        pool = outcomes[(len(outcomes) - 1) // POOL_WINDOWS * POOL_WINDOWS :] if outcomes else ()
        judgement = judge_pooled(pool, better, bounds=self._bounds)
        self._writer.save_judgement(action.name, metric, trial.unit, now, judgement)
        change = (QUARANTINED, f"harmed at once: {result.harm}") if result.harm is not None else next_licence(licence, judgement)
        if change is not None:
            LOG.warning("%s is licensed to %s: %s", action.name, *change)
            self._writer.set_licence(action.name, *change, now)
            if change[0] == QUARANTINED and not trial.undone:
                undo_action(self._parts, action)

    def _count_failures(self, action: str, failed: str | None, now: int) -> None:
        """Count failures in a row; an action that only fails loses its licence."""
        self._failures[action] = 0 if failed is None else self._failures.get(action, 0) + 1
        if failed is None:
            self._reporter.on_success("optimizer", action)
            return
        self._reporter.on_failure("optimizer", action, failed)
        if self._failures[action] >= MAX_FAILURES:
            self._writer.set_licence(action, RECOMMEND, f"failed {MAX_FAILURES} times in a row: {failed}", now)
            self._reporter.on_success("optimizer", action)  # it does not run on its own any more, so nothing of the optimizer fails

    def _firing(self, number: int) -> OpenFiring:
        return self._firings.setdefault(number, OpenFiring(self._parts.clock.tick()))

    def _save_answer(self, number: int, text: str) -> None:
        """Store the answer to a firing where it is a new one."""
        firing = self._firing(number)
        if firing.answer != text:
            self._writer.save_answer(number, text)
            firing.answer = text

    def _move(self, number: int, state: FiringState) -> None:
        firing = self._firing(number)
        if firing.state is not state:
            firing.state = advance_state(FIRING_TRANSITIONS, firing.state, state)
        if not FIRING_TRANSITIONS[state]:
            self._firings.pop(number)

    def _close(self, pending: PendingFiring, state: FiringState) -> None:
        """Nothing more is to be done about a firing, but for an approval where it asks for one."""
        self._move(pending.number, state)
        newest = self._rules.pending.get(pending.rule.name)
        if newest is not None and newest.number == pending.number:
            self._rules.pending.pop(pending.rule.name)


def _describe(result: ExperimentResult) -> str:
    trial = result.trial
    if trial is None:
        return result.direct.detail
    arm = "withheld" if trial.placebo else "run"
    return f"{result.action.name} {arm} ({units.format_percent(trial.probability or 0.0, 0)} chance): {trial.detail}"
