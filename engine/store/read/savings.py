"""The optimizer's savings over its newest trials."""

from __future__ import annotations

from engine.report.savings import JudgedRun, SavingsSummary, summarise_savings
from engine.store.read.optimizer import MAX_TRIALS
from engine.store.read.reader import Reader, fetch_all

_RUNS = f"""
    SELECT t.action, coalesce(t."trigger", 'by hand') AS "trigger", t.mode, t.placebo, t.metric, t.unit, t.before, t.after, t.effect, t.low, t.high,
           t.windows, t.verdict, t.undone, CASE WHEN a.cures = t.metric THEN a.better END AS better, t.amount, t.amount_unit
    FROM (SELECT * FROM trials ORDER BY id DESC LIMIT {MAX_TRIALS}) t LEFT JOIN actions a ON a.action = t.action ORDER BY t.id"""


def read_savings(reader: Reader) -> SavingsSummary:
    """The savings of the newest 5,000 trials."""
    with reader.reading() as connection:
        return summarise_savings([JudgedRun(**row) for row in fetch_all(connection, _RUNS)])
