"""Recovering: a broken component of a real engine works again after the action; one that stays broken stops no other."""

from __future__ import annotations

from pathlib import Path

from engine.actions.recover_component import ACTION
from engine.domain.optimization import ActionResult
from tests.actions.engines import desk
from tests.actions.makers import Plain, make_context


class Broken(Plain):
    """Two components that fail, of which one cannot be mended."""

    def failing_components(self) -> tuple[str, ...]:
        return ("feed", "trainer")

    def recover_component(self, component: str) -> ActionResult:
        if component == "feed":
            raise OSError("no route\nto host")
        return ActionResult(1.0, "components", "trainer: its worker was started again")


def test_where_everything_works_it_declines(tmp_path: Path) -> None:
    with desk(tmp_path) as made:
        made._step()
        measured = ACTION.run(make_context(tmp_path, actuators=made.actuators))
        assert (measured.done, measured.detail) == (False, "nothing to recover: every component works")


def test_a_job_that_failed_until_it_rested_is_tried_at_once_and_works_again(tmp_path: Path) -> None:
    """The probes fail for real, again and again, until their circuit lets them rest; then what broke them is gone."""
    with desk(tmp_path) as made:
        broken, runs = [True], []

        def probe() -> None:
            runs.append(1)
            if broken:
                raise ValueError("the sensor is gone")

        paced = made.failures.with_backoff("probes", "probes", probe)

        def run() -> None:
            try:
                paced()
            except ValueError as error:
                made.failures.on_failure("probes", "probes", str(error))
            else:
                made.failures.on_success("probes", "probes")

        for _ in range(5):
            run()
        assert len(runs) < 5  # it rests
        assert made.actuators.failing_components() == ("probes",)
        assert made.components.state("probes") == "degraded"
        broken.clear()
        run()
        assert made.components.state("probes") == "degraded"  # still resting
        measured = ACTION.run(make_context(tmp_path, actuators=made.actuators))
        assert measured.done, measured.detail
        assert (measured.amount, measured.unit) == (1.0, "components")
        assert "tried at once" in measured.detail
        run()
        assert made.components.state("probes") == "ok"
        assert made.actuators.failing_components() == ()
        assert not ACTION.run(make_context(tmp_path, actuators=made.actuators)).done


def test_a_component_that_cannot_be_recovered_is_named_and_stops_no_other(tmp_path: Path) -> None:
    measured = ACTION.run(make_context(tmp_path, actuators=Broken()))
    assert (measured.done, measured.amount) == (True, 1.0)
    assert measured.detail == "trainer: its worker was started again; feed: no route to host"


def test_where_nothing_could_be_done_it_declines_and_says_why(tmp_path: Path) -> None:
    class Hopeless(Broken):
        def failing_components(self) -> tuple[str, ...]:
            return ("feed",)

    measured = ACTION.run(make_context(tmp_path, actuators=Hopeless()))
    assert (measured.done, measured.amount) == (False, 0.0)
    assert measured.detail == "no component was recovered: feed: no route to host"
