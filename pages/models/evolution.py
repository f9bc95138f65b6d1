"""The section Evolution of the page Models: what races on what evidence, where recipes come from, drift, findings, and commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from engine.domain.access import OPERATE
from engine.domain.evolution import SEARCHES
from engine.store.read.evolution import StampedRows
from engine.store.read.status import SessionInfo
from pages.models import evolution_charts, evolution_figures, evolution_tables
from pages.ui import cache, commands, contest_cache, evolution_text, live, refresh, visitors, widgets
from pages.ui.tables import Column, TableRow, render_table

HISTORY = 60  # newest evolutions shown
CONTEST_ROWS, LINEAGE_ROWS, DRIFT_ROWS, HISTORY_ROWS = 7, 9, 8, 8  # rows of a table that have room without scrolling
VERSIONS_OFFERED = 16  # newest versions of each model in the form
COMMANDS = ("promote", "revert", "search")
FEW_ROWS = 2  # that have room where there is nothing yet: the first row comes once
RACE_ROOM = 450  # px for the chart of a contest with its choice and how sure its gain is


def show_evolution(session: SessionInfo, horizon: int) -> None:
    """Show the whole section."""
    refresh.run_part(_show_live_part, 4, session, horizon)
    _show_forms()


def _show_live_part(session: SessionInfo, horizon: int) -> None:
    with widgets.reading_store():
        view = cache.fetch_evolution(limit=HISTORY)
        evolutions, standings, lineage = view.evolutions, view.standings, view.lineage
        widgets.show_heading("Evolution", "a model changes only when the change is proven better", term="evolution")
        config = cache.fetch_config(cache.fetch_status())
        widgets.show_html(evolution_tables.render_verdict(evolution_text.describe_evolution(evolutions, standings, config)))
        left, right = st.columns([7, 5], gap="medium")
        with left:
            _show_race(evolution_tables.select_contests(evolutions, standings), session, evolution_text.find_watched(standings), horizon)
        with right:
            widgets.show_heading("Lineage", "each recipe below the one that it was derived from", term="recipe")
            recipes = evolution_tables.list_lineage(lineage)
            _show_rows(evolution_tables.LINEAGE, recipes, key="lineage", label="Recipes of the models", room=LINEAGE_ROWS, empty="no version yet")
        widgets.show_heading("Champion and challengers", f"paired on the same ticks, {horizon} bar{'s' * (horizon != 1)} ahead", term="contest")
        contests = evolution_tables.list_contests(evolutions, standings, lineage, horizon)
        _show_rows(evolution_tables.CONTESTS, contests, key="contests", label="Contests", room=CONTEST_ROWS, empty="no contest has run yet")
        _show_drift_and_findings(view.drift, view.findings)
        widgets.show_heading("History of evolutions", "newest first, times of the market in UTC", term="evolution")
        history = evolution_tables.list_history(evolutions, standings)
        _show_rows(evolution_tables.HISTORY, history, key="evolutions", label="Evolutions", room=HISTORY_ROWS, empty="no trigger has fired yet")


def _show_rows(columns: Sequence[Column], lines: Sequence[TableRow], *, key: str, label: str, room: int, empty: str) -> None:
    rows = render_table(columns, lines, label=label, empty=empty)
    live.show_live_table(rows, key=key, reserved=room if lines else FEW_ROWS, label=label)


def _show_race(contests: list[dict[Any, Any]], session: SessionInfo, watched: set[int], horizon: int) -> None:
    widgets.show_heading("Contest", "solid: evidence that it is better; dotted: that it is worse", term="e-value")
    names = {evolution_tables.name_contest(row): row for row in contests}
    if not names:
        widgets.show_empty("no contest has run yet: a challenger races once a trigger has led to a search")
        return
    with widgets.fixed_container("race", RACE_ROOM):
        chosen = st.selectbox("Contest", list(names), key="contest", label_visibility="collapsed")
        row = names.get(str(chosen), contests[0])
        number = int(row["number"])
        points = evolution_tables.select_points(cache.fetch_contest(number), row, is_watch=number in watched)
        if points.empty:
            widgets.show_empty("no figure of this contest is stored yet")
            return
        live.show_chart(evolution_charts.plot_race(points, session.horizons), key="race", label="Evidence of the contest over time by horizon")
        figures = contest_cache.fetch_contest_figures()
        widgets.show_note(evolution_figures.describe_figures(figures, number, horizon, is_watch=number in watched))


def _show_drift_and_findings(drift: StampedRows, findings: StampedRows) -> None:
    left, right = st.columns([6, 6], gap="medium")
    with left:
        widgets.show_heading("Drift by column", evolution_tables.describe_stamp(drift, "recent rows against training,"), term="drift")
        columns = evolution_tables.list_drift(drift)
        _show_rows(evolution_tables.DRIFT, columns, key="drift", label="Drift by column", room=DRIFT_ROWS, empty="no test for drift yet")
    with right:
        widgets.show_heading("Findings", evolution_tables.describe_stamp(findings, "where forecasts are proved off,"), term="finding")
        nothing = "no search for findings yet" if findings.tick is None else "no condition in which the forecasts are proved off"
        proved = evolution_tables.list_findings(findings)
        _show_rows(evolution_tables.FINDINGS, proved, key="findings", label="Findings", room=DRIFT_ROWS, empty=nothing)


@visitors.needs(OPERATE)
def _show_forms() -> None:
    """Show forms that promote, revert and search, each with a reason."""
    with widgets.reading_store():
        versions = cache.fetch_versions(VERSIONS_OFFERED)
        session = cache.fetch_status().session
    if session is None:
        return
    widgets.show_heading("By hand", "promote a challenger, go back to a stored version, or search for a challenger")
    reason = st.text_input(commands.REASON, key="reason_to_evolve", placeholder="why, for the record", max_chars=commands.MAX_REASON, width=420)
    with st.container(horizontal=True, vertical_alignment="bottom", key="evolving"):
        model = str(st.selectbox("Model", list(session.models), key="evolving_model", width=220))
        own = versions[versions["model"] == model]
        names = {f"{row['version']}, {row['role']}": str(row["version"]) for row in own.to_dict("records") if row["role"] != "champion"}
        version = names.get(str(st.selectbox("Version", list(names), key="evolving_version", width=280, placeholder="no other version is stored")))
        for label, name, icon, help_text in (
            ("Promote", "promote", ":material/arrow_upward:", "Let this challenger serve now, before its contest is decided"),
            ("Revert", "revert", ":material/undo:", "Let this stored version serve again"),
        ):
            if st.button(label, icon=icon, help=help_text, disabled=version is None):
                commands.submit_with_reason(name, {"model": model, "version": version or ""}, reason)
        strategy = str(st.selectbox("Strategy", list(SEARCHES), key="evolving_strategy", width=200))
        if st.button("Search", icon=":material/search:", help="Search for a challenger of this model now, in another process"):
            commands.submit_with_reason("search", {"model": model, "strategy": strategy}, reason)
    commands.show_answer("evolving")
    _show_last_command()


@refresh.refresh_every(3)
def _show_last_command() -> None:
    """Show the newest command of the forms with its result."""
    with widgets.reading_store(), widgets.fixed_container("evolving_result", 48):
        newest = max(
            (frame.iloc[0] for name in COMMANDS if len(frame := cache.fetch_commands(limit=1, name=name))), key=lambda row: row["id"], default=None
        )
        if newest is not None:
            widgets.show_note(evolution_tables.describe_command(newest))
