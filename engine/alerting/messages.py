"""Who is told what: alerts that belong together share a message; what is silenced or follows from another is not told apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from engine.alerting.rules import CHECKS, find_rule
from engine.domain.alerting import ALL, SEVERITIES, Alert, AlertMessage, Drill, Silence

SECOND, MINUTE = 1_000_000_000, 60_000_000_000  # ns
GROUP_WAIT = 8 * SECOND  # an alert waits this long for others of its group
AHEAD = 5 * SECOND  # a time further in the future than this was written by another clock
MAX_LINE, MAX_LINES, MAX_TITLE = 300, 12, 100  # letters of an alert's line, lines of a message, letters of a title


def compose_opened(alerts: Iterable[Alert], told: frozenset[int], silences: Iterable[Silence], now: int) -> tuple[AlertMessage, ...]:
    """The messages for alerts that are open and that nobody has been told of."""
    quiet = {one.rule for one in silences if one.at <= now < one.until}
    standing = list(alerts)
    causes = {find_rule(one.rule).group: one for one in standing if find_rule(one.rule).inhibits and one.id in told}
    found = [one for one in standing if one.id not in told and not quiet & {one.rule, ALL} and one.acked_by is None and not _follows(one, causes)]
    return tuple(_message("opened", group, now) for group in _together(found) if any(_is_ripe(one, now) for one in group))


def compose_resolved(alerts: Iterable[Alert], now: int) -> tuple[AlertMessage, ...]:
    """The messages for alerts that were told and are over."""
    return tuple(_message("resolved", group, now) for group in _together(list(alerts)))


def compose_escalated(
    alerts: Iterable[Alert], told_at: Mapping[int, int], silences: Iterable[Silence], minutes: float, now: int
) -> tuple[AlertMessage, ...]:
    """The messages for critical alerts that nobody has acknowledged so long after they were told."""
    quiet = {one.rule for one in silences if one.at <= now < one.until}
    found = [
        one
        for one in alerts
        if one.severity == "critical" and one.acked_by is None and one.escalated_at is None and not quiet & {one.rule, ALL}
        and one.id in told_at and _has_waited(told_at[one.id], minutes * MINUTE, now)
    ]  # fmt: skip
    return tuple(_message("escalated", group, now) for group in _together(found))


def compose_drill(number: int, at: int) -> AlertMessage:
    """The message that proves the alert path."""
    return AlertMessage((-number,), "drill", f"Podium drill: nothing is wrong\nThis message proves that alerts arrive. Sent {format_utc(at)} UTC.")


def summarize_drill(drill: Drill) -> str:
    """A drill in one line."""
    parts = ", ".join(f"{one.name} {'passed' if one.passed else 'failed'}" for one in drill.checks)
    return f"{parts}; {drill.seconds:.1f} s"


def format_utc(at: int) -> str:
    """A time in UTC."""
    return str(np.datetime64(at, "ns").astype("datetime64[s]")).replace("T", " ")


def sanitize_line(text: str, most: int) -> str:
    """One line without control characters, cut to `most` letters: what a message says may have come from anywhere."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    shown = " ".join(shown.split())
    return shown if len(shown) <= most else shown[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def find_highest_severity(alerts: Iterable[Alert]) -> str:
    return max((one.severity for one in alerts), key=SEVERITIES.index, default="info")


def _is_ripe(alert: Alert, now: int) -> bool:
    """Whether it has lasted long enough to be told; what is raised where it happens has not been held back before."""
    rule = find_rule(alert.rule)
    held = 0 if alert.rule in CHECKS else round(rule.fire_after * SECOND)
    return _has_waited(alert.at, max(GROUP_WAIT, held), now)


def _has_waited(since: int, span: float, now: int) -> bool:
    """Whether a span (ns) has passed since then; a time from the future was written by another clock, and nobody is to wait for it."""
    return now - since >= span or since - now > AHEAD


def _follows(alert: Alert, causes: Mapping[str, Alert]) -> bool:
    """Whether it is of a group whose cause is open and told, and no cause itself."""
    rule = find_rule(alert.rule)
    return not rule.inhibits and rule.group in causes


def _together(alerts: list[Alert]) -> list[list[Alert]]:
    """By group, the gravest and oldest first; those of no known rule apart."""
    groups: dict[str, list[Alert]] = {}
    for one in alerts:
        rule = find_rule(one.rule)
        groups.setdefault(rule.group if rule.name else one.rule, []).append(one)
    return [sorted(group, key=lambda one: (not find_rule(one.rule).inhibits, -SEVERITIES.index(one.severity), one.id)) for group in groups.values()]


def _message(kind: str, alerts: list[Alert], now: int) -> AlertMessage:
    first, more = alerts[0], len(alerts) - 1
    word = {"opened": first.severity, "resolved": "resolved", "escalated": "not acknowledged"}[kind]
    title = sanitize_line(f"Podium {word}: {first.rule}" + (f" and {more} more" if more else ""), MAX_TITLE)
    lines = [_line(one, kind, now) for one in alerts[:MAX_LINES]]
    if len(alerts) > MAX_LINES:
        lines.append(f"and {len(alerts) - MAX_LINES} more")
    advice = "" if kind == "resolved" else f"\n{find_rule(first.rule).about}"
    return AlertMessage(tuple(one.id for one in alerts), kind, "\n".join([title, *lines]) + advice)


def _line(alert: Alert, kind: str, now: int) -> str:
    said = sanitize_line(f"{alert.rule}: {alert.message}", MAX_LINE)
    if kind == "resolved":
        lasted = max(0, (alert.resolved_at or now) - alert.at) / SECOND
        return f"{said} (lasted {lasted:,.0f} s, since {format_utc(alert.at)} UTC)"
    return f"{said} ({alert.severity}, alert {alert.id}, since {format_utc(alert.at)} UTC)"
