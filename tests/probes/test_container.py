"""Limits of a container, against a small cgroup tree on disk."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from engine.domain.optimization import Reading
from engine.probes.container import ContainerProbe

MB = 2**20


def tree(folder: Path, inside: str, groups: dict[str, dict[str, str]]) -> ContainerProbe:
    """A container whose process lies in the group `inside`; groups: files by group, "" for the root."""
    root = folder / "cgroup"
    root.mkdir()
    for group, files in groups.items():
        (root / group).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (root / group / name).write_text(text)
    (folder / "own").write_text(f"4:memory:/elsewhere\n0::{inside}\n")
    return ContainerProbe(root, folder / "own")


def named(readings: tuple[Reading, ...], name: str) -> Reading:
    return next(reading for reading in readings if reading.name == name)


def test_the_containers_limit_wins_and_is_named(tmp_path: Path) -> None:
    container = tree(
        tmp_path, "/pod/app", {"pod/app": {"memory.max": f"{512 * MB}\n", "memory.current": f"{128 * MB}\n", "cpu.max": "50000 100000\n"}}
    )
    readings = container.read(1, 0.0)
    assert (named(readings, "memory_limit_bytes").source, named(readings, "memory_limit_bytes").value) == ("container", 512 * MB)
    assert (named(readings, "cpu_limit").source, named(readings, "cpu_limit").value) == ("container", 0.5)
    assert named(readings, "memory_used_bytes").source == "container"
    assert named(readings, "memory_percent").value == pytest.approx(25.0)
    assert container.note() == "limits memory and cpu"


def test_memory_that_the_kernel_gives_back_when_it_is_needed_is_not_used(tmp_path: Path) -> None:
    """A store of some size fills the page cache by itself: that is no lack of memory."""
    files = {"memory.max": f"{100 * MB}", "memory.current": f"{97 * MB}", "memory.stat": f"anon {20 * MB}\ninactive_file {72 * MB}\n"}
    readings = tree(tmp_path, "/app", {"app": files}).read(1, 0.0)
    assert named(readings, "memory_used_bytes").value == 25 * MB
    assert named(readings, "memory_percent").value == pytest.approx(25.0)


def test_a_limit_above_the_machine_is_no_limit(tmp_path: Path) -> None:
    container = tree(tmp_path, "/app", {"app": {"memory.max": f"{2**60}\n", "memory.current": "1\n", "cpu.max": "max 100000\n"}})
    readings = container.read(1, 0.0)
    assert named(readings, "memory_limit_bytes").source == "host"
    assert named(readings, "memory_limit_bytes").value == psutil.virtual_memory().total
    assert named(readings, "cpu_limit").source == "host"
    assert container.note().startswith("none")


def test_a_limit_set_on_a_group_above_holds_here_too(tmp_path: Path) -> None:
    container = tree(
        tmp_path, "/pod/app", {"pod": {"memory.max": f"{64 * MB}", "memory.current": "5"}, "pod/app": {"memory.max": "max", "memory.current": "4"}}
    )
    assert named(container.read(1, 0.0), "memory_limit_bytes").value == 64 * MB


def test_processor_time_is_a_share_of_the_limit_and_throttling_is_reported(tmp_path: Path) -> None:
    container = tree(tmp_path, "/app", {"app": {"cpu.max": "50000 100000", "cpu.stat": "usage_usec 1000000\nthrottled_usec 0\n"}})
    assert not [reading for reading in container.read(1, 0.0) if reading.name == "cpu_percent"]  # one sample gives no rate
    (tmp_path / "cgroup/app/cpu.stat").write_text("usage_usec 1500000\nthrottled_usec 250000\n")
    readings = container.read(2, 2.0)
    assert named(readings, "cpu_percent").value == pytest.approx(50.0)  # 0.25 processors of 0.5
    assert named(readings, "cpu_throttled_percent").value == pytest.approx(12.5)


@pytest.mark.parametrize("text", ["", "garbage", "5:memory:/x\n", "0::/../../etc\n"])
def test_without_cgroup_v2_the_machines_limits_are_given_and_nothing_of_a_container(tmp_path: Path, text: str) -> None:
    (tmp_path / "own").write_text(text)
    container = ContainerProbe(tmp_path, tmp_path / "own")
    assert {reading.source for reading in container.read(1, 0.0)} == {"host"}
    assert container.note().startswith("none")


def test_files_that_hold_nonsense_are_no_limit(tmp_path: Path) -> None:
    container = tree(tmp_path, "/app", {"app": {"memory.max": "what", "memory.current": "", "cpu.max": "1 0", "cpu.stat": "a b c"}})
    assert {reading.source for reading in container.read(1, 0.0)} == {"host"}


def test_a_missing_proc_is_a_normal_answer(tmp_path: Path) -> None:
    assert ContainerProbe(tmp_path, tmp_path / "absent").note().startswith("none")


def test_the_container_s_own_pressure_is_separate_from_the_host_s(tmp_path: Path) -> None:
    line = "some avg10=12.50 avg60=0.00 avg300=0.00 total=1\n"
    container = tree(tmp_path, "/app", {"app": {"memory.current": "1", "cpu.pressure": line, "io.pressure": "nonsense"}})
    pressures = {(reading.source, reading.name): reading.value for reading in container.read(1, 0.0) if reading.name.endswith("pressure_percent")}
    assert pressures == {("container", "cpu_pressure_percent"): 12.5}
