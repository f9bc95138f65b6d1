"""Makes ticks by hand: every figure is drawn from a seed, none means anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from engine.broker import open_account
from engine.domain.decision import (
    LIMITS,
    REGIMES,
    Decisions,
    FeatureMatrix,
    Fill,
    Forecast,
    Instruction,
    Liquidity,
    MarketState,
    ModelSelection,
    Outcome,
    Phase,
    Predictions,
    Sizes,
    Span,
)
from engine.domain.evidence import LiquidityForecastRow
from engine.domain.evolution import EvolutionReport
from engine.domain.gates import GATES, GateResults
from engine.domain.incidents import EVERYWHERE, Incident
from engine.domain.market import Account, Bars, Books, Inputs, MarketSnapshot, MarketView, OrderFlow
from engine.domain.orders import Order
from engine.domain.ports import FeedInfo
from engine.domain.record import Floats
from engine.domain.state import State
from engine.domain.tick import DeclinedRow, SkillRow, Tick
from engine.domain.trading_config import Event, TradingConfig
from engine.evidence import conformal, incidents, liquidity_forecast, regimes, volatility
from engine.phases.gates import AT_MOST, GATE_NAMES, GATE_SENSES, GATE_UNITS
from engine.phases.learning import blank_state
from engine.phases.microstructure import book_metrics_without_book
from engine.service.windows import build_row

SECOND = 10**9
MINUTE = 60 * SECOND
START = 1_704_067_200 * SECOND  # 2024-01-01T00:00Z
WALL = 1_750_000_000 * SECOND
MODELS = ("ridge", "lightgbm", "kmeans_prototypes", "random_fourier_features")
HORIZONS = (1, 3, 12)
SYMBOLS = ("BTC", "ETH", "SOL", "XRP")
KNOBS = TradingConfig(horizons=HORIZONS)


def info(symbols: tuple[str, ...] = SYMBOLS) -> FeedInfo:
    return FeedInfo("simulated", "simulated market", symbols, MINUTE, 5, True, True, 5.0, 2.0, (0.01,) * len(symbols))


def names(count: int) -> tuple[str, ...]:
    return SYMBOLS[:count] if count <= len(SYMBOLS) else tuple(f"S{index:03d}" for index in range(count))


def machine(number: int) -> str | None:
    """What the machine was like, known from the second tick on."""
    if number == 0:
        return None
    return (
        '{"host.cpu_percent":31.5,"process.cpu_percent":12.0,"host.memory_percent":48.0,"container.memory_percent":null,"process.rss_bytes":4.1e8,'
        '"host.cpu_pressure_percent":2.5,"host.memory_pressure_percent":0.0,"process.threads":14,"process.gc_pause_ms":1.25,"engine.data_age_ms":2000.0}'
    )


class Market:
    """Random walks, a tick at a time; the same seed gives the same ticks."""

    def __init__(self, symbols: tuple[str, ...] = SYMBOLS, *, seed: int = 7, session: int = 1, first_tick: int = 0, levels: int = 5) -> None:
        self.symbols, self.session, self.number, self.levels = symbols, session, first_tick, levels
        self.random = np.random.default_rng(seed)
        self.price: Floats = np.linspace(100.0, 900.0, len(symbols))
        self.account: Account = open_account(100_000.0, len(symbols))
        self.state: State = blank_state(len(symbols), MODELS, HORIZONS)
        self.orders: tuple[Order, ...] = ()

    def ticks(self, count: int) -> Iterator[Tick]:
        for _ in range(count):
            yield self.tick()

    def tick(
        self, *, degraded: tuple[Phase, ...] = (), events: tuple[Event, ...] = (), knobs: TradingConfig = KNOBS, wall: int | None = None
    ) -> Tick:
        number = self.number
        at = START + (number + 1) * MINUTE
        bar = self._bar(at)
        fills = tuple(
            Fill(order.symbol, order.units, 0.0, float(bar.open[order.symbol]), float(bar.open[order.symbol]), 5.0, 1.0, 0.3, -1.25)
            for order in self.orders
        )
        self._settle(fills)
        if number % 100 == 0:
            events += (Event("model_adopted", "ridge", f"{number:032x}"),)
        inputs = self._inputs(number, at, bar, knobs, events)
        outcome = self._outcome(inputs, degraded)
        self.orders, self.state = outcome.orders, outcome.state
        self.number += 1
        serving = (f"{number - number % 100:032x}", *(None,) * (len(MODELS) - 1))
        spans = tuple(
            Span(phase, 0.2 * rank, 0.18, phase in degraded, "ValueError: made to fail" if phase in degraded else None, "tick")
            for rank, phase in enumerate(Phase)
        )
        return Tick(
            session=self.session, decided_at=WALL + number * 2 * SECOND if wall is None else wall, snapshot=bar,
            training_row=build_row(number, outcome), inputs=inputs, outcome=outcome, fills=fills,
            spans=spans, ms=float(self.random.gamma(4.0, 0.5)), decisions_digest=outcome.decisions.digest(),
            phase_digests=tuple(f"{rank:032x}" for rank, _ in enumerate(Phase)), serving=serving, is_warmup=number < 20,
            checkpoint=number % 100 == 0, skill=skill(number) if number % 20 == 19 else (),
            declined=regret(number) if number % 20 == 19 else (),
            liquidity_forecast=outlooks(number) if number % 20 == 19 else (),
            machine=machine(number),
        )  # fmt: skip

    def _bar(self, at: int) -> MarketSnapshot:
        count, levels, random = len(self.symbols), self.levels, self.random
        opened = self.price
        self.price = opened * np.exp(random.standard_t(4, count) * 1e-3)
        high, low = np.maximum(opened, self.price) * 1.0005, np.minimum(opened, self.price) * 0.9995
        fresh = random.random(count) > 0.01
        steps = 1e-4 * np.arange(1, levels + 1)
        sizes = random.gamma(2.0, 3.0, (count, levels))
        books = Books(self.price[:, None] * (1 - steps), sizes, self.price[:, None] * (1 + steps), sizes * 0.9)
        none = np.full((count, levels), np.nan)
        flow = np.column_stack([random.normal(size=count), random.poisson(30, count), self.price, self.price * 2e-4, sizes[:, 0]])
        mask = np.where(fresh, 1.0, np.nan)
        return MarketSnapshot(
            at, opened * mask, high * mask, low * mask, self.price * mask, random.gamma(3.0, 40.0, count) * mask, fresh, books,
            Books(none, none, none, none), random.normal(size=(count, levels)), flow,
        )  # fmt: skip

    def _settle(self, fills: tuple[Fill, ...]) -> None:
        positions, entry, cash = self.account.positions.copy(), self.account.entry_price.copy(), self.account.cash
        for fill in fills:
            price = fill.price if np.isfinite(fill.price) else float(self.price[fill.symbol])
            positions[fill.symbol] += fill.units
            cash -= fill.units * price * (1 + 6e-4 * np.sign(fill.units))
            entry[fill.symbol] = price if positions[fill.symbol] else np.nan
        equity = float(cash + (positions * self.price).sum())
        self.account = replace(
            self.account, equity=equity, cash=float(cash), positions=positions, entry_price=entry, mark_price=self.price.copy(),
            peak_equity=max(self.account.peak_equity, equity),
            benchmark_equity=float((self.price / np.linspace(100.0, 900.0, len(self.symbols))).mean() * 1e5),
        )  # fmt: skip

    def _inputs(self, number: int, at: int, bar: MarketSnapshot, knobs: TradingConfig, events: tuple[Event, ...]) -> Inputs:
        """Windows are not stored, so these are of one bar."""
        count = len(self.symbols)
        columns = [part[:, None] for part in (bar.open, bar.high, bar.low, bar.close, bar.volume)]
        empty = np.empty((count, 0))
        flow = OrderFlow(np.empty((count, 0, 0)), empty, empty, empty, empty, empty)
        whole = np.ones(count, dtype=np.int64)
        view = MarketView(
            at,
            MINUTE,
            columns[3],
            columns[1],
            columns[2],
            columns[0],
            columns[3] * 0,
            columns[4],
            whole,
            whole * 0,
            np.full(count, 1e-3),
            bar.books,
            flow,
        )
        return Inputs(number, at, MINUTE, self.symbols, Bars(*columns), bar.books, flow, bar.fresh, self.account, knobs, events, view)

    def _outcome(self, inputs: Inputs, degraded: tuple[Phase, ...]) -> Outcome:
        count, random = len(self.symbols), self.random
        mood, liquidity, opinions, forecast = self._mood(), self._liquidity(), self._opinions(), self._forecast()
        sizes = self._sizes(inputs.account)
        decisions = self._decisions(sizes, liquidity)
        orders = tuple(Order(int(index), float(decisions.delta[index]), 2.0, 0.3) for index in np.flatnonzero(decisions.delta))
        state = replace(self.state, tick=inputs.tick, decided=self.state.decided + 1, weights=random.random((len(MODELS), len(HORIZONS))))
        wanted = (Instruction("retrain", "all", "schedule"),) if inputs.tick % 50 == 49 else ()
        matrix = FeatureMatrix(("returns.one", "volume.share"), random.normal(size=(count, 2)), np.ones(count, dtype=bool))
        return Outcome(decisions, orders, state, wanted, degraded, mood, matrix, liquidity, opinions, forecast, sizes, EvolutionReport((), (), ()))

    def _mood(self) -> MarketState:
        count, random = len(self.symbols), self.random
        chances = random.dirichlet(np.ones(len(REGIMES)), count)
        figures = [random.gamma(4.0, 2.5e-4, count) for _ in range(4)]
        return MarketState(
            figures[0], random.normal(size=count), figures[2], figures[3], chances.argmax(axis=1), chances, 0.4, 0.5, 0.1,
            float(chances[:, 3].mean()), 1.0 - chances.max(axis=1), regimes.initial_regime_model(),
            replace(incidents.initial_incident_state(count), changes=news(self.number, START + self.number * MINUTE)),
        )  # fmt: skip

    def _liquidity(self) -> Liquidity:
        count, random = len(self.symbols), self.random
        wide = random.gamma(4.0, 0.5, count)
        fee, impact = np.full(count, 5.0), random.random(count)
        lean = random.uniform(-1.0, 1.0, count)
        crossed = np.zeros(count, dtype=bool)
        return Liquidity(
            self.price.copy(), wide, np.full(count, 5e4), lean, self.price * (1 + lean * 1e-5), lean / 2, np.full(count, 0.1), fee, impact,
            wide / 2 + fee + impact, crossed, np.zeros(count, dtype=np.int64),
            book_metrics_without_book(liquidity_forecast.empty_liquidity_forecast(), lean, lean, lean), (), np.full(count, np.nan),
        )  # fmt: skip

    def _opinions(self) -> Predictions:
        shape = (len(MODELS), len(HORIZONS), len(self.symbols))
        mean, trust = self.random.normal(scale=0.1, size=shape), self.random.random(shape)
        mean[-1] = np.nan
        trust[-1] = 0.0
        count = len(self.symbols)
        active = np.full(count, len(MODELS) - 1.0)
        versions = ("ridge-0", "lightgbm-0", "kmeans_prototypes-0", "")
        return Predictions(
            MODELS, versions, mean, trust, self.random.uniform(0.3, 1.0, shape[1:]), self.random.uniform(0, 0.4, count), active, "reliable",
            self.random.uniform(0.5, 0.6, shape), self.random.uniform(0, 0.1, shape[1:]), (),
            ModelSelection(MODELS, np.arange(len(MODELS)) < 3, np.arange(len(MODELS)) < 3, np.full(len(MODELS), np.nan), np.zeros(4)),
            (), np.zeros((0, *shape[1:])),
        )  # fmt: skip

    def _forecast(self) -> Forecast:
        shape = (len(HORIZONS), len(self.symbols))
        mean = self.random.normal(scale=0.1, size=shape)
        scale = 1e-3 * np.sqrt(np.array(HORIZONS))[:, None] * np.ones(shape)
        weights = self.random.dirichlet(np.ones(len(HORIZONS)), len(MODELS))
        widths = conformal.current_half_widths(self.state.intervals), np.ones((*shape, 2))
        return Forecast(
            mean, mean - 1.6, mean + 1.6, 0.5 + mean / 4, weights, scale, *widths, volatility.missing_volatility_forecast(self.state.volatility)
        )

    def _sizes(self, account: Account) -> Sizes:
        count, random = len(self.symbols), self.random
        held = account.positions * self.price / account.equity
        target = np.clip(held + random.normal(scale=0.05, size=count), -0.2, 0.2)
        steps = np.linspace(1.5, 1.0, len(LIMITS) + 1)[:, None] * target
        edge = random.normal(scale=8.0, size=count)
        proven = np.array([0.004, 0.001, np.nan])
        return Sizes(
            held,
            target,
            target,
            LIMITS,
            steps,
            edge,
            np.full(count, 12.3),
            np.full(count, 1e-3),
            np.zeros(count),
            0,
            random.uniform(0.5, 0.6, count),
            proven,
            proven + 0.005,
        )

    def _decisions(self, sizes: Sizes, liquidity: Liquidity) -> Decisions:
        """Every tenth rung or so is failed; where all have passed, the target is traded."""
        count, random = len(self.symbols), self.random
        value, limit = random.uniform(1.0, 2.0, (len(GATES), count)), np.full((len(GATES), count), 1.5)
        above = np.where(random.random(value.shape) > 0.08, value + 1.0, value - 1.0)
        value = np.where(AT_MOST, 3.0 - above, above)
        gates = GateResults(GATE_NAMES, GATE_SENSES, GATE_UNITS, value, limit, np.where(AT_MOST, value <= limit, value > limit))
        passed = gates.passed
        opened = passed.all(axis=0)
        moved = np.where(opened, sizes.target - sizes.current, 0.0)
        action = np.where(moved > 0, 1, np.where(moved < 0, 2, 0))
        binding = np.where(opened, -1, (~passed).argmax(axis=0))
        delta = moved * self.account.equity / self.price
        target = np.where(action == 0, sizes.current, sizes.target)
        votes = random.normal(scale=0.1, size=(len(MODELS), count))
        return Decisions(action, target, delta, sizes.confidence, np.where(action == 0, 0, 2), gates, binding, sizes.cost_bps - sizes.edge_bps, votes)


def outlooks(number: int) -> tuple[LiquidityForecastRow, ...]:
    """One measure is known, one is not."""
    return LiquidityForecastRow("spread", 0.3, 0.2, 0.4, number, number / 3), LiquidityForecastRow("depth", None, None, None, 3, None)


def news(number: int, at: int) -> tuple[Incident, ...]:
    """A gap that begins with the sixth tick and ends with the ninth."""
    if number not in {5, 8}:
        return ()
    return (Incident("gap", EVERYWHERE, at - (number - 5) * MINUTE, at if number == 8 else None, "3 bars are missing"),)


def regret(number: int) -> tuple[DeclinedRow, ...]:
    """The first gate has cost, the second saved, the rest have too little to tell."""
    first = (DeclinedRow(GATE_NAMES[0], number, 1.5, 0.5, 2.5, number / 12), DeclinedRow(GATE_NAMES[1], 2 * number, -9.0, -11.0, -7.0, number / 6))
    return (*first, *(DeclinedRow(name, 3, None, None, None, 1.0) for name in GATE_NAMES[2:]))


def skill(number: int) -> tuple[SkillRow, ...]:
    """A table of skill; young, so half of it says nothing yet."""
    rows = []
    for scope, model in (*(("model", model) for model in MODELS), ("ensemble", "ensemble")):
        for horizon in HORIZONS:
            for regime in (*REGIMES, "all"):
                known = regime == "all"
                r2, low, high = (0.004, -0.001, 0.009) if known else (None, None, None)
                rows.append(SkillRow(scope, model, horizon, regime, r2, low, high, number * 4, float(number) if known else None))
    return tuple(rows)
