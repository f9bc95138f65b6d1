"""The venue's rules and costs in words: by symbol, with what is not known left blank, and what holding has cost."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from engine.domain.trading_config import TradingConfig, TradingRules
from pages.ui import trading_rules
from tests.pages.stores import store
from tests.pages.test_pages import run, text

KNOBS = TradingConfig(
    fee_bps=10.0,
    fees_bps=(4.0, 10.0),
    maker_fees_bps=(-1.0, 10.0),
    rules=TradingRules(
        ticks=(0.1, 0.0), lots=(100.0, 0.0), money_lots=(True, False), min_notionals=(5.0, 0.0), shorts=(True, False),
        borrow_rates=(0.08, 0.0), funding_rates=(0.0001, 0.0),
    ),
)  # fmt: skip


def test_a_symbols_rules_are_its_own() -> None:
    knobs = asdict(KNOBS)
    assert trading_rules.format_rules(knobs, 0, "book") == (
        "0.1",
        "100.00",
        "5.00",
        "4.0 bps",
        "\N{MINUS SIGN}1.0 bps",
        "book",
        "allowed",
        "8.00 %",
        "+0.0100 %",
    )
    assert trading_rules.format_rules(knobs, 1, "setting") == (
        *"\N{EN DASH}" * 3,
        "10.0 bps",
        "10.0 bps",
        "setting",
        "not allowed: spot",
        "none",
        "none",
    )
    plain = asdict(replace(KNOBS, rules=TradingRules(), fees_bps=(), maker_fees_bps=(), maker_fee_bps=2.0))
    assert trading_rules.format_rules(plain, 1, "tick") == (*"\N{EN DASH}" * 3, "10.0 bps", "2.0 bps", "tick", "allowed", "none", "none")


def test_an_estimate_has_its_interval_and_n_or_says_that_there_is_too_little() -> None:
    micro: dict[str, float | None] = {
        "spread_estimate_bps": 8.04,
        "spread_estimate_low_bps": 5.0,
        "spread_estimate_high_bps": 10.2,
        "spread_estimate_pairs": 299.0,
    }
    lines = trading_rules.list_symbol_rules(asdict(KNOBS), ("A", "B"), "A", "Abdi-Ranaldo 2017", micro)
    assert lines[-1].cells[1] == "8.0 bps (5.0 to 10.2 bps, n=299)"
    few = micro | {"spread_estimate_bps": None, "spread_estimate_low_bps": None, "spread_estimate_high_bps": None, "spread_estimate_pairs": 12.0}
    assert trading_rules.list_symbol_rules(asdict(KNOBS), ("A", "B"), "A", "setting", few)[-1].cells[1] == "not enough data, n=12"
    assert len(trading_rules.list_symbol_rules(asdict(KNOBS), ("A", "B"), "A", "book", {})) == len(trading_rules.RULE_COLUMNS) - 1
    assert trading_rules.list_symbol_rules({}, ("A",), "A", "book", {}) == []


def test_sources_and_fees_of_many_symbols_are_one_phrase() -> None:
    assert trading_rules.describe_spread_sources(("book",)) == "book"
    assert trading_rules.describe_spread_sources(("book", "setting", "book")) == "book (2 symbols), setting (1 symbol)"
    assert trading_rules.describe_fees(asdict(KNOBS), 2) == ("Fees per side: taker 4.0 to 10.0 bps, maker \N{MINUS SIGN}1.0 to 10.0 bps")
    assert trading_rules.describe_carry(-12.34, 4.0) == ("\N{MINUS SIGN}8.34", "borrow \N{MINUS SIGN}12.34, funding +4.00")
    assert trading_rules.describe_carry(None, None)[0] == "\N{EN DASH}"


@pytest.mark.parametrize("page", ["03_decision.py", "04_market.py", "06_portfolio.py"])
def test_the_pages_show_rules_and_costs(full_store: str, tmp_path: Path, page: str) -> None:
    with store("full", full_store, tmp_path) as url:
        shown = text(run(page, url))
    for words in ("Trading rules and costs", "Minimum order", "Maker fee", "Borrow, per year"):
        assert words in shown
    if page == "06_portfolio.py":
        assert "Borrow and funding" in shown
