"""One round trip worked by hand, to the cent: from the decision over orders, fills and the account to the store and the Portfolio page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from engine.domain.market import Books, MarketSnapshot
from engine.domain.model import Model, ServingModel
from engine.domain.ports import FeedInfo
from engine.domain.record import Floats
from engine.domain.tick import Tick
from engine.domain.trading_config import TradingConfig
from engine.service.engine import Engine
from engine.service.resume import resume_engine
from engine.settings import Settings
from engine.store import database
from engine.store.read import portfolio
from engine.store.read.history import TickHistory
from engine.store.read.history_tables import FILLS
from engine.store.read.keyset import HistoryQuery, read_history_page
from engine.store.read.reader import Reader
from engine.store.write.writer import Writer
from pages.portfolio import fills, tables
from pages.ui.history_table import list_rows
from pages.ui.tables import render_table
from tests.controls import proven
from tests.makers import MINUTE, START, Played, StoppedClock, no_books
from tests.pages.test_pages import text

ROOT = Path(__file__).parent.parent
CENT = 0.005  # figures of money agree to the cent

# The market: two symbols, one bar a minute; every close is 20 bps from the last, so the volatility of a bar is 20 bps.
CAPITAL = 100_000.0
PRICE = (100.0, 50.0)  # closes at the decision to enter
MOVE = 0.002  # log return of every bar, up or down
FEE_BPS = (7.5, 12.0)  # by symbol, one way
SPREAD_BPS = 4.0  # full, where there are no books
IMPACT = 0.5  # bar volatilities for an order as large as a bar's volume, times the root of its share
VOLUME = (5_000.0, 10_000.0)  # of every bar, base units
SHARE = 0.20  # of equity in each symbol: max_position
UNITS = (200.0, -400.0)  # SHARE x CAPITAL / PRICE: bought of the first, sold short of the second
# An order is 200 of 5,000 and 400 of 10,000 units: 4 % of a bar's volume. 0.5 x 20 bps x root(0.04) = 2 bps of impact; half the spread is 2 bps.
ONE_WAY_BPS = 2.0 + 2.0  # apart from the fee
ROUND_TRIP_BPS = (2 * (7.5 + ONE_WAY_BPS), 2 * (12.0 + ONE_WAY_BPS))  # 23 and 32 bps
ENTER = 319  # tick of the decision to enter; filled on the next bar
EXIT = 321  # tick of the decision to leave; filled on the next bar
OPEN_IN, OPEN_OUT = (101.0, 49.5), (103.0, 48.0)  # opens of the bars that fill
NAMES = ("AAA", "BBB")


@dataclass
class Forecaster:
    """A model that says, of the next bar, what it is told to: `edge` bps, from the decision to enter up to the one to leave."""

    edge: tuple[float, float]
    tick: Callable[[], int]

    def predict(self, fitted: object, x: Floats) -> Floats:
        del fitted, x
        on = ENTER <= self.tick() < EXIT
        return np.repeat([[on * edge / (MOVE * 1e4) for edge in self.edge]], 1, axis=0)

    def unused(self, *given: object) -> bytes:
        raise AssertionError(f"it is not trained: {given}")


def closes() -> Floats:
    """(2, T) 20 bps up or down a bar, by a seed, through PRICE at the decision to enter."""
    path = np.cumsum(np.random.default_rng(1).choice([-1.0, 1.0], (2, EXIT + 4)), axis=1)
    return np.asarray(np.array(PRICE)[:, None] * np.exp(MOVE * (path - path[:, ENTER : ENTER + 1])))


def market(opens: dict[int, tuple[float, float]], books: Callable[[int, Floats], Books] | None = None) -> Iterator[MarketSnapshot]:
    """The bars, with these opens at these ticks, and books by tick and close where there are any."""
    close, blank = closes(), np.empty((2, 0))
    for tick in range(close.shape[1]):
        now = close[:, tick]
        opened = np.array(opens.get(tick, tuple(close[:, max(0, tick - 1)])))
        high, low = np.maximum(opened, now) * 1.0001, np.minimum(opened, now) * 0.9999
        at_decision, at_fill = (no_books(2), no_books(2)) if books is None else (books(tick, now), books(tick, opened))
        ofi = blank if books is None else np.zeros((2, at_decision.bid_price.shape[1]))
        yield MarketSnapshot(
            START + (tick + 1) * MINUTE, opened, high, low, now, np.array(VOLUME), np.ones(2, bool), at_decision, at_fill, ofi, blank
        )


def played(url: str, bars: Iterator[MarketSnapshot], *, edge: tuple[float, float] = (60.0, -60.0), levels: int = 0) -> list[Tick]:
    """The ticks from the decision to enter on, decided with proven skill and kept in a store."""
    info = FeedInfo("recorded", "made by hand", NAMES, MINUTE, levels, False, False, 10.0, SPREAD_BPS, (0.0, 0.0), FEE_BPS)
    knobs = TradingConfig(horizons=(1,), max_position=SHARE, max_gross=9.0, max_net=9.0, target_volatility=1e9, max_shortfall=1e9)
    settings = Settings(home="", database_url=url, models=("ridge",), capital=CAPITAL, impact_coefficient=IMPACT, trading=knobs)
    database.prepare(url)
    with closing(Writer(url)) as writer, closing(TickHistory(url)) as history:
        engine, _ = resume_engine(settings, Played(info, list(bars)), StoppedClock(), writer, history, training_pool=None)
        forecaster = Forecaster(edge, lambda: engine.tick)
        return list(ticks(engine, forecaster))


def ticks(engine: Engine, forecaster: Forecaster) -> Iterator[Tick]:
    made = Model("ridge", "made", forecaster.unused, forecaster.unused, forecaster.predict)
    columns = len(engine.catalog.columns)
    wide = np.full(columns, np.inf)
    engine.catalog = replace(engine.catalog, serving=(ServingModel(made, "made-0", "0" * 32, None, -wide, wide, 0, np.zeros(columns)),))
    while True:
        engine.state = replace(engine.state, weights=np.ones_like(engine.state.weights), recent=proven(np.full(1, 0.05)))
        tick = engine.step()
        if tick is None:
            return
        if tick.inputs.tick >= ENTER:
            yield tick


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'podium.db'}"


def view(url: str, name: str) -> pd.DataFrame:
    return Reader(url).frame(f"SELECT * FROM {name} WHERE tick >= {ENTER} ORDER BY tick")


def test_a_round_trip_without_books_comes_to_the_cent_from_the_decision_to_the_account(url: str) -> None:
    entered, filled, left, closed, *_ = played(url, market({ENTER + 1: OPEN_IN, EXIT + 1: OPEN_OUT}))

    decided = entered.outcome.decisions
    np.testing.assert_allclose(decided.delta, UNITS, rtol=1e-9)
    np.testing.assert_allclose(entered.outcome.sizes.cost_bps, ROUND_TRIP_BPS, rtol=1e-4)

    # In: 200 at 101 x 1.0004 = 101.0404, and -400 at 49.5 x 0.9996 = 49.4802; the fee is 7.5 bps of 20,208.08 and 12 bps of 19,792.08.
    paid_in = (200 * 101.0404, -400 * 49.4802)
    fees_in = (20_208.08 * 0.00075, 19_792.08 * 0.0012)  # 15.16 and 23.75
    cash = CAPITAL - sum(paid_in) - sum(fees_in)  # 100,000 - 20,208.08 + 19,792.08 - 15.16 - 23.75
    assert cash == pytest.approx(99_545.09, abs=CENT)
    account = filled.inputs.account
    assert account.cash == pytest.approx(cash, abs=CENT)
    np.testing.assert_allclose(account.positions, UNITS, rtol=1e-9)
    np.testing.assert_allclose(account.entry_price, (101.0404, 49.4802), rtol=1e-7)
    marked = closes()[:, ENTER + 1]
    assert account.equity == pytest.approx(cash + 200 * marked[0] - 400 * marked[1], abs=CENT)
    assert (filled.outcome.decisions.delta == 0).all()  # nothing new was said

    # Out: the same share of a bar's volume, so 4 bps again: 200 at 103 x 0.9996 = 102.9588 and 400 at 48 x 1.0004 = 48.0192.
    assert (left.outcome.decisions.target == 0).all()
    out = (102.9588, 48.0192)
    fees_out = (20_591.76 * 0.00075, 19_207.68 * 0.0012)  # 15.44 and 23.05
    cash += 20_591.76 - 19_207.68 - sum(fees_out)
    assert cash == pytest.approx(100_890.68, abs=CENT)
    account = closed.inputs.account
    assert (account.positions == 0).all()
    assert np.isnan(account.entry_price).all()
    assert account.cash == pytest.approx(cash, abs=CENT)
    assert account.equity == account.cash
    realised = [200 * (out[0] - 101.0404) - fees_out[0], 400 * (49.4802 - out[1]) - fees_out[1]]
    np.testing.assert_allclose([fill.realised_pnl for fill in closed.fills], realised, atol=CENT)
    assert account.equity - CAPITAL == pytest.approx(sum(realised) - sum(fees_in), abs=CENT)


def test_the_store_and_the_portfolio_page_say_what_the_account_says(url: str) -> None:
    entered, filled, *rest = played(url, market({ENTER + 1: OPEN_IN, EXIT + 1: OPEN_OUT}))
    stored_fills = view(url, "v_fills")
    assert stored_fills["side"].tolist() == ["buy", "sell", "sell", "buy"]
    assert stored_fills["fee_bps"].tolist() == [7.5, 12.0, 7.5, 12.0]
    assert stored_fills["mid"].tolist() == [101.0, 49.5, 103.0, 48.0]
    np.testing.assert_allclose(stored_fills["price"][:2], (101.0404, 49.4802), rtol=1e-7)
    np.testing.assert_allclose(stored_fills["size"], (200, 400, 200, 400), rtol=1e-9)
    np.testing.assert_allclose(stored_fills["cost_bps"], (11.5, 16.0, 11.5, 16.0), rtol=1e-3)  # half a spread, impact and fee, one way
    held = view(url, "v_positions")
    np.testing.assert_allclose(held["size"][:2], UNITS, rtol=1e-9)
    np.testing.assert_allclose(held["entry"][:2], (101.0404, 49.4802), rtol=1e-7)
    np.testing.assert_allclose(held["mark"][:2], closes()[:, ENTER + 1], rtol=1e-12)
    assert held["tick"].max() == EXIT  # the bar after fills the way out
    equity = view(url, "v_equity").set_index("tick")["equity"]
    np.testing.assert_allclose(equity, [tick.inputs.account.equity for tick in (entered, filled, *rest)], rtol=1e-12)
    assert equity[EXIT + 1] == pytest.approx(100_890.69, abs=0.05)
    shown = page(url)
    assert "100,891" in shown  # equity, and cash
    assert "+0.89 %" in shown  # since the start, after costs
    assert "no open positions" in shown
    stored = read_history_page(Reader(url), FILLS, HistoryQuery(), limit=4)
    columns = fills.HISTORY.columns
    table = render_table([column.head for column in columns], list_rows(fills.HISTORY, columns, stored.frame), label="Fills")
    for figure in ("101.04", "49.480", "7.5", "12.0", "11.5", "16.0"):
        assert f">{figure}<" in table


def page(url: str) -> str:
    app = AppTest.from_file(str(ROOT / "pages" / "06_portfolio.py"), default_timeout=300)
    app.session_state["store_url"] = url
    app.run()
    assert not app.exception
    return text(app)


def test_open_gain_on_the_portfolio_is_what_closing_at_the_mark_would_gain(url: str) -> None:
    bars = list(market({ENTER + 1: OPEN_IN}))[: ENTER + 2]
    (_, filled) = played(url, iter(bars))
    marked = closes()[:, ENTER + 1]
    gains = (200 * (marked[0] - 101.0404), -400 * (marked[1] - 49.4802))
    table = tables.render_positions(portfolio.read_positions(Reader(url)))
    for gain in gains:
        assert f"{gain:+,.2f}".replace("-", "\N{MINUS SIGN}") in table
    fees = 20_208.08 * 0.00075 + 19_792.08 * 0.0012
    assert filled.inputs.account.equity == pytest.approx(CAPITAL + sum(gains) - fees, abs=CENT)
    assert gains[0] < 0 < 200 * marked[0]  # a long that has lost
    assert "long" in table
    assert "short" in table


@pytest.mark.parametrize(
    ("edge", "traded"),
    [((23.5, -32.6), (True, True)), ((22.5, -31.4), (False, False)), ((27.0, -27.0), (True, False)), ((-23.5, 31.4), (True, False))],
)
def test_only_a_move_larger_than_the_whole_round_trip_is_traded(url: str, edge: tuple[float, float], traded: tuple[bool, bool]) -> None:
    """23 bps of the first symbol and 32 of the second: in and out, each its fee, half the spread and the impact."""
    entered = played(url, market({}), edge=edge)[0]
    np.testing.assert_allclose(entered.outcome.sizes.edge_bps, edge, rtol=1e-3)
    assert tuple((entered.outcome.decisions.delta != 0).tolist()) == traded
    decided = view(url, "v_decisions").head(2)
    np.testing.assert_allclose(decided["cost_bps"], ROUND_TRIP_BPS, rtol=1e-3)
    assert [gate is None or pd.isna(gate) for gate in decided["binding_gate"]] == list(traded)
    assert set(decided["binding_gate"].dropna()) <= {"edge above cost"}


def test_a_round_trip_at_unchanged_prices_costs_what_the_decision_said(url: str) -> None:
    entered, *_, last = played(url, market({ENTER + 1: PRICE, EXIT + 1: PRICE}))
    money = np.abs(np.array(UNITS)) * np.array(PRICE)
    expected_cost = float((entered.outcome.sizes.cost_bps * money).sum()) / 1e4
    assert CAPITAL - last.inputs.account.equity == pytest.approx(expected_cost, rel=2e-3)  # 20,000 x 23 bps + 20,000 x 32 bps = 110.00
    assert expected_cost == pytest.approx(110.0, rel=1e-3)


LEVELS = 3


def deep(tick: int, price: Floats) -> Books:
    """A cent on either side of the price on which the whole order fits, and two levels behind it; thinner where the order to enter is filled."""
    behind = np.array([0.0, 0.5, 1.0])
    bid, ask = price[:, None] - 0.01 - behind, price[:, None] + 0.01 + behind
    best = np.array([[150.0], [300.0]]) if tick == ENTER + 1 else np.array([[1_000.0], [1_000.0]])
    size = np.concatenate((best, np.full((2, 2), 1_000.0)), axis=1)
    return Books(bid, size, ask, size.copy())


def test_a_round_trip_through_books_comes_to_the_cent(url: str) -> None:
    entered, filled, _, closed, *_ = played(url, market({ENTER + 1: OPEN_IN, EXIT + 1: OPEN_OUT}, deep), levels=LEVELS)
    np.testing.assert_allclose(entered.outcome.liquidity.spread_bps, (2.0, 4.0), rtol=1e-6)
    np.testing.assert_allclose(entered.outcome.decisions.delta, UNITS, rtol=1e-9)
    # On the last book the order fits on the best price: half the spread of a cent each way is 1 bp of 100 and 2 bps of 50.
    np.testing.assert_allclose(entered.outcome.sizes.cost_bps, (2 * (1.0 + 7.5), 2 * (2.0 + 12.0)), rtol=1e-6)
    # In: 150 at 101.01 and 50 at 101.51; 300 at 49.49 and 100 at 48.99.
    bought, sold = 150 * 101.01 + 50 * 101.51, 300 * 49.49 + 100 * 48.99  # 20,227.00 and 19,746.00
    cash = CAPITAL - bought * 1.00075 + sold * (1 - 0.0012)
    assert cash == pytest.approx(99_480.13, abs=CENT)
    account = filled.inputs.account
    assert account.cash == pytest.approx(cash, abs=CENT)
    np.testing.assert_allclose(account.entry_price, (bought / 200, sold / 400), rtol=1e-9)
    np.testing.assert_allclose([fill.spread_bps for fill in filled.fills], (0.01 / 101 * 1e4, 0.01 / 49.5 * 1e4), rtol=1e-6)
    np.testing.assert_allclose([fill.impact_bps for fill in filled.fills], (0.125 / 101 * 1e4, 0.125 / 49.5 * 1e4), rtol=1e-6)
    # Out, all of it at the best prices: 200 at 102.99 and 400 at 48.01.
    cash += 200 * 102.99 * (1 - 0.00075) - 400 * 48.01 * 1.0012
    assert cash == pytest.approx(100_835.64, abs=CENT)
    assert closed.inputs.account.equity == pytest.approx(cash, abs=CENT)
    equity = view(url, "v_equity").set_index("tick")["equity"]
    assert equity[EXIT + 1] == pytest.approx(cash, abs=CENT)
    assert f"{cash:,.0f}" in page(url)
