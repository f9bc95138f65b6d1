"""The strategies of a search: which recipes are tried, and which, if any, is better than the champion's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from engine.domain.evolution import SEARCHES
from engine.domain.model import Hyperparameter, Model, TrainingSet
from engine.domain.recipe import Recipe
from engine.domain.record import Floats
from engine.search import evaluation, folds, stability, tuning
from engine.search.evaluation import BlockSums, Evaluator, Forecast, Gain, Proposal
from engine.search.folds import BlockShares

LONGER = (1.5, 2.0, 3.0)  # multiples of the present window
SHORTER = (0.5, 0.25, 0.12, 0.06, 0.03, 0.015)  # down to what has come since a change of late
RECENT = (0.25, 0.1)  # of the present window, for other kinds of model
FEWEST_WINDOW_ROWS = 800  # of a shorter window
TUNING_TRIALS, STRUCTURE_TRIALS = 20, 8
FREQUENT, OFTEN = 0.75, 0.5  # selection frequencies from which a column is stable
FEWEST_COLUMNS = 4
WINDOW_GRAIN = 10  # bars, to which windows are rounded
BOTH_ERRORS = 1.0  # that the inner and the outer gain, each in its own standard errors, must exceed together
NOTHING_TO_TRY = {
    "longer window": "there are no rows beyond the present window",
    "shorter window": "a shorter window has too few rows, or has lost before",
    "tuning": "this kind of model has no parameters to tune",
    "column selection": "no other selection of columns is stable, or it has lost before",
    "structure search": "there is no other structure and no other kind of model that has not lost before",
}


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """What a search may propose."""

    strategy: str  # of SEARCHES
    champion: Recipe
    kinds: tuple[Model, ...]  # all there are
    serving: frozenset[str]  # kinds that serve in other places, whose votes a copy would only repeat
    tried: frozenset[str]  # ids of recipes that have lost
    window_bars: int  # of recipes that name no window
    seed: int
    margin: float = 0.0005  # of R2, within which two recipes are equivalent


@dataclass(frozen=True, slots=True)
class SearchReport:
    """What a search has tried and found."""

    trials: int  # different recipes that were evaluated, without the champion's
    inner_gain: float | None  # R2 of the best over the champion's on the inner folds, a weighted mean over horizons; None where none was evaluated
    inner_error: float | None
    outer_gain: float | None  # the same on the outer block, where the inner gain was large enough
    outer_error: float | None
    fits: int
    seconds: float  # of processor time
    reason: str  # in one line why there is no challenger, "" where there is one


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A proposal with its sums and gain on the inner folds."""

    proposal: Proposal
    sums: tuple[BlockSums, ...]
    gain: Gain


@dataclass(slots=True)
class _Trials:
    """The candidates evaluated so far."""

    evaluator: Evaluator
    champion: tuple[BlockSums, ...]
    gains: dict[str, float | None]  # by recipe id: of the champion 0, None for recipes that have lost or cannot be fitted
    evaluated: int = 0
    best: _Candidate | None = None

    def try_proposal(self, proposal: Proposal, recipe: Recipe, report: Callable[[float, int], bool] | None = None) -> float | None:
        """Evaluate a proposal, which gives `recipe` from the rows before the outer block; its gain, None where it failed, has lost before, or
        `report` of the gain on the newest folds so far says to stop.
        """
        if recipe.id in self.gains:
            return self.gains[recipe.id]
        self.gains[recipe.id] = None
        self.evaluated += 1
        for count in range(1, folds.INNER_FOLDS + 1):
            sums = self.evaluator.inner_sums(proposal, count)
            if sums is None:
                return None
            candidate = _Candidate(proposal, sums, evaluation.compare_inner(sums, self.champion[:count]))
            if report is not None and report(candidate.gain.value, count) and count < folds.INNER_FOLDS:
                return None
        self.gains[recipe.id] = candidate.gain.value
        if self.best is None or candidate.gain.value > self.best.gain.value:
            self.best = candidate
        return candidate.gain.value


def search_recipe(training: TrainingSet, space: SearchSpace, forecast: Forecast) -> tuple[Recipe | None, SearchReport]:
    """The recipe that is better than the champion's on inner folds and on the outer block, or None; and the report, without its seconds.

    The recipe with the largest gain on the inner folds is the only one that is tried on the outer block, so that its gain there is unbiased. It is
    proposed where `is_worth_a_contest`. Raises ValueError, in one line, where nothing can be searched.
    """
    if space.strategy not in SEARCHES:
        raise ValueError(f"there is no search {space.strategy!r}: there are {', '.join(SEARCHES)}")
    kind = find_kind(space.kinds, space.champion.model)
    evaluator = Evaluator(training, forecast, space.window_bars, _planned_fits(space, kind), _choose_shares(training, space))
    champion = evaluator.inner_sums(lambda _: space.champion)
    if champion is None:
        raise ValueError(f"the champion's recipe, {space.champion.model}, cannot be fitted on these rows")
    trials = _Trials(evaluator, champion, {**dict.fromkeys(space.tried), space.champion.id: 0.0})
    if space.strategy == "tuning":
        _tune(trials, space, kind, structural=False, count=TUNING_TRIALS)
    elif space.strategy == "structure search":
        _tune(trials, space, kind, structural=True, count=STRUCTURE_TRIALS)
    newest = evaluator.training_of(evaluator.outer)
    for proposal in _list_proposals(newest, space):
        trials.try_proposal(proposal, proposal(newest))
    return _judge(trials, space)


def find_kind(kinds: Iterable[Model], name: str) -> Model:
    """The kind of model of that name. Raises ValueError with the known names."""
    known = {kind.name: kind for kind in kinds}
    if name not in known:
        raise ValueError(f"there is no kind of model {name!r}: there are {', '.join(known)}")
    return known[name]


def _choose_shares(training: TrainingSet, space: SearchSpace) -> BlockShares:
    """Short blocks where there are enough bars for them, in the searches that are to follow a change of late."""
    long_enough = _count_bars(training) * folds.SHORT_BLOCKS.inner > 3 * max(training.horizons)
    return folds.SHORT_BLOCKS if space.strategy in {"shorter window", "structure search"} and long_enough else folds.LONG_BLOCKS


def _planned_fits(space: SearchSpace, kind: Model) -> int:
    """Inner fits at most, with the champion's."""
    structural = any(parameter.structural for parameter in kind.parameters)
    recipes = {
        "longer window": len(LONGER),
        "shorter window": len(SHORTER),
        "tuning": TUNING_TRIALS,
        "column selection": 4,
        "structure search": STRUCTURE_TRIALS * structural + (1 + len(RECENT)) * len(_other_kinds(space)),
    }
    return (recipes[space.strategy] + 1) * folds.INNER_FOLDS


def _list_proposals(training: TrainingSet, space: SearchSpace) -> Iterator[Proposal]:
    """The proposals that do not depend on the outcome of others."""
    if space.strategy == "longer window":
        yield from map(_propose_always, _list_longer(training, space))
    elif space.strategy == "shorter window":
        yield from map(_propose_always, _list_shorter(training, space))
    elif space.strategy == "column selection":
        yield from _list_column_rules(space)
    elif space.strategy == "structure search":
        yield from map(_propose_always, _list_kinds(training, space))


def _propose_always(recipe: Recipe) -> Proposal:
    return lambda _: recipe


def _list_longer(training: TrainingSet, space: SearchSpace) -> list[Recipe]:
    """Longer windows, as far as there are rows."""
    present, available = _present_window(training, space), _count_bars(training)
    bars = {_round_window(min(factor * present, available)) for factor in LONGER}
    return [_derive(space, window_bars=each) for each in sorted(bars) if each > present * 1.1]


def _list_shorter(training: TrainingSet, space: SearchSpace) -> list[Recipe]:
    """Shorter windows, as long as enough rows are left."""
    available = _count_bars(training)
    present, rows_per_bar = min(_present_window(training, space), available), len(training.tick) / available
    bars = {_round_window(factor * present) for factor in SHORTER}
    return [_derive(space, window_bars=each) for each in sorted(bars, reverse=True) if each * rows_per_bar >= FEWEST_WINDOW_ROWS]


def _present_window(training: TrainingSet, space: SearchSpace) -> int:
    champion = space.champion
    return training.until + 1 - champion.since if champion.since else champion.window_bars or space.window_bars


def _count_bars(training: TrainingSet) -> int:
    return training.until - int(training.tick[0]) + 1 if len(training.tick) else 0


def _round_window(bars: float) -> int:
    return int(bars // WINDOW_GRAIN) * WINDOW_GRAIN


def _list_kinds(training: TrainingSet, space: SearchSpace) -> list[Recipe]:
    """Other kinds of model with their defaults, in the present window and in the newest parts of it.

    What no kind in service sees has often begun of late, and a full window would dilute it.
    """
    available = _count_bars(training)
    recent = [_round_window(share * min(_present_window(training, space), available)) for share in RECENT]
    windows = [space.champion.window_bars, *(bars for bars in recent if bars * len(training.tick) / available >= FEWEST_WINDOW_ROWS)]
    return [_derive(space, model=name, parameters=(), columns=(), window_bars=bars) for name in _other_kinds(space) for bars in windows]


def _other_kinds(space: SearchSpace) -> list[str]:
    """All but the champion's kind and those that serve in other places."""
    return [kind.name for kind in space.kinds if kind.name != space.champion.model and kind.name not in space.serving]


def _derive(space: SearchSpace, **changes: Any) -> Recipe:
    """The champion's recipe with changes; another window replaces its first row."""
    since = 0 if changes.get("window_bars", space.champion.window_bars) != space.champion.window_bars else space.champion.since
    return replace(space.champion, parent=space.champion.id, since=since, **changes)


def _list_column_rules(space: SearchSpace) -> Iterator[Proposal]:
    """Rules that are applied to each training anew, so that no fold knows columns that were chosen with its own targets."""

    frequencies: dict[int, Floats] = {}  # by the end of the training

    def select(training: TrainingSet, threshold: float, *, families: bool) -> Recipe:
        if training.until not in frequencies:
            frequencies[training.until] = stability.selection_frequency(training, space.seed)
        return _derive(space, columns=_choose_columns(training.columns, frequencies[training.until], threshold, families=families))

    yield partial(select, threshold=FREQUENT, families=False)
    yield partial(select, threshold=OFTEN, families=False)
    yield partial(select, threshold=FREQUENT, families=True)
    if space.champion.columns:
        yield lambda _: _derive(space, columns=())


def _choose_columns(columns: tuple[str, ...], frequency: Floats, threshold: float, *, families: bool) -> tuple[str, ...]:
    """The columns that are selected so often, at least a few, or with their whole families; () for all."""
    floor = np.sort(frequency)[::-1][: min(FEWEST_COLUMNS, len(columns))].min(initial=np.inf)
    stable = (frequency >= min(threshold, floor)) & (frequency > 0)
    if families:
        names = {column.partition(".")[0] for column, chosen in zip(columns, stable, strict=True) if chosen}
        stable = np.array([column.partition(".")[0] in names for column in columns])
    return () if stable.all() or not stable.any() else tuple(column for column, chosen in zip(columns, stable, strict=True) if chosen)


def _tune(trials: _Trials, space: SearchSpace, kind: Model, *, structural: bool, count: int) -> None:
    """Try values of the kind's parameters, the structural ones or the others; nothing where it has none."""
    parameters = tuple(parameter for parameter in kind.parameters if parameter.structural == structural)

    def objective(values: Mapping[str, float], report: Callable[[float, int], bool]) -> float | None:
        recipe = _derive(space, parameters=_merge_parameters(kind.parameters, space.champion, values))
        return trials.try_proposal(_propose_always(recipe), recipe, report)

    if parameters:
        tuning.tune_parameters(parameters, dict(space.champion.parameters), objective, count, space.seed)


def _merge_parameters(parameters: tuple[Hyperparameter, ...], champion: Recipe, values: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """The champion's parameters with these values, without those that are the default."""
    defaults = {parameter.name: parameter.default for parameter in parameters}
    merged = {**dict(champion.parameters), **values}
    return tuple(sorted((name, value) for name, value in merged.items() if defaults.get(name) != value))


def _judge(trials: _Trials, space: SearchSpace) -> tuple[Recipe | None, SearchReport]:
    """The best recipe where it is good enough, and the report."""
    evaluator, best, count = trials.evaluator, trials.best, trials.evaluated
    report = SearchReport(count, None, None, None, None, evaluator.fits, 0.0, "")
    if best is None:
        return None, replace(report, reason=f"no candidate could be fitted, of {count}" if count else NOTHING_TO_TRY[space.strategy])
    report = replace(report, inner_gain=best.gain.value, inner_error=best.gain.error)
    if best.gain.value <= 0.0:
        return None, replace(report, reason=f"the best of {count} changes R2 by {best.gain} on the inner folds")
    candidate, champion = (evaluator.sums(each, evaluator.outer) for each in (best.proposal, _propose_always(space.champion)))
    report = replace(report, fits=evaluator.fits)
    if candidate is None or champion is None:
        return None, replace(report, reason="the best candidate cannot be fitted before the last block")
    outer = evaluation.compare_outer(candidate, champion, (best.sums, trials.champion))
    report = replace(report, outer_gain=outer.value, outer_error=outer.error)
    if not is_worth_a_contest(best.gain, outer, space.margin):
        figures = f"the best of {count} changes R2 by {best.gain} on the inner folds and by {outer} on the last block"
        return None, replace(report, reason=f"{figures}: more than {space.margin:g} there and {BOTH_ERRORS:g} standard error in all are needed")
    return best.proposal(evaluator.training_of(evaluator.outer)), report


def is_worth_a_contest(inner: Gain, outer: Gain, margin: float) -> bool:
    """Whether a gain on the inner folds, which is the best of several and so too large on average, and the gain on the outer block justify a contest.

    A gain within the margin would only be found equivalent. The rule is lenient, since the contest has the last word, but a hopeless contest takes a
    place and a share of the error from others; see docs/decisions/0040-search.md for the rates.
    """
    if inner.value <= 0.0 or outer.value <= margin:
        return False
    return inner.value / max(inner.error, 1e-12) + outer.value / max(outer.error, 1e-12) > BOTH_ERRORS
