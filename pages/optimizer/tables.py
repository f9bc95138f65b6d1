"""The table of trials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from engine import units
from engine.domain.optimization import MANUAL, describe_verdict
from engine.store.read.history_tables import TRIALS as TRIALS_STORED
from pages.optimizer.text import format_direct_effect, format_metric, format_metric_interval, metric_label
from pages.ui import theme
from pages.ui.command_table import NO_REASON, WHEN, readable_name, text_or
from pages.ui.forest_plot import finite_or_none
from pages.ui.history_table import HistoryView, ShownColumn
from pages.ui.tables import Cell, Column

TRIALS = (
    Column("Time", nowrap=True), Column("Action", nowrap=True, term="optimizer action"), Column("Verdict", full_width=True),
    Column("Effect, 95 %", right=True, full_width=True), Column("Metric", nowrap=True), Column("Before", right=True), Column("After", right=True),
    Column("Trigger", full_width=True), Column("Direct effect", right=True, full_width=True),
)  # fmt: skip


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
