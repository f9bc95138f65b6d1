"""Fills stores through the real Writer, with ticks made by hand."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson

from engine.domain.decision import Phase
from engine.domain.optimization import Action, ActionContext, ActionResult, Effect, Firing, Reading, Trial
from engine.domain.tick import Artifact
from engine.domain.trading_config import TradingConfig
from engine.store import database
from engine.store.inbox import Inbox
from engine.store.write.writer import Writer
from tests.store import made_evolution
from tests.store.made_ticks import HORIZONS, MINUTE, MODELS, SECOND, SYMBOLS, WALL, Market, info, names

__all__ = ["HORIZONS", "MINUTE", "MODELS", "SECOND", "SYMBOLS", "WALL", "Market", "info", "names"]


def knobs(*, fee_bps: float) -> TradingConfig:
    return TradingConfig(horizons=HORIZONS, fee_bps=fee_bps)


def artifact(model: str = "ridge", tick: int = 0, *, serves_from: int | None = None, data: bytes = b"parameters") -> Artifact:
    """Its digest is its tick, as Market's ticks name what serves."""
    return Artifact(
        f"{tick:032x}", model, f"{model}-{tick}", data, 0, tick, 1000, 0.7, ("returns.one",), tick if serves_from is None else serves_from
    )


def nothing(room: ActionContext) -> ActionResult:
    return ActionResult(0.0, "bytes", "nothing to do")


def action(name: str = "collect_garbage") -> Action:
    return Action(name, "memory", "process.rss_bytes", -1, "low", "Collects garbage.", nothing)


def trial(at: int = WALL, verdict: str = "no measurable effect", name: str = "collect_garbage") -> Trial:
    effect = Effect(2.0e8, 1.9e8, -1.0e7, -1.5e7, 1.0e6, 31, verdict)
    return Trial(
        at,
        name,
        "memory_growth",
        "auto",
        False,
        "process.rss_bytes",
        "bytes",
        effect,
        False,
        1.0e7,
        "bytes",
        "freed 10 MB",
        "optimizer",
        "memory_growth fired",
        0.4,
        probability=0.5,
    )


def by_hand(trial: Trial) -> Trial:
    """The same run, asked for by a person."""
    return replace(trial, trigger="by hand", mode="manual", by="ada", reason="to see", probability=None)


def readings(at: int) -> list[Reading]:
    wave = float(np.sin(at / 3e11))
    return [
        Reading(at, "host", "cpu_percent", 30.0 + 10 * wave, "%"),
        Reading(at, "host", "memory_used_bytes", 4e9 + 1e8 * wave, "bytes"),
        Reading(at, "process", "rss_bytes", 2e8 + 1e7 * wave, "bytes"),
        Reading(at, "engine", "tick_p99_ms", 3.0 + wave, "ms"),
    ]


def empty(folder: Path) -> str:
    """A store that has just been made; gives its address."""
    folder.mkdir(parents=True, exist_ok=True)
    url = f"sqlite:///{folder / 'podium.db'}"
    database.prepare(url)
    return url


def begin(writer: Writer, market: Market, now: int = WALL) -> int:
    """The market's session."""
    identity = orjson.dumps({"feed": "simulated", "symbols": market.symbols}).decode()
    market.session = writer.begin_session(identity, info(market.symbols), MODELS, HORIZONS, '{"capital": 100000}', {"cpu": "made", "numpy": "2"}, now)
    return market.session


def filled(folder: Path, ticks: int = 240, symbols: tuple[str, ...] = SYMBOLS, *, holder: str | None = None, evolves: bool = True) -> str:
    """A store with ticks and everything else a page may show; gives its address."""
    url = empty(folder)
    writer = Writer(url, holder)
    market = Market(symbols)
    begin(writer, market)
    if evolves:
        made_evolution.save_versions(writer, market.session)
    for number in range(ticks):
        if number % 100 == 0:
            writer.save_artifact(artifact("ridge", number), market.session, WALL + number * 2 * SECOND)
        tick = market.tick(degraded=(Phase.VALIDATION,) if number % 60 == 59 else ())
        writer.save(replace(tick, evolution=made_evolution.report(number) if evolves else None))
    last = WALL + ticks * 2 * SECOND
    for step in range(60):
        writer.save_readings(readings(last - (60 - step) * 2 * SECOND))
    for component in ("engine", "feed", "store", "probes", "optimizer"):
        writer.set_component(component, "ok", None, last)
    writer.set_component("trainer", "degraded", "a training took longer than its share", last)
    writer.raise_alert("data stale", "warning", "no bar for 40 s", last - MINUTE)
    writer.resolve_alert("data stale", last - 30 * SECOND)
    writer.raise_alert("phase failed", "warning", "validation failed at tick 59", last - 20 * SECOND)
    writer.sync_actions(
        [action(), action("delete_temp"), action("tune_database")], dict.fromkeys(("collect_garbage", "delete_temp", "tune_database"), "recommend")
    )
    writer.save_firing(Firing(last - 5 * MINUTE, "disk is filling", "threshold", "host.disk_percent", 86.0, 85.0, "fired", "recommended delete_temp"))
    writer.save_trial(trial(last - 5 * MINUTE))
    writer.save_trial(trial(last - 2 * MINUTE, "helped", "tune_database"))
    writer.close()
    inbox = Inbox(url, holder)
    inbox.submit("pause", {}, "ada", "to look at it", last - MINUTE)
    taken = inbox.claim(last - 59 * SECOND)
    assert taken is not None
    inbox.finish(taken.id, True, {"message": "paused from the next tick on"}, last - 58 * SECOND)
    inbox.submit("resume", {}, "ada", "seen", last - 30 * SECOND)
    inbox.close()
    return url


def copy_store(url: str, folder: Path) -> str:
    """Copy a store into a folder, where it may be altered, and return the copy's address."""
    copy = folder / "podium.db"
    with closing(sqlite3.connect(str(database.path_from_url(url)))) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return f"sqlite:///{copy}"
