"""The messages about alerts: alerts of one group share a message; a silenced alert, or one that follows from another, gets none of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np

from engine import units
from engine.alerting.rules import CHECKS, find_rule
from engine.domain.alerting import ALL, SEVERITIES, Alert, AlertMessage, Drill, Silence

SECOND, MINUTE = 1_000_000_000, 60_000_000_000  # ns
GROUP_WAIT = 8 * SECOND  # an alert waits this long for others of its group
AHEAD = 5 * SECOND  # a time further in the future than this was written by another clock
MAX_LINE, MAX_LINES, MAX_TITLE = 300, 12, 100  # letters per alert, alerts per message, letters of a title


def compose_opened(alerts: Iterable[Alert], notified: frozenset[int], silences: Iterable[Silence], now: int) -> tuple[AlertMessage, ...]:
    """The messages for open alerts of which nobody has been notified."""
    silenced, standing = _silenced(silences, now), list(alerts)
    causes = {find_rule(alert.rule).group for alert in standing if find_rule(alert.rule).inhibits and alert.id in notified}
    due = [
        alert
        for alert in standing
        if alert.id not in notified and not silenced & {alert.rule, ALL} and alert.acked_by is None and not _follows(alert, causes)
    ]
    return tuple(_message("opened", group, now) for group in _group(due) if any(_is_ripe(alert, now) for alert in group))


def compose_resolved(alerts: Iterable[Alert], now: int) -> tuple[AlertMessage, ...]:
    """The messages for alerts that are resolved and whose opening was announced."""
    return tuple(_message("resolved", group, now) for group in _group(list(alerts)))


def compose_escalated(
    alerts: Iterable[Alert], told_at: Mapping[int, int], silences: Iterable[Silence], minutes: float, now: int
) -> tuple[AlertMessage, ...]:
    """The messages for critical alerts that nobody has acknowledged within `minutes` of their first notification."""
    silenced = _silenced(silences, now)
    due = [
        alert
        for alert in alerts
        if alert.severity == "critical" and alert.acked_by is None and alert.escalated_at is None and not silenced & {alert.rule, ALL}
        and alert.id in told_at and _has_waited(told_at[alert.id], minutes * MINUTE, now)
    ]  # fmt: skip
    return tuple(_message("escalated", group, now) for group in _group(due))


def compose_drill(number: int, at: int) -> AlertMessage:
    """The message that tests the alert path."""
    return AlertMessage((-number,), "drill", f"Podium drill: nothing is wrong\nThis message proves that alerts arrive. Sent {format_utc(at)} UTC.")


def summarize_drill(drill: Drill) -> str:
    """A drill in one line."""
    parts = ", ".join(f"{proof.name} {'passed' if proof.passed else 'failed'}" for proof in drill.checks)
    return f"{parts}; {units.format_duration(drill.seconds)}"


def format_utc(at: int) -> str:
    """A time (ns UTC) in words, to the second."""
    return str(np.datetime64(at, "ns").astype("datetime64[s]")).replace("T", " ")


def sanitize_line(text: str, most: int) -> str:
    """One line without control characters, cut to `most` letters: the text of an alert may come from anywhere."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    shown = " ".join(shown.split())
    return shown if len(shown) <= most else shown[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def find_highest_severity(alerts: Iterable[Alert]) -> str:
    """The highest severity of these alerts, info without any."""
    return max((alert.severity for alert in alerts), key=SEVERITIES.index, default="info")


def _is_ripe(alert: Alert, now: int) -> bool:
    """Whether an alert has lasted long enough for a message; one that is raised without `after` is held back here."""
    rule = find_rule(alert.rule)
    held = 0 if alert.rule in CHECKS else round(rule.fire_after * SECOND)
    return _has_waited(alert.at, max(GROUP_WAIT, held), now)


def _has_waited(since: int, span: float, now: int) -> bool:
    """Whether a span (ns) has passed; a time in the future was written by another clock and holds nobody up."""
    return now - since >= span or since - now > AHEAD


def _silenced(silences: Iterable[Silence], now: int) -> set[str]:
    return {silence.rule for silence in silences if silence.at <= now < silence.until}


def _follows(alert: Alert, causes: Collection[str]) -> bool:
    """Whether the cause of its group is open and announced, and the alert is no cause itself."""
    rule = find_rule(alert.rule)
    return not rule.inhibits and rule.group in causes


def _group(alerts: list[Alert]) -> list[list[Alert]]:
    """By group, causes first, then by severity and age; an alert without a known rule is a group of its own."""
    groups: dict[str, list[Alert]] = {}
    for alert in alerts:
        rule = find_rule(alert.rule)
        groups.setdefault(rule.group if rule.name else alert.rule, []).append(alert)
    return [sorted(group, key=_rank) for group in groups.values()]


def _rank(alert: Alert) -> tuple[bool, int, int]:
    return not find_rule(alert.rule).inhibits, -SEVERITIES.index(alert.severity), alert.id


def _message(kind: str, alerts: list[Alert], now: int) -> AlertMessage:
    first, more = alerts[0], len(alerts) - 1
    word = {"opened": first.severity, "resolved": "resolved", "escalated": "not acknowledged"}[kind]
    title = sanitize_line(f"Podium {word}: {first.rule}" + (f" and {more} more" if more else ""), MAX_TITLE)
    lines = [_line(alert, kind, now) for alert in alerts[:MAX_LINES]]
    if len(alerts) > MAX_LINES:
        lines.append(f"and {len(alerts) - MAX_LINES} more")
    advice = "" if kind == "resolved" else f"\n{find_rule(first.rule).about}"
    return AlertMessage(tuple(alert.id for alert in alerts), kind, "\n".join([title, *lines]) + advice)


def _line(alert: Alert, kind: str, now: int) -> str:
    text = sanitize_line(f"{alert.rule}: {alert.message}", MAX_LINE)
    if kind == "resolved":
        lasted = max(0, (alert.resolved_at or now) - alert.at) / SECOND
        return f"{text} (lasted {units.format_age(lasted)}, since {format_utc(alert.at)} UTC)"
    return f"{text} ({alert.severity}, alert {alert.id}, since {format_utc(alert.at)} UTC)"
