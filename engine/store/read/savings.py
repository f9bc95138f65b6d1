"""What the optimizer's runs came to, as the store has it: sums of measured effects, how often they helped, and what came of doing nothing."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from engine.domain.optimization import MANUAL
from engine.evidence.effects import EffectTotal, MeasuredEffect, is_effect_proved, median_change, success_rate, sum_effects, sum_totals
from engine.store.read.optimizer import MAX_TRIALS
from engine.store.read.reader import Reader, SqlValue, fetch_all

__all__ = [
    "ManualRuns",
    "MedianChange",
    "SavingsFamily",
    "TreatedAndControl",
    "SuccessRate",
    "MetricSaving",
    "SavingsSummary",
    "EffectTotal",
    "read_savings",
]

HELPED, NOTHING, HARMED = JUDGED = ("helped", "no measurable effect", "harmed")
MEMORY_WORDS = ("rss", "memory", "swap", "heap")  # words of a metric in bytes that is of memory; any other is of disk
_ORDER = {"memory": 0, "disk": 1, "time": 2}
Band = tuple[float, float]
_RUNS = f"""
    SELECT t.action, coalesce(t."trigger", 'by hand'), t.mode, t.placebo, t.metric, t.unit, t.before, t.after, t.effect, t.low, t.high, t.windows,
           t.verdict, t.undone, CASE WHEN a.cures = t.metric THEN a.better END, t.amount, t.amount_unit
    FROM (SELECT * FROM trials ORDER BY id DESC LIMIT {MAX_TRIALS}) t LEFT JOIN actions a ON a.action = t.action ORDER BY t.id"""


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """One trial, as far as sums need it. `better`: of its action where the metric is the one that it cures."""

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
    """What the runs judged on one metric saved together; `told` is None where none of them proved an effect."""

    metric: str
    unit: str
    proved: EffectTotal | None  # of the runs that proved an effect
    measured: EffectTotal | None  # of every run with an interval, those without a measurable effect among them
    no_effect: int  # runs without a measurable effect
    unmeasured: int  # runs that have no interval yet
    undone: int  # runs that were taken back
    unknown_direction: int  # runs of which it is not known which way is better

    @property
    def family(self) -> str:
        """memory, disk or time: what may be added up; else the metric."""
        if self.unit == "bytes":
            return "memory" if any(word in self.metric for word in MEMORY_WORDS) else "disk"
        return "time" if self.unit == "ms" else self.metric


@dataclass(frozen=True, slots=True)
class SavingsFamily:
    """Savings that may be added up."""

    name: str
    unit: str
    proved: EffectTotal | None
    no_effect: int  # runs without a measurable effect
    left_out: int  # the others that are in no sum


@dataclass(frozen=True, slots=True)
class SuccessRate:
    """How often runs helped. `share` is None where none was judged, `band` (95 %) where too few were."""

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
    """What became of a metric: the median of after less before, with its 95 % interval; None where there is too little."""

    n: int
    median: float | None
    band: Band | None


@dataclass(frozen=True, slots=True)
class TreatedAndControl:
    """An action's answers that were left out by chance, beside those that were not."""

    action: str
    metric: str
    unit: str
    control: MedianChange
    treated: MedianChange


@dataclass(frozen=True, slots=True)
class ManualRuns:
    """An action's runs by hand: how the metric went against comparable windows, and what the runs freed or changed themselves."""

    action: str
    metric: str
    unit: str
    n: int
    better: int  # than in comparable windows
    usual: int
    worse: int
    unknown: int
    change: MedianChange  # after less before
    direct: tuple[tuple[str, float], ...]  # unit, sum


@dataclass(frozen=True, slots=True)
class SavingsSummary:
    """All that the newest trials came to. Runs by hand, which no coin decided, stand apart and are in nothing else."""

    trials: int  # by the optimizer, placebos counted
    placebos: int
    families: tuple[SavingsFamily, ...]
    savings: tuple[MetricSaving, ...]
    overall: SuccessRate
    by_action: tuple[SuccessRate, ...]
    by_trigger: tuple[SuccessRate, ...]
    controls: tuple[TreatedAndControl, ...]
    manual: tuple[ManualRuns, ...]


def read_savings(reader: Reader) -> SavingsSummary:
    """Of the newest 5,000 trials."""
    with reader.reading() as connection:
        every = [JudgedRun(*row) for row in fetch_all(connection, _RUNS)]
    every, manual = [one for one in every if one.mode != MANUAL], [one for one in every if one.mode == MANUAL]
    runs = [one for one in every if not one.placebo]
    found = tuple(_saving(metric, group) for metric, group in _groups(runs, "metric").items())
    return SavingsSummary(
        len(every),
        len(every) - len(runs),
        _families(found),
        found,
        _rate("", runs),
        _rates(runs, "action"),
        _rates(runs, "trigger"),
        _left(every),
        tuple(_by_hand(*key, group) for key, group in _pairs(manual)),
    )


def _groups(runs: Sequence[JudgedRun], by: str) -> dict[str, list[JudgedRun]]:
    """By the value of a column, in its order; runs without one are left."""
    found: defaultdict[str, list[JudgedRun]] = defaultdict(list)
    for one in runs:
        value: SqlValue = getattr(one, by)
        if value is not None:
            found[str(value)].append(one)
    return dict(sorted(found.items()))


def _saving(metric: str, runs: Sequence[JudgedRun]) -> MetricSaving:
    kept, way = [one for one in runs if not one.undone], _better(runs)
    sure = [one for one in kept if one.effect is not None and one.low is not None and one.high is not None]
    proved = [one for one in sure if is_effect_proved(one.verdict, one.low, one.high)]
    sums = [None if way is None else sum_effects([_part(way, one) for one in some]) for some in (proved, sure)]
    unknown = 0 if way is not None else len(proved)
    return MetricSaving(metric, _unit(runs), sums[0], sums[1], len(sure) - len(proved), len(kept) - len(sure), len(runs) - len(kept), unknown)


def _part(way: int, run: JudgedRun) -> MeasuredEffect:
    """Of a run with an interval, above 0 where it is a gain."""
    effect, low, high = (way * (value or 0.0) for value in (run.effect, run.low, run.high))
    return MeasuredEffect(effect, min(low, high), max(low, high), run.windows or 1)


def _better(runs: Sequence[JudgedRun]) -> int | None:
    """Which way of a metric is a gain: as its action says, else as it went where it helped; one that harmed may have harmed something else."""
    said = next((one.better for one in reversed(runs) if one.better is not None), None)
    if said is not None:
        return said
    effect = next((one.effect for one in reversed(runs) if one.verdict == HELPED and one.effect and not one.undone), None)
    return None if effect is None else 1 if effect > 0 else -1


def _families(found: Sequence[MetricSaving]) -> tuple[SavingsFamily, ...]:
    groups: defaultdict[tuple[str, str], list[MetricSaving]] = defaultdict(list)
    for one in found:
        groups[one.family, one.unit].append(one)
    return tuple(
        SavingsFamily(
            name,
            unit,
            sum_totals([one.proved for one in group if one.proved]),
            sum(one.no_effect for one in group),
            sum(one.unmeasured + one.undone + one.unknown_direction for one in group),
        )
        for (name, unit), group in sorted(groups.items(), key=lambda pair: (_ORDER.get(pair[0][0], len(_ORDER)), pair[0]))
    )


def _rates(runs: Sequence[JudgedRun], by: str) -> tuple[SuccessRate, ...]:
    return tuple(_rate(name, group) for name, group in _groups(runs, by).items())


def _rate(name: str, runs: Sequence[JudgedRun]) -> SuccessRate:
    helped, nothing, harmed = (sum(one.verdict == word for one in runs) for word in JUDGED)
    judged = helped + nothing + harmed
    told = success_rate(helped, judged)
    share, band = told if told is not None else (None, None)
    return SuccessRate(name, helped, nothing, harmed, len(runs) - judged, share, band)


def _left(every: Sequence[JudgedRun]) -> tuple[TreatedAndControl, ...]:
    """Only where there was a placebo."""
    found = []
    for (action, metric), group in _pairs(every):
        nothing = [one for one in group if one.placebo]
        if nothing:
            found.append(TreatedAndControl(action, metric, _unit(group), _change(nothing), _change([one for one in group if not one.placebo])))
    return tuple(found)


def _by_hand(action: str, metric: str, runs: Sequence[JudgedRun]) -> ManualRuns:
    better, usual, worse = (sum(one.verdict == word for one in runs) for word in JUDGED)
    direct: defaultdict[str, float] = defaultdict(float)
    for one in runs:
        if one.amount is not None:
            direct[one.amount_unit or ""] += one.amount
    return ManualRuns(
        action, metric, _unit(runs), len(runs), better, usual, worse, len(runs) - better - usual - worse, _change(runs), tuple(direct.items())
    )


def _pairs(runs: Sequence[JudgedRun]) -> list[tuple[tuple[str, str], list[JudgedRun]]]:
    """Runs by action and metric."""
    return [((action, metric), group) for action, same in _groups(runs, "action").items() for metric, group in _groups(same, "metric").items()]


def _unit(runs: Sequence[JudgedRun]) -> str:
    return next((one.unit for one in reversed(runs) if one.unit), "")


def _change(runs: Sequence[JudgedRun]) -> MedianChange:
    known = [one.change for one in runs if math.isfinite(one.change)]
    told = median_change(known)
    return MedianChange(len(known), *(told if told is not None else (None, None)))
