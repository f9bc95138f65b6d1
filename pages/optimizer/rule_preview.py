"""The preview of a changed rule: when it would have fired in the last day."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from engine import units
from engine.domain.rules import SCHEDULE, Rule, RulePreview
from pages.optimizer import charts, rule_text
from pages.optimizer.preview import run_preview
from pages.optimizer.text import metric_label
from pages.ui import cache, commands, live, theme, widgets

LISTED = 12  # firing times listed in a preview


def store_preview(before: Rule, rule: Rule) -> None:
    """Store for this session when the rule, before and after the change, would have fired in the last day."""
    until = cache.current_time()
    if rule.kind == SCHEDULE:
        at = np.arange(until - cache.DAY, until, 60 * units.SECOND, dtype=np.int64)
        readings = pd.DataFrame({"at": at, "value": np.full(len(at), np.nan)})
    else:
        readings = cache.fetch_metric_history(rule.metric, until)
    times, values = readings["at"].to_numpy(dtype=np.int64), readings["value"].to_numpy(dtype=np.float64)
    try:
        previews = (run_preview(before, times, values), run_preview(rule, times, values)) if len(readings) else None
    except OSError as error:
        st.session_state["answer"] = (str(error), theme.HARM, "No preview.")
        return
    commands.clear_answer()  # a refusal of what was typed before
    st.session_state["rule_preview"] = (rule, previews, readings)


def show_preview(name: str) -> None:
    """Show the stored preview if it is of this rule."""
    stored = st.session_state.get("rule_preview")
    if stored is None or stored[0].name != name:
        return
    rule, previews, readings = stored
    if previews is None:
        widgets.show_empty(f"{units.NOT_ENOUGH}: no reading of {rule.metric} is stored for the last day")
        return
    before, after = previews
    text = f"{_describe_preview(after, rule)}. Unchanged: {_count_firings(before)}."
    widgets.show_notice(text, word="Preview.", colour=theme.UP)
    if rule.kind == SCHEDULE:
        return
    level = rule.level if not rule.growth else None
    recovery = (rule.level if rule.recovery is None else rule.recovery) if level is not None else None
    drawn = charts.plot_rule_preview(readings, after.times.tolist(), unit=rule_text.metric_unit(rule.metric), level=level, recovery=recovery)
    live.show_chart(drawn, key="rule_preview_chart", label=f"{metric_label(rule.metric)} of the last day, with the firings of the changed rule")


def _describe_preview(preview: RulePreview, rule: Rule) -> str:
    span = f"{units.format_count(preview.samples, 'sample')} of {units.format_age(preview.span)}" if rule.kind != SCHEDULE else "the last day"
    times = ", ".join(units.format_time(int(at), "%m-%d %H:%M:%S") for at in preview.times[-LISTED:])
    more = f", the last {LISTED}" if preview.count > LISTED else ""
    return f"Would have fired {_count_firings(preview)} in {span}" + (f"{more}: {times} UTC" if times else "")


def _count_firings(preview: RulePreview) -> str:
    return "once" if preview.count == 1 else f"{preview.count:,} times" if preview.count else "never"
