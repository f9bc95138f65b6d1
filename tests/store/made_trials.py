"""A store whose optimizer has been at work: readings, rules that fired, trials with placebos and runs by hand, and what they say together."""

from __future__ import annotations

import json

import numpy as np

from engine.domain.optimization import Action, Effect, Firing, Reading, Trial
from engine.store.inbox import Inbox
from engine.store.write.writer import Writer
from tests.store.made import nothing

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
MB = 1e6
METRIC = "process.rss_bytes"
BACK = 50  # minutes of readings, one a second
HOSTILE = '<img src=x onerror="alert(1)"><script>alert(1)</script>\'; DROP TABLE trials;-- **b** $x$ :red[r] &lt;'
ACTIONS = (
    Action("collect_garbage", "memory", METRIC, -1, "low", "Collects garbage and gives freed pages back to the system.", nothing),
    Action("clear_caches", "memory", METRIC, -1, "low", "Empties caches that can be filled again.", nothing),
    Action("trim_cache", "disk", "engine.store_bytes", -1, "high", "Deletes model versions beyond the newest few.", nothing),
    Action("delete_temp", "disk", "engine.temp_bytes", -1, "none", "Deletes old files of Podium's own temporary folder.", nothing),
    Action("resize_threads", "cpu", "engine.tick_p99_ms", -1, "low", "Fits threads to the processors there are.", nothing),
    Action("cheaper_models", "cpu", "engine.tick_p99_ms", -1, "low", "Rests the models that cost most and say least.", nothing),
)


def at_work(url: str, now: int, *, holder: str | None = None, hostile: bool = False) -> dict[str, int]:
    """Fill a store as of `now`; return the numbers of a manual trial, of one that a rule triggered and of a placebo."""
    writer = Writer(url, holder)
    _readings(writer, now)
    modes = {action.name: "auto" for action in ACTIONS} | {"cheaper_models": "recommend", "trim_cache": "ask"}
    writer.sync_actions(ACTIONS, modes, "auto")
    text = HOSTILE if hostile else "memory is short"
    numbers = _trials(writer, now, text)
    _judged(writer, now, text)
    _fired(writer, now, text)
    writer.close()
    _commands(url, now, numbers["by hand"], text, holder)
    return numbers


def compared(now: int, windows: int) -> str:
    """Idle windows of 20 s, side by side, the last some minutes ago."""
    starts = [now - 8 * MINUTE - place * 20 * SECOND for place in range(windows, 0, -1)]
    return json.dumps({"before": 10.0, "after": 10.0, "starts": starts})


def _readings(writer: Writer, now: int) -> None:
    """Memory that wanders and falls 30 MB at a run four minutes ago; a disk that fills."""
    chance = np.random.default_rng([7])
    steps = np.arange(BACK * 60, 0, -1)
    wander = 220 * MB + np.cumsum(chance.normal(scale=0.4 * MB, size=len(steps))) - 30 * MB * (steps < 240)
    readings: list[Reading] = []
    for step, rss in zip(steps.tolist(), wander.tolist(), strict=True):
        at = now - step * SECOND
        readings += [
            Reading(at, "process", "rss_bytes", rss, "bytes"),
            Reading(at, "host", "disk_percent", 86.0 + 4.5 * float(np.sin(step / 400)), "%"),
            Reading(at, "engine", "tick_p99_ms", 3.0 + float(np.sin(step / 90)), "ms"),
        ]
        if len(readings) > 900:
            writer.save_readings(readings)
            readings = []
    writer.save_readings(readings)


def _trials(writer: Writer, now: int, text: str) -> dict[str, int]:
    chance = np.random.default_rng([11])
    numbers = {}
    for place in range(24):
        at = now - (26 - place) * 47 * MINUTE
        left = place % 3 == 2
        change = float(chance.normal(-2 * MB if left else -24 * MB, 5 * MB))
        verdict = "no measurable effect" if left or place % 7 == 3 else "helped"
        effect = Effect(
            240 * MB, 240 * MB + change, change + 2 * MB, None if left else change - 9 * MB, None if left else change + 13 * MB, 16, verdict
        )
        also = json.dumps({"engine.tick_p99_ms": [3.1, 3.0], "engine.degraded_percent": [0.0, 0.0]})
        number = writer.save_trial(
            Trial(at, "collect_garbage", "host_memory", "auto", left, METRIC, "bytes", effect, False, 0.0 if left else -change, "bytes",
                  "nothing was done" if left else "collected 1,204 objects", "optimizer", "drawn by record", 0.4, also, 0.5)
        )  # fmt: skip
        numbers["placebo" if left else "rule"] = number
    harm = Effect(3.0, 4.4, 1.3, 0.6, 2.1, 12, "harmed")
    writer.save_trial(
        Trial(now - 20 * MINUTE, "resize_threads", "tick_p99", "auto", False, "engine.tick_p99_ms", "ms", harm, True, 2.0, "count",
              "threads 2 -> 4", "optimizer", "", 0.1)
    )  # fmt: skip
    own = Effect(221 * MB, 191 * MB, -29.6 * MB, -34 * MB, -25 * MB, 90, "helped")
    numbers["by hand"] = writer.save_trial(
        Trial(now - 4 * MINUTE, "collect_garbage", "by hand", "manual", False, METRIC, "bytes", own, False, 29 * MB, "bytes",
              "collected 53,112 objects in 31 ms; RSS 221,000,000 -> 192,000,000 bytes", "ann", text, 0.4, comparison=compared(now, 90))
    )  # fmt: skip
    return numbers


def _judged(writer: Writer, now: int, text: str) -> None:
    row = "INSERT INTO judgements VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    with writer.write() as connection:
        connection.exec_driver_sql(
            row,
            (
                "collect_garbage",
                METRIC,
                now - 47 * MINUTE,
                "bytes",
                16,
                8,
                -21.4 * MB,
                -25 * MB,
                -17 * MB,
                "helped",
                -0.04,
                -0.2,
                0.1,
                0.0,
                -0.1,
                0.1,
            ),
        )
        connection.exec_driver_sql(
            row, ("resize_threads", "engine.tick_p99_ms", now, "ms", 1, 2, 1.3, None, None, "not enough data", None, None, None, None, None, None)
        )
        connection.exec_driver_sql(
            "UPDATE actions SET licence = 'quarantined', why = ?, licensed_at = ? WHERE action = 'resize_threads'",
            (text if text == HOSTILE else "it made ticks 1.3 ms slower (0.6..2.1) and was taken back", now - 20 * MINUTE),
        )
        connection.exec_driver_sql(
            'INSERT INTO rules (name, data, changed_at, "by", reason) VALUES (?, ?, ?, ?, ?)',
            ("disk_full", json.dumps({"above": "85", "recovery": "75", "hold": "120"}), now - 90 * MINUTE, "ann", text),
        )


def _fired(writer: Writer, now: int, text: str) -> None:
    why = "recommends trim_cache, because it freed 310 MB (190..420) in 6 of 7 trials"
    writer.save_firing(Firing(now - 9 * MINUTE, "host_memory", "threshold", "host.memory_percent", 91.0, 90.0, "fired", "ran collect_garbage"))
    writer.save_firing(Firing(now - 6 * MINUTE, "host_memory", "threshold", "host.memory_percent", 79.0, 90.0, "cleared"))
    writer.save_firing(Firing(now - 4 * MINUTE, "disk_full", "threshold", "host.disk_percent", 86.1, 85.0, "fired", text if text == HOSTILE else why))
    writer.save_firing(Firing(now - 3 * MINUTE, "io_pressure", "threshold", "host.io_pressure_percent", float("nan"), 30.0, "no data"))


def _commands(url: str, now: int, trial: int, text: str, holder: str | None) -> None:
    inbox = Inbox(url, holder)
    optimize = inbox.submit("optimize", {"action": "collect_garbage"}, "ann", text, now - 4 * MINUTE)
    inbox.claim_number(optimize, now - 4 * MINUTE)
    result = {"action": "collect_garbage", "status": "done", "detail": "collected 53,112 objects in 31 ms", "verdict": "helped", "trial": trial}
    inbox.finish(optimize, True, result, now - 4 * MINUTE + 12 * SECOND)
    for who, action in (("bob", "trim_cache"), ("carol", "delete_temp")):
        number = inbox.submit("optimize", {"action": action}, who, text, now - 5 * SECOND)
        inbox.claim_number(number, now - 4 * SECOND)
        inbox.report_progress(
            number, 0.55 if who == "bob" else 0.0, "measuring what came of it, 6 s left" if who == "bob" else "waits for 1 before it"
        )
    inbox.close()
