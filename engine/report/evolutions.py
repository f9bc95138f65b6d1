"""The section of a report on changes of models: what started them, and what their contests have shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from engine.report.day import DayRecord, EvolutionSummary
from engine.report.document import Paragraph, Table
from engine.units import MISSING, format_count, format_number

MAX_EVOLUTIONS = 30  # rows of the table


def list_evolutions(day: DayRecord) -> Iterator[Paragraph | Table]:
    """The changes of the day, newest first."""
    if not day.evolutions:
        yield Paragraph("No model was trained again, and none was searched.")
        return
    states = ", ".join(f"{n} {state}" for state, n in Counter(row.state for row in day.evolutions).most_common())
    yield Paragraph(f"{format_count(len(day.evolutions), 'change')} of models: {states}.")
    yield Table(
        ("Tick", "Trigger", "Figures", "Strategy", "Model", "Version", "State", "E-value of threshold"),
        tuple(_row(row) for row in day.evolutions[:MAX_EVOLUTIONS]),
        left=7,
    )
    if len(day.evolutions) > MAX_EVOLUTIONS:
        yield Paragraph(f"{len(day.evolutions) - MAX_EVOLUTIONS} earlier ones are on the page Models.")


def _row(row: EvolutionSummary) -> tuple[str, ...]:
    evidence = MISSING if row.evidence is None else f"{format_number(row.evidence, 1)} of {format_number(row.threshold, 0)}"
    return f"{row.began:,}", row.trigger, row.detail or MISSING, row.strategy, row.model, row.version or MISSING, row.state, evidence
