"""Who uses this browser session, what they may do, and how the audit trail names them."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache, wraps
from html import escape
from pathlib import Path

import streamlit as st

from engine.access.desk import FrontDesk
from engine.access.logins import COOKIE
from engine.domain.access import LOCAL_VISITOR, Visitor, judge_access
from engine.domain.audit import DASHBOARD
from engine.service.clock import WallClock
from engine.service.settings_loader import load_settings
from engine.store.errors import StoreError

NOBODY = Visitor("nobody", "")


def find_visitor() -> Visitor:
    """Who uses this session, with today's role: the cookie of its connection is looked up at every call, so that a log-out holds at once."""
    if os.environ.get("PODIUM_LOGIN", "off") in {"off", ""}:  # the server sets it from its settings before the first page runs
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


def find_origin() -> str:
    """Where a command or an export of this session comes from: the dashboard, and the browser's address where that is another machine's."""
    address = st.context.ip_address
    return DASHBOARD if address is None else f"{DASHBOARD}, {address}"


def list_sender_flags() -> list[str]:
    """The flags that name this session to a process which it starts."""
    return ["--by", find_visitor().name, f"--origin={find_origin()}"]


@cache
def _open_desk() -> FrontDesk:
    return FrontDesk(load_settings(os.environ, Path.cwd()), WallClock())
