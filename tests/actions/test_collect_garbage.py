"""Collecting garbage: what it frees is measured."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine.actions.collect_garbage import GarbageCollector
from tests.actions.makers import room

FRAGMENT = """
import gc, sys
from pathlib import Path
from engine.actions.collect_garbage import Collector
from tests.actions.makers import room
collect = Collector().collect
gc.disable()
class Node: pass
def ring():
    one, other = Node(), Node()
    one.other, other.other, one.load = other, one, bytes(2_000)
def fill(count):
    for _ in range(count):
        ring()
fill(60_000)
for count in (0, 400, 0, 600, 0):
    told = collect(room(Path(".")))
    print(int(told.done), int(told.amount), told.detail)
    fill(count)
"""


def test_rings_of_garbage_come_back_in_bytes_and_without_any_it_declines() -> None:
    """In a process of its own, so that what others freed here is not counted. 60,000 rings hold over 120 MB."""
    done = subprocess.run([sys.executable, "-c", FRAGMENT], capture_output=True, text=True, check=True, timeout=600)
    told = [line.split(" ", 2) for line in done.stdout.splitlines()]
    assert [bool(int(did)) for did, _, _ in told] == [True, False, False, False, True], told  # 800 new objects are too few, with 1,200 more not
    assert int(told[0][1]) > 60_000_000
    assert re.match(r"nothing to collect: RSS is [+-][\d,]+ bytes and \d+ objects from what the last collection left$", told[1][2])
    assert int(re.findall(r"collected ([\d,]+)", told[4][2])[0].replace(",", "")) >= 1_900


def test_objects_collected_are_in_the_sentence() -> None:
    class Node:
        other: object

    gc.collect()
    gc.disable()
    try:
        for _ in range(1_000):
            one, other = Node(), Node()
            one.other, other.other = other, one
        told: list[tuple[float, str]] = []
        measured = GarbageCollector().collect(room(Path(), told=told))
    finally:
        gc.enable()
    found = re.match(r"collected ([\d,]+) objects in \d+ ms; .*; RSS [\d,]+ -> [\d,]+ bytes", measured.detail)
    assert found is not None, measured.detail
    assert int(found[1].replace(",", "")) >= 1_900
    assert measured.done
    assert [progress for progress, _ in told] == sorted(progress for progress, _ in told) != []


def test_a_dry_run_collects_nothing() -> None:
    class Node:
        other: object

    gc.collect()
    gc.disable()
    try:
        one, other = Node(), Node()
        one.other, other.other = other, one
        del one, other
        measured = GarbageCollector().collect(room(Path(), dry_run=True))
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
    assert "no malloc_trim" in GarbageCollector().collect(room(Path())).detail
