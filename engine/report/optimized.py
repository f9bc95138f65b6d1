"""What a day's report says of the optimizer: what ran, what it measurably did, what was taken back, and what it saved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from engine.report.day import Day, Run
from engine.report.document import Paragraph, Table
from engine.report.words import NOT_ENOUGH, between, clock, figure, whole

TOLD = 8  # runs one by one
VERDICTS = ("helped", "no measurable effect", "harmed", NOT_ENOUGH)


def optimizations(day: Day) -> Iterator[Paragraph | Table]:
    """By action, then the runs that mattered, then sums."""
    fired = ", ".join(f"{rule} {n}" for rule, n in day.fired[:TOLD])
    yield Paragraph(f"Rules that fired: {fired}." if fired else "No rule fired.")
    if not day.runs:
        yield Paragraph("No optimization was run or left out as a placebo.")
        return
    yield Table(
        ("Action", "run", "placebos", "helped", "no effect", "harmed", "too little data", "undone", "did itself"), tuple(_by_action(day.runs))
    )
    if day.more_runs:
        yield Paragraph(f"These are the newest {len(day.runs):,} of the day.")
    told = [one for one in day.runs if not one.placebo and (one.verdict in {"helped", "harmed"} or one.undone)]
    if told:
        yield Table(("At", "action", "because of", "metric", "verdict", "effect", "95 % interval"), tuple(_row(one) for one in told[:TOLD]), left=5)
    if len(told) > TOLD:
        yield Paragraph(f"{len(told) - TOLD} more helped, harmed or were taken back.")
    yield from _saved(day)


def _by_action(runs: tuple[Run, ...]) -> Iterator[tuple[str, ...]]:
    groups: defaultdict[str, list[Run]] = defaultdict(list)
    for one in runs:
        groups[one.action].append(one)
    for action, group in sorted(groups.items()):
        treated = [one for one in group if not one.placebo]
        counts = [sum(one.verdict == verdict for one in treated) for verdict in VERDICTS]
        undone = sum(one.undone for one in treated)
        yield action.replace("_", " "), *(f"{n:,}" for n in (len(treated), len(group) - len(treated), *counts, undone)), _direct(treated)


def _direct(runs: list[Run]) -> str:
    """What the actions themselves measured, by unit: the direct effect, which is not the causal one."""
    sums: defaultdict[str, float] = defaultdict(float)
    for one in runs:
        if one.amount is not None and not one.undone:
            sums[one.amount_unit] += one.amount
    return ", ".join(figure(amount, unit, sign=False) for unit, amount in sums.items()) or "nothing"


def _row(one: Run) -> tuple[str, ...]:
    verdict = f"{one.verdict}, undone" if one.undone else one.verdict
    return clock(one.at), one.action.replace("_", " "), one.trigger, one.metric, verdict, figure(one.effect, one.unit), between(
        one.low, one.high, one.unit
    )  # fmt: skip


def _saved(day: Day) -> Iterator[Paragraph | Table]:
    if not day.saved:
        yield Paragraph(f"Savings: {NOT_ENOUGH}; no run of the day has an interval yet.")
        return
    rows = [(one.metric, figure(one.told.amount, one.unit), between(one.told.low, one.told.high, one.unit), f"{one.told.n:,}") for one in day.saved]
    yield Table(("Saved on", "sum of measured effects", "95 % interval", "runs"), tuple(rows))
    without = sum(not one.placebo and one.low is None for one in day.runs)
    left = f" {whole(without, 'run')} without an interval {'is' if without == 1 else 'are'} left out." if without else ""
    yield Paragraph(f"Above 0 is a gain. What was undone is not counted.{left}")
