"""The state of a rule: when it fires, clears, or has no data, as a state machine without a clock of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from engine.domain.rules import BY_HAND, CLEARED, ERROR, FIRED, NO_DATA, PERFORMANCE, SCHEDULE, Rule
from engine.optimizer import cron
from engine.optimizer.change_point import NEW_BASELINE_BLOCKS, NO_EVIDENCE, ChangePointState, baseline_quartile, median_or_nan, update_evidence

MAX_SAMPLES = 60  # of a span
MIN_COVERAGE = 0.9  # of a span must have been watched before it counts
MAX_STEP_BACK = 3 * 3_600_000_000_000  # ns: as in Vixie cron, a clock set back by more was wrong before, so the schedule follows the new time at once
RECOVERED_BLOCKS = 2  # at the baseline before a performance rule clears


@dataclass(frozen=True, slots=True)
class RuleState:
    """What a rule remembers. Its spans are seconds watched: a forward jump of the clock adds few, a step back adds none."""

    at: int | None = None  # ns UTC, the last sample that counted
    earlier_at: int | None = None  # ns UTC, a sample from before that; if the next one follows it, the clock was set back
    watched: float = 0.0  # s
    sampled: float | None = None  # `watched` at the last sample with a value
    fired: bool = False
    no_data: bool = False  # "no data" was reported
    beyond_since: float | None = None  # `watched` since which it has been beyond the level without a break
    back_since: float | None = None  # and at the recovery level
    quiet_until: float = 0.0  # `watched` before which it does not fire again
    last_fired: float | None = None  # `watched` at the last firing
    doublings: int = 0  # of the cooldown
    samples: tuple[tuple[float, float], ...] = ()  # `watched` and value, over the span
    change_point: ChangePointState = NO_EVIDENCE
    blocks: int = 0  # performance: since it fired
    recovery: float = math.nan  # performance: the level at which the trouble is over
    due: int | None = None  # ns UTC, the last time of the schedule that counted
    figure: float = math.nan  # the last one compared with the level


INITIAL_STATE = RuleState()


def advance_rule(rule: Rule, state: RuleState, at: int, value: float | None) -> tuple[RuleState, str | None]:
    """The rule's state after a sample, and its event: fired, cleared, no data, or None.

    value: None or NaN where the metric has no sample. A sample at the same time as the last, or a single one from before it, changes nothing. A gap
    or a jump of the clock that is longer than `rule.missing` restarts every span, since nobody knows what happened meanwhile.
    """
    if not rule.enabled or rule.kind == BY_HAND:
        return state, None
    if rule.kind == SCHEDULE:
        return _follow_schedule(rule, state, at)
    moved = _move_on(rule, state, at)
    if moved is None or moved.at == state.at:
        return (state if moved is None else moved), None
    if value is None or not math.isfinite(value):
        return _miss_sample(rule, moved)
    moved = replace(moved, sampled=moved.watched, no_data=False)
    return _compare_with_baseline(rule, moved, value) if rule.kind == PERFORMANCE else _compare_with_level(rule, moved, value)


def effective_threshold(rule: Rule, state: RuleState) -> float:
    """What the figure was compared with; NaN where there is no such number."""
    if rule.kind == PERFORMANCE:
        return median_or_nan(state.change_point.baseline)
    return math.nan if rule.level is None else rule.level


def _move_on(rule: Rule, state: RuleState, at: int) -> RuleState | None:
    """The state at the time of a sample; None, or a state with the time it had, where the sample does not count."""
    if state.at is None:
        return replace(state, at=at)
    if at == state.at:
        return None
    if at < state.at:
        if state.earlier_at is None or at <= state.earlier_at:
            return replace(state, earlier_at=at)
        return replace(_without_spans(state), at=at, earlier_at=None)  # the clock was set back
    passed = (at - state.at) / 1e9
    state = replace(state, at=at, earlier_at=None, watched=state.watched + min(passed, rule.missing / 3.0))
    return state if passed <= rule.missing else _without_spans(state)


def _without_spans(state: RuleState) -> RuleState:
    return replace(state, beyond_since=None, back_since=None, samples=())


def _miss_sample(rule: Rule, state: RuleState) -> tuple[RuleState, str | None]:
    if state.no_data or state.sampled is None or state.watched - state.sampled < rule.missing:  # a metric that never had a sample is not missed
        return state, None
    return replace(_without_spans(state), no_data=True), NO_DATA


def _compare_with_level(rule: Rule, state: RuleState, value: float) -> tuple[RuleState, str | None]:
    """Threshold and error: beyond the level, or back at recovery, for long enough."""
    state, figure = _take_figure(rule, state, value)
    if figure is None or rule.level is None:
        return replace(state, beyond_since=None, back_since=None), None
    recovery = rule.level if rule.recovery is None else rule.recovery
    beyond = figure > rule.level if rule.above else figure < rule.level
    back = figure <= recovery if rule.above else figure >= recovery
    state = replace(
        state,
        figure=figure,
        beyond_since=_since(state.beyond_since, state.watched, beyond),
        back_since=_since(state.back_since, state.watched, back),
    )
    if state.fired and _lasted(state.back_since, state, rule):
        return replace(state, fired=False, back_since=None), CLEARED
    if _lasted(state.beyond_since, state, rule) and state.watched >= state.quiet_until:
        return _fire(rule, state), FIRED
    return state, None


def _since(before: float | None, watched: float, holds: bool) -> float | None:
    return None if not holds else (watched if before is None else before)


def _lasted(since: float | None, state: RuleState, rule: Rule) -> bool:
    return since is not None and state.watched - since >= rule.hold


def _fire(rule: Rule, state: RuleState) -> RuleState:
    """Fired, and quiet for the cooldown, which doubles each time it fires soon after the last."""
    soon = state.last_fired is not None and state.watched - state.last_fired <= 2.0 * _cooldown(rule, state.doublings)
    doublings = min(state.doublings + 1, 30) if soon else 0
    quiet_until = state.watched + _cooldown(rule, doublings)
    return replace(state, fired=True, last_fired=state.watched, doublings=doublings, quiet_until=quiet_until, back_since=None)


def _cooldown(rule: Rule, doublings: int) -> float:
    return float(min(max(rule.longest, rule.cooldown), rule.cooldown * 2.0**doublings))


def _take_figure(rule: Rule, state: RuleState, value: float) -> tuple[RuleState, float | None]:
    """The figure to compare with the level: the value, its mean over the span, or its growth per hour; None while too little has been watched."""
    if rule.kind != ERROR and not rule.growth:
        return state, value
    state = _add_sample(rule, state, value)
    covered = state.samples[-1][0] - state.samples[0][0]
    if covered < MIN_COVERAGE * rule.span:
        return state, None
    values = [value for _, value in state.samples]
    if rule.kind == ERROR:
        return state, sum(values) / len(values)
    quarter = max(1, len(values) // 4)  # the median of a quarter, so that one outlier is no growth
    growth = median_or_nan(tuple(values[-quarter:])) - median_or_nan(tuple(values[:quarter]))
    return state, growth / (covered * (1.0 - quarter / len(values))) * 3_600.0


def _add_sample(rule: Rule, state: RuleState, value: float) -> RuleState:
    """With the sample, where the last is far enough back for a span to have no more than MAX_SAMPLES."""
    samples = tuple(sample for sample in state.samples if state.watched - sample[0] <= rule.span)
    if samples and state.watched - samples[-1][0] < rule.span / MAX_SAMPLES:
        return replace(state, samples=samples)
    return replace(state, samples=(*samples, (state.watched, value)))


def _compare_with_baseline(rule: Rule, state: RuleState, value: float) -> tuple[RuleState, str | None]:
    """Performance: the median of a block of samples against the blocks before."""
    if state.samples and state.watched - state.samples[0][0] < rule.span:
        if state.watched - state.samples[-1][0] >= rule.span / MAX_SAMPLES:
            state = replace(state, samples=(*state.samples, (state.watched, value)))
        return state, None
    if not state.samples:
        return replace(state, samples=((state.watched, value),)), None
    figure = median_or_nan(tuple(value for _, value in state.samples))
    state = replace(state, figure=figure, samples=((state.watched, value),))
    return _after_alarm(rule, state, figure) if state.fired else _before_alarm(rule, state, figure)


def _before_alarm(rule: Rule, state: RuleState, figure: float) -> tuple[RuleState, str | None]:
    change_point = update_evidence(state.change_point, figure, above=rule.above, most=rule.baseline)
    if change_point.evidence < rule.every or state.watched < state.quiet_until:
        return replace(state, change_point=change_point), None
    baseline = ChangePointState(state.change_point.baseline)  # without the block that raised the alarm
    recovery = baseline_quartile(baseline.baseline, above=rule.above)
    return replace(_fire(rule, state), change_point=baseline, recovery=recovery, blocks=0, beyond_since=None), FIRED


def _after_alarm(rule: Rule, state: RuleState, figure: float) -> tuple[RuleState, str | None]:
    """Clears at the baseline, or once the new level has become the baseline; fires again while the trouble lasts."""
    back = figure <= state.recovery if rule.above else figure >= state.recovery
    state = replace(state, blocks=state.blocks + 1, back_since=_since(state.back_since, state.watched, back))
    if state.back_since is not None and state.watched - state.back_since >= (RECOVERED_BLOCKS - 1) * rule.span:
        return replace(state, fired=False, back_since=None), CLEARED
    if state.blocks >= NEW_BASELINE_BLOCKS:
        return replace(state, fired=False, back_since=None, change_point=NO_EVIDENCE), CLEARED
    if state.back_since is None and state.watched >= state.quiet_until:
        return _fire(rule, state), FIRED
    return state, None


def _follow_schedule(rule: Rule, state: RuleState, at: int) -> tuple[RuleState, str | None]:
    """Fires once for each time of the schedule; a start, a jump of the clock and a clock set back repeat none."""
    begun = state.at is not None
    if begun and state.at is not None and at // cron.MINUTE == state.at // cron.MINUTE:
        return state, None
    due = cron.last_due(rule.cron, at)
    wrong = state.due is not None and state.due - at > MAX_STEP_BACK
    counted = None if wrong else state.due
    if due is None or not begun or wrong or (counted is not None and due <= counted):
        return replace(state, at=at, due=due if wrong or not begun else counted), None
    return replace(state, at=at, due=due), FIRED
