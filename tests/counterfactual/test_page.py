"""The views of Control in every state: what is typed is text, a value is saved after its preview, and undone with one click."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from streamlit.testing.v1 import AppTest

from engine import units
from engine.counterfactual.comparison import preview_change
from engine.counterfactual.lasting_change import NO_CHANGE, parse_lasting_change
from engine.counterfactual.overrides import score_overrides
from engine.counterfactual.rolling import choose_span
from engine.counterfactual.vaccination import vaccinate
from engine.store import database
from engine.store.read.history import TickHistory
from pages.ui import commands, jobs
from pages.ui.jobs import JobRunner, JobState
from tests.counterfactual.traded import MODELS
from tests.store.made import empty

ROOT = Path(__file__).parents[2]
HOSTILE = "<script>alert(1)</script>"


def run(url: str, view: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "pages" / "12_control.py"), default_timeout=300)
    app.session_state["store_url"] = url
    app.query_params["view"] = view
    app.run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    return " ".join(str(part.value) for part in app.markdown)


def answer_at_once(monkeypatch: pytest.MonkeyPatch, output: object, *, code: int = 0, lines: tuple[str, ...] = ()) -> list[list[str]]:
    """Let every question be answered at once; returns the arguments that would have been run."""
    runner, started = JobRunner(), list[list[str]]()

    def start(_lane: str, key: str, arguments: list[str], _finish: object = None) -> bool:
        started.append(arguments)
        runner.states[key] = JobState(key, 1, 2, code, lines, output=orjson.dumps(output))
        return True

    monkeypatch.setattr(runner.__class__, "start", lambda _self, *given: start(*given))
    monkeypatch.setattr(jobs, "get_jobs", lambda: runner)
    return started


def read_commands(url: str) -> list[tuple[str, dict[str, str], str, str]]:
    with closing(sqlite3.connect(str(database.path_from_url(url)))) as store:
        rows = store.execute('SELECT name, args, "by", reason FROM commands ORDER BY id').fetchall()
    return [(name, json.loads(arguments), sender, reason) for name, arguments, sender, reason in rows]


def type_value(app: AppTest, name: str, value: str) -> None:
    app.selectbox(key="setting").select(name).run()
    app.text_input(key="setting_value").input(value).run()
    assert not app.exception


def test_a_value_is_previewed_saved_and_undone(copied_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    history = TickHistory(copied_store)
    answer = preview_change(history, choose_span(history, 30), (), parse_lasting_change("edge_margin=2", MODELS))
    history.close()
    started = answer_at_once(monkeypatch, answer)
    app = run(copied_store, "settings")
    assert app.button(key="save_setting").disabled
    type_value(app, "edge_margin", "2")
    assert "round trips): now 1, default 1; a number from 0 to 100" in words(app)
    app.button(key="preview_setting").click().run()
    assert started == [["preview", "--set=edge_margin=2", "--ticks=300", "--json", "--store", copied_store]]
    assert f"{answer.flips:,} of 90 decisions differ" in words(app)
    type_value(app, "edge_margin", "3")
    assert app.button(key="save_setting").disabled, "the preview was of another value"
    type_value(app, "edge_margin", "2")
    app.button(key="save_setting").click().run()
    assert "Give your name" in words(app)
    app.text_input(key="setting_sender").input(HOSTILE).run()
    app.button(key="save_setting").click().run()
    assert "Give a reason of at least 3 characters" in words(app)
    app.text_input(key="setting_reason").input("dearer trades").run()
    app.button(key="save_setting").click().run()
    assert read_commands(copied_store) == [("configure", {"parameter": "edge_margin", "value": "2"}, HOSTILE, "dearer trades")]
    with closing(sqlite3.connect(str(database.path_from_url(copied_store)))) as store, store:  # as the engine does
        result = "json_object('session', (SELECT max(id) FROM sessions))"
        store.execute(f'UPDATE commands SET args = \'{{"parameter": "edge_margin", "value": "1"}}\', status = \'done\', result = {result}')
        store.execute("INSERT INTO meta (key, value) SELECT 'parameters of session ' || max(id), '{\"edge_margin\": [1.0, 4.0]}' FROM sessions")
        store.execute("INSERT INTO meta (key, value) VALUES ('version', 'made') ON CONFLICT (key) DO UPDATE SET value = 'made'")
    app = run(copied_store, "settings")
    assert HOSTILE not in words(app)
    assert "&lt;script&gt;" in words(app)
    app.button(key="undo_1").click().run()
    assert read_commands(copied_store)[1] == ("configure", {"parameter": "edge_margin", "value": "4"}, "dashboard", "undo of command 1")


@pytest.mark.parametrize("value", [HOSTILE, "nan", "-1", "1e999", "٣", "2; --x", "1"])
def test_a_hostile_value_is_never_previewed(traded_store: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    started = answer_at_once(monkeypatch, {})
    app = run(traded_store, "settings")
    type_value(app, "edge_margin", value)
    app.button(key="preview_setting").click().run()
    assert started == []
    assert "No such value." in words(app) or "No change." in words(app)
    assert HOSTILE not in words(app)


def test_overrides_and_the_vaccine_are_shown(traded_store: str, history: TickHistory, monkeypatch: pytest.MonkeyPatch) -> None:
    answer_at_once(monkeypatch, score_overrides(history))
    app = run(traded_store, "overrides")
    app.button(key="score_overrides").click().run()
    assert "2 overrides together" in words(app)
    assert "flattened" in words(app)
    tick, place = next((tick, place) for tick in range(630, 520, -1) for place in [trade_of(traded_store, tick)] if place)
    started = answer_at_once(monkeypatch, vaccinate(history, tick, place, 30))
    app = run(traded_store, "vaccinate")
    app.text_input(key="vaccinate_where").input("tomorrow").run()
    app.button(key="vaccinate_search").click().run()
    assert "give the number of a tick, or a day" in words(app.run()), "it is still there when the live part has run again"
    app.text_input(key="vaccinate_where").input(str(tick)).run()
    app.selectbox(key="vaccinate_symbol").select(place).run()
    app.button(key="vaccinate_search").click().run()
    assert started == [["vaccinate", str(tick), place, "--ticks=300", "--json", "--store", traded_store]]
    assert "Smallest change." in words(app) or "No vaccine." in words(app)
    assert "give the number" not in words(app), "the next search has begun"
    app.text_input(key="vaccinate_where").input(str(tick - 1)).run()  # as a decision's link does
    assert "Smallest change." not in words(app), "that answer is about another trade"
    assert "No vaccine." not in words(app)


def trade_of(url: str, tick: int) -> str | None:
    with closing(sqlite3.connect(str(database.path_from_url(url)))) as store:
        row = store.execute("SELECT symbol FROM decisions WHERE tick = ? AND action <> 'hold'", (tick,)).fetchone()
    return None if row is None else str(row[0])


def test_a_refusal_and_no_change_are_said_plainly(traded_store: str, history: TickHistory, monkeypatch: pytest.MonkeyPatch) -> None:
    answer_at_once(monkeypatch, {}, code=64, lines=(f"podium: {HOSTILE}",))
    app = run(traded_store, "settings")
    type_value(app, "kelly", "0.5")
    app.button(key="preview_setting").click().run()
    assert "No answer." in words(app)
    assert HOSTILE not in words(app)
    assert app.button(key="save_setting").disabled, "no answer is no preview"
    answer_at_once(monkeypatch, preview_change(history, choose_span(history, 3), (NO_CHANGE,), NO_CHANGE))
    app = run(traded_store, "settings")
    type_value(app, "kelly", "0.5")
    app.button(key="preview_setting").click().run()
    assert "Nothing changes." in words(app)
    assert re.search(r"Previewed <span class=\"pd-ticking\".*> ago\.", words(app))
    assert not app.button(key="save_setting").disabled


@pytest.mark.parametrize("view", ["settings", "overrides", "vaccinate"])
def test_every_view_is_right_on_an_empty_store(view: str, tmp_path: Path) -> None:
    app = run(empty(tmp_path), view)
    assert "Traceback" not in words(app)
    assert all(button.disabled for button in app.button if button.key == "vaccinate_search"), "there is no symbol to send"


def test_an_answer_stays_long_enough_to_be_read(traded_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer_at_once(monkeypatch, {}, code=64)
    monkeypatch.setattr(JobRunner, "start", lambda *given: False)
    app = run(traded_store, "overrides")
    app.button(key="score_overrides").click().run()
    assert "Not started." in words(app)
    assert "Not started." in words(app.run())
    place, since, *rest = app.session_state["answer_shown"]
    app.session_state["answer_shown"] = (place, since - commands.ANSWER_SECONDS * units.SECOND, *rest)
    assert "Not started." not in words(app.run())
    app.session_state["answer_shown"] = ("saving", since, *rest)
    assert "Not started." not in words(app.run()), "it belongs to another part of the page"
