"""The table of actions: a row each with its verdict, mode and licence, and the buttons that run it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pandas as pd
import streamlit as st

from engine import units
from engine.domain.access import OPERATE
from engine.domain.rules import OFF, QUARANTINED
from engine.store.read.past import NOT_STORED
from pages.optimizer import requests
from pages.optimizer.text import describe_evidence, format_metric, format_metric_interval, metric_label
from pages.ui import ages, cache, commands, live, theme, travel, visitors, widgets
from pages.ui.command_table import readable_name, text_or
from pages.ui.forest_plot import finite_or_none, iterate_rows
from pages.ui.tables import Cell, Column, TableRow, render_button, render_table

COLUMNS = (
    Column("Action", nowrap=True, term="optimizer action"), Column("Verdict", full_width=True),
    Column("Effect, 95 %", right=True, full_width=True, wrap=True),
    Column("Mode"), Column("Licence", full_width=True), Column("Last run", right=True),
    Column("Runs, controls", right=True, term="control window"),
    Column("On latency, clean rate", right=True, full_width=True, wrap=True, term="guard metric"), Column("Run it", full_width=True),
)  # fmt: skip
COSTS = {"none": "no cost", "low": "low cost", "high": "high cost"}
RUN, DRY = "run", "dry"  # what a button does, before the name of its action


@travel.live_part(3)
def show_actions() -> None:
    """Show the live table, and send what a button in it asks for."""
    with widgets.reading_store():
        widgets.show_heading("Actions", "each changes only this process and Podium's own folders", term="optimizer action")
        actions, runs = requests.fetch_actions(), requests.fetch_requests()
        travel.note_past(
            "Modes are those of now, since the store has no history of them. A licence or a verdict that was replaced later is not stored."
        )
        marked = {*runs.recommended, st.query_params.get("run", "")}  # a link of the palette names an action
        rows = list_actions(actions, cache.current_time(), alive=runs.is_alive, busy=runs.busy, recommended=runs.recommended, marked=marked)
        act = live.show_acting_table(render_table(COLUMNS, rows, label="Actions and their measured effects"), key="actions", label="Actions")
        if act is not None:
            carry_out(act, actions, alive=runs.is_alive, busy=runs.busy)
        commands.show_answer("run")


def carry_out(act: str, actions: pd.DataFrame, *, alive: bool, busy: Collection[str]) -> None:
    """Send what a button of the table does, such as "run trim_cache"; what is off by now is refused with its reason."""
    kind, _, name = act.partition(" ")
    action = next((action for action in iterate_rows(actions) if action.action == name), None)
    if action is None or kind not in {RUN, DRY}:
        return
    obstacle = find_obstacle(action, alive=alive, busy=busy, dry=kind == DRY)
    if obstacle:
        st.session_state["answer"] = (f"{readable_name(name)}: {obstacle}", theme.WARNING, "Not sent.")
        return
    requests.send_run(name, str(st.session_state.get("reason_to_run") or ""), dry=kind == DRY)


def find_obstacle(action: Any, *, alive: bool, busy: Collection[str], dry: bool = False) -> str:
    """Say why an action cannot be run now; "" where it can. A dry run changes nothing, so mode and licence do not matter."""
    if not alive:
        return requests.explain_absence()
    if action.action in busy:
        return "it runs or waits already"
    if dry:
        return ""
    if action.licence == QUARANTINED:
        return "quarantined; restore its licence first"
    return "its mode is off" if action.mode == OFF else ""


def list_actions(
    frame: pd.DataFrame, now: int, *, alive: bool, busy: Collection[str], recommended: Collection[str], marked: Collection[str] = ()
) -> list[TableRow]:
    """Return a row per action with the pooled result of its trials; the order never changes, so that no button moves."""
    rows = []
    for action in iterate_rows(frame):
        last = f"{ages.ticking_age(int(action.last_at), now)} ago" if units.is_known(action.last_at) else "never"
        kind = ", ".join(part for part in (action.kind, COSTS.get(text_or(action.cost, ""), "")) if part)
        verdict = text_or(action.verdict, units.NOT_ENOUGH)
        trials = describe_evidence(action)
        if verdict in {units.NOT_ENOUGH, NOT_STORED}:
            trials = trials.removeprefix(f"{units.NOT_MEASURED}, ")
        evidence = ("recommended now; " if action.action in recommended else "") + trials
        cells = (
            Cell(readable_name(action.action), small=kind), Cell(verdict, theme.state_colour(verdict), small=evidence), _pooled_effect(action),
            action.mode, _licence(action, now), last, _window_counts(action), _guards(action), _buttons(action, alive=alive, busy=busy),
        )  # fmt: skip
        rows.append(TableRow(action.action, cells, highlighted=action.action in recommended or action.action in marked))
    return rows


def _buttons(action: Any, *, alive: bool, busy: Collection[str]) -> Cell:
    """Return the two buttons, and in words why Run is off."""
    if not visitors.may(OPERATE):
        return Cell(units.MISSING)
    name, why = readable_name(action.action), find_obstacle(action, alive=alive, busy=busy)
    dry = find_obstacle(action, alive=alive, busy=busy, dry=True)
    run = render_button("Run", f"{RUN} {action.action}", name=f"Run {name}", obstacle=why)
    return Cell("", markup=run + render_button("Dry run", f"{DRY} {action.action}", name=f"Dry run of {name}", obstacle=dry), small=why)


def _licence(action: Any, now: int) -> Cell:
    """Return the licence with its reason and age; the initial licence needs no reason."""
    age = f"{ages.ticking_age(int(action.licensed_at), now)} ago" if units.is_known(action.licensed_at) else ""
    return Cell(action.licence, theme.state_colour(action.licence), small=", ".join(part for part in (text_or(action.why, ""), age) if part))


def _window_counts(action: Any) -> Cell:
    """Return the judged runs and control windows; manual runs are counted separately."""
    manual = f"plus {action.by_hand:,} manual" if action.by_hand else ""
    if not units.is_known(action.judged_treated):
        return Cell(f"{action.treated:,}, {action.placebos:,}", small=manual)
    total = f"{action.treated:,} runs in total" if action.treated != action.judged_treated else ""
    return Cell(f"{int(action.judged_treated):,}, {int(action.judged_placebos):,}", small=", ".join(part for part in (total, manual) if part))


def _pooled_effect(action: Any) -> Cell:
    """Return the pooled effect, its interval and its metric."""
    metric = metric_label(text_or(action.metric) if units.is_known(action.effect) else action.cures)
    if not units.is_known(action.effect):
        return Cell(NOT_STORED if action.verdict == NOT_STORED else units.NOT_ENOUGH, small=f"on {metric}")
    unit = text_or(action.unit, "")
    return Cell(format_metric(action.effect, unit), small=f"{format_metric_interval(action.low, action.high, unit)}, on {metric}")


def _guards(action: Any) -> Cell:
    """Return the effects on the guard metrics."""
    if action.verdict == NOT_STORED:
        return Cell(NOT_STORED)
    latency = _guard_effect(action.latency, action.latency_low, action.latency_high, "ms")
    clean = _guard_effect(action.clean, action.clean_low, action.clean_high, "points")
    return Cell(latency, small="" if latency == clean == units.NOT_ENOUGH else clean)


def _guard_effect(value: object, low: object, high: object, unit: str) -> str:
    """Return the effect on a guard metric with its interval."""
    effect, lower, upper = (finite_or_none(bound) for bound in (value, low, high))
    if effect is None:
        return units.NOT_ENOUGH
    interval = f"interval: {units.NOT_ENOUGH}" if lower is None or upper is None else units.format_interval(lower, upper, 2)
    return f"{units.format_number(effect, 2 if abs(effect) < 10 else 1, unit, signed=True)} ({interval})"
