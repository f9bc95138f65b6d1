"""The graphics card, with a small fake of NVIDIA's management library in its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

from engine.probes.gpu import Gpu, installed


class NVMLError(Exception):
    pass


@dataclass
class Fake:
    """As pynvml, with `cards` cards; what is named in `broken` raises."""

    cards: int = 1
    broken: set[str] = field(default_factory=set)
    NVML_TEMPERATURE_GPU: int = 0
    NVMLError: type[Exception] = NVMLError

    def _may(self, name: str) -> None:
        if name in self.broken:
            raise NVMLError(f"{name} not supported")

    def nvmlInit(self) -> None:  # noqa: N802 as in the library
        self._may("nvmlInit")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return self.cards

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetName(self, card: int) -> bytes:  # noqa: N802
        return b"Fake A100"

    def nvmlDeviceGetUtilizationRates(self, card: int) -> SimpleNamespace:  # noqa: N802
        self._may("utilisation")
        return SimpleNamespace(gpu=37 + card, memory=5)

    def nvmlDeviceGetMemoryInfo(self, card: int) -> SimpleNamespace:  # noqa: N802
        self._may("memory")
        return SimpleNamespace(used=2**30, total=2**34)

    def nvmlDeviceGetTemperature(self, card: int, kind: int) -> int:  # noqa: N802
        self._may("temperature")
        return 61

    def nvmlDeviceGetPowerUsage(self, card: int) -> int:  # noqa: N802
        self._may("power")
        return 95_500


def test_a_card_tells_use_memory_heat_and_power() -> None:
    gpu = Gpu(Fake())
    found = {reading.name: (reading.value, reading.unit) for reading in gpu.read(1, 0.0)}
    assert found == {
        "utilisation_percent": (37.0, "%"),
        "memory_used_bytes": (2.0**30, "bytes"),
        "memory_total_bytes": (2.0**34, "bytes"),
        "temperature": (61.0, "C"),
        "power": (95.5, "W"),
    }
    assert gpu.note() == "Fake A100"


def test_several_cards_are_told_apart() -> None:
    use = {reading.source: reading.value for reading in Gpu(Fake(cards=2)).read(1, 0.0) if reading.name == "utilisation_percent"}
    assert use == {"gpu0": 37.0, "gpu1": 38.0}


def test_what_one_card_does_not_support_is_left_out_and_the_rest_stays() -> None:
    names = {reading.name for reading in Gpu(Fake(broken={"power", "utilisation"})).read(1, 0.0)}
    assert names == {"memory_used_bytes", "memory_total_bytes", "temperature"}


def test_no_library_no_driver_and_no_card_are_normal_answers() -> None:
    for nvml in (None, Fake(broken={"nvmlInit"}), Fake(cards=0)):
        gpu = Gpu(nvml)
        assert gpu.read(1, 0.0) == ()
        assert gpu.note().startswith("none: ")


def test_the_real_library_answers_on_this_machine_whatever_it_has() -> None:
    gpu = Gpu(installed())
    assert gpu.note()
    assert bool(gpu.read(1, 0.0)) == (not gpu.note().startswith("none"))
