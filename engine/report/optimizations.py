"""What a day's report says of the optimizer: what ran, what it measurably did, what was taken back, and what it saved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from engine.domain.optimization import describe_comparison
from engine.evidence.effects import is_effect_proved
from engine.report.day import DayRecord, MetricSavings, RunSummary
from engine.report.document import Paragraph, Table
from engine.report.words import NOT_ENOUGH, format_clock, format_count, format_figure, format_interval

TOLD = 8  # runs one by one
VERDICTS = ("helped", "no measurable effect", "harmed", NOT_ENOUGH)


def list_optimizations(day: DayRecord) -> Iterator[Paragraph | Table]:
    """By action, then the runs that mattered, then sums."""
    fired = ", ".join(f"{rule} {n}" for rule, n in day.rule_firings[:TOLD])
    yield Paragraph(f"Rules that fired: {fired}." if fired else "No rule fired.")
    if day.more_runs:
        yield Paragraph(f"What follows is of the newest {len(day.runs):,} runs and placebos of the day.")
    yield from _by_coin(day, tuple(one for one in day.runs if not one.is_manual))
    yield from _by_hand(tuple(one for one in day.runs if one.is_manual))


def _by_coin(day: DayRecord, runs: tuple[RunSummary, ...]) -> Iterator[Paragraph | Table]:
    """What the optimizer did by itself, a coin deciding whether the action was run or left out."""
    if not runs:
        yield Paragraph("The optimizer ran no action and left none out as a placebo.")
        return
    yield Table(("Action", "run", "placebos", "helped", "no effect", "harmed", "too little data", "undone", "did itself"), tuple(_by_action(runs)))
    told = [one for one in runs if not one.placebo and (one.verdict in {"helped", "harmed"} or one.undone)]
    if told:
        yield Table(("At", "action", "because of", "metric", "verdict", "effect", "95 % interval"), tuple(_row(one) for one in told[:TOLD]), left=5)
    if len(told) > TOLD:
        yield Paragraph(f"{len(told) - TOLD} more helped, harmed or were taken back.")
    yield from _saved(day, runs)


def _by_hand(runs: tuple[RunSummary, ...]) -> Iterator[Paragraph | Table]:
    """Runs people asked for: no coin decided them, so they are in no count and no sum above."""
    if not runs:
        return
    yield Table(
        ("Run by hand at", "action", "metric", "compared with usual", "before", "after", "did itself"), tuple(map(_manual, runs[:TOLD])), left=4
    )
    more = f" {len(runs) - TOLD} more were run." if len(runs) > TOLD else ""
    yield Paragraph(
        "Runs by hand are in none of the counts and sums above: no coin decided them. They are compared with windows in which the metric stood at a "
        f"comparable level and nothing was done, which is an indication and no proof.{more}"
    )


def _manual(one: RunSummary) -> tuple[str, ...]:
    before, after = (NOT_ENOUGH if value is None else format_figure(value, one.unit, sign=False) for value in (one.before, one.after))
    return format_clock(one.at), one.action.replace("_", " "), one.metric, describe_comparison(one.verdict), before, after, _direct([one])


def _by_action(runs: tuple[RunSummary, ...]) -> Iterator[tuple[str, ...]]:
    groups: defaultdict[str, list[RunSummary]] = defaultdict(list)
    for one in runs:
        groups[one.action].append(one)
    for action, group in sorted(groups.items()):
        treated = [one for one in group if not one.placebo]
        counts = [sum(one.verdict == verdict for one in treated) for verdict in VERDICTS]
        undone = sum(one.undone for one in treated)
        yield action.replace("_", " "), *(f"{n:,}" for n in (len(treated), len(group) - len(treated), *counts, undone)), _direct(treated)


def _direct(runs: list[RunSummary]) -> str:
    """What the actions themselves measured, by unit: the direct effect, which is not the causal one."""
    sums: defaultdict[str, float] = defaultdict(float)
    for one in runs:
        if one.amount is not None and not one.undone:
            sums[one.amount_unit] += one.amount
    return ", ".join(format_figure(amount, unit, sign=False) for unit, amount in sums.items()) or "nothing"


def _row(one: RunSummary) -> tuple[str, ...]:
    verdict = f"{one.verdict}, undone" if one.undone else one.verdict
    return format_clock(one.at), one.action.replace("_", " "), one.trigger, one.metric, verdict, format_figure(one.effect, one.unit), format_interval(
        one.low, one.high, one.unit
    )  # fmt: skip


def _sum(one: MetricSavings) -> tuple[str, str]:
    """A sum with its interval; one that may as well be 0 saved nothing that can be measured."""
    band = format_interval(one.total.low, one.total.high, one.unit)
    return (format_figure(one.total.amount, one.unit) if one.total.is_proved else "no measurable effect"), band


def _saved(day: DayRecord, runs: tuple[RunSummary, ...]) -> Iterator[Paragraph | Table]:
    without = sum(not one.placebo and one.low is None for one in runs)
    nothing = sum(not (one.placebo or one.undone) and one.low is not None and not is_effect_proved(one.verdict, one.low, one.high) for one in runs)
    if nothing:
        yield Paragraph(f"No measurable effect: {format_count(nothing, 'run')}, in no sum.")
    if not day.savings:
        yield Paragraph("Savings: no measurable effect." if nothing else f"Savings: {NOT_ENOUGH}; no run of the day has an interval yet.")
        return
    rows = [(one.metric, *_sum(one), f"{one.total.n:,}") for one in day.savings]
    yield Table(("Saved on", "sum of proved effects", "95 % interval", "runs"), tuple(rows))
    left = f" {format_count(without, 'run')} without an interval {'is' if without == 1 else 'are'} left out." if without else ""
    yield Paragraph(f"Above 0 is a gain. What was undone is not counted.{left}")
