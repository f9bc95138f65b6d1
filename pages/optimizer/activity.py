"""What the optimizer does now: pending approvals, running and waiting runs, and the newest result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from engine import units
from engine.domain.access import OPERATE
from engine.domain.optimization import manual_result
from engine.store.inbox import QUEUED, RUNNING
from pages.optimizer import charts, text
from pages.ui import ages, cache, command_table, commands, live, theme, visitors, widgets
from pages.ui.command_table import NO_REASON, readable_name, text_or

MOST = 6  # pending approvals and waiting runs shown
RECENT = 900  # s for which the newest manual run is shown
Record = Mapping[Any, Any]


def show_pending_approvals(pending: pd.DataFrame, now: int) -> None:
    """Show the firings that wait for a person, with buttons to approve or decline; without buttons while travelling."""
    for firing in pending.to_dict("records")[:MOST]:
        answer = text.capitalize(str(firing["answer"]))
        words = f"Rule {readable_name(str(firing['rule']))} fired {ages.ticking_age(int(firing['at']), now)} ago. {answer}"
        widgets.show_notice(words, word="Waiting for approval.", colour=theme.UP)
        if cache.past_tick() is not None or not visitors.may(OPERATE):
            continue
        with st.container(horizontal=True, key=f"question_{firing['id']}"):
            if st.button("Approve", key=f"approve_{firing['id']}", type="primary", icon=":material/check:"):
                commands.submit_command("approve", {"id": str(firing["id"])}, "on the page")
            if st.button("Decline", key=f"decline_{firing['id']}", icon=":material/close:"):
                commands.submit_command("approve", {"id": str(firing["id"]), "answer": "no"}, "on the page")


def show_running_trial(trials: pd.DataFrame, now: int) -> None:
    """Show the trial that the optimizer itself has started."""
    for trial in trials[trials["at"] > now - RECENT * units.SECOND].to_dict("records"):
        action, rule = readable_name(str(trial["action"])), readable_name(str(trial["trigger"]))
        word, what = ("Control window.", f"{action} withheld") if trial["placebo"] else ("Trial.", f"{action} run")
        words = f"{what}, because rule {rule} fired, {ages.ticking_age(int(trial['at']), now)} ago; measuring"
        widgets.show_notice(words, word=word, colour=theme.UP)


def show_queue(runs: pd.DataFrame) -> None:
    """Show the running and waiting runs in order."""
    waiting = runs[runs["status"].isin([QUEUED, RUNNING])].iloc[::-1].to_dict("records")
    markup = "".join(_render_waiting(run) for run in waiting[:MOST])
    if len(waiting) > MOST:
        markup += f'<div class="pd-note">{len(waiting) - MOST} more wait</div>'
    if markup:
        widgets.show_html(f'<div class="pd">{markup}</div>')


def show_newest_run(runs: pd.DataFrame, now: int) -> None:
    """Show the result of the newest requested run, with the chart behind its verdict."""
    finished = runs[~runs["status"].isin([QUEUED, RUNNING])]
    if finished.empty:
        return
    run = finished.sort_values("finished_at", ascending=False).iloc[0].to_dict()
    ended = run["finished_at"] if units.is_known(run["finished_at"]) else run["at"]
    if now - int(ended) > RECENT * units.SECOND:
        return
    widgets.show_html(f'<div class="pd">{_render_finished(run)}</div>')
    number = _parse(run["result"]).get("trial")
    trial = cache.fetch_trial(number) if isinstance(number, int) else None
    if trial is None:
        return
    widgets.show_text(text.describe_trial(trial))
    drawn = charts.plot_aligned(trial)
    if drawn is not None:
        widgets.show_note(text.ALIGNED)
        live.show_chart(drawn, key="newest_run", label=f"Effect of {charts.trial_title(trial)} against control windows")


def _render_waiting(run: Record) -> str:
    done = float(run["progress"]) if units.is_known(run["progress"]) else 0.0
    note = text_or(run["note"], "waits for the engine")
    word = "Waiting." if run["status"] == QUEUED or note.startswith(("waits", "waiting", "is next")) else "Running."
    return widgets.render_notice(f"{_describe_request(run)}. {text.capitalize(note)}", word=word, colour=theme.UP, progress=done)


def _render_finished(run: Record) -> str:
    is_done = run["status"] == "done"
    verdict = manual_result(_parse(run["result"])) if is_done else None
    when = units.format_time(int(run["finished_at"] or run["at"]), "%H:%M:%S")
    words = f"{_describe_request(run)}. {when} UTC: {command_table.describe_result(run['result'])}"
    if verdict is not None:
        return widgets.render_notice(words, word=f"{text.capitalize(verdict)}.", colour=theme.NEUTRAL)
    colour = theme.NEUTRAL if is_done else theme.state_colour(str(run["status"]))
    return widgets.render_notice(words, word="Done." if is_done else "Not done.", colour=colour)


def _describe_request(run: Record) -> str:
    arguments = json.loads(str(run["args"]))
    name = arguments.get("action") or _parse(run["result"]).get("action") or "the approved action"
    dry_run = ", dry run" if arguments.get("dry_run") == "true" else ""
    return f"{readable_name(str(name))}{dry_run}, requested by {run['by']}: {run['reason'] or NO_REASON}"


def _parse(stored: object) -> dict[str, object]:
    result = json.loads(stored) if isinstance(stored, str) and stored else {}
    return result if isinstance(result, dict) else {}
