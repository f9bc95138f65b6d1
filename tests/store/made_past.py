"""A store that grows, copied at chosen ticks: what a store held by then, to compare a travelled read with."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from engine.domain.decision import Phase
from engine.domain.optimization import Firing
from engine.store.inbox import Inbox
from engine.store.write.writer import Writer
from tests.store import made_evolution
from tests.store.made import MINUTE, SECOND, SYMBOLS, WALL, Market, artifact, begin, empty, readings

TICKS = 200


def grown(folder: Path, cuts: Iterable[int], ticks: int = TICKS) -> tuple[str, dict[int, str]]:
    """A store with everything a page that travels may show, and a copy of it right after each of the cuts; gives the addresses."""
    url, wanted, copies = empty(folder / "whole"), set(cuts), {}
    writer, market = Writer(url), Market(SYMBOLS)
    begin(writer, market)
    inbox = Inbox(url, None)
    for number in range(ticks):
        if number % 50 == 0:
            writer.save_artifact(artifact("ridge", number), market.session, WALL + number * 2 * SECOND)
        if number == 20:
            for place, version in enumerate((made_evolution.CHALLENGER, made_evolution.RETIRED)):
                writer.save_artifact(version, market.session, WALL + number * 2 * SECOND - place)
        tick = market.tick(degraded=(Phase.VALIDATION,) if number % 60 == 59 else ())
        write_around(writer, inbox, number, tick.decided_at)
        writer.save(replace(tick, evolution=made_evolution.report(number)))
        if number in wanted:
            copies[number] = copy(url, folder / f"cut_{number}")
    writer.close()
    inbox.close()
    return url, copies


def write_around(writer: Writer, inbox: Inbox, number: int, wall: int) -> None:
    """What else is stored just before a tick: readings, alerts that open and resolve, commands that wait, run and end, firings."""
    writer.save_readings(readings(wall))
    if number % 40 == 7:
        writer.raise_alert("data stale", "warning", "no bar for 40 s", wall)
    if number % 40 == 23:
        writer.resolve_alert("data stale", wall)
    if number % 30 == 4:
        inbox.submit("pause" if number % 60 == 4 else "resume", {}, "ada", "to look at it", wall)
    if number % 30 == 6:
        inbox.claim(wall)
    if number % 30 == 9:
        inbox.finish((number - 9) // 30 + 1, True, {"message": "done"}, wall)
    if number % 50 == 11:
        writer.save_firing(Firing(wall, "disk is filling", "threshold", "host.disk_percent", 86.0, 85.0, "fired", "recommended delete_temp"))


def copy(url: str, folder: Path) -> str:
    folder.mkdir(parents=True)
    target = folder / "podium.db"
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as source, closing(sqlite3.connect(target)) as cut:
        cut.execute("PRAGMA journal_mode = WAL")
        source.backup(cut)
    return f"sqlite:///{target}"


__all__ = ["MINUTE", "TICKS", "grown"]
