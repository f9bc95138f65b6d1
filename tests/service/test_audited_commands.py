"""What commands change in a running engine is in the audit trail with the values before and after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from engine.store.read.audit import verify_trail
from engine.store.read.reader import Reader
from tests.service.test_service import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.close()


def changes(scene: Scene) -> list[tuple[str, dict[str, object], dict[str, object]]]:
    sql = "SELECT subject, \"before\", \"after\" FROM audit WHERE kind = 'setting' AND origin <> 'engine start' ORDER BY id"
    return [(subject, orjson.loads(before), orjson.loads(after)) for subject, before, after in scene.rows(sql)]


def test_every_command_that_changes_a_setting_says_from_what_to_what(scene: Scene) -> None:
    scene.service._optimizer.rule_loop.run_once()
    commands: tuple[tuple[str, dict[str, str]], ...] = (
        ("configure", {"parameter": "max_gross", "value": "0.25"}), ("pause", {}), ("set", {"signal": "0.1"}),
        ("rule", {"name": "host_memory", "above": "95"}),
        ("mode", {"action": "collect_garbage", "mode": "off"}), ("licence", {"action": "collect_garbage", "licence": "quarantined"}),
        ("rule", {"name": "host_memory", "reset": "true"}), ("pause", {}),
    )  # fmt: skip
    for name, args in commands:
        scene.inbox.submit(name, args, "ann", "a test", scene.clock.now())
    scene.service.process_commands(scene.jobs)
    entered = changes(scene)
    assert [subject for subject, _, _ in entered] == ["configure", "pause", "set", "rule", "mode", "licence", "rule"]
    assert (entered[0][1], entered[0][2]) == ({"max_gross": 1.0}, {"max_gross": 0.25})
    assert (entered[1][1], entered[1][2]) == ({"paused": False}, {"paused": True})
    assert entered[2][2] == {"signal": 0.1}
    rule = entered[3]
    assert [values["host_memory"]["above"] for values in rule[1:]] == ["90", "95"]  # type: ignore[index]
    assert entered[4][2] == {"mode of collect_garbage": "off"}
    assert entered[4][1] != entered[4][2]
    assert entered[5][2] == {"licence of collect_garbage": "quarantined"}
    assert entered[6][2] == rule[1]
    assert verify_trail(Reader(scene.url)).fault is None
