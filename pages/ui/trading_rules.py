"""What each symbol's venue demands of an order and what trading and holding cost there, in words."""

from __future__ import annotations

from typing import Any

from engine import units
from pages.ui.tables import Column, TableRow

RULE_COLUMNS = (
    Column("Symbol"),
    Column("Tick", right=True),
    Column("Lot", right=True),
    Column("Minimum order", right=True),
    Column("Fee, taker", right=True),
    Column("Fee, maker", right=True),
    Column("Spread from", right=True),
    Column("Short", right=True),
    Column("Borrow a year", right=True),
    Column("Funding per 8 h", right=True),
)
SHOWN = 12  # symbols, where none is held


def list_symbol_rules(knobs: dict[str, Any], symbols: tuple[str, ...], symbol: str, source: str, micro: dict[str, float | None]) -> list[TableRow]:
    """The rules and costs of one symbol, a line each; [] where the knobs are not kept."""
    if not knobs or symbol not in symbols:
        return []
    names = [column.label for column in RULE_COLUMNS[1:]]
    lines = [TableRow(name, (name, value)) for name, value in zip(names, format_rules(knobs, symbols.index(symbol), source), strict=True)]
    estimate, low, high, n = (micro.get(f"spread_estimate_{part}") for part in ("bps", "low_bps", "high_bps", "pairs"))
    if n is not None:
        known = None not in {estimate, low, high}
        words = (
            f"{units.format_bps(estimate)} ({units.format_interval(low, high, 1, 'bps')}, n={n:,.0f})" if known else f"{units.NOT_ENOUGH}, n={n:,.0f}"
        )
        lines.append(TableRow("estimate", ("Spread from the bars' ranges (Abdi and Ranaldo 2017)", words)))
    return lines


def format_rules(knobs: dict[str, Any], place: int, source: str) -> tuple[str, ...]:
    """The rules and costs of the symbol at this place, in the order of RULES."""
    rules = knobs["rules"]
    lot, money = _of(rules["lots"], place), _of(rules["money_lots"], place)
    least, borrow, funding = (_of(rules[name], place) for name in ("min_notionals", "borrow_rates", "funding_rates"))
    taker, maker = get_fees(knobs, place)
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


def get_fees(knobs: dict[str, Any], place: int) -> tuple[float, float]:
    """Taker and maker fee of the symbol at this place, bps a side."""
    taker = float(knobs["fees_bps"][place] if knobs["fees_bps"] else knobs["fee_bps"])
    maker = knobs["maker_fees_bps"][place] if knobs["maker_fees_bps"] else knobs["maker_fee_bps"]
    return taker, taker if maker is None else float(maker)


def list_rules(knobs: dict[str, Any], symbols: tuple[str, ...], sources: tuple[str, ...], held: list[str]) -> list[TableRow]:
    """The rules of what is held, of the first symbols where nothing is."""
    if not knobs:
        return []
    lines = []
    for symbol in held or list(symbols[:SHOWN]):
        place = symbols.index(symbol)
        lines.append(TableRow(symbol, (symbol, *format_rules(knobs, place, get_spread_source(sources, place)))))
    return lines


def get_spread_source(sources: tuple[str, ...], place: int) -> str:
    return sources[0] if len(sources) == 1 else sources[place]


def describe_spread_sources(sources: tuple[str, ...]) -> str:
    """Where spreads are from: one name, or each with the number of symbols."""
    names = dict.fromkeys(sources)
    return ", ".join(name if len(names) == 1 else f"{name} ({units.format_count(sources.count(name), 'symbol')})" for name in names)


def describe_fees(knobs: dict[str, Any], symbols: int) -> str:
    """The fees of all symbols, as a range where they differ."""
    pairs = [get_fees(knobs, place) for place in range(symbols)]
    taker, maker = ([pair[kind] for pair in pairs] for kind in (0, 1))
    return f"Fee {_range(taker)} a side for a fill that takes, {_range(maker)} for one that rested"


def describe_carry(borrow: float | None, funding: float | None) -> tuple[str, str]:
    """Borrow and funding so far, and what they are made of; a cost is below 0."""
    if borrow is None or funding is None:
        return units.MISSING, "written by an older version"
    return units.format_money(
        borrow + funding, signed=True
    ), f"borrow {units.format_money(borrow, signed=True)}, funding {units.format_money(funding, signed=True)}"


def _range(values: list[float]) -> str:
    low, high = min(values), max(values)
    return units.format_bps(low) if low == high else f"{units.format_number(low, 1)} to {units.format_bps(high)}"


def _of(values: Any, place: int) -> Any:
    return values[place] if values else None
