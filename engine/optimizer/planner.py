"""Plan the response to a rule that fired: which action, with or without a person's approval, and whether now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from engine import units
from engine.domain.optimization import Action, WindowOutcome
from engine.domain.record import Record
from engine.domain.rules import ASK, AUTO, OBSERVE, OFF, QUARANTINED, RECOMMEND
from engine.optimizer.pooled_test import standardised_gain

MIN_CONTROLS = 8  # controls of an action on a metric, until which every second response is to withhold the action
CHANCE_FIRST, CHANCE_LATER = 0.5, 0.8  # probability that the action is run
APPROVAL_SECONDS = 600.0  # that a request for approval stays open
AFTER_TICK_SECONDS = 1.0  # s after a tick in which a costly action may begin
WAIT, NO_ACTION = "wait", "none"


@dataclass(frozen=True, slots=True)
class Candidate(Record):
    """An action that may respond, with its outcomes on the metric so far."""

    action: str
    mode: str  # as set
    licence: str
    costly: bool  # waits for a quiet slot
    outcomes: tuple[WindowOutcome, ...]
    better: int  # -1 where a fall of the metric is a cure


@dataclass(frozen=True, slots=True)
class EngineActivity(Record):
    """What the engine is busy with right now."""

    warming_up: bool
    training: bool
    orders: int  # not filled yet
    since_tick: float | None  # s since the last tick ended; None before the first
    running_action: str | None  # the action that runs right now, automatic or manual
    rest_seconds: float  # s until another may start


@dataclass(frozen=True, slots=True)
class ResponsePlan(Record):
    """What to do: auto (with the actions to try, best draw first), ask, recommend, observe, wait, or none; `why` is one sentence."""

    mode: str
    actions: tuple[str, ...]
    why: str


def make_generator(seed: int, rule: str, at: int, throw: int) -> np.random.Generator:
    """The random generator of a firing; rules that fire at the same moment have independent ones."""
    return np.random.default_rng([seed, at, throw, int.from_bytes(blake2b(rule.encode(), digest_size=8).digest())])


def default_mode(action: Action) -> str:
    """The mode of an action that nobody has set: an action that can change a decision is only recommended."""
    return RECOMMEND if action.changes_decisions else AUTO


def effective_mode(mode: str, licence: str) -> str:
    """The mode that a licence leaves of the mode set."""
    if licence == QUARANTINED:
        return OFF
    return RECOMMEND if licence == RECOMMEND and mode in {ASK, AUTO} else mode


def treatment_probability(outcomes: Sequence[WindowOutcome]) -> float:
    """The probability that the action is run and not withheld."""
    return CHANCE_FIRST if sum(not outcome.treated for outcome in outcomes) < MIN_CONTROLS else CHANCE_LATER


def sample_gain(candidate: Candidate, chance: np.random.Generator) -> float:
    """A gain drawn from the posterior of the action's effect on this metric, in scales of the change.

    Thompson sampling: the prior is N(0, 1); t treated windows and p controls that differ by g scales measure the gain with a variance of
    1 / t + 1 / p, so the posterior is normal. An action that was seldom tried is drawn high now and then, and so gets its turn.
    """
    gain, _, treated, placebos = standardised_gain(candidate.outcomes, candidate.better)
    precision = 1.0 / (1.0 / treated + 1.0 / placebos) if treated and placebos else 0.0
    return float(chance.normal(gain * precision / (1.0 + precision), 1.0 / np.sqrt(1.0 + precision)))


def summarise_outcomes(candidate: Candidate) -> str:
    """In how many windows the metric improved, with the action and without, in words."""
    known = [(outcome.treated, outcome.change * candidate.better > 0) for outcome in candidate.outcomes if np.isfinite(outcome.change)]
    with_it, without = ([better for treated, better in known if treated is ran] for ran in (True, False))
    if not with_it:
        return "not tried yet"
    summary = f"better in {sum(with_it)} of {len(with_it)} windows"
    return f"{summary}, {sum(without)} of {len(without)} controls" if without else summary


def plan_response(candidates: Sequence[Candidate], slot: EngineActivity, chance: np.random.Generator) -> ResponsePlan:
    """The response to a rule with these candidates; the same generator gives the same response.

    Actions that may run on their own go before those that need approval, and those before recommended ones. Within a mode the best draw goes first.
    """
    drawn = sorted(((sample_gain(candidate, chance), candidate) for candidate in candidates), key=lambda pair: -pair[0])
    modes = {candidate.action: effective_mode(candidate.mode, candidate.licence) for candidate in candidates}
    summary = ", ".join(
        f"{candidate.action} {units.format_number(gain, 2, signed=True)} ({summarise_outcomes(candidate)})"
        for gain, candidate in drawn
        if modes[candidate.action] != OFF
    )
    why = f"sampled gains: {summary}"
    for mode in (AUTO, ASK, RECOMMEND, OBSERVE):
        able = [candidate for _, candidate in drawn if modes[candidate.action] == mode]
        if able:
            return _respond_now(able, slot, why) if mode == AUTO else ResponsePlan(mode, (able[0].action,), why)
    left = ", ".join(f"{candidate.action} is {'quarantined' if candidate.licence == QUARANTINED else 'off'}" for candidate in candidates)
    return ResponsePlan(NO_ACTION, (), left or "no action responds to this rule")


def why_busy(slot: EngineActivity) -> str | None:
    """Why no experiment may start now; None where one may."""
    if slot.running_action is not None:
        return f"{slot.running_action} is under way: one at a time"
    return f"rests for {units.format_age(slot.rest_seconds)} more" if slot.rest_seconds > 0.0 else None


def why_not_quiet(slot: EngineActivity) -> str | None:
    """Why a costly action may not start now; None at a quiet moment."""
    if slot.warming_up:
        return "the engine is warming up"
    if slot.training:
        return "a training is under way"
    if slot.orders:
        return f"{slot.orders} orders are not filled yet"
    if slot.since_tick is None or slot.since_tick > AFTER_TICK_SECONDS:
        return "the next tick may be near"
    return None


def _respond_now(able: Sequence[Candidate], slot: EngineActivity, why: str) -> ResponsePlan:
    obstacle = why_busy(slot)
    if obstacle is not None:
        return ResponsePlan(WAIT, (able[0].action,), f"{obstacle}; {why}")
    disturbance = why_not_quiet(slot)
    ready = tuple(candidate.action for candidate in able if disturbance is None or not candidate.costly)
    if not ready:
        return ResponsePlan(WAIT, (able[0].action,), f"a costly action needs a quiet moment: {disturbance}; {why}")
    return ResponsePlan(AUTO, ready, why)
