"""The views tell what was decided, and null where nothing is known."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection

from engine.domain.decision import Fill, Phase
from engine.domain.tick import Tick
from engine.store import database
from engine.store.write.writer import Writer
from tests.store import made


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Tick]]:
    """Forty ticks, a model, and a fill that nothing filled."""
    url = made.empty(tmp_path_factory.mktemp("views"))
    writer = Writer(url)
    market = made.Market()
    made.begin(writer, market)
    writer.save_artifact(made.artifact("ridge", 0), 1, made.WALL)
    ticks = [market.tick(degraded=(Phase.ENSEMBLE,) if number == 9 else ()) for number in range(40)]
    ticks[20] = replace(ticks[20], fills=(Fill(1, 0.0, -3.0, math.nan, math.nan, 0.0, 0.0, 0.0, 0.0), *ticks[20].fills))
    for tick in ticks:
        writer.save(tick)
    writer.close()
    return url, ticks


@pytest.fixture
def ticks(store: tuple[str, list[Tick]]) -> list[Tick]:
    return store[1]


@pytest.fixture
def read(store: tuple[str, list[Tick]]) -> Iterator[Connection]:
    with database.connect(store[0], read_only=True).connect() as connection:
        yield connection


def test_the_outcome_is_the_return_over_the_horizon_where_both_bars_were_there(read: Connection, ticks: list[Tick]) -> None:
    rows = read.exec_driver_sql("SELECT tick, symbol, outcome_bps FROM v_decisions ORDER BY tick, symbol").fetchall()
    known = 0
    for number, symbol, outcome in rows:
        index = ticks[number].inputs.symbols.index(symbol)
        later = number + 1  # the first horizon
        if later >= 40 or not (ticks[number].inputs.fresh[index] and ticks[later].inputs.fresh[index]):
            assert outcome is None
            continue
        known += 1
        expected = math.log(ticks[later].outcome.liquidity.mid[index] / ticks[number].outcome.liquidity.mid[index]) * 1e4
        assert outcome == pytest.approx(expected, abs=1e-7)
    assert 100 < known <= 156


def test_the_ladder_is_told_rung_by_rung_and_its_first_failure_is_the_binding_gate(read: Connection, ticks: list[Tick]) -> None:
    gates = ticks[7].outcome.decisions.gates
    rows = read.exec_driver_sql("SELECT rung, gate, value, threshold, passed FROM v_gates WHERE tick = 7 AND symbol = 'ETH' ORDER BY rung").fetchall()
    assert [row[:2] for row in rows] == [(rung + 1, gate.name) for rung, gate in enumerate(gates)]
    assert [row[2:] for row in rows] == [(pytest.approx(gate.value[1], rel=1e-6), gate.limit[1], int(gate.passed[1])) for gate in gates]
    bound = read.exec_driver_sql("SELECT symbol, binding_gate FROM v_decisions WHERE binding_gate IS NOT NULL AND tick = 7").fetchall()
    for symbol, gate in bound:
        first = read.exec_driver_sql(
            "SELECT gate FROM v_gates WHERE tick = 7 AND symbol = ? AND passed = 0 ORDER BY rung LIMIT 1", (symbol,)
        ).scalar()
        assert first == gate


def test_every_model_votes_on_every_horizon_and_the_silent_say_null(read: Connection, ticks: list[Tick]) -> None:
    opinions, weights = ticks[7].outcome.predictions, ticks[7].outcome.forecast.weights
    rows = read.exec_driver_sql("SELECT model, horizon, version, mean, trust, weight FROM v_votes WHERE tick = 7 AND symbol = 'SOL'").fetchall()
    assert len(rows) == len(made.MODELS) * len(made.HORIZONS)
    for model, horizon, version, mean, trust, weight in rows:
        m, h = made.MODELS.index(model), made.HORIZONS.index(horizon)
        silent = m == len(made.MODELS) - 1
        assert mean is None if silent else mean == pytest.approx(opinions.mean[m, h, 2], rel=1e-6)
        assert trust == pytest.approx(opinions.reliability[m, h, 2], rel=1e-6)
        assert weight == pytest.approx(weights[m, h])
        assert version == ("ridge-0" if model == "ridge" else None)


def test_spans_name_the_phase_that_fell_back_and_why(read: Connection, ticks: list[Tick]) -> None:
    rows = read.exec_driver_sql("SELECT phase, fallback, error FROM v_spans WHERE tick = 9").fetchall()
    assert [row[0] for row in rows] == [phase.value for phase in Phase]
    assert [tuple(row) for row in rows if row[1]] == [("ensemble", 1, "ValueError: made to fail")]
    assert read.exec_driver_sql("SELECT DISTINCT degraded FROM v_decisions WHERE tick = 9").fetchall() == [(1,)]


def test_fills_name_their_costs_and_what_was_not_filled_is_no_fill(read: Connection, ticks: list[Tick]) -> None:
    made_fills = [(tick.inputs.tick, fill) for tick in ticks for fill in tick.fills if fill.units]
    rows = read.exec_driver_sql("SELECT tick, symbol, side, size, price, cost_bps FROM v_fills ORDER BY tick").fetchall()
    assert len(rows) == len(made_fills) > 0
    for row, (tick, fill) in zip(rows, made_fills, strict=True):
        cost = fill.fee_bps + fill.spread_bps + fill.impact_bps
        expected = (tick, made.SYMBOLS[fill.symbol], "buy" if fill.units > 0 else "sell", abs(fill.units))
        assert tuple(row[:4]) == expected
        assert row[5] == cost
    assert read.exec_driver_sql("SELECT side, size, unfilled, price, cost_bps FROM fills WHERE size = 0").fetchall() == [
        ("sell", 0.0, 3.0, None, None)
    ]


def test_positions_are_those_that_are_held(read: Connection, ticks: list[Tick]) -> None:
    account = ticks[30].inputs.account
    rows = {str(row[0]): row[1] for row in read.exec_driver_sql("SELECT symbol, size FROM v_positions WHERE tick = 30")}
    assert rows == {symbol: units for symbol, units in zip(made.SYMBOLS, account.positions.tolist(), strict=True) if units}


def test_equity_and_drawdown_are_those_of_the_account(read: Connection, ticks: list[Tick]) -> None:
    for number, equity, benchmark, drawdown in read.exec_driver_sql("SELECT tick, equity, benchmark, drawdown FROM v_equity"):
        account = ticks[number].inputs.account
        assert (equity, benchmark, drawdown) == (account.equity, account.benchmark_equity, 1.0 - account.equity / account.peak_equity)


def test_the_probabilities_of_the_regimes_add_up(read: Connection) -> None:
    rows = read.exec_driver_sql("SELECT symbol, sum(probability), count(*) FROM v_regimes WHERE tick = 3 GROUP BY symbol").fetchall()
    assert [(total, count) for _, total, count in rows] == [(pytest.approx(1.0, abs=1e-6), 4)] * 4


def test_a_model_waits_serves_and_retires(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    writer = Writer(url)
    market = made.Market()
    made.begin(writer, market)

    def roles() -> dict[str, str]:
        with database.connect(url, read_only=True).connect() as connection:
            return {str(row[0]): str(row[1]) for row in connection.exec_driver_sql("SELECT version, role FROM v_models")}

    writer.save_artifact(made.artifact("ridge", 0, serves_from=2), 1, made.WALL)
    for tick in market.ticks(2):
        writer.save(tick)
    assert roles() == {"ridge-0": "challenger"}
    for tick in market.ticks(2):
        writer.save(tick)
    writer.save_artifact(made.artifact("ridge", 2, serves_from=5), 1, made.WALL)
    assert roles() == {"ridge-0": "champion", "ridge-2": "challenger"}
    for tick in market.ticks(2):
        writer.save(replace(tick, serving=(f"{2:032x}", *tick.serving[1:])))
    assert roles() == {"ridge-0": "retired", "ridge-2": "champion"}
    writer.begin_session("another", made.info(), made.MODELS, made.HORIZONS, "{}", {}, made.WALL)
    assert roles() == {"ridge-0": "retired", "ridge-2": "retired"}


def test_a_vote_names_the_version_that_served_then_though_its_bytes_came_again(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    writer = Writer(url)
    market = made.Market()
    made.begin(writer, market)
    writer.save_artifact(made.artifact("ridge", 0), 1, made.WALL)
    writer.save_artifact(replace(made.artifact("ridge", 0), version="ridge-3", serves_from=3), 1, made.WALL)
    for tick in market.ticks(5):
        writer.save(tick)
    with database.connect(url, read_only=True).connect() as connection:
        versions = connection.exec_driver_sql("SELECT DISTINCT tick, version FROM v_votes WHERE model = 'ridge' ORDER BY tick").fetchall()
    assert [version for _, version in versions] == ["ridge-0"] * 3 + ["ridge-3"] * 2


def test_actions_count_their_verdicts_without_placebos_and_runs_by_hand(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    writer = Writer(url)
    writer.sync_actions([made.action()], {"collect_garbage": "recommend"}, "auto")
    for verdict in ("helped", "helped", "no measurable effect", "harmed", "not enough data"):
        writer.save_trial(made.trial(verdict=verdict))
    writer.save_trial(replace(made.trial(verdict="helped"), placebo=True))
    for verdict in ("helped", "no measurable effect", "harmed"):
        writer.save_trial(made.by_hand(made.trial(verdict=verdict)))
    writer.sync_actions([made.action(), made.action("delete_temp")], dict.fromkeys(("collect_garbage", "delete_temp"), "ask"))
    with database.connect(url, read_only=True).connect() as connection:
        rows = connection.exec_driver_sql("SELECT action, mode, licence, trials, helped, no_effect, harmed FROM v_actions ORDER BY action").fetchall()
    assert [tuple(row) for row in rows] == [("collect_garbage", "ask", "auto", 5, 2, 1, 1), ("delete_temp", "ask", "recommend", 0, 0, 0, 0)]
    with database.connect(url, read_only=True).connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM v_trials WHERE mode = 'manual'").scalar() == 3


def test_a_component_keeps_its_last_error_and_since_when_it_is_as_it_is(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    writer = Writer(url)
    for at, state, error in ((1, "starting", None), (2, "ok", None), (3, "down", "no route"), (4, "ok", None), (5, "ok", None)):
        writer.set_component("feed", state, error, at)
    with database.connect(url, read_only=True).connect() as connection:
        assert [tuple(row) for row in connection.exec_driver_sql("SELECT * FROM v_components")] == [("feed", "ok", 4, "no route")]
        assert connection.exec_driver_sql("SELECT beat FROM components").scalar() == 5


def test_a_rule_has_at_most_one_open_alert(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    writer = Writer(url)
    writer.raise_alert("stale", "warning", "no bar for 20 s", 1)
    writer.raise_alert("stale", "critical", "no bar for 60 s", 2)
    writer.resolve_alert("stale", 3)
    writer.resolve_alert("stale", 4)
    writer.raise_alert("stale", "warning", "no bar for 20 s", 5)
    with database.connect(url, read_only=True).connect() as connection:
        rows = connection.exec_driver_sql("SELECT at, severity, state, message FROM v_alerts ORDER BY id").fetchall()
    assert [tuple(row) for row in rows] == [(1, "critical", "resolved", "no bar for 60 s"), (5, "warning", "open", "no bar for 20 s")]
