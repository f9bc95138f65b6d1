"""How the models stand at the newest tick: skill, weights, agreement, votes, calibration, and the trades that gates declined."""

from __future__ import annotations

import streamlit as st

from engine import units
from engine.store.read.models import CalibrationReport
from engine.store.read.status import SessionInfo
from pages.models import charts, evolution, tables
from pages.ui import cache, evolution_text, hindsight, live, reliability_chart, tiles, widgets
from pages.ui.tables import render_table

VERSIONS = 8  # of each model shown


def show_standing(horizon: int) -> None:
    """Show everything that changes with ticks, in one live part."""
    with widgets.reading_store():
        status = cache.fetch_status()
        session = status.session
        if session is None or status.last is None:
            return
        skill, votes, calibration = cache.fetch_skill(), cache.fetch_votes(), cache.fetch_calibration()
        evolved = cache.fetch_evolution(limit=evolution.HISTORY)
        if cache.past_tick() is None:
            widgets.show_html(evolution_text.render_summary(evolved.evolutions, evolved.standings, "; more below"))
        widgets.show_tiles(tables.build_model_tiles(status, skill, votes, cache.fetch_versions(VERSIONS), calibration, horizon), detail_lines=4)
        hindsight.show_gap(session.horizons)
        left, right = st.columns([7, 5], gap="medium")
        with left:
            widgets.show_heading("Skill", "out-of-sample R² with its 95 % interval; a hollow dot has no interval yet")
            if skill.empty:
                widgets.show_waiting("the first table of skill", "it is updated every 20 ticks")
            else:
                live.show_chart(
                    charts.plot_skill(skill, session.models, session.regimes, horizon), key="skill", label="Skill of every model by regime"
                )
        with right:
            widgets.show_heading("Weights", "the factor by which the ensemble multiplies each forecast", term="weight")
            live.show_chart(
                charts.plot_weights(cache.fetch_weights(), session.models, horizon), key="weights", label="Weights of the models over time"
            )
            if calibration is not None:
                widgets.show_note(tables.describe_selection(calibration))
            widgets.show_heading("Model agreement", "how often two models pointed the same way, over their newest votes")
            pairs = cache.fetch_model_agreement(session.horizons.index(horizon))
            live.show_chart(charts.plot_agreement(pairs, session.models), key="agreement", label="How often two models point the same way")
        _show_votes(session, horizon)
        _show_calibration(calibration, horizon)
        _show_declined_trades(session)


def _show_votes(session: SessionInfo, horizon: int) -> None:
    votes = cache.fetch_votes()
    part = tiles.describe_part(votes["symbol"].nunique(), len(session.symbols), "symbol") if len(votes) else ""
    widgets.show_heading("Current votes", f"each model's forecast; larger with weight, fainter with less reliability{part}", term="votes")
    if votes.empty:
        widgets.show_empty("no vote at the newest tick")
        return
    live.show_chart(charts.plot_votes(votes, session.models, horizon), key="votes", label="Forecast of every model for every symbol")
    widgets.show_note("Largest dispersion first.")  # as wide as the page: no name of a model wraps, so no row changes its height
    widgets.show_table(tables.VOTES, tables.list_dispersion(votes, horizon), label="Dispersion of the models' forecasts by symbol")


def _show_calibration(calibration: CalibrationReport | None, horizon: int) -> None:
    part = None if calibration is None else next((part for part in calibration.horizons if part.horizon == horizon), None)
    when = "" if calibration is None else f", as of tick {calibration.tick:,}"
    widgets.show_heading("Calibration", f"of the ensemble, with 95 % intervals by effective n{when}")
    if calibration is not None and calibration.error is not None:
        widgets.show_empty(f"the state of tick {calibration.tick:,} cannot be read: {calibration.error}")
        return
    if part is None or not part.n:
        widgets.show_empty(f"{units.NOT_ENOUGH}: no forecast over {units.format_count(horizon, 'bar')} has been scored")
        return
    left, right = st.columns(2, gap="medium")
    with left:
        widgets.show_note(
            f"Direction: the dotted line is perfect calibration. Bins of fewer than {reliability_chart.MIN_ROWS} rows are in the table only."
        )
        live.show_chart(charts.plot_reliability(part), key="reliability", label="Stated probability against observed share")
    with right:
        widgets.show_note("Intervals: an 80 % interval should contain 80 % of the outcomes, in every regime.")
        live.show_chart(charts.plot_coverage(part), key="coverage", label="Coverage of the intervals by regime")
    with st.expander("Calibration as a table"):
        widgets.show_table(tables.CHECKS, tables.list_calibration(part), label="Brier score, coverage and sharpness")


def _show_declined_trades(session: SessionInfo) -> None:
    declined = cache.fetch_declined_trades()
    widgets.show_heading(
        "Declined-trade P&L by gate", "each hold valued as the trade it declined, after costs; above 0 the gate cost money", term="declined-trade P&L"
    )
    if declined.empty:
        widgets.show_empty(f"{units.NOT_ENOUGH}: no declined trade has been scored")
        return
    live.show_chart(
        charts.plot_declined_trades(declined, [name for name, _, _ in session.gates]), key="declined", label="P&L of the trades each gate declined"
    )
    with st.expander("The gates as a table"):
        rows = render_table(tables.DECLINED, tables.list_declined_trades(declined), label="Declined-trade P&L by gate")
        live.show_live_table(rows, key="declined_rows", reserved=len(session.gates))
