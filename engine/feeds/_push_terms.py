"""The description of a push feed: its symbols, and their terms from the table [push] of podium.toml, written like recording.toml."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from engine.domain.ports import FeedInfo
from engine.feeds._contracts import Contract, parse_contracts, trading_rules_of
from engine.feeds._recording_folder import BadRecording
from engine.settings import count_order_delay_ms, format_duration

if TYPE_CHECKING:
    from engine.settings import Settings

MINUTE = 60 * 10**9  # ns, the interval unless set
DEFAULT_FEE_BPS, DEFAULT_SPREAD_BPS = 10.0, 2.0
NS_PER_MS = 1e6


def read_push_terms(document: object, symbols: tuple[str, ...]) -> dict[str, Contract]:
    """Read the table [push] of podium.toml, written like recording.toml. Raises BadRecording in one line."""
    if not isinstance(document, dict):
        raise BadRecording("[push] in podium.toml must be a table: write [push.symbols.NAME] and a line for each rule")
    named = document.get("symbols", {})
    for name in named if isinstance(named, dict) else ():
        if name not in symbols:
            raise BadRecording(f"[push.symbols.{name}] in podium.toml is of no symbol of this feed: there are {', '.join(symbols[:12])}")
    return parse_contracts(Path("[push] in podium.toml"), document, symbols)


def describe_push_market(settings: Settings) -> tuple[FeedInfo, tuple[Contract, ...]]:
    """Describe the feed of these settings and the terms of each symbol. Raises ValueError in one line."""
    interval, has_books = settings.interval or MINUTE, "books" in settings.push_data
    levels = settings.book_levels if has_books else 0
    delay = count_order_delay_ms(settings)
    if has_books and delay * NS_PER_MS >= interval:
        raise ValueError(
            f"settle_ms and latency_ms together do not fit into bars of {format_duration(interval)}: lower them, or lengthen the interval"
        )
    terms = read_push_terms(json.loads(settings.push_terms or "{}"), settings.symbols)
    contracts = tuple(terms[symbol] for symbol in settings.symbols)
    fees = tuple(DEFAULT_FEE_BPS if contract.fee_bps is None else contract.fee_bps for contract in contracts)
    has_maker_fees = any(contract.maker_fee_bps is not None for contract in contracts)
    hours = tuple(contract.session.hours_per_year if contract.session else 0.0 for contract in contracts)
    info = FeedInfo(
        "push", f"push: {settings.push_data.replace('+', ' and ')}", settings.symbols, interval, levels=levels,
        has_flow=settings.push_data != "bars", simulated=False, fee_bps=DEFAULT_FEE_BPS, spread_bps=DEFAULT_SPREAD_BPS,
        tick_size=tuple(contract.tick for contract in contracts),
        fees_bps=fees if any(contract.fee_bps is not None for contract in contracts) else (),
        maker_fees_bps=tuple(
            fee if contract.maker_fee_bps is None else contract.maker_fee_bps for fee, contract in zip(fees, contracts, strict=True)
        ) if has_maker_fees else (),
        rules=trading_rules_of(contracts), sessions=tuple(contract.session.text if contract.session else "" for contract in contracts),
        trading_hours=hours if any(hours) else (),
    )  # fmt: skip
    return info, contracts
