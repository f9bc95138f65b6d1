"""The graphics card, with a small stand-in for NVIDIA's management library loaded in its place, through pynvml itself.

Compiled from C where there is a compiler, so that what pynvml loads is a library of that name; and always made of functions of C's calling
convention, which needs none: what is tested is the same, and it is tested on every machine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.probes.gpu import GpuProbe, load_nvml

HERE = Path(__file__).parent
COMPILER = shutil.which("cc") or shutil.which("gcc")
WAYS = ("callbacks", "compiled") if COMPILER else ("callbacks",)
Told = tuple[str, dict[tuple[str, str], tuple[float, str]]]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder the compiled library lies in, under the name that pynvml loads; empty without a compiler."""
    folder = tmp_path_factory.mktemp("nvml")
    if COMPILER:
        subprocess.run([COMPILER, "-shared", "-fPIC", "-o", str(folder / "libnvidia-ml.so.1"), str(HERE / "fake_nvml.c")], check=True)
    return str(folder)


@cache
def read(way: str, library: str, cards: int = 1, mute: str = "") -> Told:
    """What the probe says and reads, in a process of its own: a library once loaded stays."""
    env = os.environ | {"FAKE_CARDS": str(cards), "FAKE_MUTE": mute, "LD_LIBRARY_PATH": library if way == "compiled" else ""}
    done = subprocess.run(
        [sys.executable, "-m", "tests.probes.fake_nvml", way], env=env, capture_output=True, text=True, check=True, cwd=HERE.parents[1]
    )
    answer = json.loads(done.stdout)
    return answer["note"], {(source, name): (value, unit) for source, name, value, unit in answer["readings"]}


@pytest.mark.parametrize("way", WAYS)
def test_a_card_tells_use_memory_heat_power_and_what_this_process_holds(way: str, library: str) -> None:
    note, readings = read(way, library)
    assert readings == {
        ("gpu", "utilisation_percent"): (37.0, "%"),
        ("gpu", "memory_used_bytes"): (2.0**30, "bytes"),
        ("gpu", "memory_total_bytes"): (2.0**34, "bytes"),
        ("gpu", "temperature"): (61.0, "C"),
        ("gpu", "power"): (95.5, "W"),
        ("gpu", "process_memory_bytes"): (123.0 * 2**20, "bytes"),
    }
    assert note == "Fake A100"


@pytest.mark.parametrize("way", WAYS)
def test_several_cards_are_separate_sources_and_missing_values_are_omitted(way: str, library: str) -> None:
    note, readings = read(way, library, cards=2, mute="power processes")
    assert {key: value for key, (value, _) in readings.items() if key[1] == "utilisation_percent"} == {
        ("gpu0", "utilisation_percent"): 37.0,
        ("gpu1", "utilisation_percent"): 38.0,
    }
    assert {name for _, name in readings} == {"utilisation_percent", "memory_used_bytes", "memory_total_bytes", "temperature"}
    assert note == "Fake A100, Fake A100"


@pytest.mark.parametrize("way", WAYS)
def test_memory_in_use_leaves_out_what_the_driver_reserves_where_it_says_so(way: str, library: str) -> None:
    used = ("gpu", "memory_used_bytes")
    assert read(way, library)[1][used] == (2.0**30, "bytes")
    assert read(way, library, mute="reserve")[1][used] == (3 * 2.0**29, "bytes"), "an older driver reports both together"


@pytest.mark.parametrize("way", WAYS)
def test_no_driver_and_no_card_are_normal_answers(way: str, library: str) -> None:
    assert read(way, library, mute="init") == ("none: Driver Not Loaded", {})
    assert read(way, library, cards=0) == ("none: the driver has no card", {})


def test_no_library_is_a_normal_answer() -> None:
    gpu = GpuProbe(None)
    assert gpu.read(1, 0.0) == ()
    assert gpu.note() == "none: the library pynvml is not installed"


def test_the_real_library_answers_on_this_machine_whatever_it_has() -> None:
    gpu = GpuProbe(load_nvml())
    assert gpu.note()
    assert bool(gpu.read(1, 0.0)) == (not gpu.note().startswith("none"))


def of_processes(*running: tuple[int, int | None]) -> set[str]:
    """The names told where these processes, by number and bytes, run on a card that tells nothing else."""

    class NVMLError(Exception):
        pass

    def refused(*_: object, **__: object) -> None:
        raise NVMLError

    nvml = SimpleNamespace(
        NVMLError=NVMLError, NVML_TEMPERATURE_GPU=0, nvmlMemory_v2=2, nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: 1, nvmlDeviceGetHandleByIndex=lambda _: 1,
        nvmlDeviceGetName=lambda _: b"card", nvmlDeviceGetUtilizationRates=refused, nvmlDeviceGetMemoryInfo=refused,
        nvmlDeviceGetTemperature=refused, nvmlDeviceGetPowerUsage=refused,
        nvmlDeviceGetComputeRunningProcesses=lambda _: [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in running],
    )  # fmt: skip
    return {reading.name for reading in GpuProbe(nvml).read(1, 0.0)}


def test_the_memory_of_this_process_is_reported_only_where_it_is_known() -> None:
    stranger = 2**22 + 1  # above every process's number
    assert of_processes((os.getpid(), None)) == set(), "the driver does not say how much"
    assert of_processes((stranger, 5)) == set(), "numbers of another namespace: which of them is this process?"
    assert of_processes() == of_processes((os.getppid(), 5)) == {"process_memory_bytes"}
