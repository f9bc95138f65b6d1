"""Collecting garbage: the memory it frees is measured."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine.actions.collect_garbage import GarbageCollector
from tests.actions.makers import make_context

FRAGMENT = """
import gc, sys
from pathlib import Path
from engine.actions.collect_garbage import GarbageCollector
from tests.actions.makers import make_context
collect = GarbageCollector().collect
gc.disable()
class Node: pass
def ring():
    first, second = Node(), Node()
    first.other, second.other, first.load = second, first, bytes(2_000)
def fill(count):
    for _ in range(count):
        ring()
fill(60_000)
for count in (0, 400, 0, 600, 0):
    measured = collect(make_context(Path(".")))
    print(int(measured.done), int(measured.amount), measured.detail)
    fill(count)
"""


def test_rings_of_garbage_come_back_in_bytes_and_without_any_it_declines() -> None:
    """In a process of its own, so that what others freed here is not counted. 60,000 rings hold over 120 MB."""
    done = subprocess.run([sys.executable, "-c", FRAGMENT], capture_output=True, text=True, check=True, timeout=600)
    lines = [line.split(" ", 2) for line in done.stdout.splitlines()]
    assert [bool(int(did)) for did, _, _ in lines] == [True, False, False, False, True], lines  # 800 new objects are too few, with 1,200 more not
    assert int(lines[0][1]) > 60_000_000
    assert re.match(
        r"nothing to collect: since the last collection RSS changed by [+\N{MINUS SIGN}]?[\d.]+ [kM]?B and \d+ objects were added$", lines[1][2]
    )
    assert int(re.findall(r"collected ([\d,]+)", lines[4][2])[0].replace(",", "")) >= 1_900


def test_objects_collected_are_in_the_sentence() -> None:
    class Node:
        other: object

    gc.collect()
    gc.disable()
    try:
        for _ in range(1_000):
            first, second = Node(), Node()
            first.other, second.other = second, first
        progress_log: list[tuple[float, str]] = []
        measured = GarbageCollector().collect(make_context(Path(), progress_log=progress_log))
    finally:
        gc.enable()
    match = re.match(r"collected ([\d,]+) objects in [\d.]+ m?s; .*; RSS [\d.]+ [kMG]B -> [\d.]+ [kMG]B \(.*B\)", measured.detail)
    assert match is not None, measured.detail
    assert int(match[1].replace(",", "")) >= 1_900
    assert measured.done
    assert [progress for progress, _ in progress_log] == sorted(progress for progress, _ in progress_log) != []


def test_a_dry_run_collects_nothing() -> None:
    class Node:
        other: object

    gc.collect()
    gc.disable()
    try:
        first, second = Node(), Node()
        first.other, second.other = second, first
        del first, second
        measured = GarbageCollector().collect(make_context(Path(), dry_run=True))
        left = gc.collect()
    finally:
        gc.enable()
    assert left >= 2
    assert not measured.done
    assert measured.detail.startswith("dry run: ")


def test_a_system_without_malloc_trim_still_collects(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: object) -> object:
        raise OSError("no such library")

    monkeypatch.setattr("ctypes.CDLL", missing)
    assert "no malloc_trim" in GarbageCollector().collect(make_context(Path())).detail
