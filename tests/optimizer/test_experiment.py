"""A manual run: measured, compared with idle windows, recorded; with a clock that advances only while the run waits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Barrier, Event

import numpy as np
import pytest

from engine.domain.optimization import Action, ActionContext, ActionResult, Reading, Trial
from engine.domain.record import Floats, Ints
from engine.optimizer.runtime.experiment import ActionError, run_action
from engine.optimizer.runtime.ports import ExperimentParts
from engine.optimizer.windows import MATCHED_WINDOWS, SECOND, MeasurementPlan
from engine.store.errors import StoreError
from tests.actions.null_actuators import NullActuators

HOUR = 3_600 * SECOND
START = 1_700_000_000 * SECOND


def wobble(at: Ints) -> Floats:
    """(N,) between -1 and 1, as good as at random from one moment to the next."""
    spread = np.sin(at / SECOND * 12.9898) * 43_758.5453
    return np.asarray(2.0 * (spread - np.floor(spread)) - 1.0)


@dataclass
class World:
    """A clock, a metric, a store and a stop, as a run sees them: waiting is what makes time go on."""

    at: int = START
    level: float = 100.0
    noise: float = 1.0
    stops_after: float | None = None  # seconds
    broken: set[str] = field(default_factory=set)
    busy: tuple[tuple[int, float], ...] = ()
    hours: float = 1.0  # of history
    trials: list[Trial] = field(default_factory=list)
    progress_log: list[tuple[float, str]] = field(default_factory=list)
    tuned: int = 0
    remembers_itself: bool = False  # the store holds the samples of the run under way too

    def now(self) -> int:
        return self.at

    def tick(self) -> float:
        return self.at / SECOND

    def wait(self, timeout: float | None = None) -> bool:
        self.at += round((timeout or 0.0) * SECOND)
        return self.is_set()

    def is_set(self) -> bool:
        return self.stops_after is not None and self.at >= START + self.stops_after * SECOND

    def read(self) -> tuple[Reading, ...]:
        other = Reading(self.at, "host", "rss_bytes", 5.0, "bytes")
        mine = Reading(self.at, "process", "rss_bytes", self.level + self.noise * float(wobble(np.array([self.at]))[0]), "bytes")
        return (other,) if "metric" in self.broken else (other, mine)

    def readings(self, source: str, name: str, since: int) -> tuple[Ints, Floats]:
        if (source, name) != ("process", "rss_bytes"):
            return np.empty(0, dtype=np.int64), np.empty(0)
        if "history" in self.broken:
            raise StoreError("the store is locked")
        until = self.at if self.remembers_itself else START
        at = np.arange(START - round(self.hours * HOUR), until, 2 * SECOND, dtype=np.int64)
        at = at[at >= since]
        return at, np.where(at < START, 100.0, self.level) + self.noise * wobble(at)

    def runs(self, since: int) -> tuple[tuple[int, float], ...]:
        return self.busy

    def tune(self) -> ActionResult:
        self.tuned += 1
        return ActionResult(1.0, "bytes", "tuned")

    def save_trial(self, trial: Trial) -> int:
        if "saving" in self.broken:
            raise StoreError("the store cannot grow, the disk is full")
        self.trials.append(trial)
        return len(self.trials)

    def ticks(self, since: int) -> tuple[Ints, Floats, Floats]:
        raise AssertionError("a manual run has no guard metrics")

    def finish_trial(self, number: int, trial: Trial) -> None:
        raise AssertionError("a manual run is stored once")

    def tell(self, progress: float, word: str) -> None:
        self.progress_log.append((progress, word))

    def parts(self, home: Path = Path("/nowhere"), plan: MeasurementPlan | None = None) -> ExperimentParts:
        return ExperimentParts(self, self, self, home, self, self, NullActuators(), plan or MeasurementPlan())


def cure(world: World, *, by: float = -40.0, took: float = 0.5, better: int = -1) -> Action:
    """An action that moves the metric by so much."""

    def do(room: ActionContext) -> ActionResult:
        if room.dry_run:
            return ActionResult(0.0, "bytes", "dry run: would move it", done=False)
        room.report_progress(0.5, "half way")
        world.at += round(took * SECOND)
        world.level += by
        return ActionResult(-by, "bytes", f"moved it by {by}")

    return Action("cure", "memory", "process.rss_bytes", better, "none", "Moves the metric.", do)


def run(world: World, action: Action, *, dry_run: bool = False, plan: MeasurementPlan | None = None) -> dict[str, object]:
    parts = world.parts(plan=plan)
    return run_action(action.name, parts, dry_run=dry_run, report_progress=world.tell, by="ann", reason="it is slow", known={action.name: action})


def test_a_cure_is_measured_judged_and_recorded() -> None:
    world = World()
    result = run(world, cure(world))
    (trial,) = world.trials
    assert (trial.effect.verdict, result["verdict"]) == ("helped", "helped")
    assert trial.effect.effect == pytest.approx(-40.0, abs=1.0)
    assert result["low"] == trial.effect.low
    assert trial.effect.low is not None
    assert trial.effect.low < -40.0 < (trial.effect.high or 0.0) < 0.0
    assert (trial.at, trial.seconds, trial.amount, trial.by, trial.reason) == (START, 0.5, 40.0, "ann", "it is slow")
    assert (trial.metric, trial.unit, trial.mode, trial.placebo) == ("process.rss_bytes", "bytes", "manual", False)
    assert (result["status"], result["detail"], result["amount"]) == ("measured", "moved it by -40.0", 40.0)  # the direct effect stands apart
    assert trial.effect.windows == MATCHED_WINDOWS
    assert result["comparison"] == "better than usual"


def test_a_rise_where_a_fall_would_help_is_harm() -> None:
    world = World()
    assert run(world, cure(world, by=40.0))["verdict"] == "harmed"


def test_an_action_that_does_nothing_is_not_called_a_success() -> None:
    world = World()
    result = run(world, cure(world, by=0.0))
    assert result["verdict"] == "no measurable effect"


def test_in_a_young_store_there_is_not_enough_data_and_the_direct_effect_stands() -> None:
    world = World(hours=0.1)
    result = run(world, cure(world))
    assert (result["verdict"], result["low"], result["high"], result["amount"]) == ("not enough data", None, None, 40.0)
    assert 0 < world.trials[0].effect.windows < 20


def test_without_history_unknown_figures_are_null_and_known_ones_are_reported() -> None:
    world = World(broken={"history"})
    result = run(world, cure(world))
    assert (result["verdict"], result["effect"], result["windows"]) == ("not enough data", None, 0)
    assert result["before"] == pytest.approx(100.0, abs=1.0)
    assert result["after"] == pytest.approx(60.0, abs=1.0)


def test_a_metric_without_samples_leaves_the_verdict_open() -> None:
    world = World(broken={"metric"})
    result = run(world, cure(world))
    assert (result["verdict"], result["after"], result["amount"]) == ("not enough data", None, 40.0)


def test_idle_windows_keep_away_from_other_runs() -> None:
    world = World(hours=0.2, busy=((START - HOUR // 5, 360.0),))  # half of the time
    result = run(world, cure(world))
    free = World(hours=0.2)
    assert isinstance(result["windows"], int)
    assert result["windows"] < 0.6 * float(str(run(free, cure(free))["windows"]))


def test_the_run_is_not_compared_with_itself() -> None:
    """Whatever the probes stored while it was measured: no idle window reaches into its own before."""
    for hours in (0.05, 0.051, 0.052, 0.053, 0.054, 0.055):  # few windows, wherever they fall
        world, aware = World(hours=hours), World(hours=hours, remembers_itself=True)
        assert run(aware, cure(aware)) == run(world, cure(world))


def test_the_same_run_is_judged_the_same_twice() -> None:
    first, second = World(), World()
    assert run(first, cure(first)) == run(second, cure(second))


def test_progress_goes_up_and_says_what_is_done() -> None:
    world = World()
    run(world, cure(world))
    progress = [done for done, _ in world.progress_log]
    assert progress == sorted(progress)
    assert (progress[0], progress[-1]) == (0.0, 1.0)
    words = [word for _, word in world.progress_log]
    assert "half way" in words
    assert any("s left" in word for word in words)


def test_a_dry_run_waits_for_nothing_and_is_no_trial() -> None:
    world = World()
    result = run(world, cure(world), dry_run=True)
    assert (result["status"], result["detail"]) == ("dry run", "dry run: would move it")
    assert "verdict" not in result
    assert (world.trials, world.at) == ([], START)


def test_an_action_with_nothing_to_do_declines_and_is_no_trial() -> None:
    world = World()
    idle = replace(cure(world), run=lambda room: ActionResult(0.0, "bytes", "nothing to delete", done=False))
    result = run(world, idle)
    assert (result["status"], result["detail"]) == ("declined", "nothing to delete")
    assert (world.trials, world.at) == ([], START)


@pytest.mark.parametrize("error", [OSError("no such disk"), ValueError("odd\nvalue"), RuntimeError("gone"), StoreError("locked")])
def test_an_action_that_fails_is_one_line_and_the_next_may_run(error: Exception) -> None:
    world = World()

    def fail(room: ActionContext) -> ActionResult:
        raise error

    with pytest.raises(ActionError) as raised:
        run(world, replace(cure(world), run=fail))
    assert str(raised.value) == f"cure failed: {' '.join(str(error).split())}"
    assert world.trials == []
    assert run(world, cure(world))["status"] == "measured"


def test_a_run_that_cannot_be_recorded_still_tells_what_it_did() -> None:
    world = World(broken={"saving"})
    with pytest.raises(ActionError, match=r"moved it by -40.0; but the run could not be recorded: .*disk is full"):
        run(world, cure(world))


def test_a_stop_while_measuring_ends_at_once_records_the_run_and_judges_nothing() -> None:
    world = World(stops_after=3.0)
    result = run(world, cure(world))
    assert result["verdict"] == "not enough data"
    assert world.at <= START + 4 * SECOND
    assert len(world.trials) == 1


def test_an_unknown_action_names_the_near_miss() -> None:
    world = World()
    with pytest.raises(ActionError, match="no action is called 'colect_garbage': did you mean collect_garbage"):
        run_action("colect_garbage", world.parts(), dry_run=False, report_progress=world.tell)


def test_the_actions_that_there_are_run_by_name(tmp_path: Path) -> None:
    world = World()
    result = run_action("delete_temp", world.parts(tmp_path), dry_run=False, report_progress=world.tell)
    assert result["status"] == "declined"
    assert str(result["detail"]).startswith("nothing to delete")


def test_people_who_click_at_once_are_served_one_after_the_other() -> None:
    inside, most, together = [0], [0], Barrier(4)

    def do(room: ActionContext) -> ActionResult:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        Event().wait(0.02)
        inside[0] -= 1
        return ActionResult(0.0, "bytes", "nothing to do", done=False)

    def click() -> dict[str, object]:
        world = World()
        together.wait()
        return run(world, replace(cure(world), run=do))

    with ThreadPoolExecutor(4) as pool:
        results = [future.result() for future in [pool.submit(click) for _ in range(4)]]
    assert most[0] == 1
    assert [result["status"] for result in results] == ["declined"] * 4


def test_one_that_waits_while_the_engine_stops_is_not_run() -> None:
    holding, free = Event(), Event()

    def hold(room: ActionContext) -> ActionResult:
        holding.set()
        free.wait(300.0)
        return ActionResult(0.0, "bytes", "nothing to do", done=False)

    first, second = World(), World(stops_after=0.0)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, first, replace(cure(first), run=hold))
        holding.wait(300.0)
        with pytest.raises(ActionError, match="was not run: the engine is stopping"):
            run(second, cure(second))
        free.set()
        assert running.result()["status"] == "declined"
    assert second.level == 100.0
