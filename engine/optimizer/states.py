"""The states of an experiment and of a firing, and the transitions between them; docs/optimizer_states.md draws both."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar


class ExperimentState(StrEnum):
    """Where an experiment stands: one run of an action, or one window in which it is withheld."""

    PLANNED = "planned"  # action, metric, pause and arm are fixed; nothing has happened
    ACTING = "acting"  # the action runs
    SETTLING = "settling"  # the pause between the two spans, alike with and without the action
    OBSERVING = "observing"  # the span after
    JUDGING = "judging"  # the change is compared with the changes of control windows
    UNDOING = "undoing"  # it harmed: the action is taken back
    RECORDED = "recorded"  # the trial is stored
    DECLINED = "declined"  # the action had nothing to do: no trial
    FAILED = "failed"  # the action raised


class FiringState(StrEnum):
    """What has been done about a rule that fired."""

    PENDING = "pending"  # nothing yet
    WAITING = "waiting"  # an action is chosen and its time has not come
    RUNNING = "running"  # an experiment is under way
    ASKING = "asking"  # a person has to approve
    ANSWERED = "answered"  # an experiment has ended, or the answer is that nothing is run
    EXPIRED = "expired"  # nothing was done, or nobody approved, in time
    SUPERSEDED = "superseded"  # the rule cleared, fired again, lost its metric or was changed first


_E, _F = ExperimentState, FiringState

EXPERIMENT_TRANSITIONS: Mapping[ExperimentState, frozenset[ExperimentState]] = {
    _E.PLANNED: frozenset({_E.ACTING, _E.SETTLING}),
    _E.ACTING: frozenset({_E.SETTLING, _E.DECLINED, _E.FAILED}),
    _E.SETTLING: frozenset({_E.OBSERVING, _E.JUDGING}),
    _E.OBSERVING: frozenset({_E.JUDGING}),
    _E.JUDGING: frozenset({_E.UNDOING, _E.RECORDED}),
    _E.UNDOING: frozenset({_E.RECORDED}),
    _E.RECORDED: frozenset(),
    _E.DECLINED: frozenset(),
    _E.FAILED: frozenset(),
}

FIRING_TRANSITIONS: Mapping[FiringState, frozenset[FiringState]] = {
    _F.PENDING: frozenset({_F.WAITING, _F.RUNNING, _F.ASKING, _F.ANSWERED, _F.EXPIRED, _F.SUPERSEDED}),
    _F.WAITING: frozenset({_F.RUNNING, _F.ASKING, _F.ANSWERED, _F.EXPIRED, _F.SUPERSEDED}),
    _F.RUNNING: frozenset({_F.PENDING, _F.ANSWERED}),
    _F.ASKING: frozenset({_F.ANSWERED, _F.EXPIRED}),
    _F.ANSWERED: frozenset(),
    _F.EXPIRED: frozenset(),
    _F.SUPERSEDED: frozenset(),
}

S = TypeVar("S", bound=StrEnum)


def advance_state(transitions: Mapping[S, frozenset[S]], state: S, target: S) -> S:
    """The state after a transition; raises ValueError where there is no such transition."""
    if target not in transitions[state]:
        raise ValueError(f"{type(state).__name__} goes from {state} to {target}: it may go to {', '.join(sorted(transitions[state])) or 'nothing'}")
    return target
