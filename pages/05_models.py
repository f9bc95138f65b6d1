"""Models: what each says now, what each is worth and where, how far what they state can be relied on, and how old they are."""

from __future__ import annotations

import streamlit as st

from engine import units
from engine.store.read.models import CalibrationReport
from engine.store.read.status import SessionInfo
from pages.models import charts
from pages.models import tables as models_tables
from pages.ui import cache, command_table, commands, live, model_cache, tables, widgets

KEPT = 8  # versions of each model shown


def horizon_of(session: SessionInfo) -> int:
    """The horizon that everything below is about; kept in the address."""
    names = {units.format_count(horizon, "bar"): horizon for horizon in session.horizons}
    chosen = st.segmented_control("Horizon", list(names), default=next(iter(names)), key="horizon", bind="query-params", required=True)
    return names.get(str(chosen), session.horizons[0])


def models(horizon: int) -> None:
    """Everything that moves, in one live part."""
    with widgets.reading_store():
        status = cache.fetch_status()
        session = status.session
        if session is None or status.last is None:
            return
        skill, votes, checked = cache.fetch_skill(), model_cache.fetch_votes(), model_cache.fetch_calibration()
        widgets.show_tiles(models_tables.build_model_tiles(status, skill, votes, model_cache.fetch_versions(KEPT), checked, horizon), detail_lines=3)
        left, right = st.columns([7, 5], gap="medium")
        with left:
            widgets.show_heading("Skill", "R² against the naive forecast, out of sample, with its 95 % interval; a hollow dot has none yet")
            if skill.empty:
                widgets.show_waiting("the first table of skill", "it is made every 20 ticks")
            else:
                live.show_chart(
                    charts.plot_skill(skill, session.models, session.regimes, horizon), key="skill", label="Skill of every model by regime"
                )
        with right:
            widgets.show_heading("Weights", "what the ensemble multiplies each forecast with; they need not add up to 1")
            live.show_chart(
                charts.plot_weights(model_cache.fetch_weights(), session.models, horizon), key="weights", label="Weights of the models over time"
            )
            if checked is not None:
                widgets.show_note(models_tables.describe_selection(checked))
            widgets.show_heading("Who agrees with whom", "how often two models pointed the same way, over the newest votes of both")
            pairs = model_cache.fetch_model_agreement(session.horizons.index(horizon))
            live.show_chart(charts.plot_agreement(pairs, session.models), key="agreement", label="How often two models point the same way")
        said(session, horizon)
        relied(checked, horizon)
        gates(session)


def said(session: SessionInfo, horizon: int) -> None:
    votes = model_cache.fetch_votes()
    widgets.show_heading("Votes now", "what each model expects; larger with weight, fainter with less trust")
    if votes.empty:
        widgets.show_empty("no vote at the newest tick")
        return
    left, right = st.columns([6, 5], gap="medium")
    with left:
        live.show_chart(charts.plot_votes(votes, session.models, horizon), key="votes", label="What every model expects of every symbol")
    with right:
        widgets.show_note(
            "Furthest apart first: the deviation of the votes round their mean, by trust. Same side: of those heard, the share on the larger side."
        )
        widgets.show_table(models_tables.VOTES, models_tables.list_dispersion(votes, horizon), label="How far the models are apart on each symbol")


def relied(checked: CalibrationReport | None, horizon: int) -> None:
    told = None if checked is None else next((one for one in checked.horizons if one.horizon == horizon), None)
    when = "" if checked is None else f", as of tick {checked.tick:,}"
    widgets.show_heading("What is stated, and what came", f"of the ensemble; intervals of 95 %, by the effective number of rows{when}")
    if checked is not None and checked.error is not None:
        widgets.show_empty(f"the state of tick {checked.tick:,} cannot be read: {checked.error}")
        return
    if told is None or not told.n:
        widgets.show_empty(f"{units.NOT_ENOUGH}: no forecast over {units.format_count(horizon, 'bar')} had come due")
        return
    left, right = st.columns(2, gap="medium")
    with left:
        widgets.show_note(f"The direction. On the dotted line is right; tenths of fewer than {charts.MIN_ROWS} rows are in the table only.")
        live.show_chart(charts.plot_reliability(told), key="reliability", label="Stated probability against how often it came")
    with right:
        widgets.show_note("The intervals. An 80 % interval is to hold 80 % of what comes, in every regime.")
        live.show_chart(charts.plot_coverage(told), key="coverage", label="How often the intervals held what came, by regime")
    with st.expander("The checks as a table"):
        widgets.show_table(models_tables.CHECKS, models_tables.list_calibration(told), label="Brier score, coverage and sharpness")


def gates(session: SessionInfo) -> None:
    told = model_cache.fetch_declined_trades()
    widgets.show_heading(
        "Which gate costs, which gate saves", "every hold marked to market as the trade it declined, after costs: above 0 the gate cost money"
    )
    if told.empty:
        widgets.show_empty(f"{units.NOT_ENOUGH}: no declined trade has come due")
        return
    live.show_chart(charts.plot_declined_trades(told, [name for name, _, _ in session.gates]), key="regret", label="What each gate cost or saved")
    with st.expander("The gates as a table"):
        rows = tables.render_table(models_tables.DECLINED, models_tables.list_declined_trades(told), label="Regret by gate")
        live.show_live_table(rows, key="regret_rows", reserved=len(session.gates))


@st.fragment(run_every=3)
def lineage() -> None:
    """Age and lineage; and how far a retraining that was asked for has come."""
    with widgets.reading_store():
        status = cache.fetch_status()
        asked = cache.fetch_commands(limit=1, name="retrain")
        if not asked.empty:
            one = asked.iloc[0]
            done = command_table.describe_result(one["result"]) or "waits for the engine"
            widgets.show_note(f"Last asked for {units.format_time(int(one['at']))} UTC by {one['by']}: {one['reason'] or 'no reason given'}. {done}.")
        found = model_cache.fetch_versions(KEPT)
        if status.session is None or status.last is None or found.empty:
            widgets.show_empty("no model has been trained yet")
            return
        compared = model_cache.fetch_version_agreement(found)
        stands = models_tables.describe_succession(found, compared, model_cache.fetch_inherited_share(), status.session)
        if stands:
            widgets.show_note(stands)
        lines = models_tables.list_versions(found, cache.fetch_skill(), status.session, status.last.tick, cache.current_time(), compared)
        live.show_live_table(models_tables.render_versions(lines), key="versions", height=460)


@st.fragment(run_every=10)
def skill_table() -> None:
    with widgets.reading_store():
        widgets.show_table(models_tables.SKILL, models_tables.list_skill(cache.fetch_skill()), label="Skill of every model by horizon and regime")


with widgets.reading_store(page=True):
    now = cache.fetch_status()
    if now.session is None or now.last is None:
        widgets.show_waiting("the first tick", "models are heard as soon as they have been trained")
        widgets.rerun_on_change(cache.store_version())
        st.stop()
    st.fragment(models, run_every=4)(horizon_of(now.session))
    widgets.show_heading("Age and lineage", "what serves, what waits for its tick, and what served before; the newest first")
    commands.show_retrain_form()
    lineage()
    with st.expander("Skill as a table: every model, horizon and regime"):
        skill_table()
