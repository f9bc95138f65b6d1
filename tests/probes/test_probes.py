"""All readings of one moment, on the test's own machine."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from engine.domain.optimization import Reading
from engine.probes.engine import EngineProbe
from engine.probes.host import HostProbe
from engine.probes.probes import Probes, default_probes
from engine.probes.process import ProcessProbe

UNITS = {"%", "bytes", "bytes/s", "ms", "1/s", "count", "C", "W"}


@dataclass
class Ticking:
    """A clock that goes on by two seconds whenever it is asked."""

    seconds: float = 0.0

    def now(self) -> int:
        return int(1_700_000_000e9 + self.seconds * 1e9)

    def tick(self) -> float:
        self.seconds += 2.0
        return self.seconds


@dataclass
class Broken:
    error: Exception
    source: str = "broken"

    def read(self, at: int, tick: float) -> tuple[Reading, ...]:
        raise self.error

    def note(self) -> str:
        return "a source that fails"


def test_every_reading_has_a_unit_a_time_and_a_finite_value_and_none_comes_twice(tmp_path: Path) -> None:
    work = EngineProbe()
    probes = Probes(tmp_path, Ticking(), work)
    probes.read()
    work.record_tick(3.0, 8, 0, 1.0)
    readings = probes.read()
    assert len(readings) >= 30
    assert {reading.unit for reading in readings} <= UNITS
    assert len({(reading.source, reading.name) for reading in readings}) == len(readings)
    assert len({reading.at for reading in readings}) == 1
    assert all(reading.value == reading.value and abs(reading.value) < float("inf") for reading in readings)


def test_every_reading_is_in_the_list_of_readings_with_its_unit(tmp_path: Path) -> None:
    work = EngineProbe(tmp_path / "podium.db")
    (tmp_path / "podium.db").write_bytes(b"x")
    probes = Probes(tmp_path, Ticking(), work)
    probes.pauses.open()
    probes.read()
    for tick in range(2):
        work.record_tick(3.0, 8, 0, float(tick), save_ms=1.0, phases=(("market", 1.0), ("evolution", 1.0)))
    work.record_waiting(1)
    work.record_write(1.0)
    units: dict[tuple[str, str], str] = {}
    for line in (Path(__file__).parents[2] / "docs" / "readings.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4:
            units |= {(source, name.strip(" `")): cells[2] for name in cells[1].split(",") for source in cells[0].split(" or ")}
    units |= {("engine", f"phase_{name}_ms"): "ms" for name in ("market", "evolution")}
    probes.pauses.close()
    for reading in probes.read():
        assert units[reading.source, reading.name] == reading.unit


def test_the_machine_is_read_as_it_is(tmp_path: Path) -> None:
    host = HostProbe(tmp_path)
    host.read(1, 0.0)
    begun = psutil.cpu_times()
    while sum(psutil.cpu_times()) - sum(begun) < 0.05:  # the system counts in steps of 10 ms
        sum(range(10_000))
    readings = {reading.name: reading.value for reading in host.read(2, 2.0)}
    assert readings["memory_total_bytes"] == psutil.virtual_memory().total
    assert readings["disk_total_bytes"] == psutil.disk_usage(str(tmp_path)).total
    assert 0.0 <= readings["cpu_percent"] <= 100.0


def test_the_own_process_shows_memory_it_takes() -> None:
    own = ProcessProbe()
    gc.collect()  # what earlier tests left must not go while this one looks
    before = {reading.name: reading.value for reading in own.read(1, 0.0)}
    taken = bytearray(b"x" * 200_000_000)
    after = {reading.name: reading.value for reading in own.read(2, 2.0)}
    assert after["rss_bytes"] - before["rss_bytes"] > 50_000_000, len(taken)
    assert after["threads"] >= 1
    assert "cpu_percent" in after
    assert "cpu_percent" not in before


@pytest.mark.parametrize("error", [psutil.AccessDenied(1), OSError("gone"), ValueError("odd"), ZeroDivisionError(), KeyError("x"), RuntimeError("r")])
def test_a_source_that_fails_is_named_and_stops_no_other(tmp_path: Path, error: Exception) -> None:
    probes = Probes(tmp_path, Ticking(), EngineProbe(), only=(Broken(error), ProcessProbe()))
    assert {reading.source for reading in probes.read()} == {"process"}
    assert probes.notes()["broken"].startswith("failed: ")
    assert probes.notes()["process"].startswith("pid ")


def test_a_source_that_recovers_is_no_longer_named_as_failed(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    probes = Probes(folder, Ticking(), EngineProbe(), only=(HostProbe(folder),))
    assert probes.read() == ()
    assert probes.notes()["host"].startswith("failed: ")
    folder.mkdir()
    assert probes.read()
    assert not probes.notes()["host"].startswith("failed")


def test_with_every_source_failing_there_is_an_empty_answer_and_each_is_named(tmp_path: Path) -> None:
    probes = Probes(tmp_path, Ticking(), EngineProbe(), only=tuple(Broken(OSError("gone"), f"source {index}") for index in range(7)))
    assert probes.read() == ()
    assert all(note.startswith("failed: OSError: gone") for note in probes.notes().values())


def test_threads_may_read_side_by_side(tmp_path: Path) -> None:
    work = EngineProbe()
    probes = Probes(tmp_path, Ticking(), work)
    with ThreadPoolExecutor(4) as pool:
        reading = [pool.submit(probes.read) for _ in range(40)]
        for tick in range(2_000):
            work.record_tick(1.0, 8, 0, tick)
        assert all(len(future.result()) > 20 for future in reading)


def test_every_source_says_what_it_is(tmp_path: Path) -> None:
    probes = Probes(tmp_path, Ticking(), EngineProbe(), only=default_probes(tmp_path, EngineProbe(), nvml=None))
    probes.read()
    assert set(probes.notes()) == {"host", "container", "pressure", "process", "gpu", "engine", "folders"}
    assert probes.notes()["gpu"] == "none: the library pynvml is not installed"
