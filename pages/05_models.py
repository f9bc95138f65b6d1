"""Models: what each says now, what each is worth and where, how far what they state can be relied on, and how old they are."""

from __future__ import annotations

import streamlit as st

from engine.store.model_queries import Checked
from engine.store.status_query import Session
from pages.parts import asking, charts_models, live, model_reads, modelrows, oprows, reads, tables, units, widgets

KEPT = 8  # versions of each model shown


def horizon_of(session: Session) -> int:
    """The horizon that everything below is about; kept in the address."""
    names = {units.count(horizon, "bar"): horizon for horizon in session.horizons}
    chosen = st.segmented_control("Horizon", list(names), default=next(iter(names)), key="horizon", bind="query-params", required=True)
    return names.get(str(chosen), session.horizons[0])


def models(horizon: int) -> None:
    """Everything that moves, in one live part."""
    with widgets.reading():
        status = reads.status()
        session = status.session
        if session is None or status.last is None:
            return
        skill, votes, checked = reads.skill(), model_reads.votes(), model_reads.calibration()
        widgets.tiles(modelrows.tiles(status, skill, votes, model_reads.versions(KEPT), checked, horizon), lines=3)
        left, right = st.columns([7, 5], gap="medium")
        with left:
            widgets.heading("Skill", "R² against the naive forecast, out of sample, with its 95 % interval; a hollow dot has none yet")
            if skill.empty:
                widgets.waiting("the first table of skill", "it is made every 20 ticks")
            else:
                live.chart(charts_models.skill(skill, session.models, session.regimes, horizon), key="skill", label="Skill of every model by regime")
        with right:
            widgets.heading("Weights", "what the ensemble multiplies each forecast with; they need not add up to 1")
            live.chart(charts_models.weights(model_reads.weights(), session.models, horizon), key="weights", label="Weights of the models over time")
            if checked is not None:
                widgets.note(modelrows.selection(checked))
            widgets.heading("Who agrees with whom", "how often two models pointed the same way, over the newest votes of both")
            pairs = model_reads.pairs(session.horizons.index(horizon))
            live.chart(charts_models.agreement(pairs, session.models), key="agreement", label="How often two models point the same way")
        said(session, horizon)
        relied(checked, horizon)
        gates(session)


def said(session: Session, horizon: int) -> None:
    votes = model_reads.votes()
    widgets.heading("Votes now", "what each model expects; larger with weight, fainter with less trust")
    if votes.empty:
        widgets.nothing("no vote at the newest tick")
        return
    left, right = st.columns([6, 5], gap="medium")
    with left:
        live.chart(charts_models.votes(votes, session.models, horizon), key="votes", label="What every model expects of every symbol")
    with right:
        widgets.note(
            "Furthest apart first: the deviation of the votes round their mean, by trust. Same side: of those heard, the share on the larger side."
        )
        widgets.table(modelrows.VOTES, modelrows.now(votes, horizon), label="How far the models are apart on each symbol")


def relied(checked: Checked | None, horizon: int) -> None:
    told = None if checked is None else next((one for one in checked.horizons if one.horizon == horizon), None)
    when = "" if checked is None else f", as of tick {checked.tick:,}"
    widgets.heading("What is stated, and what came", f"of the ensemble; intervals of 95 %, by the effective number of rows{when}")
    if checked is not None and checked.trouble is not None:
        widgets.nothing(f"the state of tick {checked.tick:,} cannot be read: {checked.trouble}")
        return
    if told is None or not told.n:
        widgets.nothing(f"{units.NOT_ENOUGH}: no forecast over {units.count(horizon, 'bar')} had come due")
        return
    left, right = st.columns(2, gap="medium")
    with left:
        widgets.note(f"The direction. On the dotted line is right; tenths of fewer than {charts_models.FEWEST} rows are in the table only.")
        live.chart(charts_models.reliability(told), key="reliability", label="Stated probability against how often it came")
    with right:
        widgets.note("The intervals. An 80 % interval is to hold 80 % of what comes, in every regime.")
        live.chart(charts_models.coverage(told), key="coverage", label="How often the intervals held what came, by regime")
    with st.expander("The checks as a table"):
        widgets.table(modelrows.CHECKS, modelrows.checks(told), label="Brier score, coverage and sharpness")


def gates(session: Session) -> None:
    told = model_reads.regret()
    widgets.heading(
        "Which gate costs, which gate saves", "every hold marked to market as the trade it declined, after costs: above 0 the gate cost money"
    )
    if told.empty:
        widgets.nothing(f"{units.NOT_ENOUGH}: no declined trade has come due")
        return
    live.chart(charts_models.regret(told, [name for name, _, _ in session.gates]), key="regret", label="What each gate cost or saved")
    with st.expander("The gates as a table"):
        rows = tables.html(modelrows.REGRET, modelrows.regret(told), label="Regret by gate")
        live.rows(rows, key="regret_rows", reserved=len(session.gates))


@st.fragment(run_every=3)
def lineage() -> None:
    """Age and lineage; and how far a retraining that was asked for has come."""
    with widgets.reading():
        status = reads.status()
        asked = reads.commands(limit=1, name="retrain")
        if not asked.empty:
            one = asked.iloc[0]
            done = oprows.result(one["result"]) or "waits for the engine"
            widgets.note(f"Last asked for {units.moment(int(one['at']))} UTC by {one['by']}: {one['reason'] or 'no reason given'}. {done}.")
        found = model_reads.versions(KEPT)
        if status.session is None or status.last is None or found.empty:
            widgets.nothing("no model has been trained yet")
            return
        compared = model_reads.agreements(found)
        stands = modelrows.succession(found, compared, model_reads.inherited(), status.session)
        if stands:
            widgets.note(stands)
        lines = modelrows.versions(found, reads.skill(), status.session, status.last.tick, reads.now(), compared)
        live.rows(modelrows.drawn(lines), key="versions", height=460)


@st.fragment(run_every=10)
def skill_table() -> None:
    with widgets.reading():
        widgets.table(modelrows.SKILL, modelrows.skill(reads.skill()), label="Skill of every model by horizon and regime")


with widgets.reading(page=True):
    now = reads.status()
    if now.session is None or now.last is None:
        widgets.waiting("the first tick", "models are heard as soon as they have been trained")
        widgets.again(reads.version())
        st.stop()
    st.fragment(models, run_every=4)(horizon_of(now.session))
    widgets.heading("Age and lineage", "what serves, what waits for its tick, and what served before; the newest first")
    asking.retrain()
    lineage()
    with st.expander("Skill as a table: every model, horizon and regime"):
        skill_table()
