"""Pauses and flattenings, scored against what the engine would have done without them."""

from __future__ import annotations

import streamlit as st

from engine import units
from engine.domain.counterfactual import ScoredOverride, ScoredOverrides
from pages.control import comparison, questions
from pages.ui import commands, theme, widgets
from pages.ui.tables import Cell, Column, TableRow, number_columns

OVERRIDES = "overrides"
COLUMNS = (
    Column("From", nowrap=True), Column("Override"), Column("By", full_width=True), *number_columns("Decided otherwise", "Costs saved", "P&L"),
    Column("95 % interval", right=True),
)  # fmt: skip


def show_overrides() -> None:
    """Draw the button that scores them, and the table."""
    widgets.show_heading("Pauses and flattenings", "against what the engine would have done without them")
    if st.button("Score them", icon=":material/balance:", key="score_overrides"):
        questions.start_question(OVERRIDES, (OVERRIDES,))
    commands.show_answer("overrides")
    with widgets.keyed_container("override_answer"):
        answer = questions.show_question(OVERRIDES, 0, ScoredOverrides)
        if answer is not None:
            show_scores(answer)


def show_scores(answer: ScoredOverrides) -> None:
    """Draw the verdict on all together, then a row for each."""
    if answer.total is None:
        widgets.show_empty(f"no pause and no flattening from tick {answer.first:,} to {answer.last:,}")
        return
    text = f"{units.format_count(len(answer.overrides), 'override')} together: {comparison.describe_interval(answer.total)}"
    low, high = answer.total.low, answer.total.high
    word = "Not enough data." if low is None or high is None else "Gained." if low > 0.0 else "Lost." if high < 0.0 else "No difference proven."
    widgets.show_notice(text, word=word, colour=comparison.colour_of(answer.total))
    widgets.show_table(COLUMNS, [_row(row) for row in answer.overrides], label="Pauses and flattenings")
    more = f"; {answer.left_out:,} older are not scored" if answer.left_out else ""
    widgets.show_note(f"P&L above 0: the override gained. Each is decided again until its end, open positions at their last price{more}.")


def _row(row: ScoredOverride) -> TableRow:
    span = f"ticks {row.first:,} to {row.last:,}" + (", still on" if row.is_open else "") + (", its beginning" if row.shortened else "")
    low, high = (None if bound is None else bound * 100.0 for bound in (row.difference.low, row.difference.high))
    return TableRow(
        f"{row.kind} {row.first}",
        (
            units.format_time(row.at, "%m-%d %H:%M"), Cell(row.kind, theme.WARNING, small=span),
            Cell(row.by or units.MISSING, small=row.reason or "no reason given"), f"{row.flips:,}", units.format_money(row.costs_saved, signed=True),
            units.format_percent(row.difference.share, 3, signed=True), units.format_interval(low, high, 3, "%"),
        ),
    )  # fmt: skip
