"""Clearing caches: what is kept only to be quick goes, its memory comes back, and everything is made again when it is asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from engine import window
from engine.actions.clear_caches import ACTION, MIN_BYTES
from engine.service.caches import ClearableCache, engine_caches
from tests.actions.engines import desk
from tests.actions.makers import room

FULL = """
from pathlib import Path
from engine.actions.clear_caches import ACTION
from engine.domain.optimization import Cache
from tests.actions.makers import Plain, room
pages = {number: bytes([number % 256]) * 20_000 for number in range(5_000)}
class Real(Plain):
    def caches(self):
        return (Cache("the pages' results", len(pages), sum(map(len, pages.values()))),)
    def clear(self):
        held = self.caches()
        pages.clear()
        return held
first, second = (ACTION.do(room(Path("."), levers=Real())) for _ in range(2))
print(int(first.amount), second.done)
print(first.detail)
"""


def test_a_hundred_megabytes_of_kept_results_come_back_and_the_next_run_declines() -> None:
    """In a process of its own, so that what others freed is not counted."""
    done = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True, check=True, timeout=600)
    words, detail = done.stdout.splitlines()
    assert words.split()[1] == "False"
    assert int(words.split()[0]) > 80_000_000
    assert detail.startswith("emptied 1 caches with 5,000 entries and at most 100,000,000 bytes (the pages' results 100,000,000 bytes); ")


def test_every_cache_of_a_real_engine_is_emptied_and_filled_again(tmp_path: Path) -> None:
    pages = dict.fromkeys(range(1000), b"x" * 10000)
    kept = ClearableCache("pages", lambda: (len(pages), sum(map(len, pages.values()))), pages.clear)
    with desk(tmp_path, caches=(kept,)) as made:
        assert made._step() is not None
        assert window.decay_weights.cache_info().currsize > 0
        names = {cache.name for cache in made.actuators.caches()}
        assert {"the store's pages", "pages", "window.decay", "window.means"} <= names
        measured = ACTION.run(room(tmp_path, levers=made.actuators))
        assert measured.done, measured.detail
        assert (len(pages), window.decay_weights.cache_info().currsize) == (0, 0)
        left = {cache.name: cache.entries for cache in made.actuators.caches()}
        assert not any(entries for name, entries in left.items() if name != "the store's pages")
        assert made._step() is not None
        assert window.decay_weights.cache_info().currsize > 0


def test_what_the_engine_keeps_is_counted_by_its_values() -> None:
    window.decay_weights.cache_clear()
    window.decay_weights(1_000, 10.0)
    told = {kept.name: kept.measure() for kept in engine_caches()}
    assert told["window.decay"] == (1, 8_000)
    assert told["domain.record._words"][1] is None  # bounded by their number, not counted in bytes


def test_a_young_engine_with_little_kept_declines(tmp_path: Path) -> None:
    with desk(tmp_path) as made:
        made._step()
        held = sum(cache.bytes or 0 for cache in made.actuators.caches())
        assert held < MIN_BYTES
        assert not ACTION.run(room(tmp_path, levers=made.actuators)).done
        assert window.decay_weights.cache_info().currsize > 0
