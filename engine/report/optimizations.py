"""The optimizer's part of a day's report: runs, their measured effects, undone runs, and savings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from engine.domain.optimization import describe_comparison
from engine.evidence.effects import is_effect_proved
from engine.report.day import DayRecord, MetricSavings, RunSummary
from engine.report.document import Paragraph, Table
from engine.units import NOT_ENOUGH, format_count, format_reading, format_reading_interval, format_time

MAX_RUNS = 8  # listed one by one
VERDICTS = ("helped", "no measurable effect", "harmed", NOT_ENOUGH)
Blocks = Iterator[Paragraph | Table]


def list_optimizations(day: DayRecord) -> Blocks:
    """Yield the runs by action, then the runs that mattered, then sums."""
    fired = ", ".join(f"{rule} {n}" for rule, n in day.rule_firings[:MAX_RUNS])
    yield Paragraph(f"Rules that fired: {fired}." if fired else "No rule fired.")
    if day.more_runs:
        yield Paragraph(f"The figures below cover the newest {len(day.runs):,} runs and control windows of the day.")
    yield from _randomised(day, tuple(run for run in day.runs if not run.is_manual))
    yield from _manual(tuple(run for run in day.runs if run.is_manual))


def _randomised(day: DayRecord, runs: tuple[RunSummary, ...]) -> Blocks:
    """The optimizer's own windows: chance decided whether the action ran or was withheld."""
    if not runs:
        yield Paragraph("The optimizer ran no action and had no control window.")
        return
    yield Table(
        ("Action", "Runs", "Control windows", "Helped", "No measurable effect", "Harmed", "Not enough data", "Undone", "Direct effect"),
        tuple(_by_action(runs)),
    )
    notable = [run for run in runs if not run.placebo and (run.verdict in {"helped", "harmed"} or run.undone)]
    if notable:
        yield Table(("At", "Action", "Trigger", "Metric", "Verdict", "Effect", "95 % interval"), tuple(map(_run_row, notable[:MAX_RUNS])), left=5)
    if len(notable) > MAX_RUNS:
        yield Paragraph(f"{len(notable) - MAX_RUNS} more helped, harmed or were undone.")
    yield from _savings(day, runs)


def _manual(runs: tuple[RunSummary, ...]) -> Blocks:
    """Runs that people started: not randomised, so in no count and no sum above."""
    if not runs:
        return
    yield Table(
        ("Manual run at", "Action", "Metric", "Compared with usual", "Before", "After", "Direct effect"),
        tuple(map(_manual_row, runs[:MAX_RUNS])),
        left=4,
    )
    more = f" {format_count(len(runs) - MAX_RUNS, 'more run')}." if len(runs) > MAX_RUNS else ""
    yield Paragraph(
        "Manual runs are in none of the counts and sums above, because chance did not decide them. Each is compared with idle windows in which the "
        f"metric was at a comparable level. That is an indication, not proof.{more}"
    )


def _manual_row(run: RunSummary) -> tuple[str, ...]:
    before, after = (format_reading(value, run.unit, NOT_ENOUGH) for value in (run.before, run.after))
    return (
        format_time(run.at, "%H:%M:%S"),
        run.action.replace("_", " "),
        run.metric,
        describe_comparison(run.verdict),
        before,
        after,
        _direct_effect([run]),
    )


def _by_action(runs: tuple[RunSummary, ...]) -> Iterator[tuple[str, ...]]:
    groups: defaultdict[str, list[RunSummary]] = defaultdict(list)
    for run in runs:
        groups[run.action].append(run)
    for action, group in sorted(groups.items()):
        treated = [run for run in group if not run.placebo]
        counts = [sum(run.verdict == verdict for run in treated) for verdict in VERDICTS]
        undone = sum(run.undone for run in treated)
        yield action.replace("_", " "), *(f"{n:,}" for n in (len(treated), len(group) - len(treated), *counts, undone)), _direct_effect(treated)


def _direct_effect(runs: list[RunSummary]) -> str:
    """The amounts that the actions reported, by unit, such as bytes freed; not the causal effect."""
    totals: defaultdict[str, float] = defaultdict(float)
    for run in runs:
        if run.amount is not None and not run.undone:
            totals[run.amount_unit] += run.amount
    return ", ".join(format_reading(amount, unit, NOT_ENOUGH) for unit, amount in totals.items()) or "none"


def _run_row(run: RunSummary) -> tuple[str, ...]:
    verdict = f"{run.verdict}, undone" if run.undone else run.verdict
    effect, interval = format_reading(run.effect, run.unit, NOT_ENOUGH, signed=True), format_reading_interval(run.low, run.high, run.unit)
    return format_time(run.at, "%H:%M:%S"), run.action.replace("_", " "), run.trigger, run.metric, verdict, effect, interval


def _savings_row(savings: MetricSavings) -> tuple[str, ...]:
    """A sum with its interval; one whose interval includes 0 is no measurable effect."""
    total = savings.total
    amount = format_reading(total.amount, savings.unit, NOT_ENOUGH, signed=True) if total.is_proved else "no measurable effect"
    return savings.metric, amount, format_reading_interval(total.low, total.high, savings.unit), f"{total.n:,}"


def _savings(day: DayRecord, runs: tuple[RunSummary, ...]) -> Blocks:
    without_interval = sum(not run.placebo and run.low is None for run in runs)
    unproven = sum(not (run.placebo or run.undone) and run.low is not None and not is_effect_proved(run.verdict, run.low, run.high) for run in runs)
    if unproven:
        yield Paragraph(f"{format_count(unproven, 'run')} without measurable effect, excluded from the sums.")
    if not day.savings:
        yield Paragraph("Savings: no measurable effect." if unproven else f"Savings: {NOT_ENOUGH}. No run of the day has an interval yet.")
        return
    yield Table(("Savings on", "Sum of proven effects", "95 % interval", "Runs"), tuple(map(_savings_row, day.savings)))
    excluded = f" {format_count(without_interval, 'run')} without an interval excluded." if without_interval else ""
    yield Paragraph(f"Above 0 is a gain. Undone runs are not counted.{excluded}")
