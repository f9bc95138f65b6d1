"""Cases of the optimizer's pure part: rules over readings, trials and their judgement, windows, plans, licences, schedules and the forms of rules."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product

import numpy as np

from engine.domain.optimization import Action, WindowOutcome
from engine.domain.record import field_names
from engine.domain.rules import BY_HAND, ERROR, LICENCES, MODES, PERFORMANCE, SCHEDULE, THRESHOLD, Rule
from engine.optimizer import (
    ancova,
    change_point,
    cron,
    default_rules,
    harm,
    licences,
    planner,
    pooled_test,
    preview,
    randomisation_test,
    rule_schema,
    rule_state,
    states,
    wager,
    windows,
)

Cases = Iterator[tuple[str, object]]
SECOND = 10**9
START = 1_704_067_200 * SECOND  # 2024-01-01T00:00Z
FAST = Rule(
    "fast", THRESHOLD, "host.cpu_percent", level=90.0, recovery=70.0, hold=6.0, missing=10.0, cooldown=20.0, longest=90.0, span=30.0, every=120.0,
    baseline=40,
)  # fmt: skip
RULES = (
    FAST,
    replace(FAST, name="at_level", recovery=None, hold=0.0),
    replace(FAST, name="low", above=False, level=20.0, recovery=45.0),
    replace(FAST, name="growth", growth=True, level=900.0, recovery=100.0, hold=4.0),
    replace(FAST, name="error", kind=ERROR, level=60.0, recovery=50.0, hold=0.0, span=16.0),
    replace(FAST, name="slower", kind=PERFORMANCE, span=8.0, level=None, recovery=None),
    replace(FAST, name="faster", kind=PERFORMANCE, span=6.0, level=None, recovery=None, above=False),
    replace(FAST, name="no_level", level=None, recovery=None),
    replace(FAST, name="off", enabled=False),
    replace(FAST, name="by_hand", kind=BY_HAND),
    Rule("scheduled", SCHEDULE, cron="*/7 * * * *"),
)


def optimizer_cases() -> Cases:
    """Every case."""
    for parts in (_rules(), _schedules(), _trials(), _windows(), _plans(), _forms()):
        yield from parts


def attempt(call: Callable[..., object], *args: object) -> object:
    """What a call returns, or the error that it raises."""
    try:
        return call(*args)
    except ValueError as error:
        return f"{type(error).__name__}: {error}"


def readings(seed: int, count: int = 700) -> list[tuple[int, float | None]]:
    """Times (ns UTC) and values of a metric with plateaus, a trend, late, repeated and missing samples, and a clock that is set."""
    draw = np.random.default_rng(seed)
    level = np.repeat([50.0, 95.0, 60.0, 80.0, 97.0, 30.0, 10.0, 65.0, 99.0, 55.0], count // 10) + np.arange(count) * 0.01
    values = level + draw.normal(0.0, 3.0, len(level))
    steps = np.full(len(level), 2.0)
    steps[[90, 91, 92]], steps[150], steps[210], steps[330], steps[331], steps[480] = 0.0, 25.0, -50.0, -20_000.0, 2.0, 7_000.0
    at = START + (steps.cumsum() * SECOND).astype(np.int64)
    blank = set(range(260, 272)) | set(range(400, 404)) | {500}
    return [(int(moment), None if place in blank else float(value)) for place, (moment, value) in enumerate(zip(at, values, strict=True))]


def _rules() -> Cases:
    for place, rule in enumerate(RULES):
        state, events, figures = rule_state.INITIAL_STATE, [], []
        for number, (at, value) in enumerate(readings(place)):
            state, event = rule_state.advance_rule(rule, state, at, value)
            if event is not None:
                events.append(f"{number}: {event}")
            point = state.change_point
            figures.append((
                state.at, state.earlier_at, state.watched, state.sampled, state.fired, state.no_data, state.beyond_since, state.back_since,
                state.quiet_until, state.last_fired, state.doublings, len(state.samples), sum(value for _, value in state.samples), point.evidence,
                len(point.baseline), sum(point.baseline), state.blocks, state.recovery, state.due, state.figure,
                rule_state.effective_threshold(rule, state),
            ))  # fmt: skip
        for part in range(0, len(figures), 140):
            yield f"rule {rule.name} from {part}", figures[part : part + 140]
        yield f"events of {rule.name}", events
    times = np.array([moment for moment, _ in readings(5)])
    known = np.array([np.nan if value is None else value for _, value in readings(5)])
    for rule in (FAST, RULES[5], RULES[-1]):
        yield f"preview of {rule.name}", preview.preview_rule(rule, times, known)
    yield "preview of nothing", preview.preview_rule(FAST, np.zeros(0, dtype=np.int64), np.zeros(0))
    for above in (True, False):
        blocks, draw, evidence = change_point.NO_EVIDENCE, np.random.default_rng(3), []
        for step in range(90):
            blocks = change_point.update_evidence(blocks, float(draw.normal() + (3.0 if step > 60 else 0.0)), above=above, most=30)
            evidence.append((blocks.evidence, len(blocks.baseline)))
        yield f"evidence {above}", evidence
        yield f"quartile {above}", change_point.baseline_quartile(blocks.baseline, above=above)
    yield "medians", [change_point.median_or_nan(part) for part in ((), (3.0,), (1.0, 2.0, 9.0), np.array([4.0, 1.0]))]


def _schedules() -> Cases:
    for text in (
        "30 3 * * *",
        "*/7 * * * *",
        "0 0 1 1 *",
        "15,45 8-17/3 * feb-apr mon-fri",
        "0 12 13 * 5",
        "5/20 * 29 2 *",
        "0 6 * * 7",
        "0 0 */9 * sun,3",
    ):
        yield f"times of {text}", [minute for minute in range(28_401_120, 28_401_120 + 200_000, 5) if cron.is_due(text, minute)]
        yield f"fields of {text}", [sorted(part) if isinstance(part, frozenset) else part for part in cron.parse_schedule(text)]
        yield f"last of {text}", [cron.last_due(text, START + minute * cron.MINUTE + 7) for minute in range(205, 225)]
    for text in ("", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *", "* * * * 8", "*/0 * * * *", "5- * * * *",
                 "a * * * *",
                 "5/ * * * *", "9-5 * * * *", "* * * feb-jan *", "* * * * mon-x", "1,,2 * * * *"):  # fmt: skip
        yield f"schedule {text!r}", attempt(_accept, text)


def outcomes(seed: int, count: int, effect: float, *, latency: float = 0.0, chance: float = 0.5, outlier: float = 0.0) -> list[WindowOutcome]:
    """Windows of an action with this effect, in scales of the change; some figures were not measured."""
    draw = np.random.default_rng(seed)
    made = []
    for number in range(count):
        probability = chance if number < count // 2 else 0.8
        treated = bool(draw.random() < probability)
        change = float(draw.standard_t(4) + effect * treated) + (outlier if number == 7 else 0.0)
        slower, clean = float(draw.normal(latency * treated)), float(round(draw.normal(0.0, 2.0)))
        made.append(WindowOutcome(treated, probability, np.nan if number % 13 == 5 else change, np.nan if number % 17 == 3 else slower, clean))
    return made


TRIED = {
    "nothing": [], "one": outcomes(1, 1, 0.0), "few": outcomes(2, 12, -2.0), "no effect": outcomes(3, 44, 0.0), "helps": outcomes(4, 40, -3.0),
    "harms": outcomes(5, 44, 4.0), "slows": outcomes(6, 44, 0.0, latency=4.0), "outlier": outcomes(7, 30, -2.5, outlier=400.0),
    "constant": [WindowOutcome(number % 2 == 0, 0.5, 1.0, 0.0, 0.0) for number in range(20)],
    "treated only": [WindowOutcome(treated=True, probability=0.5, change=float(number), latency=0.0, clean=0.0) for number in range(10)],
    "helps a little": outcomes(8, 30, -1.6), "helps much": outcomes(10, 26, -6.0), "harms at once": outcomes(9, 34, 2.5),
}  # fmt: skip


def _trials() -> Cases:
    for name, tried in TRIED.items():
        for better in (-1, 1):
            yield f"judgement of {name} {better}", pooled_test.judge_pooled(tried, better, bounds=len(tried) < 41)
            yield f"gain of {name} {better}", pooled_test.standardised_gain(tried, better)
        known = [outcome for outcome in tried if np.isfinite(outcome.change)]
        treated = np.array([outcome.treated for outcome in known], dtype=bool)
        chance, change = np.array([outcome.probability for outcome in known]), np.array([outcome.change for outcome in known])
        for rising in (True, False):
            grown = wager.wealth(treated, chance, change, rising=rising) if known else np.zeros(0)
            yield f"wealth of {name} {rising}", {"all": grown, "each": grown[:: max(1, len(grown) // 8)]}
    draw = np.random.default_rng(9)
    at = START + np.arange(0, 9_000 * SECOND, 2 * SECOND)
    values = 50.0 + np.sin(np.arange(len(at)) / 40.0) * 8.0 + draw.normal(0.0, 1.0, len(at))
    timing = windows.WindowTiming(10.0, 4.0, 10.0)
    matched = windows.match_windows(at, values, (), timing, windows.MeasurementPlan(), 57.0)
    for effect, better in product((0.0, -9.0, 9.0), (-1, 1)):
        before, after = np.array([57.0, np.nan, 58.5, 57.5]), np.array([56.0, 55.5, 57.0]) + effect
        idle = np.append(matched.change, np.nan)
        yield f"adjusted {effect} {better}", ancova.estimate_adjusted_effect(before, after, matched, better)
        yield f"effect {effect} {better}", randomisation_test.estimate_effect(before, after, idle, better)
        yield f"p-value {effect} {better}", randomisation_test.randomisation_p_value(effect, matched.change)
    yield "effect of few", randomisation_test.estimate_effect(before, after, idle[:19], -1)
    yield "effect of nothing", randomisation_test.estimate_effect(np.zeros(0), np.zeros(0), idle, -1)
    yield "adjusted far away", ancova.estimate_adjusted_effect(before + 500.0, after + 500.0, matched, -1)
    flat = windows.match_windows(at, np.full(len(at), 5.0), (), timing, windows.MeasurementPlan(), 5.0)
    yield "adjusted flat", ancova.estimate_adjusted_effect(np.full(3, 5.0), np.full(3, 6.0), flat, -1)
    usual = draw.normal(0.0, 1.0, 30)
    grid = [
        (change, worse, count, smallest)
        for change in (3.0, 5.9, 9.0, 15.0, np.nan)
        for worse in (-1, 1)
        for count in (19, 20, 30)
        for smallest in (0.01, 2.0)
    ]
    yield "harm", [harm.is_far_worse(worse * change, usual[:count], worse, smallest) for change, worse, count, smallest in grid]
    counted = pooled_test.judge_pooled(TRIED["no effect"], -1, bounds=False)
    for licence, verdict in product(LICENCES, randomisation_test.VERDICTS):
        several = [replace(counted, verdict=verdict, treated=treated) for treated in (5, 60 - counted.placebos - 1, 60 - counted.placebos, 90)]
        yield f"licence {licence}, {verdict}", [licences.next_licence(licence, judgement) for judgement in several]
    yield "licences", [attempt(licences.parse_licence, text) for text in (*LICENCES, "other", "x" * 90)]


def _windows() -> Cases:
    draw = np.random.default_rng(12)
    at = START + np.cumsum(np.where(draw.random(2_000) < 0.01, 9 * SECOND, 2 * SECOND) + draw.integers(0, SECOND, 2_000))
    values = draw.normal(50.0, 5.0, len(at))
    busy = ((int(at[200]), int(at[260])), (int(at[900]), int(at[905])), (int(at[1500]), int(at[1900])))
    plans = (windows.MeasurementPlan(), windows.MeasurementPlan(fewest=5, most=20, widest_gap=3.5))
    for plan, pause in product(plans, (0.0, 5.0, 40.0)):
        timing = windows.WindowTiming(plan.before, pause, plan.after)
        drawn = windows.draw_windows(at, values, busy, timing, plan, np.random.default_rng(4))
        yield f"drawn {plan.most} {pause}", (drawn, drawn.change, len(drawn), timing.length)
        for level in (45.0, 61.5):
            yield f"matched {plan.most} {pause} {level}", windows.match_windows(at, values, busy, timing, plan, level)
    for count in (0, 1, 12, 13, 14):
        timing = windows.WindowTiming(10.0, 5.0, 10.0)
        yield f"drawn of {count}", windows.draw_windows(at[:count], values[:count], (), timing, plans[0], np.random.default_rng(1))
        yield f"matched of {count}", windows.match_windows(at[:count], values[:count], (), timing, plans[0], 50.0)
    grid = product((0.0, 3.0, 65.0), ("none", "low", "high"), ((), (0.5,), (0.66, 0.7), (4.0, 3.0), (170.0,)))
    yield "pauses", [windows.choose_pause(settling, cost, took) for settling, cost, took in grid]
    text = windows.encode_windows(windows.WindowTiming(10.0, 5.0, 12.0), 5.0, np.array([START + 9, START]))
    yield "encoded", list(json.loads(text).items())
    yield "recorded", [windows.recorded_pause(written, seconds) for written in (None, "", text, '{"pause": 3}') for seconds in (4.0, 5.0, 6.0)]
    yield "split", [(part.start, part.stop) for part in windows.split_window(at, int(at[50]), windows.WindowTiming(10.0, 5.0, 12.0))]


def _plans() -> Cases:
    quiet = planner.EngineActivity(warming_up=False, training=False, orders=0, since_tick=0.5, running_action=None, rest_seconds=0.0)
    slots = (
        quiet, replace(quiet, warming_up=True), replace(quiet, training=True), replace(quiet, orders=2), replace(quiet, since_tick=None),
        replace(quiet, since_tick=1.0), replace(quiet, since_tick=1.1), replace(quiet, running_action="trim_cache"),
        replace(quiet, rest_seconds=12.0),
    )  # fmt: skip
    candidates = [
        planner.Candidate(f"action_{place}", "auto", "auto", place % 2 == 0, tuple(tried), -1) for place, tried in enumerate(list(TRIED.values())[:6])
    ]
    several = {
        "all": candidates, "costly": [candidates[2]], "asked": [replace(candidates[1], mode="ask"), replace(candidates[2], licence="recommend")],
        "quarantined": [replace(candidates[1], licence="quarantined"), replace(candidates[2], mode="off")],
        "observed": [replace(candidates[3], mode="observe")],
        "none": [],
    }  # fmt: skip
    for name, some in several.items():
        for place, slot in enumerate(slots):
            yield f"plan of {name} {place}", planner.plan_response(some, slot, planner.make_generator(7, "fast", START, 1))
    yield "gains", [planner.sample_gain(candidate, np.random.default_rng(3)) for candidate in candidates]
    yield "summaries", [planner.summarise_outcomes(replace(candidate, better=better)) for candidate in candidates for better in (-1, 1)]
    yield "chances", [planner.treatment_probability(tried[:count]) for tried in TRIED.values() for count in (10, 18, 40)]
    yield "modes", [planner.effective_mode(mode, licence) for mode, licence in product(MODES, LICENCES)]
    action = Action("x", "memory", "host.cpu_percent", -1, "low", "Does nothing.", run=lambda _: None)  # type: ignore[arg-type, return-value]
    yield "default modes", [planner.default_mode(replace(action, changes_decisions=changes)) for changes in (True, False)]
    for transitions in (states.EXPERIMENT_TRANSITIONS, states.FIRING_TRANSITIONS):
        kinds = list(transitions)
        yield f"from {kinds[0]}", [attempt(states.advance_state, transitions, a, b) for a, b in product(kinds, kinds)]


def _forms() -> Cases:
    known = ("trim_cache", "delete_temp", "collect_garbage")
    given: tuple[dict[str, object], ...] = (
        {}, {"above": 5.0}, {"below": "7"}, {"above": 5.0, "below": 4.0}, {"recovery": 95.0}, {"recovery": 60}, {"recovery": "none"}, {"hold": "5m"},
        {"hold": "1.5h"}, {"hold": -1}, {"hold": "366d"}, {"missing": 2.9}, {"missing": 3}, {"cooldown": 0.5}, {"span": "1d"}, {"baseline": 39},
        {"baseline": 40}, {"baseline": 10_000}, {"baseline": 10_001}, {"every": 99}, {"every": 100},
        {"actions": "trim_cache, delete_temp,trim_cache"},
        {"actions": ["trim_cache"]}, {"actions": "trimcache"}, {"actions": 5}, {"metric": "x"}, {"metric": "a.b"}, {"metric": "." * 121},
        {"about": "a" * 201},
        {"enabled": False}, {"enabled": "false"}, {"kind": "schedule"}, {"kind": "schedule", "cron": "5 4 * * *"}, {"kind": "nothing"}, {"hodl": 5},
        {"above": "none"}, {"above": float("inf")}, {"above": True}, {"growth": "true"},
        {"below": 95.0, "recovery": 96.0}, {"below": 95.0, "recovery": 94.0},
    )  # fmt: skip
    for place, fields in enumerate(given):
        yield f"changed {place}", attempt(_parse, "fast", fields, FAST, known)
        whole = {"kind": "threshold", "metric": "host.x", "above": 3.0} | fields
        yield f"new {place}", attempt(_parse, "new_rule", whole, None, known)
    yield (
        "names",
        [attempt(_parse, name, {}, FAST, known) for name in ("", "A", "a" * 48, "a" * 49, "a-b", "a_1")],
    )
    yield "without a kind", attempt(_parse, "new_rule", {"above": 3.0}, None, known)
    yield "mode", [attempt(rule_schema.parse_mode, "trim_cache", mode, known) for mode in (*MODES, "on", 3)]
    yield "mode of another", attempt(rule_schema.parse_mode, "trim_caches", "auto", known)
    for rule in (*RULES[1:], *default_rules.merge_rules([replace(default_rules.DEFAULT_RULES[0], level=5.0)], [FAST])):
        yield f"rule {rule.name}", (_fields(rule), ", ".join(f"{key} {text}" for key, text in rule_schema.serialise_rule(rule).items()))


def _accept(text: str) -> str:
    cron.parse_schedule(text)
    return "accepted"


def _parse(name: str, fields: dict[str, object], base: Rule | None, known: tuple[str, ...]) -> str:
    return _fields(rule_schema.parse_rule(name, fields, base, known))


def _fields(rule: Rule) -> str:
    """The fields that differ from those of the fast rule."""
    return ", ".join(f"{name} {getattr(rule, name)}" for name in field_names(Rule) if getattr(rule, name) != getattr(FAST, name))
