"""Rules that hold for every action."""

from __future__ import annotations

import os
import stat
from itertools import product
from pathlib import Path

import pytest

from engine.domain.optimization import Action, ActionResult
from engine.files.owned_folders import TEMPORARY
from engine.optimizer.runtime.experiment import ActionError, load_actions, run_action
from engine.probes.engine import EngineProbe
from engine.probes.probes import Probes
from engine.service.clock import WallClock
from tests.actions.engines import desk
from tests.actions.hostile import HOSTILE, around, rotated, world
from tests.actions.makers import Plain, make_context
from tests.optimizer.test_experiment import World

EVERY = tuple(load_actions().values())
KNOBS = tuple(action for action in EVERY if action.undo is not None)
OWN = {"collect_garbage"}  # its condition is this process's memory: test_collect_garbage.py makes it in a process of its own


class Seconds(WallClock):
    """A clock on which a second goes by between two looks."""

    def __init__(self) -> None:
        self._tick = 0.0

    def tick(self) -> float:
        self._tick += 1.0
        return self._tick


def one_line(measured: ActionResult) -> bool:
    return measured.detail.isprintable() and 0 < len(measured.detail) < 1_000


def tuned() -> ActionResult:
    return ActionResult(1.0, "bytes", "tuned")


def test_the_twelve_actions_have_their_stable_names_and_kinds() -> None:
    assert {(action.name, action.kind) for action in EVERY} == {
        ("collect_garbage", "memory"), ("clear_caches", "memory"), ("compact_data", "memory"), ("resize_threads", "cpu"), ("cheaper_models", "cpu"),
        ("slow_polling", "cpu"), ("delete_temp", "disk"), ("compress_logs", "disk"), ("trim_cache", "disk"), ("recover_component", "error recovery"),
        ("tune_database", "performance"), ("tune_batch", "performance"),
    }  # fmt: skip


def test_only_resting_models_changes_decisions_and_every_knob_can_be_taken_back() -> None:
    assert [action.name for action in EVERY if action.changes_decisions] == ["cheaper_models"]
    assert {action.name for action in KNOBS} == {"resize_threads", "cheaper_models", "slow_polling", "tune_batch"}


@pytest.mark.parametrize("action", EVERY, ids=lambda action: action.name)
def test_it_says_what_it_is_and_cures_a_reading_that_there_is(action: Action, tmp_path: Path) -> None:
    (tmp_path / "podium.db").write_bytes(b"x")
    rotated(tmp_path / "logs")
    work = EngineProbe(tmp_path / "podium.db")
    work.record_tick(3.0, 8, 0, WallClock().now(), save_ms=1.0)
    work.record_write(1.0)
    probes = Probes(tmp_path, Seconds(), work)
    readings = (*probes.read(), *probes.read())
    assert action.metric in {f"{reading.source}.{reading.name}" for reading in readings}
    assert action.better in {-1, 1}
    assert action.cost in {"none", "low", "high"}
    assert action.description.endswith(".")
    assert "\n" not in action.description


@pytest.mark.parametrize("action", EVERY, ids=lambda action: action.name)
@pytest.mark.parametrize("idle", [True, False])
def test_a_dry_run_does_nothing_and_says_what_it_would_do(action: Action, idle: bool, tmp_path: Path) -> None:
    if not idle:
        rotated(tmp_path / "logs")
    actuators, before = Plain(idle=idle), world(tmp_path)
    values = dict(actuators.values)
    measured = action.run(make_context(tmp_path, dry_run=True, actuators=actuators))
    assert (measured.done, measured.amount) == (False, 0.0)
    assert one_line(measured)
    assert world(tmp_path) == before
    assert (actuators.values, actuators.moved) == (values, [])
    opening = "nothing" if idle or action.name in OWN else "dry run: would"
    if not (action.name == "delete_temp" and not idle):
        assert measured.detail.startswith((opening, "dry run: "))


@pytest.mark.parametrize("action", [action for action in EVERY if action.name not in OWN], ids=lambda action: action.name)
def test_without_its_condition_it_declines_and_leaves_no_trace(action: Action, tmp_path: Path) -> None:
    actuators, before = Plain(idle=True), world(tmp_path)
    values = dict(actuators.values)
    measured = action.run(make_context(tmp_path, actuators=actuators))
    assert (measured.done, measured.amount) == (False, 0.0)
    assert measured.detail.startswith("nothing ")
    assert one_line(measured)
    assert (world(tmp_path), actuators.values, actuators.moved) == (before, values, [])


@pytest.mark.parametrize("action", KNOBS, ids=lambda action: action.name)
def test_undo_restores_what_was_turn_by_turn_and_then_declines(action: Action, tmp_path: Path) -> None:
    assert action.undo is not None
    actuators = Plain()
    seen = [dict(actuators.values)]
    while action.run(make_context(tmp_path, actuators=actuators)).done:
        seen.append(dict(actuators.values))
    assert 1 < len(seen) < 5
    for earlier in reversed(seen[:-1]):
        assert not action.undo(make_context(tmp_path, actuators=actuators, dry_run=True)).done
        measured = action.undo(make_context(tmp_path, actuators=actuators))
        assert measured.done
        assert measured.detail.startswith("reverted: ")
        assert actuators.values == earlier
    measured = action.undo(make_context(tmp_path, actuators=actuators))
    assert not measured.done
    assert measured.detail.startswith("nothing to revert")


@pytest.mark.parametrize("action", KNOBS, ids=lambda action: action.name)
def test_an_override_expires_after_half_an_hour(action: Action, tmp_path: Path) -> None:
    actuators = Plain()
    usual = dict(actuators.values)
    assert action.run(make_context(tmp_path, actuators=actuators)).done
    dials = (actuators.threads, actuators.resting_models, actuators.polling, actuators.batches)
    actuators.seconds = 1_799.0
    assert [dial.expire() for dial in dials] == [None] * 4
    assert actuators.values != usual
    actuators.seconds = 1_800.0
    assert sum(dial.expire() is not None for dial in dials) == 1
    assert actuators.values == usual
    assert [dial.revert() for dial in dials] == [None] * 4


@pytest.mark.parametrize(
    "action", [action for action in EVERY if action.name in {"compress_logs", "delete_temp", "trim_cache"}], ids=lambda action: action.name
)
def test_a_folder_of_its_own_that_is_a_link_is_refused_in_one_line(action: Action, tmp_path: Path) -> None:
    victim, home = tmp_path / "outside", tmp_path / "home"
    home.mkdir()
    rotated(victim)
    before = world(victim)
    for name in ("logs", TEMPORARY.name, "backtests"):
        (home / name).symlink_to(victim)
    with pytest.raises((OSError, ValueError), match="cannot be") as raised:
        action.run(make_context(home, actuators=Plain()))
    assert str(raised.value).isprintable()
    assert world(victim) == before


def test_none_touches_anything_outside_this_process_and_its_folder_whatever_lies_in_it(tmp_path: Path) -> None:
    """Every action there is runs for real, on a real engine and its store, its folders full of links and hostile names, sentinels all round."""
    home, outside = tmp_path / "outside" / "home", tmp_path / "outside"
    with desk(home) as made:
        for _ in range(3):
            made._step()
        around(outside, home)
        before = {path: entry for path, entry in world(outside).items() if not path.startswith(str(home))}
        assert len(before) > 10
        files = {path for path in world(home) if not path.startswith(f"{home}/podium.db")}
        for action in EVERY:
            progress_log: list[tuple[float, str]] = []
            measured = action.run(
                make_context(home, actuators=made.actuators, tune_store=made._writer.tune, progress_log=progress_log, now=WallClock().now())
            )
            assert one_line(measured), action.name
            assert all(0.0 <= progress <= 1.0 for progress, _ in progress_log)
            if action.undo is not None:
                assert one_line(action.undo(make_context(home, actuators=made.actuators)))
        after = {path: entry for path, entry in world(outside).items() if not path.startswith(str(home))}
        assert after == before
        deleted = files - set(world(home))
        assert deleted == {
            f"{home}/logs/podium.log.1", f"{home}/logs/podium.log.2", f"{home}/backtests/20200101-000000-7.draft",
            f"{home}/{TEMPORARY.name}/rows-0123456789abcdef",
        }  # fmt: skip
        assert any(path.endswith(".log.zst") for path in world(home))
        for folder, name in product((b"logs", os.fsencode(TEMPORARY.name)), HOSTILE):
            assert os.path.lexists(os.path.join(os.fsencode(home), folder, name))  # noqa: PTH118 a hostile name may be no sound Path
        assert stat.S_ISLNK(os.lstat(home / "logs/podium.log.3").st_mode)


@pytest.mark.parametrize(
    "action", [action for action in EVERY if action.name not in {*OWN, "delete_temp", "compress_logs"}], ids=lambda action: action.name
)
def test_a_lever_that_fails_ends_in_one_line(action: Action, tmp_path: Path) -> None:
    """Every lever raises, as where no engine runs."""
    world = World()
    with pytest.raises(ActionError) as raised:
        run_action(action.name, world.parts(tmp_path), dry_run=False, report_progress=world.tell, known={action.name: action})
    assert str(raised.value) == f"{action.name} failed: no engine runs here: there is nothing to change"
    assert world.trials == []
