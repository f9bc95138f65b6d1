"""A search that fails is an event, and an error of the component that trains until the next one ends well."""

from __future__ import annotations

import json
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np

from engine.domain.decision import Instruction
from engine.domain.tick import Artifact, TrainingRow
from engine.domain.trading_config import TradingConfig
from engine.evolution.progress import empty_evolution
from engine.search.strategies import SearchReport
from engine.service.challengers import Challengers
from engine.service.search import SearchJob, SearchResult
from engine.service.windows import TrainingRows
from tests.makers import Inline, settings

INSTRUCTION = Instruction("search", "ridge", json.dumps({"number": 4, "strategy": "tuning", "began": 3}))
EVOLUTION = empty_evolution(1, (1,), 1)


class NoProcess(Inline):
    def submit(self, *_: object, **__: object) -> Future[Any]:
        raise OSError(11, "Resource temporarily unavailable")


def make_challengers(home: str, pool: Inline | None) -> Challengers:
    return Challengers(settings(home=home), TradingConfig(), ("ridge",), pool, 100)


def fill() -> TrainingRows:
    rows = TrainingRows(1, ("family.column",), 10)
    for tick in range(4):
        rows.append(TrainingRow(tick, np.zeros((1, 1), dtype=np.float32), np.ones(1), np.ones(1)))
    return rows


def save(artifact: Artifact) -> None:
    raise AssertionError(artifact)


def test_a_search_that_cannot_begin_is_an_error_and_one_that_is_not_allowed_is_none(tmp_path: Path) -> None:
    subject = make_challengers(str(tmp_path), NoProcess())
    (event,) = subject.begin_search(INSTRUCTION, 3, fill(), (None,), 0.0)
    assert (event.kind, event.subject) == ("search_failed", "ridge")
    assert json.loads(event.detail) == {"number": 4, "reason": "BlockingIOError: [Errno 11] Resource temporarily unavailable"}
    assert subject.error == "the search of evolution 4 failed: BlockingIOError: [Errno 11] Resource temporarily unavailable"
    without = make_challengers(str(tmp_path), None)
    assert [event.kind for event in without.begin_search(INSTRUCTION, 3, fill(), (None,), 0.0)] == ["search_failed"]
    assert without.error is None
    limited = make_challengers(str(tmp_path), NoProcess())
    limited.is_limited = True
    limited.spent.append((0.0, 1_080.0))
    (event,) = limited.begin_search(INSTRUCTION, 3, fill(), (None,), 10.0)
    assert "searches have used 30 % of a core over the last hour, more than search_cpu_share allows: 25 %" in event.detail
    assert limited.error is None


def test_a_search_that_fails_is_an_error_until_one_ends_well(tmp_path: Path) -> None:
    subject = make_challengers(str(tmp_path), Inline())
    failed, empty = Future[SearchResult](), Future[SearchResult]()
    failed.set_exception(ValueError("too few rows"))
    empty.set_result(SearchResult("ridge", "tuning", None, (), SearchReport(3, 0.0, 0.0, None, None, 9, 2.5, "nothing is better")))
    subject.searches += [SearchJob(4, 3, 10, failed), SearchJob(5, 3, 11, empty)]
    assert [event.kind for event in subject.adopt(10, EVOLUTION, save, 0.0, waits=True)] == ["search_failed"]
    assert subject.error == "the search of evolution 4 failed: ValueError: too few rows"
    assert [event.kind for event in subject.adopt(11, EVOLUTION, save, 0.0, waits=True)] == ["search_empty"]
    assert (subject.error or "", subject.seconds) == ("", 2.5)
