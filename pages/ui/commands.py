"""Commands to the engine from a page: each goes through the inbox, with its reason."""

from __future__ import annotations

import streamlit as st

from engine.store.errors import StoreError
from engine.store.inbox import Inbox
from pages.ui import cache, theme, widgets

SENDER = "dashboard"
MIN_REASON, MAX_REASON = 3, 200  # characters of a reason
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
    number = Inbox(cache.store_url()).submit(name, args, sender, reason.strip(), cache.current_time())
    cache.get_reader().refresh()
    return number


def show_answer(where: str) -> None:
    """Show once, in this part of the page, whether the last command was sent."""
    answer = st.session_state.pop("answer", None)
    with widgets.keyed_container(f"answer_{where}"):
        if answer is not None:
            text, colour, word = answer
            widgets.show_notice(text, word=word, colour=colour)


def is_valid_reason(text: str) -> bool:
    return len(text.strip()) >= MIN_REASON


def submit_with_reason(name: str, args: dict[str, str], reason: str) -> None:
    """Send a command if its reason is long enough; otherwise show that one is needed."""
    if is_valid_reason(reason):
        submit_command(name, args, reason)
    else:
        st.session_state["answer"] = (f"Give a reason of at least {MIN_REASON} characters; it is stored with the command", theme.WARNING, "Not sent.")
