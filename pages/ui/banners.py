"""The engine's health as read from the store: its state word and the banners across the top of every page."""

from __future__ import annotations

import json
from dataclasses import dataclass

from engine import units
from engine.health import (
    CLOCK_STEP_KEY,
    ComponentState,
    Health,
    HealthInputs,
    describe_clock_step,
    discard_future_time,
    is_in_future,
    judge_health,
    parse_clock_step,
    recent_clock_step,
)
from engine.settings import LIVE_FEEDS
from engine.store.read.status import EngineStatus
from pages.ui import ages, theme, widgets

STALE_BARS = 10  # tick intervals without a tick after which the data count as stale
MIN_STALE_SECONDS = 30.0  # s
STEP_SHOWN = 600.0  # s for which a step of the clock is shown on every page


@dataclass(frozen=True, slots=True)
class Banner:
    """One line across the top with its word, colour and progress."""

    word: str
    text: str
    colour: str
    progress: float | None = None


def judge_status(status: EngineStatus, now: int) -> Health:
    """Judge the engine's state in the same way as /healthz."""
    return judge_health(
        HealthInputs(
            now=now,
            heartbeat_at=status.beat,
            started_at=status.started,
            tick_interval_seconds=tick_interval(status),
            tick=None if status.last is None else status.last.tick,
            decided_at=None if status.last is None else status.last.wall,
            components=tuple(ComponentState(*component) for component in status.components),
            ticks_counted=0,
            ticks_clean=0,
            open_alerts=status.alerts,
            critical_alerts=status.critical,
            is_full=status.is_full,
            is_warmup=status.last is not None and status.last.warm,
            clock_step=parse_clock_step(status.meta.get(CLOCK_STEP_KEY)),
        )
    )


def health_word(verdict: Health) -> str:
    return "ok" if verdict.state == "healthy" else verdict.state


def tick_interval(status: EngineStatus) -> float:
    """Return the seconds between ticks: of a live market those of its bars, else as configured; 0 for as fast as possible."""
    if status.session is not None and status.session.feed in LIVE_FEEDS:
        return status.session.interval / units.SECOND
    return 0.0 if status.session is None else float(status.session.settings.get("tick_interval_seconds") or 0.0)


def build_banners(status: EngineStatus, verdict: Health, now: int) -> list[Banner]:
    """Return the banners that matter now, the gravest first."""
    shown: list[Banner] = []
    if not verdict.alive:
        shown.append(Banner("Engine down.", _since(status, verdict, now), theme.HARM))
    elif verdict.state == "degraded":
        shown.append(Banner("Degraded.", "; ".join(verdict.reasons), theme.state_colour("degraded")))
    if status.is_full:
        shown.append(Banner("Disk full.", "The store cannot be written. Free space on its disk; the engine then resumes", theme.HARM))
    if status.alerts:
        shown.append(Banner(f"{units.format_count(status.alerts, 'open alert')}.", "Listed on Alerts", theme.WARNING))
    if status.last is not None and status.last.paused:
        shown.append(Banner("Paused.", "Every decision holds; nothing is opened or closed until Resume on Control", theme.WARNING))
    if status.last is not None and status.last.flattening:
        shown.append(Banner("Flattening.", "Positions are being closed and nothing is opened", theme.WARNING))
    shown += _stepped(status, now) + _stale(status, verdict, now) + _warming(status)
    if status.session is not None and status.session.simulated:
        shown.append(Banner("Simulated market.", _simulated(status), theme.UP))
    return shown


def render_banners(shown: list[Banner]) -> str:
    """Return a strip of fixed height: the gravest banner's text and the text of the others; hovering or focus shows all of them in full."""
    notices = [widgets.render_notice(banner.text, word=banner.word, colour=banner.colour, progress=banner.progress) for banner in shown]
    inside = "".join(notices) or '<div class="pd-quiet pd-muted">Nothing needs attention</div>'
    return f'<div class="pd-strip" tabindex="0" role="group" aria-label="Notices"><div>{inside}</div></div>'


def _since(status: EngineStatus, verdict: Health, now: int) -> str:
    if status.beat is None:
        stopped = next((since for name, state, since, _ in status.components if name == "engine" and state == "down"), None)
        if stopped is None:
            return "No engine runs on this store; start one with make run"
        ago = ages.ticking_age(stopped, now)
        return f"It was stopped at {units.format_time(stopped)} UTC, {ago} ago. The pages show the last stored state. Start it with make run"
    reason = verdict.reasons[-1][:1].upper() + verdict.reasons[-1][1:]  # the cause, where one is known, comes after what shows it
    if is_in_future(status.beat, now):
        return f"{reason}. The pages show the last stored state"
    beat = f"{units.format_time(status.beat)} UTC, {ages.ticking_age(status.beat, now)} ago"
    shown = f"The engine's last heartbeat was at {beat}" if reason.startswith("The engine's last heartbeat") else f"{reason}; last heartbeat {beat}"
    return f"{shown}. The pages show the last stored state"


def _stepped(status: EngineStatus, now: int) -> list[Banner]:
    step = recent_clock_step(parse_clock_step(status.meta.get(CLOCK_STEP_KEY)), now, STEP_SHOWN)
    if step is None:
        return []
    sentence = describe_clock_step(step)
    text = f"{sentence[:1].upper()}{sentence[1:]}. Times before {units.format_time(step.at)} UTC are from the old clock; decisions continue"
    return [Banner("Clock set.", text, theme.WARNING)]


def _stale(status: EngineStatus, verdict: Health, now: int) -> list[Banner]:
    if status.last is None or not verdict.alive:
        return []
    step = parse_clock_step(status.meta.get(CLOCK_STEP_KEY))
    times = (discard_future_time(status.last.wall, now), None if step is None else discard_future_time(step.at, now))
    since = max((at for at in times if at is not None), default=now)
    if (now - since) / units.SECOND <= max(MIN_STALE_SECONDS, STALE_BARS * tick_interval(status)):
        return []
    feed = next((error or state for name, state, _, error in status.components if name == "feed"), "no reason given")
    return [Banner("Data stale.", f"No new bar for {ages.ticking_age(since, now)}: {feed}", theme.WARNING)]


def current_signal(status: EngineStatus) -> float | None:
    """Return the simulated market's current signal: the last switch, else the setting."""
    if status.session is None:
        return None
    switches = json.loads(status.meta.get(f"signal switches of session {status.session.id}", "[]"))
    value = switches[-1][0] if switches else status.session.settings.get("sim_signal")
    return None if value is None else float(value)


def _warming(status: EngineStatus) -> list[Banner]:
    last, session = status.last, status.session
    total = 0 if session is None else int(session.settings.get("warmup_bars") or 0)
    if last is None or last.warmup_ticks is None or last.warmup_ticks >= total:
        return []
    text = f"{last.warmup_ticks:,} of {total:,} bars of history decided at full speed, so that evidence exists before the first live bar"
    return [Banner("Warming up.", text, theme.UP, last.warmup_ticks / total)]


def _simulated(status: EngineStatus) -> str:
    current = current_signal(status)
    if current is None:
        return "Prices are generated, not real"
    if current == 0:
        return "Prices are generated, not real; nothing in them can be predicted (signal 0)"
    changes = "" if status.session is None else str(status.session.settings.get("sim_changes") or "").replace(",", ", ")
    suffix = f". The signal is scheduled to change: {changes}" if changes else ""
    return (
        f"Prices are generated, not real, with a known signal: the best one-bar forecast would reach an R² of {units.format_percent(current)}{suffix}"
    )
