"""The tokens of programs on the page Audit: a table for everybody, and for admins the forms that create and revoke them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from engine import units
from engine.access.tokens import MAX_DAYS, USUAL_DAYS, Token, Tokens, open_tokens
from engine.commands.router import list_commands
from engine.domain.access import ADMINISTER, COMMAND_SCOPE, SCOPES, judge_access
from engine.store.errors import StoreError
from pages.ui import cache, theme, visitors, widgets
from pages.ui.history_table import TIME_FORMAT
from pages.ui.tables import Cell, Column, TableRow

SECRET = "token_created"  # of this browser, until its next run: the name and the secret
_COLUMNS = (
    Column("Name"), Column("Scopes"), Column("State"), Column("Created", nowrap=True), Column("By"), Column("Expires", nowrap=True),
    Column("Last used", nowrap=True),
)  # fmt: skip
_COLOURS = {"valid": theme.GOOD, "expired": theme.NEUTRAL, "revoked": theme.HARM}


def show_tokens() -> None:
    """Show every token, and to admins the forms."""
    try:
        with _opened() as tokens:
            rows = tokens.list()
            now = cache.current_time()
            widgets.show_note("Programs send a token as Authorization: Bearer TOKEN. The store holds a digest of it, so nobody can look it up later.")
            widgets.show_table(_COLUMNS, [_build_row(token, now) for token in rows], label="Tokens")
            if not rows:
                widgets.show_empty("no token has been created yet")
            _show_forms(tokens, [token.name for token in rows if token.describe_state(now) == "valid"])
    except StoreError as error:
        widgets.show_notice(str(error), word="Store locked.", colour=theme.HARM)


@contextmanager
def _opened() -> Iterator[Tokens]:
    store, tokens = open_tokens(cache.store_url(), visitors.find_visitor().name, visitors.find_origin())
    try:
        yield tokens
    finally:
        store.close()


@visitors.needs(ADMINISTER)
def _show_forms(tokens: Tokens, valid: list[str]) -> None:
    with st.form("token", border=True, enter_to_submit=False):
        left, middle, right = st.columns([2, 4, 1], vertical_alignment="bottom")
        name = left.text_input("Name", key="token_name", max_chars=64, placeholder="grafana")
        scopes = middle.multiselect("Scopes", [*SCOPES, *(f"{COMMAND_SCOPE}:{name}" for name in list_commands())], key="token_scopes")
        days = right.number_input("Days", 1, MAX_DAYS, USUAL_DAYS, key="token_days")
        is_created = st.form_submit_button("Create token", icon=":material/key:")
    with st.container(horizontal=True, vertical_alignment="bottom", key="revoking"):
        chosen = st.selectbox("Token", valid, key="token_to_revoke", width=240, index=None, placeholder="choose one")
        is_revoked = st.button("Revoke token", icon=":material/close:", disabled=chosen is None)
    refusal = judge_access(visitors.find_visitor(), ADMINISTER)
    try:
        if refusal is not None:
            raise ValueError(refusal)
        if is_created:
            secret = tokens.create(name.strip(), scopes, float(days), list_commands(), cache.current_time())
            st.session_state[SECRET] = (name.strip(), secret)
            st.rerun()
        if is_revoked and chosen is not None:
            tokens.revoke(chosen, cache.current_time())
            st.rerun()
    except ValueError as error:
        widgets.show_notice(str(error), word="Not done.", colour=theme.HARM)
    created = st.session_state.pop(SECRET, None)
    with widgets.keyed_container("token_secret"):
        if created is not None:
            widgets.show_notice(f"{created[0]} is shown this once: copy it now", word="Token created.", colour=theme.GOOD)
            st.code(created[1], language=None)


def _build_row(token: Token, now: int) -> TableRow:
    state = token.describe_state(now)
    used = units.MISSING if token.used_at is None else units.format_time(token.used_at, TIME_FORMAT)
    cells = (
        token.name, ", ".join(token.scopes), Cell(state, _COLOURS[state]), units.format_time(token.created_at, TIME_FORMAT), token.created_by,
        units.format_time(token.expires_at, TIME_FORMAT), used,
    )  # fmt: skip
    return TableRow(token.name, cells)
