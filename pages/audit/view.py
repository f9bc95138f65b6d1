"""The page Audit."""

from __future__ import annotations

import streamlit as st

from engine.domain.audit import AuditVerdict
from engine.store.read.audit import verify_trail
from pages.audit import tables, tokens_view
from pages.ui import cache, history_table, params, refresh, theme, widgets

TRAIL, TOKENS = "trail", "tokens"
ROWS = 20  # rows of height of the table
RESULT = "audit_verdict"  # of this browser: the newest check


def show_audit() -> None:
    """Show the trail, or the tokens of programs."""
    chosen = st.segmented_control(
        "View", [TRAIL, TOKENS], default=TRAIL, key="view", bind="query-params", required=True, label_visibility="collapsed"
    )
    with widgets.reading_store(page=True):
        cache.fetch_status()  # an unreadable store is said so before anything is drawn
        if chosen == TOKENS:
            tokens_view.show_tokens()
            return
        widgets.show_note(
            "Commands, log-ins, settings, accounts, tokens, exports and deletions. Rows are only added, and the digest of each covers the row before."
        )
        with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
            _show_check()
            params.select_or_all("Kind", tuple(tables.KINDS), name="kind", width=220, describe=tables.describe_kind)
        _show_verdict()
        history_table.show_toolbar(tables.HISTORY)
    _show_rows()


@refresh.refresh_every(2)
def _show_rows() -> None:
    with widgets.reading_store():
        history_table.show_rows(tables.HISTORY, reserved=ROWS)
        widgets.show_note("Times are in UTC. The daily report holds the head of the trail, which finds a trail that was written anew.")


def _show_check() -> None:
    """Draw the button that checks every row."""
    if st.button("Check the trail", key="audit_check", icon=":material/verified:", help="Computes the digest of every row again"):
        st.session_state[RESULT] = verify_trail(cache.get_reader())


def _show_verdict() -> None:
    verdict: AuditVerdict | None = st.session_state.get(RESULT)
    with widgets.keyed_container("audit_verdict"):
        if verdict is None:
            return
        if verdict.fault is not None:
            widgets.show_notice(f"{verdict.fault[:1].upper()}{verdict.fault[1:]}", word="Not sound.", colour=theme.HARM)
        else:
            head = "" if verdict.head is None else f"; it ends with row {verdict.head.row:,}, digest {verdict.head.digest[:12]}"
            widgets.show_notice(f"Every digest of {verdict.rows:,} rows is as computed again{head}", word="Sound.", colour=theme.GOOD)
