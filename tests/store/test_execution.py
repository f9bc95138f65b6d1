"""What the store keeps of how orders are filled: by kind, renewed as a whole with the tick, and the orders that stand over."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine import units
from engine.domain.orders import EXECUTIONS, Order, OrderProgress
from engine.evidence import execution_quality
from engine.store.read import portfolio
from engine.store.read.reader import Reader
from engine.store.write.writer import Writer
from pages.portfolio import tables
from tests.store import made


def test_kinds_and_working_orders_are_read_as_they_were_saved(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    writer, market = Writer(url), made.Market(made.names(2))
    made.begin(writer, market)
    work = OrderProgress(0, 1, 8.0, 100.0, 99.9, 5.0, 8.0, 100.2, 3.0, 299.7)
    resting = Order(1, -5.0, 2.0, 0.1, 0.002, EXECUTIONS.index("passive"), work)
    tick = market.tick()
    account = replace(tick.inputs.account, working_orders=(resting,))
    writer.save(
        replace(tick, inputs=replace(tick.inputs, account=account), execution=execution_quality.execution_table(execution_quality.empty_execution()))
    )
    reader = Reader(url)
    (row,) = portfolio.read_working_orders(reader).to_dict("records")
    assert row == {"symbol": market.symbols[1], "kind": "passive", "side": "sell", "left": 5.0, "requested": 8.0, "limit": 99.9, "bars": 1}
    rows = portfolio.read_execution(reader)
    assert [(kind["kind"], kind["orders"], kind["shortfall_bps"], kind["offered"]) for kind in rows] == [
        ("passive", 0, None, True), ("aggressive", 0, None, True), ("slice", 0, None, True),
    ]  # fmt: skip
    assert "99.9" in tables.render_working_orders(portfolio.read_working_orders(reader))
    writer.save(market.tick())  # a tick that does not renew it leaves it, and no order stands over
    assert (portfolio.read_execution(reader), len(portfolio.read_working_orders(reader))) == (rows, 0)
    writer.close()


@pytest.mark.parametrize(("bps", "words"), [(None, units.NOT_ENOUGH), (-1.25, "1.25")])
def test_a_kind_says_what_it_cost_or_that_there_is_not_enough_data(bps: float | None, words: str) -> None:
    row = {"kind": "passive", "orders": 7, "filled": 0.5, "unfilled": 0.5, "shortfall_bps": bps, "low": bps, "high": bps, "n": 7, "offered": False}
    page = tables.render_execution([row])
    assert words in page
    assert "proven to cost more" in page
