"""The graphics cards, through NVIDIA's management library; a machine without library, driver or card is a normal case."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

import psutil

from engine.domain.optimization import Reading

MILLI = 1e-3


class GpuProbe:
    """Readings with the source "gpu" ("gpu0", "gpu1" ... with several cards).

    `nvml` is the module pynvml or an object like it; None where there is no library. A card that lacks one value still gives the others.
    """

    source = "gpu"

    def __init__(self, nvml: Any | None) -> None:
        self._nvml: Any = nvml
        self._pid = os.getpid()
        self._cards: tuple[Any, ...] = ()
        self._note = "none: the library pynvml is not installed"
        if nvml is None:
            return
        try:
            nvml.nvmlInit()
            self._cards = tuple(nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount()))
            self._note = ", ".join(_text(nvml.nvmlDeviceGetName(card)) for card in self._cards) or "none: the driver has no card"
        except nvml.NVMLError as error:
            self._note = f"none: {error}"

    def note(self) -> str:
        return self._note

    def read(self, at: int, tick: float) -> tuple[Reading, ...]:  # noqa: ARG002 the card averages
        names = ("gpu",) if len(self._cards) == 1 else tuple(f"gpu{index}" for index in range(len(self._cards)))
        return tuple(reading for name, card in zip(names, self._cards, strict=True) for reading in self._card(at, name, card))

    def _card(self, at: int, source: str, card: Any) -> Iterator[Reading]:
        queries: tuple[tuple[Callable[[], Any], Callable[[Any], tuple[tuple[str, float, str], ...]]], ...] = (
            (lambda: self._nvml.nvmlDeviceGetUtilizationRates(card), lambda use: (("utilisation_percent", use.gpu, "%"),)),
            (
                lambda: self._memory(card),
                lambda memory: (("memory_used_bytes", memory.used, "bytes"), ("memory_total_bytes", memory.total, "bytes")),
            ),
            (lambda: self._nvml.nvmlDeviceGetTemperature(card, self._nvml.NVML_TEMPERATURE_GPU), lambda heat: (("temperature", heat, "C"),)),
            (lambda: self._nvml.nvmlDeviceGetPowerUsage(card), lambda power: (("power", power * MILLI, "W"),)),
            (lambda: self._nvml.nvmlDeviceGetComputeRunningProcesses(card), self._own),
        )
        for query, name in queries:
            try:
                answer = query()
            except self._nvml.NVMLError:  # not supported by this card, or lost for the moment
                continue
            yield from (Reading(at, source, what, float(value), unit) for what, value, unit in name(answer))

    def _memory(self, card: Any) -> Any:
        """Memory of a card; in use without the driver's reserve, where the driver knows the second version of the query."""
        try:
            return self._nvml.nvmlDeviceGetMemoryInfo(card, version=self._nvml.nvmlMemory_v2)
        except self._nvml.NVMLError:  # an older driver
            return self._nvml.nvmlDeviceGetMemoryInfo(card)

    def _own(self, running: Sequence[Any]) -> tuple[tuple[str, float, str], ...]:
        """Memory of this process; nothing where the card knows processes by their ids outside this container, or does not report it."""
        mine = [process.usedGpuMemory for process in running if process.pid == self._pid]
        if None in mine or (not mine and any(not psutil.pid_exists(process.pid) for process in running)):
            return ()
        return (("process_memory_bytes", float(sum(mine)), "bytes"),)


def load_nvml() -> Any | None:
    """The module pynvml; None where it is not installed."""
    try:
        return import_module("pynvml")
    except ImportError:
        return None


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name  # older libraries give bytes
