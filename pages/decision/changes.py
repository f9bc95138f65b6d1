"""Change one thing and see: the stored tick decided again with a change, beside what was decided."""

from __future__ import annotations

import streamlit as st

from engine import units
from engine.domain.story import DecidedSummary, WhatIf
from engine.schema import describe_bounds
from engine.store.read.decision import DecisionDetails
from engine.trading_parameters import list_changeable_parameters
from pages.decision import questions, sizing
from pages.ui import cache, frame, theme, widgets
from pages.ui.tables import Cell, Column, TableRow, number_columns

COMPARISON_COLUMNS = (Column(""), Column("Decided", right=True, wrap=True), Column("With the change", right=True, wrap=True))
FLIP_COLUMNS = (Column("Gate that flips"), *number_columns("Decided", "With the change"))
PRESETS = {
    "Half the spread": "spread_factor=0.5",
    "Twice the spread": "spread_factor=2",
    "No fees": "fee_factor=0",
    "No cooldown": "cooldown_bars=0",
}
WITHOUT, THRESHOLD = "Without ", "A setting of my own"


def show_changes(decision: DecisionDetails) -> None:
    """Draw the choice of a change, the button and the comparison."""
    widgets.show_note("What would have been decided, by the same code from the same state. Nothing is stored.")
    if decision.action != "hold" and st.button("Find the smallest change that avoids this trade", icon=":material/search:", key="to_vaccinate"):
        frame.open_page("12_control.py", view="vaccinate", trade=str(decision.tick), symbol=decision.symbol)
    change = choose_change(decision)
    if change is None:
        return
    question = ("what-if", str(decision.tick), "--symbol", decision.symbol, "--change", change, "--json")
    answer = questions.ask("what_if", question, "Deciding the tick again with the change", label="Decide again", detail="Runs in a separate process",
                           answer_as=WhatIf)  # fmt: skip
    if answer is not None:
        show_comparison(answer)


def choose_change(decision: DecisionDetails) -> str | None:
    """Draw the choice; return the change as the command line writes it, None while it is incomplete."""
    models = list(dict.fromkeys(vote.model for vote in decision.votes if vote.version))
    with st.container(horizontal=True, vertical_alignment="bottom", key="change"):
        chosen = st.selectbox("Change", [*PRESETS, *(WITHOUT + model for model in models), THRESHOLD], key="change_kind", width=230)
        if chosen != THRESHOLD:
            return PRESETS.get(chosen, f"without={chosen.removeprefix(WITHOUT)}")
        config = cache.fetch_config_of(decision.config_digest)
        known = {name: row for name, row in list_changeable_parameters().items() if name in config and row.bounds.kind in {"number", "whole number"}}
        if not known:
            return None
        name = st.selectbox("Setting", list(known), key="change_setting", width=230)
        parameter = known[name]
        written = st.text_input(f"Value, now {units.format_setting(config[name], parameter.unit)}", key=f"change_{name}", help=parameter.help,
                                placeholder=describe_bounds(parameter.bounds), width=230)  # fmt: skip
    return f"{name}={written.strip()}" if written.strip() else None


def show_comparison(answer: WhatIf) -> None:
    """Draw the verdict, then what was decided beside what would have been."""
    widgets.show_notice(describe_verdict(answer), word="What would have been decided.", colour=theme.UP)
    for note in (
        *answer.notes,
        *(() if answer.reproduced else ("even without the change, the result differs from the stored one: replay the tick",)),
    ):
        widgets.show_note(note)
    widgets.show_table(COMPARISON_COLUMNS, list_comparison(answer), label="The decision and what it would have been", cards=False)
    if answer.flipped:
        widgets.show_table(FLIP_COLUMNS, list_flips(answer), label="Gates that flip", cards=False)
    if answer.others:
        widgets.show_note(f"Other symbols: {'; '.join(answer.others)}.")


def describe_verdict(answer: WhatIf) -> str:
    """Return the change and its consequence in one clause each."""
    then, now = answer.before, answer.after
    changes = ", ".join(answer.changes)
    if answer.identical:
        return f"{changes}: nothing changes, every bit is the same."
    flips = units.format_count(len(answer.flipped), "gate flips", "gates flip") if answer.flipped else "no gate flips"
    if (then.action, then.intent) != (now.action, now.intent):
        return f"{changes}: {_action(now)} instead of {_action(then)}; {flips}."
    if then.target != now.target:
        return f"{changes}: still {now.action}, to {sizing.format_size(now.target)} instead of {sizing.format_size(then.target)}; {flips}."
    return f"{changes}: still {now.action}, {now.reason}; {flips}."


def list_comparison(answer: WhatIf) -> list[TableRow]:
    """List the figures of both decisions; those that differ are marked."""
    rows = []
    for (label, then), (_, now) in zip(_figures(answer.before), _figures(answer.after), strict=True):
        rows.append(TableRow(label, (label, then, Cell(now, theme.WARNING) if then != now else now), highlighted=then != now))
    return rows


def list_flips(answer: WhatIf) -> list[TableRow]:
    """List the gates whose verdict differs, with their values and limits."""
    pairs = [(then, now) for then, now in zip(answer.before.gates, answer.after.gates, strict=True) if then.passed != now.passed]
    return [
        TableRow(then.name, (then.name, *(
            Cell("pass" if gate.passed else "fail", theme.state_colour("pass" if gate.passed else "fail"),
                 small=f"{units.format_quantity(gate.value)} of {units.format_quantity(gate.limit)} {gate.unit}" if gate.unit else "")
            for gate in (then, now)
        )))
        for then, now in pairs
    ]  # fmt: skip


def _action(summary: DecidedSummary) -> str:
    return summary.action if summary.action == summary.intent else f"{summary.action} ({summary.intent})"


def _figures(summary: DecidedSummary) -> tuple[tuple[str, str], ...]:
    return (
        ("Action", _action(summary)),
        ("Reason", summary.reason),
        ("Binding gate", summary.binding_gate or "none"),
        ("Target", sizing.format_size(summary.target)),
        ("Expected move", units.format_bps(summary.edge_bps, signed=True)),
        ("Round-trip cost", units.format_bps(summary.cost_bps)),
        ("P(direction)", units.format_percent(summary.confidence)),
        ("Desired size", sizing.format_size(summary.limits[0][1] if summary.limits else None)),
    )
