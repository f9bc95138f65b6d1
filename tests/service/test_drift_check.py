"""Checks for drift: due at fixed ticks, adopted a fixed number later, and the same when they are repeated after a kill."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.domain.model import ServingModel
from engine.domain.recipe import Recipe
from engine.domain.tick import TrainingRow
from engine.domain.trading_config import TradingConfig
from engine.evidence import drift
from engine.files.owned_folders import TEMPORARY
from engine.service import drift_check, training
from engine.service.drift_check import DRIFT_EVERY, DRIFT_LAG, DriftCheck, DriftSpans, choose_spans, find_lost_check, is_due
from engine.service.engine import Engine
from engine.service.resume import resume_engine
from engine.service.windows import TrainingRows
from engine.settings import Settings
from engine.store import database
from engine.store.read.history import TickHistory
from engine.store.write.writer import Writer
from tests.makers import KNOBS, START, Inline, Played, StoppedClock, command, play, settings, simulated

CONFIG = TradingConfig(first_training=600, evolution="full")
INTERVAL = 300 * 10**9  # ns: 288 bars a day
DUE = 600 + 2 * DRIFT_EVERY + DRIFT_EVERY // 2 - 1
COLUMNS = ("calendar.hour", "returns.steady", "returns.moved")


@cache
def fill(until: int, *, bars: int = 5_000, moves: bool = True) -> TrainingRows:
    """Rows of 4 symbols up to a tick; the last column moves by a standard deviation for the last day before the check."""
    rng = np.random.default_rng(3)
    rows = TrainingRows(4, COLUMNS, bars)
    price = np.full(4, 100.0)
    for tick in range(until + 1):
        features = rng.standard_normal((4, 3)).astype(np.float32)
        features[:, 2] += moves and tick > DUE - 288
        price = price * np.exp(0.002 * rng.standard_normal(4))
        rows.append(TrainingRow(tick, features, price, np.full(4, 0.002)))
    return rows


def served(trained_to: int) -> ServingModel:
    (ridge,) = training.select_models(("ridge",))
    none = np.zeros(len(COLUMNS))
    return ServingModel(ridge, f"ridge-{trained_to}", "", None, none, none, trained_to, none, "ridge", Recipe("ridge"), None)


def make_check(home: Path, pool: object = None) -> DriftCheck:
    return DriftCheck(pool or Inline(), str(home), INTERVAL)  # type: ignore[arg-type]


def test_a_check_is_due_once_a_period_and_never_with_a_training_on_schedule() -> None:
    due = [tick for tick in range(3_000) if is_due(tick, CONFIG)]
    assert due[:2] == [167, 455]
    assert set(np.diff(due).tolist()) == {DRIFT_EVERY}
    trainings = range(CONFIG.first_training - 1, 3_000, CONFIG.retrain_every)
    assert not set(due) & set(trainings)
    assert not any(is_due(tick, replace(CONFIG, evolution="refresh")) for tick in range(600))


def test_a_lost_check_is_that_whose_report_the_next_ticks_adopt() -> None:
    lost = [find_lost_check(DUE + later, CONFIG) for later in range(-1, DRIFT_LAG + 2)]
    assert lost == [None, *([DUE] * DRIFT_LAG), None, None]


def test_spans_are_whole_days_since_the_training_and_no_target_reaches_from_one_into_the_other() -> None:
    assert choose_spans(0, 1_000, 900, INTERVAL, (1, 12)) == DriftSpans(0, 701, 713, 1_000)
    assert choose_spans(0, 2_000, 1_300, INTERVAL, (1, 12)) == DriftSpans(0, 1_300, 1_425, 2_000)
    assert choose_spans(0, 9_000, 1_300, INTERVAL, (1, 12)) == DriftSpans(0, 1_300, 8_425, 9_000)  # 15 blocks of three days' eighth are too many
    assert choose_spans(300, 1_000, 900, INTERVAL, (1, 12)) is None
    assert choose_spans(0, 1_000, -1, INTERVAL, (1, 12)) is None
    hourly = choose_spans(0, 2_000, 1_900, 12 * INTERVAL, (1,))
    assert hourly is not None
    assert (hourly.until - hourly.recent_from + 1) == 288  # twelve days of 24 bars
    minutes = choose_spans(0, 9_000, 8_900, INTERVAL // 5, (1,))
    assert minutes is not None
    assert (minutes.until - minutes.recent_from + 1) == 1_440


def test_the_report_is_adopted_a_fixed_number_of_ticks_later_and_names_what_moved(tmp_path: Path) -> None:
    check, rows = make_check(tmp_path), fill(DUE)
    assert check.begin(DUE - 1, CONFIG, rows, (served(900),)) == ()
    assert check.jobs == []
    assert check.begin(DUE, CONFIG, rows, (None, served(900), served(400))) == ()
    assert check.adopt(DUE + DRIFT_LAG - 1, waits=True) == ()
    (event,) = check.adopt(DUE + DRIFT_LAG, waits=True)
    assert (event.kind, event.subject) == ("drift", "all")
    report = drift.drift_from_json(event.detail)
    assert report.recent == (DUE - 287, DUE)
    assert report.reference == (0, 900)
    assert drift.drifted_columns(report) == (("returns.moved",), ())
    assert {row.column for row in report.inputs} == {"returns.steady", "returns.moved"}
    assert check.jobs == []
    assert not sorted((tmp_path / TEMPORARY.name).glob("rows-*"))


def test_a_check_that_is_repeated_after_a_kill_gives_the_same_report_though_old_rows_have_made_room(tmp_path: Path) -> None:
    first, again = make_check(tmp_path), make_check(tmp_path)
    first.begin(DUE, CONFIG, fill(DUE, bars=1_100), (served(900),))
    for later in range(DRIFT_LAG):
        again.repeat(DUE, CONFIG, fill(DUE + later, bars=1_100), 900)
    expected = first.adopt(DUE + DRIFT_LAG, waits=True)
    assert expected
    assert drift.drift_from_json(expected[0].detail).reference[0] == DUE + DRIFT_LAG + 1 - 1_100
    assert again.adopt(DUE + DRIFT_LAG, waits=True) == expected * DRIFT_LAG


def test_a_late_report_waits_while_live_and_is_adopted_when_it_is_there(tmp_path: Path) -> None:
    check = make_check(tmp_path)
    late: Future[str] = Future()
    check.jobs.append(drift_check.DriftJob(10, late))
    assert check.adopt(12, waits=False) == ()
    late.set_result("{}")
    assert [event.detail for event in check.adopt(13, waits=False)] == ["{}"]
    assert check.adopt(14, waits=False) == ()


def test_a_check_in_which_nothing_could_be_judged_gives_no_event(tmp_path: Path) -> None:
    check, empty = make_check(tmp_path), Future[str]()
    empty.set_result("")
    check.jobs.append(drift_check.DriftJob(10, empty))
    assert check.adopt(10, waits=True) == ()
    assert check.jobs == []


class NoWorker(Inline):
    def submit(self, *_: object, **__: object) -> Future[Any]:
        raise OSError(11, "Resource temporarily unavailable")


def test_a_check_that_fails_costs_no_tick_and_gives_the_reason(tmp_path: Path) -> None:
    (event,) = make_check(tmp_path, NoWorker()).begin(DUE, CONFIG, fill(DUE), (served(900),))
    assert (event.kind, event.subject) == ("drift_failed", "all")
    assert "Resource temporarily unavailable" in event.detail
    check, failed, cancelled = make_check(tmp_path), Future[str](), Future[str]()
    failed.set_exception(MemoryError("no\nmemory"))
    cancelled.cancel()
    check.jobs += [drift_check.DriftJob(10, failed), drift_check.DriftJob(10, cancelled)]
    assert [event.detail for event in check.adopt(10, waits=True)] == ["MemoryError: no memory", "it was not measured: the workers were closed"]
    assert check.error == "the check for drift failed: it was not measured: the workers were closed"
    check.begin(DUE, CONFIG, fill(DUE), (served(900),))
    check.adopt(DUE + DRIFT_LAG, waits=True)
    assert check.error is None


@pytest.mark.parametrize("evolution", ["off", "refresh"])
def test_nothing_is_checked_where_nothing_would_be_searched(tmp_path: Path, evolution: str) -> None:
    check = make_check(tmp_path)
    check.begin(DUE, replace(CONFIG, evolution=evolution), fill(DUE), (served(900),))
    assert check.jobs == []


def test_an_engine_that_was_killed_between_a_check_and_its_report_decides_the_same_ticks(tmp_path: Path) -> None:
    """A training in between replaces the versions, so that those which serve on resuming are not those of the check."""
    trading = replace(KNOBS, first_training=120, retrain_every=420, deployment_lag_bars=1, max_challengers=0, evolution="full")
    due = 120 + 2 * DRIFT_EVERY + DRIFT_EVERY // 2 - 1
    assert is_due(due, trading)
    bars = [replace(bar, at=START + number * INTERVAL) for number, bar in enumerate(simulated(due + DRIFT_LAG + 2, symbols=2).slices(None))]
    feed = Played(replace(simulated(1, symbols=2).info, interval=INTERVAL), bars)
    url, copy = (f"sqlite:///{tmp_path / name / 'podium.db'}" for name in ("whole", "killed"))
    configured = settings(database_url=url, trading=trading, models=("ridge", "online"), home=str(tmp_path / "home"), evolution="full")
    (tmp_path / "whole").mkdir()
    database.prepare(url)
    with open_engine(configured, feed) as engine:
        play(engine, due)
        engine.handle_command(command("retrain"))
        before, after, _ = play(engine, 3)
        assert before.inputs.tick == due
        assert set(before.serving) & set(after.serving) == set()
        shutil.copytree(tmp_path / "whole", tmp_path / "killed")
        whole = play(engine)
    with open_engine(replace(configured, database_url=copy), feed) as engine:
        resumed = play(engine)
    events = [event for tick in whole for event in tick.inputs.events if event.kind == "drift"]
    assert [tick.inputs.tick for tick in whole if any(event in events for event in tick.inputs.events)] == [due + DRIFT_LAG]
    assert [(tick.inputs.tick, tick.inputs.events[-1:]) for tick in resumed[1:]] == [
        (tick.inputs.tick, tick.inputs.events[-1:]) for tick in whole[1:]
    ]
    assert [tick.decisions_digest for tick in resumed] == [tick.decisions_digest for tick in whole]


@contextmanager
def open_engine(configured: Settings, feed: Played) -> Iterator[Engine]:
    with closing(Writer(configured.database_url)) as writer, closing(TickHistory(configured.database_url)) as history:
        yield resume_engine(configured, feed, StoppedClock(), writer, history, training_pool=Inline())[0]
