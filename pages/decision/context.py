"""The tables of a decision's surroundings: costs, outcome, market and fills."""

from __future__ import annotations

from engine import units
from engine.explain import describe_fault
from engine.store.read.decision import DecisionDetails
from pages.ui import theme
from pages.ui.tables import Cell, Column, TableRow, number_columns
from pages.ui.trading_tables import list_fill_cells

OUTCOME_COLUMNS = (Column("Horizon"), *number_columns("Price move", "In trade direction"))


def list_costs(decision: DecisionDetails) -> list[TableRow]:
    """List the costs of trading, one way and round trip."""
    half = None if decision.spread_bps is None else decision.spread_bps / 2
    one_way = None if half is None or decision.fee_bps is None or decision.impact_bps is None else half + decision.fee_bps + decision.impact_bps
    rows = (
        ("Fee", units.format_bps(decision.fee_bps)),
        (f"Half-spread ({decision.spread_source})", units.format_bps(half)),
        ("Impact of the largest order", units.format_bps(decision.impact_bps)),
        ("Total, one way", units.format_bps(one_way)),
        ("Round trip", units.format_bps(decision.cost_bps)),
        ("Expected move", units.format_bps(decision.edge_bps, signed=True)),
        ("Execution", decision.execution),
    )
    return [TableRow(name, (name, value), highlighted=name == "Round trip") for name, value in rows]


def list_outcomes(decision: DecisionDetails) -> list[TableRow]:
    """List the price move after each horizon, and its sign in the direction of the trade."""
    sign = {"buy": 1.0, "sell": -1.0}.get(decision.action)
    rows = []
    for outcome in decision.outcomes:
        move = outcome.reason if outcome.bps is None else units.format_bps(outcome.bps, signed=True)
        colour = None if outcome.bps is None else theme.UP if outcome.bps > 0 else theme.DOWN
        traded = "no trade" if sign is None else units.MISSING if outcome.bps is None else units.format_bps(sign * outcome.bps, signed=True)
        rows.append(
            TableRow(
                str(outcome.horizon),
                (
                    units.format_count(outcome.horizon, "bar"),
                    Cell(move, colour, small="not known then" if outcome.is_later and outcome.bps is not None else ""),
                    traded,
                ),
                highlighted=outcome.horizon == decision.horizon,
            )
        )
    return rows


def list_market_state(decision: DecisionDetails) -> list[TableRow]:
    """List regime, price, spread and book at the tick."""
    regimes = ", ".join(f"{name} {units.format_percent(share, 0)}" for name, share in decision.regimes)
    pairs = [
        ("Regime", decision.regime),
        ("Probabilities", regimes),
        ("Price", units.format_price(decision.price)),
        ("Volatility per bar", units.format_bps(decision.sigma_bps)),
        ("Spread", units.format_bps(decision.spread_bps)),
        ("Book imbalance", units.format_number(decision.micro.get("imbalance"), 2, signed=True)),
        ("Flow pressure", units.format_number(decision.micro.get("pressure"), 2, signed=True)),
        ("Depth, money", units.format_money(decision.micro.get("depth"))),
        (
            "Bar",
            next(
                (describe_fault(gate.fault, gate.value) for gate in decision.gates if gate.fault), "fresh" if decision.fresh else "missing or stale"
            ),
        ),
    ]
    return [TableRow(name, (name, value)) for name, value in pairs if value]


def list_order_fills(decision: DecisionDetails) -> list[TableRow]:
    """List the fills of the decision's order."""
    return [TableRow(str(place), list_fill_cells(fill)) for place, fill in enumerate(decision.fills)]
