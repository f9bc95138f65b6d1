"""The states of firings and experiments: the drawings in the documentation are those of the code, and no other transition is made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import pytest

from engine.optimizer.states import EXPERIMENT_TRANSITIONS, FIRING_TRANSITIONS, ExperimentState, FiringState, advance_state

PAGE = Path(__file__).parents[2] / "docs" / "optimizer_states.md"
MACHINES: dict[str, Mapping[StrEnum, frozenset[StrEnum]]] = {"A firing": FIRING_TRANSITIONS, "An experiment": EXPERIMENT_TRANSITIONS}  # type: ignore[dict-item]


def section(title: str) -> str:
    return PAGE.read_text(encoding="utf-8").split(f"## {title}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("title", MACHINES)
def test_the_drawing_shows_the_transitions_of_the_code(title: str) -> None:
    drawn = set(re.findall(r"^    (\S+) --> (\S+)$", section(title), re.MULTILINE))
    transitions = MACHINES[title]
    coded = {(str(state), str(target)) for state, targets in transitions.items() for target in targets}
    first = next(iter(transitions))
    assert drawn == coded | {("[*]", str(first))} | {(str(state), "[*]") for state, targets in transitions.items() if not targets}


@pytest.mark.parametrize("title", MACHINES)
def test_each_state_is_explained_in_a_sentence(title: str) -> None:
    rows = dict(re.findall(r"^\| (\w+) \| (.+) \|$", section(title), re.MULTILINE))
    rows.pop("state")
    assert list(rows) == [str(state) for state in MACHINES[title]]
    assert all(text.endswith(".") for text in rows.values())


@pytest.mark.parametrize(("transitions", "states"), [(EXPERIMENT_TRANSITIONS, ExperimentState), (FIRING_TRANSITIONS, FiringState)])
def test_every_state_has_its_transitions(transitions: Mapping[StrEnum, frozenset[StrEnum]], states: type[StrEnum]) -> None:
    assert list(transitions) == list(states)


def test_a_transition_that_does_not_exist_is_refused_by_name() -> None:
    assert advance_state(EXPERIMENT_TRANSITIONS, ExperimentState.PLANNED, ExperimentState.ACTING) is ExperimentState.ACTING
    with pytest.raises(ValueError, match="ExperimentState goes from recorded to acting: it may go to nothing"):
        advance_state(EXPERIMENT_TRANSITIONS, ExperimentState.RECORDED, ExperimentState.ACTING)
    with pytest.raises(ValueError, match="FiringState goes from asking to running: it may go to answered, expired"):
        advance_state(FIRING_TRANSITIONS, FiringState.ASKING, FiringState.RUNNING)
