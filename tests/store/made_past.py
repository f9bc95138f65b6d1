"""A store that grows, copied at chosen ticks: what a store held by then, to compare a travelled read with."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from engine.domain.alerting import FaultRecovery
from engine.domain.decision import Phase
from engine.domain.optimization import Effect, Firing, Trial
from engine.store.inbox import Inbox
from engine.store.write import alerts, components, optimizer
from engine.store.write.optimizer import TRIAL_RUNNING
from engine.store.write.writer import Writer
from tests.store import made_evolution
from tests.store.made import MINUTE, SECOND, SYMBOLS, WALL, Market, artifact, begin, empty, readings
from tests.store.made_trials import ACTIONS, MB, METRIC

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
        write_work(writer, number, tick.decided_at)
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


def write_work(writer: Writer, number: int, wall: int) -> None:
    """Trials that begin and are judged ten seconds later, a licence that is taken, and a component that fails and recovers."""
    with writer.write() as connection:
        if number == 30:
            optimizer.sync_actions(connection, ACTIONS[:2], {action.name: "auto" for action in ACTIONS}, "auto")
        if number % 50 == 31:
            optimizer.save_trial(connection, trial(wall, None))
        if number % 50 == 36:
            optimizer.finish_trial(connection, number // 50 + 1, trial(wall, -20.0 * MB))
            save = "INSERT OR REPLACE INTO judgements (action, metric, at, unit, treated, placebos, effect, low, high, verdict) "
            row = ("collect_garbage", METRIC, wall, "bytes", number // 50 + 1, 0, -20.0 * MB, -25.0 * MB, -15.0 * MB, "helped")
            connection.exec_driver_sql(f"{save} VALUES ({', '.join('?' * len(row))})", row)
        if number == 120:
            optimizer.set_licence(connection, "clear_caches", "quarantined", "it made ticks slower", wall)
        if number in {10, 20, 100, 110}:
            components.set_component(connection, "feed", "degraded" if number % 90 == 10 else "ok", "no bar", wall)
        if number in {10, 100}:
            alerts.save_recovery(connection, FaultRecovery(wall, "feed", "no bar", None, 1, None), None)
        if number in {20, 110}:
            since = connection.exec_driver_sql("SELECT max(at) FROM recoveries").scalar_one()
            alerts.save_recovery(connection, FaultRecovery(since, "feed", "no bar", "restarted", 1, wall), number // 90 + 1)


def trial(at: int, effect: float | None) -> Trial:
    """A trial under way, or judged ten seconds after its beginning."""
    known = math.nan if effect is None else effect
    measured = Effect(240.0 * MB, 240.0 * MB + known, known, known - MB, known + MB, 9, "helped")
    nothing = Effect(math.nan, math.nan, math.nan, None, None, 0, "not enough data")
    return Trial(
        at, "collect_garbage", "disk is filling", "auto", False, METRIC, "bytes", nothing if effect is None else measured, False,
        0.0 if effect is None else -known, "" if effect is None else "bytes", TRIAL_RUNNING if effect is None else "collected", "optimizer", "",
        0.0 if effect is None else 2.0, probability=0.5, comparison=None if effect is None else '{"before": 8.0, "after": 8.0, "starts": []}',
    )  # fmt: skip


def copy(url: str, folder: Path) -> str:
    folder.mkdir(parents=True)
    target = folder / "podium.db"
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as source, closing(sqlite3.connect(target)) as cut:
        cut.execute("PRAGMA journal_mode = WAL")
        source.backup(cut)
    return f"sqlite:///{target}"


__all__ = ["MINUTE", "TICKS", "grown"]
