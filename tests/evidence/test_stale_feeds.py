"""Bars and books that repeat: stale where the symbol would have changed them, and no fault where it stands still."""

from __future__ import annotations

import numpy as np
import pytest

from engine.domain.incidents import Incident
from engine.domain.market import Books
from engine.evidence.staleness import fingerprint_books
from tests.evidence.watched_market import Market, faults, named


def repeat(market: Market, bars: int, which: slice) -> tuple[Incident, ...]:
    """Bars in which these symbols repeat their last one exactly."""
    last = market.watch.staleness.last_bar.copy()
    observed: tuple[Incident, ...] = ()
    for _ in range(bars):
        bar = market.bar()
        bar[:, which] = last[:, which]
        observed += market.step(bar)
    return observed


@pytest.mark.parametrize("known", [1, 30, 3_000])
def test_a_symbol_that_repeats_its_bars_is_stale_within_ten_bars_even_without_history(known: int) -> None:
    market = Market()
    market.run(known)
    began = market.at
    observed = repeat(market, 10, slice(0, 1))
    assert [(incident.kind, incident.symbol, incident.since) for incident in observed] == [("stale", "S0", began)]
    bars = int(observed[0].detail.split(": ")[1].split()[0])
    assert bars == {1: 4, 30: 3, 3_000: 3}[known]
    assert faults(market) == ["stale", "", "", "", ""]
    assert market.watch.faults.bars.tolist() == [10, 0, 0, 0, 0]
    assert named(market.run(1)) == [("stale", "S0", False)]
    assert faults(market) == [""] * 5


def test_the_first_bar_that_repeats_is_doubted_before_anything_is_an_incident() -> None:
    market = Market()
    market.run(200)
    assert repeat(market, 1, slice(0, 1)) == ()
    assert faults(market) == ["stale", "", "", "", ""]
    assert market.watch.faults.frozen_bar.tolist() == [True, False, False, False, False]
    market.run(1)
    assert faults(market) == [""] * 5


def test_a_symbol_that_trades_a_lot_at_a_time_at_one_price_is_judged_by_its_own_habit() -> None:
    market = Market()
    doubted = 0
    for _ in range(4_000):
        bar = market.bar()
        bar[:4, 0], bar[4, 0] = 100.0 + market.draw.integers(0, 2) * 0.01, market.draw.integers(1, 3)  # a quarter of its bars repeat
        market.step(bar)
        doubted += market.watch.faults.frozen_bar[0]
    assert market.observed == []
    assert doubted < 0.02 * 4_000
    assert ("stale", "S0", True) in named(repeat(market, 60, slice(0, 1)))


def test_a_bar_without_volume_that_moved_within_and_repeats_is_stale_and_a_still_one_is_not() -> None:
    market = Market()
    market.run(100)
    bar = market.bar()
    bar[4] = np.nan
    fresh = np.ones(5, dtype=bool)
    market.step(bar, fresh)
    assert ("stale", "*", True) in named(tuple(incident for _ in range(4) for incident in market.step(bar, fresh)))
    market.run(1)
    bar = market.bar()
    bar[:4], bar[4] = 100.0, 0.0
    assert tuple(incident for _ in range(40) for incident in market.step(bar, fresh)) == ()


def book(market: Market, *, levels: int = 3) -> Books:
    sizes = market.draw.gamma(2.0, 10.0, (2, market.symbols, levels))
    steps = np.arange(1, levels + 1) * 0.01
    return Books(market.price[:, None] - steps, sizes[0], market.price[:, None] + steps, sizes[1])


def mixed(which: int, incident: Books, other: Books) -> Books:
    """The books, with that symbol's taken from the first."""
    mask = (np.arange(len(incident.bid_price)) == which)[:, None]
    return Books(*(np.where(mask, getattr(incident, name), getattr(other, name)) for name in ("bid_price", "bid_size", "ask_price", "ask_size")))


def test_a_book_that_stays_the_same_while_its_symbol_trades_is_stale() -> None:
    market = Market()
    for _ in range(100):
        market.step(market.bar(), books=book(market))
    assert market.observed == []
    dead = book(market)
    market.step(market.bar(), books=dead)
    observed = tuple(incident for _ in range(5) for incident in market.step(market.bar(), books=mixed(2, dead, book(market))))
    assert named(observed) == [("stale book", "S2", True)]
    assert faults(market) == ["", "", "stale book", "", ""]
    assert market.watch.faults.frozen_book.tolist() == [False, False, True, False, False]
    assert not market.watch.faults.frozen_bar.any()
    assert named(market.step(market.bar(), books=book(market))) == [("stale book", "S2", False)]


def test_a_book_that_stands_while_nothing_trades_is_no_fault() -> None:
    market = Market(symbols=1)
    market.run(10)
    dead = book(market)
    for number in range(200):
        bar = market.bar()
        if number % 40:
            bar[:4], bar[4] = market.price, 0.0
        market.step(bar, np.ones(1, dtype=bool), books=dead if number % 40 else (dead := book(market)))
    assert market.observed == []
    assert faults(market) == [""]


def test_books_with_the_same_fingerprint_are_the_same() -> None:
    market = Market(symbols=200)
    incident, other = book(market), book(market)
    assert (
        fingerprint_books(incident) == fingerprint_books(Books(incident.bid_price.copy(), incident.bid_size, incident.ask_price, incident.ask_size))
    ).all()
    assert (fingerprint_books(incident) != fingerprint_books(other)).all()
    swapped = Books(incident.bid_price, incident.ask_size, incident.ask_price, incident.bid_size)
    assert (fingerprint_books(incident) != fingerprint_books(swapped)).all()
    whole = Books(*(np.round(part) for part in (incident.bid_price, incident.bid_size, incident.ask_price, incident.ask_size)))
    more = Books(whole.bid_price, whole.bid_size + np.eye(200, 3), whole.ask_price, whole.ask_size)
    assert ((fingerprint_books(whole) != fingerprint_books(more)) == (np.arange(200) < 3)).all()
    one_sided = Books(incident.bid_price * np.nan, incident.bid_size * np.nan, incident.ask_price, incident.ask_size)
    assert (fingerprint_books(one_sided) != 0).all()
    assert (
        fingerprint_books(Books(*(part * np.nan for part in (incident.bid_price, incident.bid_size, incident.ask_price, incident.ask_size)))) == 0
    ).all()
