"""The page Models."""

from __future__ import annotations

import streamlit as st

from engine import units
from engine.domain.access import OPERATE
from engine.store.read.status import EngineStatus, SessionInfo
from pages.models import certificate, evolution, standing, tables, versions
from pages.ui import cache, commands, history_table, travel, visitors, widgets


def show_models() -> None:
    """Show the whole page."""
    with widgets.reading_store(page=True):
        status = cache.fetch_status()
        if status.session is None or status.last is None:
            widgets.show_waiting("the first tick", "models make forecasts once they have been trained")
            widgets.rerun_on_change(cache.store_version())
            st.stop()
        horizon = _select_horizon(status.session)
        travel.run_live(standing.show_standing, 4, horizon)
        if not travel.show_cannot_travel("Evolution"):
            evolution.show_evolution(status.session, horizon)
        widgets.show_heading("Versions", "serving, waiting for their first tick, and retired; newest first")
        if cache.past_tick() is None:
            _show_retrain_form()
        history_table.show_toolbar(versions.build_version_view(status.session, status.last.tick, cache.current_time()))
        _show_versions()
        with st.expander("Skill as a table: every model, horizon and regime"):
            _show_skill_table()


def _select_horizon(session: SessionInfo) -> int:
    """Return the horizon of everything below; the address holds the choice."""
    horizons = {units.format_count(horizon, "bar"): horizon for horizon in session.horizons}
    chosen = st.segmented_control("Horizon", list(horizons), default=next(iter(horizons)), key="horizon", bind="query-params", required=True)
    return horizons.get(str(chosen), session.horizons[0])


@visitors.needs(OPERATE)
def _show_retrain_form() -> None:
    """Show a form that trains every model now, with a reason."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="retraining"):
        reason = st.text_input(commands.REASON, key="reason_to_retrain", placeholder="why now", max_chars=commands.MAX_REASON, width=420)
        if st.button("Retrain", icon=":material/model_training:", help="Train every model now; the new versions serve a few bars later"):
            commands.submit_with_reason("retrain", {}, reason)
    commands.show_answer("retraining")


@travel.live_part(3)
def _show_versions() -> None:
    """Show the versions of the models, and the newest retraining that was requested."""
    with widgets.reading_store():
        status = cache.fetch_status()
        commands = cache.fetch_commands(limit=1, name="retrain")
        if not commands.empty:
            widgets.show_note(tables.describe_retraining(commands.iloc[0]))
        newest = cache.fetch_versions(standing.VERSIONS)
        if status.session is None or status.last is None or newest.empty:
            widgets.show_empty("no model has been trained yet")
            _show_certificates(status)
            return
        summary = tables.describe_succession(newest, cache.fetch_version_agreement(newest), cache.fetch_inherited_share(), status.session)
        if summary:
            widgets.show_note(summary)
        history_table.show_rows(versions.build_version_view(status.session, status.last.tick, cache.current_time()), height=460)
        _show_certificates(status)


def _show_certificates(status: EngineStatus) -> None:
    if not travel.show_cannot_travel("The list of certificates"):
        certificate.show_certificates(status)


@travel.live_part(10)
def _show_skill_table() -> None:
    with widgets.reading_store():
        widgets.show_table(tables.SKILL, tables.list_skill(cache.fetch_skill()), label="Skill of every model by horizon and regime")
