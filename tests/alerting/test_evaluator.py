"""Alerting on a real store: raised and resolved, announced once to every target, silenced, acknowledged, escalated, resumed after a restart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.alerting.evaluator import AlertEvaluator, Recipients
from engine.domain.alerting import AlertInputs, EngineProgress
from engine.store.connection import Store
from engine.store.errors import StoreError
from engine.store.write import alerts as write_alerts
from tests.commands.routing import carry_out
from tests.makers import StoppedClock, command
from tests.store.made import empty

TARGETS = ("json://here #1", "json://there #2")


class Scene:
    """Alerting on a store, with facts that are what the test says and a clock that is moved by hand."""

    def __init__(self, url: str, clock: StoppedClock | None = None) -> None:
        self.clock = clock or StoppedClock()
        self.store = Store(url, None, busy_ms=20)
        self.wrong: dict[str, Any] = {}
        self.alerting = AlertEvaluator(self.store, self.facts, self.clock, Recipients(TARGETS, ("tgram://**** #3",), 15.0))

    def facts(self) -> AlertInputs:
        now = self.clock.now()
        plain = AlertInputs(now, progress=EngineProgress(1_000.0, 0.0, 2.0), last_decided_at=now, disk_used=0.5)
        return replace(plain, **self.wrong)

    def pass_by(self, seconds: float) -> None:
        """A look every five seconds."""
        until = self.clock.seconds + seconds
        while self.clock.seconds < until:
            self.clock.seconds += 5.0
            self.alerting.evaluate()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.store.read() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

    def alerts(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT rule, severity, state, acked_by FROM alerts ORDER BY id")

    def messages(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT alert, kind, target, status FROM deliveries ORDER BY id")

    def command(self, name: str, **args: str) -> str:
        result = carry_out(command(name, **args), alerts=self.alerting, rule_loop=SimpleNamespace(rules=()))
        assert result is not None
        return str(result["message"])


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(empty(tmp_path))
    yield made
    made.store.close()


def test_what_lasts_is_raised_told_once_to_every_target_and_resolved(scene: Scene) -> None:
    scene.wrong = {"disk_used": 0.93}
    scene.pass_by(55)
    assert scene.alerts() == []
    scene.pass_by(60)
    assert scene.alerts() == [("disk nearly full", "warning", "open", None)]
    assert scene.messages() == [(1, "opened", target, "waiting") for target in TARGETS]
    scene.pass_by(300)
    assert len(scene.messages()) == 2
    scene.wrong = {}
    scene.pass_by(120)
    assert scene.alerts() == [("disk nearly full", "warning", "resolved", None)]
    assert scene.messages()[2:] == [(1, "resolved", target, "waiting") for target in TARGETS]
    scene.pass_by(300)
    assert len(scene.messages()) == 4


def test_what_belongs_together_is_one_message(scene: Scene) -> None:
    now = scene.clock.now()
    scene.wrong = {"progress": EngineProgress(1_000.0, 11.0, 2.0)}
    with scene.store.write() as connection:
        for rule in ("feed failing", "engine failing"):
            write_alerts.raise_alert(connection, rule, "warning", f"{rule}: gone", None, now)
    scene.pass_by(30)
    assert [status for *_, status in scene.messages()] == ["waiting"] * 2 + ["joined"] * 4
    (text,) = {row[0] for row in scene.rows("SELECT message FROM deliveries WHERE status = 'waiting'")}
    assert "and 2 more" in text
    assert "feed failing: gone" in text
    with scene.store.write() as connection:
        write_alerts.mark_sent(connection, [1], 7)
    rows = [tuple(row) for row in scene.rows("SELECT alert, target, sent_at FROM deliveries ORDER BY id")]
    assert {(target, sent) for _, target, sent in rows} == {(TARGETS[0], 7), (TARGETS[1], None)}
    assert len(rows) == 6


def test_a_silence_keeps_it_raised_and_quiet_until_it_ends(scene: Scene) -> None:
    assert "silenced until" in scene.command("silence", rule="disk nearly full", minutes="5")
    scene.wrong = {"disk_used": 0.93}
    scene.pass_by(180)
    assert len(scene.alerts()) == 1
    assert scene.messages() == []
    scene.pass_by(240)
    assert len(scene.messages()) == 2


def test_a_silence_can_be_ended_before(scene: Scene) -> None:
    scene.command("silence", rule="all", minutes="60")
    scene.wrong = {"disk_used": 0.93}
    scene.pass_by(120)
    assert scene.command("unsilence", rule="all") == "all is no longer silenced"
    scene.pass_by(10)
    assert len(scene.messages()) == 2


def test_a_critical_alert_goes_to_the_escalation_targets_once_unless_somebody_acknowledges_it(scene: Scene) -> None:
    scene.wrong = {"failed_gates": (("drawdown", 15.5, 15.0),)}
    scene.pass_by(14 * 60)
    assert {kind for _, kind, *_ in scene.messages()} == {"opened"}
    scene.pass_by(3 * 60)
    assert [row for row in scene.messages() if row[1] == "escalated"] == [(1, "escalated", "tgram://**** #3", "waiting")]
    scene.pass_by(3_600)
    assert len(scene.messages()) == 3


def test_an_acknowledgement_lasts_until_it_is_resolved(scene: Scene) -> None:
    scene.wrong = {"failed_gates": (("drawdown", 15.5, 15.0),)}
    scene.pass_by(30)
    assert "acknowledged by ada" in scene.command("ack", id="1")
    for number in ("99999999999999999999", "-1", "one"):
        with pytest.raises(ValueError, match=f"id is '{number}': give a whole number"):
            scene.command("ack", id=number)
    scene.pass_by(3_600)
    assert scene.alerts() == [("drawdown limit hit", "critical", "open", "ada")]
    assert {kind for _, kind, *_ in scene.messages()} == {"opened"}
    scene.wrong = {}
    scene.pass_by(120)
    scene.wrong = {"failed_gates": (("drawdown", 15.5, 15.0),)}
    scene.pass_by(30)
    assert scene.alerts()[1] == ("drawdown limit hit", "critical", "open", None)


@pytest.mark.parametrize(
    ("name", "args", "refusal"),
    [
        ("ack", {"id": "9"}, "alert 9 is not open"),
        ("ack", {"id": "nine"}, "give a whole number"),
        ("silence", {"rule": "disk nearly ful"}, "did you mean 'disk nearly full'"),
        ("silence", {"rule": "all", "minutes": "0"}, "give a number from 1 to 10080"),
        ("silence", {"rule": "all", "minutes": "nan"}, "give a number from 1 to 10080"),
        ("silence", {"rule": "all", "minutes": "99999"}, "give a number from 1 to 10080"),
        ("silence", {}, "needs rule"),
        ("unsilence", {"rule": "all"}, "is not silenced"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(scene: Scene, name: str, args: dict[str, str], refusal: str) -> None:
    with pytest.raises(ValueError, match=refusal) as caught:
        scene.command(name, **args)
    assert "\n" not in str(caught.value)


def test_a_silence_needs_a_reason(scene: Scene) -> None:
    with pytest.raises(ValueError, match="reason"):
        scene.alerting.silence("all", 60.0, "ada", "  ")


def test_after_a_restart_an_open_alert_goes_on_and_is_resolved_when_it_is_well(scene: Scene) -> None:
    scene.wrong = {"disk_used": 0.93}
    scene.pass_by(120)
    again = Scene(f"sqlite:///{scene.store.path}", scene.clock)
    again.wrong = scene.wrong
    again.pass_by(60)
    assert len(again.alerts()) == 1
    assert len(again.messages()) == 2
    again.wrong = {}
    again.pass_by(120)
    assert again.alerts() == [("disk nearly full", "warning", "resolved", None)]
    again.store.close()


def test_a_store_that_cannot_be_written_loses_no_alert(scene: Scene) -> None:
    held = Store(f"sqlite:///{scene.store.path}", None)
    scene.alerting.evaluate()
    scene.wrong = {"failed_gates": (("drawdown", 15.5, 15.0),)}
    with held.write(), pytest.raises(StoreError):
        scene.pass_by(10)
    scene.pass_by(30)
    assert scene.alerts() == [("drawdown limit hit", "critical", "open", None)]
    assert len(scene.messages()) == 2
    held.close()


def test_nobody_is_told_where_no_target_is_set(tmp_path: Path) -> None:
    scene = Scene(empty(tmp_path))
    scene.alerting.recipients = Recipients()
    scene.wrong = {"failed_gates": (("drawdown", 15.5, 15.0),)}
    scene.pass_by(3_600)
    assert len(scene.alerts()) == 1
    assert scene.messages() == []
    scene.store.close()


def test_old_rows_are_dropped_and_what_is_open_or_waits_stays(scene: Scene) -> None:
    scene.wrong = {"disk_used": 0.93}
    scene.pass_by(120)
    with scene.store.write() as connection:
        connection.exec_driver_sql("INSERT INTO alerts (at, rule, severity, state, message) VALUES (1, 'r', 'info', 'resolved', 'm')")
        connection.exec_driver_sql("UPDATE alerts SET at = 1")
        connection.exec_driver_sql("UPDATE deliveries SET at = 1, status = 'sent' WHERE id = 1")
        connection.exec_driver_sql("UPDATE deliveries SET at = 1 WHERE id = 2")
        connection.exec_driver_sql("INSERT INTO recoveries (at, component, fault, tries) VALUES (1, 'feed', 'gone', 1)")
        connection.exec_driver_sql("INSERT INTO drills (at, passed, seconds, detail) VALUES (1, 1, 1.0, '{}')")
        write_alerts.prune_alerts(connection, scene.clock.now())
    assert scene.alerts() == [("disk nearly full", "warning", "open", None)]
    assert [status for *_, status in scene.messages()] == ["waiting"]
    assert scene.rows("SELECT (SELECT count(*) FROM recoveries) + (SELECT count(*) FROM drills)") == [(0,)]


def test_an_alert_of_a_rule_that_is_no_more_is_resolved_at_the_start(scene: Scene) -> None:
    with scene.store.write() as connection:
        for rule in ("kill switch engaged", "feed failing"):
            write_alerts.raise_alert(connection, rule, "warning", "trading is paused", None, 1)
    scene.alerting.evaluate()
    assert [(rule, state) for rule, _, state, _ in scene.alerts()] == [("kill switch engaged", "resolved"), ("feed failing", "open")]
