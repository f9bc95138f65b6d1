"""Collecting garbage: what it frees is measured."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine.actions.collect_garbage import ACTION
from tests.actions.makers import room

FRAGMENT = """
import gc, sys
from pathlib import Path
from engine.actions.collect_garbage import ACTION
from tests.actions.makers import room
gc.disable()
class Node: pass
def ring():
    one, other = Node(), Node()
    one.other, other.other, one.load = other, one, bytes(2_000)
for _ in range(60_000):
    ring()
print(int(ACTION.do(room(Path("."))).amount), int(ACTION.do(room(Path("."))).amount))
"""


def test_memory_held_by_rings_of_garbage_comes_back_and_is_told_in_bytes() -> None:
    """In a process of its own, so that what others freed here is not counted. 60,000 rings hold over 120 MB."""
    done = subprocess.run([sys.executable, "-c", FRAGMENT], capture_output=True, text=True, check=True, timeout=60)
    first, second = (int(word) for word in done.stdout.split())
    assert first > 60_000_000
    assert abs(second) < 10_000_000  # without the condition there is nothing to free, and it says so


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
        measured = ACTION.do(room(Path(), told=told))
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
        measured = ACTION.do(room(Path(), dry_run=True))
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
    assert "no malloc_trim" in ACTION.do(room(Path())).detail
