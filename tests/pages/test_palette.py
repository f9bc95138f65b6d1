"""The palette offers only what exists, and its links open what they name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine.domain.intents import HOLD_REASONS
from engine.phases.gates import GATE_NAMES
from pages.ui import live, navigation, palette, scripts
from tests.pages.stores import store
from tests.pages.test_history_table import address, ids
from tests.pages.test_pages import ROOT, run, text

ADDRESSES = {f"/{address or ''}": file for file, _, address, _ in navigation.PAGES}


def build(url: str) -> dict[str, list[list[str]]]:
    """What the browser is given with this store."""

    def script() -> None:
        import streamlit as st

        from pages.ui import palette

        st.session_state["built"] = palette.build_palette()

    app = AppTest.from_function(script, default_timeout=300)
    app.session_state["store_url"] = url
    built: dict[str, list[list[str]]] = app.run().session_state["built"]
    return built


def test_every_page_is_offered_and_no_two_have_the_same_letter(full_store: str) -> None:
    pages = build(full_store)["pages"]
    assert [(title, link) for title, link, _ in pages] == [(title, f"/{link or ''}") for _, title, link, _ in navigation.PAGES]
    letters = [letter for _, _, letter in pages if letter]
    assert len(letters) == len(set(letters)) == len(palette.KEYS)
    assert all(re.fullmatch("[a-z]", letter) for letter in letters)


def test_every_action_presses_a_button_or_opens_a_form_that_exists(full_store: str) -> None:
    bar = (ROOT / "pages" / "ui" / "state_controls.py").read_text(encoding="utf-8")
    actions = build(full_store)["actions"]
    assert len(actions) > len(palette.ACTIONS)  # the optimizer's own too
    for label, _, target, link in actions:
        if not link:
            assert f'_show_button("{target.removeprefix("bar_").capitalize()}"' in bar, label
            continue
        path, _, query = link.partition("?")
        app = run(ADDRESSES[path], full_store, **dict(part.split("=") for part in query.split("&") if part))
        keys = {part.key for part in (*app.text_input, *app.selectbox)} | set(re.findall(r'container\([^)]*key="(\w+)"', source(path)))
        assert target in keys, label


def source(path: str) -> str:
    return "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "pages" / path.strip("/")).glob("*.py"))


@pytest.mark.parametrize("state", ["missing", "blank", "empty", "young", "locked", "corrupt"])
def test_pages_are_offered_with_every_store(state: str, full_store: str, tmp_path: Path) -> None:
    with store(state, full_store, tmp_path) as url:
        built = build(url)
    assert len(built["pages"]) == len(navigation.PAGES)
    assert bool(built["symbols"]) == (state == "young")


def test_a_link_to_an_action_marks_its_row(full_store: str) -> None:
    actions = [action[3].removeprefix("/optimizer?run=") for action in build(full_store)["actions"] if action[2] == "reason_to_run"]
    assert len(actions) > 1
    unmarked = set(marked_rows(full_store, "<b>none</b>"))
    for name in actions:
        assert set(marked_rows(full_store, name)) == unmarked | {name}


def marked_rows(url: str, action: str) -> list[str]:
    """The actions whose rows are highlighted where a link names this action."""
    rows = re.findall(r"<tr[^>]*>", text(run("10_optimizer.py", url, run=action)))
    return [found[1] for row in rows if 'class="mark"' in row and (found := re.search(r'data-id="([^"]*)"', row))]


def test_a_link_to_a_moment_jumps_there_and_leaves_a_bookmark(full_store: str) -> None:
    app = run("02_decisions.py", full_store, goto="80")
    assert ids(app)[0].startswith("80 ")
    assert set(address(app)) == {"from"}
    assert "is neither a tick nor a time" in text(run("02_decisions.py", full_store, goto="soon <b>"))
    assert "<b>" not in text(run("02_decisions.py", full_store, goto="<b>"))


def test_critical_alerts_reach_the_browser_only_while_there_are_any() -> None:
    assert "critical" not in live.describe_tab(live.TabState("ok", None, "Overview", 0))
    assert live.describe_tab(live.TabState("ok", None, "Overview", 1, (("disk full", "x" * 500),)))["critical"] == [["disk full", "x" * 200]]


def test_every_gate_has_words_of_its_own() -> None:
    assert set(HOLD_REASONS) == set(GATE_NAMES)
    assert len(set(HOLD_REASONS.values())) == len(GATE_NAMES)


def test_every_script_is_served_and_imports_only_scripts_that_are() -> None:
    folder = Path(scripts.__file__).parent
    assert sorted(path.name for path in folder.glob("live_*.js")) == sorted(scripts.NAMES)
    imported = {name for script in scripts.NAMES for name in re.findall(r'from "\./(\w+\.js)"', (folder / script).read_text(encoding="utf-8"))}
    assert imported <= set(scripts.NAMES)
