"""Replay and evidence bundle of a stored tick, made by processes of their own."""

from __future__ import annotations

import streamlit as st

from engine.files import temporary_files
from engine.files.owned_folders import FolderTaken
from engine.store.read.decision import DecisionDetails
from pages.decision import questions
from pages.ui import theme, visitors, widgets

RESULT, BUNDLE = "replay_result", "bundle_result"  # of this browser: the newest, with its tick


def show_evidence(decision: DecisionDetails) -> None:
    """Draw the replay with its result, and the bundle with its download."""
    widgets.show_note("A replay decides the stored tick again and compares every bit. The bundle lets anyone do so with a clean checkout.")
    with st.container(horizontal=True, key="evidence"):
        if st.button("Create evidence bundle", icon=":material/inventory_2:", help="One zip with inputs, state, models, record and a script"):
            with st.spinner("Collecting the evidence"):
                st.session_state[BUNDLE] = (decision.tick, *make_bundle(decision.tick))
        made = st.session_state.get(BUNDLE)
        if made is not None and made[0] == decision.tick and made[1] is not None:
            name = f"podium-evidence-{decision.tick}.zip"
            st.download_button("Download", made[1], name, "application/zip", key="save_bundle", on_click="ignore")
    if made is not None and made[0] == decision.tick:
        if made[1] is None:
            widgets.show_notice(made[2], word="No bundle.", colour=theme.WARNING)
        else:
            widgets.show_note(f"{made[2]} Unpack it and run: python verify.py --checkout DIRECTORY")


def make_bundle(tick: int) -> tuple[bytes | None, str]:
    """Return the zip and what its replay gave, or None and the reason."""
    try:
        return _make_in_folder(tick)
    except (OSError, FolderTaken) as error:
        return None, f"it cannot be written: {error}"


def _make_in_folder(tick: int) -> tuple[bytes | None, str]:
    folder = temporary_files.create_folder("", "bundle")
    try:
        path = folder.path / "evidence.zip"
        code, output, reason = questions.run_engine(("replay", str(tick), "--bundle", str(path), *visitors.list_sender_flags()), accepted=(0, 1))
        if reason or not path.exists():
            return None, reason or "it was not written"
        verdict = " ".join(output.decode().split())
        return path.read_bytes(), f"{verdict[:300]}." if code else "Decided again, every phase gave the same bits."
    finally:
        folder.delete()
