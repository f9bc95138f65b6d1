"""The settings behind every net figure, in words."""

from __future__ import annotations

from typing import Any

from engine import units
from engine.store.read.status import EngineStatus
from pages.ui import trading_rules


def describe_cost_settings(status: EngineStatus, config: dict[str, Any]) -> str:
    """Return the settings behind every net figure, in words."""
    if not config or status.last is None or status.session is None:
        return ""
    symbols = len(status.session.symbols)
    return (
        f"Paper money. {trading_rules.describe_fees(config, symbols)}. "
        f"Spread: from {trading_rules.describe_spread_sources(status.last.spread_sources)}, "
        f"{units.format_bps(config['spread_bps'])} where none is known. "
        f"Impact: {units.format_number(config.get('impact_coefficient'), 2)} bar volatilities for an order of a whole bar's volume. "
        f"Latency: {units.format_number(config['latency_ms'], 0, 'ms')}. "
        "Orders fill against the order book after the latency or, without books, at the next open for up to "
        f"{units.format_percent(config.get('participation'), 0)} of that bar's volume. The rest stays unfilled. "
        "No order fills at the price of its decision. "
        f"A passive order rests at the best price for {units.format_count(int(config.get('passive_bars', 0)), 'bar')} and then crosses the spread. "
        f"An order that is large for its book is sliced over {units.format_count(int(config.get('slice_bars', 0)), 'bar')}."
    )
