"""What is done about a rule that fired: which action, whether by itself, and whether now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from engine.domain.judging import WindowOutcome
from engine.domain.optimization import Action
from engine.domain.record import Record
from engine.domain.rules import ASK, AUTO, OBSERVE, OFF, QUARANTINED, RECOMMEND
from engine.optimizer.pooled_test import standardised_gain

MIN_CONTROLS = 8  # of an action on a metric, until which every second answer is to do nothing
CHANCE_FIRST, CHANCE_LATER = 0.5, 0.8  # that the action is run
APPROVAL_SECONDS = 600.0  # a question waits for its answer
AFTER_TICK_SECONDS = 1.0  # s after a tick in which a costly action may begin
WAIT, NO_ACTION = "wait", "none"


@dataclass(frozen=True, slots=True)
class Candidate(Record):
    """An action that may answer, with what its windows on the metric showed so far."""

    action: str
    mode: str  # as set
    licence: str
    costly: bool  # waits for a quiet slot
    outcomes: tuple[WindowOutcome, ...]
    better: int  # -1 when a fall of the metric is a cure


@dataclass(frozen=True, slots=True)
class EngineActivity(Record):
    """How quiet it is just now."""

    warming_up: bool
    training: bool  # a training is under way
    orders: int  # not filled yet
    since_tick: float | None  # s since the last tick ended, None before the first
    running_action: str | None  # the action that runs just now, whoever asked for it
    rest_seconds: float  # s until another may begin


@dataclass(frozen=True, slots=True)
class ResponsePlan(Record):
    """What is to be done: auto (with the actions to try, best draw first), ask, recommend, observe, wait, or none; `why` in one sentence."""

    mode: str
    actions: tuple[str, ...]
    why: str


def make_generator(seed: int, rule: str, at: int, throw: int) -> np.random.Generator:
    """What is left to chance about a firing; rules that fire in the same moment have dice of their own."""
    return np.random.default_rng([seed, at, throw, int.from_bytes(blake2b(rule.encode(), digest_size=8).digest())])


def default_mode(action: Action) -> str:
    """What can change a decision is not done unasked."""
    return RECOMMEND if action.changes_decisions else AUTO


def effective_mode(mode: str, licence: str) -> str:
    """What the mode comes to under a licence."""
    if licence == QUARANTINED:
        return OFF
    return RECOMMEND if licence == RECOMMEND and mode in {ASK, AUTO} else mode


def treatment_probability(outcomes: Sequence[WindowOutcome]) -> float:
    """With which the action is run and not left out."""
    return CHANCE_FIRST if sum(not one.treated for one in outcomes) < MIN_CONTROLS else CHANCE_LATER


def sample_gain(candidate: Candidate, chance: np.random.Generator) -> float:
    """A gain drawn from what is known of the action on this metric, in scales of the change.

    Thompson sampling: before any window the gain is N(0, 1); t windows with the action and p without, which differ by g scales, have told it with a
    variance of 1 / t + 1 / p, so the posterior is normal. An action that was seldom tried is drawn high now and then and so gets its turn.
    """
    gain, _, treated, placebos = standardised_gain(candidate.outcomes, candidate.better)
    told = 1.0 / (1.0 / treated + 1.0 / placebos) if treated and placebos else 0.0
    return float(chance.normal(gain * told / (1.0 + told), 1.0 / np.sqrt(1.0 + told)))


def summarise_outcomes(candidate: Candidate) -> str:
    """In how many windows the metric got better, with the action and without."""
    known = [(one.treated, one.change * candidate.better > 0) for one in candidate.outcomes if np.isfinite(one.change)]
    with_it, without = ([better for treated, better in known if treated is ran] for ran in (True, False))
    if not with_it:
        return "not tried yet"
    told = f"better in {sum(with_it)} of {len(with_it)} windows"
    return f"{told}, {sum(without)} of {len(without)} without it" if without else told


def plan_response(candidates: Sequence[Candidate], slot: EngineActivity, chance: np.random.Generator) -> ResponsePlan:
    """What is done about a rule, of which these are the candidates; the same chance gives the same answer.

    Whatever may run by itself goes before what must be asked for, that before what is only recommended. Among equals the best draw goes first.
    """
    drawn = sorted(((sample_gain(one, chance), one) for one in candidates), key=lambda pair: -pair[0])
    modes = {one.action: effective_mode(one.mode, one.licence) for _, one in drawn}
    told = ", ".join(f"{one.action} {gain:+.2f} ({summarise_outcomes(one)})" for gain, one in drawn if modes[one.action] != OFF)
    for mode in (AUTO, ASK, RECOMMEND, OBSERVE):
        able = [one for _, one in drawn if modes[one.action] == mode]
        if not able:
            continue
        said = f"drawn by what they did before: {told}"
        return _now(able, slot, said) if mode == AUTO else ResponsePlan(mode, (able[0].action,), said)
    left = ", ".join(f"{one.action} is {_why_not(one)}" for one in candidates)
    return ResponsePlan(NO_ACTION, (), left or "no action answers to this rule")


def why_busy(slot: EngineActivity) -> str | None:
    """Why nothing may begin now; None when something may."""
    if slot.running_action is not None:
        return f"{slot.running_action} is under way: one at a time"
    return f"rests for {slot.rest_seconds:.0f} s more" if slot.rest_seconds > 0.0 else None


def why_not_quiet(slot: EngineActivity) -> str | None:
    """Why a costly action may not begin now; None in a quiet slot."""
    if slot.warming_up:
        return "the engine warms up"
    if slot.training:
        return "a training is under way"
    if slot.orders:
        return f"{slot.orders} orders wait for their fill"
    if slot.since_tick is None or slot.since_tick > AFTER_TICK_SECONDS:
        return "the next tick may be near"
    return None


def _now(able: Sequence[Candidate], slot: EngineActivity, said: str) -> ResponsePlan:
    hindered = why_busy(slot)
    if hindered is not None:
        return ResponsePlan(WAIT, (able[0].action,), f"{hindered}; {said}")
    loud = why_not_quiet(slot)
    ready = tuple(one.action for one in able if loud is None or not one.costly)
    if not ready:
        return ResponsePlan(WAIT, (able[0].action,), f"waits for a quiet slot: {loud}; {said}")
    return ResponsePlan(AUTO, ready, said)


def _why_not(one: Candidate) -> str:
    return "quarantined" if one.licence == QUARANTINED else "off"
