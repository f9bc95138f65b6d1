"""What each family of features costs for all symbols together, and the phase that puts them side by side; in time of a core."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from time import thread_time

import numpy as np

from engine import broker
from engine.domain.market import Inputs
from engine.domain.model import Catalog, FeatureFamily
from engine.domain.trading_config import TradingConfig
from engine.feeds.simulated import SimulatedFeed
from engine.phases import features
from engine.plugins import discover_plugins
from engine.service import process_memory
from engine.service.windows import MarketWindow

BARS = 340
BUDGET_US = {20: 600.0, 500: 8_000.0}  # books and flow included; 500 us at 20 symbols of bars only


def moments(symbols: int) -> list[Inputs]:
    """Inputs of the last bars of a simulated market, books and flow included."""
    feed = SimulatedFeed(symbol_count=symbols, bars=BARS)
    window, account = MarketWindow(feed.info), broker.open_account(1e5, symbols)
    taken: list[Inputs] = []
    for tick, bar in enumerate(feed.slices(None)):
        window.append(bar)
        if tick >= BARS - 12:
            taken.append(window.build_inputs(tick, account, TradingConfig(), ()))
    return taken


def median_us(work: Callable[[Inputs], object], inputs: list[Inputs], rounds: int) -> float:
    """Between two calls the caches are filled with other things, as in a tick."""
    spent, other = [], np.ones(400_000)
    for number in range(rounds):
        other *= 1.0
        begun = thread_time()
        work(inputs[number % len(inputs)])
        spent.append((thread_time() - begun) * 1e6)
    return statistics.median(spent)


def main() -> None:
    families: tuple[FeatureFamily, ...] = discover_plugins("engine.features", "FAMILY")
    catalog = Catalog(families, (), ())
    process_memory.configure_memory()
    for symbols, budget in BUDGET_US.items():
        inputs = moments(symbols)
        rounds = 200 if symbols < 100 else 30
        with np.errstate(invalid="ignore", divide="ignore"):
            whole = median_us(lambda one: features.build_features(one, catalog), inputs, rounds)
            print(f"{len(catalog.columns)} columns of {symbols} symbols with books: {whole:,.0f} us (budget {budget:,.0f} us)")
            for family in families:
                print(f"  {family.name:<14} {len(family.columns):>3} columns {median_us(_building(family), inputs, rounds):>8,.0f} us")


def _building(family: FeatureFamily) -> Callable[[Inputs], object]:
    return lambda one: family.build(one.view)


if __name__ == "__main__":
    main()
