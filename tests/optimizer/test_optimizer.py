"""The optimizer of a running engine: its requests for approval, and the commands of people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.domain.rules import THRESHOLD, Rule
from engine.settings import Settings
from tests.service.test_supervisor import live, rows, settings, submit_and_wait, until

ALWAYS = Rule("always", THRESHOLD, "process.rss_bytes", ("collect_garbage",), level=1.0, hold=0.0, cooldown=3_600.0)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Settings]:
    configured = settings(
        tmp_path,
        symbols=(),
        sim_symbols=2,
        tick_interval_seconds=0.2,
        rules=(ALWAYS,),
        modes=(("collect_garbage", "ask"), ("delete_temp", "observe")),
    )
    with live(configured):
        yield configured


def test_a_rule_asks_and_people_answer_change_rules_modes_and_licences(running: Settings) -> None:
    until(lambda: bool(rows(running, "SELECT 1 FROM triggers WHERE rule = 'always' AND answer LIKE 'asks %'")))
    ((number,),) = rows(running, "SELECT id FROM triggers WHERE rule = 'always'")
    assert submit_and_wait(running, "approve", id=str(number), answer="no")["message"] == "collect_garbage is not run"
    assert "nothing waits under" in submit_and_wait(running, "approve", id=str(number))["error"]
    ((answer,),) = rows(running, f"SELECT answer FROM triggers WHERE id = {number}")
    assert "declined" in answer
    assert dict(rows(running, "SELECT action, mode FROM actions"))["delete_temp"] == "observe"
    assert submit_and_wait(running, "mode", action="delete_temp", mode="off")["message"] == "delete_temp is set to off"
    assert submit_and_wait(running, "licence", action="delete_temp", licence="recommend")["status"] == "done"
    assert rows(running, "SELECT mode, licence FROM actions WHERE action = 'delete_temp'") == [("off", "recommend")]
    assert submit_and_wait(running, "rule", name="always", enabled="false")["status"] == "done"
    until(lambda: bool(rows(running, "SELECT 1 FROM triggers WHERE rule = 'always' AND state = 'cleared'")))
    refused = submit_and_wait(running, "rule", name="always", above="high")
    assert refused["status"] == "failed"
    assert refused["error"].endswith("above is 'high': give a number")
