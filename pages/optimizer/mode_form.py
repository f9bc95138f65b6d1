"""The form that sets an action's mode or restores its licence."""

from __future__ import annotations

import streamlit as st

from engine.domain.access import ADMINISTER
from engine.domain.rules import MODES
from pages.ui import cache, commands, glossary, refresh, visitors, widgets
from pages.ui.command_table import readable_name

_MODES = """off: never runs. observe: only records that it was due. recommend: is recommended on this page. ask: waits for Approve.
auto: runs without asking, with control windows, while it holds its licence"""


@visitors.needs(ADMINISTER)
def show_mode_form(names: list[str]) -> None:
    """Show the folded form."""
    with st.expander("Change a mode or a licence", key="mode_form"), st.container(horizontal=True, vertical_alignment="bottom", key="run_row"):
        chosen = str(st.selectbox("Action", names, format_func=lambda name: readable_name(str(name)), key="action_to_run", width=240))
        _show_mode(chosen)


@refresh.refresh_every(3)
def _show_mode(chosen: str) -> None:
    """Show the action's mode, whoever set it, and change it; it is read again because it may change at any time."""
    reason = str(st.session_state.get("reason_to_run") or "")
    with widgets.reading_store():
        actions = cache.fetch_actions()
        action = actions[actions["action"] == chosen].iloc[0].to_dict()
        modes, current = list(MODES), str(action["mode"])
        sent = st.session_state.get("modes_sent", 0)
        key = f"mode_{chosen}_{current}_{sent}"  # a new key for a new mode or command, so that the box forgets the old choice
        with st.container(horizontal=True, vertical_alignment="bottom", key="mode_row"):
            mode = st.selectbox("Mode", modes, index=modes.index(current) if current in modes else 0, key=key, width=150, help=_MODES)
            is_set = st.button("Set mode", disabled=mode == current)
            is_restored = action["licence"] != "auto" and st.button("Restore licence", help=glossary.define("licence"))
        if is_set:
            commands.submit_with_reason("mode", {"action": chosen, "mode": str(mode)}, reason)
        elif is_restored:
            commands.submit_with_reason("licence", {"action": chosen, "licence": "auto"}, reason)
        if is_set or is_restored:
            st.session_state["modes_sent"] = sent + commands.is_valid_reason(reason)
            st.rerun()
