"""The page Alerts."""

from __future__ import annotations

import streamlit as st

from engine.store.read.status import EngineStatus
from engine.store.read.webhooks import read_webhooks
from pages.alerts import forms, tables
from pages.ui import cache, command_table, commands, history_table, live, travel, widgets
from pages.ui.tables import render_table

PAST = 1  # past alerts read; the history has them all
DEAD_LETTERS = 10  # dead letters shown
ROWS = 5  # rows of height of a list
BUTTONS = 56  # px: a row of buttons
COMMANDS = ("ack", "silence", "unsilence", "resend", "drill")


def show_alerts() -> None:
    """Show the whole page."""
    _show_open()
    with widgets.reading_store(page=True):
        live.show_notice_switch()
        if cache.past_tick() is None:
            forms.show_silence_form(tuple(cache.fetch_alerts(past=PAST).open["rule"]))
        else:
            widgets.show_note("Acknowledging, silencing and drills act on the present: go back to now first.")
        _show_rest()
        if _has_started(cache.fetch_status()):
            widgets.show_heading("History", "every alert, open and resolved; times in UTC")
            history_table.show_toolbar(tables.HISTORY)
            _show_history()


@travel.live_part(5)
def _show_history() -> None:
    with widgets.reading_store():
        history_table.show_rows(tables.HISTORY, reserved=2 * ROWS)


@travel.live_part(2)
def _show_open() -> None:
    with widgets.reading_store():
        alerts, status, now = cache.fetch_alerts(past=PAST), cache.fetch_status(), cache.current_time()
        if not _has_started(status) and alerts.open.empty:
            widgets.show_waiting("the engine to check its rules")
            return
        shown = tables.build_alert_tiles(alerts, status, now)
        widgets.show_tiles(shown if cache.past_tick() is None else [tile for tile in shown if tile.label != "Targets"])
        widgets.show_heading("Open", "acknowledged alerts stay here until they are resolved, and are not sent again")
        rows = tables.list_open_alerts(alerts, now)
        live.show_live_table(render_table(tables.OPEN, rows, label="Open alerts", empty="no alert is open"), key="open", reserved=ROWS)
        with widgets.fixed_container("acknowledge", BUTTONS):
            commands.show_answer("alerts")
            if cache.past_tick() is None:
                forms.show_acknowledge_buttons(alerts.open)
            travel.note_past("Of an alert that was raised several times, the store has the last message and severity only.")


@travel.live_part(3)
def _show_rest() -> None:
    with widgets.reading_store():
        alerts, status, now = cache.fetch_alerts(past=PAST), cache.fetch_status(), cache.current_time()
        if not _has_started(status):
            return
        left, right = st.columns(2, gap="medium")
        with left:
            widgets.show_heading("Silences", "alerts are still raised; nobody is notified", term="silence")
            rows = tables.list_silences(alerts, now)
            live.show_live_table(render_table(tables.SILENCES, rows, label="Silenced rules", empty="no rule is silenced"), key="silenced", reserved=3)
            travel.note_past("A silence that was ended early is shown with its actual end.")
        with right:
            widgets.show_heading(
                "Targets", "addresses are masked; set them with PODIUM_ALERT_URLS or [alerts] in podium.toml", term="delivery target"
            )
            if not travel.show_cannot_travel("The list of targets"):
                rows = tables.list_targets(alerts, status)
                label, empty = "Targets, masked, and the state of the last message", "no target is set: alerts are shown on this page only"
                live.show_live_table(render_table(tables.TARGETS, rows, label=label, empty=empty), key="targets", reserved=3)
        _show_webhooks()
        widgets.show_heading("Drills", "the newest ten; a drill trades nothing", term="drill")
        rows, empty = tables.list_drills(alerts.drills), "none yet; the first runs a few minutes after the start"
        live.show_live_table(render_table(tables.DRILLS, rows, label="Drills and their results", empty=empty), key="drills", reserved=ROWS)
        _show_commands()


def _show_webhooks() -> None:
    """Show the webhooks where there are any, and what they were not sent."""
    if cache.past_tick() is not None:
        return
    overview = read_webhooks(cache.get_reader(), limit=DEAD_LETTERS)
    if not overview.webhooks:
        return
    widgets.show_heading("Webhooks", "programs that are sent decisions and alerts; set them with [[webhook]] in podium.toml", term="webhook")
    rows = tables.list_webhooks(overview)
    live.show_live_table(render_table(tables.WEBHOOKS, rows, label="Webhooks", empty="no webhook is set"), key="webhooks", reserved=3)
    if len(overview.dead):
        widgets.show_heading("Dead letters", f"the newest {DEAD_LETTERS}; nothing is sent again by itself", term="dead letter")
        rows = tables.list_dead_letters(overview)
        live.show_live_table(render_table(tables.DEAD_LETTERS, rows, label="Dead letters", empty="none"), key="dead_letters", reserved=ROWS)
        forms.show_resend_buttons(tuple(webhook.name for webhook in overview.webhooks if webhook.dead))


def _show_commands() -> None:
    commands = cache.fetch_commands(limit=200)
    commands = commands[commands["name"].isin(COMMANDS)].head(5) if len(commands) else commands
    if len(commands):
        widgets.show_heading("Requested")
        widgets.show_table(command_table.COMMANDS, command_table.list_commands(commands), label="The newest commands about alerts")


def _has_started(status: EngineStatus) -> bool:
    return bool(status.components) or status.last is not None
