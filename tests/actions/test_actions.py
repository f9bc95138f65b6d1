"""What holds for every action there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.domain.tuning import Action, Measured
from engine.probes.probes import Probes
from engine.probes.work import Work
from engine.shell.clock import WallClock
from engine.shell.tune import actions
from tests.actions.makers import room

EVERY = tuple(actions().values())


def test_the_three_actions_have_their_stable_names() -> None:
    assert {"collect_garbage", "delete_temp", "tune_database"} <= set(actions())


@pytest.mark.parametrize("action", EVERY, ids=lambda action: action.name)
def test_it_says_what_it_is_and_cures_a_reading_that_there_is(action: Action, tmp_path: Path) -> None:
    (tmp_path / "podium.db").write_bytes(b"x")
    readings = Probes(tmp_path, WallClock(), Work(tmp_path / "podium.db")).read()
    assert action.cures in {f"{reading.source}.{reading.name}" for reading in readings}
    assert action.kind in {"memory", "cpu", "disk", "error recovery", "performance"}
    assert action.better in {-1, 1}
    assert action.cost in {"none", "low", "high"}
    assert action.about.endswith(".")


@pytest.mark.parametrize("action", EVERY, ids=lambda action: action.name)
def test_a_dry_run_does_nothing_and_says_what_it_would_do(action: Action, tmp_path: Path) -> None:
    measured = action.do(room(tmp_path, dry_run=True))
    assert isinstance(measured, Measured)
    assert (measured.done, measured.amount) == (False, 0.0)
    assert measured.detail
    assert list(tmp_path.iterdir()) == []
