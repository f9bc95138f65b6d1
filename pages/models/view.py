"""The page Models."""

from __future__ import annotations

import streamlit as st

from engine.store.model_queries import Checked
from engine.store.status_query import Session
from pages.parts import asking, charts_models, live, model_reads, modelrows, reads, tables, units, widgets

VERSIONS = 8  # of each model shown


def show_models() -> None:
    """Show the whole page."""
    with widgets.reading(page=True):
        status = reads.status()
        if status.session is None or status.last is None:
            widgets.waiting("the first tick", "models make forecasts once they have been trained")
            widgets.again(reads.version())
            st.stop()
        st.fragment(_show_live_part, run_every=4)(_select_horizon(status.session))
        widgets.heading("Versions", "serving, waiting for their first tick, and retired; newest first")
        asking.retrain()
        _show_versions()
        with st.expander("Skill as a table: every model, horizon and regime"):
            _show_skill_table()


def _select_horizon(session: Session) -> int:
    """Return the horizon of everything below; the address holds the choice."""
    horizons = {units.count(horizon, "bar"): horizon for horizon in session.horizons}
    chosen = st.segmented_control("Horizon", list(horizons), default=next(iter(horizons)), key="horizon", bind="query-params", required=True)
    return horizons.get(str(chosen), session.horizons[0])


def _show_live_part(horizon: int) -> None:
    """Show everything that changes with ticks, in one live part."""
    with widgets.reading():
        status = reads.status()
        session = status.session
        if session is None or status.last is None:
            return
        skill, votes, calibration = reads.skill(), model_reads.votes(), model_reads.calibration()
        widgets.tiles(modelrows.tiles(status, skill, votes, model_reads.versions(VERSIONS), calibration, horizon), lines=3)
        left, right = st.columns([7, 5], gap="medium")
        with left:
            widgets.heading("Skill", "out-of-sample R² with its 95 % interval; a hollow dot has no interval yet")
            if skill.empty:
                widgets.waiting("the first table of skill", "it is updated every 20 ticks")
            else:
                live.chart(charts_models.skill(skill, session.models, session.regimes, horizon), key="skill", label="Skill of every model by regime")
        with right:
            widgets.heading("Weights", "the factor by which the ensemble multiplies each forecast", term="weight")
            live.chart(charts_models.weights(model_reads.weights(), session.models, horizon), key="weights", label="Weights of the models over time")
            if calibration is not None:
                widgets.note(modelrows.selection(calibration))
            widgets.heading("Model agreement", "how often two models pointed the same way, over their newest votes")
            pairs = model_reads.pairs(session.horizons.index(horizon))
            live.chart(charts_models.agreement(pairs, session.models), key="agreement", label="How often two models point the same way")
        _show_votes(session, horizon)
        _show_calibration(calibration, horizon)
        _show_declined_trades(session)


def _show_votes(session: Session, horizon: int) -> None:
    votes = model_reads.votes()
    widgets.heading("Current votes", "each model's forecast; larger with weight, fainter with less reliability", term="votes")
    if votes.empty:
        widgets.nothing("no vote at the newest tick")
        return
    left, right = st.columns([6, 5], gap="medium")
    with left:
        live.chart(charts_models.votes(votes, session.models, horizon), key="votes", label="Forecast of every model for every symbol")
    with right:
        widgets.note("Largest dispersion first.")
        widgets.table(modelrows.VOTES, modelrows.now(votes, horizon), label="Dispersion of the models' forecasts by symbol")


def _show_calibration(calibration: Checked | None, horizon: int) -> None:
    part = None if calibration is None else next((part for part in calibration.horizons if part.horizon == horizon), None)
    when = "" if calibration is None else f", as of tick {calibration.tick:,}"
    widgets.heading("Calibration", f"of the ensemble, with 95 % intervals by effective n{when}")
    if calibration is not None and calibration.trouble is not None:
        widgets.nothing(f"the state of tick {calibration.tick:,} cannot be read: {calibration.trouble}")
        return
    if part is None or not part.n:
        widgets.nothing(f"{units.NOT_ENOUGH}: no forecast over {units.count(horizon, 'bar')} has been scored")
        return
    left, right = st.columns(2, gap="medium")
    with left:
        widgets.note(f"Direction: the dotted line is perfect calibration. Bins of fewer than {charts_models.FEWEST} rows are in the table only.")
        live.chart(charts_models.reliability(part), key="reliability", label="Stated probability against observed share")
    with right:
        widgets.note("Intervals: an 80 % interval should contain 80 % of the outcomes, in every regime.")
        live.chart(charts_models.coverage(part), key="coverage", label="Coverage of the intervals by regime")
    with st.expander("Calibration as a table"):
        widgets.table(modelrows.CHECKS, modelrows.checks(part), label="Brier score, coverage and sharpness")


def _show_declined_trades(session: Session) -> None:
    declined = model_reads.regret()
    widgets.heading(
        "Declined-trade P&L by gate", "each hold valued as the trade it declined, after costs; above 0 the gate cost money", term="declined-trade P&L"
    )
    if declined.empty:
        widgets.nothing(f"{units.NOT_ENOUGH}: no declined trade has been scored")
        return
    live.chart(charts_models.regret(declined, [name for name, _, _ in session.gates]), key="declined", label="P&L of the trades each gate declined")
    with st.expander("The gates as a table"):
        rows = tables.html(modelrows.REGRET, modelrows.regret(declined), label="Declined-trade P&L by gate")
        live.rows(rows, key="declined_rows", reserved=len(session.gates))


@st.fragment(run_every=3)
def _show_versions() -> None:
    """Show the versions of the models, and the newest retraining that was requested."""
    with widgets.reading():
        status = reads.status()
        commands = reads.commands(limit=1, name="retrain")
        if not commands.empty:
            widgets.note(modelrows.describe_retraining(commands.iloc[0]))
        versions = model_reads.versions(VERSIONS)
        if status.session is None or status.last is None or versions.empty:
            widgets.nothing("no model has been trained yet")
            return
        agreements = model_reads.agreements(versions)
        summary = modelrows.succession(versions, agreements, model_reads.inherited(), status.session)
        if summary:
            widgets.note(summary)
        rows = modelrows.versions(versions, reads.skill(), status.session, status.last.tick, reads.now(), agreements)
        live.rows(modelrows.drawn(rows), key="versions", height=460)


@st.fragment(run_every=10)
def _show_skill_table() -> None:
    with widgets.reading():
        widgets.table(modelrows.SKILL, modelrows.skill(reads.skill()), label="Skill of every model by horizon and regime")
