"""A market bar by bar, watched for incidents, from which pieces can be taken away."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from engine.domain.incidents import INCIDENT_KINDS, NO_FAULT, Incident, IncidentState
from engine.domain.market import Books
from engine.domain.record import Bools, Floats
from engine.domain.trading_config import Event
from engine.evidence import incidents
from tests.makers import DAY, MINUTE, START

HOUR = 60 * MINUTE
MONDAY = START  # 2024-01-01 is a Monday


@dataclass
class Market:
    """Bars of S symbols one after another, from which pieces can be taken away."""

    symbols: int = 5
    interval: int = MINUTE
    at: int = MONDAY
    seed: int = 5
    watch: IncidentState = field(init=False)
    observed: list[Incident] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.draw = np.random.default_rng(self.seed)
        self.names = tuple(f"S{index}" for index in range(self.symbols))
        self.watch = incidents.initial_incident_state(self.symbols)
        self.price = np.full(self.symbols, 100.0)

    def bar(self, *, volume: float = 1.0, range_: float = 1.0) -> Floats:
        moves = np.abs(self.draw.normal(0, 1e-3, (2, self.symbols))) * range_ + 1e-4
        opened = self.price
        self.price = opened * np.exp(self.draw.normal(0, 5e-4 * range_, self.symbols))
        high, low = np.maximum(opened, self.price) * np.exp(moves[0]), np.minimum(opened, self.price) * np.exp(-moves[1])
        spread = np.log(high / low)
        return np.stack((opened, high, low, self.price, volume * 1e6 * spread * self.draw.gamma(20.0, 0.05, self.symbols)))

    def step(
        self, bar: Floats, fresh: Bools | None = None, events: tuple[Event, ...] = (), books: Books | None = None
    ) -> tuple[Incident, ...]:  # fmt: skip
        self.at += self.interval
        traded = np.asarray(np.isfinite(bar[3]) & (bar[4] > 0)) if fresh is None else fresh
        self.watch = incidents.update_incidents(self.watch, self.at, self.interval, self.names, traded, bar, events, books)
        self.observed += self.watch.changes
        return self.watch.changes

    def run(self, bars: int, **more: float) -> tuple[Incident, ...]:
        """That many whole bars; what they tell."""
        return tuple(incident for _ in range(bars) for incident in self.step(self.bar(**more)))

    def absent(self, bars: int, which: slice = slice(None)) -> tuple[Incident, ...]:
        observed: tuple[Incident, ...] = ()
        for _ in range(bars):
            bar = self.bar()
            bar[:, which] = np.nan
            observed += self.step(bar)
        return observed

    def empty(self, bars: int, which: slice = slice(None)) -> tuple[Incident, ...]:
        observed: tuple[Incident, ...] = ()
        for _ in range(bars):
            bar = self.bar()
            bar[:4, which], bar[4, which] = self.price[which], 0.0
            observed += self.step(bar)
        return observed


def after(days: int = 2, *, symbols: int = 5) -> Market:
    """A market that has been watched for some days."""
    market = Market(symbols)
    assert market.run(days * DAY // market.interval) == ()
    return market


def named(observed: tuple[Incident, ...]) -> list[tuple[str, str, bool]]:
    """Kind, symbol and whether it lasts."""
    return [(incident.kind, incident.symbol, incident.until is None) for incident in observed]


def faults(market: Market) -> list[str]:
    """What is wrong with each symbol at this bar, "" where nothing is."""
    return ["" if kind == NO_FAULT else INCIDENT_KINDS[kind] for kind in market.watch.faults.kind.tolist()]
