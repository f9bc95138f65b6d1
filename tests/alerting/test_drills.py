"""Drills prove what works, and fail where it does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from threading import Event

import pytest

from engine.alerting import drills
from engine.alerting.delivery import Dispatcher
from engine.alerting.drills import DecisionContext, run_drill
from engine.alerting.sender_process import SenderProcess
from engine.domain.decision import Outcome
from engine.domain.market import Inputs
from engine.domain.model import Catalog
from engine.domain.state import State
from engine.orchestrator import decide
from engine.run import PhaseRunner
from engine.service.clock import WallClock
from engine.store.connection import Store
from engine.store.write import alerts
from tests.alerting.test_delivery import Receiver, Slow, receiver
from tests.makers import StoppedClock, engine, play, simulated
from tests.store.made import empty


@cache
def newest() -> DecisionContext:
    """A moment at which the books are sound and no position is desired: the drill makes its own request."""
    subject = engine(simulated(12, symbols=3), trains=False)
    play(subject, 11)
    before = subject.state
    (tick,) = play(subject, 1)
    return DecisionContext(tick.inputs, before, subject.catalog)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(empty(tmp_path), None)
    yield made
    made.close()


def test_the_kill_switch_is_proved_by_the_real_gates_on_the_newest_inputs() -> None:
    passed, detail = drills.drill_kill_switch(newest())
    assert passed, detail
    assert "of 3 requested positions" in detail
    assert drills._request_all(newest()) == (3, {"not paused": 0, "not flattened": 0})


def test_it_touches_nothing_it_was_given() -> None:
    moment = newest()
    before = (moment.inputs.digest(), moment.state.digest())
    drills.drill_kill_switch(moment)
    assert (moment.inputs.digest(), moment.state.digest()) == before


def test_a_kill_switch_that_is_not_heard_fails_the_drill() -> None:
    def deaf(inputs: Inputs, state: State, catalog: Catalog, run: PhaseRunner) -> Outcome:
        return decide(replace(inputs, config=replace(inputs.config, paused=False, flatten=False)), state, catalog, run)

    passed, detail = drills.drill_kill_switch(newest(), deaf)
    assert not passed
    assert "paused" in detail


def test_without_a_tick_nothing_is_proved() -> None:
    assert drills.drill_kill_switch(None)[0] is False


def test_a_step_that_breaks_has_failed_and_stops_no_other() -> None:
    def breaks() -> tuple[bool, str]:
        raise OSError("no such folder")

    result = run_drill({"stop": breaks, "alert path": lambda: (True, "it arrived")}, StoppedClock(1.0), "ada")
    assert not result.passed
    assert [(check.name, check.passed) for check in result.checks] == [("stop", False), ("alert path", True)]
    assert result.checks[0].detail == "it broke: OSError: no such folder"


@pytest.mark.slow
def test_a_throw_away_engine_is_started_and_stopped_for_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODIUM_DATABASE_URL", "sqlite:////nowhere/that/is/podium.db")  # what is really set is never touched
    monkeypatch.setenv("PODIUM_ALERT_URLS", "json://nowhere.invalid/x")
    monkeypatch.setattr(drills, "START_SECONDS", 600.0)
    monkeypatch.setattr(drills, "STOP_SECONDS", 600.0)
    passed, detail = drills.drill_stop(WallClock(), Event(), str(tmp_path))
    assert passed, detail
    assert "released its store" in detail


def test_without_a_target_a_receiver_on_this_machine_proves_the_path(store: Store) -> None:
    courier = SenderProcess()
    passed, detail = drills.drill_alert_path(Dispatcher(store, {}, courier, WallClock()), (), store, courier, WallClock(), Event())
    assert passed, detail
    assert "set PODIUM_ALERT_URLS" in detail


def test_with_targets_a_message_that_says_it_is_a_drill_goes_the_whole_way(store: Store) -> None:
    clock, webhook, courier = WallClock(), Receiver(), SenderProcess()
    with receiver(webhook):
        passed, detail = drills.drill_alert_path(Dispatcher(store, {"t": webhook.url}, courier, clock), ("t",), store, courier, clock, Event())
    assert (passed, detail) == (True, "1 of 1 targets accepted the message")
    assert webhook.got[0]["title"] == "Podium drill: nothing is wrong"
    with store.read() as connection:
        assert connection.exec_driver_sql("SELECT alert, kind, status FROM deliveries").fetchall() == [(-1, "drill", "sent")]


def test_a_drill_that_was_not_kept_proves_nothing_for_the_next(store: Store) -> None:
    clock, sender = StoppedClock(5.0), Slow()
    deliveries = Dispatcher(store, {"t": "a://b"}, sender, clock)
    assert drills.drill_alert_path(deliveries, ("t",), store, sender, clock, Halted())[0]
    sender.error = "refused"
    passed, detail = drills.drill_alert_path(deliveries, ("t",), store, sender, clock, Halted())
    assert (passed, detail) == (False, "1 of 1 targets accepted no message: refused")


def test_a_target_that_takes_nothing_fails_the_drill_in_time(store: Store) -> None:
    clock, sender = StoppedClock(5.0), Slow()
    sender.error = "refused"
    passed, detail = drills.drill_alert_path(Dispatcher(store, {"t": "a://b"}, sender, clock), ("t",), store, sender, clock, Halted())
    assert not passed
    assert detail == "1 of 1 targets accepted no message: refused"


class Halted:
    def wait(self, timeout: float | None = None) -> bool:
        return False

    def is_set(self) -> bool:
        return False


def test_a_drill_is_kept_as_it_was(store: Store) -> None:
    result = run_drill({"stop": lambda: (False, "it went on")}, StoppedClock(1.0), "ada")
    with store.write() as connection:
        assert alerts.choose_drill_number(connection) == 1
        alerts.save_drill(connection, result)
        assert alerts.find_last_drill(connection) == result
        (detail,) = connection.exec_driver_sql("SELECT detail FROM drills").one()
    assert json.loads(detail)["by"] == "ada"
