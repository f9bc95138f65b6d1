"""The table of actions and the folded rules: evidence, buttons that act on their own row only, obstacles, and silence."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from engine.service.clock import WallClock
from engine.store.read.activity import read_activity, read_silences
from engine.store.read.optimizer import read_actions
from engine.store.read.reader import Reader
from pages.optimizer import action_table, recommendation, requests, rule_list, text
from pages.optimizer.requests import RunState
from pages.optimizer.rules import DEFAULT, RuleSource
from tests.pages.stores import STATES, beat, copied, store
from tests.pages.test_optimizer import PAGE, finish_commands, newest
from tests.pages.test_pages import UNREADABLE, run
from tests.pages.test_pages import text as shown_text
from tests.store.made_trials import at_work

MINUTE = 60_000_000_000
BUTTON = re.compile(r'<button[^>]*data-act="([^"]*)"[^>]*?(aria-disabled="true")?(?: title="([^"]*)")?>')


@pytest.fixture
def working(full_store: str, tmp_path: Path) -> str:
    """A store whose optimizer is at work under a live engine, with nothing that waits."""
    url, now = copied(full_store, tmp_path), WallClock().now()
    beat(tmp_path, now + 4_000_000_000)
    at_work(url, now, holder="made")
    finish_commands(url)
    return url


def buttons(markup: str) -> dict[str, str]:
    """What the buttons of a table do, each with why it is off; "" where it is on."""
    return {act: why for act, off, why in BUTTON.findall(markup) if bool(off) == bool(why)}


def recommended_rule(url: str, now: int) -> str | None:
    advice = read_activity(Reader(url), now).recommendation
    return None if advice is None else advice[0]


def press_in_table(url: str, act: str, reason: str = "") -> AppTest:
    """Carry out what a button of the table does, as the page does when the browser reports it."""

    def script(url: str, act: str, reason: str) -> None:
        import streamlit as st

        from pages.optimizer import action_table, requests
        from pages.ui import cache

        cache.use_store(url)
        st.session_state["reason_to_run"] = reason
        runs = requests.fetch_requests()
        action_table.carry_out(act, cache.fetch_actions(), alive=runs.is_alive, busy=runs.busy)

    return AppTest.from_function(script, default_timeout=300, args=(url, act, reason)).run()


@pytest.mark.parametrize("state", STATES)
def test_the_page_is_right_with_every_store(state: str, full_store: str, tmp_path: Path) -> None:
    with store(state, full_store, tmp_path) as url:
        app = run(PAGE, url)
        shown = shown_text(app)
    assert not app.exception
    assert "nan" not in shown.lower()
    acts = buttons(shown)
    if state in UNREADABLE or state in {"missing", "blank", "empty"}:
        assert not acts
    elif state == "engine down":
        assert set(acts.values()) == {"no engine runs on this store"}
    elif state in {"full", "paused"}:
        assert acts["run collect_garbage"] == ""


def test_a_row_says_verdict_evidence_mode_and_licence_and_why_it_cannot_run(working: str) -> None:
    shown = shown_text(run(PAGE, working))
    assert "lowered process RSS by 21.4 MB (17.0 to 25.0 MB) and helped in 14 of 17 trials" in shown
    assert shown.index("helped</span>") < shown.index("lowered process RSS")
    acts = buttons(shown)
    assert acts["run resize_threads"] == "quarantined; restore its licence first"
    assert acts["dry resize_threads"] == acts["run trim_cache"] == ""
    assert "recommended now; 0 trials" in shown
    assert re.search(r'data-id="trim_cache" class="mark"', shown)


def test_a_button_acts_on_the_action_that_it_names_and_on_no_other(working: str) -> None:
    assert not press_in_table(working, "run delete_temp", "the disk fills").exception
    assert newest(working) == ("optimize", {"action": "delete_temp"}, "the disk fills")
    assert "the disk fills" in shown_text(run("12_control.py", working))
    press_in_table(working, "dry resize_threads")
    assert newest(working) == ("optimize", {"action": "resize_threads", "dry_run": "true"}, "dry run")
    before = newest(working)
    for act in ("run delete_temp", "run resize_threads", "run nothing_such", "sell trim_cache", "", "run"):  # busy, quarantined, unknown
        press_in_table(working, act)
        assert newest(working) == before


def test_nothing_is_sent_to_an_engine_that_is_gone(full_store: str, tmp_path: Path) -> None:
    with store("engine down", full_store, tmp_path) as url:
        before = newest(url)
        assert not press_in_table(url, "run collect_garbage").exception
        assert newest(url) == before


@settings(deadline=None)
@given(alive=st.booleans(), busy=st.booleans(), dry=st.booleans(), mode=st.sampled_from(["off", "ask", "auto"]),
       licence=st.sampled_from(["auto", "recommend", "quarantined"]))  # fmt: skip
def test_an_action_runs_where_nothing_stands_in_the_way(alive: bool, busy: bool, dry: bool, mode: str, licence: str) -> None:
    action = SimpleNamespace(action="trim_cache", mode=mode, licence=licence)
    why = action_table.find_obstacle(action, alive=alive, busy={"trim_cache"} if busy else set(), dry=dry)
    assert (why == "") == (alive and not busy and (dry or (mode != "off" and licence != "quarantined")))


@pytest.mark.parametrize(
    ("effect", "low", "high", "words"),
    [
        (-310e6, -420e6, -190e6, "lowered host disk by 310 MB (190 to 420 MB) and helped in 6 of 7 trials"),
        (310e6, 190e6, 420e6, "raised host disk by 310 MB (190 to 420 MB) and helped in 6 of 7 trials"),
        (-310e6, -420e6, 10e6, "changed host disk by \N{MINUS SIGN}310 MB (\N{MINUS SIGN}420 to +10 MB) over 7 trials"),
        (-310e6, None, None, "not measured yet, 7 trials"), (None, None, None, "not measured yet, 7 trials"),
    ],
)  # fmt: skip
def test_evidence_is_one_clause_and_claims_no_more_than_is_known(effect: Any, low: Any, high: Any, words: str) -> None:
    action = SimpleNamespace(treated=7, helped=6, effect=effect, low=low, high=high, unit="bytes", metric="host.disk_bytes")
    assert text.describe_evidence(action) == words


def test_the_evidence_stands_in_place_of_sampled_gains() -> None:
    action = SimpleNamespace(action="trim_cache", treated=7, helped=6, effect=-3e8, low=-4e8, high=-2e8, unit="bytes", metric="host.disk_bytes")
    answer = "recommends running trim_cache; sampled gains: trim_cache +0.31 (better in 6 of 7 windows)"
    idle = "nothing was run: trim_cache needs 20 idle windows; sampled gains: trim_cache +0.31"
    assert recommendation.describe_answer(idle, action, ["trim_cache"]) == "Nothing was run: trim cache needs 20 idle windows"
    assert recommendation.describe_answer(answer, action, ["trim_cache"]).startswith(
        "Recommends running trim cache, because it lowered host disk by 300 MB"
    )
    assert requests.find_action("recommends running trim_cache; sampled gains: delete_temp +1", ("delete_temp", "trim_cache")) == "trim_cache"


def test_metrics_are_named_in_words_wherever_they_stand_whole() -> None:
    words = "slow_polling needs 20 idle windows of process.cpu_percent for comparison, there are 2; trim_cache needs one of host.disk_percent"
    shown = recommendation.name_metrics(words, {"", "process.cpu_percent", "host.disk_percent", "host.disk"})
    assert shown == "slow_polling needs 20 idle windows of process CPU for comparison, there are 2; trim_cache needs one of host disk"


def test_the_recommendation_goes_before_newer_firings_without_one() -> None:
    firing: list[dict[str, str | None]] = [
        {"rule": "a", "answer": None},
        {"rule": "b", "answer": "recommends running x"},
        {"rule": "c", "answer": "ran y"},
    ]
    assert recommendation.choose_first(firing) is firing[1]
    assert recommendation.choose_first(firing[:1]) is firing[0]
    assert recommendation.choose_first([]) is None


def test_a_silenced_rule_is_recommended_nowhere_until_its_silence_ends(working: str) -> None:
    now = WallClock().now()
    assert recommended_rule(working, now) == "disk_full"
    with closing(sqlite3.connect(working.removeprefix("sqlite:///"))) as made, made:
        made.execute("INSERT INTO silences (at, until, rule, \"by\", reason) VALUES (?, ?, 'disk_full', 'ann', 'known')", (now, now + 60 * MINUTE))
    assert read_silences(Reader(working), now) == {"disk_full": now + 60 * MINUTE}
    assert recommended_rule(working, now) != "disk_full"
    assert recommended_rule(working, now + 61 * MINUTE) == "disk_full"
    shown = shown_text(run(PAGE, working))
    assert "Disk full." not in shown
    assert "Silenced: disk full until" in shown
    assert buttons(shown_text(run(PAGE, working, view="Rules")))["unsilence disk_full"] == ""


def test_a_folded_rule_shows_state_and_threshold_and_offers_silence(working: str) -> None:
    shown = shown_text(run(PAGE, working, view="Rules"))
    assert shown.count('<details class="pd-fold">') >= 15
    assert "<b>disk full</b>host disk above 85 % for 2 min" in shown
    assert buttons(shown)["silence disk_full"] == ""


def test_hostile_names_of_rules_are_text(working: str) -> None:
    from engine.domain.rules import THRESHOLD, Rule

    rule = Rule('<img src=x onerror="alert(1)">', THRESHOLD, "host.x_percent", ('"><script>',), "<b>", level=1.0)
    rows = rule_list.list_rules([RuleSource(rule, DEFAULT, rule)], {}, {}, RunState(True, frozenset(), frozenset()), 0)
    markup = rows[0].cells[0].markup  # type: ignore[union-attr]
    assert "<img" not in markup
    assert "<script" not in markup


def test_the_order_of_rows_is_the_same_whatever_is_recommended(working: str) -> None:
    frame = read_actions(Reader(working))
    assert isinstance(frame, pd.DataFrame)
    ids = [[row.id for row in action_table.list_actions(frame, 0, alive=True, busy=(), recommended=names)] for names in ((), ("trim_cache",))]
    assert ids[0] == ids[1]
