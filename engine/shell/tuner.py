"""The optimizer's loop: readings, rules, a response, an experiment, a judgement, a licence. Nothing of it runs inside a tick."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import RLock

from engine.domain.rules import ASK, AUTO, QUARANTINED, RECOMMEND, Rule
from engine.domain.tuning import Action
from engine.optimizer.defaults import in_force
from engine.optimizer.licences import licence_after
from engine.optimizer.planner import ASKED_SECONDS, WAIT, Answer, Candidate, Slot, busy, default_mode, dice, plan
from engine.optimizer.pooled import POOLED, judge_together
from engine.optimizer.rule_forms import read_rule
from engine.optimizer.states import FIRING_TRANSITIONS, FiringState, advance_state
from engine.shell.design import design_experiment, target
from engine.shell.logs import LOG
from engine.shell.tune import TURN, ExperimentResult, run_experiment, undo_action
from engine.shell.tuner_parts import Asked, Board, ExperimentParts, TunerPast, TunerPen, Wishes
from engine.shell.watching import Pending, Watching
from engine.store.optimizer_past import Standing
from engine.store.optimizer_rows import ASKS, TRIES, WAITS

REST = 20.0  # s between two experiments
PATIENCE = 300.0  # s that a firing waits for its time
FAILURES = 3  # in a row, after which an action may not run on its own

Begin = Callable[[Callable[[], None]], None]  # starts an experiment in a thread of its own


@dataclass(slots=True)
class OpenFiring:
    """A firing that is not closed yet."""

    since: float  # s of the monotonic clock
    state: FiringState = FiringState.PENDING
    answer: str = ""  # as stored


class Tuner:
    """`step` belongs in a job of the scheduler, every few seconds; experiments run where `begin` starts them."""

    def __init__(
        self,
        parts: ExperimentParts,
        pen: TunerPen,
        past: TunerPast,
        known: Mapping[str, Action],
        wishes: Wishes,
        board: Board,
        begin: Begin,
        watching: Watching,
        *,
        rest: float = REST,
        bounds: bool = True,
    ) -> None:
        """`bounds` False judges without intervals, for simulations of many runs."""
        self._parts, self._pen, self._past, self._board, self._begin = parts, pen, past, board, begin
        self.known, self._wishes, self._rest, self._bounds = known, wishes, rest, bounds
        self._watching = watching
        self._current: int | None = None  # the firing whose experiment is under way
        self._rested = 0.0  # s of the monotonic clock, when the rest is over
        self._firings: dict[int, OpenFiring] = {}
        self._failures: dict[str, int] = {}
        self.asked: dict[int, Asked] = {}
        self._opened = False
        self._lock = RLock()  # commands change the rules while the loop runs

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self._watching.rules

    def step(self) -> None:
        """Run one round; raises StoreFailed, and the next round catches up."""
        with self._lock:
            if not self._opened:
                self._open()
            self._watching.step(self._parts.clock.now())  # also where the store cannot be written
            self._pen.settle()
            self._close_obsolete()
            self._close_expired()
            if self._current is None:
                self._respond_to_firings()

    def reload(self) -> None:
        """Read the rules that people have changed and put them in force."""
        changed: list[Rule] = []
        base = {rule.name: rule for rule in in_force(self._wishes.rules)}
        for name, words in self._past.rules().items():
            try:
                known = (*self.known, *words.get("actions", "").split(","))  # an action that no longer exists is passed over
                changed.append(read_rule(name, words, base.get(name), known))
            except ValueError as error:
                LOG.warning("a changed rule is not in force: %s", error)
        last = None if self._opened else self._past.last_words()
        rules = in_force(self._wishes.rules, changed)
        with self._lock:
            self._watching.take(rules, self._parts.clock.now(), last)

    def modes(self) -> dict[str, str]:
        """The mode of every action: set by a person, or in podium.toml, or its default."""
        modes = {name: default_mode(action) for name, action in self.known.items()}
        for changes in (dict(self._wishes.modes), self._past.modes()):
            modes |= {name: mode for name, mode in changes.items() if name in modes}
        return modes

    def slot(self) -> Slot:
        """The engine's activity, with the optimizer's own."""
        resting = max(0.0, self._rested - self._parts.clock.tick())
        return replace(self._parts.slot(), running="a run" if TURN.locked() else None, resting=resting)

    def _open(self) -> None:
        closed = self._pen.open(self.modes())
        if closed:
            LOG.info("%s trials were cut short by a stop", closed)
        self.reload()
        self._opened = True

    def _close_obsolete(self) -> None:
        dropped = self._watching.dropped
        while dropped:
            number, why = dropped[-1]
            if number != self._current:
                self._tell(number, why)
                self._move(number, FiringState.SUPERSEDED)
            dropped.pop()

    def _close_expired(self) -> None:
        """By the monotonic clock: a wall clock that is set neither ends nor lengthens a wait."""
        now = self._parts.clock.tick()
        for number, asked in list(self.asked.items()):
            if now > asked.until:
                self._tell(number, f"asked whether to run {asked.action}: nobody answered in {ASKED_SECONDS / 60:.0f} min")
                self._move(number, FiringState.EXPIRED)
                self.asked.pop(number, None)
        for number in [number for number, firing in self._firings.items() if firing.state is FiringState.ASKING and number not in self.asked]:
            self._move(number, FiringState.ANSWERED)  # by a command
        for pending in list(self._watching.pending.values()):
            firing = self._firing(pending.number)
            if now - firing.since > PATIENCE and pending.number != self._current:
                reason = firing.answer or "its turn did not come"
                self._tell(pending.number, f"nothing was done in {PATIENCE / 60:.0f} min: {reason}")
                self._close(pending, FiringState.EXPIRED)

    def _respond_to_firings(self) -> None:
        """The oldest first, until one starts an experiment."""
        standing = self._past.standing()
        for pending in sorted(self._watching.pending.values(), key=lambda pending: pending.at):
            answer = self._plan(pending, standing)
            if answer.mode == AUTO:
                self._start(pending, answer)
                return
            if answer.mode == WAIT:
                self._tell(pending.number, f"{WAITS} {answer.why}")
                self._move(pending.number, FiringState.WAITING)
                if busy(self.slot()) is not None:
                    return
                continue
            self._close(pending, self._answer_only(pending, answer))

    def _plan(self, pending: Pending, standing: Mapping[str, Standing]) -> Answer:
        rule = pending.rule
        candidates = []
        for name in rule.candidates:
            if name in self.known and name in standing:
                metric, better = target(rule, self.known[name])
                outcomes = tuple(trial.outcome for trial in self._past.tried(metric).get(name, ()))
                status = standing[name]
                candidates.append(Candidate(name, status.mode, status.licence, self.known[name].cost == "high", outcomes, better))
        return plan(candidates, self.slot(), dice(self._wishes.seed, rule.name, pending.at, 0))

    def _answer_only(self, pending: Pending, answer: Answer) -> FiringState:
        """Ask, recommend or note, where nothing is run without a person; the firing's state from then on."""
        action = answer.actions[0] if answer.actions else ""
        if answer.mode == ASK:
            self.asked[pending.number] = Asked(action, pending.rule.name, self._parts.clock.tick() + ASKED_SECONDS)
            request = f"approve id={pending.number} within {ASKED_SECONDS / 60:.0f} min"
            self._tell(pending.number, f"{ASKS} whether to run {action}: {request}; {answer.why}")
            return FiringState.ASKING
        verb = "recommends to run" if answer.mode == RECOMMEND else "observes only: would run"
        self._tell(pending.number, f"{verb} {action}; {answer.why}" if action else answer.why)
        return FiringState.ANSWERED

    def _start(self, pending: Pending, answer: Answer) -> None:
        self._tell(pending.number, f"{TRIES} {answer.actions[0]}; {answer.why}")
        self._move(pending.number, FiringState.RUNNING)
        self._current = pending.number
        ready = tuple(self.known[name] for name in answer.actions)
        try:
            self._begin(lambda: self._experiment(pending, ready, answer.why))
        except RuntimeError:  # nothing starts any more: the engine stops
            self._move(pending.number, FiringState.PENDING)
            self._current = None

    def _experiment(self, pending: Pending, ready: Sequence[Action], why: str) -> None:
        """In a thread of its own: run an experiment and draw the consequences. An unforeseen error reaches the job, with the firing closed."""
        number = pending.number
        if not TURN.acquire(blocking=False):
            self._firing(number).answer = ""
            self._rested = self._parts.clock.tick()
            self._move(number, FiringState.PENDING)
            self._current = None
            return
        try:
            try:
                design = design_experiment(self._parts, pending.rule, pending.at, self._wishes.seed, ready, self._past.tried)
                result = None if isinstance(design, str) else run_experiment(design, self._parts)
            finally:
                TURN.release()
            self._rested = self._parts.clock.tick() + (0.0 if result is None else self._rest)
            self._tell(number, f"{design if result is None else _describe(result)}; {why}")
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
        licence = self._past.standing()[action.name].licence
        metric, better = target(rule, action)
        outcomes = tuple(finished.outcome for finished in self._past.tried(metric).get(action.name, ()))
        pool = outcomes[(len(outcomes) - 1) // POOLED * POOLED :] if outcomes else ()
        judgement = judge_together(pool, better, bounds=self._bounds)
        self._pen.keep_judgement(action.name, metric, trial.unit, now, judgement)
        change = (QUARANTINED, f"harmed at once: {result.harm}") if result.harm is not None else licence_after(licence, judgement)
        if change is not None:
            LOG.warning("%s is licensed to %s: %s", action.name, *change)
            self._pen.set_licence(action.name, *change, now)
            if change[0] == QUARANTINED and not trial.undone:
                undo_action(self._parts, action)

    def _count_failures(self, action: str, failed: str | None, now: int) -> None:
        """Count failures in a row; an action that only fails loses its licence."""
        self._failures[action] = 0 if failed is None else self._failures.get(action, 0) + 1
        if failed is None:
            self._board.went_well("optimizer", action)
            return
        self._board.failed("optimizer", action, failed)
        if self._failures[action] >= FAILURES:
            self._pen.set_licence(action, RECOMMEND, f"failed {FAILURES} times in a row: {failed}", now)
            self._board.went_well("optimizer", action)  # it does not run on its own any more, so nothing of the optimizer fails

    def _firing(self, number: int) -> OpenFiring:
        return self._firings.setdefault(number, OpenFiring(self._parts.clock.tick()))

    def _tell(self, number: int, text: str) -> None:
        """Store the answer to a firing where it is a new one."""
        firing = self._firing(number)
        if firing.answer != text:
            self._pen.answer(number, text)
            firing.answer = text

    def _move(self, number: int, state: FiringState) -> None:
        firing = self._firing(number)
        if firing.state is not state:
            firing.state = advance_state(FIRING_TRANSITIONS, firing.state, state)
        if not FIRING_TRANSITIONS[state]:
            self._firings.pop(number)

    def _close(self, pending: Pending, state: FiringState) -> None:
        """Nothing more is to be done about a firing, but for an approval where it asks for one."""
        self._move(pending.number, state)
        newest = self._watching.pending.get(pending.rule.name)
        if newest is not None and newest.number == pending.number:
            self._watching.pending.pop(pending.rule.name)


def _describe(result: ExperimentResult) -> str:
    trial = result.trial
    if trial is None:
        return result.direct.detail
    arm = "was left out, to compare with" if trial.placebo else "was run"
    return f"{result.action.name} {arm} (chance {trial.chance or 0.0:.0%}): {trial.detail}"
