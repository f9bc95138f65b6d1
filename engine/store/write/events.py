"""The log of events that programs follow: each row in the transaction of what it is about, so that none is lost or sent too early."""

from __future__ import annotations

import sqlite3

from engine.domain.tick import Tick

ADD_EVENT = "INSERT INTO events (at, kind, subject, state) VALUES (?, ?, ?, ?)"
DECISIONS, ALERTS, TRIALS = KINDS = ("decisions", "alerts", "trials")
DECIDED, OPENED, ACKNOWLEDGED, RESOLVED, JUDGED = "decided", "opened", "acknowledged", "resolved", "judged"


def append_event(driver: sqlite3.Connection, kind: str, subject: int, state: str, at: int) -> None:
    """Append an event; `subject` is the tick, or the number of the alert or the trial."""
    driver.execute(ADD_EVENT, (at, kind, subject, state))


def build_tick_rows(tick: Tick) -> list[tuple[int, str, int, str]]:
    """The events of a tick; none for the bars of the warm-up, which are history."""
    return [] if tick.is_warmup else [(tick.decided_at, DECISIONS, tick.inputs.tick, DECIDED)]
