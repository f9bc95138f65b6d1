"""The progress of phase 10 within a tick: the state so far, the instructions and the rows that it has given."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engine.domain.decision import Instruction
from engine.domain.evolution import EQUIVALENT, RUNNING, VERDICTS, WORSE, Arm, EvolutionRow, EvolutionState, Search
from engine.domain.record import Record
from engine.domain.state import State
from engine.domain.trading_config import TradingConfig
from engine.evidence import blends, contest, decline, expected_loss, findings
from engine.evolution import arms, strategy_choice
from engine.evolution.arms import BLEND, CHALLENGER, WATCH

WATCH_ALPHA = 0.01  # error of the contest of a refresh with the versions before it
REFRESH = "refresh"
CONDITIONS = 5  # of the market, on which the loss of a forecast may depend (see evolution.signals)
ALL = "all"  # as the model of a row: every place on the model axis


@dataclass(frozen=True, slots=True)
class Progress(Record):
    """The state so far, and what this tick has given."""

    state: State
    instructions: tuple[Instruction, ...] = ()
    rows: tuple[EvolutionRow, ...] = ()

    @property
    def evolution(self) -> EvolutionState:
        return self.state.evolution

    def evolve(self, **changes: object) -> Progress:
        """The progress with other fields of the evolution state."""
        return Progress(replace(self.state, evolution=replace(self.evolution, **changes)), self.instructions, self.rows)  # type: ignore[arg-type]

    def instruct(self, kind: str, subject: str, detail: str) -> Progress:
        """The progress with one more instruction."""
        return replace(self, instructions=(*self.instructions, Instruction(kind, subject, detail)))

    def report(self, row: EvolutionRow) -> Progress:
        """The progress with one more row, which replaces an earlier row of the same evolution."""
        return replace(self, rows=(*(other for other in self.rows if other.number != row.number), row))


def empty_evolution(models: int, horizons: tuple[int, ...], symbols: int) -> EvolutionState:
    """The state before anything has been trained."""
    count = len(horizons)
    return EvolutionState(
        begun=0,
        contests_begun=0,
        arms=(),
        contests=contest.empty_contests(0, count),
        sums=arms.empty_arm_sums(max(horizons), models, count, symbols),
        directions=arms.empty_direction_sums(count),
        searches=(),
        triggers=strategy_choice.empty_trigger_sums(),
        blend=blends.BLENDS[0],
        blend_sums=blends.empty_blend_sums(models, count),
        blend_rests=(),
        decline=decline.empty_decline(horizons),
        expected_loss=expected_loss.empty_expected_loss(horizons, CONDITIONS),
        findings=findings.empty_findings(symbols, horizons),
    )


def begin_search(progress: Progress, place: str, strategy: str, trigger: str, detail: str, tick: int) -> Progress:
    """The progress with a refresh or a search under way, and its row."""
    evolution = progress.evolution
    search = Search(evolution.begun + 1, place, strategy, trigger, detail, tick)
    triggers = evolution.triggers if strategy == REFRESH else strategy_choice.record_start(evolution.triggers, trigger, strategy, tick)
    progress = progress.evolve(begun=search.number, searches=(*evolution.searches, search), triggers=triggers)
    return progress.report(search_row(search, "training"))


def end_search(progress: Progress, number: int) -> Progress:
    """The progress without that search."""
    return progress.evolve(searches=tuple(search for search in progress.evolution.searches if search.number != number))


def find_search(progress: Progress, number: int) -> Search | None:
    """The search under way with this number."""
    return next((search for search in progress.evolution.searches if search.number == number), None)


def begin_contest(progress: Progress, arm: Arm, config: TradingConfig, record: State | None = None) -> Progress:
    """The progress with one more arm; its error is its share of that of all contests, but for a watch, which has its own.

    `record` is the state with the record of the versions in whose places it stands, the present one by default.
    """
    evolution = progress.evolution
    begun = evolution.contests_begun + (arm.kind != WATCH)
    alpha = WATCH_ALPHA if arm.kind == WATCH else contest.contest_alpha_of(begun, config.contest_alpha)
    sums, directions = arms.add_arm(evolution.sums, evolution.directions, arm, record or progress.state, config)
    return progress.evolve(
        contests_begun=begun,
        arms=(*evolution.arms, replace(arm, alpha=alpha)),
        contests=contest.add_arms(evolution.contests, 1),
        sums=sums,
        directions=directions,
    )


def end_contests(progress: Progress, numbers: set[tuple[int, str]]) -> Progress:
    """The progress without the arms of these numbers and kinds."""
    evolution = progress.evolution
    stays = np.array([(arm.number, arm.kind) not in numbers for arm in evolution.arms], dtype=bool)
    if stays.all():
        return progress
    sums, directions = arms.remove_arms(evolution.sums, evolution.directions, evolution.arms, stays)
    return progress.evolve(
        arms=tuple(arm for arm, remains in zip(evolution.arms, stays, strict=True) if remains),
        contests=contest.remove_arms(evolution.contests, stays),
        sums=sums,
        directions=directions,
    )


def search_row(search: Search, state: str, *, version: str = "", reason: str = "", tick: int | None = None) -> EvolutionRow:
    """The row of a refresh or a search; `reason` is appended to the trigger's figures."""
    detail = "; ".join(part for part in (search.detail, reason) if part)
    return EvolutionRow(search.number, search.began, search.trigger, detail, search.strategy, search.place, version, "", state, None, None, tick)


def arm_row(progress: Progress, place: int, models: tuple[str, ...], state: str, verdict: int, tick: int | None) -> EvolutionRow:
    """The row of the arm at a place among the arms, with the e-value on which its verdict rests.

    The row of a watch is that of the change which it watches, so its version is the new one.
    """
    evolution = progress.evolution
    arm = evolution.arms[place]
    log_e = strongest_evidence(evolution, place, verdict)
    shared = 1 if verdict == EQUIVALENT else evolution.contests.gain.shape[1]
    model = "ensemble" if arm.kind == BLEND else ALL if len(arm.places) == len(models) else ", ".join(models[index] for index in arm.places)
    version, parent = arm.blend or ", ".join(arm.versions), arm.parent
    if arm.kind == WATCH:
        version, parent = parent, version
    return EvolutionRow(
        number=arm.number,
        began=arm.began,
        trigger=arm.trigger,
        detail=arm.detail,
        strategy=arm.strategy,
        model=model,
        version=version,
        parent=parent,
        state=state,
        evidence=float(np.exp(min(log_e, 700.0))),
        threshold=round(shared / arm.alpha, 6),  # alpha is a quotient, so this is a whole number but for its last digits
        decided=tick,
        verdict=VERDICTS[verdict],
    )


def strongest_evidence(evolution: EvolutionState, place: int, verdict: int) -> float:
    """The log of the e-value on which a verdict about the arm at a place rests: the largest over the horizons, for an equivalent arm the smallest."""
    log_e = contest.e_values(evolution.contests)[place]
    if verdict == EQUIVALENT:
        return float(log_e[[contest.WORSE_THAN_MARGIN, contest.BETTER_THAN_MARGIN]].min())
    return float(log_e[contest.NOT_WORSE if verdict == WORSE else contest.NOT_BETTER].max())


def racing_row(progress: Progress, place: int, models: tuple[str, ...]) -> EvolutionRow:
    """The row of an arm whose contest goes on: a challenger races, a version before a change watches over one that was promoted."""
    return arm_row(progress, place, models, "promoted" if progress.evolution.arms[place].kind == WATCH else "racing", RUNNING, None)


def racing_arms(evolution: EvolutionState) -> list[int]:
    """Places among the arms of the challengers, which race for a place on the model axis."""
    return [place for place, arm in enumerate(evolution.arms) if arm.kind == CHALLENGER]
