"""The readings of the last minutes: each moment once, in memory of fixed size."""

from __future__ import annotations

import tracemalloc

import numpy as np

from engine.domain.optimization import Reading
from engine.optimizer.runtime.readings_buffer import CAPACITY, ReadingsBuffer

SECOND = 10**9


def sample(at: int, **values: float) -> dict[str, Reading]:
    return {f"host.{name}": Reading(at * SECOND, "host", name, value, "%") for name, value in values.items()}


def test_a_moment_appended_twice_counts_once_and_a_span_excludes_its_end() -> None:
    recent = ReadingsBuffer()
    for at in (1, 2, 2, 3, 4):
        recent.append(sample(at, cpu=float(at)))
    assert recent.series("host.cpu", 2 * SECOND, 4 * SECOND)[1].tolist() == [2.0, 3.0]
    assert recent.series("host.gone", 0, 9 * SECOND)[0].size == 0


def test_the_newest_reading_is_one_from_after_the_last_look() -> None:
    recent = ReadingsBuffer()
    recent.append({})
    recent.append(sample(1, cpu=1.0, disk=5.0))
    recent.append(sample(2, cpu=2.0))
    newest, older = recent.latest("host.cpu", 0), recent.latest("host.disk", 0)
    assert newest is not None
    assert older is not None
    assert (newest.value, older.value) == (2.0, 5.0)
    assert recent.latest("host.cpu", 2 * SECOND) is None
    assert recent.latest("host.disk", SECOND) is None


def test_the_buffer_is_bounded_and_a_missing_reading_stays_missing() -> None:
    recent = ReadingsBuffer()
    for at in range(1, CAPACITY + 100):
        recent.append(sample(at, cpu=float(at)) | (sample(at, disk=5.0) if at % 2 else {}))
    moments, values = recent.series("host.cpu", 0, 10**18)
    assert values.tolist() == [float(at) for at in range(100, CAPACITY + 100)]
    assert np.array_equal(moments, values.astype(np.int64) * SECOND)
    assert recent.series("host.disk", 0, 10**18)[0].tolist() == [at * SECOND for at in range(101, CAPACITY + 100, 2)]


def test_a_clock_that_was_set_back_leaves_a_series_in_order() -> None:
    recent = ReadingsBuffer()
    for at in (5, 6, 2, 3):
        recent.append(sample(at, cpu=float(at)))
    assert recent.series("host.cpu", 0, 10**18)[1].tolist() == [2.0, 3.0, 5.0, 6.0]


def test_it_takes_all_its_room_at_once() -> None:
    recent = ReadingsBuffer()
    recent.append(sample(1, cpu=1.0))
    tracemalloc.start()
    for at in range(2, CAPACITY):
        recent.append(sample(at, cpu=float(at)))
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 4_096
