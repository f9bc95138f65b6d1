"""Decisions do not depend on the optimizer: the same ticks with it broken in every way as without it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Event

import pytest

from engine.service.clock import WallClock
from engine.service.scheduler import JobScheduler
from tests.makers import engine, play, simulated
from tests.optimizer.plant import Plant, Truth, live, tuner_of

TICKS = 150
WAYS = ("sound", "probes", "store", "raising")


class Unforeseen(Exception):
    """An error nobody thought of."""


@cache
def usual() -> list[str]:
    return decided()


def decided() -> list[str]:
    return [tick.decisions_digest for tick in play(engine(simulated(bars=TICKS), trains=False))]


@pytest.fixture
def jobs() -> Iterator[JobScheduler]:
    jobs = JobScheduler(WallClock())
    jobs.start()
    yield jobs
    assert jobs.stop(20.0)


def broken(way: str) -> Plant:
    """An optimizer's world with one thing broken."""
    plant = Plant(1, {"act": Truth(raises=Unforeseen if way == "raising" else None)}, seconds=4_000)
    plant.broken.update({way} & {"probes", "store"})
    return plant


@pytest.mark.parametrize("way", WAYS)
def test_decisions_are_the_same_whatever_the_optimizer_does(jobs: JobScheduler, way: str) -> None:
    plant = broken(way)
    tuner, over, begun = tuner_of(plant), Event(), Event()

    def go_on() -> None:
        begun.set()
        try:
            live(plant, tuner, over.is_set)
        finally:
            if not over.is_set() and not plant.is_set():
                jobs.run_once("optimizer", "loop", go_on, plant)

    jobs.run_once("optimizer", "loop", go_on, plant)
    assert begun.wait(300.0)
    with ThreadPoolExecutor(1) as beside:
        digests = beside.submit(decided).result(300.0)
    over.set()
    assert len(digests) == TICKS
    assert digests == usual()
    if way == "raising":
        assert any("cut short" in trial.detail for trial in plant.trials.values())
    if way == "store":
        assert plant.failures["optimizer: rules"] == "the store cannot grow, the disk is full"
