"""Who uses this browser session, as the audit trail names them."""

from __future__ import annotations

import streamlit as st

from engine.domain.audit import DASHBOARD


def find_origin() -> str:
    """Where a command or an export of this session comes from: the dashboard, and the browser's address where that is another machine's."""
    address = st.context.ip_address
    return DASHBOARD if address is None else f"{DASHBOARD}, {address}"


def list_sender_flags() -> list[str]:
    """The flags that name this session to a process which it starts."""
    return ["--by", DASHBOARD, f"--origin={find_origin()}"]
