"""Makers of inputs for the core: feeds that play given bars, an engine that trains in place, and situations to decide in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, ParamSpec, TypeVar

import numpy as np

from engine import window
from engine.domain import evidence as skills
from engine.domain.decision import Outcome
from engine.domain.evidence import SkillSums
from engine.domain.market import Account, Bars, Books, Inputs, MarketSnapshot, OrderFlow
from engine.domain.model import Catalog
from engine.domain.ports import FeedInfo
from engine.domain.record import Bools, Floats
from engine.domain.state import State
from engine.domain.tick import Artifact, Tick
from engine.domain.trading_config import Command, TradingConfig
from engine.feeds.simulated import SimulatedFeed
from engine.orchestrator import decide
from engine.run import PhaseRunner, axis_lengths
from engine.service.engine import Engine
from engine.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")
MINUTE = 60 * 10**9
DAY = 86_400 * 10**9
START = 1_704_067_200 * 10**9  # 2024-01-01T00:00Z
BARS = 840
KNOBS = TradingConfig(first_training=400, retrain_every=150, evolution="refresh")  # stacking serves throughout


class Inline(Executor):
    """Carries work out where it is handed in."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except ValueError as error:
            future.set_exception(error)
        return future


class StoppedClock:
    """A clock that stands still, or moves by as much as it is told at each look."""

    def __init__(self, step: float = 0.0) -> None:
        self.seconds, self.step = 0.0, step

    def now(self) -> int:
        return START + int(self.seconds * 1e9)

    def tick(self) -> float:
        self.seconds += self.step
        return self.seconds


@dataclass
class SetClock:
    """A clock that is moved by hand, and whose wall clock can be set."""

    seconds: float = 0.0  # of the monotonic clock
    wall: float = 0.0  # by which the wall clock was set on

    def now(self) -> int:
        return START + round((self.seconds + self.wall) * 1e9)

    def tick(self) -> float:
        return self.seconds


@dataclass
class Played:
    """A feed that plays the bars it is given."""

    info: FeedInfo
    bars: Sequence[MarketSnapshot]

    def slices(self, after: int | None) -> Iterator[MarketSnapshot]:
        return (bar for bar in self.bars if after is None or bar.at > after)

    def switch_signal(self, signal: float, at: int) -> None:
        raise ValueError("what is played has no signal to switch")


@dataclass
class Drawer:
    """Keeps ticks and models in memory, as the store would."""

    ticks: list[Tick] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)

    def save(self, tick: Tick) -> None:
        self.ticks.append(tick)

    def save_artifact(self, artifact: Artifact, session: int, now: int) -> None:
        self.artifacts.append(artifact)

    def remember(self, key: str, value: str) -> None:
        self.facts[key] = value


@dataclass(frozen=True)
class Moment:
    """All that one decision is made from."""

    inputs: Inputs
    state: State
    catalog: Catalog


@dataclass(frozen=True)
class Lesson:
    """A simulated market with a strong signal, decided bar by bar with trainings; what tests share instead of each running its own."""

    feed: SimulatedFeed
    bars: tuple[MarketSnapshot, ...]
    decisions: tuple[str, ...]  # digests
    artifacts: tuple[Artifact, ...]
    moments: dict[int, Moment]
    x: Floats  # (N, F) features of every symbol and tick that had any history
    outcomes: dict[int, Outcome]


def having(sums: SkillSums, **parts: Floats | float) -> SkillSums:
    """The same skill with other sums, by name."""
    values = sums.sums.copy()
    for name, value in parts.items():
        values[getattr(skills, name.upper())] = value
    return SkillSums(values)


def settings(**changed: object) -> Settings:
    return replace(Settings(home="", database_url="", trading=KNOBS), **changed)  # type: ignore[arg-type]


def simulated(bars: int | None = BARS, *, symbols: int = 8, signal: float = 0.3, seed: int = 7) -> SimulatedFeed:
    return SimulatedFeed(symbol_count=symbols, signal=signal, seed=seed, bars=bars)


def engine(feed: object, *, keeper: Drawer | None = None, trains: bool = True, **changed: object) -> Engine:
    """An engine over a feed, on a clock that stands still."""
    trainers = Inline() if trains else None
    return Engine(settings(**changed), feed, StoppedClock(), training_pool=trainers, store=keeper)  # type: ignore[arg-type]


def play(one: Engine, ticks: int | None = None) -> list[Tick]:
    """The next ticks of an engine, to the feed's end where none is given."""
    played: list[Tick] = []
    while ticks is None or len(played) < ticks:
        tick = one.step()
        if tick is None:
            break
        played.append(tick)
    return played


@cache
def lesson() -> Lesson:
    """840 bars of 8 symbols, trained at ticks 400, 550 and 700; moments kept at 0, 200, 430 and every 10 ticks from 640 on."""
    feed, keeper = simulated(), Drawer()
    one = engine(feed, keeper=keeper)
    digests, moments, outcomes, features = [], {}, {}, []
    while True:
        before = one.state
        tick = one.step()
        if tick is None:
            break
        digests.append(tick.decisions_digest)
        if tick.inputs.tick % 10 == 0 and (tick.inputs.tick >= 640 or tick.inputs.tick in {0, 200, 430}):
            moments[tick.inputs.tick] = Moment(tick.inputs, before, one.catalog)
            outcomes[tick.inputs.tick] = tick.outcome
        if tick.inputs.tick >= 320:
            features.append(tick.outcome.features.values)
    bars = tuple(simulated().slices(None))
    return Lesson(feed, bars, tuple(digests), tuple(keeper.artifacts), moments, np.concatenate(features), outcomes)


def moment(tick: int = 740) -> Moment:
    """A moment at which models serve, skill is proven and something is traded."""
    return lesson().moments[tick]


@cache
def bold() -> Moment:
    """The moment at which most symbols are opened or added to."""
    return moment(
        max(
            (tick for tick in lesson().moments if 740 <= tick < 830),
            key=lambda tick: grew(lesson().outcomes[tick], moment(tick).inputs.account).sum(),
        )
    )


def runner(at: Moment, kind: type[PhaseRunner] = PhaseRunner, **more: object) -> PhaseRunner:
    return kind(axis_lengths(at.inputs, at.catalog), lambda: 0.0, **more)  # type: ignore[arg-type]


def decided(at: Moment, kind: type[PhaseRunner] = PhaseRunner, **more: object) -> Outcome:
    return decide(at.inputs, at.state, at.catalog, runner(at, kind, **more))


def changed(at: Moment, **fields: object) -> Moment:
    """The moment with other inputs."""
    return replace(at, inputs=replace(at.inputs, **fields))  # type: ignore[arg-type]


def seen(at: Moment, bars: Bars, **fields: object) -> Moment:
    """The moment with other bars, and the view made of them."""
    inputs = replace(at.inputs, bars=bars, **fields)  # type: ignore[arg-type]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        view = window.build_view(bars, inputs.books, inputs.flow, inputs.at, inputs.interval, inputs.config.volatility_halflife)
    return replace(at, inputs=replace(inputs, view=view))


def grew(outcome: Outcome, account: Account) -> Bools:
    """(S,) where orders would leave a larger position than there is, on either side."""
    units = np.zeros(len(account.positions))
    for order in outcome.orders:
        units[order.symbol] += order.units
    after = account.positions + units
    slack = 1e-9 * np.maximum(np.abs(account.positions), 1.0)
    return np.asarray((np.abs(after) > np.abs(account.positions) + slack) | ((after * account.positions < 0) & (np.abs(after) > slack)))


def command(name: str, **args: str) -> Command:
    return Command(1, name, tuple(args.items()), "ada", "to see")


def walk_bars(symbols: int, length: int, seed: int, *, volatility: float = 2e-3) -> Bars:
    """Seeded random walks that are proper bars."""
    draw = np.random.default_rng([seed, symbols, length])
    close = 100.0 * np.exp(np.cumsum(draw.standard_t(4, (symbols, length)) * volatility, axis=1))
    opened = np.concatenate((close[:, :1], close[:, :-1]), axis=1) * np.exp(draw.normal(0, volatility / 5, (symbols, length)))
    high = np.maximum(opened, close) * np.exp(np.abs(draw.normal(0, volatility / 2, (symbols, length))))
    low = np.minimum(opened, close) * np.exp(-np.abs(draw.normal(0, volatility / 2, (symbols, length))))
    return Bars(opened, high, low, close, draw.gamma(2.0, 50.0, (symbols, length)))


def no_books(symbols: int) -> Books:
    return Books(*(np.empty((symbols, 0)) for _ in range(4)))


def no_flow(symbols: int) -> OrderFlow:
    blank = np.empty((symbols, 0))
    return OrderFlow(np.empty((symbols, 0, 0)), blank, blank, blank, blank, blank)


def bar(
    at: int = START + MINUTE,
    *,
    price: Sequence[float] = (100.0,),
    fresh: Sequence[bool] | None = None,
    books: Books | None = None,
    volume: float = 1.0,
) -> MarketSnapshot:
    """One closed bar that opens, stands and closes at the price."""
    prices = np.array(price, dtype=float)
    count = len(prices)
    known = np.array([True] * count if fresh is None else fresh)
    none = no_books(count)
    opened, high, low, close = (prices.copy() for _ in range(4))
    blank = np.empty((count, 0))
    return MarketSnapshot(at, opened, high, low, close, np.full(count, volume), known, none, none if books is None else books, blank, blank)


def resumed(tick: int, bars: Sequence[MarketSnapshot], *, keeper: Drawer | None = None) -> Engine:
    """An engine that goes on from the lesson's state before a tick, over other bars from then on."""
    taught, at = lesson(), moment(tick)
    one = engine(Played(taught.feed.info, bars), keeper=keeper)
    one.restore(at.state, at.inputs.account, (), at.inputs.config, at.catalog.serving)
    for past in taught.bars[tick - window.WINDOW_BARS : tick]:
        one.window.append(past)
    one.last_bar_at = taught.bars[tick - 1].at
    return one


def awaited(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine gives, run on a loop of its own: a browser driven in this thread keeps one running here."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()
