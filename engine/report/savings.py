"""The optimizer's measured savings: sums of proved effects, success rates, control windows and manual runs."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.domain.optimization import MANUAL
from engine.evidence.effects import EffectTotal, MeasuredEffect, is_effect_proved, median_change, success_rate, sum_effects, sum_totals
from engine.report.day import MetricSavings, RunSummary

__all__ = [
    "EffectTotal", "JudgedRun", "ManualRuns", "MedianChange", "MetricSaving", "SavingsFamily", "SavingsSummary", "SuccessRate", "TreatedAndControl",
    "sum_proved_effects", "summarise_savings",
]  # fmt: skip
HELPED, NOTHING, HARMED = JUDGED = ("helped", "no measurable effect", "harmed")
MEMORY_WORDS = ("rss", "memory", "swap", "heap")  # words of memory metrics in bytes; other metrics in bytes are of disk
_ORDER = {"memory": 0, "disk": 1, "time": 2}
Band = tuple[float, float]


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """One trial with the fields that sums need. `better` is the action's direction of improvement where the metric is its own."""

    action: str
    trigger: str
    mode: str
    placebo: int
    metric: str | None
    unit: str | None
    before: float | None
    after: float | None
    effect: float | None
    low: float | None
    high: float | None
    windows: int | None
    verdict: str
    undone: int
    better: int | None
    amount: float | None
    amount_unit: str | None

    @property
    def change(self) -> float:
        return math.nan if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True, slots=True)
class MetricSaving:
    """The savings of all runs judged on one metric; `proved` is None where no run proved an effect."""

    metric: str
    unit: str
    proved: EffectTotal | None  # total of the runs that proved an effect
    measured: EffectTotal | None  # total of all runs with an interval
    no_effect: int  # runs without a measurable effect
    unmeasured: int  # runs without an interval
    undone: int  # runs that were undone
    unknown_direction: int  # proved runs whose direction of improvement is unknown

    @property
    def family(self) -> str:
        """memory, disk or time, within which savings may be added up; else the metric."""
        if self.unit == "bytes":
            return "memory" if any(word in self.metric for word in MEMORY_WORDS) else "disk"
        return "time" if self.unit == "ms" else self.metric


@dataclass(frozen=True, slots=True)
class SavingsFamily:
    """The savings of a family of metrics that may be added up."""

    name: str
    unit: str
    proved: EffectTotal | None
    no_effect: int  # runs without a measurable effect
    left_out: int  # other runs outside every sum


@dataclass(frozen=True, slots=True)
class SuccessRate:
    """How often runs helped. `share` is None without judged runs, `band` (95 %) with too few."""

    name: str  # of the action or the trigger; "" for all
    helped: int
    no_effect: int
    harmed: int
    unjudged: int
    share: float | None
    band: Band | None

    @property
    def judged(self) -> int:
        return self.helped + self.no_effect + self.harmed


@dataclass(frozen=True, slots=True)
class MedianChange:
    """The median change of a metric (after less before) with its 95 % interval; None where there is too little data."""

    n: int
    median: float | None
    band: Band | None


@dataclass(frozen=True, slots=True)
class TreatedAndControl:
    """An action's treated windows compared with its control windows."""

    action: str
    metric: str
    unit: str
    control: MedianChange
    treated: MedianChange


@dataclass(frozen=True, slots=True)
class ManualRuns:
    """An action's manual runs: the metric compared with matched windows, and what the runs freed or changed directly."""

    action: str
    metric: str
    unit: str
    n: int
    better: int  # than in matched windows
    usual: int
    worse: int
    unknown: int
    change: MedianChange  # after less before
    direct: tuple[tuple[str, float], ...]  # unit, sum


@dataclass(frozen=True, slots=True)
class SavingsSummary:
    """The savings of the newest trials. Manual runs, which were not randomised, are counted in `manual` only."""

    trials: int  # by the optimizer, with placebos
    placebos: int
    families: tuple[SavingsFamily, ...]
    savings: tuple[MetricSaving, ...]
    overall: SuccessRate
    by_action: tuple[SuccessRate, ...]
    by_trigger: tuple[SuccessRate, ...]
    controls: tuple[TreatedAndControl, ...]
    manual: tuple[ManualRuns, ...]


def summarise_savings(trials: Sequence[JudgedRun]) -> SavingsSummary:
    """Sum up trials, oldest first."""
    automatic, manual = [run for run in trials if run.mode != MANUAL], [run for run in trials if run.mode == MANUAL]
    runs = [run for run in automatic if not run.placebo]
    savings = tuple(_saving(metric, group) for metric, group in _groups(runs, "metric").items())
    return SavingsSummary(
        trials=len(automatic), placebos=len(automatic) - len(runs), families=_families(savings), savings=savings, overall=_rate("", runs),
        by_action=_rates(runs, "action"), by_trigger=_rates(runs, "trigger"), controls=_controls(automatic),
        manual=tuple(_manual(action, metric, group) for (action, metric), group in _pairs(manual)),
    )  # fmt: skip


def sum_proved_effects(runs: Sequence[RunSummary], directions: Mapping[str, int]) -> tuple[MetricSavings, ...]:
    """The proved effects of a day's runs by metric, above 0 for a gain. Manual and undone runs are left out.

    `directions` are those of the actions' own metrics; for another metric it is the direction of a run that helped.
    """
    automatic = [run for run in runs if run.mode != MANUAL and not (run.placebo or run.undone)]
    better = {run.metric: 1 if run.effect > 0 else -1 for run in automatic if run.verdict == HELPED and run.effect}
    better |= directions
    effects: defaultdict[tuple[str, str], list[MeasuredEffect]] = defaultdict(list)
    for run in automatic:
        direction = better.get(run.metric)
        if direction is None or run.effect is None or run.low is None or run.high is None or not is_effect_proved(run.verdict, run.low, run.high):
            continue
        low, high = sorted((direction * run.low, direction * run.high))
        effects[run.metric, run.unit].append(MeasuredEffect(direction * run.effect, low, high, max(1, run.windows)))
    totals = ((metric, unit, sum_effects(parts)) for (metric, unit), parts in effects.items())
    return tuple(MetricSavings(metric, unit, total) for metric, unit, total in totals if total is not None)


def _groups(runs: Sequence[JudgedRun], by: str) -> dict[str, list[JudgedRun]]:
    """Runs by the value of a field, sorted; runs without a value are left out."""
    groups: defaultdict[str, list[JudgedRun]] = defaultdict(list)
    for run in runs:
        value = getattr(run, by)
        if value is not None:
            groups[str(value)].append(run)
    return dict(sorted(groups.items()))


def _saving(metric: str, runs: Sequence[JudgedRun]) -> MetricSaving:
    valid, direction = [run for run in runs if not run.undone], _direction(runs)
    measured = [run for run in valid if run.effect is not None and run.low is not None and run.high is not None]
    proved = [run for run in measured if is_effect_proved(run.verdict, run.low, run.high)]
    totals = [None if direction is None else sum_effects([_effect(direction, run) for run in group]) for group in (proved, measured)]
    return MetricSaving(
        metric, _unit(runs), totals[0], totals[1], no_effect=len(measured) - len(proved), unmeasured=len(valid) - len(measured),
        undone=len(runs) - len(valid), unknown_direction=0 if direction is not None else len(proved),
    )  # fmt: skip


def _effect(direction: int, run: JudgedRun) -> MeasuredEffect:
    """The effect of a run with an interval, above 0 for a gain."""
    effect, low, high = (direction * (value or 0.0) for value in (run.effect, run.low, run.high))
    return MeasuredEffect(effect, min(low, high), max(low, high), run.windows or 1)


def _direction(runs: Sequence[JudgedRun]) -> int | None:
    """The metric's direction of improvement: the action's, else that of a run that helped. A run that harmed may have harmed another metric."""
    declared = next((run.better for run in reversed(runs) if run.better is not None), None)
    if declared is not None:
        return declared
    effect = next((run.effect for run in reversed(runs) if run.verdict == HELPED and run.effect and not run.undone), None)
    return None if effect is None else 1 if effect > 0 else -1


def _families(savings: Sequence[MetricSaving]) -> tuple[SavingsFamily, ...]:
    groups: defaultdict[tuple[str, str], list[MetricSaving]] = defaultdict(list)
    for saving in savings:
        groups[saving.family, saving.unit].append(saving)
    return tuple(
        SavingsFamily(
            name, unit, sum_totals([saving.proved for saving in group if saving.proved]), sum(saving.no_effect for saving in group),
            sum(saving.unmeasured + saving.undone + saving.unknown_direction for saving in group),
        )
        for (name, unit), group in sorted(groups.items(), key=lambda pair: (_ORDER.get(pair[0][0], len(_ORDER)), pair[0]))
    )  # fmt: skip


def _rates(runs: Sequence[JudgedRun], by: str) -> tuple[SuccessRate, ...]:
    return tuple(_rate(name, group) for name, group in _groups(runs, by).items())


def _rate(name: str, runs: Sequence[JudgedRun]) -> SuccessRate:
    helped, no_effect, harmed = _count_verdicts(runs)
    judged = helped + no_effect + harmed
    share, band = success_rate(helped, judged) or (None, None)
    return SuccessRate(name, helped, no_effect, harmed, len(runs) - judged, share, band)


def _controls(runs: Sequence[JudgedRun]) -> tuple[TreatedAndControl, ...]:
    """Only for actions with a control window."""
    compared = []
    for (action, metric), group in _pairs(runs):
        control = [run for run in group if run.placebo]
        if control:
            compared.append(TreatedAndControl(action, metric, _unit(group), _change(control), _change([run for run in group if not run.placebo])))
    return tuple(compared)


def _manual(action: str, metric: str, runs: Sequence[JudgedRun]) -> ManualRuns:
    better, usual, worse = _count_verdicts(runs)
    direct: defaultdict[str, float] = defaultdict(float)
    for run in runs:
        if run.amount is not None:
            direct[run.amount_unit or ""] += run.amount
    return ManualRuns(
        action, metric, _unit(runs), len(runs), better, usual, worse, len(runs) - better - usual - worse, _change(runs), tuple(direct.items())
    )


def _count_verdicts(runs: Sequence[JudgedRun]) -> tuple[int, int, int]:
    helped, no_effect, harmed = (sum(run.verdict == verdict for run in runs) for verdict in JUDGED)
    return helped, no_effect, harmed


def _pairs(runs: Sequence[JudgedRun]) -> list[tuple[tuple[str, str], list[JudgedRun]]]:
    """Runs by action and metric."""
    return [((action, metric), group) for action, same in _groups(runs, "action").items() for metric, group in _groups(same, "metric").items()]


def _unit(runs: Sequence[JudgedRun]) -> str:
    return next((run.unit for run in reversed(runs) if run.unit), "")


def _change(runs: Sequence[JudgedRun]) -> MedianChange:
    known = [run.change for run in runs if math.isfinite(run.change)]
    return MedianChange(len(known), *(median_change(known) or (None, None)))
