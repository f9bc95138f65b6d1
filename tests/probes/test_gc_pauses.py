"""Pauses for garbage collection, as the collector reports them."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from engine.probes.gc_pauses import MAX_PAUSES, GcPauses
from engine.probes.process import ProcessProbe


@dataclass
class Hand:
    """A clock moved by hand, which goes on by `step` whenever it is asked."""

    at: float = 0.0
    step: float = 0.0

    def __call__(self) -> float:
        self.at += self.step
        return self.at


@pytest.fixture
def quiet() -> Iterator[None]:
    """Nothing is collected but by the test."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("quiet")
def test_every_pause_counts_and_the_longest_of_the_last_minute_is_reported() -> None:
    clock = Hand()
    pauses = GcPauses(clock)
    pauses.open()
    for seconds in (0.002, 0.030, 0.001):
        clock.step = seconds
        gc.collect()
    pauses.close()
    assert pauses.total == pytest.approx(0.033)
    assert pauses.longest_recent(clock.at) == pytest.approx(0.030)
    assert pauses.longest_recent(clock.at + 59) == pytest.approx(0.030)
    assert pauses.longest_recent(clock.at + 61) == 0.0


@pytest.mark.usefixtures("quiet")
def test_a_closed_one_hears_nothing_and_opening_twice_counts_once() -> None:
    clock = Hand(step=0.01)
    pauses = GcPauses(clock)
    gc.collect()
    assert pauses.total == 0.0
    pauses.open()
    pauses.open()
    gc.collect()
    pauses.close()
    pauses.close()
    gc.collect()
    assert pauses.total == pytest.approx(0.01)
    assert not pauses.is_open


@pytest.mark.usefixtures("quiet")
def test_what_is_remembered_is_bounded_and_shorter_pauses_before_a_longer_one_are_forgotten() -> None:
    clock = Hand()
    pauses = GcPauses(clock)
    pauses.open()
    for count in range(2 * MAX_PAUSES):
        clock.step = 1e-3 / (count + 1)  # ever shorter: each might be the longest one day
        gc.collect(0)
    assert pauses.longest_recent(clock.at) <= 1e-3
    clock.step = 5e-3
    gc.collect(0)
    pauses.close()
    assert pauses.longest_recent(clock.at) == pytest.approx(5e-3)


@pytest.mark.usefixtures("quiet")
def test_the_process_tells_how_long_it_was_paused_a_second() -> None:
    clock = Hand()
    pauses = GcPauses(clock)
    assert not [reading for reading in ProcessProbe(pauses).read(1, 0.0) if "pause" in reading.name], "nobody listens"
    pauses.open()
    own = ProcessProbe(pauses)
    own.read(1, 0.0)
    clock.step = 0.010
    gc.collect()
    readings = {reading.name: reading.value for reading in own.read(2, 2.0)}
    pauses.close()
    assert readings["gc_pause_ms_per_s"] == pytest.approx(5.0)
    assert readings["gc_pause_longest_ms"] == pytest.approx(10.0)
