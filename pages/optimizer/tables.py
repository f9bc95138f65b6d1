"""Tables of actions and trials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from engine import units
from engine.domain.optimization import MANUAL, describe_verdict
from engine.store.read.history_tables import TRIALS as TRIALS_STORED
from pages.optimizer.text import format_direct_effect, format_metric, format_metric_interval, metric_label
from pages.ui import ages, theme
from pages.ui.command_table import NO_REASON, WHEN, readable_name, text_or
from pages.ui.forest_plot import finite_or_none, iterate_rows
from pages.ui.history_table import HistoryView, ShownColumn
from pages.ui.tables import Cell, Column, TableRow

ACTIONS = (
    Column("Action", nowrap=True, term="optimizer action"), Column("Verdict"), Column("Effect, 95 %", right=True, full_width=True, wrap=True),
    Column("Metric", nowrap=True), Column("Mode"), Column("Licence", full_width=True), Column("Last run", right=True),
    Column("Runs, controls", right=True, term="control window"),
    Column("On latency", right=True, full_width=True, wrap=True, term="guard metric"),
    Column("On clean rate", right=True, full_width=True, wrap=True, term="guard metric"),
)  # fmt: skip
TRIALS = (
    Column("Time", nowrap=True), Column("Action", nowrap=True, term="optimizer action"), Column("Verdict", full_width=True),
    Column("Effect, 95 %", right=True, full_width=True), Column("Metric", nowrap=True), Column("Before", right=True), Column("After", right=True),
    Column("Trigger", full_width=True), Column("Direct effect", right=True, full_width=True),
)  # fmt: skip
COSTS = {"none": "no cost", "low": "low cost", "high": "high cost"}


def list_actions(frame: pd.DataFrame, now: int) -> list[TableRow]:
    """Return a row per action with the pooled result of its trials."""
    rows = []
    for action in iterate_rows(frame):
        last = f"{ages.ticking_age(int(action.last_at), now)} ago" if units.is_known(action.last_at) else "never"
        kind = ", ".join(part for part in (action.kind, COSTS.get(text_or(action.cost, ""), "")) if part)
        verdict = text_or(action.verdict, units.NOT_ENOUGH)
        cells = (
            Cell(readable_name(action.action), small=kind), Cell(verdict, theme.state_colour(verdict)), _pooled_effect(action),
            metric_label(action.cures), action.mode, _licence(action, now), last, _window_counts(action),
            _guard_effect(action.latency, action.latency_low, action.latency_high, "ms"),
            _guard_effect(action.clean, action.clean_low, action.clean_high, "points"),
        )  # fmt: skip
        rows.append(TableRow(action.action, cells))
    return rows


def build_trial_view(chosen: int | None) -> HistoryView:
    """Return the table of trials, each of which opens the readings around it."""
    return HistoryView(
        TRIALS_STORED,
        (
            *(ShownColumn(name, head, cell) for name, head, cell in zip(TRIALS_STORED.default, TRIALS, _TRIAL_CELLS, strict=True)),
            ShownColumn("seconds", Column("Duration", right=True), lambda trial: units.format_duration(finite_or_none(trial.seconds))),
            ShownColumn("detail", Column("Detail", full_width=True), lambda trial: text_or(trial.detail, "")),
        ),
        row_id=lambda trial: str(trial.id),
        noun="trial",
        empty="no run has been measured yet",
        label="Trials and their effects",
        link=lambda trial: f"/optimizer?{urlencode(st.query_params.to_dict() | {'view': 'History', 'trial': trial.id})}",
        is_marked=lambda trial: trial.id == chosen,
    )


def _trigger(trial: Any) -> Cell:
    """Return the rule that called for the trial, or the person with the reason."""
    if trial.mode == MANUAL:
        return Cell(text_or(trial.reason, NO_REASON), small=f"by {text_or(trial.by)}")
    return Cell(readable_name(text_or(trial.trigger)), small=text_or(trial.reason, ""))


def _effect(trial: Any, unit: str) -> Cell:
    """Return the effect with its interval and the number of windows behind it."""
    if not units.is_known(trial.effect):
        return Cell(units.NOT_ENOUGH)
    kind = "idle window" if trial.mode == MANUAL else "control window"
    windows = units.format_count(int(trial.windows), kind) if units.is_known(trial.windows) else "no control windows"
    return Cell(format_metric(trial.effect, unit), small=f"{format_metric_interval(trial.low, trial.high, unit)}, {windows}")


def _verdict(trial: Any) -> Cell:
    if trial.placebo:
        return Cell("control", theme.NEUTRAL)
    if trial.mode == MANUAL:
        return Cell(describe_verdict(trial.verdict), theme.NEUTRAL, small="manual run: an indication")
    return Cell(trial.verdict, theme.state_colour(trial.verdict), small="undone" if trial.undone else "")


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
    if not units.is_known(action.effect):
        return Cell(units.NOT_ENOUGH)
    unit = text_or(action.unit, "")
    other = "" if action.metric == action.cures else f", on {metric_label(text_or(action.metric))}"
    return Cell(format_metric(action.effect, unit), small=format_metric_interval(action.low, action.high, unit) + other)


def _guard_effect(value: object, low: object, high: object, unit: str) -> Cell:
    """Return the effect on a guard metric."""
    effect, lower, upper = (finite_or_none(bound) for bound in (value, low, high))
    if effect is None:
        return Cell(units.NOT_ENOUGH)
    interval = f"interval: {units.NOT_ENOUGH}" if lower is None or upper is None else units.format_interval(lower, upper, 2)
    return Cell(units.format_number(effect, 2 if abs(effect) < 10 else 1, unit, signed=True), small=interval)


_TRIAL_CELLS: tuple[Callable[[Any], Cell | str], ...] = (  # under TRIALS
    lambda trial: units.format_time(int(trial.at), WHEN),
    lambda trial: readable_name(trial.action),
    _verdict,
    lambda trial: Cell("basis of comparison") if trial.placebo else _effect(trial, text_or(trial.unit, "")),
    lambda trial: metric_label(text_or(trial.metric)),
    lambda trial: format_metric(trial.before, text_or(trial.unit, "")),
    lambda trial: format_metric(trial.after, text_or(trial.unit, "")),
    _trigger,
    lambda trial: "nothing done" if trial.placebo else format_direct_effect(trial.amount, trial.amount_unit),
)
