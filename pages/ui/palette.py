"""Keys, the command palette and the switch for local time: what the browser is given of them, once per run of a page."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from functools import cache as remember
from typing import Any

import streamlit as st

from engine.domain.access import OPERATE
from engine.store.read.reader import StoreUnreadable
from pages.ui import cache, scripts, visitors
from pages.ui.command_table import readable_name
from pages.ui.navigation import PAGES

KEYS = {  # after g, by address; a page without a letter is in the palette all the same
    "": "o", "decisions": "d", "decision": "n", "market": "m", "models": "l", "portfolio": "p", "backtests": "b", "components": "c",
    "resources": "r", "optimizer": "z", "alerts": "a", "control": "k", "data": "t",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PaletteAction:
    """An action of the palette: it presses a button that is on every page, or opens the form that sends the command."""

    label: str
    about: str
    target: str  # key of the button that is pressed, or of the field that gets the focus
    address: str = ""  # of the page with the form; "" presses the button


ACTIONS = (
    PaletteAction("Pause", "Every decision holds until you resume", "bar_pause"),
    PaletteAction("Resume", "Ends a pause or a flatten", "bar_resume"),
    PaletteAction("Flatten", "Closes every position; you confirm first", "bar_flatten"),
    PaletteAction("Retrain", "Opens Control: give a reason, then press Retrain", "reason", "/control"),
    PaletteAction("Acknowledge an alert", "Opens Alerts", "acknowledge", "/alerts"),
)


def show_palette() -> None:
    """Put the buttons of palette, keys and local time into the sidebar; outside any live part, so that no update carries them."""
    with st.sidebar:
        _palette()(key="podium_keys", data=build_palette())


def build_palette() -> dict[str, Any]:
    """Return pages, symbols and actions as the browser gets them; without symbols where the store cannot be read."""
    try:
        with cache.read_snapshot():
            session, frame = cache.fetch_status().session, cache.fetch_actions()
            names = [] if frame.empty else [str(name) for name in frame["action"]]
    except StoreUnreadable:
        session, names = None, []
    return {
        "pages": [[title, f"/{address or ''}", KEYS.get(address or "", "")] for _, title, address, _ in PAGES],
        "symbols": [] if session is None else list(session.symbols),
        "actions": [astuple(action) for action in (*ACTIONS, *map(_optimize, names))] if visitors.may(OPERATE) else [],
    }


def _optimize(name: str) -> PaletteAction:
    return PaletteAction(f"Optimize: {readable_name(name)}", "Opens Optimizer with this action marked", "reason_to_run", f"/optimizer?run={name}")


@remember
def _palette() -> Any:
    return st.components.v2.component(
        "podium_keys", html='<div class="pd podium-keys"></div>', js=scripts.component_script("live_keys.js"), isolate_styles=False
    )
