"""A store whose file is deleted or replaced under a running engine: nothing is decided into an invisible file, and no row is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine.domain.alerting import AlertInputs
from engine.service.feeds import open_configured_feed
from engine.service.supervisor import Supervisor
from engine.service.training import select_models
from engine.settings import Settings
from engine.store.database import path_from_url
from engine.store.errors import StoreError, StoreMoved
from engine.store.read.alert_facts import STORE_MOVED_KEY, FactsReader
from engine.store.write.writer import Writer
from tests.service.test_supervisor import LONG, rows, settings, until
from tests.store import made

TICKS = "SELECT tick FROM ticks ORDER BY tick"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Settings, Supervisor]]:
    """An engine that has decided some ticks."""
    home = tmp_path / "home"
    configured = settings(
        home, symbols=open_configured_feed(settings(home, symbols=())).info.symbols[:2], models=(select_models()[0].name,), tick_interval_seconds=0.05
    )
    host = Supervisor(configured)
    host.open()
    host.start()
    until(lambda: len(rows(configured, TICKS)) > 3)
    yield configured, host
    assert host.stop(LONG)


def seen(configured: Settings, sql: str) -> list[tuple[object, ...]]:
    """The rows of a file that may just be changing."""
    try:
        return rows(configured, sql) if path_from_url(configured.database_url).exists() else []
    except Exception:  # noqa: BLE001 - whatever SQLite says of half a file
        return []


ALERT = "SELECT message FROM alerts WHERE rule = 'store file lost' AND severity = 'critical' AND state = 'open'"
FAULT = "SELECT fault, how FROM recoveries WHERE component = 'store'"


@pytest.mark.parametrize("with_its_log", [False, True])
def test_a_store_that_is_deleted_is_put_back_and_every_tick_is_in_it(running: tuple[Settings, Supervisor], with_its_log: bool) -> None:
    configured, host = running
    path = path_from_url(configured.database_url)
    before = len(rows(configured, TICKS))
    path.unlink()
    if with_its_log:
        for ending in ("-wal", "-shm"):
            path.with_name(path.name + ending).unlink()
    until(lambda: len(seen(configured, TICKS)) > before + 3)
    until(lambda: bool(seen(configured, ALERT)) and bool(seen(configured, FAULT)))
    ticks = [tick for (tick,) in rows(configured, TICKS)]
    assert ticks == list(range(len(ticks)))
    ((message,),) = rows(configured, ALERT)
    assert "was deleted or moved away while the engine ran; what it held was put back" in str(message)
    assert (host.error, host.ended.is_set()) == (None, False)
    with closing(sqlite3.connect(path)) as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_store_that_is_replaced_is_kept_beside_and_the_engine_goes_on_in_the_new_one(running: tuple[Settings, Supervisor], tmp_path: Path) -> None:
    configured, _ = running
    path = path_from_url(configured.database_url)
    before = len(rows(configured, TICKS))
    made.empty(tmp_path / "other")
    (tmp_path / "other" / "podium.db").replace(path)
    until(lambda: bool(seen(configured, ALERT)) and len(seen(configured, TICKS)) > 2)
    (rescued,) = path.parent.glob("podium.db.rescued-*")
    with closing(sqlite3.connect(rescued)) as old:
        assert old.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        ticks = [tick for (tick,) in old.execute(TICKS)]
    assert ticks == list(range(len(ticks)))
    assert len(ticks) >= before
    assert str(rescued) in str(rows(configured, ALERT)[0][0])
    with closing(sqlite3.connect(path)) as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_file_that_is_no_store_in_its_place_stops_the_engine_with_a_clear_word(running: tuple[Settings, Supervisor], tmp_path: Path) -> None:
    configured, host = running
    (tmp_path / "mine").write_bytes(b"a file of mine" * 1000)
    (tmp_path / "mine").replace(path_from_url(configured.database_url))
    assert host.ended.wait(LONG)
    assert host.error is not None
    assert "was replaced by another one while the engine ran; what it held until then is kept in" in host.error
    assert "is not a Podium store" in host.error
    assert path_from_url(configured.database_url).read_bytes() == b"a file of mine" * 1000


def test_what_cannot_be_kept_yet_is_held_until_it_can(running: tuple[Settings, Supervisor], tmp_path: Path) -> None:
    """The folder is gone with the store, and a file of its name has taken its place."""
    configured, host = running
    home, before = Path(configured.home), len(rows(configured, TICKS))
    home.rename(tmp_path / "elsewhere")
    home.write_text("in the way", encoding="utf-8")
    until(lambda: "nothing is decided until its contents can be saved" in (host.error or ""))
    assert host.ticks_decided >= before
    home.unlink()
    until(lambda: len(seen(configured, TICKS)) > host.ticks_decided)
    ticks = [tick for (tick,) in rows(configured, TICKS)]
    assert ticks == list(range(len(ticks)))
    assert (host.error, host.ended.is_set()) == (None, False)


def test_no_transaction_begins_on_a_file_that_is_gone(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    writer = Writer(url)
    writer.remember("a", "b")
    path_from_url(url).rename(tmp_path / "elsewhere.db")
    with pytest.raises(StoreMoved, match="deleted or moved away"):
        writer.remember("a", "c")
    with pytest.raises(StoreError):
        writer.store.reconnect()
    made.empty(tmp_path)
    with pytest.raises(StoreMoved, match="replaced by another one"):
        writer.remember("a", "c")
    with pytest.raises(StoreMoved):
        writer.store.reconnect()
    writer.close()


def test_the_loss_is_alarmed_for_an_hour(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    writer = Writer(url)
    writer.remember(STORE_MOVED_KEY, '[5000000000, "it was deleted; it was put back"]')
    writer.close()
    reader = FactsReader(url)
    alarms = [reader.read(AlertInputs(5_000_000_000 + minutes * made.MINUTE)).store_moved for minutes in (0, 59, 61)]
    reader.close()
    assert alarms == ["it was deleted; it was put back", "it was deleted; it was put back", None]
