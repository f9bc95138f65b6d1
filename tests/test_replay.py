"""Replay over the store of a real engine: identical, across a restart and a retraining; tampering is named."""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.domain.market import Account, MarketSnapshot
from engine.domain.ports import Feed
from engine.domain.state import State
from engine.domain.tick import Tick, TrainingRow
from engine.evidence import linear
from engine.replay import replay_tick
from engine.run import FallbackFailed
from engine.service.engine import Engine
from engine.service.resume import resume_engine
from engine.settings import Settings
from engine.store import codec, database
from engine.store.errors import NotStored, StoreError
from engine.store.read.history import TickHistory
from engine.store.write.writer import Writer
from tests.makers import KNOBS, Inline, Played, StoppedClock, command, play, settings, simulated

TRAINED, SPLIT, END = 260, 330, 520  # trained at 259, stopped and resumed after 330, trained again at 409
ROOT = Path(__file__).parents[1]
KNOBS_HERE = replace(KNOBS, first_training=TRAINED, retrain_every=150)


@dataclass(frozen=True)
class Made:
    """A store, and what an engine that never stopped decided on the same feed."""

    url: str
    digests: list[str]
    whole: list[str]


def here(url: str) -> Settings:
    return settings(database_url=url, trading=KNOBS_HERE)


def opened(url: str, feed: Feed | None = None) -> tuple[Engine, Writer, TickHistory]:
    writer, history = Writer(url), TickHistory(url)
    engine, _ = resume_engine(here(url), feed or simulated(END, symbols=4), StoppedClock(), writer, history, training_pool=Inline())
    return engine, writer, history


def with_commands(engine: Engine, ticks: int | None) -> list[Tick]:
    """Plays on, with a pause and a training by hand on the way, at ticks that depend on the market only."""
    played: list[Tick] = []
    while ticks is None or len(played) < ticks:
        for at, name in ((300, "pause"), (306, "resume"), (450, "retrain")):
            if engine.tick == at:
                engine.handle_command(command(name))
        tick = engine.step()
        if tick is None:
            break
        played.append(tick)
    return played


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    url = f"sqlite:///{tmp_path_factory.mktemp('replay') / 'podium.db'}"
    database.prepare(url)
    digests: list[str] = []
    for ticks in (SPLIT, None):
        engine, writer, history = opened(url)
        digests += [tick.decisions_digest for tick in with_commands(engine, ticks)]
        history.close()
        writer.close()
    whole = Engine(here(url), simulated(END, symbols=4), StoppedClock(), training_pool=Inline())
    return Made(url, digests, [tick.decisions_digest for tick in with_commands(whole, None)])


@pytest.fixture
def history(made: Made) -> Iterator[TickHistory]:
    one = TickHistory(made.url)
    yield one
    one.close()


def test_a_run_in_two_pieces_is_a_run_in_one_piece(made: Made) -> None:
    assert len(made.digests) == END
    assert made.digests == made.whole


@pytest.mark.parametrize(
    "tick", [0, 1, 99, 100, 101, TRAINED - 1, TRAINED + 10, TRAINED + 11, TRAINED + 12, 303, SPLIT - 1, SPLIT, SPLIT + 1, 409, 421, 422, 463, END - 1]
)  # fmt: skip
def test_a_kept_tick_is_decided_again_bit_for_bit(made: Made, history: TickHistory, tick: int) -> None:
    verdict = replay_tick(history, tick)
    assert verdict.identical, verdict
    assert verdict.first_difference is None
    assert history.tick(tick).decisions_digest == made.digests[tick]


def test_the_ticks_above_lie_on_both_sides_of_adoptions_and_of_the_restart(made: Made, history: TickHistory) -> None:
    serving = [history.tick(tick).serving for tick in range(END)]
    changes = [tick for tick in range(1, END) if serving[tick] != serving[tick - 1]]
    assert changes == [TRAINED + 11, 421, 462]
    assert set(serving[TRAINED + 10]) == {None}
    assert [event.kind for event in history.tick(SPLIT).events] in ([], ["resumed"])
    assert [event.subject for event in history.tick(300).events] == ["pause"]


@pytest.fixture
def copied(made: Made, tmp_path: Path) -> str:
    """A store that may be tampered with."""
    database.connect(made.url).dispose()
    source = sqlite3.connect(str(database.path_from_url(made.url)))
    url = f"sqlite:///{tmp_path / 'podium.db'}"
    with closing(sqlite3.connect(tmp_path / "podium.db")) as target:
        source.backup(target)
    source.close()
    return url


def test_a_restart_says_when_the_store_keeps_fewer_ticks_than_models_learn_from(copied: str, caplog: pytest.LogCaptureFixture) -> None:
    for dropped in (0, 90):
        with closing(sqlite3.connect(str(database.path_from_url(copied)))) as connection, connection as store:
            store.execute("DELETE FROM market_snapshots WHERE tick < ?", (dropped,))
        for one in opened(copied)[1:]:
            one.close()
        assert (f"learn from {END - dropped} of {END} ticks" in caplog.text) == (dropped > 0)


def rewritten(url: str, table: str, column: str, tick: int, kind: type, change: Any) -> None:
    """A stored record read, changed and written back."""
    with closing(sqlite3.connect(str(database.path_from_url(url)))) as connection, connection as store:
        (data,) = store.execute(f"SELECT {column} FROM {table} WHERE tick = ?", (tick,)).fetchone()
        store.execute(f"UPDATE {table} SET {column} = ? WHERE tick = ?", (codec.pack(change(codec.unpack(kind, data))), tick))


def higher(bar: MarketSnapshot) -> MarketSnapshot:
    return replace(bar, close=bar.close * np.array([1.0, 1.0 + 1e-9, 1.0, 1.0]))


def wider(bar: MarketSnapshot) -> MarketSnapshot:
    return replace(bar, books=replace(bar.books, ask_price=bar.books.ask_price * (1.0 + 1e-9)))


def poorer(account: Account) -> Account:
    return replace(account, equity=account.equity * (1.0 - 1e-9), positions=account.positions + 1e-6)


def surer(state: State) -> State:
    return replace(state, weights=state.weights + 1e-9)


def braver(state: State) -> State:
    return replace(state, regime_probabilities=np.ascontiguousarray(state.regime_probabilities[:, ::-1]))


@pytest.mark.parametrize(
    ("table", "column", "at", "kind", "change", "names"),
    [
        ("market_snapshots", "data", 480, MarketSnapshot, higher, "market"),
        ("market_snapshots", "data", 470, MarketSnapshot, higher, "market"),
        ("market_snapshots", "data", 480, MarketSnapshot, wider, "market"),  # which looks at the book for whether it is still the one before
        ("ticks", "account", 480, Account, poorer, "microstructure"),
        ("checkpoints", "data", 400, State, surer, "ensemble"),
        ("checkpoints", "data", 400, State, braver, "market"),
    ],
)  # fmt: skip
def test_what_was_tampered_with_is_found_at_the_first_phase_that_differs(
    copied: str, table: str, column: str, at: int, kind: type, change: Any, names: str
) -> None:
    rewritten(copied, table, column, at, kind, change)
    history = TickHistory(copied)
    verdict = replay_tick(history, 402 if table == "checkpoints" else 480)
    assert (verdict.identical, verdict.first_difference) == (False, names)
    assert names in verdict.note
    assert replay_tick(history, 399).identical
    history.close()


def test_a_row_of_training_that_was_tampered_with_does_not_touch_decisions(copied: str) -> None:
    rewritten(copied, "market_snapshots", "training_row", 480, TrainingRow, lambda row: replace(row, price=row.price + 1.0))
    history = TickHistory(copied)
    assert replay_tick(history, 480).identical
    history.close()


def test_a_tick_of_an_earlier_version_is_reported_as_such_and_not_as_different(copied: str) -> None:
    with closing(sqlite3.connect(str(database.path_from_url(copied)))) as connection, connection as store:
        store.execute("UPDATE runs SET fingerprint = json_remove(fingerprint, '$.digests')")
    history = TickHistory(copied)
    with pytest.raises(NotStored, match="decided by an earlier version of Podium"):
        replay_tick(history, 450)
    history.close()


def test_an_artifact_that_was_tampered_with_is_refused(copied: str) -> None:
    with closing(sqlite3.connect(str(database.path_from_url(copied)))) as connection, connection as store:
        store.execute("UPDATE artifacts SET data = CAST(substr(data, 1, length(data) - 1) || x'07' AS BLOB) WHERE trained_to = 409")
    history = TickHistory(copied)
    with pytest.raises(ValueError, match="is corrupt"):
        replay_tick(history, 450)
    assert replay_tick(history, 400).identical
    history.close()


@pytest.mark.parametrize("which", ["the newest damaged", "every version damaged", "the newest gone"])
def test_a_model_that_cannot_be_read_does_not_stop_a_restart(copied: str, which: str) -> None:
    history = TickHistory(copied)
    (model, *others), digests = history.session(1).models, history.tick(END - 1).serving
    assert digests[0] is not None
    version = history.artifact(digests[0], END - 1).version
    changes = {
        "the newest damaged": f"UPDATE artifacts SET data = zeroblob(99) WHERE version = '{version}'",
        "every version damaged": f"UPDATE artifacts SET data = zeroblob(99) WHERE model = '{model}'",
        "the newest gone": f"DELETE FROM artifacts WHERE version = '{version}'",
    }
    with closing(sqlite3.connect(str(database.path_from_url(copied)))) as connection, connection as store:
        store.execute(changes[which])
    engine, writer, _ = opened(copied, simulated(END + 60, symbols=4))
    (told,) = engine.registry.replacements
    assert told.model == model
    assert told.how.endswith("until it is trained again")
    serving = engine.catalog.serving
    assert (serving[0] is None) == (which == "every version damaged")
    assert serving[0] is None or (serving[0].model.name == model and serving[0].version != version and serving[0].version in told.how)
    assert [one.digest for one in serving[1:] if one is not None] == list(digests[1:])
    assert len(others) == len(digests) - 1
    account = engine.account
    first, *rest = play(engine, 30)
    assert not any(tick.outcome.degraded for tick in (first, *rest))
    assert first.serving == (None if serving[0] is None else serving[0].digest, *digests[1:])
    assert np.array_equal(first.inputs.account.positions, account.positions)  # what was ordered on the word of a lost model is not filled
    assert {one.version.partition("-")[2] for one in engine.fitted_models if one is not None} == {str(END - 1)}  # all are trained again
    for tick in (END, END + 5, END + 29):
        assert replay_tick(history, tick).identical
    with pytest.raises((ValueError, NotStored), match=r"corrupt|was dropped"):
        replay_tick(history, END - 1)
    history.close()
    writer.close()


@pytest.mark.parametrize("name", ["pause", "flatten"])
def test_a_pause_outlives_the_process_that_was_told_of_it(copied: str, name: str) -> None:
    """It was said to be done; that the process ended before its next tick is no reason to trade."""
    feed = simulated(END + 10, symbols=4)
    engine, writer, history = opened(copied, feed)
    engine.handle_command(command(name))
    history.close()
    writer.close()
    for tick in range(2):
        engine, writer, history = opened(copied, feed)
        (made,) = play(engine, 1)
        assert (made.inputs.config.paused, made.inputs.config.flatten) == (name == "pause", name == "flatten")
        assert [event.subject for event in made.inputs.events] == ([name] if tick == 0 else [])
        assert (made.outcome.decisions.target == (made.outcome.sizes.current if name == "pause" else 0.0)).all()
        assert replay_tick(history, END + tick).identical
        engine.handle_command(command("resume"))
        engine.handle_command(command(name))
        history.close()
        writer.close()
    engine, writer, history = opened(copied, feed)
    engine.handle_command(command("resume"))
    writer.close()
    engine, writer, history = opened(copied, feed)
    (made,) = play(engine, 1)
    assert (made.inputs.config.paused, made.inputs.config.flatten) == (False, False)
    history.close()
    writer.close()


def test_a_restarted_peak_outlives_the_process_and_is_applied_once(copied: str) -> None:
    feed = simulated(END + 10, symbols=4)
    engine, writer, history = opened(copied, feed)
    engine.account = replace(engine.account, peak_equity=engine.account.equity / 0.7)
    (stopped,) = play(engine, 1)
    equity = stopped.inputs.account.equity
    assert stopped.inputs.account.peak_equity == pytest.approx(equity / 0.7, rel=0.01)
    engine.handle_command(command("resume"))
    for tick in (END + 1, END + 2):
        history.close()
        writer.close()  # the process ends before its next tick
        engine, writer, history = opened(copied, feed)
        (made,) = play(engine, 1)
        assert (
            made.inputs.account.peak_equity == max(equity, made.inputs.account.equity)
            if tick == END + 1
            else made.inputs.account.peak_equity >= equity
        )
        assert [event.kind for event in made.inputs.events] == (["peak_restarted"] if tick == END + 1 else [])
        assert replay_tick(history, tick).identical
    history.close()
    writer.close()


def test_a_tick_that_is_not_kept_is_told_of_in_one_line(history: TickHistory) -> None:
    with pytest.raises(NotStored, match=r"^tick 9999 is not in the store [^\n]*$"):
        replay_tick(history, 9_999)


def test_ticks_with_a_failed_phase_and_after_a_lost_one_are_replayed_as_they_were(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'podium.db'}"
    database.prepare(url)
    feed = simulated(END, symbols=4)
    bars = list(feed.slices(None))
    books = bars[150].books  # prices past what numbers can add
    beyond = replace(books, bid_price=np.full_like(books.bid_price, 1e308), ask_price=np.full_like(books.ask_price, 1.5e308))
    bars[150] = replace(bars[150], books=beyond)
    engine, writer, history = opened(url, Played(feed.info, bars))
    degraded = play(engine, 160)[150]
    assert [phase.value for phase in degraded.outcome.degraded] == ["features", "microstructure", "learning"]
    engine.clock = StoppedClock(60.0)
    (late,) = play(engine, 1)
    assert len(late.outcome.degraded) == 10
    engine.clock = StoppedClock()
    play(engine, 50)
    good = engine.account
    engine.account = replace(good, positions=np.full(4, np.nan))
    with pytest.raises(FallbackFailed):
        engine.step()
    engine.account = good
    play(engine, 3)
    history.close()
    writer.close()
    history = TickHistory(url)
    assert replay_tick(history, 150).identical
    assert replay_tick(history, 160).identical
    assert replay_tick(history, 170).identical
    assert [event.kind for event in history.tick(211).events] == ["tick_lost"]
    assert replay_tick(history, 213).identical
    history.close()


def alter(url: str, *statements: str) -> None:
    with closing(sqlite3.connect(str(database.path_from_url(url)))) as connection, connection as store:
        for statement in statements:
            store.execute(statement)


def state_of(url: str, tick: int) -> bytes:
    with closing(sqlite3.connect(str(database.path_from_url(url)))) as store:
        return bytes(store.execute("SELECT data FROM checkpoints WHERE tick = ?", (tick,)).fetchone()[0])


@pytest.mark.parametrize("damage", ["zeroblob(length(data))", "(SELECT data FROM checkpoints WHERE tick = 300)"])
def test_a_damaged_checkpoint_costs_no_decision_and_is_rebuilt_bit_for_bit(made: Made, copied: str, damage: str) -> None:
    """The last one is whole and of another tick."""
    before = state_of(copied, 500)
    alter(copied, f"UPDATE checkpoints SET data = {damage} WHERE tick = 500")
    history = TickHistory(copied)
    verdict = replay_tick(history, END - 1)
    assert verdict.identical
    assert "the checkpoint of tick 500 is damaged: rolled forward from the checkpoint of tick 400" in verdict.note
    writer, reports = Writer(copied), []
    engine, _ = resume_engine(
        here(copied), simulated(END, symbols=4), StoppedClock(), writer, history, training_pool=Inline(),
        report=lambda fault, how: reports.append((fault, how)),
    )  # fmt: skip
    writer.close()
    history.close()
    ((fault, how),) = reports
    assert ("tick 500" in fault, "no decision was lost" in how) == (True, True)
    assert engine.tick == END
    assert state_of(copied, 500) == before


def test_where_every_checkpoint_is_damaged_the_start_of_the_session_is_rolled_forward_from(copied: str) -> None:
    alter(copied, "UPDATE checkpoints SET data = zeroblob(9) WHERE tick > 0", "DELETE FROM checkpoints WHERE tick = 0")
    verdict = replay_tick(TickHistory(copied), 130)
    assert (verdict.identical, "rolled forward from the start of the session" in verdict.note) == (True, True)


def test_where_no_state_is_sound_the_remedy_is_named(copied: str) -> None:
    alter(copied, "UPDATE checkpoints SET data = zeroblob(9)", "DELETE FROM decisions WHERE tick < 450", "DELETE FROM ticks WHERE tick < 450")
    with pytest.raises(StoreError, match=r"checkpoint of tick 500 cannot be read.*doctor --repair"):
        opened(copied)


def test_a_model_that_was_altered_with_its_digest_cannot_end_the_process(copied: str) -> None:
    """As in a store from elsewhere: LightGBM would end the whole process on it, so the replay runs in one of its own."""
    with closing(sqlite3.connect(str(database.path_from_url(copied)))) as connection, connection as store:
        number, digest, data = store.execute("SELECT id, digest, data FROM artifacts WHERE model = 'lightgbm' AND trained_to = 259").fetchone()
        parts = linear.arrays_from_bytes(data, "model")
        altered = parts["model"].tobytes().replace(b"\\nright_child=", b"\\nright_child=9", 1)
        data = linear.arrays_to_bytes(**parts | {"model": np.frombuffer(altered, dtype=np.uint8)})
        other = hashlib.blake2b(data, digest_size=16).hexdigest()
        store.execute("UPDATE artifacts SET data = ?, digest = ? WHERE id = ?", (data, other, number))
        store.execute("UPDATE ticks SET serving = replace(serving, ?, ?)", (digest, other))
    ran = subprocess.run(
        [sys.executable, "-m", "engine", "replay", "302", "--store", copied], cwd=ROOT, capture_output=True, text=True, check=False, timeout=600
    )
    assert (ran.returncode, len(ran.stderr.splitlines())) == (64, 1), ran.stderr[-300:]
    assert "the stored model lightgbm-259 cannot be loaded" in ran.stderr
