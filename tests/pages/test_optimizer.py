"""Optimizer: every view with every store, firing rules with their responses, previews before rules apply, and no hostile text."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.domain.optimization import Firing
from engine.service.clock import WallClock
from engine.store.write.writer import Writer
from tests.pages.stores import beat, copied, store
from tests.pages.test_pages import UNREADABLE, run, text
from tests.store.made_trials import HOSTILE, at_work

PAGE = "10_optimizer.py"
VIEWS = ("Actions", "History", "Savings", "Rules")


@pytest.fixture(scope="module")
def busy(full_store: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, int]]:
    """A store whose optimizer is at work."""
    folder = tmp_path_factory.mktemp("busy")
    url = copied(full_store, folder)
    now = WallClock().now()
    beat(folder, now)
    return url, at_work(url, now, holder="made")


@pytest.fixture
def working(busy: tuple[str, dict[str, int]], tmp_path: Path) -> str:
    """A copy of it that may be written to."""
    return copied(busy[0], tmp_path / "own")


def press(app: AppTest, label: str) -> AppTest:
    return next(button for button in app.button if button.label == label).click().run()


def field(app: AppTest, key: str) -> Any:
    """The field whose key begins so."""
    return next(field for field in app.text_input if str(field.key).startswith(key))


def finish_commands(url: str) -> None:
    """Nothing waits any more."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute("UPDATE commands SET status = 'done' WHERE status <> 'done'")


def newest(url: str) -> tuple[str, dict[str, str], str]:
    """The command that was given last: its name, arguments and reason."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        name, args, reason = connection.execute("SELECT name, args, reason FROM commands ORDER BY id DESC LIMIT 1").fetchone()
    return name, json.loads(args), reason


@pytest.mark.parametrize("state", ["empty", "locked", "engine down"])
@pytest.mark.parametrize("view", VIEWS[1:])
def test_every_view_works_with_every_store(view: str, state: str, full_store: str, tmp_path: Path) -> None:
    with store(state, full_store, tmp_path) as url:
        app = run(PAGE, url, view=view)
    assert not app.exception
    shown = text(app)
    assert "nan" not in shown.lower()
    assert (UNREADABLE.get(state) or ("waiting for" if state == "empty" else view)) in shown


def test_a_firing_rule_shows_its_value_its_levels_and_the_planned_response_with_its_reason(busy: tuple[str, dict[str, int]]) -> None:
    shown = text(run(PAGE, busy[0]))
    for part in ("Disk full.", "host disk: now 8", "fired", "at 86.1 %", "Fires: host disk above 85 % for 2 min", "Clears: at or below 75 %",
                 "Recommends trim cache, because it freed 310 MB (190..420) in 6 of 7 trials", "No data for IO pressure"):  # fmt: skip
        assert part in shown
    assert "Host memory." not in shown  # it has cleared


def test_the_buttons_of_the_recommendation_send_the_rule_as_reason(working: str) -> None:
    app = run(PAGE, working)
    assert next(button for button in app.button if button.label == "Run trim cache now").disabled  # bob's run of it is under way
    finish_commands(working)
    press(app.run(), "Run trim cache now")
    assert newest(working) == ("optimize", {"action": "trim_cache"}, "rule disk full fires")
    press(app, "Silence 1 h")
    assert newest(working) == ("silence", {"rule": "disk_full", "minutes": "60"}, "rule disk full silenced on Optimizer")


def test_the_queue_shows_sender_reason_and_progress(busy: tuple[str, dict[str, int]]) -> None:
    shown = text(run(PAGE, busy[0]))
    assert "trim cache, requested by bob: memory is short. Measuring" in shown
    assert ", 6 s left" in shown
    assert "delete temp, requested by carol: memory is short. Wait" in shown
    assert shown.index("requested by bob") < shown.index("requested by carol")


def test_a_manual_run_shows_its_direct_effect_apart_from_the_measured_one(busy: tuple[str, dict[str, int]]) -> None:
    shown = text(run(PAGE, busy[0], view="History", trial=str(busy[1]["by hand"])))
    assert "Direct effect: collected 53,112 objects" in shown
    effect = "-29.6 MB (-34.0 to -25.0) against 90 idle windows at a comparable level. An indication: the run was not randomised."
    assert effect in shown.replace("\N{MINUS SIGN}", "-")
    assert shown.index("Better than usual. Process RSS went") < shown.index("Direct effect: collected")
    assert "helped" not in shown.split("Trial ")[1].split("History")[0]


@pytest.mark.parametrize("which", ["rule", "placebo"])
def test_a_trial_is_reached_by_its_link(which: str, busy: tuple[str, dict[str, int]]) -> None:
    app = run(PAGE, busy[0], view="History", trial=str(busy[1][which]))
    assert not app.exception
    assert f"Trial {busy[1][which]}" in text(app)


@pytest.mark.parametrize("number", ["99999", "9" * 40, "²"])
def test_a_link_to_no_trial_says_so_or_shows_the_list(number: str, busy: tuple[str, dict[str, int]]) -> None:
    app = run(PAGE, busy[0], view="History", trial=number)
    assert not app.exception
    assert ("trial 99999 is not stored" in text(app)) == (number == "99999")


def test_savings_show_intervals_and_what_was_left_out(busy: tuple[str, dict[str, int]]) -> None:
    shown = text(run(PAGE, busy[0], view="Savings"))
    for part in (
        "Saved, memory",
        "n=16",
        "Success rate",
        "Manual runs",
        "not randomised",
        "1 undone",
        "8 control windows",
        "widened as though all runs",
    ):
        assert part in shown
    assert "1 of 1 helped, n=1" in shown  # too few for an interval: not enough data, with its n


def test_a_question_is_approved_or_declined_with_one_press(working: str) -> None:
    writer = Writer(working, "made")
    number = writer.save_firing(
        Firing(
            WallClock().now() - 10**9,
            "temp_folder",
            "threshold",
            "engine.temp_bytes",
            3e8,
            2e8,
            "fired",
            "asks whether to run delete_temp: within 10 min",
        )
    )
    writer.close()
    app = run(PAGE, working)
    assert "Asks whether to run delete_temp" in text(app)
    press(app, "Approve")
    assert newest(working)[:2] == ("approve", {"id": str(number)})
    press(app, "Decline")
    assert newest(working)[:2] == ("approve", {"id": str(number), "answer": "no"})


def test_a_mode_is_set_and_a_licence_restored_for_a_reason(working: str) -> None:
    app = run(PAGE, working)
    app.selectbox(key="action_to_run").set_value("resize_threads").run()
    press(app, "Restore licence")
    assert "Give a reason" in text(app)
    field(app, "reason_to_run").set_value("it was the other job")
    press(app, "Restore licence")
    assert newest(working) == ("licence", {"action": "resize_threads", "licence": "auto"}, "it was the other job")
    next(box for box in app.selectbox if box.label == "Mode").set_value("ask").run()
    press(app, "Set mode")
    assert newest(working) == ("mode", {"action": "resize_threads", "mode": "ask"}, "it was the other job")


def test_rules_show_their_sources(busy: tuple[str, dict[str, int]]) -> None:
    shown = text(run(PAGE, busy[0], view="Rules"))
    assert shown.count("changed here") == 1
    assert "host disk above 85 % for 2 min" in shown
    assert "host memory above 90 % for 30 s" in shown


def test_a_rule_is_previewed_on_what_was_stored_and_only_then_applied(working: str) -> None:
    app = run(PAGE, working, view="Rules", rule="disk_full")
    field(app, "level_disk_full").set_value("89")
    field(app, "recovery_disk_full").set_value("84")
    field(app, "hold_disk_full").set_value("30s")
    before = newest(working)
    press(app, "Preview")
    shown = text(app)
    assert "Would have fired" in shown
    assert "samples of 49 min" in shown or "samples of 50 min" in shown
    assert newest(working) == before
    press(app, "Apply")
    assert "Give a reason" in text(app)
    assert field(app, "level_disk_full").value == "89"
    field(app, "reason_disk_full").set_value("it fired too often")
    press(app, "Apply")
    name, args, reason = newest(working)
    assert (name, reason) == ("rule", "it fired too often")
    assert args["name"] == "disk_full"
    assert {args["above"], args["recovery"], args["hold"]} == {"89", "84", "30"}


def test_an_invalid_value_is_reported_in_one_line_and_nothing_typed_is_lost(working: str) -> None:
    app = run(PAGE, working, view="Rules", rule="disk_full")
    before = newest(working)
    for key, value, message in (
        ("level_disk_full", "much", "above is 'much': give a number"),
        ("recovery_disk_full", "99", "recovery is 99: give at most the level 85"),
        ("hold_disk_full", "soon", "'soon'"),
    ):
        old = field(app, key).value
        field(app, key).set_value(value)
        for button in ("Preview", "Apply"):
            press(app, button)
            assert message.replace("'", "&#x27;") in text(app)
            assert field(app, key).value == value
        field(app, key).set_value(old)
    assert newest(working) == before
    assert not app.exception


def test_a_change_is_taken_back(working: str) -> None:
    app = run(PAGE, working, view="Rules", rule="disk_full")
    field(app, "reason_disk_full").set_value("as it was")
    press(app, "Reset")
    assert newest(working) == ("rule", {"name": "disk_full", "reset": "true"}, "as it was")


@pytest.mark.parametrize("rule", ["memory_growth", "tick_slower", "nightly"])
def test_rules_of_every_kind_are_previewed(rule: str, working: str) -> None:
    app = press(run(PAGE, working, view="Rules", rule=rule), "Preview")
    assert not app.exception
    assert "Would have fired" in text(app) or "not enough data" in text(app)


@pytest.mark.parametrize("view", VIEWS)
def test_hostile_words_are_text_and_nothing_else(view: str, full_store: str, tmp_path: Path) -> None:
    url = copied(full_store, tmp_path / "hostile")
    numbers = at_work(url, WallClock().now(), hostile=True)
    app = run(PAGE, url, view=view, trial=str(numbers["by hand"]), rule="disk_full")
    assert not app.exception
    shown = text(app)
    assert "<img" not in shown
    assert "<script" not in shown
    assert "&lt;img src=x" in shown
    assert HOSTILE not in shown


def test_what_was_not_changed_cannot_be_taken_back(working: str) -> None:
    app = press(run(PAGE, working, view="Rules", rule="host_memory"), "Reset")
    assert "was not changed here" in text(app)
    assert newest(working)[0] == "optimize"


def test_the_form_shows_the_rule_as_it_has_become(working: str) -> None:
    app = run(PAGE, working, view="Rules", rule="disk_full")
    assert field(app, "level_disk_full").value == "85"
    with closing(sqlite3.connect(working.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute("DELETE FROM rules")
    assert field(app.run(), "level_disk_full").value == "90"
