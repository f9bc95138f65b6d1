"""The same stand-in without a compiler: functions of C's calling convention, called by pynvml as a library's are; prints what the probe reads."""

from __future__ import annotations

import ctypes as c
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import pynvml

from engine.probes.gpu import GpuProbe

OK, NOT_SUPPORTED, INSUFFICIENT_SIZE, DRIVER_NOT_LOADED = 0, 3, 7, 9


def mute(name: str) -> bool:
    return name in os.environ.get("FAKE_MUTE", "")


def put(where: int, kind: Any, value: Any) -> None:
    c.cast(where, c.POINTER(kind))[0] = value


def started(flags: int) -> int:
    return DRIVER_NOT_LOADED if mute("init") else OK


def error_text(result: int) -> int:
    return c.cast(DRIVER if result == DRIVER_NOT_LOADED else OTHER, c.c_void_p).value or 0


def count(where: int) -> int:
    put(where, c.c_uint, int(os.environ.get("FAKE_CARDS", "1")))
    return OK


def handle(index: int, where: int) -> int:
    put(where, c.c_void_p, index + 1)
    return OK


def name(card: int, where: int, length: int) -> int:
    c.memmove(where, b"Fake A100\0", 10)
    return OK


def use(card: int, where: int) -> int:
    put(where, pynvml.c_nvmlUtilization_t, pynvml.c_nvmlUtilization_t(37 + card - 1, 5))
    return NOT_SUPPORTED if mute("use") else OK


def memory(card: int, where: int) -> int:
    put(where, pynvml.c_nvmlMemory_t, pynvml.c_nvmlMemory_t(total=2**34, free=29 * 2**29, used=3 * 2**29))
    return OK


def memory_v2(card: int, where: int) -> int:
    memory = pynvml.c_nvmlMemory_v2_t(total=2**34, reserved=2**29, free=29 * 2**29, used=2**30)
    memory.version = pynvml.nvmlMemory_v2
    put(where, pynvml.c_nvmlMemory_v2_t, memory)
    return NOT_SUPPORTED if mute("reserve") else OK


def heat(card: int, sensor: int, where: int) -> int:
    put(where, c.c_uint, 61)
    return OK


def power(card: int, where: int) -> int:
    put(where, c.c_uint, 95_500)
    return NOT_SUPPORTED if mute("power") else OK


def processes(card: int, length: int, where: int | None) -> int:
    room = c.cast(length, c.POINTER(c.c_uint))[0]
    put(length, c.c_uint, 2)
    if room < 2 or where is None:
        return INSUFFICIENT_SIZE
    processes = c.cast(where, c.POINTER(pynvml.c_nvmlProcessInfo_v3_t))
    for place, (pid, used) in enumerate(((1, 7 * 2**20), (os.getpid(), 123 * 2**20))):
        processes[place].pid, processes[place].usedGpuMemory = pid, used
    return NOT_SUPPORTED if mute("processes") else OK


DRIVER, OTHER = c.create_string_buffer(b"Driver Not Loaded"), c.create_string_buffer(b"Not Supported")
FUNCTIONS: dict[str, tuple[Callable[..., int], Any, tuple[Any, ...]]] = {
    "nvmlInitWithFlags": (started, c.c_int, (c.c_uint,)),
    "nvmlErrorString": (error_text, c.c_void_p, (c.c_int,)),
    "nvmlDeviceGetCount_v2": (count, c.c_int, (c.c_void_p,)),
    "nvmlDeviceGetHandleByIndex_v2": (handle, c.c_int, (c.c_uint, c.c_void_p)),
    "nvmlDeviceGetName": (name, c.c_int, (c.c_void_p, c.c_void_p, c.c_uint)),
    "nvmlDeviceGetUtilizationRates": (use, c.c_int, (c.c_void_p, c.c_void_p)),
    "nvmlDeviceGetMemoryInfo": (memory, c.c_int, (c.c_void_p, c.c_void_p)),
    "nvmlDeviceGetMemoryInfo_v2": (memory_v2, c.c_int, (c.c_void_p, c.c_void_p)),
    "nvmlDeviceGetTemperature": (heat, c.c_int, (c.c_void_p, c.c_int, c.c_void_p)),
    "nvmlDeviceGetPowerUsage": (power, c.c_int, (c.c_void_p, c.c_void_p)),
    "nvmlDeviceGetComputeRunningProcesses_v3": (processes, c.c_int, (c.c_void_p, c.c_void_p, c.c_void_p)),
}


class Library:
    """What ctypes.CDLL would give: each function by its name, untyped until the caller says more, as a library's are."""

    def __init__(self) -> None:
        self.functions = {called: c.CFUNCTYPE(result, *taken)(work) for called, (work, result, taken) in FUNCTIONS.items()}
        for called, function in self.functions.items():
            address = c.cast(function, c.c_void_p).value
            assert address is not None
            untyped = c.PyDLL(None)._FuncPtr(address)
            untyped.restype = c.c_int
            setattr(self, called, untyped)


if __name__ == "__main__":
    if sys.argv[1] == "callbacks":
        pynvml.nvmlLib = Library()
    gpu = GpuProbe(pynvml)
    print(json.dumps({"note": gpu.note(), "readings": [[reading.source, reading.name, reading.value, reading.unit] for reading in gpu.read(1, 0.0)]}))
