"""Sentences of Overview: what Podium is, how long the warm-up takes, what is recommended, and what a decision rests on."""

from __future__ import annotations

import pandas as pd

from engine import units
from engine.alerting.rules import find_rule
from engine.store.read.activity import Activity
from engine.store.read.status import EngineStatus
from pages.ui import state_bar
from pages.ui.command_table import readable_name

WHAT_IT_IS = "Podium decides at every bar whether to buy, sell or hold each symbol, with paper money, and stores the reason of each decision."


def describe_warmup(status: EngineStatus, pace: float | None) -> str | None:
    """Say how far the warm-up is and how long it still takes at the measured pace (ticks per second); None outside a warm-up."""
    last = status.last
    total = 0 if status.session is None else int(status.session.settings.get("warmup_bars") or 0)
    if last is None or last.warmup_ticks is None or last.warmup_ticks >= total:
        return None
    left = "time left: not measured yet"
    if pace is not None and pace > 0:
        left = f"about {units.format_age((total - last.warmup_ticks) / pace)} left at {units.format_number(pace, 1)} bars/s"
    return f"It is replaying history first, so that there is evidence before the first live bar: {last.warmup_ticks:,} of {total:,} bars, {left}."


def describe_recommendation(activity: Activity, *, is_trading_stopped: bool) -> str:
    """Say what a person might do now, the most urgent first; "nothing to do" where nothing waits."""
    alert, severity = activity.urgent or ("", "")
    remedy = f"{alert}: {find_rule(alert).about.removesuffix('.')}"
    if severity == "critical":
        return remedy
    if activity.approvals:
        return f"approve or decline on Optimizer: {', '.join(readable_name(rule) for rule in activity.approvals[:3])}"
    if activity.recommendation is not None:
        rule, answer = activity.recommendation
        return f"optimizer {_readable_answer(answer)}, because the rule {readable_name(rule)} fired"
    if is_trading_stopped:
        return "trading is stopped; Resume when you are ready"
    if severity == "warning":
        return remedy
    return f"nothing to do; {state_bar.describe_activity(activity)}"


def describe_alerts(activity: Activity, count: int) -> str:
    """Name the most severe open alerts."""
    if not count:
        return "none open"
    named = "; ".join(f"{rule}: {message}" for rule, message in activity.alerts)
    return f"{count} open{', the most severe' if count > len(activity.alerts) else ''}: {named}" if named else f"{count} open"


def explain_newest(frame: pd.DataFrame) -> list[str]:
    """Return sentences on the newest decision of a frame as `fetch_decisions` gives it; [] without one."""
    if frame.empty:
        return []
    row = frame.iloc[0]
    first = f"{row['symbol']}: {row['action']} at tick {int(row['tick']):,}: {row['reason']}."
    cost = f"Its round trip would cost {units.format_bps(row['cost_bps'])}." if units.is_known(row["cost_bps"]) else ""
    return [first, cost, "Every such reason is a gate: a condition that must hold before anything is bought."]


def _readable_answer(answer: str) -> str:
    """Return the planner's answer up to its figures, with the action in words."""
    return readable_name(answer.partition(";")[0])
