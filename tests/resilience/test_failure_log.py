"""The failure log: failing parts pause for longer and longer, and every failure is stored with its time to recovery, even one of the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from engine.domain.optimization import Reading
from engine.probes.engine import EngineProbe
from engine.probes.probes import Probes
from engine.resilience.failure_log import FailureLog
from engine.resilience.remedies import ThrottledSource
from engine.store.errors import StoreError
from engine.store.read.alerts import read_recoveries
from engine.store.read.reader import Reader
from engine.store.write.writer import Writer
from tests.makers import StoppedClock
from tests.store.made import empty


class Watched:
    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []

    def on_failure(self, component: str, job: str, error: str) -> None:
        self.calls.append(("failed", component, job, error))

    def on_success(self, component: str, job: str) -> None:
        self.calls.append(("went well", component, job))


class Scene:
    """A recovery on a real store and a clock that is moved by hand."""

    def __init__(self, folder: Path) -> None:
        self.url = empty(folder)
        self.writer = Writer(self.url, busy_ms=20)
        self.clock, self.watch = StoppedClock(), Watched()
        self.recovery = FailureLog(self.writer, self.watch, self.clock)

    def run(self, component: str, job: str, work: Callable[[], None]) -> None:
        """As the scheduler does it."""
        try:
            self.recovery.with_backoff(component, job, work)()
        except ValueError as error:
            self.recovery.on_failure(component, job, str(error))
        else:
            self.recovery.on_success(component, job)

    def rows(self) -> list[dict[str, object]]:
        self.recovery.flush()
        rows: list[dict[str, object]] = read_recoveries(Reader(self.url), limit=50).to_dict("records")  # type: ignore[assignment]
        return rows


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.writer.close()


def test_a_failing_job_is_run_less_and_less_often_and_its_recovery_is_kept_with_its_time(scene: Scene) -> None:
    runs: list[float] = []

    def work() -> None:
        runs.append(scene.clock.seconds)
        if scene.clock.seconds < 100:
            raise ValueError("no answer\nfrom the machine")

    for second in range(300):
        scene.clock.seconds = float(second)
        scene.run("optimizer", "rules", work)
    failures = [at for at in runs if at < 100]
    assert len(failures) <= 8
    gaps = [after - before for before, after in pairwise(failures[1:])]
    assert gaps == sorted(gaps)
    (row,) = scene.rows()
    assert (row["component"], row["fault"], row["how"]) == ("optimizer", "no answer from the machine", "tried again")
    assert row["tries"] == len(failures)
    first_well = next(at for at in runs if at >= 100)
    assert (int(str(row["recovered_at"])) - int(str(row["at"]))) / 1e9 == pytest.approx(first_well)
    assert scene.watch.calls[-1] == ("went well", "optimizer", "rules")


def test_a_run_that_was_left_out_is_not_taken_for_one_that_went_well(scene: Scene) -> None:
    def work() -> None:
        raise ValueError("broken")

    scene.run("feed", "slices", work)
    scene.run("feed", "slices", work)
    assert scene.watch.calls == [("failed", "feed", "slices", "broken")]
    assert scene.recovery.failing_components() == ("feed",)


def test_a_fault_of_the_store_itself_is_kept_once_it_can_be_written_again(scene: Scene) -> None:
    holder = sqlite3.connect(scene.url.removeprefix("sqlite:///"), isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        scene.recovery.on_failure("store", "save", "locked by another process")
        with pytest.raises(StoreError):
            scene.recovery.flush()
    finally:
        holder.execute("COMMIT")
        holder.close()
    scene.clock.seconds = 4.2
    scene.recovery.on_success("store", "save")
    (row,) = scene.rows()
    assert row["fault"] == "locked by another process"
    assert (int(str(row["recovered_at"])) - int(str(row["at"]))) / 1e9 == pytest.approx(4.2)
    assert len(scene.rows()) == 1


def test_a_fault_is_one_row_however_often_it_is_written(scene: Scene) -> None:
    scene.recovery.record_failure("models", "ridge", "it gave NaN")
    assert [row["recovered_at"] for row in scene.rows()] == [None]
    scene.recovery.record_recovery("models", "ridge", "its previous version serves")
    (row,) = scene.rows()
    assert row["how"] == "its previous version serves"


def test_recovering_by_hand_does_what_was_taught_and_lets_what_rests_go_at_once(scene: Scene) -> None:
    scene.recovery.register_remedy("trainer", lambda: "its worker processes are opened anew")
    result = scene.recovery.recover("trainer")
    assert (result.done, result.detail) == (True, "trainer: its worker processes are opened anew")
    scene.recovery.on_failure("feed", "slices", "broken")
    assert scene.recovery.is_backing_off("feed", "slices")
    assert "tried at once" in scene.recovery.recover("feed").detail
    assert not scene.recovery.is_backing_off("feed", "slices")
    nothing = scene.recovery.recover("optimizer")
    assert not nothing.done
    assert "nothing of it rests" in nothing.detail

    def cannot() -> str:
        raise ValueError("there is none to replace")

    scene.recovery.register_remedy("engine", cannot)
    assert scene.recovery.recover("engine").detail == "engine: there is none to replace"


class Sick:
    source = "gpu"

    def __init__(self) -> None:
        self.reads = 0
        self.well = False

    def note(self) -> str:
        return "a card"

    def read(self, at: int, tick: float) -> tuple[Reading, ...]:
        self.reads += 1
        if not self.well:
            raise OSError("the card does not answer")
        return (Reading(at, "gpu", "temperature", 40.0, "C"),)


def test_a_source_that_fails_is_asked_ever_more_seldom_and_named_all_the_while(scene: Scene, tmp_path: Path) -> None:
    sick = Sick()
    probes = Probes(tmp_path, scene.clock, EngineProbe(), only=(sick,), wrap=lambda source: ThrottledSource(source, scene.recovery))
    for second in range(300):
        scene.clock.seconds = float(second)
        assert probes.read() == ()
        assert probes.notes()["gpu"].startswith("failed: ")
    assert sick.reads < 15
    sick.well = True
    for second in range(300, 600):
        scene.clock.seconds = float(second)
        probes.read()
    assert probes.notes() == {"gpu": "a card"}
    (row,) = scene.rows()
    assert row["recovered_at"] is not None
