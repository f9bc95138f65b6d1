"""A backtest: the same engine, the same digests, and figures that equal a count over its ticks."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from engine.backtest import BacktestTally, _evolution, run_backtest
from engine.cli import _backtest_text
from engine.domain.decision import ACTIONS, Phase
from engine.domain.evolution import EvolutionReport, EvolutionRow
from engine.domain.market import MarketSnapshot
from engine.domain.tick import Tick
from engine.feeds.simulated import SimulatedFeed
from engine.service import training
from tests.makers import KNOBS, MINUTE, START, Drawer, Played, StoppedClock, engine, play, settings, simulated
from tests.makers import bar as made_bar

BARS = 640
CONTRACT = {
    "recording", "symbols", "ticks", "decisions", "wall_seconds", "decisions_per_second", "digest", "phase_ms", "tick_ms", "actions", "fallbacks",
    "clean_rate", "binding_gates", "skill", "selection", "calibration", "volatility", "micro", "portfolio", "equity", "execution", "declined",
    "training", "peak_rss_mb", "data", "left_out", "evolution",
}  # fmt: skip
HERE = replace(KNOBS, first_training=250, retrain_every=1_000)


def silently(ticks: int, whole: int | None) -> None:
    return None


@cache
def report() -> dict[str, Any]:
    return run_backtest(settings(trading=HERE), simulated(BARS), report_progress=silently, clock=StoppedClock(1e-4))


@cache
def ticks() -> tuple[Tick, ...]:
    return tuple(play(engine(simulated(BARS), keeper=Drawer(), trading=HERE)))


def test_a_backtest_and_a_run_over_the_same_feed_agree_digest_for_digest() -> None:
    """The backtest trains in other processes, the run here where it stands."""
    chain = hashlib.blake2b(digest_size=16)
    for tick in ticks():
        chain.update(tick.decisions_digest.encode())
    assert report()["digest"] == chain.hexdigest()


def test_the_report_is_the_contracts_and_is_json() -> None:
    figures = json.loads(json.dumps(report(), allow_nan=False))
    assert set(figures) == CONTRACT
    assert set(figures["phase_ms"]) == {phase.value for phase in Phase}
    assert set(figures["skill"]) == {"ensemble", "random_fourier_features", "lightgbm", "neural", "online", "kmeans_prototypes", "ridge"}
    assert next(iter(figures["skill"])) == "ensemble"
    for figure in figures["skill"].values():
        assert {"r2", "low", "high", "n", "n_effective", "by_horizon"} == set(figure)
        assert set(figure["by_horizon"]) == {"1", "3", "12"}


def row(number: int, state: str, trigger: str = "schedule", strategy: str = "tuning") -> EvolutionRow:
    return EvolutionRow(number, 5, trigger, "", strategy, "ridge", "", "", state, None, None, None)


def test_changes_of_models_are_counted_by_what_they_came_to() -> None:
    tally, tick = BacktestTally(("A",) * 8, MINUTE), ticks()[0]
    watched = [row(1, state, "first training", "refresh") for state in ("training", "promoted", "promoted", "reverted")]
    states = ((2, "training"), (2, "racing"), (2, "racing"), (2, "promoted"), (2, "reverted"), (3, "training"), (3, "retired"), (4, "racing"))
    for each in [*watched, *(row(number, state) for number, state in states)]:
        tally.add(replace(tick, outcome=replace(tick.outcome, evolution=EvolutionReport((each,)))))
    subject = engine(simulated(1))
    subject.challengers.seconds = 12.5
    expected = {"triggers": {"schedule": 3, "first training": 1}, "challengers": 2, "promoted": 1, "reverted": 2, "seconds": 12.5}
    assert _evolution(subject, tally) == expected
    assert _backtest_text._evolution(expected) == (
        "evolution: 3 by schedule, 1 by first training; 2 challengers (recipes and blends) raced, 1 promoted, "
        "2 changes reverted; searches took 12.5 s of processor time"
    )
    assert _backtest_text._evolution({}) == ""


def test_what_is_counted_is_what_there_was() -> None:
    figures, done = report(), ticks()
    assert (figures["ticks"], figures["decisions"], figures["fallbacks"], figures["clean_rate"]) == (BARS, BARS * 8, 0, 1.0)
    counts = Counter(ACTIONS[code] for tick in done for code in tick.outcome.decisions.action)
    assert figures["actions"] == {name: counts[name] for name in ("buy", "sell", "hold")}
    binding = Counter(tick.outcome.decisions.gates[index].name for tick in done for index in tick.outcome.decisions.binding_gate if index >= 0)
    assert figures["binding_gates"] == dict(binding)
    assert figures["training"]["fits"] == len(training.select_models())
    filled = [fill for tick in done for fill in tick.fills if fill.units]
    traded = sum(abs(fill.units) * fill.price for fill in filled)
    costs = sum(abs(fill.units) * fill.price * (fill.fee_bps + fill.spread_bps + fill.impact_bps) / 1e4 for fill in filled)
    portfolio = figures["portfolio"]
    assert portfolio["trades"] == len(filled) > 0
    assert portfolio["turnover"] == pytest.approx(traded / 100_000.0)
    assert portfolio["cost_bps"] == pytest.approx(costs / traded * 1e4)
    last = done[-1].inputs.account
    assert portfolio["net_return"] == pytest.approx(last.equity / 100_000.0 - 1.0)
    assert portfolio["gross_return"] == pytest.approx(portfolio["net_return"] + (costs - last.carry) / 100_000.0)
    assert portfolio["carry"] == {"money": last.carry, "share": last.carry / 100_000.0, "borrow": last.borrow, "funding": last.funding}
    assert (last.borrow < 0.0) == any((tick.inputs.account.positions < 0).any() for tick in done)
    assert last.funding == 0.0  # the simulated market has none
    assert portfolio["max_drawdown"] == pytest.approx(max(1 - tick.inputs.account.equity / tick.inputs.account.peak_equity for tick in done))


def test_skill_is_recomputed_from_what_was_forecast_and_what_came() -> None:
    """R2 at one bar of every model and the ensemble, from the ticks themselves."""
    done = ticks()
    price = np.stack([np.log(tick.outcome.liquidity.mid) for tick in done])
    sigma = np.stack([tick.outcome.market_state.sigma for tick in done])
    y = np.clip((price[1:] - price[:-1]) / sigma[:-1], -5, 5)
    for index, name in enumerate(done[0].outcome.predictions.models):
        f = np.stack([tick.outcome.predictions.mean[index, 0] for tick in done[:-1]])
        both = np.isfinite(f) & np.isfinite(y)
        r2 = 1.0 - ((y[both] - f[both]) ** 2).sum() / (y[both] ** 2).sum()
        assert report()["skill"][name]["r2"] == pytest.approx(r2, rel=1e-9)
        assert report()["skill"][name]["n"] == int(both.sum())
    heard = np.stack([(tick.outcome.predictions.reliability[:, 0] > 0).any(axis=0) for tick in done[:-1]])
    f = np.stack([tick.outcome.forecast.mean[0] for tick in done[:-1]])
    both = heard & np.isfinite(y)
    width = np.stack([(tick.outcome.forecast.high - tick.outcome.forecast.low)[0] / 2 for tick in done[:-1]])
    inside = (np.abs(y - f) <= width)[both].mean()
    assert report()["skill"]["ensemble"]["n"] == int(both.sum())
    assert report()["calibration"]["coverage"]["0.9"] == pytest.approx(inside)


def test_the_same_market_settings_and_seed_give_the_same_digest_and_another_seed_another() -> None:
    def digest(seed: int) -> object:
        return run_backtest(settings(), simulated(140, symbols=3, seed=seed), report_progress=silently, clock=StoppedClock())["digest"]

    assert digest(1) == digest(1) != digest(2)


def test_figures_that_are_not_measured_are_null() -> None:
    figures = run_backtest(settings(), simulated(20, symbols=2), report_progress=silently, clock=StoppedClock())
    assert set(figures["volatility"].values()) == {None}  # type: ignore[attr-defined]
    assert figures["skill"]["ensemble"]["r2"] is None  # type: ignore[index]
    assert figures["calibration"]["brier"] is None  # type: ignore[index]
    assert figures["portfolio"]["sharpe"] is None  # type: ignore[index]


def test_days_without_trading_are_no_days_of_the_sharpe_ratio() -> None:
    """Hourly bars of five weeks in which the market trades on weekdays only; on other days the feed has bars that nobody traded in."""
    bars, hour = [], 60 * MINUTE
    draw = np.random.default_rng(4)
    for number in range(35 * 24):
        weekday = (number // 24) % 7 < 5
        price = 100.0 * np.exp(draw.normal(0, 0.01, 2))
        bars.append(made_bar(START + (number + 1) * hour, price=price.tolist(), fresh=[weekday] * 2))
    info = replace(simulated(1, symbols=2).info, interval=hour, levels=0, has_flow=False)
    figures = run_backtest(settings(), Played(info, bars), report_progress=silently, clock=StoppedClock())
    assert figures["portfolio"]["trading_days_per_year"] == pytest.approx(365 * 5 / 7)  # type: ignore[index]


def test_a_feed_without_a_bar_gives_a_report_of_nothing() -> None:
    figures = run_backtest(settings(), simulated(0, symbols=2), report_progress=silently, clock=StoppedClock())
    assert (figures["ticks"], figures["clean_rate"], figures["decisions_per_second"]) == (0, None, None)


def faulty(feed: SimulatedFeed, ticks: tuple[int, ...]) -> Iterator[MarketSnapshot]:
    """A market whose prices are past what numbers can add at some ticks, which phase 3 cannot measure."""
    for number, bar in enumerate(feed.slices(None)):
        beyond = replace(bar.books, bid_price=np.full_like(bar.books.bid_price, 1e308), ask_price=np.full_like(bar.books.ask_price, 1.5e308))
        yield replace(bar, books=beyond) if number in ticks else bar


def test_fallbacks_are_counted_against_the_honest_rate() -> None:
    feed = simulated(50, symbols=2)
    figures = run_backtest(settings(), Played(feed.info, list(faulty(feed, (10, 11, 40)))), report_progress=silently, clock=StoppedClock())
    assert figures["clean_rate"] == pytest.approx(47 / 50)
    assert figures["fallbacks"] == 9  # features, microstructure and learning, which finds no price in the mid


def test_progress_is_told_to_the_end() -> None:
    calls: list[tuple[int, int | None]] = []
    run_backtest(settings(), simulated(120, symbols=2), report_progress=lambda done, whole: calls.append((done, whole)), clock=StoppedClock())
    assert [done for done, _ in calls] == [50, 100, 120]
