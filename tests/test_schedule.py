"""Several workers: the longest work first, and each group on one worker."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.schedule import GROUPS, LONGEST, make_scheduler, rank_of

SHORT = [*(f"tests/test_{name}.py::test_it" for name in ("a", "b", "c")), *(f"tests/test_many.py::test_{number}" for number in range(9))]
WATCHING = [f"tests/e2e/test_{name}.py::test_it" for name in ("watching", "watching_pages")]
BROWSER = [f"tests/e2e/test_{name}.py::test_it" for name in ("charts", "travel")]
LESSON = ["tests/test_broker.py::test_it", "tests/phases/test_gates.py::test_it"]


class Worker:
    """A worker as the scheduler sees it: it collects what it may collect as the conftest sorts it, and does nothing."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.collected = sorted([*SHORT, *BROWSER, *LESSON, *WATCHING], key=lambda test: rank_of(test.split("::")[0]))
        self.sent: list[str] = []
        self.shutting_down = False

    def send_runtest_some(self, places: list[int]) -> None:
        self.sent += [self.collected[place] for place in places]

    def shutdown(self) -> None:
        self.shutting_down = True


def config(dist: str) -> Any:
    return SimpleNamespace(getvalue={"dist": dist, "tx": ["popen"] * 2}.__getitem__, option=SimpleNamespace(loadscopereorder=True))


def test_the_longest_work_is_handed_out_first_and_a_group_to_one_worker() -> None:
    workers = [Worker("gw0"), Worker("gw1")]
    scheduler: Any = make_scheduler(config("loadfile"), None)
    for worker in workers:
        scheduler.add_node(worker)
    for worker in workers:
        scheduler.add_node_collection(worker, worker.collected)
    scheduler.schedule()
    first, second = (worker.sent for worker in workers)
    assert first[: len(WATCHING)] == WATCHING
    assert second[: len(LESSON)] == LESSON
    rest = [first[len(WATCHING) :], second[len(LESSON) :]]
    assert not {*rest[0], *rest[1]} & {*WATCHING, *LESSON}
    assert [part for part in rest if set(part) & set(BROWSER)] == [part for part in rest if part[: len(BROWSER)] == BROWSER]


def test_other_ways_to_distribute_stay_as_they_are() -> None:
    assert make_scheduler(config("load"), None) is None


@pytest.mark.parametrize("path", [*(path for paths in GROUPS.values() for path in paths), *LONGEST])
def test_what_is_named_is_there(path: str) -> None:
    assert (ROOT / path).exists()
