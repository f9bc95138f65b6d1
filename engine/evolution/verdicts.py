"""The verdicts of contests and what follows from them: a promotion, a retirement, a return to the versions before."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from engine.domain.evolution import BETTER, EQUIVALENT, INCONCLUSIVE, RUNNING, VERDICTS, WORSE, Arm
from engine.domain.market import Inputs
from engine.domain.model import Catalog
from engine.evidence import blends, contest, decline
from engine.evolution import arms, strategy_choice
from engine.evolution.arms import BLEND, CHALLENGER, WATCH
from engine.evolution.progress import Progress, arm_row, begin_contest, end_contests, strongest_evidence

BLEND_REST = 1_440  # ticks for which a blend that was not promoted rests; twice as long after each further loss
MAX_DOUBLINGS = 4
MOUNTING = 2.0  # e-value in favour of the versions before, from which their watch goes on beyond its time


def take_verdicts(progress: Progress, inputs: Inputs, catalog: Catalog) -> Progress:
    """The progress after the verdicts of all contests. One promotion or return at a tick: the next is judged by what serves then."""
    evolution, config = progress.evolution, inputs.config
    alpha = np.array([arm.alpha for arm in evolution.arms])
    verdict = contest.judge_contests(evolution.contests, alpha, config.contest_budget)
    results = list(zip(evolution.arms, verdict.tolist(), strict=True))
    ended = [(arm, result) for arm, result in results if _has_ended(progress, arm, result, inputs)]
    for arm, result in ended:
        if arm.kind != WATCH:
            progress = progress.report(arm_row(progress, find_arm(progress, arm), catalog.names, "retired", result, inputs.tick))
    if ended:
        progress = _rest_blends(progress, [arm for arm, _ in ended], inputs.tick)
        progress = end_contests(progress, {(arm.number, arm.kind) for arm, _ in ended})
    better = next((arm for arm, result in results if result == BETTER), None)
    return progress if better is None else _accept(progress, find_arm(progress, better), inputs, catalog)


def find_arm(progress: Progress, arm: Arm) -> int:
    """The place of an arm among the arms, whatever has come and gone before it. Raises ValueError where it is not among them."""
    return [(other.number, other.kind) for other in progress.evolution.arms].index((arm.number, arm.kind))


def promote(progress: Progress, place: int, inputs: Inputs, catalog: Catalog, *, by_hand: bool = False) -> Progress:
    """Put the challenger at a place among the arms into service with its record; the versions before it stay in shadow."""
    evolution, state = progress.evolution, progress.state
    arm = evolution.arms[place]
    row = arm_row(progress, place, catalog.names, "promoted", BETTER if not by_hand else RUNNING, inputs.tick)
    progress = progress.report(replace(row, detail=f"{row.detail}; promoted by hand") if by_hand else row)
    if not by_hand:
        progress = progress.instruct("promote", ",".join(catalog.names[index] for index in arm.places), ",".join(arm.digests))
    progress = _take_record(progress, place)
    progress = progress.evolve(triggers=strategy_choice.record_promotion(evolution.triggers, arm.trigger, arm.strategy))
    rivals = [index for index, other in enumerate(evolution.arms) if index != place and set(other.places) & set(arm.places)]
    progress = abandon(progress, rivals, inputs, catalog, "another challenger was promoted in its place")
    progress = _solve_weights(end_contests(progress, {(arm.number, arm.kind)}), inputs)
    before = [catalog.serving[index] for index in arm.places]
    if by_hand or not inputs.config.watch_bars or any(served is None for served in before):
        return progress
    versions = [(served.version, served.digest) for served in before if served is not None]
    watch = replace(
        arm, kind=WATCH, versions=tuple(version for version, _ in versions), digests=tuple(digest for _, digest in versions), parent=row.version
    )
    return begin_contest(progress, watch, inputs.config, state)


def _take_record(progress: Progress, place: int) -> Progress:
    """Let the arm at a place among the arms bring its record and weights into service."""
    evolution = progress.evolution
    arm, sums, blend_sums = evolution.arms[place], evolution.sums, evolution.blend_sums
    gram, moment, rows = arms.merge_sums(sums.gram[place], sums.moment[place], sums.rows[place], arm, progress.state)
    for index in arm.places:
        blend_sums = blends.replace_place(blend_sums, index)
    progress = replace(progress, state=replace(progress.state, gram=gram, moment=moment, weight_rows=rows, weights=sums.weights[place]))
    return progress.evolve(blend_sums=blend_sums, decline=decline.restart_decline(evolution.decline))


def _solve_weights(progress: Progress, inputs: Inputs) -> Progress:
    """Compare the arms that are left with the ensemble as it is from now on."""
    return progress.evolve(sums=arms.solve_weights(progress.evolution.sums, progress.evolution.arms, progress.state, inputs.config))


def abandon(progress: Progress, places: list[int], inputs: Inputs, catalog: Catalog, reason: str) -> Progress:
    """End contests that have lost their subject, without a verdict."""
    ended = [progress.evolution.arms[place] for place in places]
    for place, arm in zip(places, ended, strict=True):
        if arm.kind == CHALLENGER:
            row = arm_row(progress, place, catalog.names, "retired", RUNNING, inputs.tick)
            progress = progress.report(replace(row, detail=f"{row.detail}; {reason}"))
    return end_contests(progress, {(arm.number, arm.kind) for arm in ended})


def begin_blends(progress: Progress, names: tuple[str, ...], inputs: Inputs) -> Progress:
    """Let every blend that neither serves, races nor rests begin a contest with the serving one."""
    evolution = progress.evolution
    resting = {name for name, until, _ in evolution.blend_rests if inputs.tick < until}
    racing = {arm.blend for arm in evolution.arms if arm.kind == BLEND}
    for name in names:
        if name != evolution.blend and name not in resting | racing:
            number = progress.evolution.begun + 1
            arm = Arm(number, BLEND, (), (), (), name, "schedule", "", "ensemble adjustment", evolution.blend, inputs.tick, 0.0)
            progress = begin_contest(progress.evolve(begun=number), arm, inputs.config)
            progress = progress.report(arm_row(progress, len(progress.evolution.arms) - 1, (), "racing", RUNNING, None))
    return progress


def is_mounting(progress: Progress, place: int) -> bool:
    """Whether evidence in favour of the arm at this place among the arms is mounting."""
    return strongest_evidence(progress.evolution, place, BETTER) >= math.log(MOUNTING)


def restart_blends(progress: Progress, inputs: Inputs, catalog: Catalog) -> Progress:
    """End the contests of the blends without evidence in their favour, so that they begin anew with the next tick.

    A contest judges the mean gain since it began, so what a blend lost before a decline would have to be made good first.
    """
    places = [place for place, arm in enumerate(progress.evolution.arms) if arm.kind == BLEND and not is_mounting(progress, place)]
    for place in places:
        row = arm_row(progress, place, catalog.names, "retired", RUNNING, inputs.tick)
        progress = progress.report(replace(row, detail="the contest begins anew after a performance decline"))
    ended = {(progress.evolution.arms[place].number, BLEND) for place in places}
    return end_contests(progress.evolve(blend_rests=()), ended)


def retire_outdated_challengers(progress: Progress, inputs: Inputs, catalog: Catalog) -> Progress:
    """End the contests of challengers whose search began before the recent blocks that show a decline, unless they are half-way to a promotion.

    They were found in a market that has changed, and hold places that searches in the present one need. A decline that goes on ends none: what has
    been searched since it was first seen is of the present market, and may be its cure. Half-way is meant in logarithms, in which
    evidence grows evenly. Ending a contest without a verdict promotes nothing, so it costs none of the error that the contests share.
    """
    shown = inputs.tick - decline.recent_ticks(inputs.config.horizons)
    every = enumerate(progress.evolution.arms)
    outdated = [place for place, arm in every if arm.kind == CHALLENGER and arm.began < shown and not _is_halfway(progress, place)]
    return abandon(progress, outdated, inputs, catalog, "it was found before a performance decline")


def _is_halfway(progress: Progress, place: int) -> bool:
    """Whether the arm at this place among the arms has at least half of the evidence, in logarithms, that its promotion needs."""
    evolution = progress.evolution
    needed = math.log(evolution.contests.gain.shape[1] / evolution.arms[place].alpha)
    return strongest_evidence(evolution, place, BETTER) >= 0.5 * needed


def _accept(progress: Progress, place: int, inputs: Inputs, catalog: Catalog) -> Progress:
    """Follow the verdict that an arm is better than the serving ensemble."""
    arm = progress.evolution.arms[place]
    if arm.kind == CHALLENGER:
        return promote(progress, place, inputs, catalog)
    if arm.kind == WATCH:
        row = arm_row(progress, place, catalog.names, "reverted", BETTER, inputs.tick)
        progress = progress.report(row)
        progress = progress.instruct("revert", ",".join(catalog.names[index] for index in arm.places), ",".join(arm.digests))
        if arms.learns(arm):
            progress = _take_record(progress, place)
        rivals = [index for index, other in enumerate(progress.evolution.arms) if index != place and set(other.places) & set(arm.places)]
        progress = abandon(progress, rivals, inputs, catalog, "the versions before a refresh have returned")
        return _solve_weights(end_contests(progress, {(arm.number, arm.kind)}), inputs)
    progress = progress.report(arm_row(progress, place, catalog.names, "promoted", BETTER, inputs.tick))
    rest = tuple(entry for entry in progress.evolution.blend_rests if entry[0] != progress.evolution.blend)
    progress = progress.evolve(blend=arm.blend, blend_rests=rest)
    others = [index for index, other in enumerate(progress.evolution.arms) if other.kind == BLEND and index != place]
    for index in others:
        row = arm_row(progress, index, catalog.names, "retired", RUNNING, inputs.tick)
        progress = progress.report(replace(row, detail=f"{VERDICTS[BETTER]} than the blend before was {arm.blend}"))
    return end_contests(progress, {(other.number, BLEND) for other in progress.evolution.arms if other.kind == BLEND})


def _has_ended(progress: Progress, arm: Arm, result: int, inputs: Inputs) -> bool:
    """Whether a contest is over without a change: by its verdict, or for the versions before a change, after their time."""
    if arm.kind != WATCH:
        return result in {WORSE, EQUIVALENT, INCONCLUSIVE}
    if result != RUNNING:
        return result != BETTER
    place = find_arm(progress, arm)
    ticks = int(progress.evolution.contests.ticks[place])
    return ticks >= inputs.config.watch_bars and not (is_mounting(progress, place) and ticks < inputs.config.contest_budget)


def _rest_blends(progress: Progress, ended: list[Arm], tick: int) -> Progress:
    rests = {name: (until, losses) for name, until, losses in progress.evolution.blend_rests}
    for arm in ended:
        if arm.kind == BLEND:
            losses = rests.get(arm.blend, (0, 0))[1] + 1
            rests[arm.blend] = (tick + BLEND_REST * 2 ** min(losses - 1, MAX_DOUBLINGS), losses)
    return progress.evolve(blend_rests=tuple((name, *rest) for name, rest in sorted(rests.items())))
