"""The memory of a long-lived process: threads share one heap, so that memory freed by one is available to another."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from engine.service.process_memory import ONE_ARENA

SCRIPT = """
import ctypes, sys, tempfile, threading
from engine.service import process_memory

def heaps():
    libc = ctypes.CDLL(None)
    libc.fopen.restype, libc.fopen.argtypes = ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_char_p)
    libc.malloc_info.argtypes, libc.fclose.argtypes = (ctypes.c_int, ctypes.c_void_p), (ctypes.c_void_p,)
    with tempfile.NamedTemporaryFile() as out:
        stream = libc.fopen(out.name.encode(), b"w")
        libc.malloc_info(0, stream)
        libc.fclose(stream)
        return out.read().count(b"<heap ")

if sys.argv[1] == "settle":
    process_memory.configure_memory()
meet = threading.Barrier(9)

def work():
    held = [bytearray(100_000) for _ in range(20)]
    meet.wait(300.0)  # all of them hold memory at one time
    meet.wait(300.0)

threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
meet.wait(300.0)
print(heaps())
meet.wait(300.0)
"""


def heaps(*, settled: bool, **env: str) -> int:
    """The heaps of a process in which eight threads hold memory."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    line = [sys.executable, "-c", SCRIPT, "settle" if settled else "as it is"]
    return int(subprocess.run(line, check=True, capture_output=True, text=True, env=plain | env, timeout=600).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only the GNU C library has a heap a thread")
def test_threads_share_one_heap_once_the_process_has_settled_or_is_told_from_outside() -> None:
    assert heaps(settled=False) > 1
    assert heaps(settled=True) == 1
    assert heaps(settled=False, **dict([ONE_ARENA])) == 1
