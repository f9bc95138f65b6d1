"""Pages that travel: what they show as of a tick, that nothing refreshes or acts meanwhile, and the way back to now."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from engine.service.clock import WallClock
from engine.store.read import past_ticks
from engine.store.read.past import PastTick, parse_past
from engine.store.read.reader import Reader
from pages.ui import hindsight, travel
from tests.pages.stores import beat, copied
from tests.pages.test_pages import run, text
from tests.pages.test_updates import drawn
from tests.store.made import HORIZONS, SYMBOLS
from tests.store.made_trials import at_work

TRAVELLING = {
    "Overview": "01_overview.py", "Decisions": "02_decisions.py", "Decision": "03_decision.py", "Market": "04_market.py", "Models": "05_models.py",
    "Portfolio": "06_portfolio.py", "Components": "08_components.py", "Optimizer": "10_optimizer.py", "Alerts": "11_alerts.py",
    "Control": "12_control.py",
}  # fmt: skip
ACTS = {
    "Retrain", "Promote", "Search", "Silence", "End the silence", "Drill now", "Set mode", "Approve", "Decline", "Apply", "Pause", "Flatten",
    "Set signal", "Save",
}  # fmt: skip


@pytest.fixture(scope="module")
def url(full_store: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("travel")
    made = copied(full_store, folder)
    beat(folder, WallClock().now())
    return made


def open_page(url: str, title: str, **address: str) -> AppTest:
    """A page in its frame, but for the navigation."""

    def script(url: str, title: str, file: str) -> None:
        import runpy

        from pages.ui import frame, travel

        travel.begin_run(url, title)
        frame.show_header(title)
        travel.show_controls(title)
        runpy.run_path(file)

    file = TRAVELLING.get(title, "09_resources.py")
    app = AppTest.from_function(script, default_timeout=300, args=(url, title, f"pages/{file}"))
    for name, value in address.items():
        app.query_params[name] = value
    return app.run()


def words(app: AppTest) -> str:
    return " ".join(re.sub("<[^>]+>", " ", text(app)).split())


@pytest.mark.parametrize("title", TRAVELLING)
@pytest.mark.parametrize("known", ["then", "now"])
def test_a_page_says_as_of_when_it_is_and_acts_on_nothing(title: str, known: str, url: str) -> None:
    app = open_page(url, title, travel="77", known=known)
    assert not app.exception
    assert "as of tick 77, 20" in words(app)
    acting = [button for button in app.button if button.key in {"bar_pause", "bar_flatten", "bar_resume"}]
    assert acting
    assert all(button.disabled for button in acting)
    assert not [button.label for button in app.button if button.label in ACTS and not button.disabled]


def test_the_way_there_and_back(url: str) -> None:
    app = open_page(url, "Overview")
    app.button(key="travel_begin").click().run()
    assert app.query_params["travel"] == "159"
    app.slider(key="travel_slider").set_value(40).run()
    assert app.query_params["travel"] == "40"
    assert "as of tick 40," in words(app)
    app.button(key="travel_earlier").click().run()
    assert "as of tick 39," in words(app)
    app.text_input(key="travel_jump").set_value("12").run()
    assert "as of tick 12," in words(app)
    app.text_input(key="travel_jump").set_value("soon").run()
    assert "soon is neither a tick nor a time" in words(app)
    app.button(key="travel_now").click().run()
    assert "travel" not in app.query_params
    assert "as of tick" not in words(app)
    assert not app.exception


@pytest.mark.parametrize("typed", ["x", "-4", "1e3", "", "9" * 40, "<b>"])
def test_an_address_that_is_no_tick_shows_now(typed: str, url: str) -> None:
    app = open_page(url, "Portfolio", travel=typed)
    assert not app.exception
    assert "as of tick" not in words(app)


def test_a_tick_beyond_the_stored_ones_is_the_nearest(url: str) -> None:
    assert "as of tick 159," in words(open_page(url, "Portfolio", travel="100000"))


def test_no_part_of_the_past_is_updated(url: str) -> None:
    assert {"head", "present", "strip", "latest"} <= set(drawn(open_page(url, "Overview")))
    past = open_page(url, "Overview", travel="77")
    assert drawn(past) == {}
    assert 'data-past="77"' in " ".join(part.proto.body for part in past.get("html"))


def test_an_unreadable_store_while_travelling_shows_nothing_of_the_present(full_store: str, tmp_path: Path) -> None:
    made = copied(full_store, tmp_path)
    beat(tmp_path, WallClock().now())

    def script(url: str, path: str) -> None:
        from contextlib import closing
        from pathlib import Path

        from pages.ui import frame, travel
        from tests.pages.stores import lock

        travel.begin_run(url, "Overview")
        with closing(lock(Path(path))):
            frame.show_header("Overview")

    app = AppTest.from_function(script, default_timeout=300, args=(made, str(tmp_path / "podium.db")))
    app.query_params["travel"] = "77"
    app.run()
    assert not app.exception
    assert "Store locked." in words(app)
    (clock,) = [data for data in (json.loads(part.proto.json) for part in app.get("bidi_component")) if "every" in data]
    assert clock["still"], "which shows nothing of what the browser is answered"


def test_a_tick_that_cannot_be_looked_up_is_not_answered_with_now(full_store: str, tmp_path: Path) -> None:
    made = copied(full_store, tmp_path)
    beat(tmp_path, WallClock().now())

    def script(url: str, path: str) -> None:
        from contextlib import closing, nullcontext
        from pathlib import Path

        import streamlit as st

        from pages.ui import frame, travel
        from tests.pages.stores import lock

        is_first = st.session_state.setdefault("runs", 0) == 0
        st.session_state["runs"] += 1
        with closing(lock(Path(path))) if is_first else nullcontext():
            travel.begin_run(url, "Overview")
        frame.show_header("Overview")  # the store can be read again
        with closing(lock(Path(path))) if is_first else nullcontext():
            travel.show_controls("Overview")
        st.html("the page itself")

    app = AppTest.from_function(script, default_timeout=300, args=(made, str(tmp_path / "podium.db")))
    app.query_params["travel"] = "77"
    app.run()
    assert not app.exception
    assert "could not be read to find the tick in the address" in words(app)
    assert "the page itself" not in words(app)
    assert [button.disabled for button in app.button if button.key in {"bar_pause", "bar_flatten"}] == [True, True]
    assert "as of tick 77, 20" in words(app.run())


def test_a_page_that_cannot_travel_says_so(url: str) -> None:
    app = open_page(url, "Resources", travel="77")
    assert "Resources cannot travel: it shows now" in words(app)
    assert "as of tick" not in words(app)


def test_both_clocks_differ_by_what_became_known_later(url: str) -> None:
    past = past_ticks.find_past_tick(Reader(url), 77)
    assert past is not None
    then = hindsight.read_knowledge(Reader(url, past=past))
    now = hindsight.read_knowledge(Reader(url))
    gaps = hindsight.list_skill_gaps(then, now, (1, 3))
    assert [gap.then.row for gap in gaps][:2] == ["recent skill, 1 bar", "session skill, 1 bar"]
    assert any(gap.then.n < gap.now.n for gap in gaps)
    assert all(gap.size is None or gap.size == pytest.approx((gap.then.value or 0) - (gap.now.value or 0)) for gap in gaps)


def test_outcomes_come_in_with_what_is_known_now(url: str) -> None:
    past = past_ticks.find_past_tick(Reader(url), 77)
    assert past is not None
    later = Reader(url, past=PastTick(past.tick, past.at, past.wall, past.session, knows_now=True))
    then, now = (reader.view("decisions") for reader in (Reader(url, past=past), later))
    whole = Reader(url).view("decisions")
    assert then["tick"].max() == now["tick"].max() == 77
    pd.testing.assert_frame_equal(now, whole[whole["tick"] <= 77], check_dtype=False)
    assert then["outcome_bps"].isna().sum() > now["outcome_bps"].isna().sum()


def test_a_past_tick_survives_its_text() -> None:
    past = PastTick(3, 1, 2, 4, knows_now=True)
    assert parse_past(past.to_text()) == past


@pytest.mark.parametrize("span", ["all", "6 h", "<b>"])
def test_the_range_of_all_charts_is_in_the_address(span: str, url: str) -> None:
    app = open_page(url, "Portfolio", range=span)
    assert not app.exception
    assert "Drawdown" in words(app)


def test_the_daily_report_is_of_now_only(url: str) -> None:
    assert "The daily report cannot travel" in words(open_page(url, "Decisions", travel="77"))
    assert "The daily report" not in words(open_page(url, "Decisions"))


def test_rules_of_then_are_not_changed_and_later_changes_of_them_not_shown(working: str) -> None:
    with closing(sqlite3.connect(working.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute("UPDATE rules SET changed_at = ?", (WallClock().now(),))
    now = open_page(working, "Optimizer", view="Rules")
    then = open_page(working, "Optimizer", travel="77", view="Rules")
    assert "Change it" in words(now)
    assert "Change it" not in words(then)
    assert "ago by ann" in words(now)
    assert "Source: not stored." in words(then)
    assert "ago by ann" not in words(then)
    assert "A silence that was ended early is shown with its actual end." in words(then)


def test_every_page_that_travels_is_tried_here() -> None:
    assert set(TRAVELLING) == travel.PAGES


@pytest.mark.parametrize(
    ("title", "view", "wanted"),
    [
        ("Optimizer", "Actions", "Modes are those of now"), ("Optimizer", "History", "choose a trial"), ("Optimizer", "Savings", "Success rate"),
        ("Optimizer", "Rules", "its state is that of then"), ("Control", "settings", "Changes of settings"),
        ("Control", "overrides", "The score of overrides cannot travel: it decides the newest stored ticks again"),
        ("Control", "vaccinate", "The search for a vaccine cannot travel"),
    ],
)  # fmt: skip
def test_every_view_shows_then_or_says_why_it_does_not(title: str, view: str, wanted: str, working: str) -> None:
    app = open_page(working, title, travel="77", view=view)
    assert not app.exception
    assert wanted in words(app)
    assert not [button.label for button in app.button if button.label in ACTS and not button.disabled]


@pytest.fixture(scope="module")
def working(full_store: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store whose optimizer has been at work, also after tick 77."""
    folder = tmp_path_factory.mktemp("working")
    made = copied(full_store, folder)
    beat(folder, WallClock().now())
    at_work(made, WallClock().now(), holder="made")
    return made


def test_a_decision_has_the_outcomes_that_a_clock_knows(url: str) -> None:
    then, now = (words(open_page(url, "Decision", travel="77", known=known, tick="77", symbol=SYMBOLS[0])) for known in ("then", "now"))
    count = f"{len(HORIZONS)} of {len(HORIZONS)} outcomes not known then"
    assert f"{count}; the clock As known now" in then
    assert "not due yet" in then
    assert f"{count}." in now
    assert "not due yet" not in now
    later = words(open_page(url, "Decision", travel="77", tick="100", symbol=SYMBOLS[0]))
    assert "tick 100 is later: this page is as of tick 77, 20" in later
    newest = open_page(url, "Decision", travel="77", symbol=SYMBOLS[0])
    assert "tick 77 " in words(newest)
    assert next(button for button in newest.button if button.label == "Next").disabled


def test_components_that_changed_since_are_not_stored(url: str) -> None:
    shown = words(open_page(url, "Components", travel="77"))
    assert "not stored" in shown
    assert "jobs and the recorder cannot travel" in shown


def test_a_link_within_a_page_takes_the_moment_along(url: str) -> None:
    def script(url: str) -> None:
        import streamlit as st

        from pages.ui import travel

        travel.begin_run(url, "Decision")
        st.json(travel.carry_address({"tick": "3"}))

    for address in ({}, {"travel": "77"}, {"travel": "77", "known": "now"}, {"known": "now"}):
        app = AppTest.from_function(script, default_timeout=300, args=(url,))
        for name, value in address.items():
            app.query_params[name] = value
        app.run()
        assert json.loads(app.json[0].value) == {"tick": "3"} | (address if "travel" in address else {})


def test_the_form_of_a_rule_is_folded_until_the_address_names_a_rule(working: str) -> None:
    for address, is_open in ({}, False), ({"rule": "disk_full"}, True):
        app = run("10_optimizer.py", working, view="Rules", **address)
        (form,) = [part for part in app.expander if part.label == "Change a rule"]
        assert form.proto.expanded == is_open
