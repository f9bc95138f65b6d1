"""A tick is saved whole or not at all, by the engine that holds the store."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest

from engine.domain.decision import Phase
from engine.domain.gates import GateResults
from engine.domain.trading_config import Event, TradingConfig
from engine.service.lease import Lease
from engine.store import schema
from engine.store.errors import LeaseLost, StoreError
from engine.store.read.history import TickHistory
from engine.store.write.writer import Writer
from tests.store import made
from tests.store.made_ticks import skill

TABLES = ("ticks", "decisions", "fills", "market_snapshots", "checkpoints", "skill", "trading_configs")


def ask(url: str, query: str, *values: object) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    rows = connection.execute(query, values).fetchall()
    connection.close()
    return rows


def allow(writer: Writer, *, pages: int) -> None:
    """SQLite then says that the disk is full."""
    writer._store.pragma(f"PRAGMA max_page_count = {pages}")


def count(url: str) -> dict[str, int]:
    return {table: int(str(ask(url, f"SELECT count(*) FROM {table}")[0][0])) for table in TABLES}


def test_a_tick_is_saved_with_all_that_belongs_to_it(url: str, writer: Writer) -> None:
    market = made.Market()
    made.begin(writer, market)
    ticks = list(market.ticks(20))
    for tick in ticks:
        writer.save(tick)
    fills = sum(len(tick.fills) for tick in ticks)
    assert count(url) == {
        "ticks": 20,
        "decisions": 80,
        "fills": fills,
        "market_snapshots": 20,
        "checkpoints": 1,
        "skill": len(ticks[19].skill),
        "trading_configs": 1,
    }
    assert fills > 0


def test_every_figure_of_a_decision_is_in_its_row(url: str, writer: Writer) -> None:
    market = made.Market()
    made.begin(writer, market)
    for tick in market.ticks(15):
        writer.save(tick)
    columns = [column.name for column in schema.DECISIONS.columns]
    rows = [dict(zip(columns, row, strict=True)) for row in ask(url, "SELECT * FROM decisions WHERE tick = 14")]
    outcome, account = tick.outcome, tick.inputs.account
    for index, row in enumerate(rows):
        assert row["symbol"] == made.SYMBOLS[index]
        assert row["action"] == ("hold", "buy", "sell")[outcome.decisions.action[index]]
        rung = outcome.decisions.binding_gate[index]
        assert row["binding_gate"] == (outcome.decisions.gates[rung].name if rung >= 0 else None)
        for name, value in (
            ("target", outcome.decisions.target), ("position", outcome.sizes.current), ("edge_bps", outcome.sizes.edge_bps),
            ("sigma_bps", outcome.market_state.sigma * 1e4), ("price", outcome.liquidity.mid),
            ("units", account.positions), ("edge_to_flip_bps", outcome.decisions.edge_to_flip_bps),
        ):  # fmt: skip
            assert row[name] == value[index]
        gates = orjson.loads(str(row["gates"]))
        np.testing.assert_allclose(gates["value"], [gate.value[index] for gate in outcome.decisions.gates], rtol=1e-6)
        assert gates["passed"] == [int(gate.passed[index]) for gate in outcome.decisions.gates]
        votes = orjson.loads(str(row["votes"]))
        np.testing.assert_allclose(np.array(votes["mean"], dtype=float), outcome.predictions.mean[:, :, index], rtol=1e-6)
        forecast = orjson.loads(str(row["forecast"]))
        np.testing.assert_allclose(forecast["high"], outcome.forecast.high[:, index], rtol=1e-6)
        np.testing.assert_allclose(orjson.loads(str(row["limits"])), outcome.sizes.steps[:, index], rtol=1e-6)


def test_a_figure_that_is_missing_is_null_and_never_a_number(url: str, writer: Writer) -> None:
    market = made.Market()
    made.begin(writer, market)
    tick = next(market.ticks(1))
    missing = np.array([np.nan, np.inf, -np.inf, 1.0])
    liquidity = replace(tick.outcome.liquidity, mid=missing, depth=missing)
    gates = tick.outcome.decisions.gates
    gates = replace(gates, value=np.concatenate((missing[None], gates.value[1:])))
    outcome = replace(tick.outcome, liquidity=liquidity, decisions=replace(tick.outcome.decisions, gates=gates))
    writer.save(replace(tick, outcome=outcome))
    rows = ask(url, "SELECT price, log_price, json_extract(micro, '$.depth'), json_extract(gates, '$.value[0]') FROM decisions ORDER BY rowid")
    assert rows == [(None, None, None, None)] * 3 + [(1.0, 0.0, 1.0, 1.0)]


def test_a_tick_that_cannot_be_saved_leaves_nothing_and_may_be_saved_again(url: str, writer: Writer) -> None:
    market = made.Market()
    made.begin(writer, market)
    writer.save(market.tick())
    before = count(url)
    tick = market.tick()
    doubled = skill(1) + skill(1)  # the last thing written breaks a key
    with pytest.raises(StoreError):
        writer.save(replace(tick, skill=doubled, checkpoint=True))
    assert count(url) == before
    writer.save(tick)
    assert count(url)["ticks"] == 2


def test_a_full_disk_is_told_in_one_line_and_leaves_nothing_half_written(url: str, writer: Writer) -> None:
    market = made.Market()
    made.begin(writer, market)
    saved = 0
    allow(writer, pages=140)
    tick = market.tick()
    with pytest.raises(StoreError, match="the disk is full: free space or lower PODIUM_RETENTION") as caught:  # noqa: PT012 - until it is
        while saved < 100:
            writer.save(tick)
            saved, tick = saved + 1, market.tick()
    assert "\n" not in str(caught.value)
    assert saved > 0
    assert count(url)["ticks"] == saved
    assert count(url)["decisions"] == saved * 4
    allow(writer, pages=10**6)
    writer.save(tick)
    assert count(url)["ticks"] == saved + 1


FAILING = """
import resource, signal
from engine.store.errors import StoreError
from engine.store.write.writer import Writer
from tests.store import made

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
free = resource.RLIM_INFINITY
writer, market = Writer({url!r}), made.Market(made.names(10))
made.begin(writer, market)
for tick in market.ticks(10):
    writer.save(tick)
for extra in (0, 5_000, 30_000):
    tick = market.tick()
    resource.setrlimit(resource.RLIMIT_FSIZE, (writer._store.path.with_name("podium.db-wal").stat().st_size + extra, free))
    try:
        writer.save(tick)
    except StoreError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, free))
    writer.save(tick)
"""


def test_a_disk_that_fails_in_the_middle_of_a_commit_leaves_nothing_half_written(url: str) -> None:
    script = FAILING.format(url=url)
    process = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False, timeout=600)
    assert process.stderr == ""
    assert [line.partition("podium.db ")[2] for line in process.stdout.splitlines()] == [
        "cannot be read or written (disk I/O error): look at the disk and its free space"
    ] * 3
    assert ask(url, "SELECT tick, count(*) FROM decisions GROUP BY tick") == [(tick, 10) for tick in range(13)]
    assert ask(url, "PRAGMA integrity_check") == [("ok",)]


def test_a_store_that_is_locked_is_told_in_one_line_and_the_tick_may_be_saved_later(url: str, writer: Writer) -> None:
    market = made.Market()
    made.begin(writer, market)
    tick = market.tick()
    writer.save(tick)
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    tick = market.tick()
    with pytest.raises(StoreError, match="is locked by another process"):
        writer.save(tick)
    other.execute("ROLLBACK")
    other.close()
    writer.save(tick)
    assert count(url)["ticks"] == 2


def test_a_tick_out_of_order_is_refused_and_the_same_tick_again_is_not_doubled(url: str, writer: Writer) -> None:
    market = made.Market()
    made.begin(writer, market)
    first, _, third = market.ticks(3)
    writer.save(first)
    with pytest.raises(StoreError, match="tick 2 does not follow tick 0"):
        writer.save(third)
    writer.save(first)
    assert count(url)["ticks"] == 1
    with pytest.raises(StoreError, match="tick 0 does not follow tick 0"):
        writer.save(replace(first, decisions_digest="another"))


def test_only_the_holder_of_the_lease_writes(url: str, writer: Writer) -> None:
    market = made.Market()
    made.begin(writer, market)
    lease = Lease(url)
    assert lease.acquire(made.WALL, 0.0)
    with pytest.raises(LeaseLost, match="another engine holds the store"):
        writer.save(market.tick())
    with pytest.raises(LeaseLost):
        writer.set_component("engine", "ok", None, made.WALL)
    assert count(url)["ticks"] == 0
    mine = Writer(url, lease.holder_id)
    mine.save(made.Market(session=market.session).tick())
    assert count(url)["ticks"] == 1
    mine.close()
    lease.close()


def test_the_same_identity_goes_on_with_its_session_and_another_begins_one(url: str, writer: Writer) -> None:
    def begin(identity: str, settings: str) -> int:
        return writer.begin_session(identity, made.info(), made.MODELS, made.HORIZONS, f'{{"seed": {settings}}}', {"cpu": settings}, made.WALL)

    assert begin("a", "1") == 1
    for tick in made.Market().ticks(3):
        writer.save(tick)
    assert begin("a", "2") == 1
    assert writer.last_tick() == 2
    assert begin("b", "3") == 2
    for tick in made.Market(session=2, first_tick=3).ticks(2):
        writer.save(tick)
    assert begin("a", "4") == 3
    history = TickHistory(url)
    assert (history.tick_range(1), history.tick_range(2), history.tick_range(3)) == ((0, 2), (3, 4), None)
    assert [history.fingerprint(tick)["cpu"] for tick in (0, 2, 3, 4)] == ["1", "1", "3", "3"]


def test_a_session_knows_its_ladder_from_its_first_sound_tick(url: str, writer: Writer) -> None:
    market = made.Market()
    made.begin(writer, market)
    lost = market.tick(degraded=(Phase.DECISION,))
    gates = lost.outcome.decisions.gates
    names = tuple(f"other {name}" for name in gates.names[:2])
    other = GateResults(names, gates.senses[:2], gates.units[:2], gates.value[:2], gates.limit[:2], gates.passed[:2])
    writer.save(
        replace(lost, outcome=replace(lost.outcome, decisions=replace(lost.outcome.decisions, gates=other, binding_gate=np.zeros(4, dtype=np.int64))))
    )
    writer.save(market.tick())
    stored_gates = [str(row[0]) for row in ask(url, "SELECT DISTINCT gate FROM v_gates WHERE tick = 0 ORDER BY rung")]
    assert stored_gates == ["other fresh data", "other not paused"]
    assert [row[0] for row in ask(url, "SELECT gate FROM v_gates WHERE tick = 1 AND symbol = 'BTC' ORDER BY rung")][:2] == [
        "fresh data",
        "not paused",
    ]


def test_events_and_knobs_come_back_as_they_were(url: str, writer: Writer) -> None:
    market = made.Market()
    made.begin(writer, market)
    events = (Event("command", "set", "signal=0.1"), Event("gap", "", "13"))
    tick = market.tick(events=events, knobs=TradingConfig(horizons=made.HORIZONS, fee_bps=0.1 + 0.2))
    writer.save(tick)
    stored = TickHistory(url).tick(0)
    assert stored.events == tick.inputs.events
    assert stored.config.digest() == tick.inputs.config.digest()


def test_the_version_moves_with_every_write(url: str, writer: Writer) -> None:
    market = made.Market()
    made.begin(writer, market)

    def version() -> object:
        return ask(url, "SELECT value FROM meta WHERE key = 'version'")[0][0]

    seen = [version()]
    writer.save(market.tick())
    seen.append(version())
    writer.set_component("engine", "ok", None, 1)
    seen.append(version())
    writer.save_readings(made.readings(1))
    seen.append(version())
    assert len(set(seen)) == 4
