"""The component status: written on changes, with alerts that are raised and resolved along with it."""

from __future__ import annotations

from engine.service.component_status import COMPONENTS, ComponentStatus


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
    board = ComponentStatus(pen, Still())
    board.mark_started("feed")
    pen.lines.clear()
    board.on_failure("feed", "ticks", "silent")
    board.on_failure("feed", "ticks", "silent")
    board.on_success("feed", "ticks")
    board.on_success("feed", "ticks")
    assert pen.lines == [("feed", "degraded", "silent"), ("raised", "feed failing", "warning"), ("feed", "ok", None), ("resolved", "feed failing")]


def test_what_somebody_wanted_is_shown_and_raises_no_alert() -> None:
    pen = Pen()
    board = ComponentStatus(pen, Still())
    board.set_state("feed", "degraded", "the recording has ended", alert=False)
    board.write_all()
    assert ("raised", "feed failing", "warning") not in pen.lines
    assert pen.lines.count(("resolved", "feed failing")) == 1, "what an engine before had raised is over"
    board.set_state("feed", "degraded", "connection reset")
    assert pen.lines[-1] == ("raised", "feed failing", "warning")


def test_one_job_that_goes_well_does_not_hide_another_that_fails() -> None:
    pen = Pen()
    board = ComponentStatus(pen, Still())
    board.mark_started("store")
    board.on_failure("store", "prune", "locked")
    board.on_failure("store", "save", "full")
    board.on_success("store", "beat")
    assert board.state("store") == "degraded"
    board.on_success("store", "save")
    assert pen.lines[-2:] == [("store", "degraded", "locked"), ("raised", "store failing", "critical")]
    board.on_success("store", "prune")
    assert board.state("store") == "ok"


def test_a_part_that_is_well_says_nothing_of_another_that_fails() -> None:
    board = ComponentStatus(Pen(), Still())
    board.mark_started("alerts")
    board.on_failure("alerts", "alerts", "the disk is gone")
    board.report_part("alerts", "targets", None)
    assert board.state("alerts") == "degraded"
    board.report_part("alerts", "targets", "nobody answers")
    board.on_success("alerts", "alerts")
    assert board.state("alerts") == "degraded"
    board.report_part("alerts", "targets", None)
    assert board.state("alerts") == "ok"


def test_a_component_that_is_starting_is_not_well_before_it_says_so() -> None:
    pen = Pen()
    board = ComponentStatus(pen, Still())
    board.on_success("engine", "commands")
    assert pen.lines == []
    assert board.state("engine") == "starting"
    board.mark_started("engine")
    assert board.state("engine") == "ok"


def test_a_beat_writes_every_component_and_a_stop_is_no_alert() -> None:
    pen = Pen()
    board = ComponentStatus(pen, Still())
    board.write_all()
    assert [line[0] for line in pen.lines] == list(COMPONENTS)
    pen.lines.clear()
    board.mark_stopped()
    assert {line[1] for line in pen.lines} == {"down"}
