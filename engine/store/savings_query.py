"""What the optimizer's runs came to, as the store has it: sums of measured effects, how often they helped, and what came of doing nothing."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from engine.domain.tuning import MANUAL
from engine.evidence.savings import Part, Total, is_proved, success, together, total, typical
from engine.store.optimizer_query import COUNTED
from engine.store.reader import Reader, Value, told_all

__all__ = ["ByHand", "Change", "Family", "Left", "Rate", "Saving", "SavingsTold", "Total", "savings"]

HELPED, NOTHING, HARMED = JUDGED = ("helped", "no measurable effect", "harmed")
MEMORY = ("rss", "memory", "swap", "heap")  # words of a metric in bytes that is of memory; any other is of disk
_ORDER = {"memory": 0, "disk": 1, "time": 2}
Band = tuple[float, float]
_RUNS = f"""
    SELECT t.action, coalesce(t."trigger", 'by hand'), t.mode, t.placebo, t.metric, t.unit, t.before, t.after, t.effect, t.low, t.high, t.windows,
           t.verdict, t.undone, CASE WHEN a.cures = t.metric THEN a.better END, t.amount, t.amount_unit
    FROM (SELECT * FROM trials ORDER BY id DESC LIMIT {COUNTED}) t LEFT JOIN actions a ON a.action = t.action ORDER BY t.id"""


@dataclass(frozen=True, slots=True)
class Run:
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
class Saving:
    """What the runs judged on one metric saved together; `told` is None where none of them proved an effect."""

    metric: str
    unit: str
    told: Total | None  # of the runs that proved an effect
    measured: Total | None  # of every run with an interval, those without a measurable effect among them
    nothing: int  # runs without a measurable effect
    without: int  # runs that have no interval yet
    undone: int  # runs that were taken back
    unknown: int  # runs of which it is not known which way is better

    @property
    def family(self) -> str:
        """memory, disk or time: what may be added up; else the metric."""
        if self.unit == "bytes":
            return "memory" if any(word in self.metric for word in MEMORY) else "disk"
        return "time" if self.unit == "ms" else self.metric


@dataclass(frozen=True, slots=True)
class Family:
    """Savings that may be added up."""

    name: str
    unit: str
    told: Total | None
    nothing: int  # runs without a measurable effect
    left_out: int  # the others that are in no sum


@dataclass(frozen=True, slots=True)
class Rate:
    """How often runs helped. `share` is None where none was judged, `band` (95 %) where too few were."""

    name: str  # of the action or the trigger; "" for all
    helped: int
    nothing: int
    harmed: int
    unjudged: int
    share: float | None
    band: Band | None

    @property
    def judged(self) -> int:
        return self.helped + self.nothing + self.harmed


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a metric: the median of after less before, with its 95 % interval; None where there is too little."""

    n: int
    middle: float | None
    band: Band | None


@dataclass(frozen=True, slots=True)
class Left:
    """An action's answers that were left out by chance, beside those that were not."""

    action: str
    metric: str
    unit: str
    nothing: Change
    done: Change


@dataclass(frozen=True, slots=True)
class ByHand:
    """An action's runs by hand: how the metric went against comparable windows, and what the runs freed or changed themselves."""

    action: str
    metric: str
    unit: str
    n: int
    better: int  # than in comparable windows
    usual: int
    worse: int
    unknown: int
    change: Change  # after less before
    direct: tuple[tuple[str, float], ...]  # unit, sum


@dataclass(frozen=True, slots=True)
class SavingsTold:
    """All that the newest trials came to. Runs by hand, which no coin decided, stand apart and are in nothing else."""

    trials: int  # by the optimizer, placebos counted
    placebos: int
    families: tuple[Family, ...]
    savings: tuple[Saving, ...]
    overall: Rate
    by_action: tuple[Rate, ...]
    by_trigger: tuple[Rate, ...]
    left: tuple[Left, ...]
    by_hand: tuple[ByHand, ...]


def savings(reader: Reader) -> SavingsTold:
    """Of the newest 5,000 trials."""
    with reader.reading() as connection:
        every = [Run(*row) for row in told_all(connection, _RUNS)]
    every, manual = [one for one in every if one.mode != MANUAL], [one for one in every if one.mode == MANUAL]
    runs = [one for one in every if not one.placebo]
    found = tuple(_saving(metric, group) for metric, group in _groups(runs, "metric").items())
    return SavingsTold(
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


def _groups(runs: Sequence[Run], by: str) -> dict[str, list[Run]]:
    """By the value of a column, in its order; runs without one are left."""
    found: defaultdict[str, list[Run]] = defaultdict(list)
    for one in runs:
        value: Value = getattr(one, by)
        if value is not None:
            found[str(value)].append(one)
    return dict(sorted(found.items()))


def _saving(metric: str, runs: Sequence[Run]) -> Saving:
    kept, way = [one for one in runs if not one.undone], _better(runs)
    sure = [one for one in kept if one.effect is not None and one.low is not None and one.high is not None]
    proved = [one for one in sure if is_proved(one.verdict, one.low, one.high)]
    sums = [None if way is None else total([_part(way, one) for one in some]) for some in (proved, sure)]
    unknown = 0 if way is not None else len(proved)
    return Saving(metric, _unit(runs), sums[0], sums[1], len(sure) - len(proved), len(kept) - len(sure), len(runs) - len(kept), unknown)


def _part(way: int, run: Run) -> Part:
    """Of a run with an interval, above 0 where it is a gain."""
    effect, low, high = (way * (value or 0.0) for value in (run.effect, run.low, run.high))
    return Part(effect, min(low, high), max(low, high), run.windows or 1)


def _better(runs: Sequence[Run]) -> int | None:
    """Which way of a metric is a gain: as its action says, else as it went where it helped; one that harmed may have harmed something else."""
    said = next((one.better for one in reversed(runs) if one.better is not None), None)
    if said is not None:
        return said
    effect = next((one.effect for one in reversed(runs) if one.verdict == HELPED and one.effect and not one.undone), None)
    return None if effect is None else 1 if effect > 0 else -1


def _families(found: Sequence[Saving]) -> tuple[Family, ...]:
    groups: defaultdict[tuple[str, str], list[Saving]] = defaultdict(list)
    for one in found:
        groups[one.family, one.unit].append(one)
    return tuple(
        Family(
            name,
            unit,
            together([one.told for one in group if one.told]),
            sum(one.nothing for one in group),
            sum(one.without + one.undone + one.unknown for one in group),
        )
        for (name, unit), group in sorted(groups.items(), key=lambda pair: (_ORDER.get(pair[0][0], len(_ORDER)), pair[0]))
    )


def _rates(runs: Sequence[Run], by: str) -> tuple[Rate, ...]:
    return tuple(_rate(name, group) for name, group in _groups(runs, by).items())


def _rate(name: str, runs: Sequence[Run]) -> Rate:
    helped, nothing, harmed = (sum(one.verdict == word for one in runs) for word in JUDGED)
    judged = helped + nothing + harmed
    told = success(helped, judged)
    share, band = told if told is not None else (None, None)
    return Rate(name, helped, nothing, harmed, len(runs) - judged, share, band)


def _left(every: Sequence[Run]) -> tuple[Left, ...]:
    """Only where there was a placebo."""
    found = []
    for (action, metric), group in _pairs(every):
        nothing = [one for one in group if one.placebo]
        if nothing:
            found.append(Left(action, metric, _unit(group), _change(nothing), _change([one for one in group if not one.placebo])))
    return tuple(found)


def _by_hand(action: str, metric: str, runs: Sequence[Run]) -> ByHand:
    better, usual, worse = (sum(one.verdict == word for one in runs) for word in JUDGED)
    direct: defaultdict[str, float] = defaultdict(float)
    for one in runs:
        if one.amount is not None:
            direct[one.amount_unit or ""] += one.amount
    return ByHand(
        action, metric, _unit(runs), len(runs), better, usual, worse, len(runs) - better - usual - worse, _change(runs), tuple(direct.items())
    )


def _pairs(runs: Sequence[Run]) -> list[tuple[tuple[str, str], list[Run]]]:
    """Runs by action and metric."""
    return [((action, metric), group) for action, same in _groups(runs, "action").items() for metric, group in _groups(same, "metric").items()]


def _unit(runs: Sequence[Run]) -> str:
    return next((one.unit for one in reversed(runs) if one.unit), "")


def _change(runs: Sequence[Run]) -> Change:
    known = [one.change for one in runs if math.isfinite(one.change)]
    told = typical(known)
    return Change(len(known), *(told if told is not None else (None, None)))
