"""The board: written when something changes, alerts opened and resolved with it."""

from __future__ import annotations

from engine.shell.board import COMPONENTS, Board


class Pen:
    """A pen that keeps what is written."""

    def __init__(self) -> None:
        self.lines: list[tuple[object, ...]] = []

    def set_component(self, name: str, state: str, error: str | None, now: int) -> None:
        self.lines.append((name, state, error))

    def raise_alert(self, rule: str, severity: str, message: str, now: int) -> None:
        self.lines.append(("raised", rule, severity))

    def resolve_alert(self, rule: str, now: int) -> None:
        self.lines.append(("resolved", rule))


class Still:
    def now(self) -> int:
        return 7

    def tick(self) -> float:
        return 0.0


def test_a_fault_opens_its_alert_and_recovery_resolves_it() -> None:
    pen = Pen()
    board = Board(pen, Still())
    board.say("feed", "ok")
    pen.lines.clear()
    board.failed("feed", "silent")
    board.failed("feed", "silent")
    board.went_well("feed")
    board.went_well("feed")
    assert pen.lines == [("feed", "degraded", "silent"), ("raised", "feed failing", "warning"), ("feed", "ok", None), ("resolved", "feed failing")]


def test_a_component_that_is_starting_is_not_well_before_it_says_so() -> None:
    pen = Pen()
    board = Board(pen, Still())
    board.went_well("engine")
    assert pen.lines == []
    assert board.state("engine") == "starting"


def test_a_beat_writes_every_component_and_a_stop_is_no_alert() -> None:
    pen = Pen()
    board = Board(pen, Still())
    board.beat()
    assert [line[0] for line in pen.lines] == list(COMPONENTS)
    pen.lines.clear()
    board.stopped()
    assert {line[1] for line in pen.lines} == {"down"}
