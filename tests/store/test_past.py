"""A read as of a past tick equals the same read of the store as it was at that tick; and it costs the same however much came after."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.store.read import (
    activity,
    alerts,
    components,
    decision,
    decisions,
    keyset,
    market,
    models,
    optimizer,
    portfolio,
    recent,
    resources,
    same_forecasts,
    savings,
    status,
    timeline,
)
from engine.store.read.decisions import DecisionFilter
from engine.store.read.history_tables import HISTORY_TABLES
from engine.store.read.keyset import HistoryQuery
from engine.store.read.past import NOT_STORED, TRIAL_PENDING, PastTick
from engine.store.read.past_ticks import find_past_tick, find_tick_by_time, read_tick_range
from engine.store.read.reader import Reader
from engine.store.write.writer import Writer
from tests.store.made import HORIZONS
from tests.store.made_past import TICKS, grown
from tests.store.made_trials import MB

VIEWS = (
    "decisions", "gates", "votes", "fills", "positions", "equity", "regimes", "skill", "declined", "alerts", "commands", "incidents", "models",
)  # fmt: skip
CUTS = (0, 5, 19, 59, 93, 100, 128, 159)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[int, str]]:
    return grown(tmp_path_factory.mktemp("grown"), CUTS)


def read_status_then(reader: Reader) -> Any:
    seen = status.read_status(reader)
    return seen.session, seen.last, seen.alerts, seen.critical


def page_of(table: str, reader: Reader) -> Any:
    return keyset.read_history_page(reader, HISTORY_TABLES[table], HistoryQuery(), limit=40)


def read_decisions(reader: Reader, past: PastTick) -> Any:
    return [decision.read_decision(reader, max(0, tick), "BTC") for tick in (past.tick, past.tick - 1, past.tick - 4)]


READS: dict[str, Callable[[Reader, PastTick], Any]] = {
    "status": lambda reader, _: read_status_then(reader),
    "decisions": lambda reader, _: decisions.read_latest_decisions(reader, DecisionFilter(), limit=50),
    "decisions of a gate": lambda reader, _: decisions.read_latest_decisions(reader, DecisionFilter(symbol="BTC", action="hold"), limit=50),
    "gates": lambda reader, past: decisions.count_binding_gates(reader, past.wall),
    "strip": lambda reader, _: decisions.read_gate_strip(reader, 120),
    "ticks": lambda reader, _: decisions.read_session_ticks(reader),
    "skill": lambda reader, _: decisions.read_skill(reader),
    "equity": lambda reader, _: portfolio.read_equity(reader),
    "positions": lambda reader, _: portfolio.read_positions(reader),
    "orders": lambda reader, _: portfolio.read_working_orders(reader),
    "day": lambda reader, _: recent.read_day_open(reader),
    "trends": lambda reader, _: recent.read_trends(reader),
    "benchmark": lambda reader, _: recent.read_equal_exposure(reader),
    "pace": lambda reader, _: recent.read_warmup_pace(reader),
    "news": lambda reader, past: recent.read_news(reader, past.wall - 30_000_000_000),
    "votes": lambda reader, _: models.read_votes(reader),
    "weights": lambda reader, _: models.read_weights(reader),
    "agreement": lambda reader, _: models.read_model_agreement(reader, 0),
    "versions": lambda reader, _: models.read_versions(reader, limit=8),
    "declined": lambda reader, _: models.read_declined(reader),
    "checkpoint": lambda reader, _: models.find_newest_checkpoint(reader),
    "calibration": lambda reader, _: models.read_calibration(reader, models.find_newest_checkpoint(reader) or 0),
    "timeline": lambda reader, _: timeline.read_timeline(reader),
    "inherited": lambda reader, _: timeline.read_inherited_share(reader),
    "market": lambda reader, _: market.read_market(reader, "BTC"),
    "liquidity": lambda reader, _: market.read_liquidity_forecast(reader),
    "alerts": lambda reader, past: alerts.read_alerts(reader, past.wall, past=20),
    "drill": lambda reader, _: alerts.read_last_drill(reader),
    "clean": lambda reader, past: components.read_clean_rate(reader, past.wall),
    "latency": lambda reader, _: components.read_latency(reader),
    "incidents": lambda reader, _: components.read_incidents(reader, limit=20),
    "fallbacks": lambda reader, _: components.read_fallbacks(reader, limit=20),
    "readings": lambda reader, _: resources.read_current(reader),
    "commands": lambda reader, _: resources.read_commands(reader, limit=20),
    "same forecasts": lambda reader, _: same_forecasts.read_same_forecasts(reader),
    "decision": read_decisions,
    "running trials": lambda reader, _: optimizer.read_running_trials(reader),
    "firings": lambda reader, _: optimizer.read_firings(reader),
    "savings": lambda reader, _: savings.read_savings(reader).trials,
    "recoveries": lambda reader, _: alerts.read_recoveries(reader, limit=20),
    "liveness": lambda reader, _: replace(components.read_liveness(reader), heartbeat=None),
    "activity": lambda reader, past: activity.read_activity(reader, past.wall).alerts,
    **{f"v_{name}": partial(lambda name, reader, _: reader.view(name), name) for name in VIEWS},
    **{f"history of {name}": partial(lambda name, reader, _: page_of(name, reader), name) for name in HISTORY_TABLES},
}  # fmt: skip


@pytest.mark.parametrize("cut", CUTS)
def test_a_read_as_of_a_tick_is_the_read_of_that_store(cut: int, stores: tuple[str, dict[int, str]]) -> None:
    whole, copies = stores
    past = find_past_tick(Reader(whole), cut)
    assert past is not None
    assert past.tick == cut
    travelled, then = Reader(whole, past=past), Reader(copies[cut])
    with travelled.snapshot(), then.snapshot():
        unlike = [name for name, read in READS.items() if list(flatten(read(travelled, past))) != list(flatten(read(then, past)))]
    assert unlike == []


def travelled_reader(url: str, tick: int, *, knows_now: bool = False) -> Reader:
    past = find_past_tick(Reader(url), tick, knows_now=knows_now)
    assert past is not None
    return Reader(url, past=past)


def test_outcomes_and_fills_of_a_decision_are_those_that_a_clock_knows(stores: tuple[str, dict[int, str]]) -> None:
    """As known then it is the decision of the store of then; as known now its outcomes are those of the whole store, marked as later."""
    whole = Reader(stores[0])
    filled = int(whole.frame("SELECT tick FROM fills WHERE symbol = 'BTC' AND tick > 50 ORDER BY tick LIMIT 1")["tick"][0]) - 1
    then, now = (decision.read_decision(travelled_reader(stores[0], filled, knows_now=known), filled, "BTC") for known in (False, True))
    today = decision.read_decision(whole, filled, "BTC")
    assert then is not None
    assert now is not None
    assert today is not None
    assert [(outcome.bps, outcome.reason, outcome.is_later) for outcome in then.outcomes] == [(None, "not due yet", True)] * len(HORIZONS)
    assert [(outcome.bps, outcome.reason) for outcome in now.outcomes] == [(outcome.bps, outcome.reason) for outcome in today.outcomes]
    assert all(outcome.is_later for outcome in now.outcomes)
    assert not any(outcome.is_later for outcome in today.outcomes)
    assert then.fills == ()
    assert now.fills == today.fills != ()
    assert (now.last, today.last) == (filled, TICKS - 1)


def test_what_was_replaced_later_is_not_stored_and_a_trial_is_judged_as_each_clock_knows(stores: tuple[str, dict[int, str]]) -> None:
    def read(tick: int, *, knows_now: bool = False) -> tuple[Any, Any, Any]:
        reader = travelled_reader(stores[0], tick, knows_now=knows_now)
        states = {name: state for name, state, _, _ in status.read_status(reader).components}
        return states.get("feed"), optimizer.read_actions(reader).set_index("action"), page_of("trials", reader).frame.set_index("id")

    feed, actions, trials = read(93)
    assert feed == NOT_STORED, "it failed again and recovered"
    assert (actions.loc["clear_caches", "licence"], actions.loc["collect_garbage", "licence"]) == (NOT_STORED, "auto")
    assert actions.loc["collect_garbage", "verdict"] is None, "it was judged again"
    assert trials["verdict"].tolist() == ["helped", "helped"]
    feed, actions, trials = read(133)
    assert feed == "ok"
    assert actions.loc["clear_caches", "licence"] == "quarantined"
    assert trials.loc[3, ["verdict", "detail"]].tolist() == [TRIAL_PENDING, TRIAL_PENDING]
    assert trials.loc[3, ["effect", "amount", "after"]].isna().all()
    _, actions, trials = read(133, knows_now=True)
    assert trials.loc[3, ["verdict", "effect"]].tolist() == ["helped", -20.0 * MB]
    assert (actions.loc["collect_garbage", "verdict"], actions.loc["collect_garbage", "judged_treated"]) == ("helped", 4)


def test_a_message_waits_until_it_was_sent(stores: tuple[str, dict[int, str]]) -> None:
    reader = Reader(stores[0])
    past = find_past_tick(reader, 93)
    assert past is not None
    with Writer(stores[0]).write() as connection:
        columns = "alert, at, kind, target, message, status, tries, sent_at"
        row = (1, past.wall - 9, "opened", "mail", "no bar", "sent", 1, past.wall + 9)
        rows = [row, (2, past.wall - 9, "opened", "mail", "no bar", "failed", 7, None)]  # no time is stored of giving up
        for values in rows:
            connection.exec_driver_sql(f"INSERT INTO deliveries ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
    then, now = (alerts.read_alerts(Reader(stores[0], past=replace(past, knows_now=known)), past.wall, past=1) for known in (False, True))
    assert (then.waiting, now.waiting) == (2, 0)
    assert (len(then.targets), len(now.targets)) == (0, 1), "attempts of later"


def flatten(value: Any) -> Iterator[Any]:
    """The values of a result in order, NaN and None as None, arrays and frames with their shapes."""
    if isinstance(value, pd.DataFrame):
        yield tuple(value.columns)
        yield len(value)
        yield from (part for column in value.columns for part in flatten(value[column].tolist()))
    elif isinstance(value, np.ndarray):
        yield value.shape
        yield from flatten(value.tolist())
    elif is_dataclass(value):
        yield from (part for field in fields(value) for part in flatten(getattr(value, field.name)))
    elif isinstance(value, dict):
        yield from (part for key in value for part in (key, *flatten(value[key])))
    elif isinstance(value, list | tuple | set | frozenset):
        yield len(value)
        yield from (part for item in value for part in flatten(item))
    else:
        is_unknown = value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))
        yield None if is_unknown else value


def test_a_tick_is_looked_up_by_number_and_by_time(stores: tuple[str, dict[int, str]]) -> None:
    reader = Reader(stores[0])
    assert read_tick_range(reader) == (0, TICKS - 1)
    past = find_past_tick(reader, 93)
    assert past is not None
    assert find_tick_by_time(reader, past.at) == 93
    assert find_tick_by_time(reader, past.at - 1) == 92
    assert find_tick_by_time(reader, 0) is None
    assert portfolio.read_equity(Reader(stores[0], past=past), ticks=9)["tick"].tolist() == list(range(85, 94))
    newest, oldest = find_past_tick(reader, 10**9), find_past_tick(reader, -5)
    assert newest is not None
    assert oldest is not None
    assert (newest.tick, oldest.tick) == (TICKS - 1, 0)


def test_a_bound_costs_no_scan(stores: tuple[str, dict[int, str]]) -> None:
    """Whatever comes after the past tick is skipped by an index."""
    past = find_past_tick(Reader(stores[0]), 93)
    reader = Reader(stores[0], past=past)
    for sql in (
        "SELECT max(tick) FROM ticks", "SELECT * FROM ticks ORDER BY tick DESC LIMIT 1", "SELECT * FROM decisions ORDER BY tick DESC LIMIT 9",
        "SELECT * FROM decisions WHERE binding_gate = 'x' ORDER BY tick DESC LIMIT 9", "SELECT * FROM fills ORDER BY id DESC LIMIT 9",
        "SELECT * FROM fills WHERE symbol = 'BTC' AND tick > 3 ORDER BY tick DESC", "SELECT max(tick) FROM checkpoints",
    ):  # fmt: skip
        plan = " ".join(reader.frame(f"EXPLAIN QUERY PLAN {sql}")["detail"])
        assert "SCAN" not in plan, (sql, plan)
        assert "TEMP B-TREE" not in plan, (sql, plan)


def test_the_same_forecasts_are_scored_by_what_each_clock_knows(stores: tuple[str, dict[int, str]]) -> None:
    """Their R2 is that of its definition, over the very forecasts that then had no outcome yet too."""
    past = find_past_tick(Reader(stores[0]), 196)
    assert past is not None
    then, now = (same_forecasts.read_same_forecasts(Reader(stores[0], past=replace(past, knows_now=known))) for known in (False, True))
    frame = Reader(stores[0]).frame("SELECT tick, symbol, log_price, forecast, votes FROM decisions WHERE fresh = 1 ORDER BY tick, symbol")
    rows: list[dict[Any, Any]] = frame.to_dict("records")
    price = {(row["tick"], row["symbol"]): row["log_price"] for row in rows}
    for place, horizon in enumerate(HORIZONS):
        for scored, last in ((then[place], 196), (now[place], TICKS)):
            pairs = []
            for row in (row for row in rows if row["tick"] <= 196 and row["tick"] + horizon <= last):
                forecast, after = json.loads(row["forecast"]), price.get((row["tick"] + horizon, row["symbol"]))
                is_counted = any((of[place] or 0) > 0 for of in json.loads(row["votes"])["trust"]) and forecast["scale"][place]
                if after is not None and is_counted:
                    pairs.append((forecast["mean"][place], (after - row["log_price"]) / forecast["scale"][place]))
            stated, target = np.array(pairs).T
            assert scored.n == len(pairs)
            assert scored.r2 is None or scored.r2 == pytest.approx(1 - np.sum((target - stated) ** 2) / np.sum(target**2), rel=1e-9)
        assert then[place].n < now[place].n
    assert all(scored.r2 is not None for scored in now)
