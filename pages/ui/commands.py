"""Commands to the engine from a page: each goes through the inbox, with its reason."""

from __future__ import annotations

import streamlit as st

from engine import units
from engine.commands.router import find_command
from engine.domain.access import judge_access
from engine.service.clock import WallClock
from engine.store.errors import StoreError
from engine.store.inbox import Inbox
from pages.ui import cache, theme, visitors, widgets

SENDER = "dashboard"
MIN_REASON, MAX_REASON = 3, 200  # characters of a reason
ANSWER_SECONDS = 15
_SHOWN = "answer_shown"  # of this browser: the place, the time (ns UTC), and the answer
REASON = f"Reason (at most {MAX_REASON} characters)"


def submit_command(name: str, args: dict[str, str], reason: str, sender: str = SENDER) -> None:
    """Put a command in the inbox and confirm it, or show why it was refused."""
    try:
        number = send_command(name, args, reason, sender)
    except (StoreError, ValueError) as error:
        st.session_state["answer"] = (str(error), theme.HARM, "Not sent.")
        return
    st.session_state["answer"] = (f"Command {number} ({name}) waits for the engine; this page shows its result", theme.UP, "Sent.")


def send_command(name: str, args: dict[str, str], reason: str, sender: str = SENDER) -> int:
    """Put a command in the inbox and return its number; raises StoreError or ValueError in one line."""
    if cache.past_tick() is not None:
        raise ValueError("This page shows the past: go back to now before you act")
    visitor, now, origin = visitors.find_visitor(), cache.current_time(), visitors.find_origin()
    inbox = Inbox(cache.store_url())
    refusal = judge_access(visitor, find_command(name).right, name)
    if refusal is not None:
        inbox.enter_refusal(name, visitor.name, refusal, now, origin)
        raise ValueError(refusal)
    by = visitor.name if visitor.is_known else sender
    number = inbox.submit(name, args, by, reason.strip(), now, origin, visitor.name if visitor.is_known else None)
    cache.get_reader().refresh()
    return number


def enter_import(name: str, details: dict[str, object]) -> None:
    """Enter in the audit trail that this session imports files as a recording; raises StoreError."""
    inbox = Inbox(cache.store_url())
    try:
        inbox.enter_import(name, visitors.find_visitor().name, details, WallClock().now(), visitors.find_origin())
    finally:
        inbox.close()


def show_answer(where: str) -> None:
    """Show in this part of the page whether the last command was sent, for as long as it takes to read: a live part runs every few seconds."""
    now = WallClock().now()
    if "answer" in st.session_state:
        st.session_state[_SHOWN] = (where, now, *st.session_state.pop("answer"))
    place, since, text, colour, word = st.session_state.get(_SHOWN, ("", 0, "", "", ""))
    with widgets.keyed_container(f"answer_{where}"):
        if place == where and 0 <= now - since < ANSWER_SECONDS * units.SECOND:
            widgets.show_notice(text, word=word, colour=colour)


def clear_answer() -> None:
    """Forget the last answer: what was requested next has begun."""
    for key in ("answer", _SHOWN):
        st.session_state.pop(key, None)


def is_valid_reason(text: str) -> bool:
    return len(text.strip()) >= MIN_REASON


def submit_with_reason(name: str, args: dict[str, str], reason: str) -> None:
    """Send a command if its reason is long enough; otherwise show that one is needed."""
    if is_valid_reason(reason):
        submit_command(name, args, reason)
    else:
        st.session_state["answer"] = (f"Give a reason of at least {MIN_REASON} characters; it is stored with the command", theme.WARNING, "Not sent.")
