"""When a rule fires, clears, or loses sight of its metric: a state machine without a clock of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from engine.domain.rules import BY_HAND, CLEARED, ERROR, FIRED, NO_DATA, PERFORMANCE, SCHEDULE, Rule
from engine.optimizer import cron
from engine.optimizer.change_point import NEW_BASELINE_BLOCKS, NO_EVIDENCE, ChangePointState, baseline_quartile, median_or_nan, update_evidence

KEPT = 60  # samples of a span that are kept at most
COVERED = 0.9  # of a span must have been seen before it counts
AHEAD = 3 * 3_600_000_000_000  # ns: as in Vixie cron, a clock set back by more was wrong before, and the schedule goes by the new time at once
BACK = 2  # blocks at the usual level before a performance rule clears


@dataclass(frozen=True, slots=True)
class RuleState:
    """What a rule remembers. Its spans are measured in seconds watched, of which a jump of the clock adds few and a step back none."""

    at: int | None = None  # ns UTC, the last sample heeded
    behind: int | None = None  # a sample from before that: the next one after it means that the clock was set back
    lived: float = 0.0  # s watched
    heard: float | None = None  # of them, when a value was last there
    fired: bool = False
    blind: bool = False  # no data was told
    over: float | None = None  # lived since which it is beyond the level without a break
    under: float | None = None  # and at the recovery level
    quiet: float = 0.0  # lived before which it does not fire again
    last: float | None = None  # lived at the last firing
    streak: int = 0  # how often the cooldown was doubled
    samples: tuple[tuple[float, float], ...] = ()  # lived and value, of the span
    change: ChangePointState = NO_EVIDENCE
    blocks: int = 0  # performance: since it fired
    edge: float = math.nan  # performance: where the trouble ends
    due: int | None = None  # ns UTC, the time of the schedule that was heeded last
    figure: float = math.nan  # what was last compared with the level


INITIAL_STATE = RuleState()


def advance_rule(rule: Rule, watch: RuleState, at: int, value: float | None) -> tuple[RuleState, str | None]:
    """What the rule remembers after a sample, and what it says: fired, cleared, no data, or None for nothing new.

    value: None or NaN where the metric was not told. A time that was seen, or a single one from before, changes nothing at all. A gap, or a jump of
    the clock, longer than `rule.missing` begins every span anew, since nobody knows what was meanwhile.
    """
    if not rule.enabled or rule.kind == BY_HAND:
        return watch, None
    if rule.kind == SCHEDULE:
        return _schedule(rule, watch, at)
    moved = _live(rule, watch, at)
    if moved is None or moved.at == watch.at:
        return (watch if moved is None else moved), None
    if value is None or not math.isfinite(value):
        return _miss(rule, moved)
    moved = replace(moved, heard=moved.lived, blind=False)
    return _perform(rule, moved, value) if rule.kind == PERFORMANCE else _cross(rule, moved, value)


def effective_threshold(rule: Rule, watch: RuleState) -> float:
    """What the figure was compared with, NaN without such a number."""
    if rule.kind == PERFORMANCE:
        return median_or_nan(watch.change.baseline)
    return math.nan if rule.level is None else rule.level


def _live(rule: Rule, watch: RuleState, at: int) -> RuleState | None:
    """Time goes on; None, or a watch with the time it had, where the sample is not to be heeded."""
    if watch.at is None:
        return replace(watch, at=at)
    if at == watch.at:
        return None
    if at < watch.at:
        if watch.behind is None or at <= watch.behind:
            return replace(watch, behind=at)
        return replace(_forgetting(watch), at=at, behind=None)  # the clock was set back
    gone = (at - watch.at) / 1e9
    watch = replace(watch, at=at, behind=None, lived=watch.lived + min(gone, rule.missing / 3.0))
    return watch if gone <= rule.missing else _forgetting(watch)


def _forgetting(watch: RuleState) -> RuleState:
    return replace(watch, over=None, under=None, samples=())


def _miss(rule: Rule, watch: RuleState) -> tuple[RuleState, str | None]:
    if watch.blind or watch.heard is None or watch.lived - watch.heard < rule.missing:  # what was never told is not missed
        return watch, None
    return replace(_forgetting(watch), blind=True), NO_DATA


def _cross(rule: Rule, watch: RuleState, value: float) -> tuple[RuleState, str | None]:
    """Threshold and error: beyond the level, or back at recovery, for long enough."""
    watch, figure = _figure(rule, watch, value)
    if figure is None or rule.level is None:
        return replace(watch, over=None, under=None), None
    recovery = rule.level if rule.recovery is None else rule.recovery
    beyond = figure > rule.level if rule.above else figure < rule.level
    back = figure <= recovery if rule.above else figure >= recovery
    watch = replace(watch, figure=figure, over=_since(watch.over, watch.lived, beyond), under=_since(watch.under, watch.lived, back))
    if watch.fired and _held(watch.under, watch, rule):
        return replace(watch, fired=False, under=None), CLEARED
    if _held(watch.over, watch, rule) and watch.lived >= watch.quiet:
        return _fire(rule, watch), FIRED
    return watch, None


def _since(before: float | None, lived: float, holds: bool) -> float | None:
    return None if not holds else (lived if before is None else before)


def _held(since: float | None, watch: RuleState, rule: Rule) -> bool:
    return since is not None and watch.lived - since >= rule.hold


def _fire(rule: Rule, watch: RuleState) -> RuleState:
    """Fired, and quiet for a while: twice as long each time it fires soon after the last."""
    soon = watch.last is not None and watch.lived - watch.last <= 2.0 * _pause(rule, watch.streak)
    streak = min(watch.streak + 1, 30) if soon else 0
    return replace(watch, fired=True, last=watch.lived, streak=streak, quiet=watch.lived + _pause(rule, streak), under=None)


def _pause(rule: Rule, streak: int) -> float:
    return float(min(max(rule.longest, rule.cooldown), rule.cooldown * 2.0**streak))


def _figure(rule: Rule, watch: RuleState, value: float) -> tuple[RuleState, float | None]:
    """What is compared with the level: the value, its mean over the span, or its growth an hour; None while too little has been seen."""
    if rule.kind != ERROR and not rule.growth:
        return watch, value
    watch = _sampled(rule, watch, value)
    seen = watch.samples[-1][0] - watch.samples[0][0]
    if seen < COVERED * rule.span:
        return watch, None
    values = [value for _, value in watch.samples]
    if rule.kind == ERROR:
        return watch, sum(values) / len(values)
    quarter = max(1, len(values) // 4)  # the middle of a quarter, so that one odd sample is no growth
    grown = median_or_nan(tuple(values[-quarter:])) - median_or_nan(tuple(values[:quarter]))
    return watch, grown / (seen * (1.0 - quarter / len(values))) * 3_600.0


def _sampled(rule: Rule, watch: RuleState, value: float) -> RuleState:
    """With the sample, where the last is long enough ago for a span to have no more than KEPT of them."""
    kept = tuple(one for one in watch.samples if watch.lived - one[0] <= rule.span)
    if kept and watch.lived - kept[-1][0] < rule.span / KEPT:
        return replace(watch, samples=kept)
    return replace(watch, samples=(*kept, (watch.lived, value)))


def _perform(rule: Rule, watch: RuleState, value: float) -> tuple[RuleState, str | None]:
    """Performance: the middle of a block of samples against the blocks before."""
    if watch.samples and watch.lived - watch.samples[0][0] < rule.span:
        if watch.lived - watch.samples[-1][0] >= rule.span / KEPT:
            watch = replace(watch, samples=(*watch.samples, (watch.lived, value)))
        return watch, None
    if not watch.samples:
        return replace(watch, samples=((watch.lived, value),)), None
    figure = median_or_nan(tuple(value for _, value in watch.samples))
    watch = replace(watch, figure=figure, samples=((watch.lived, value),))
    return _after_alarm(rule, watch, figure) if watch.fired else _before_alarm(rule, watch, figure)


def _before_alarm(rule: Rule, watch: RuleState, figure: float) -> tuple[RuleState, str | None]:
    change = update_evidence(watch.change, figure, above=rule.above, most=rule.baseline)
    if change.evidence < rule.every or watch.lived < watch.quiet:
        return replace(watch, change=change), None
    usual = ChangePointState(watch.change.baseline)  # what raised the alarm is not the usual
    return replace(_fire(rule, watch), change=usual, edge=baseline_quartile(usual.baseline, above=rule.above), blocks=0, over=None), FIRED


def _after_alarm(rule: Rule, watch: RuleState, figure: float) -> tuple[RuleState, str | None]:
    """Clears at the usual level, or when the new level has become the usual one; fires again while it lasts."""
    back = figure <= watch.edge if rule.above else figure >= watch.edge
    watch = replace(watch, blocks=watch.blocks + 1, under=_since(watch.under, watch.lived, back))
    if watch.under is not None and watch.lived - watch.under >= (BACK - 1) * rule.span:
        return replace(watch, fired=False, under=None), CLEARED
    if watch.blocks >= NEW_BASELINE_BLOCKS:
        return replace(watch, fired=False, under=None, change=NO_EVIDENCE), CLEARED
    if watch.under is None and watch.lived >= watch.quiet:
        return _fire(rule, watch), FIRED
    return watch, None


def _schedule(rule: Rule, watch: RuleState, at: int) -> tuple[RuleState, str | None]:
    """Fires once for a time that has come; a start, a jump and a clock set back repeat none."""
    begun = watch.at is not None
    if begun and watch.at is not None and at // cron.MINUTE == watch.at // cron.MINUTE:
        return watch, None
    due = cron.last_due(rule.cron, at)
    wrong = watch.due is not None and watch.due - at > AHEAD
    heeded = None if wrong else watch.due
    if due is None or not begun or wrong or (heeded is not None and due <= heeded):
        return replace(watch, at=at, due=due if wrong or not begun else heeded), None
    return replace(watch, at=at, due=due), FIRED
