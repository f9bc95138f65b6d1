"""The form of a trading parameter: its value is previewed on the last ticks, then saved with name and reason, and undone with one click."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine import units
from engine.domain.access import ADMINISTER
from engine.domain.counterfactual import Preview
from engine.schema import Parameter, SchemaError, describe_bounds
from engine.store.read.setting_changes import SettingChange
from engine.trading_parameters import list_live_parameters, read_live_parameter
from pages.control import comparison, questions
from pages.ui import commands, settings_cache, theme, visitors, widgets
from pages.ui.tables import Cell, Column, TableRow

PREVIEW = "preview"
TICKS = (100, 300, 1_000, 2_000)
SHOWN = 12  # changes
VALUE = "setting_value"
MAX_NAME = 60  # characters
HISTORY_COLUMNS = (
    Column("Time", nowrap=True), Column("Setting"), Column("Before", right=True), Column("After", right=True), Column("By"),
    Column("Reason", full_width=True), Column("Status"),
)  # fmt: skip


@visitors.needs(ADMINISTER, "Settings are changed by admins; the changes so far are below.")
def show_setting_form(config: dict[str, Any]) -> None:
    """Draw the form with its preview; `config` is the trading configuration of the newest tick."""
    known = {name: parameter for name, parameter in list_live_parameters().items() if name in config}
    widgets.show_heading("Change a setting", "previewed on the last ticks, saved from the next tick on")
    if not known:
        widgets.show_waiting("the first tick")
        return
    with st.container(horizontal=True, vertical_alignment="bottom", key="setting_row"):
        name = st.selectbox("Setting", list(known), key="setting", width=250, format_func=readable, on_change=_clear_value)
        parameter, current = known[name], config[name]
        written = st.text_input("New value", key=VALUE, max_chars=40, width=160, placeholder=units.format_setting(current))
        ticks = st.selectbox("Ticks", TICKS, index=1, key="preview_ticks", width=110)
        pressed = st.button("Preview", icon=":material/visibility:", key="preview_setting")
    widgets.show_note(describe_parameter(parameter, current))
    value = read_entry(name, written.strip(), current)
    question = () if value is None else (PREVIEW, f"--set={name}={value}", f"--ticks={ticks}")
    if pressed and question:
        questions.start_question(PREVIEW, question)
    commands.show_answer("settings")
    is_previewed = False
    with widgets.keyed_container("preview_answer"):
        state = questions.read_question(PREVIEW)
        if state is not None and question and state.key == questions.build_key(question):
            answer = questions.show_question(PREVIEW, int(ticks), Preview)
            is_previewed = answer is not None
            if answer is not None:
                comparison.show_preview(answer, PREVIEW)
                widgets.show_note(f"Previewed {questions.age_of(PREVIEW)}.")
    show_saving(name, value, is_previewed=is_previewed)


def read_entry(name: str, text: str, current: float) -> str | None:
    """Return the value that was typed, as a command writes it; None, with the reason on the page, where it is none."""
    if not text:
        return None
    try:
        value = read_live_parameter(name, text)
    except SchemaError as error:
        widgets.show_notice(str(error), word="No such value.", colour=theme.WARNING)
        return None
    if value == current:
        widgets.show_notice(f"{readable(name)} is {units.format_setting(current)} already", word="No change.", colour=theme.NEUTRAL)
        return None
    return f"{value:.12g}"


def show_saving(name: str, value: str | None, *, is_previewed: bool) -> None:
    """Draw name, reason and the button that saves, which waits for the preview of this very value."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="saving_row"):
        visitor = visitors.find_visitor()
        sender = visitor.name if visitor.is_known else st.text_input("Your name", key="setting_sender", max_chars=MAX_NAME, width=180)
        reason = st.text_input(commands.REASON, key="setting_reason", max_chars=commands.MAX_REASON, placeholder="why, for the record")
        ready = value is not None and is_previewed
        if st.button("Save", type="primary", icon=":material/save:", key="save_setting", disabled=not ready, help="Holds from the next tick on"):
            save_change(name, str(value), sender, reason)
    if not is_previewed:
        widgets.show_note("A value is saved after its preview.")
    commands.show_answer("saving")


def save_change(name: str, value: str, sender: str, reason: str) -> None:
    """Send the command, with its sender and its reason; both are text and go on record."""
    known = "".join(sign for sign in sender if sign.isprintable()).strip()[:MAX_NAME]
    if not known:
        st.session_state["answer"] = ("Give your name; it is stored with the change", theme.WARNING, "Not sent.")
    elif not commands.is_valid_reason(reason):
        commands.submit_with_reason("configure", {}, reason)  # says that a reason is needed
    else:
        commands.submit_command("configure", {"parameter": name, "value": value}, reason, known)


def show_history(config: dict[str, Any]) -> None:
    """Draw the changes, newest first, with a button for each that holds now and can be undone."""
    changes = settings_cache.fetch_setting_changes()
    widgets.show_heading("Changes of settings", "newest first, times in UTC")
    if not changes:
        widgets.show_empty("no setting has been changed by a command in this session")
        return
    widgets.show_table(HISTORY_COLUMNS, [_row(change) for change in changes[:SHOWN]], label="Changes of settings")
    with st.container(horizontal=True, key="undo_row"):
        for change in changes[:SHOWN]:
            if is_undoable(change, config) and visitors.may(ADMINISTER) and st.button(
                f"Undo {widgets.button_label(change.parameter)}", key=f"undo_{change.number}", icon=":material/undo:",
                help=f"Back to {change.before} from the next tick on",
            ):  # fmt: skip
                arguments = {"parameter": change.parameter, "value": str(change.before)}
                commands.submit_command("configure", arguments, f"undo of command {change.number}")
    commands.show_answer("undo")


def is_undoable(change: SettingChange, config: dict[str, Any]) -> bool:
    """Whether a change holds now and the value before it is known."""
    current = config.get(change.parameter)
    if change.before is None or not change.is_newest or not units.is_known(current):
        return False
    return f"{float(change.value):.12g}" == f"{float(current or 0.0):.12g}"


def describe_parameter(parameter: Parameter, current: float) -> str:
    """Return its meaning, its value now, its default and its bounds, with the unit."""
    default = units.format_setting(parameter.default if isinstance(parameter.default, int | float) else 0.0)
    unit = f" ({parameter.unit})" if parameter.unit else ""
    return f"{parameter.help}{unit}: now {units.format_setting(current)}, default {default}; {describe_bounds(parameter.bounds)}"


def readable(name: str) -> str:
    return name.replace("_", " ")


def _clear_value() -> None:
    """Forget what was typed for another setting."""
    st.session_state[VALUE] = ""


def _row(change: SettingChange) -> TableRow:
    return TableRow(
        str(change.number),
        (
            units.format_time(change.at, "%m-%d %H:%M:%S"), Cell(readable(change.parameter), small=f"command {change.number}"),
            change.before or units.MISSING, change.value, change.sender, change.reason or "no reason given",
            Cell(change.status, theme.state_colour(change.status)),
        ),
    )  # fmt: skip
