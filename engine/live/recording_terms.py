"""The file recording.toml of a recorder: sizes are in base units already, so no contract is left to convert."""

from __future__ import annotations

import json

from engine.domain.ports import FeedInfo
from engine.feeds._recorded_session import RecordingHeader

HEAD = "# Written by Podium's recorder. Sizes are in base units.\n"


def describe_terms(header: RecordingHeader, info: FeedInfo) -> str:
    """Describe tick, lot, costs and session of each symbol as TOML; what is unknown is left out.

    The lot of a contract whose size is money is left out: it has no fixed size in base units.
    """
    exchange = f"exchange = {json.dumps(header.exchange)}\n" if header.exchange else ""
    tables = [_describe_symbol(header, info, column) for column in range(len(header.symbols))]
    return HEAD + exchange + "".join(tables)


def _describe_symbol(header: RecordingHeader, info: FeedInfo, column: int) -> str:
    rules = info.rules
    in_money = bool(rules.money_lots) and rules.money_lots[column]
    maker_fee = info.maker_fees_bps[column] if info.maker_fees_bps else info.maker_fee_bps
    borrowed = bool(rules.borrow_rates) and rules.borrow_rates[column] > 0.0
    terms: dict[str, object] = {
        "name": header.symbols[column] if header.symbols[column] != header.folders[column] else None,
        "tick": info.tick_size[column] if info.tick_size else None,
        "lot": rules.lots[column] if rules.lots and not in_money else None,
        "min_notional": rules.min_notionals[column] if rules.min_notionals else None,
        "fee_bps": info.fees_bps[column] if info.fees_bps else info.fee_bps,
        "maker_fee_bps": maker_fee,
        "spot": True if rules.shorts and not rules.shorts[column] else None,
        "borrow_rate": rules.borrow_rates[column] if borrowed else None,
        "funding_rate": rules.funding_rates[column] if rules.funding_rates else None,
        "session": (info.sessions[column] or None) if info.sessions else None,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in terms.items() if value is not None]
    return f"\n[symbols.{json.dumps(header.folders[column])}]\n" + "".join(f"{line}\n" for line in lines)
