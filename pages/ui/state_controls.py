"""Pause, Resume and Flatten in the state bar: through the inbox like Control, with the result and, if wanted later, the reason."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import streamlit as st

from engine import units
from engine.domain.access import OPERATE
from engine.store.errors import StoreError
from engine.store.read.closing import ClosingEstimate, ClosingPosition
from engine.store.read.command_notes import CommandOutcome
from engine.store.read.reader import StoreUnreadable
from engine.store.read.status import EngineStatus
from pages.ui import cache, command_table, commands, glossary, now_cache, theme, visitors, widgets

SHOWN_SECONDS = 30.0  # s for which a result stays without being closed, from when it is first shown
NAMED = 6  # positions named one by one
WHY = "Why, for the record (may be added later)"
_KEY = "state_bar"
_TOO_SHORT = f"Give a reason of at least {commands.MIN_REASON} characters."
_PAUSE = "Every decision holds; nothing is opened or closed until you resume"
_DOWN = "No engine runs on this store, so nothing would carry it out. Control can still queue commands."


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Where the person stands: a question that is open (flatten, resume), the command sent last, and an error of sending it."""

    question: str = ""
    command: int | None = None
    error: str = ""
    note: int | None = None  # number of the command that adds the reason
    hint: str = ""  # on what was typed
    shown_at: int | None = None  # ns UTC, since when the result is shown


@visitors.needs(OPERATE)
def show_buttons(status: EngineStatus | None, *, alive: bool, why: str = _DOWN) -> None:
    """Show the buttons; all of them are off where no engine could carry them out, or for another reason, `why`."""
    last = None if status is None else status.last
    is_stopped = last is not None and (last.paused or last.flattening or _needs_reason(status))
    if is_stopped:
        _show_button("Resume", "play_arrow", "End a pause or a flatten, and lift a drawdown stop", _press_resume, alive=alive, why=why)
    if last is None or not last.paused:
        _show_button("Pause", "pause", _PAUSE, _send, "pause", alive=alive and last is not None, why=why)
    if last is None or not last.flattening:
        text = f"{glossary.define('flatten')} You confirm first."
        _show_button("Flatten", "vertical_align_center", text, _ask, "flatten", alive=alive and last is not None, why=why)


def describe_buttons(status: EngineStatus, *, alive: bool) -> str:
    """Return a text that changes with what `show_buttons` shows."""
    last = status.last
    return f"{alive} {'no tick' if last is None else f'{last.paused} {last.flattening} {_needs_reason(status)}'}"


def is_answering() -> bool:
    """Return whether a question or a result is shown to this person, which is refreshed by the script."""
    return _dialogue() != Dialogue()


@visitors.needs(OPERATE)
def show_dialogue(status: EngineStatus) -> None:
    """Show the open question, or the result of the command sent last; nothing where there is neither."""
    dialogue = _dialogue()
    if dialogue.question:
        with st.container(key="bar_panel"), widgets.reading_store():
            _show_flatten() if dialogue.question == "flatten" else _show_resume(status)
            _show_hint(dialogue)
    elif dialogue.error:
        with st.container(key="bar_panel"):
            widgets.show_notice(dialogue.error, word="Not sent.", colour=theme.HARM)
            st.button("Close", key="bar_close", on_click=_forget)
    elif dialogue.command is not None:
        with widgets.reading_store():
            _show_outcome(dialogue)


def describe_closing(estimate: ClosingEstimate) -> str:
    """Name what Flatten closes and what that is estimated to cost."""
    if not estimate.positions:
        return "No position is open: nothing would be closed. Nothing is opened until you resume."
    named = ", ".join(_name_position(position) for position in estimate.positions[:NAMED])
    more = f" and {len(estimate.positions) - NAMED} more" if len(estimate.positions) > NAMED else ""
    count = units.format_count(len(estimate.positions), "position")
    worth = "" if estimate.value is None else f", together {units.format_money(estimate.value)}"
    return f"Closes {count} at market at the next bar{worth}: {named}{more}. {_describe_cost(estimate)} Nothing is opened until you resume."


def describe_outcome(outcome: CommandOutcome) -> tuple[str, str, str]:
    """Return word, text and colour of a command as far as it has been carried out."""
    if outcome.status in {"queued", "running"}:
        return "Sent.", f"Command {outcome.number} ({outcome.name}) waits for the engine", theme.UP
    text = f"Command {outcome.number} ({outcome.name}): {command_table.describe_result(outcome.result) or outcome.status}"
    return ("Done.", text, theme.GOOD) if outcome.status == "done" else ("Not done.", text, theme.HARM)


def _describe_cost(estimate: ClosingEstimate) -> str:
    if estimate.cost is None or not estimate.value:
        return "The cost cannot be estimated: spread, fee or impact is unknown."
    share = units.format_bps(estimate.cost / estimate.value * 1e4)
    return (
        f"Estimated cost {units.format_money(estimate.cost)} ({share}): half the spread, fee and impact as at the newest tick, "
        "impact for the largest order allowed."
    )


def _name_position(position: ClosingPosition) -> str:
    value = "" if position.value is None else f" ({units.format_money(position.value)})"
    return f"{position.symbol} {'long' if position.units > 0 else 'short'} {units.format_quantity(abs(position.units))}{value}"


def _show_flatten() -> None:
    estimate = now_cache.fetch_closing_estimate()
    widgets.show_notice(describe_closing(estimate), word="Flatten?", colour=theme.WARNING)
    count = len(estimate.positions)
    with _answer_row():
        _show_reason_field()
        label = f"Close {units.format_count(count, 'position')}" if count else "Stop opening"
        st.button(label, key="bar_confirm", type="primary", on_click=_send, args=("flatten",))
        st.button("Cancel", key="bar_cancel", on_click=_forget)


def _show_resume(status: EngineStatus) -> None:
    lost = None if status.last is None else status.last.drawdown
    text = f"Equity is {units.format_percent(lost)} below its peak, past its limit. Resume restarts the peak; that needs a reason."
    widgets.show_notice(text, word="Resume?", colour=theme.WARNING)
    with _answer_row():
        _show_reason_field()
        st.button("Resume trading", key="bar_confirm", type="primary", on_click=_send, args=("resume",))
        st.button("Cancel", key="bar_cancel", on_click=_forget)


def _show_outcome(dialogue: Dialogue) -> None:
    outcome = now_cache.fetch_outcome(dialogue.command or 0)
    if outcome is not None and outcome.finished_at is not None and dialogue.shown_at is None:
        dialogue = st.session_state[_KEY] = replace(dialogue, shown_at=cache.current_time())
    if outcome is None or _is_over(dialogue):
        _forget()
        return
    word, text, colour = describe_outcome(outcome)
    lacks_reason = not outcome.reason.strip() and dialogue.note is None and outcome.status != "failed"
    with st.container(key="bar_panel"):
        widgets.show_notice(text if dialogue.note is None else f"{text}. {_describe_note(dialogue.note)}", word=word, colour=colour)
        with _answer_row():
            if lacks_reason:
                _show_reason_field()
                st.button("Add reason", key="bar_add", on_click=_add_reason, args=(outcome.number,))
            st.button("Close", key="bar_close", on_click=_forget)
        _show_hint(dialogue)


def _describe_note(number: int) -> str:
    """Say how far the command that adds the reason has been carried out."""
    outcome = now_cache.fetch_outcome(number)
    if outcome is None or outcome.status in {"queued", "running"}:
        return "Reason sent."
    if outcome.status == "done":
        return "Reason added."
    return f"Reason not added: {command_table.describe_result(outcome.result) or outcome.status}"


def _show_hint(dialogue: Dialogue) -> None:
    if dialogue.hint:
        widgets.show_note(dialogue.hint)


def _answer_row() -> AbstractContextManager[object]:
    return st.container(horizontal=True, vertical_alignment="bottom", key="bar_answers")


def _show_reason_field() -> None:
    st.text_input(WHY, key="bar_reason", placeholder="why", max_chars=commands.MAX_REASON)


def _show_button(label: str, icon: str, text: str, on_click: Callable[..., None], *args: str, alive: bool, why: str) -> None:
    st.button(
        label, key=f"bar_{label.lower()}", icon=f":material/{icon}:", help=text if alive else why, disabled=not alive, on_click=on_click, args=args
    )


def _press_resume() -> None:
    try:
        question = "resume" if _needs_reason(cache.fetch_status()) else ""
    except StoreUnreadable as error:
        st.session_state[_KEY] = Dialogue(error=str(error))
        return
    if question:
        _ask(question)
    else:
        _send("resume")


def _needs_reason(status: EngineStatus | None) -> bool:
    """Return whether the drawdown limit has been passed, which only a resume with a reason lifts."""
    if status is None or status.last is None:
        return False
    lost, limit = status.last.drawdown, cache.fetch_config(status).get("max_drawdown")
    return lost is not None and limit is not None and lost > limit


def _ask(question: str) -> None:
    st.session_state[_KEY] = Dialogue(question)


def _send(name: str) -> None:
    """Send the command with the reason that has been typed so far, which may be none."""
    reason = str(st.session_state.pop("bar_reason", "") or "")
    try:
        if name == "resume" and _needs_reason(cache.fetch_status()) and not commands.is_valid_reason(reason):
            st.session_state[_KEY] = Dialogue(name, hint=_TOO_SHORT)
        else:
            st.session_state[_KEY] = Dialogue(command=commands.send_command(name, {}, reason))
    except (StoreError, StoreUnreadable, ValueError) as error:
        st.session_state[_KEY] = Dialogue(error=str(error))


def _add_reason(number: int) -> None:
    reason = str(st.session_state.get("bar_reason", "") or "")
    if not commands.is_valid_reason(reason):
        st.session_state[_KEY] = replace(_dialogue(), hint=_TOO_SHORT)
        return
    st.session_state.pop("bar_reason", None)
    try:
        st.session_state[_KEY] = Dialogue(command=number, note=commands.send_command("annotate", {"id": str(number)}, reason))
    except (StoreError, StoreUnreadable, ValueError) as error:
        st.session_state[_KEY] = Dialogue(error=str(error))


def _is_over(dialogue: Dialogue) -> bool:
    """Return whether a result has been shown long enough; a reason that is being typed keeps it."""
    if dialogue.shown_at is None or st.session_state.get("bar_reason"):
        return False
    return cache.current_time() - dialogue.shown_at > SHOWN_SECONDS * units.SECOND


def _forget() -> None:
    st.session_state[_KEY] = Dialogue()
    st.session_state.pop("bar_reason", None)


def _dialogue() -> Dialogue:
    dialogue: Dialogue = st.session_state.get(_KEY, Dialogue())
    return dialogue
