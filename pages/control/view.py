"""The page Control."""

from __future__ import annotations

import streamlit as st

from pages.control import forms, override_view, settings_form, tables, vaccination_view
from pages.ui import cache, history_table, refresh, travel, widgets

ROWS = 12  # rows of height of the list of commands
COMMANDS, SETTINGS, OVERRIDES, VACCINATE = "commands", "settings", "overrides", "vaccinate"


def show_control() -> None:
    """Show the whole page."""
    view: str | None = None  # where the store cannot be read
    with widgets.reading_store(page=True):
        status = cache.fetch_status()
        forms.show_drawdown_stop(status, cache.fetch_config(status))
        view = st.segmented_control(
            "View", [COMMANDS, SETTINGS, OVERRIDES, VACCINATE], default=COMMANDS, key="view", bind="query-params", required=True,
            label_visibility="collapsed",
        )  # fmt: skip
        if view == COMMANDS:
            if cache.past_tick() is None:
                forms.show_controls(status)
            widgets.show_heading("Commands", "times in UTC")
            history_table.show_toolbar(tables.HISTORY)
    if view == COMMANDS:
        _show_commands()
    elif view is not None:
        _show_view(view)


def _show_view(view: str) -> None:
    """Show a view with a slow question; while travelling, the changes of settings up to then, or why there is nothing of that time."""
    if view == SETTINGS and cache.past_tick() is not None:
        with widgets.reading_store():
            settings_form.show_history({})
        return
    what = {OVERRIDES: "The score of overrides", VACCINATE: "The search for a vaccine"}.get(view, "")
    if not travel.show_cannot_travel(what, "it decides the newest stored ticks again"):
        _show_questions(view)


@travel.live_part(2)
def _show_commands() -> None:
    with widgets.reading_store():
        history_table.show_rows(tables.HISTORY, reserved=ROWS)


@refresh.refresh_every(2)
def _show_questions(view: str) -> None:
    """Show a view with a slow question; it runs again while a process answers."""
    with widgets.reading_store():
        status = cache.fetch_status()
        if view == SETTINGS:
            config = cache.fetch_config(status)
            settings_form.show_setting_form(config)
            settings_form.show_history(config)
        elif view == OVERRIDES:
            override_view.show_overrides()
        else:
            vaccination_view.show_vaccination(() if status.session is None else status.session.symbols)
