"""Every page with a store in every state: no exception, no invented figure, and words for what is missing."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from engine import units
from engine.service.clock import WallClock
from engine.store.read import portfolio
from engine.store.read.reader import Reader
from pages.ui import navigation
from tests.pages.sent import joined, sent_value
from tests.pages.stores import STATES, beat, store

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(path.name for path in (ROOT / "pages").glob("[0-9]*.py"))
UNREADABLE = {"locked": "Store locked.", "corrupt": "Store damaged."}
WITHOUT_TICKS = {"missing", "blank", "empty"}


def run(page: str, url: str, **query: str) -> AppTest:
    """The page as a browser would get it, without the frame."""
    app = AppTest.from_file(str(ROOT / "pages" / page), default_timeout=300)
    app.session_state["store_url"] = url
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def text(app: AppTest) -> str:
    """What the page says: its Markdown, then the rows of its live tables; ages as they are read, without the element that lets them count."""
    tables = [joined(sent_value(part.proto.json)) for part in app.get("bidi_component") if part.proto.component_name == "podium_rows"]
    markup = (part.proto.body for part in app.get("html"))
    words = " ".join([*(str(part.value) for part in app.markdown), *markup, *tables])
    return re.sub(r'<span class="pd-ticking"[^>]*>([^<]*)</span>', r"\1", words)


def test_there_are_pages() -> None:
    assert sorted(file for file, *_ in navigation.PAGES) == PAGES


@pytest.mark.parametrize("state", [state for state in STATES if state != "locked"])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_works_with_every_store(page: str, state: str, full_store: str, tmp_path: Path) -> None:
    with store(state, full_store, tmp_path) as url:
        app = run(page, url)
    assert not app.exception
    shown = text(app)
    assert "nan" not in shown.lower().replace("finance", "")
    assert "\ue000" not in shown  # an age that nothing counts
    if state in UNREADABLE:
        assert UNREADABLE[state] in shown
    elif state in WITHOUT_TICKS and page not in {"12_control.py", "14_audit.py"}:  # they need no tick
        assert "waiting for" in shown
    if state in {"missing", "blank"}:
        assert "waiting for the engine to set up its store" in shown


@pytest.mark.parametrize("page", PAGES)
def test_a_locked_store_is_never_shown_as_an_empty_one_and_a_page_recovers_by_itself(page: str, full_store: str, tmp_path: Path) -> None:
    with store("locked", full_store, tmp_path) as url:
        app = run(page, url)
        shown = text(app)
    assert not app.exception
    assert UNREADABLE["locked"] in shown
    assert "locked by another process" in shown
    assert "waiting for" not in shown
    assert "Store locked." not in text(app.run())
    assert not app.exception


def test_a_decision_is_reached_by_its_link(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        app = run("03_decision.py", url, tick="30", symbol="ETH")
    shown = text(app)
    assert "tick <b>30</b>" in shown
    assert "ETH" in shown
    assert "Binding gate" in shown


@pytest.mark.parametrize(("tick", "symbol"), [("999999", "ETH"), ("30", "NOBODY"), ("-1", "ETH"), ("thirty", "ETH")])
def test_a_link_to_no_decision_says_so_or_shows_the_newest(tick: str, symbol: str, full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        app = run("03_decision.py", url, tick=tick, symbol=symbol)
    assert not app.exception
    assert ("is stored" in text(app)) == tick.isdigit()


def test_what_is_not_due_yet_is_said_in_words(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        shown = text(run("03_decision.py", url))
    assert "not due yet" in shown


def test_the_machine_at_that_moment_is_told_as_far_as_it_is_known(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        watched = text(run("03_decision.py", url, tick="30", symbol="ETH"))
        unwatched = text(run("03_decision.py", url, tick="0", symbol="ETH"))
    for word in ("Machine state", "CPU pressure", "2.5 %", "410 MB", "GC pause", "1.2 ms"):
        assert word in watched, word
    assert "CPU throttled" not in watched, "no container throttles here"
    assert "no readings of the machine at this tick" in unwatched


@pytest.mark.parametrize("span", ["15 min", "1 h", "6 h", "1 d", "7 d", "30 d", "1 y"])
def test_resources_are_shown_for_every_range(span: str, full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        beat(tmp_path, WallClock().now())  # readings are those of now
        app = run("09_resources.py", url, range=span)
    assert not app.exception
    shown = text(app)
    assert "Each point is the mean of" in shown
    assert "No GPU found." in shown


def test_the_newest_decision_is_the_newest_at_every_look(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        app = run("03_decision.py", url, symbol="ETH")
        assert "newest, updated with every tick" in text(app)
        assert "tick <b>159</b>" in text(app)
        next(button for button in app.button if button.label == "Previous").click().run()
        assert "158" in app.query_params["tick"]


def test_filters_come_from_the_address(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        app = run("02_decisions.py", url, symbol="SOL", action="buy")
    assert [box.value for box in app.selectbox][:2] == ["SOL", "buy"]


def test_filters_follow_the_address_when_the_browser_goes_back(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        app = run("02_decisions.py", url, symbol="SOL", degraded="yes")
        app.selectbox[0].set_value("ETH").run()
        assert "ETH" in app.query_params["symbol"]
        app.query_params["symbol"] = "SOL"
        del app.query_params["degraded"]
        app.run()
    assert app.selectbox[0].value == "SOL"
    assert app.toggle[0].value is False


def test_a_filter_that_fits_nothing_says_so(full_store: str, tmp_path: Path) -> None:
    with store("young", full_store, tmp_path) as url:
        app = run("02_decisions.py", url, degraded="yes")
    assert "no decision matches" in text(app)


def test_all_parts_of_a_page_show_the_same_tick(full_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with store("full", full_store, tmp_path) as url:
        read = portfolio.read_positions

        def read_while_the_store_moves_on(reader: Reader) -> pd.DataFrame:
            positions = read(reader)
            with closing(sqlite3.connect(tmp_path / "podium.db")) as made, made:
                newest = made.execute("SELECT max(tick) FROM ticks").fetchone()[0]
                for table in ("decisions", "ticks"):
                    made.execute(f"DELETE FROM {table} WHERE tick = {newest}")
            return positions

        monkeypatch.setattr(portfolio, "read_positions", read_while_the_store_moves_on)
        at = int(Reader(url).frame("SELECT at FROM ticks ORDER BY tick DESC LIMIT 1")["at"].iloc[0])
        shown = text(run("01_overview.py", url))
    assert f"newest {units.format_time(at, '%Y-%m-%d %H:%M')}" in shown


def test_commands_need_a_reason(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        app = run("12_control.py", url)
        for name in ("Pause", "Resume", "Retrain", "Flatten", "Set signal"):
            next(button for button in app.button if button.label == name).click().run()
            assert "Not sent. Give a reason" in text(app).replace("</b><span>", " ")
        app.text_input(key="reason").set_value("before lunch").run()
        next(button for button in app.button if button.label == "Pause").click().run()
    assert "Sent." in text(app)
    assert text(app).count("before lunch") == 1


def test_the_signal_box_shows_what_is_set_and_not_what_was_typed(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        app = run("12_control.py", url)
        app.number_input[0].set_value(0.3).run()
        with closing(sqlite3.connect(tmp_path / "podium.db")) as made, made:
            session = made.execute("SELECT max(id) FROM sessions").fetchone()[0]
            made.execute("INSERT OR REPLACE INTO meta VALUES (?, '[[0.2, 150]]')", (f"signal switches of session {session}",))
        st.cache_data.clear()
        app.run()
        assert app.number_input[0].value == 0.2
        assert "Current signal: 0.200." in text(app)
        app.text_input(key="reason").set_value("another try").run()
        app.number_input[0].set_value(0.4).run()
        next(button for button in app.button if button.label == "Set signal").click().run()
        assert "signal 0.4" in text(app)
        assert app.number_input[0].value == 0.2  # until the engine has done it


def test_flatten_asks_before_it_closes_anything(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        app = run("12_control.py", url)
        app.text_input(key="reason").set_value("end of the day").run()
        next(button for button in app.button if button.label == "Flatten").click().run()
        assert "Close every position" in [button.label for button in app.button]
        assert "flatten" not in text(app)


@pytest.mark.parametrize(("lost", "stopped"), [(0.15, False), (0.182, True)])
def test_a_drawdown_stop_is_named_on_control_with_what_lifts_it(full_store: str, tmp_path: Path, lost: float, stopped: bool) -> None:
    with store("full", full_store, tmp_path) as url:
        with closing(sqlite3.connect(tmp_path / "podium.db")) as made, made:
            made.execute("UPDATE ticks SET drawdown = ? WHERE tick = (SELECT max(tick) FROM ticks)", (lost,))
        shown = text(run("12_control.py", url))
    assert ("Drawdown stop." in shown) == stopped
    assert ("Equity is 18.2 % below its peak; the limit is 15.0 %." in shown) == stopped
    assert ("restarts the peak at the current" in shown) == stopped
