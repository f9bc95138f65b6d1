"""What a restart and a replay read is, bit for bit, what was saved; what is gone is said to be gone."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from engine.domain.tick import Tick
from engine.store import codec
from engine.store.errors import NotStored, StoreError
from engine.store.read.history import TickHistory
from engine.store.retention import RetentionPolicy
from engine.store.write.writer import Writer
from tests.store import made

DAY = 24 * 3600 * 10**9


def saved(folder: Path, ticks: int) -> tuple[str, list[Tick]]:
    url = made.empty(folder)
    writer = Writer(url)
    market = made.Market()
    made.begin(writer, market)
    writer.save_artifact(made.artifact("ridge", 0), market.session, made.WALL)
    stored = []
    for tick in market.ticks(ticks):
        writer.save(tick)
        stored.append(tick)
    writer.close()
    return url, stored


def test_a_stored_tick_has_every_bit_of_what_it_was_decided_from(tmp_path: Path) -> None:
    url, ticks = saved(tmp_path, 120)
    history = TickHistory(url)
    for tick, stored in zip(ticks, history.ticks(0, 119), strict=True):
        assert stored.account.digest() == tick.inputs.account.digest()
        assert stored.snapshot.digest() == tick.snapshot.digest()
        assert stored.config.digest() == tick.inputs.config.digest()
        assert stored.events == tick.inputs.events
        assert (stored.tick, stored.at, stored.wall, stored.session) == (tick.inputs.tick, tick.inputs.at, tick.decided_at, tick.session)
        assert (stored.decisions_digest, stored.phase_digests, stored.serving) == (tick.decisions_digest, tick.phase_digests, tick.serving)
    assert [part.digest() for part in history.snapshots(1, 0, 119)] == [tick.snapshot.digest() for tick in ticks]
    assert [part.digest() for part in history.training_rows(1, 0, 119)] == [tick.training_row.digest() for tick in ticks]


def test_the_state_is_found_at_the_newest_checkpoint_up_to_a_tick(tmp_path: Path) -> None:
    url, ticks = saved(tmp_path, 130)
    history = TickHistory(url)
    for tick, begin in ((0, 0), (99, 0), (100, 100), (129, 100)):
        checkpoint = history.checkpoint_at_or_before(tick)
        assert checkpoint is not None
        assert checkpoint[0] == begin
        assert checkpoint[1].digest() == ticks[begin].outcome.state.digest()


def test_a_session_begins_from_nothing_and_never_from_another_sessions_state(tmp_path: Path) -> None:
    url, _ = saved(tmp_path, 10)
    writer = Writer(url)
    session = writer.begin_session("another", made.info(), made.MODELS, made.HORIZONS, "{}", {}, made.WALL)
    assert TickHistory(url).checkpoint_at_or_before(9, session) is None
    checkpoint = TickHistory(url).checkpoint_at_or_before(9)
    assert checkpoint is not None
    assert checkpoint[0] == 0
    latest = TickHistory(url).latest_session()
    assert latest is not None
    assert (latest.id, latest.identity, latest.symbols, latest.horizons) == (session, "another", made.SYMBOLS, made.HORIZONS)


def test_ticks_after_one_are_of_its_session_and_in_order(tmp_path: Path) -> None:
    url, _ = saved(tmp_path, 30)
    assert [stored.tick for stored in TickHistory(url).ticks_after(25, 1, 99)] == [26, 27, 28, 29]
    assert [stored.tick for stored in TickHistory(url).ticks_after(25, 1, 27)] == [26, 27]
    assert TickHistory(url).ticks_after(25, 2, 99) == []


def test_what_retention_dropped_is_said_to_be_gone_with_what_is_kept(tmp_path: Path) -> None:
    url, _ = saved(tmp_path, 250)
    Writer(url).prune(made.WALL + 2 * DAY, RetentionPolicy(days=1.0))
    history = TickHistory(url)
    with pytest.raises(NotStored, match=r"tick 7 is not in the store .* it keeps 201 to 249"):
        history.tick(7)
    assert history.checkpoint_at_or_before(200, 1) is not None, "the first tick kept begins from it"
    with pytest.raises(NotStored, match="cannot be decided again"):
        history.checkpoint_at_or_before(150, 1)
    with pytest.raises(NotStored, match="it has no ticks yet"):
        TickHistory(made.empty(tmp_path / "other")).tick(0)


def test_the_model_that_served_comes_back_in_the_version_of_that_tick(tmp_path: Path) -> None:
    url, _ = saved(tmp_path, 5)
    writer = Writer(url)
    again = made.artifact("ridge", 0)
    later = type(again)(again.data_digest, "ridge", "ridge-3", again.data, 0, 3, 9, 0.1, again.columns, 3)
    writer.save_artifact(later, 1, made.WALL)
    history = TickHistory(url)
    assert history.artifact(again.data_digest, 2).digest() == again.digest()
    assert history.artifact(again.data_digest, 3).digest() == later.digest()
    assert history.artifact(again.data_digest).version == "ridge-3"
    with pytest.raises(NotStored, match="was dropped with the decisions it served"):
        history.artifact("0" * 31 + "f")


def test_damaged_inputs_are_refused_in_one_line(tmp_path: Path) -> None:
    url, _ = saved(tmp_path, 5)
    with sqlite3.connect(tmp_path / "podium.db") as connection:
        connection.execute("UPDATE market_snapshots SET data = substr(data, 1, 100) WHERE tick = 3")
    connection.close()
    with pytest.raises(NotStored, match="is damaged: these 100 bytes are no MarketSnapshot") as caught:
        TickHistory(url).tick(3)
    assert "\n" not in str(caught.value)
    assert TickHistory(url).tick(2).tick == 2


def test_what_another_version_wrote_is_said_to_be_that_and_not_damage(tmp_path: Path) -> None:
    url, ticks = saved(tmp_path, 5)
    with sqlite3.connect(tmp_path / "podium.db") as connection:
        connection.execute("UPDATE market_snapshots SET data = ? WHERE tick = 3", (codec.pack(ticks[3].inputs.config),))
    connection.close()
    with pytest.raises(NotStored, match="written by another version of Podium"):
        TickHistory(url).tick(3)


def test_a_store_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened: check the path"):
        TickHistory(f"sqlite:///{tmp_path / 'none.db'}").tick_range()
