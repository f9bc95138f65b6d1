"""P&L by symbol, hour and regime: the parts add up to the change of equity, and nothing is read that is not needed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.decision import Fill
from engine.domain.market import MarketSnapshot
from engine.evidence.pnl_attribution import attribute_pnl, sum_groups
from engine.store.read import pnl
from engine.store.read.reader import Reader
from engine.store.write.writer import Writer
from tests.store.made import Market, begin, empty

FEE = 5e-4  # of Market's fills


class ExactMarket(Market):
    """A market whose fills all have a price, and whose account pays exactly what they say."""

    def _bar(self, at: int) -> MarketSnapshot:
        before = self.price
        return replace(super()._bar(at), open=before)

    def _settle(self, fills: tuple[Fill, ...]) -> None:
        positions, cash = self.account.positions.copy(), self.account.cash
        for fill in fills:
            positions[fill.symbol] += fill.units
            cash -= fill.price * (fill.units + abs(fill.units) * FEE)
        equity = float(cash + (positions * self.price).sum())
        self.account = replace(self.account, equity=equity, cash=float(cash), positions=positions, mark_price=self.price.copy())


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = empty(tmp_path_factory.mktemp("traded"))
    writer, market = Writer(url), ExactMarket()
    begin(writer, market)
    for tick in market.ticks(130):
        writer.save(tick)
    writer.close()
    return url


@pytest.mark.parametrize("bars", [1, 50, 2_000])
def test_the_parts_add_up_to_the_change_of_equity(traded: str, bars: int) -> None:
    result = pnl.read_pnl(Reader(traded), bars)
    assert result is not None
    equity = Reader(traded).frame("SELECT tick, equity FROM ticks ORDER BY tick").set_index("tick")["equity"]
    assert result.change == equity[result.last] - equity[result.first]
    assert result.last - result.first == min(bars, 129)
    for groups in (result.symbols, result.hours, result.regimes):
        assert sum(group.pnl for group in groups) == pytest.approx(result.change, abs=1e-7)
    assert result.rest == pytest.approx(0.0, abs=1e-7)
    assert result.carry == 0.0


def test_a_group_with_few_blocks_has_no_interval_and_many_have(traded: str) -> None:
    few, many = pnl.read_pnl(Reader(traded), 20), pnl.read_pnl(Reader(traded))
    assert few is not None
    assert many is not None
    assert {(group.low, group.high) for group in few.symbols} == {(None, None)}
    assert all(0 < group.n <= 129 for group in many.symbols)
    assert [group.name for group in many.hours] == ["00", "01", "02"]


def test_a_fill_that_is_not_stored_any_more_is_named_and_not_spread_over_the_symbols(traded: str, tmp_path: Path) -> None:
    path = tmp_path / "podium.db"
    path.write_bytes(Path(traded.removeprefix("sqlite:///")).read_bytes())
    with closing(sqlite3.connect(path)) as store, store:
        row = store.execute("SELECT id, price, size, side FROM fills WHERE size > 0 AND tick > 60 LIMIT 1").fetchone()
        store.execute("DELETE FROM fills WHERE id = ?", row[:1])
    result = pnl.read_pnl(Reader(f"sqlite:///{path}"))
    assert result is not None
    signed = row[1] * row[2] * (1.0 if row[3] == "buy" else -1.0)
    assert result.rest == pytest.approx(-signed - abs(signed) * FEE, abs=1e-7)


def test_before_the_second_tick_there_is_nothing_to_attribute(tmp_path: Path) -> None:
    assert pnl.read_pnl(Reader(empty(tmp_path))) is None
    assert pnl.read_symbol_prices(Reader(empty(tmp_path)), ("BTC",), 10).empty


def test_prices_of_symbols_are_those_of_their_bars(traded: str) -> None:
    frame = pnl.read_symbol_prices(Reader(traded), ("BTC", "XRP"), 40)
    assert len(frame) == 80
    assert set(frame["symbol"]) == {"BTC", "XRP"}
    stale = Reader(traded).frame("SELECT count(*) AS n FROM decisions WHERE fresh = 0 AND tick >= 90 AND symbol IN ('BTC', 'XRP')")["n"].iloc[0]
    assert frame["price"].isna().sum() == stale


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 40), st.integers(1, 5))
def test_attribution_agrees_with_an_account_in_cash(seed: int, bars: int, symbols: int) -> None:
    random = np.random.default_rng(seed)
    price = 100.0 * np.exp(np.cumsum(random.normal(scale=0.01, size=(bars, symbols)), axis=0))
    traded = random.integers(-2, 3, size=(bars, symbols)).astype(float)
    units = np.cumsum(traded, axis=0)
    paid = traded * price * 1.001 + np.abs(traded) * 0.05
    unknown = np.where(units == 0.0, np.nan, price)
    equity = -np.cumsum(paid.sum(axis=1)) + (units * price).sum(axis=1)
    profit = attribute_pnl(units, unknown, paid)
    assert profit.sum(axis=1) == pytest.approx(np.diff(equity), abs=1e-6)
    labels = random.integers(0, 3, size=profit.shape).tolist()
    groups = sum_groups(profit, profit != 0.0, np.arange(1, bars), labels, (0, 1, 2))
    assert sum(group.pnl for group in groups) == pytest.approx(float(equity[-1] - equity[0]), abs=1e-6)
