"""What the store keeps of books and flow: the outlook's scores, renewed as a whole, and each decision's figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest

from engine.domain.decision import SPREAD_SOURCES, Outcome
from engine.domain.evidence import MEASURES, LiquidityForecastRow
from engine.evidence import liquidity_forecast
from engine.store.write import tick_rows
from engine.store.write.writer import Writer
from tests.makers import engine, play, simulated
from tests.store import made
from tests.store.test_retention import ask

KEYS = {
    "imbalance", "micro_price", "depth", "pressure", "amihud", "imbalance_best", "pressure_levels", "vpin", "kyle", "fillable", "next_spread_bps",
    "next_depth", "next_impact_bps", "buy_10k_bps", "sell_10k_bps", "buy_100k_bps", "sell_100k_bps",
}  # fmt: skip


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    """Of a simulated market with books, before any training."""
    return play(engine(simulated(80), trains=False))[-1].outcome


def test_the_outlook_is_renewed_as_a_whole(tmp_path: Path) -> None:
    writer = Writer(made.empty(tmp_path))
    market = made.Market(made.names(2))
    made.begin(writer, market)
    first = tuple(LiquidityForecastRow(measure, None, None, None, 7, None) for measure in MEASURES)
    second = (LiquidityForecastRow("spread", 0.25, 0.125, 0.375, 900, 450.5),)
    writer.save(replace(market.tick(), liquidity_forecast=first))
    assert len(ask(tmp_path, "SELECT * FROM v_liquidity_forecast WHERE r2 IS NULL AND n = 7")) == len(MEASURES)
    writer.save(market.tick())
    assert len(ask(tmp_path, "SELECT * FROM v_liquidity_forecast")) == len(MEASURES)  # a tick that does not renew it leaves it
    writer.save(replace(market.tick(), liquidity_forecast=second))
    assert ask(tmp_path, "SELECT measure, r2, low, high, n, n_effective FROM v_liquidity_forecast") == [("spread", 0.25, 0.125, 0.375, 900, 450.5)]
    writer.close()


def test_a_decisions_figures_are_told_to_five_digits(outcome: Outcome) -> None:
    figures = [orjson.loads(text) for text in tick_rows._micro(outcome)]
    assert len(figures) == 8
    for symbol, row in enumerate(figures):
        assert set(row) == KEYS
        finer = outcome.liquidity.book_metrics
        assert row["vpin"] == pytest.approx(float(finer.vpin[symbol]), rel=1e-4)
        assert row["buy_10k_bps"] == pytest.approx(float(finer.forecast_cost_bps[0, 0, symbol]), rel=1e-4)
        assert row["next_depth"] == pytest.approx(float(finer.forecast_levels[1, symbol]), rel=1e-4)


def test_what_no_book_holds_is_null_and_never_a_number(outcome: Outcome) -> None:
    finer = outcome.liquidity.book_metrics
    dear = replace(outcome, liquidity=replace(outcome.liquidity, book_metrics=replace(finer, forecast_cost_bps=finer.forecast_cost_bps * np.nan)))
    for text in tick_rows._micro(dear):
        figures = orjson.loads(text)
        assert [figures[name] for name in ("buy_10k_bps", "sell_10k_bps", "buy_100k_bps", "sell_100k_bps")] == [None] * 4


def test_a_market_without_books_keeps_nothing_of_them(outcome: Outcome) -> None:
    finer = outcome.liquidity.book_metrics
    nothing, costs = np.full(8, np.nan), np.full((2, 2, 8), np.nan)
    bare = replace(finer, imbalance_best=nothing, pressure_levels=nothing, fillable_share=nothing, quoted_bps=costs, forecast_cost_bps=costs,
                   forecast_levels=np.full((3, 8), np.nan), liquidity_forecast=liquidity_forecast.empty_liquidity_forecast())  # fmt: skip
    figures = orjson.loads(
        tick_rows._micro(
            replace(outcome, liquidity=replace(outcome.liquidity, book_metrics=bare, spread_source=np.full(8, SPREAD_SOURCES.index("setting"))))
        )[0]
    )
    assert set(figures) == {"imbalance", "micro_price", "depth", "pressure", "amihud", "vpin", "kyle"}
