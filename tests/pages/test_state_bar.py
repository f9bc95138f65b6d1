"""The state bar with a store in every state: what it says, what the tab shows, and commands that go through the inbox with their result."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.service.clock import WallClock
from engine.store.inbox import Inbox
from engine.store.read.activity import Activity
from engine.store.read.closing import ClosingEstimate, ClosingPosition
from engine.store.read.reader import Reader
from engine.store.read.status import read_status
from pages.ui import state_bar, state_controls
from tests.pages.stores import NOW, SECOND, beat, lock, store
from tests.pages.test_pages import text

LAST = "SELECT id, name, args, reason, status FROM commands ORDER BY id DESC LIMIT 1"


def header(url: str) -> AppTest:
    """The header as every page has it."""

    def script() -> None:
        from pages.ui import frame

        frame.show_header("Market")

    app = AppTest.from_function(script, default_timeout=300)
    app.session_state["store_url"] = url
    return app.run()


def tab(app: AppTest) -> dict[str, Any]:
    """What the browser is given for its tab."""
    clock = next(part for part in app.get("bidi_component") if part.proto.component_name == "podium_clock")
    shown: dict[str, Any] = json.loads(clock.proto.json)["tab"]
    return shown


def words(app: AppTest) -> str:
    return " ".join(re.sub("<[^>]+>", " ", text(app)).split())


def press(app: AppTest, key: str) -> AppTest:
    return app.button(key=key).click().run()


def rows(folder: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(folder / "podium.db")) as connection:
        return connection.execute(sql).fetchall()


@pytest.mark.parametrize(
    ("state", "word", "sentence"),
    [
        ("missing", "starting", "no store yet"),
        ("blank", "starting", "no store yet"),
        ("empty", "", "no tick yet"),
        ("young", "", "equity "),
        ("full", "", "1 open alert"),
        ("locked", "degraded", "store locked"),
        ("corrupt", "down", "store damaged"),
        ("engine down", "down", "Engine down."),
    ],
)
def test_the_bar_says_what_it_knows_of_every_store(state: str, word: str, sentence: str, full_store: str, tmp_path: Path) -> None:
    with store(state, full_store, tmp_path) as url:
        app = header(url)
        shown = words(app)
    assert not app.exception
    assert sentence in shown
    assert "nan" not in shown.lower()
    assert (tab(app)["word"], tab(app)["page"]) == (word or tab(app)["word"], "Market")
    assert app.button(key="bar_pause").disabled == (state not in {"young", "full"})
    assert (tab(app)["alerts"] is None) == (state in {"missing", "blank", "locked", "corrupt"})


def test_a_pause_takes_one_press_shows_its_result_and_gets_its_reason_later(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        inbox = Inbox(url, "made")
        app = press(header(url), "bar_pause")
        number, *sent = rows(tmp_path, LAST)[0]
        assert sent == ["pause", "{}", "", "queued"]
        assert f"Sent. Command {number} (pause) waits for the engine" in words(app)
        while (command := inbox.claim(WallClock().now())) is not None:
            inbox.finish(command.id, True, {"message": "paused: nothing is opened or closed until resume"}, WallClock().now())
        assert "Done. " in words(app.run())
        assert "paused: nothing is opened or closed until resume" in words(app)
        app.text_input(key="bar_reason").set_value("x").run()
        assert "at least 3 characters" in words(press(app, "bar_add"))
        app.text_input(key="bar_reason").set_value("<b>lunch</b>").run()
        assert "Reason sent." in words(press(app, "bar_add"))
        assert rows(tmp_path, LAST)[0][1:4] == ("annotate", f'{{"id":"{number}"}}', "<b>lunch</b>")
        assert rows(tmp_path, f"SELECT reason FROM commands WHERE id = {number}") == [("",)]
        note = inbox.claim(WallClock().now())
        assert note is not None
        inbox.finish(note.id, True, {"message": "added"}, WallClock().now())
        assert "Reason added." in words(app.run())
        press(app, "bar_close")
        assert "Command" not in words(app)
        inbox.close()


def test_a_result_stays_for_half_a_minute_after_it_is_first_shown(full_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = NOW
    monkeypatch.setattr(WallClock, "now", lambda _clock: now)
    with store("full", full_store, tmp_path) as url:
        inbox = Inbox(url, "made")
        app = press(header(url), "bar_pause")
        while (command := inbox.claim(now)) is not None:
            inbox.finish(command.id, True, {"message": "paused for now"}, now)
        inbox.close()
        for seconds, is_shown in ((200, True), (229, True), (231, False)):
            now = NOW + seconds * SECOND
            assert ("paused for now" in words(app.run())) == is_shown, seconds


def test_flatten_is_sent_by_the_second_press_after_positions_and_cost_are_named(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        before = rows(tmp_path, "SELECT max(id) FROM commands")
        app = press(header(url), "bar_flatten")
        assert rows(tmp_path, "SELECT max(id) FROM commands") == before
        held = rows(tmp_path, "SELECT symbol FROM decisions WHERE tick = (SELECT max(tick) FROM ticks) AND units <> 0")
        assert f"Closes {len(held)} positions at market" in words(app)
        for (symbol,) in held:
            assert re.search(rf"{symbol} (long|short) ", words(app))
        assert re.search(r"Estimated cost [0-9.,]+ \([0-9.]+ bps\)", words(app))
        press(app, "bar_cancel")
        assert "Closes" not in words(app)
        press(app, "bar_flatten")
        app.text_input(key="bar_reason").set_value("end of the day").run()
        press(app, "bar_confirm")
        assert rows(tmp_path, LAST)[0][1:4] == ("flatten", "{}", "end of the day")


def test_a_drawdown_stop_is_lifted_with_a_reason_only(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        with closing(sqlite3.connect(tmp_path / "podium.db")) as made, made:
            made.execute("UPDATE ticks SET drawdown = 0.2 WHERE tick = (SELECT max(tick) FROM ticks)")
        app = press(header(url), "bar_resume")
        assert "Equity is 20.0 % below its peak" in words(app)
        assert "at least 3 characters" in words(press(app, "bar_confirm"))
        app.text_input(key="bar_reason").set_value("the loss is understood").run()
        press(app, "bar_confirm")
        assert rows(tmp_path, LAST)[0][1:4] == ("resume", "{}", "the loss is understood")


def test_a_press_while_the_store_is_locked_is_answered(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        with closing(sqlite3.connect(tmp_path / "podium.db")) as made, made:
            made.execute("UPDATE ticks SET drawdown = 0.2 WHERE tick = (SELECT max(tick) FROM ticks)")
        app = header(url)
        with closing(lock(tmp_path / "podium.db")):
            assert not press(app, "bar_resume").exception
        assert "Not sent." in words(app.run())


def test_an_unknown_cost_is_not_estimated_and_no_position_is_said_so() -> None:
    known, unknown = ClosingPosition("BTC", 2.0, 200.0, 1.0, 5.0, 0.5), ClosingPosition("ETH", -1.0, 50.0, None, 5.0, 0.5)
    assert "Estimated cost 0.13 (6.5 bps)" in state_controls.describe_closing(ClosingEstimate((known,)))
    assert "cannot be estimated" in state_controls.describe_closing(ClosingEstimate((known, unknown)))
    assert "No position is open" in state_controls.describe_closing(ClosingEstimate(()))


def test_the_tab_counts_from_the_newest_decision_and_when_down_from_the_last_heartbeat(full_store: str, tmp_path: Path) -> None:
    now = WallClock().now()
    with store("full", full_store, tmp_path) as url:
        assert tab(header(url))["since"] == rows(tmp_path, "SELECT max(wall) FROM ticks")[0][0] // 10**6
    beat(tmp_path, now - 600 * 10**9)
    assert (tab(header(url))["word"], tab(header(url))["since"]) == ("down", (now - 600 * 10**9) // 10**6)


def test_names_in_the_bar_are_text(full_store: str) -> None:
    status = read_status(Reader(full_store))
    activity = Activity(("<b>trim</b>", False), (), (), ("<i>ridge</i>",), None)
    shown = state_bar.render_bar(status, state_bar.BarState("ok", None), activity, 0)
    assert "measures &lt;b&gt;trim&lt;/b&gt;; training &lt;i&gt;ridge&lt;/i&gt;" in shown
