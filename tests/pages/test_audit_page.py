"""The page Audit: the trail as a table, and a check that names a changed row."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.audit.tables import describe_values
from pages.ui.frame import NOT_LOGGED_IN
from tests.pages.stores import copied
from tests.pages.test_pages import run, text

AUDIT = "14_audit.py"


@pytest.fixture
def url(full_store: str, tmp_path: Path) -> str:
    return copied(full_store, tmp_path / "own")


def check(url: str) -> AppTest:
    app = run(AUDIT, url)
    return app.button(key="audit_check").click().run()


def test_the_trail_has_who_what_and_why(url: str) -> None:
    shown = text(run(AUDIT, url, kind="command"))
    assert 'data-label="Who"' in shown
    kinds = set(re.findall(r'data-label="Kind">(?:<span[^>]*></span>)?([^<]*)<', shown))
    assert kinds == {"command"}


def test_a_sound_trail_is_said_to_be_and_a_changed_row_is_named(url: str) -> None:
    assert "Every digest of" in text(check(url))
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as store, store:
        store.execute("DROP TRIGGER audit_unchanged")
        store.execute("UPDATE audit SET who = '<img src=x>' WHERE id = 2")
    shown = text(check(url))
    assert "Row 2 is changed" in shown
    assert "<img src=x>" not in shown


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        (None, ""),
        ("", ""), ('{"edge_margin":1.5}', "edge margin 1.5"),
        ('{"id":3,"message":"paused","status":"done"}', "id 3, paused, status done"),
        ('{"args":{},"id":1}', "id 1"), ('{"alert_urls":[],"symbols":["A","B"]}', "alert urls not set, symbols A, B"),
        ('{"paused":true,"signal":null}', "paused yes, signal not set"),
        ("no JSON", "no JSON"), ("[1]", "[1]"),
    ],
)  # fmt: skip
def test_values_are_read_as_words(stored: str | None, shown: str) -> None:
    assert describe_values(stored) == shown


def test_a_token_is_created_shown_once_and_revoked_on_the_page(url: str) -> None:
    app = run(AUDIT, url, view="tokens")
    app.text_input(key="token_name").set_value("desk")
    app.multiselect(key="token_scopes").set_value(["read", "command:pause"])
    app.button(key="FormSubmitter:token-Create token").click().run()
    secret = app.code[0].value
    assert secret.startswith("podium_")
    assert "read, command:pause" in text(app)
    app.run()
    assert not app.code
    assert secret not in text(app)
    app.selectbox(key="token_to_revoke").set_value("desk").run()
    next(button for button in app.button if button.label == "Revoke token").click().run()
    assert "revoked" in text(app)
    assert not app.exception


def test_a_token_without_a_scope_is_refused_on_the_page(url: str) -> None:
    app = run(AUDIT, url, view="tokens")
    app.text_input(key="token_name").set_value("<b>desk")
    app.button(key="FormSubmitter:token-Create token").click().run()
    assert "is not a name for a token" in text(app)
    assert "<b>desk" not in text(app)


FRAME = """
import streamlit as st
from pages.ui import frame
frame.run_page(st.session_state["store_url"])
"""


def test_who_is_not_logged_in_is_drawn_no_page(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PODIUM_LOGIN", "local")
    monkeypatch.setenv("PODIUM_HOME", str(tmp_path))
    app = AppTest.from_string(FRAME, default_timeout=300)
    app.session_state["store_url"] = url
    app.run()
    assert not app.exception
    assert [element.proto.body for element in app.get("html")] == [NOT_LOGGED_IN]


@pytest.mark.parametrize(
    ("page", "view", "words"),
    [("12_control.py", "settings", "Settings are changed by admins"), ("13_data.py", "import", "Files are imported by operators")],
)
def test_a_view_that_somebody_may_not_use_says_so(
    page: str, view: str, words: str, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PODIUM_LOGIN", "local")
    monkeypatch.setenv("PODIUM_HOME", str(tmp_path))
    app = run(page, url, view=view)
    assert not app.exception
    assert [caption.value for caption in app.caption if words in caption.value]


def test_who_is_not_logged_in_finds_no_form_for_tokens(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PODIUM_LOGIN", "local")
    monkeypatch.setenv("PODIUM_HOME", str(tmp_path))
    app = run(AUDIT, url, view="tokens")
    assert not app.exception
    assert [button.label for button in app.button] == []
