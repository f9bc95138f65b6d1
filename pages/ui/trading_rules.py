"""The venue's rules for orders of each symbol, and the costs of trading and holding, in words."""

from __future__ import annotations

from typing import Any

from engine import units
from pages.ui.tables import Column, TableRow, number_columns

RULE_COLUMNS = (
    Column("Symbol"),
    *number_columns(
        "Tick size", "Lot size", "Minimum order", "Taker fee", "Maker fee", "Spread source", "Short selling", "Borrow, per year", "Funding, per 8 h"
    ),
)
SHOWN = 12  # symbols, if none is held


def list_symbol_rules(config: dict[str, Any], symbols: tuple[str, ...], symbol: str, source: str, micro: dict[str, float | None]) -> list[TableRow]:
    """List the rules and costs of one symbol, one row each; [] where the trading configuration is not stored."""
    if not config or symbol not in symbols:
        return []
    names = [column.label for column in RULE_COLUMNS[1:]]
    lines = [TableRow(name, (name, value)) for name, value in zip(names, format_rules(config, symbols.index(symbol), source), strict=True)]
    estimate, low, high, n = (micro.get(f"spread_estimate_{part}") for part in ("bps", "low_bps", "high_bps", "pairs"))
    if n is not None:
        known = None not in {estimate, low, high}
        shown = (
            f"{units.format_bps(estimate)} ({units.format_interval(low, high, 1, 'bps')}, n={n:,.0f})" if known else f"{units.NOT_ENOUGH}, n={n:,.0f}"
        )
        lines.append(TableRow("estimate", ("Spread estimate from the bars' ranges (Abdi and Ranaldo 2017)", shown)))
    return lines


def format_rules(config: dict[str, Any], place: int, source: str) -> tuple[str, ...]:
    """Return the rules and costs of the symbol at this position, in the order of RULES."""
    rules = config["rules"]
    lot, money = _of(rules["lots"], place), _of(rules["money_lots"], place)
    least, borrow, funding = (_of(rules[name], place) for name in ("min_notionals", "borrow_rates", "funding_rates"))
    taker, maker = get_fees(config, place)
    may_be_short = not rules["shorts"] or rules["shorts"][place]
    return (
        units.format_price_step(_of(rules["ticks"], place)),
        units.MISSING if not lot else units.format_money(lot) if money else units.format_quantity(lot),
        units.format_money(least) if least else units.MISSING,
        units.format_bps(taker),
        units.format_bps(maker),
        source,
        "allowed" if may_be_short else "not allowed: spot",
        units.format_percent(borrow, 2) if borrow else "none",
        units.format_percent(funding, 4, signed=True) if funding else "none",
    )


def get_fees(config: dict[str, Any], place: int) -> tuple[float, float]:
    """Return taker and maker fee of the symbol at this position, bps per side."""
    taker = float(config["fees_bps"][place] if config["fees_bps"] else config["fee_bps"])
    maker = config["maker_fees_bps"][place] if config["maker_fees_bps"] else config["maker_fee_bps"]
    return taker, taker if maker is None else float(maker)


def list_rules(config: dict[str, Any], symbols: tuple[str, ...], sources: tuple[str, ...], held: list[str]) -> list[TableRow]:
    """List the rules of held symbols, or of the first symbols if none is held."""
    if not config:
        return []
    lines = []
    for symbol in held or list(symbols[:SHOWN]):
        place = symbols.index(symbol)
        lines.append(TableRow(symbol, (symbol, *format_rules(config, place, get_spread_source(sources, place)))))
    return lines


def get_spread_source(sources: tuple[str, ...], place: int) -> str:
    return sources[0] if len(sources) == 1 else sources[place]


def describe_spread_sources(sources: tuple[str, ...]) -> str:
    """Return the sources of spreads: one name, or each with its number of symbols."""
    names = dict.fromkeys(sources)
    return ", ".join(name if len(names) == 1 else f"{name} ({units.format_count(sources.count(name), 'symbol')})" for name in names)


def describe_fees(config: dict[str, Any], symbols: int) -> str:
    """Return the fees of all symbols, as a range where they differ."""
    pairs = [get_fees(config, place) for place in range(symbols)]
    taker, maker = ([pair[kind] for pair in pairs] for kind in (0, 1))
    return f"Fees per side: taker {_range(taker)}, maker {_range(maker)}"


def describe_carry(borrow: float | None, funding: float | None) -> tuple[str, str]:
    """Return borrow plus funding so far, and the two apart; a cost is below 0."""
    if borrow is None or funding is None:
        return units.MISSING, "not recorded by an older version"
    return units.format_money(
        borrow + funding, signed=True
    ), f"borrow {units.format_money(borrow, signed=True)}, funding {units.format_money(funding, signed=True)}"


def _range(values: list[float]) -> str:
    low, high = min(values), max(values)
    return units.format_bps(low) if low == high else f"{units.format_number(low, 1)} to {units.format_bps(high)}"


def _of(values: Any, place: int) -> Any:
    return values[place] if values else None
