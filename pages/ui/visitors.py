"""Who uses this browser session, what they may do, and how the audit trail names them."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache, wraps
from html import escape
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from engine.access.desk import FrontDesk
from engine.access.logins import COOKIE
from engine.domain.access import LOCAL_VISITOR, Visitor, judge_access
from engine.domain.audit import DASHBOARD
from engine.service.clock import WallClock
from engine.service.settings_loader import load_settings
from engine.store.errors import StoreError
from pages.ui.session_owners import mark_login, remember_owner

NOBODY = Visitor("nobody", "")


def find_visitor() -> Visitor:
    """Who uses this session, with today's role: the cookie of its connection is looked up at every call, so that a log-out holds at once."""
    if not _has_login():
        return LOCAL_VISITOR
    try:
        return _open_desk().find_visitor(st.context.cookies.get(COOKIE)) or NOBODY
    except (StoreError, OSError, ValueError):  # whether the log-in still holds is unknown
        return NOBODY


def find_refusal(right: str) -> str | None:
    """The reason why this session may not do what needs a right; None where it may."""
    return judge_access(find_visitor(), right)


def may(right: str) -> bool:
    """Whether this session may do what needs a right; what it may not is not drawn."""
    return find_refusal(right) is None


def needs(right: str, instead: str = "") -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate a part of a page that acts: it is drawn for whoever has the right, and for nobody else. The handler of its command checks again.

    `instead` is a line for the others, where the page would be empty.
    """

    def decorate(part: Callable[..., None]) -> Callable[..., None]:
        @wraps(part)
        def show(*args: object, **options: object) -> None:
            if may(right):
                part(*args, **options)
            elif instead:
                st.caption(instead)

        return show

    return decorate


def show_account() -> None:
    """Show in the sidebar who is logged in, and the way out."""
    visitor = find_visitor()
    if visitor.is_known:
        name = escape(visitor.name)
        st.sidebar.html(f'<div class="pd pd-account"><b>{name}</b>, {escape(visitor.role)} · <a href="/logout" target="_self">Log out</a></div>')


def claim_session() -> None:
    """Note that this session is the visitor's, who alone may resume it after a lost connection."""
    context = get_script_run_ctx(suppress_warning=True)
    if context is not None and _has_login():
        remember_owner(context.session_id, st.context.cookies.get(COOKIE))


def find_mark() -> str:
    """The mark of the visitor's log-in, by which a page notices that somebody else has logged in; "" without log-in."""
    return mark_login(st.context.cookies.get(COOKIE)) if _has_login() else ""


def find_origin() -> str:
    """Where a command or an export of this session comes from: the dashboard, and the browser's address where that is another machine's."""
    address = st.context.ip_address
    return DASHBOARD if address is None else f"{DASHBOARD}, {address}"


def list_sender_flags() -> list[str]:
    """The flags that name this session to a process which it starts."""
    return ["--by", find_visitor().name, f"--origin={find_origin()}"]


def _has_login() -> bool:
    """Whether people log in; the server sets it from its settings before the first page runs."""
    return os.environ.get("PODIUM_LOGIN", "off") not in {"off", ""}


@cache
def _open_desk() -> FrontDesk:
    return FrontDesk(load_settings(os.environ, Path.cwd()), WallClock())
