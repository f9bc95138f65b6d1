"""What the optimizer keeps: how trials ended, also across a kill; licences, modes, rules; and how long."""

from __future__ import annotations

import json
import math
import sqlite3
from dataclasses import replace

import pytest

from engine.domain.optimization import Effect, EffectEstimate, Firing, Judgement, Trial
from engine.optimizer.runtime.repository import ExperimentRepository
from engine.store import retention
from engine.store.connection import Store
from engine.store.errors import StoreError
from engine.store.read.optimizer_history import OptimizerHistory
from engine.store.retention import DAY, RetentionPolicy
from engine.store.write.optimizer import TRIAL_INTERRUPTED, TRIAL_RUNNING
from engine.store.write.optimizer_repository import OptimizerRepository
from engine.store.write.writer import Writer
from tests.store import made

METRIC = "process.rss_bytes"
AT = made.WALL


@pytest.fixture
def writer(writer: Writer) -> Writer:
    writer.sync_actions([made.action()], {"collect_garbage": "auto"}, "auto")
    return writer


@pytest.fixture
def pen(writer: Writer) -> OptimizerRepository:
    return OptimizerRepository(writer)


@pytest.fixture
def past(url: str) -> OptimizerHistory:
    return OptimizerHistory(url)


def ask(url: str, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    rows = connection.execute(query).fetchall()
    connection.close()
    return rows


def begun(at: int = AT, *, placebo: bool = False) -> Trial:
    nothing = Effect(math.nan, math.nan, math.nan, None, None, 0, "not enough data")
    return replace(made.trial(at), trigger="high", mode="auto", placebo=placebo, effect=nothing, detail=TRIAL_RUNNING, seconds=0.0, probability=0.5)


def ended(trial: Trial, change: float = -5.0) -> Trial:
    effect = Effect(100.0, 100.0 + change, change, None, None, 0, "not enough data")
    also = {"engine.tick_ms": [20.0, 21.0], "engine.clean_percent": [100.0, 90.0]}
    return replace(trial, effect=effect, detail="freed 1 MB", seconds=0.5, guards=json.dumps(also))


def test_a_trial_is_kept_from_its_beginning_and_its_end_replaces_what_it_began_with(
    url: str, pen: OptimizerRepository, past: OptimizerHistory
) -> None:
    number = pen.save_trial(begun())
    assert past.finished_trials(METRIC) == {}  # it is not over
    pen.finish_trial(number, ended(begun()))
    (finished,) = past.finished_trials(METRIC)["collect_garbage"]
    assert (finished.outcome.treated, finished.outcome.probability, finished.outcome.change) == (True, 0.5, -5.0)
    assert (finished.outcome.latency, finished.outcome.clean, finished.seconds) == (1.0, -10.0, 0.5)
    assert ask(url, "SELECT detail, verdict, mode FROM trials") == [("freed 1 MB", "not enough data", "auto")]


def test_what_a_kill_left_open_is_closed_at_the_next_start_with_why(
    url: str, writer: Writer, pen: OptimizerRepository, past: OptimizerHistory
) -> None:
    pen.save_trial(begun())
    for answer in ("asks whether to run it: approve id=1", "waits: rests for 3 s more", "tries it", "recommends to run it", None):
        number = writer.save_firing(Firing(AT, "high", "threshold", METRIC, 1.0, 1.0, "fired"))
        if answer is not None:
            pen.save_answer(number, answer)
    assert OptimizerRepository(writer).open_session({"collect_garbage": "auto"}) == 1
    assert ask(url, "SELECT detail, verdict FROM trials") == [(TRIAL_INTERRUPTED, "not enough data")]
    answers = [str(row[0]) for row in ask(url, "SELECT answer FROM triggers ORDER BY id")]
    assert [answer.startswith("the engine stopped before it was answered") for answer in answers] == [True, True, True, False, False]
    assert past.finished_trials(METRIC) == {}
    assert OptimizerRepository(writer).open_session({}) == 0


def test_how_a_trial_ended_is_stored_later_where_the_store_was_full(url: str, writer: Writer) -> None:
    pen = ExperimentRepository(writer)
    number = pen.save_trial(begun())
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    pen.finish_trial(number, ended(begun()))  # raises nothing
    with pytest.raises(StoreError):
        pen.flush()
    connection.execute("ROLLBACK")
    connection.close()
    assert ask(url, "SELECT detail FROM trials") == [(TRIAL_RUNNING,)]
    pen.flush()
    assert ask(url, "SELECT detail FROM trials") == [("freed 1 MB",)]


def test_trials_from_before_the_licence_was_given_count_no_more(pen: OptimizerRepository, past: OptimizerHistory) -> None:
    for at in (AT, AT + 10):
        pen.finish_trial(pen.save_trial(begun(at)), ended(begun(at)))
    assert len(past.finished_trials(METRIC)["collect_garbage"]) == 2
    pen.set_licence("collect_garbage", "auto", "set by ann", AT + 5)
    assert len(past.finished_trials(METRIC)["collect_garbage"]) == 1
    assert past.action_statuses()["collect_garbage"].licence == "auto"


def test_runs_by_hand_are_no_part_of_what_is_judged_together(writer: Writer, past: OptimizerHistory) -> None:
    writer.save_trial(made.by_hand(made.trial()))
    assert past.finished_trials(METRIC) == {}


def test_a_mode_that_was_set_outlives_a_start(writer: Writer, pen: OptimizerRepository, past: OptimizerHistory) -> None:
    pen.set_mode("collect_garbage", "ask")
    writer.sync_actions([made.action()], {"collect_garbage": "auto"}, "auto")
    assert past.action_statuses()["collect_garbage"].mode == "auto"
    assert past.modes() == {"collect_garbage": "ask"}
    pen.open_session(past.modes())
    assert past.action_statuses()["collect_garbage"].mode == "ask"


def test_an_action_of_an_older_store_gets_a_licence_and_one_that_was_judged_keeps_its_own(
    writer: Writer, pen: OptimizerRepository, past: OptimizerHistory
) -> None:
    with writer.write() as connection:
        connection.exec_driver_sql("UPDATE actions SET licence = 'recommend'")
    pen.open_session({})
    assert past.action_statuses()["collect_garbage"].licence == "auto"
    pen.set_licence("collect_garbage", "quarantined", "harmed", AT)
    pen.open_session({})
    assert past.action_statuses()["collect_garbage"].licence == "quarantined"


def test_rules_are_kept_changed_and_dropped(pen: OptimizerRepository, past: OptimizerHistory) -> None:
    pen.save_rule("high", {"above": "3"}, AT, "ann", "")
    pen.save_rule("high", {"above": "4"}, AT, "ann", "")
    assert past.rules() == {"high": {"above": "4"}}
    assert (pen.delete_rule("high"), pen.delete_rule("high"), past.rules()) == (True, False, {})


def test_a_judgement_replaces_the_one_before(url: str, pen: OptimizerRepository) -> None:
    judgement = Judgement(9, 8, EffectEstimate(-3.0, -4.0, -2.0), EffectEstimate(math.nan), EffectEstimate(0.0, None, None), "helped", "because")
    pen.save_judgement("collect_garbage", METRIC, "bytes", AT, judgement)
    pen.save_judgement("collect_garbage", METRIC, "bytes", AT + 1, replace(judgement, treated=10))
    assert ask(url, "SELECT at, treated, placebos, effect, low, high, verdict, latency, clean FROM judgements") == [
        (AT + 1, 10, 8, -3.0, -4.0, -2.0, "helped", None, 0.0)
    ]


def test_what_each_rule_said_last(writer: Writer, past: OptimizerHistory) -> None:
    for rule, state in (("a", "fired"), ("b", "fired"), ("a", "cleared"), ("b", "no data")):
        writer.save_firing(Firing(AT, rule, "threshold", METRIC, 1.0, 1.0, state))
    assert past.last_rule_states() == {"a": "cleared", "b": "fired"}


def test_firings_trials_and_judgements_go_by_age(url: str, writer: Writer, pen: OptimizerRepository) -> None:
    for days in (0, 80, 800):
        writer.save_firing(Firing(AT + days * DAY, "a", "threshold", METRIC, 1.0, 1.0, "fired"))
        writer.save_trial(made.trial(AT + days * DAY))
        judged = Judgement(9, 8, EffectEstimate(0.0), EffectEstimate(0.0), EffectEstimate(0.0), "helped", "")
        pen.save_judgement(f"at {days}", METRIC, "bytes", AT + days * DAY, judged)
    writer.prune(AT + 100 * DAY, RetentionPolicy())
    assert ask(url, "SELECT count(*) FROM triggers") == [(2,)]
    assert ask(url, "SELECT count(*) FROM trials") == [(3,)]
    writer.prune(AT + 811 * DAY, RetentionPolicy())
    assert [ask(url, f"SELECT count(*) FROM {table}")[0][0] for table in ("triggers", "trials", "judgements")] == [1, 1, 1]


def test_rules_that_fire_without_end_fill_no_store(url: str, writer: Writer) -> None:
    store = Store(url, None)
    limit = retention.TableRetention("triggers", 90, 700)
    rows = [(AT + place, "a", "threshold", METRIC, 1.0, 1.0, "fired") for place in range(2_000)]
    with writer.write() as connection:
        connection.exec_driver_sql("INSERT INTO triggers (at, rule, kind, metric, value, threshold, state) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    assert retention._prune_table(store, limit, AT) == 1_300
    assert ask(url, "SELECT count(*), max(at) FROM triggers") == [(700, AT + 1_999)]
    store.close()


def test_old_commands_go_but_none_that_waits_or_runs(url: str, writer: Writer) -> None:
    words = ("done", "failed", "queued", "running")
    rows = [(AT + days * DAY, "optimize", "{}", "ann", "why", word) for days in (0, 800) for word in words]
    with writer.write() as connection:
        connection.exec_driver_sql('INSERT INTO commands (at, name, args, "by", reason, status) VALUES (?, ?, ?, ?, ?, ?)', rows)
    writer.prune(AT + 801 * DAY, RetentionPolicy())
    assert ask(url, "SELECT status FROM commands ORDER BY id") == [("queued",), ("running",), *((word,) for word in words)]
