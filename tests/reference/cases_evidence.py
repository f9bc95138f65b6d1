"""Cases of the evidence: detectors over made-up streams that are longer than a session, and functions of reports over grids of inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product

import numpy as np

from engine.domain.evolution import Arm
from engine.domain.record import Floats
from engine.domain.trading_config import Event
from engine.evidence import (
    calibration,
    contest,
    decline,
    drift,
    effects,
    equal_exposure,
    expected_loss,
    findings,
    neighbours,
    pnl_attribution,
    proportions,
    sharpe,
    skill,
    succession,
    trading_calendar,
)
from engine.evidence.expected_shortfall import expected_shortfall
from tests.evidence.watched_market import Market
from tests.makers import DAY
from tests.reference.cases_markets import market_cases

Cases = Iterator[tuple[str, object]]
HORIZONS = (1, 3, 12)
MINUTE = 60 * 10**9  # ns


def evidence_cases() -> Cases:
    """Every case."""
    for parts in (
        _drift(), _findings(), _decline(), _expected_loss(), _contests(), _incidents(), _reports(),
        _ratios(), market_cases(), _skill(),
    ):  # fmt: skip
        yield from parts


def _drift() -> Cases:
    draw = np.random.default_rng(2)
    ticks = (np.repeat(np.arange(1_200), 2), np.repeat(np.arange(1_300, 1_900), 2))
    x, y = [], []
    for place, tick in enumerate(ticks):
        count = len(tick)
        shocks = draw.normal(0.0, 1.0, (count, 4))
        shocks[:, 1] = np.convolve(shocks[:, 1], np.full(60, 0.2), "same")  # slow
        shocks[:, 2] += 0.6 * place
        shocks[:, 3] = np.round(shocks[:, 3] * (1.0 + 0.8 * place))
        shocks[draw.random((count, 4)) < 0.05] = np.nan
        x.append(np.column_stack((shocks, np.full(count, np.nan))))
        y.append(draw.normal(0.0, 1.0 + 0.4 * place, (count, 2)))
    report = drift.measure_drift(x[0], x[1], y[0], y[1], ticks[0], ticks[1], ("a.plain", "b.slow", "c.moved", "d.steps", "e.blank"), (1, 5))
    yield "drift", [report.reference, report.recent, report.unjudged]
    for row in (*report.inputs, *report.targets):
        yield f"drift of {row.column}", row
    yield "drifted columns", drift.drifted_columns(report)
    again = drift.drift_from_json(drift.drift_to_json(report))
    yield "drift read again", again
    short = drift.measure_drift(x[0][:90], x[1][:50], y[0][:90], y[1][:50], ticks[0][:90], ticks[1][:50], ("a", "b", "c", "d", "e"), (1, 5))
    yield "drift of few rows", short
    yield "adjusted", [drift.adjust_p_values(np.array(p)) for p in ([0.01, 0.04, 0.03, 0.5], [0.2], [], [0.5, 0.5, 1.0])]
    variance, covariances = np.array([0.5, 1.0, 0.7, 0.2]), np.array([0.3, 0.5, 0.1])
    yield "tail", [drift.supremum_tail(distance, variance, covariances, freedom) for distance in (0.2, 1.0, 2.5, 4.0) for freedom in (4.0, 30.0, 1e6)]


def _findings() -> Cases:
    draw = np.random.default_rng(6)
    symbols, horizons = ("A", "B", "C"), (1, 3)
    state = findings.empty_findings(len(symbols), horizons)
    for tick in range(2_200):
        mean = draw.normal(0.0, 0.3, (2, 3))
        target = mean + draw.normal(0.0, 1.0, (2, 3))
        target[:, 1] += 0.8  # too low for the second symbol
        target[1] -= 3.0 * mean[1]  # too bold at the longer horizon
        known = draw.random((2, 3)) < 0.97
        regime, band = draw.integers(0, 4, 3), findings.volatility_bands(draw.uniform(0.5, 1.6, 3))
        state = findings.update_findings(state, mean, target, known, regime, tick // 60 % 24, draw.uniform(0.5, 0.7, (2, 3)), band, tick, horizons)
        if tick in {300, 1_500, 2_199}:
            yield f"findings after {tick}", state
            yield f"findings listed after {tick}", findings.list_findings(state, symbols, horizons)
            yield f"findings that stand after {tick}", findings.standing_findings(state, symbols, horizons)
    yield "bands", findings.volatility_bands(np.array([0.79, 0.8, 0.81, 1.0, 1.25, 1.26, np.nan]))


def _decline() -> Cases:
    draw = np.random.default_rng(4)
    state = decline.empty_decline(HORIZONS)
    for tick in range(3_000):
        power = draw.uniform(0.5, 1.5, 3)
        share = np.array([0.2, 0.15, 0.1]) if tick < 1_900 else np.array([-0.3, 0.15, -0.2])
        state = decline.update_decline(state, share * power + draw.normal(0.0, 0.3, 3), power, draw.random(3) < 0.97, tick, HORIZONS)
        if tick in {11, 400, 1_899, 2_400}:
            yield (
                f"decline after {tick}",
                (state, decline.decline_figures(state, HORIZONS), decline.declined_horizons(state), decline.has_declined(state)),
            )
    yield "decline at the end", (decline.decline_figures(state, HORIZONS), decline.has_declined(state))
    yield "decline restarted", decline.restart_decline(state)
    yield "decline restarted at one", decline.restart_decline(state, np.array([False, True, False]))
    yield "gapped blocks", [decline.find_gapped_blocks(tick, HORIZONS) for tick in range(40)]
    yield "recent ticks", [decline.recent_ticks(horizons) for horizons in ((1,), HORIZONS, (30,))]


def _expected_loss() -> Cases:
    draw = np.random.default_rng(7)
    state, horizons = expected_loss.empty_expected_loss((1, 3), 3), (1, 3)
    for tick in range(1_600):
        conditions = draw.normal(0.0, 1.0, 3) * np.array([1.0, 5.0, 0.0])
        power = draw.uniform(0.5, 2.0, 2)
        before = state.waiting_conditions[[0, 2], 0]
        gain = power * (0.1 - 0.5 * np.nan_to_num(before)) + draw.normal(0.0, 0.3, 2)
        state = expected_loss.update_expected_loss(state, conditions, gain, power, draw.random(2) < 0.95, tick, horizons)
        if tick in {90, 131, 700, 1_599}:
            yield f"expected loss after {tick}", (
                state, expected_loss.expected_loss_figures(state, horizons), expected_loss.proved_horizons(state), expected_loss.is_proved(state),
                expected_loss.expects_harm(state, horizons),
            )  # fmt: skip


def _contests() -> Cases:
    draw = np.random.default_rng(10)
    horizons, arms = (1, 3), 4
    contests = contest.empty_contests(arms, len(horizons))
    better = np.array([0.12, -0.12, 0.0, 0.03])[:, None]
    verdicts = []
    for tick in range(420):
        power = draw.uniform(0.5, 1.5, (arms, 2))
        gain = better * power + draw.normal(0.0, 0.1, (arms, 2)) * (20.0 if tick % 97 == 50 else 1.0)
        scored = np.full(arms, True)
        contests = contest.update_contests(contests, gain, power, np.broadcast_to(tick % 29 != 7, (2,)), tick, horizons, 3.0, 0.01)
        verdicts.append(contest.judge_contests(contests, np.full(arms, 0.05), 400))
        if tick in {12, 60, 200, 419}:
            yield (
                f"contests after {tick}",
                (contests, contest.e_values(contests), contest.survives_clipping(contests), contest.gain_interval(contests, 0.1)),
            )
    del scored
    yield "verdicts", verdicts[::20]
    yield "all verdicts", np.array(verdicts)
    arm = Arm(3, "challenger", (0,), ("ridge-1",), ("",), "", "by hand", "", "tuning", "ridge-0", 5, 0.02)
    points = contest.contest_points(
        contests, (arm,) * arms, horizons, np.arange(8).reshape(4, 2), np.where(np.arange(8) > 0, 1.5, np.nan).reshape(4, 2)
    )
    yield "points", points
    yield "more arms", contest.add_arms(contests, 2)
    yield "fewer arms", contest.remove_arms(contests, np.array([True, False, False, True]))
    yield "alphas", [contest.contest_alpha_of(number, 0.05) for number in (1, 2, 7)]
    yield (
        "blocks",
        [(contest.block_ticks(horizon), contest.place_in_cycle(made, horizon)) for horizon in (1, 3, 12, 40) for made in (0, 5, 13, 50, 61)],
    )


def _incidents() -> Cases:
    market = Market(4)
    market.run(700)
    yield "a market without faults", (market.watch, [incident.kind for incident in market.observed])
    stages: tuple[tuple[str, Callable[[], object]], ...] = (
        ("one absent", lambda: market.absent(40, slice(1, 2))), ("back", lambda: market.run(30)), ("all absent", lambda: market.absent(25)),
        ("back again", lambda: market.run(30)), ("empty", lambda: market.empty(30, slice(2, 3))), ("traded", lambda: market.run(20)),
        ("counted otherwise", lambda: market.run(90, volume=9.0)), ("as before", lambda: market.run(200, volume=9.0)),
    )  # fmt: skip
    for name, run in stages:
        run()
        yield f"incidents: {name}", market.watch
    bar = market.bar()
    for place in range(20):
        market.step(bar.copy() if place else bar)
    yield "incidents: repeated", market.watch
    for seconds in ("0.8", "9", "0"):
        market.step(market.bar(), events=(Event("clock_skew", "S1", seconds), Event("gap", "*", "5")))
        yield f"incidents: skewed by {seconds}", market.watch
    market.at += 50 * MINUTE
    market.step(market.bar())
    yield "incidents: a jump of time", market.watch
    yield "all incidents", market.observed
    yield from _calendar()


def _calendar() -> Cases:
    calendar, last = trading_calendar.initial_calendar(), 0
    for half_hour in range(3 * 336):
        at = 4 * DAY + (half_hour + 1) * 30 * MINUTE  # from a Monday on
        day, hour = half_hour // 48 % 7, half_hour % 48
        is_open = day < 5 and 18 <= hour < 32
        if is_open or (half_hour % 5 == 0 and day < 6):
            calendar = trading_calendar.update_calendar(calendar, last, at, 30 * MINUTE, 0.9 if is_open else 0.2)
            last = at
        if half_hour % 131 == 20:
            yield f"calendar after {half_hour}", calendar
    known = calendar.traded
    yield "calendar", (trading_calendar.trading_year(known), trading_calendar.has_closed_hours(known))
    yield "expected open", [trading_calendar.is_expected_open(known, place) for place in range(336)]
    half = known.copy()
    half[100:250] = np.nan
    yield "expected of half", [trading_calendar.is_expected_open(half, place) for place in range(336)]
    yield "shares of half", [trading_calendar.mean_open_share(half, place) for place in range(0, 336, 31)]
    yield "years", [trading_calendar.trading_year(part) for part in (half, np.full(336, np.nan), np.ones(336))]


def _reports() -> Cases:
    measured = [effects.MeasuredEffect(*values) for values in ((3.0, 1.0, 5.0, 30), (-1.0, -2.5, 0.5, 20), (0.5, 0.1, 0.8, 12))]
    yield "sums of effects", [effects.sum_effects(measured[:count]) for count in range(4)]
    totals = [total for count in (1, 2, 3) if (total := effects.sum_effects(measured[:count])) is not None]
    yield "sums of totals", [effects.sum_totals(totals[:count]) for count in range(4)]
    yield "proved totals", [total.is_proved for total in totals]
    yield "proved", [effects.is_effect_proved(verdict, low, high) for verdict in ("helped", "harmed", "no measurable effect") for low, high in
                     ((0.1, 2.0), (-1.0, 2.0), (-2.0, -0.1), (None, 1.0), (0.0, 1.0))]  # fmt: skip
    yield "success rates", [effects.success_rate(helped, judged) for helped, judged in ((0, 0), (1, 3), (4, 9), (10, 10), (25, 40))]
    draw = np.random.default_rng(1)
    yield "median changes", [effects.median_change([*draw.normal(1.0, 2.0, count).tolist(), math.nan]) for count in (0, 1, 5, 6, 9, 40)]
    yield (
        "proportions",
        [proportions.wilson_interval(share, n, confidence) for share in (0.0, 0.3, 1.0) for n in (3.0, 10.0, 55.5) for confidence in (0.9, 0.95)],
    )
    yield "ranks", [proportions.quantile_ranks(share, n) for share in (0.05, 0.5, 0.9) for n in (1, 5, 6, 20, 90)]
    yield (
        "shares",
        [calibration.estimate_share(count, n, deflation) for count, n in ((0.0, 0.0), (3.0, 9.0), (40.0, 55.0)) for deflation in (None, 0.4, 1.0)],
    )
    forecasts = draw.normal(0.0, 1.0, (60, 3))
    forecasts[draw.random((60, 3)) < 0.2] = np.nan
    forecasts[:5] = 0.0
    yield "agreements", calibration.count_agreements(forecasts)
    for horizon in (1, 3, 12):
        outcome = draw.normal(0.0, 1.0, 90)
        outcome[::9] = np.nan
        low, high = np.full(90, -1.2), np.where(np.arange(90) % 10 == 4, np.nan, 1.4)
        yield f"coverage at {horizon}", calibration.measure_coverage(horizon, outcome, low, high)
    candidates = draw.normal(0.0, 1.0, (40, 3))
    candidates[draw.random((40, 3)) < 0.1] = np.nan
    categories = [(draw.integers(0, 3, 40), 1), (draw.integers(0, 2, 40), 0)]
    for target in (candidates[3], np.array([0.0, np.nan, 9.0])):
        distances = neighbours.rank_distances(candidates, target, categories)
        yield f"distances {target[2]:.2f}", (distances, list(distances[:10]), neighbours.rank_distances(candidates, target))
        yield (
            f"nearest {target[2]:.2f}",
            [neighbours.pick_nearest(distances, np.arange(40) % 3, np.arange(40) * 2, apart, most) for apart in (0, 5, 20) for most in (3, 9)],
        )
    yield "ranks among", neighbours.rank_of(np.array([0.0, 1.0, np.nan, 5.0]), np.array([0.0, 1.0, 1.0, np.nan, 4.0]))
    yield "means by blocks", [neighbours.mean_by_blocks(draw.normal(1.0, 1.0, count), np.arange(count), block, tries)
                              for count in (0, 5, 30, 90) for block in (1, 12) for tries in (1, 4)]  # fmt: skip
    yield "Student", [neighbours.student_quantile(freedom, tries) for freedom in (2, 5, 10, 30, 200) for tries in (1, 3)]
    units = np.array([[0.0, 0.0], [5.0, 0.0], [5.0, -2.0], [0.0, -2.0], [0.0, 0.0]])
    price = np.array([[10.0, np.nan], [11.0, 50.0], [12.0, 51.0], [9.0, 49.0], [9.5, 48.0]])
    pnl = pnl_attribution.attribute_pnl(units, price, np.array([[0.0, 0.0], [55.2, 0.0], [0.0, -101.0], [-44.0, 0.0], [0.0, 97.0]]))
    yield "attribution", pnl
    groups = pnl_attribution.sum_groups(pnl, units[:-1] != 0.0, np.arange(4), [("a", "b"), ("a", "a"), ("b", "b"), ("a", "b")], ("a", "b"))
    yield "groups", groups
    long = draw.normal(0.0, 1.0, (200, 2))
    yield "long groups", pnl_attribution.sum_groups(long, draw.random((200, 2)) < 0.6, np.arange(200), [("x", "y")] * 200, ("x", "y", "z"))
    yield "equal exposure", equal_exposure.scale_benchmark(np.array([100.0, 110.0, 99.0, 105.0]), np.array([0.0, 0.5, 1.0, 0.2]))


def _ratios() -> Cases:
    draw = np.random.default_rng(13)
    for count, mean in product((19, 20, 60), (0.002, -0.001)):
        returns = draw.standard_t(4, count) * 0.01 + mean
        figures = (
            sharpe.daily_sharpe_ratio(returns), sharpe.annualised_sharpe_ratio(returns, 252.0), sharpe.probabilistic_sharpe_ratio(returns),
            sharpe.probabilistic_sharpe_ratio(returns, above=0.1),
            [sharpe.deflated_sharpe_ratio(returns, trials) for trials in ([0.1], [0.1, None], [0.1, 0.02, None, -0.05])],
        )  # fmt: skip
        yield f"Sharpe ratios {count} {mean}", figures
    yield "Sharpe ratio of nothing", (sharpe.daily_sharpe_ratio(np.zeros(40)), sharpe.probabilistic_sharpe_ratio(np.full(40, np.nan)))
    yield "expected maximum", [sharpe.expected_maximum_sharpe(variance, trials) for variance in (0.01, 0.5) for trials in (2, 10, 300)]
    yield (
        "trading days",
        [sharpe.trading_days_per_year(days) for days in ([], [3], list(range(6)), list(range(7)), [0, 1, 2, 3, 4, 7, 8, 9, 10, 11, 14, 15])],
    )
    losses = draw.normal(0.0, 1.0, 80)
    yield "shortfall", [expected_shortfall(losses, weights / weights.sum()) for weights in (np.ones(80), 0.9 ** np.arange(80), np.eye(80)[3] + 1e-12)]


def _skill() -> Cases:
    draw = np.random.default_rng(16)
    plain, faded = skill.empty_skill(2, 3, 2), skill.empty_skill(2, 3, 2)
    for tick in range(500):
        power = draw.uniform(0.5, 1.5, (2, 3, 2)) * (draw.random((2, 3, 2)) < 0.8)
        gain = power * draw.normal(0.15, 1.0, (2, 3, 2))
        sums, closes = np.array((gain, gain * gain, power, (power > 0) * 4.0)), skill.block_ends(tick, HORIZONS)
        plain, faded = skill.add_scores(plain, sums, closes), skill.add_scores(faded, sums, closes, memory=0.99, idle=True)
    for name, state in (("plain", plain), ("faded", faded)):
        yield f"skill {name}", (state, skill.sampling_variance(state), [skill.confidence_interval(state, alpha) for alpha in (0.05, 0.3)])
        yield f"recent skill {name}", [skill.recent_interval(state, decided, 200.0) for decided in (100, 500, 4_000)]
    yield "block ends", [skill.block_ends(tick, HORIZONS, every) for tick in (10, 11, 12, 23) for every in (1, 4)]
    low, estimate = np.array([0.1, -0.1, np.nan, 0.5]), np.array([0.3, 0.2, 0.1, 0.4])
    yield "proven share", skill.proven_share(low, estimate)
    forecasts: Floats = draw.normal(0.0, 1.0, (3, 60))
    for name, new in (("alike", forecasts * 1.1), ("bolder", forecasts * 3.0), ("against", -forecasts), ("blank", np.full((3, 60), np.nan))):
        agreement = succession.measure_agreement(new, forecasts)
        yield f"agreement {name}", (agreement, succession.share_for_agreement(agreement))
