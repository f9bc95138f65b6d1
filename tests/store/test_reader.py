"""The reader gives what the writer kept, and says in one line why it cannot."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from engine.domain.intents import INTENTS
from engine.domain.live import STREAMS, StreamStatus
from engine.store import views
from engine.store.database import path_from_url
from engine.store.read import decision, decisions, live_ticks, portfolio, resources, status
from engine.store.read.decisions import DecisionFilter
from engine.store.read.reader import Reader, StoreUnreadable
from engine.store.write.writer import Writer
from tests.pages.stores import lock
from tests.store.made import SYMBOLS, WALL, filled

TICKS = 160
SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = filled(tmp_path_factory.mktemp("reader"), ticks=TICKS)
    writer = Writer(url)
    writer.save_streams([StreamStatus(SYMBOLS[0], stream, "ok", None, 1_200, 9.5, 1, 0, 2, 0, 1, 6.4, 20.3, None, None) for stream in STREAMS])
    writer.close()
    with (
        closing(sqlite3.connect(path_from_url(url))) as store,
        store,
    ):  # no engine made its ticks, so no intent came into force
        store.execute(
            "INSERT INTO bots (id, session, name, sender, state, added_at, last_at, intents, late, refused, pairs, verdict) "
            "SELECT 1 + value, 1, 'bot' || value, 'token:bots', 'active', 1, 1, 1, 0, 0, 0, 'running' FROM json_each('[1, 2]')"
        )
        store.execute(
            "INSERT INTO bot_intents (bot, symbol, target, bar, sent_for, at, sender, request_key) "
            "SELECT id, 'BTC', 0.1, 1, 1, 1, sender, name FROM bots"
        )
    return url


@pytest.fixture(scope="module")
def reader(url: str) -> Reader:
    return Reader(url)


@pytest.mark.parametrize("name", views.list_views())
def test_every_view_can_be_read_and_limited(name: str, reader: Reader) -> None:
    whole = reader.view(name)
    assert len(whole) > 0
    newest = reader.view(name, limit=1)
    assert len(newest) == 1
    assert list(newest.columns) == list(whole.columns)


def test_a_view_gives_the_newest_rows_oldest_first(reader: Reader) -> None:
    frame = reader.view("v_decisions", symbol=SYMBOLS[0], limit=5)
    assert frame["tick"].tolist() == list(range(TICKS - 5, TICKS))
    assert set(frame["symbol"]) == {SYMBOLS[0]}


@pytest.mark.parametrize("name", ["v_gates", "v_votes", "v_spans", "v_regimes", "v_decisions", "v_fills", "v_positions"])
@pytest.mark.parametrize("limit", [7, 100, 1_000_000])
def test_a_limited_view_is_the_end_of_the_whole_one(name: str, limit: int, reader: Reader) -> None:
    whole = reader.view(name)
    assert reader.view(name, limit=limit).to_csv() == whole.iloc[-limit:].reset_index(drop=True).to_csv()


def test_since_leaves_out_what_was_before(reader: Reader) -> None:
    at = reader.view("v_equity")["at"].tolist()
    assert reader.view("v_equity", since=at[100])["at"].tolist() == at[100:]
    assert reader.view("v_spans", since=at[150])["tick"].min() == 150
    assert reader.view("v_equity", since=at[-1] + 1).empty


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("v_nothing", {}, "there is no view"),
        ("v_skill", {"symbol": "BTC"}, "has no symbols"),
        ("v_skill", {"since": 1}, "has no time"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(name: str, arguments: dict[str, object], words: str, reader: Reader) -> None:
    with pytest.raises(ValueError, match=words):
        reader.view(name, **arguments)  # type: ignore[arg-type]


def test_a_missing_store_is_told_apart_from_a_damaged_and_a_locked_one(url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreUnreadable) as missing:
        status.read_status(Reader(f"sqlite:///{tmp_path / 'none.db'}"))
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"not a store at all" * 1000)
    with pytest.raises(StoreUnreadable) as corrupt:
        status.read_status(Reader(f"sqlite:///{damaged}"))
    held = tmp_path / "held.db"
    held.write_bytes(Path(url.removeprefix("sqlite:///")).read_bytes())
    with closing(lock(held)), pytest.raises(StoreUnreadable) as locked:
        status.read_status(Reader(f"sqlite:///{held}", busy_ms=10))
    assert [error.value.kind for error in (missing, corrupt, locked)] == ["missing", "corrupt", "locked"]
    assert not any("\n" in str(error.value) for error in (missing, corrupt, locked))


def test_a_reader_writes_nothing(reader: Reader) -> None:
    with pytest.raises(StoreUnreadable):
        reader.frame("UPDATE meta SET value = 'changed'")


def test_the_version_changes_with_a_command(url: str, tmp_path: Path) -> None:
    copy = tmp_path / "podium.db"
    copy.write_bytes(Path(url.removeprefix("sqlite:///")).read_bytes())
    copied = Reader(f"sqlite:///{copy}")
    before = status.read_version(copied)
    assert status.read_version(copied) == before
    with closing(sqlite3.connect(copy)) as store, store:
        store.execute("INSERT INTO commands (at, name, args, \"by\", reason, status) VALUES (1, 'pause', '{}', 'me', 'why', 'queued')")
    assert status.read_version(copied) != before


def test_the_status_tells_session_and_newest_tick(reader: Reader) -> None:
    state = status.read_status(reader)
    assert state.session is not None
    assert state.last is not None
    assert state.session.symbols == SYMBOLS
    assert state.session.simulated
    assert len(state.session.gates) > 10
    assert state.last.tick == TICKS - 1
    assert state.alerts == 1


def test_the_newest_decisions_come_first_and_filters_hold(reader: Reader) -> None:
    every, floor = decisions.read_latest_decisions(reader, DecisionFilter(), limit=10)
    assert floor is None
    assert every["tick"].iloc[0] == TICKS - 1
    assert every["tick"].is_monotonic_decreasing
    bought, _ = decisions.read_latest_decisions(reader, DecisionFilter(action="buy"), limit=1000)
    stored = reader.view("v_decisions")
    assert len(bought) == (stored["action"] == "buy").sum()
    free, _ = decisions.read_latest_decisions(reader, DecisionFilter(gate="none"), limit=1000)
    assert len(free) == stored["binding_gate"].isna().sum()
    broken, _ = decisions.read_latest_decisions(reader, DecisionFilter(degraded=True), limit=1000)
    assert set(broken["tick"]) == set(stored[stored["degraded"] > 0]["tick"])


def test_filters_meet(reader: Reader) -> None:
    stored = reader.view("v_decisions")
    gate = stored["binding_gate"].dropna().iloc[0]
    frame, _ = decisions.read_latest_decisions(reader, DecisionFilter(symbol=SYMBOLS[1], gate=gate), limit=1000)
    assert len(frame) == ((stored["symbol"] == SYMBOLS[1]) & (stored["binding_gate"] == gate)).sum()


def test_shares_of_gates_count_every_decision_once(reader: Reader) -> None:
    counts = decisions.count_binding_gates(reader, WALL + TICKS * 2 * SECOND)
    stored = reader.view("v_decisions")
    live = stored[stored["tick"] >= 20]  # those before were decided in the warm-up
    assert (counts.is_truncated, counts.is_warmup, counts.total) == (False, False, (TICKS - 20) * len(SYMBOLS))
    assert {gate: n for gate, n in counts.gates if n} == live["binding_gate"].value_counts().to_dict()
    assert dict(counts.intents) == live[live["action"] != "hold"]["intent"].value_counts().to_dict()
    assert counts.unbound == (live["binding_gate"].isna() & (live["action"] == "hold")).sum()
    assert decisions.count_binding_gates(reader, WALL + 48 * 3600 * SECOND).total == 0


def test_what_bound_in_the_warm_up_is_told_as_such_while_nothing_is_live(tmp_path: Path) -> None:
    reader = Reader(filled(tmp_path, ticks=12))
    counts = decisions.count_binding_gates(reader, WALL + 60 * SECOND)
    assert (counts.is_warmup, counts.total) == (True, 12 * len(SYMBOLS))
    assert decisions.read_session_ticks(reader) == live_ticks.TickCounts(0, 12)


def test_decisions_are_found_by_their_intent_and_tell_it_with_the_reason(reader: Reader) -> None:
    stored = reader.view("v_decisions")
    for intent in INTENTS:
        matching, _ = decisions.read_latest_decisions(reader, DecisionFilter(intent=intent), limit=1000)
        assert len(matching) == (stored["intent"] == intent).sum()
        assert set(matching["intent"]) <= {intent}
        assert all(matching["reason"].tolist())


def test_equity_is_sampled_evenly_and_keeps_the_newest(reader: Reader) -> None:
    assert portfolio.read_equity(reader)["tick"].tolist() == list(range(TICKS))
    few = portfolio.read_equity(reader, points=20)["tick"].tolist()
    assert len(few) <= 20
    assert few[-1] == TICKS - 1
    gaps = [later - earlier for earlier, later in pairwise(few)]
    assert set(gaps[:-1]) == {9}
    assert gaps[-1] <= 9


def test_a_decision_is_told_with_all_it_came_from(reader: Reader) -> None:
    details = decision.read_decision(reader, 20, SYMBOLS[0])
    assert details is not None
    row = reader.view("v_decisions").query("tick == 20 and symbol == @SYMBOLS[0]").iloc[0]
    assert details.action == row["action"]
    gates = reader.view("v_gates").query("tick == 20 and symbol == @SYMBOLS[0]")
    assert [rung.name for rung in details.gates] == gates["gate"].tolist()
    assert [rung.passed for rung in details.gates] == [bool(passed) for passed in gates["passed"]]
    assert len(details.spans) == 10
    assert len(details.votes) == len(details.session.models) * len(details.session.horizons)
    assert details.limits[0][0] == "wanted"
    assert decision.read_decision(reader, 20, "NOBODY") is None


def test_what_came_of_it_agrees_with_the_view(reader: Reader) -> None:
    stored = reader.view("v_decisions", symbol=SYMBOLS[0])
    for tick in (10, 40, 90):
        details = decision.read_decision(reader, tick, SYMBOLS[0])
        assert details is not None
        outcome = next(candidate for candidate in details.outcomes if candidate.horizon == details.horizon)
        expected = stored[stored["tick"] == tick]["outcome_bps"].iloc[0]
        assert outcome.bps == pytest.approx(expected, nan_ok=True) or (outcome.bps is None and expected != expected)  # noqa: PLR0124


def test_the_newest_decision_is_not_due_yet(reader: Reader) -> None:
    details = decision.read_decision(reader, TICKS - 1, SYMBOLS[0])
    assert details is not None
    assert [outcome.reason for outcome in details.outcomes] == ["not due yet"] * len(details.session.horizons)


def test_margins_are_positive_on_the_right_side_of_a_limit() -> None:
    rung = decision.GateResult
    assert rung("spread", "<=", "bps", 2.0, 5.0, True).margin == 3.0
    assert rung("edge", ">=", "bps", 2.0, 5.0, False).margin == -3.0
    assert rung("edge", ">=", "bps", None, 5.0, False).margin is None


def test_readings_come_in_steps_with_their_band(reader: Reader) -> None:
    until = WALL + TICKS * 2 * SECOND
    wanted = (("host", "cpu_percent"), ("process", "rss_bytes"))
    fine = resources.read_series(reader, wanted, until - 900 * SECOND, until)
    assert set(zip(fine["source"], fine["name"], strict=True)) == set(wanted)
    assert (fine["low"] <= fine["mean"] + 1e-9).all()
    assert (fine["mean"] <= fine["high"] + 1e-9).all()
    coarse = resources.read_series(reader, wanted, until - 6 * 3600 * SECOND, until)
    assert 0 < len(coarse) < len(fine)


def test_what_happened_over_a_span_is_told_in_few_marks_by_the_wall_clock(reader: Reader) -> None:
    until = WALL + TICKS * 2 * SECOND + 3_600 * SECOND
    frame = resources.read_events(reader, WALL, until)
    assert set(frame["kind"]) >= {"acted", "optimized", "incident"}
    assert frame["at"].between(WALL, until).all()
    assert frame["at"].is_monotonic_increasing
    acted = frame[frame["kind"] == "acted"]
    assert len(acted) <= resources.SEARCH_BUCKETS
    ticks = {f"bought or sold at tick {tick:,}" for tick in reader.frame("SELECT tick FROM decisions WHERE action <> 'hold'")["tick"]}
    assert set(acted["detail"]) <= ticks
    assert len(acted) >= min(len(ticks), resources.SEARCH_BUCKETS) / 3
    assert resources.read_events(reader, until, until + SECOND).empty


def test_queries_of_pages_use_an_index(reader: Reader) -> None:
    plans = {
        "newest decisions": "SELECT d.tick FROM decisions d CROSS JOIN ticks t ON t.tick = d.tick ORDER BY d.tick DESC, d.symbol LIMIT 100",
        "of a symbol": "SELECT d.tick FROM decisions d WHERE d.symbol = 'BTC' ORDER BY d.tick DESC LIMIT 100",
        "of a gate": "SELECT count(*) FROM decisions WHERE binding_gate = 'spread' AND tick >= 5",
        "of a day": "SELECT tick FROM ticks WHERE wall >= 5 ORDER BY wall LIMIT 1",
        "degraded": "SELECT count(*) FROM ticks WHERE degraded <> '[]' AND tick >= 5",
    }
    for name, sql in plans.items():
        plan = " ".join(reader.frame(f"EXPLAIN QUERY PLAN {sql}")["detail"])
        assert "INDEX" in plan or "PRIMARY KEY" in plan, (name, plan)


def test_a_snapshot_is_of_one_moment_whatever_is_written_meanwhile(tmp_path: Path) -> None:
    reader = Reader(filled(tmp_path, ticks=3))
    with reader.snapshot():
        before = reader.once(status.read_status)
        with closing(sqlite3.connect(tmp_path / "podium.db")) as made, made:
            made.execute("DELETE FROM decisions WHERE tick = 2")
            made.execute("DELETE FROM ticks WHERE tick = 2")
        with reader.snapshot():  # of a part inside a part
            newest, _ = decisions.read_latest_decisions(reader, DecisionFilter(), limit=1)
        assert int(newest["tick"].iloc[0]) == before.last.tick == 2
        assert reader.once(status.read_status) is before
        reader.refresh()
        assert reader.once(status.read_status).last.tick == 1
        newest, _ = decisions.read_latest_decisions(reader, DecisionFilter(), limit=1)
        assert int(newest["tick"].iloc[0]) == 1
    assert reader.once(status.read_status).last.tick == 1


def test_a_snapshot_of_a_store_that_is_not_there_says_so_at_the_first_query(tmp_path: Path) -> None:
    reader = Reader(f"sqlite:///{tmp_path / 'podium.db'}")
    with reader.snapshot(), pytest.raises(StoreUnreadable, match="there is no store"):
        status.read_status(reader)
