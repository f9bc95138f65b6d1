"""Messages: one for alerts of a group, none for an alert that is silenced, acknowledged or follows from another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.alerting.messages import MAX_LINE, MAX_TITLE, compose_escalated, compose_opened, compose_resolved, sanitize_line
from engine.alerting.rules import BY_NAME
from engine.domain.alerting import Alert, Silence

SECOND, MINUTE = 1_000_000_000, 60_000_000_000
NOW = 10_000 * MINUTE


def alert(number: int, rule: str, *, age: float = 60.0, message: str = "it is wrong", severity: str | None = None) -> Alert:
    grave = severity or (BY_NAME[rule].severity if rule in BY_NAME else "warning")
    return Alert(number, NOW - round(age * SECOND), rule, grave, "open", message)


def silence(rule: str) -> Silence:
    return Silence(1, NOW - MINUTE, NOW + MINUTE, rule, "ada", "known")


def test_alerts_of_a_group_share_a_message_that_begins_with_the_cause() -> None:
    alerts = [alert(1, "data stale"), alert(2, "feed failing"), alert(3, "no decision"), alert(4, "disk nearly full")]
    engine, disk = compose_opened(alerts, frozenset(), (), NOW)
    assert engine.alerts == (3, 1, 2)
    assert engine.text.startswith("Podium critical: no decision and 2 more\n")
    assert "feed failing" in engine.text
    assert disk.alerts == (4,)


def test_what_follows_from_a_cause_that_was_told_is_not_told_apart_until_the_cause_is_over() -> None:
    alerts = [alert(3, "no decision"), alert(5, "data stale")]
    assert compose_opened(alerts, frozenset({3}), (), NOW) == ()
    assert [message.alerts for message in compose_opened(alerts[1:], frozenset(), (), NOW)] == [(5,)]


def test_an_alert_waits_a_little_for_others_and_for_its_own_duration() -> None:
    assert compose_opened([alert(1, "no decision", age=3.0)], frozenset(), (), NOW) == ()
    assert compose_opened([alert(1, "feed failing", age=9.0)], frozenset(), (), NOW) == ()
    assert compose_opened([alert(1, "feed failing", age=11.0)], frozenset(), (), NOW)


@pytest.mark.parametrize("rule", ["disk nearly full", "all"])
def test_what_is_silenced_is_not_told_and_is_told_when_the_silence_ends(rule: str) -> None:
    alerts = [alert(1, "disk nearly full")]
    assert compose_opened(alerts, frozenset(), (silence(rule),), NOW) == ()
    assert compose_opened(alerts, frozenset(), (silence(rule),), NOW + MINUTE)
    assert compose_opened(alerts, frozenset(), (silence("no decision"),), NOW)


def test_what_was_told_or_acknowledged_is_not_told_again() -> None:
    overdue = alert(1, "disk nearly full")
    assert compose_opened([overdue], frozenset({1}), (), NOW) == ()
    assert compose_opened([replace(overdue, acked_by="ada")], frozenset(), (), NOW) == ()


def test_a_critical_alert_that_nobody_acknowledges_is_escalated_once() -> None:
    critical, mild = alert(1, "no decision", age=1_800.0), alert(2, "data stale", age=1_800.0)
    notified_at = {1: NOW - 15 * MINUTE, 2: NOW - 15 * MINUTE}
    (message,) = compose_escalated([critical, mild], notified_at, (), 15.0, NOW)
    assert message.alerts == (1,)
    assert message.text.startswith("Podium not acknowledged: no decision")
    assert compose_escalated([critical], notified_at, (), 15.1, NOW) == ()
    assert compose_escalated([replace(critical, acked_by="ada")], notified_at, (), 15.0, NOW) == ()
    assert compose_escalated([replace(critical, escalated_at=NOW)], notified_at, (), 15.0, NOW) == ()
    assert compose_escalated([critical], notified_at, (silence("all"),), 15.0, NOW) == ()
    assert compose_escalated([critical], {}, (), 15.0, NOW) == ()


def test_what_is_over_is_told_with_how_long_it_lasted() -> None:
    over = replace(alert(1, "data stale", age=90.0), state="resolved", resolved_at=NOW - 30 * SECOND)
    (message,) = compose_resolved([over], NOW)
    assert "lasted 1 min" in message.text
    assert message.kind == "resolved"


def test_hostile_words_stay_one_line_of_bounded_length() -> None:
    (message,) = compose_opened([alert(1, "x\n\x1b[31my\x00", message="<script>\r\n" * 200)], frozenset(), (), NOW)
    lines = message.text.split("\n")
    assert len(lines) == 3
    assert len(lines[0]) <= MAX_TITLE
    assert all(letter.isprintable() for letter in message.text.replace("\n", ""))
    assert len(sanitize_line("a" * 999, MAX_LINE)) == MAX_LINE


def test_a_flood_is_cut_and_counted() -> None:
    (message,) = compose_resolved([replace(alert(number, "data stale"), state="resolved") for number in range(40)], NOW)
    assert message.text.endswith("and 28 more")
    assert len(message.alerts) == 40


def test_a_time_from_the_future_keeps_nobody_from_being_told() -> None:
    """The clock was set back by hours after an alert was raised, or after it was told."""
    ahead = alert(1, "no decision", age=-14_400.0)
    assert [message.alerts for message in compose_opened([ahead], frozenset(), (), NOW)] == [(1,)]
    assert [message.alerts for message in compose_escalated([ahead], {1: NOW + 14_400 * SECOND}, (), 15.0, NOW)] == [(1,)]
    assert compose_escalated([ahead], {1: NOW + 5 * SECOND}, (), 15.0, NOW) == ()
    over = replace(ahead, state="resolved", resolved_at=NOW)
    assert "lasted 0 s" in compose_resolved([over], NOW)[0].text
