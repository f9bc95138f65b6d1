"""Cases of order books, trading costs and portfolios: functions of reports and of risk over grids of inputs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from engine.domain.market import OrderFlow
from engine.domain.trading_config import TradingRules
from engine.evidence import (
    covariance,
    mean_variance,
    microstructure,
    order_flow,
    order_size,
    spread_estimators,
    transaction_cost,
)

Cases = Iterator[tuple[str, object]]


def market_cases() -> Cases:
    """Every case."""
    yield from _microstructure()
    yield from _portfolio()


def _microstructure() -> Cases:
    draw = np.random.default_rng(14)
    second = 10**9
    for cell in (1, 10):
        fit = microstructure.FlowRegression(2, second, cell * second)
        flow = draw.normal(0.0, 1.0, (2_600, 2))
        mid = 100.0 + 0.01 * (flow + draw.normal(0.0, 0.7, (2_600, 2))).cumsum(axis=0)
        mid[:, 1] = np.where(np.arange(2_600) % 3 == 0, np.nan, mid[:, 1])
        for place in range(2_600):
            if place % 511 != 200:
                fit.add(7 * second + place * second, mid[place], flow[place])
        yield f"flow by {cell} s", fit.r_squared()
    errors = microstructure.CostErrorHistogram()
    for _ in range(300):
        quoted = draw.gamma(2.0, 3.0, (2, 2, 3))
        met = quoted * draw.lognormal(0.0, 0.3, (2, 2, 3))
        met[draw.random((2, 2, 3)) < 0.05] = np.nan
        errors.add(quoted, quoted * 1.1, met, np.where(draw.random(3) < 0.9, 100.0, np.nan))
    yield "cost errors", errors.summarize()
    count, length = 3, 60
    ofi, volume = draw.normal(0.0, 5.0, (count, length, 2)), draw.gamma(3.0, 10.0, (count, length))
    signed = draw.normal(0.0, 0.3, (count, length)) * volume
    depth = draw.gamma(3.0, 4.0, (count, length))
    signed[1, -5:], depth[2, -1], ofi[0, -1] = np.nan, np.nan, np.nan
    flow_record = OrderFlow(
        ofi, signed, np.full((count, length), 9.0), draw.normal(100.0, 1.0, (count, length)), np.full((count, length), 0.1), depth
    )
    blank = np.empty((count, 0))
    none = OrderFlow(np.empty((count, 0, 0)), blank, blank, blank, blank, blank)
    returns, price = draw.normal(0.0, 1e-3, (count, length)), np.full((count, length), 100.0)
    for name, flow_of in (("flow", flow_record), ("no flow", none)):
        yield f"imbalance with {name}", order_flow.order_flow_imbalance(flow_of, volume)
        yield f"vpin with {name}", order_flow.vpin(flow_of, volume)
        yield f"lambda with {name}", order_flow.kyle_lambda(flow_of, returns, price[:, -1])
    high, low, close = (draw.normal(4.6, 0.01, (count, 90)) for _ in range(3))
    high, low = np.maximum(high, low) + 0.002, np.minimum(high, low)
    close = np.clip(close, low, high)
    squared = spread_estimators.abdi_ranaldo(high, low, close)
    for name, some in (("all", squared), ("seen", spread_estimators.abdi_ranaldo(high, low, close, draw.random((count, 90)) < 0.7))):
        yield (
            f"spread of {name}",
            (some, spread_estimators.spread_interval(some), [spread_estimators.shrink_spread(some, setting) for setting in (0.0, 2.0, 80.0)]),
        )
    yield "spread of pairs", list(spread_estimators.corwin_schultz(high, low))
    yield from _costs()


def _costs() -> Cases:
    price = np.array([[[100.1, 100.2, 100.4], [100.1, 100.0, 100.4]], [[99.9, 99.7, 99.6], [100.2, 99.7, 0.0]]])
    size = np.array([[[5.0, 10.0, 20.0], [1.0, 2.0, 3.0]], [[4.0, 0.0, 20.0], [5.0, np.nan, 1.0]]])
    valid = transaction_cost.find_valid_books(price, size)
    masked = transaction_cost.mask_missing_levels(price, size, valid)
    yield "valid books", (valid, masked)
    yield (
        "walked books",
        transaction_cost.walk_books(*masked, np.array([100.0, 100.15]), np.array([[100.0, 50.0], [900.0, 150.0], [9_000.0, 9_000.0]])),
    )
    yield "filled levels", [transaction_cost.fill_levels(np.array([5.0, np.nan, 0.0, 10.0]), units) for units in (0.0, 3.0, 5.0, 9.0, 40.0)]
    yield (
        "impact",
        [
            transaction_cost.square_root_impact(coefficient, sigma, share)
            for coefficient in (0.1, 1.0)
            for sigma in (1e-3, 0.02)
            for share in (0.0, 0.01, 1.0, 4.0)
        ],
    )
    yield (
        "volumes",
        transaction_cost.average_volume(
            np.array([np.arange(60.0), np.where(np.arange(60) == 30, np.nan, 2.0), np.where(np.arange(60) == 3, np.nan, 2.0)])
        ),
    )
    rules = TradingRules(
        ticks=(0.1, 0.0), lots=(0.01, 5.0), money_lots=(False, True), min_notionals=(10.0, 0.0), shorts=(True, False), borrow_rates=(0.1,)
    )
    prices = np.array([200.0, 50.0])
    for units in ((0.0149, 0.27), (-1.239, -0.05), (5.0, 100.0)):
        yield (
            f"lots of {units}",
            (order_size.round_to_lot(np.array(units), prices, rules), order_size.round_to_lot(np.array(units), prices, TradingRules())),
        )
    yield (
        "smallest orders",
        [order_size.minimum_order_size(at, given) for at in (prices, prices * 1e-4, np.array([0.0, np.nan])) for given in (rules, TradingRules())],
    )
    yield "units of a lot", order_size.lot_units(prices, rules)
    yield (
        "ticks",
        [order_size.round_to_tick(price_, tick, side) for price_ in (100.04, 100.1, 99.99) for tick in (0.0, 0.1, 0.25) for side in (1.0, -1.0)],
    )
    yield (
        "shorts",
        (
            order_size.can_sell_short(rules, 2),
            order_size.can_sell_short(TradingRules(), 2),
            order_size.per_symbol((), 2),
            order_size.per_symbol((1.0, 2.0), 2),
        ),
    )


def _portfolio() -> Cases:
    draw = np.random.default_rng(15)
    shared = draw.normal(0.0, 1.0, 150)
    returns = np.array(
        [
            shared + draw.normal(0.0, 0.2, 150),
            shared + draw.normal(0.0, 0.2, 150),
            draw.normal(0.0, 1.0, 150),
            -shared + draw.normal(0.0, 1.0, 150),
            np.zeros(150),
        ]
    )
    weights = np.asarray(0.98 ** np.arange(150)[::-1], dtype=np.float64)
    weights /= weights.sum()
    known = np.array([True, True, True, True, False])
    model = covariance.estimate_correlation(returns, weights, known)
    exposure, symbols = np.array([0.2, -0.1, 0.3, 0.1]), np.arange(4)
    series = model.portfolio_returns(exposure, symbols)
    yield "comovement", (model, model.variance(exposure, series), model.covariances_with(series))
    sample = covariance.sample_correlation(model.standardised, weights)
    yield (
        "correlation",
        (list(sample), covariance.ledoit_wolf_shrinkage(model.standardised, weights, sample), list(covariance.shrink_correlation(sample, 0.3))),
    )
    yield "clusters", [covariance.find_clusters(sample, threshold) for threshold in (0.3, 0.6, 0.9, 0.99)]
    yield (
        "trimmed",
        [
            covariance.trim_weights(weights, seen)
            for seen in (np.ones((2, 150), dtype=bool), np.arange(150) >= np.array([[30], [90]]), np.zeros((2, 150), dtype=bool))
        ],
    )
    for number in range(6):
        count = 2 + number
        factor = draw.normal(0.0, 1.0, (count, count + 2))
        correlation = np.asarray(np.corrcoef(factor))
        edge, cost = np.abs(draw.normal(0.0, 0.5, count)), np.full(count, 0.1)
        current, bound = draw.uniform(0.0, 0.4, count), draw.uniform(0.1, 0.8, count)
        yield f"joint sizes {number}", mean_variance.optimise_sizes(correlation, edge, cost, current, bound)
        yield f"own sizes {number}", mean_variance.conditional_size(edge, cost, current, bound)
    alike = np.full((3, 3), 0.999999) + np.eye(3) * 1e-6
    yield "joint sizes of one asset", mean_variance.optimise_sizes(alike, np.full(3, 0.4), np.full(3, 0.1), np.zeros(3), np.full(3, 0.3))
