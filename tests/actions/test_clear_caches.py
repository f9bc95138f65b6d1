"""Clearing caches: their memory is freed, and every value is computed again on demand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from engine import window
from engine.actions.clear_caches import ACTION, MIN_BYTES
from engine.service.caches import ClearableCache, engine_caches
from tests.actions.engines import desk
from tests.actions.makers import make_context

FULL = """
from pathlib import Path
from engine.actions.clear_caches import ACTION
from engine.domain.optimization import CacheUsage
from tests.actions.makers import Plain, make_context
pages = {number: bytes([number % 256]) * 20_000 for number in range(5_000)}
class Real(Plain):
    def caches(self):
        return (CacheUsage("the pages' results", len(pages), sum(map(len, pages.values()))),)
    def clear_caches(self):
        held = self.caches()
        pages.clear()
        return held
first, second = (ACTION.run(make_context(Path("."), actuators=Real())) for _ in range(2))
print(int(first.amount), second.done)
print(first.detail)
"""


def test_a_hundred_megabytes_of_cached_results_are_freed_and_the_next_run_declines() -> None:
    """In a process of its own, so that what others freed is not counted."""
    done = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True, check=True, timeout=600)
    words, detail = done.stdout.splitlines()
    assert words.split()[1] == "False"
    assert int(words.split()[0]) > 80_000_000
    assert detail.startswith("cleared 1 caches with 5,000 entries and at most 100 MB (the pages' results 100 MB); ")


def test_every_cache_of_a_real_engine_is_emptied_and_filled_again(tmp_path: Path) -> None:
    pages = dict.fromkeys(range(1000), b"x" * 10000)
    cache = ClearableCache("pages", lambda: (len(pages), sum(map(len, pages.values()))), pages.clear)
    with desk(tmp_path, caches=(cache,)) as made:
        assert made._step() is not None
        assert window.decay_weights.cache_info().currsize > 0
        names = {cache.name for cache in made.actuators.caches()}
        assert {"the store's pages", "pages", "window.decay_weights", "window.mean_weights"} <= names
        measured = ACTION.run(make_context(tmp_path, actuators=made.actuators))
        assert measured.done, measured.detail
        assert (len(pages), window.decay_weights.cache_info().currsize) == (0, 0)
        left = {cache.name: cache.entries for cache in made.actuators.caches()}
        assert not any(entries for name, entries in left.items() if name != "the store's pages")
        assert made._step() is not None
        assert window.decay_weights.cache_info().currsize > 0


def test_what_the_engine_keeps_is_counted_by_its_values() -> None:
    window.decay_weights.cache_clear()
    window.decay_weights(1_000, 10.0)
    sizes = {cache.name: cache.measure() for cache in engine_caches()}
    assert sizes["window.decay_weights"] == (1, 8_000)
    assert sizes["domain.record._strings"][1] is None  # bounded by their number, not counted in bytes


def test_a_young_engine_with_small_caches_declines(tmp_path: Path) -> None:
    with desk(tmp_path) as made:
        made._step()
        held = sum(cache.bytes or 0 for cache in made.actuators.caches())
        assert held < MIN_BYTES
        assert not ACTION.run(make_context(tmp_path, actuators=made.actuators)).done
        assert window.decay_weights.cache_info().currsize > 0
