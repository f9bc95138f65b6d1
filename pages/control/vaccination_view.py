"""Vaccinate: the smallest change that would have avoided a trade, and what it would have done to the last decisions."""

from __future__ import annotations

import re

import streamlit as st

from engine import units
from engine.domain.counterfactual import Vaccination
from pages.control import comparison, questions
from pages.ui import commands, params, theme, widgets
from pages.ui.tables import Column, TableRow

VACCINATE = "vaccinate"
TICKS = 300
MOST_SHOWN = 8  # changes that avoid it
COLUMNS = (Column("Change"), Column("Size", right=True))
_TICK, _DAY = re.compile(r"\d{1,15}", re.ASCII), re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def show_vaccination(symbols: tuple[str, ...]) -> None:
    """Draw the choice of a trade, and the answer."""
    widgets.show_heading("Vaccinate", "the smallest change that would have avoided a trade, and its price")
    params.preset_choice("vaccinate_symbol", symbols, name="symbol")
    if "trade" in st.query_params:  # a decision's link
        st.session_state["vaccinate_where"] = st.query_params.pop("trade")[:20]
    with st.container(horizontal=True, vertical_alignment="bottom", key="vaccinate_row"):
        where = st.text_input("Tick, or a day for its worst trade", key="vaccinate_where", max_chars=20, width=250, placeholder="1234 or 2026-11-29")
        symbol = st.selectbox("Symbol", symbols, key="vaccinate_symbol", width=160)
        pressed = st.button("Search", icon=":material/vaccines:", key="vaccinate_search", disabled=not symbols)
    text = where.strip()
    question = build_question(text, str(symbol))
    if pressed and question is None:
        st.session_state["answer"] = ("give the number of a tick, or a day as 2026-11-29", theme.WARNING, "No such trade.")
    elif pressed and question is not None:
        questions.start_question(VACCINATE, question)
    commands.show_answer("vaccination")
    with widgets.keyed_container("vaccinate_answer"):
        state = questions.read_question(VACCINATE)
        if state is not None and question is not None and state.key == questions.build_key(question):
            answer = questions.show_question(VACCINATE, TICKS, Vaccination)
            if answer is not None:
                show_answer(answer)


def build_question(text: str, symbol: str) -> tuple[str, ...] | None:
    """Return the arguments; None for what is neither a tick nor a day."""
    if _DAY.fullmatch(text):
        return (VACCINATE, f"--day={text}", f"--ticks={TICKS}")
    return (VACCINATE, text, symbol, f"--ticks={TICKS}") if _TICK.fullmatch(text) else None


def show_answer(answer: Vaccination) -> None:
    """Draw what avoids the trade, what that costs, and the comparison."""
    trade = f"{answer.action} of {answer.symbol} at tick {answer.tick:,}"
    if answer.chosen is None or answer.preview is None:
        widgets.show_notice(f"none of {len(answer.tried):,} changes avoids the {trade}", word="No vaccine.", colour=theme.NEUTRAL)
        return
    avoiding = [attempt for attempt in answer.tried if attempt.avoids]
    missed = f"{units.format_count(answer.avoided, 'trade')} avoided, {units.format_bps(answer.missed_bps, signed=True)} each after costs"
    widgets.show_notice(f"{answer.chosen} avoids the {trade}; in the last ticks {missed}", word="Smallest change.", colour=theme.UP)
    comparison.show_preview(answer.preview, VACCINATE)
    rows = [TableRow(attempt.change, (attempt.change, units.format_number(attempt.size, 2))) for attempt in avoiding[:MOST_SHOWN]]
    widgets.show_table(COLUMNS, rows, label="Changes that avoid the trade, the smallest first")
    widgets.show_note(
        f"{len(avoiding):,} of {len(answer.tried):,} changes avoid it. Size: logarithm of the factor, "
        "1 for a gate off or a model out, 2 for a bound. The interval counts every change tried (Bonferroni)."
    )
    for note in answer.notes:
        widgets.show_note(note)
