"""Pressure stall information, from small files."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.probes.pressure import PressureProbe

LINES = "some avg10={} avg60=2.00 avg300=3.00 total=4\nfull avg10=9.00 avg60=9.00 avg300=9.00 total=9\n"


def test_the_share_of_the_last_ten_seconds_in_which_some_work_waited(tmp_path: Path) -> None:
    for kind, value in (("cpu", "1.50"), ("memory", "0.00"), ("io", "42.07")):
        (tmp_path / kind).write_text(LINES.format(value))
    readings = {reading.name: reading.value for reading in PressureProbe(tmp_path).read(1, 0.0)}
    assert readings == {"cpu_pressure_percent": 1.5, "memory_pressure_percent": 0.0, "io_pressure_percent": 42.07}


@pytest.mark.parametrize("text", ["", "full avg10=1.00\n", "some\n", "some avg10=\n", "some avg10=x avg60=1\n"])
def test_a_file_that_does_not_tell_is_left_out_and_the_others_stay(tmp_path: Path, text: str) -> None:
    (tmp_path / "cpu").write_text(text)
    (tmp_path / "io").write_text(LINES.format("3.00"))
    assert [reading.name for reading in PressureProbe(tmp_path).read(1, 0.0)] == ["io_pressure_percent"]


def test_a_kernel_without_it_gives_nothing_and_says_so(tmp_path: Path) -> None:
    pressure = PressureProbe(tmp_path / "absent")
    assert pressure.read(1, 0.0) == ()
    assert pressure.note().startswith("none")
