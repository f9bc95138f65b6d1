"""The state bar of every page, in words: state and age, equity, drawdown, open alerts, and what the optimizer and evolution do."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from engine import units
from engine.health import Health, is_in_future
from engine.store.read.activity import Activity
from engine.store.read.status import EngineStatus
from pages.ui import ages, banners, tables, tiles
from pages.ui.command_table import readable_name


@dataclass(frozen=True, slots=True)
class BarState:
    """The state word, and the time that its age counts from, ns UTC; None for no age."""

    word: str
    since: int | None


def judge_state(status: EngineStatus, verdict: Health, now: int) -> BarState:
    """Return the state and its age: since the newest decision while the engine is alive, else since its last sign of life."""
    last = status.last
    if not verdict.alive:
        stopped = next((since for name, state, since, _ in status.components if name == "engine" and state == "down"), None)
        return BarState("down", _past(status.beat if status.beat is not None else stopped, now))
    since = None if last is None else _past(last.wall, now)
    if last is not None and (last.paused or last.flattening):
        return BarState("paused" if last.paused else "flattening", since)
    return BarState(banners.health_word(verdict), since)


def render_bar(status: EngineStatus, state: BarState, activity: Activity, now: int) -> str:
    """Return the bar's figures as HTML; a figure that is unknown is left out, and every number keeps its place."""
    age = "" if state.since is None else f' <span class="pd-bar-age">{ages.ticking_age(state.since, now)}</span>'
    parts = [f'<span class="pd-bar-state">{tables.render_chip(state.word)}{age}</span>', *_account(status)]
    word = units.format_count(status.alerts, "open alert")
    parts.append(f'<a href="/alerts" target="_self" class="{"pd-bar-alerts" if status.alerts else "pd-muted"}">{word}</a>')
    parts.append(f'<span class="pd-bar-doing">{escape(describe_activity(activity))}</span>')
    return f'<div class="pd-statebar" role="group" aria-label="State of the engine">{"".join(parts)}</div>'


def render_past(status: EngineStatus, when: str) -> str:
    """Return the bar as of a past tick."""
    alerts = f'<span class="pd-muted">{units.format_count(status.alerts, "open alert")}</span>'
    inside = "".join((f'<span class="pd-bar-state">{escape(when)}</span>', *_account(status), alerts))
    return f'<div class="pd pd-statebar" role="group" aria-label="State of the engine at a past tick">{inside}</div>'


def render_unreadable(state: BarState, words: str, now: int) -> str:
    """Return the bar where the store cannot be read."""
    age = "" if state.since is None else f' <span class="pd-bar-age">{ages.ticking_age(state.since, now)}</span>'
    inside = f'<span class="pd-bar-state">{tables.render_chip(state.word)}{age}</span><span class="pd-bar-doing">{escape(words)}</span>'
    return f'<div class="pd pd-statebar" role="group" aria-label="State of the engine">{inside}</div>'


def describe_activity(activity: Activity) -> str:
    """Say in a few words what is under way, the most urgent first."""
    parts = []
    if activity.approvals:
        parts.append(f"{units.format_count(len(activity.approvals), 'approval')} waiting")
    if activity.trial is not None:
        action, is_control = activity.trial
        parts.append(f"{'control window of' if is_control else 'measures'} {readable_name(action)}")
    if activity.racing:
        parts.append(f"{units.format_count(len(activity.racing), 'challenger')} racing")
    if activity.training:
        parts.append(f"training {readable_name(activity.training[0])}" + (f" and {len(activity.training) - 1} more" if activity.training[1:] else ""))
    return "; ".join(parts) or "optimizer and evolution idle"


def _account(status: EngineStatus) -> list[str]:
    last = status.last
    if last is None:
        return ['<span class="pd-muted">no tick yet</span>']
    gain = tiles.compute_gain(last.equity, None if status.session is None else status.session.settings.get("capital"))
    change = "" if gain is None else f" <b>{units.format_percent(gain, 2, signed=True)}</b>"
    lost = None if last.drawdown is None else -abs(last.drawdown)
    return [
        f'<span{tables.render_tooltip("equity")}><i>equity</i> <span class="pd-bar-money">{units.format_money(last.equity)}</span>{change}</span>',
        f"<span{tables.render_tooltip('drawdown')}><i>drawdown</i> {units.format_percent(lost, 2)}</span>",
    ]


def _past(at: int | None, now: int) -> int | None:
    return None if at is None or is_in_future(at, now) else at
