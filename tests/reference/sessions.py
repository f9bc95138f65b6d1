"""The reference sessions: what the engine is given in each, and the figures of every tick, in the order in which they are computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from engine.domain.ports import FeedInfo
from engine.domain.recipe import Recipe
from engine.domain.tick import Artifact, Tick
from engine.domain.trading_config import TradingConfig, TradingRules
from engine.service import training
from engine.service.engine import Engine
from engine.service.plugin_files import Quarantine
from engine.service.training_spool import SpooledTraining, read_spooled_training
from tests.evolution.evolving import Workers
from tests.makers import Drawer, Inline, StoppedClock, command, having, settings
from tests.reference import market as faults
from tests.reference.figures import Figures, figures_of
from tests.reference.market import LEVELS, FaultyMarket, MadeMarket, tick_sizes

MINUTE = 60 * 10**9  # ns
LEFT_OUT = frozenset(
    {
        *("inputs", "books", "fill_books", "flow", "config"),  # what is given
        *("digests", "shadow_digests"),  # of bits
        "gates",  # read_gates has them by name
    }
)


def read_gates(tick: Tick) -> dict[str, object]:
    """The value, the limit and the result of every gate; not of "risk limits" where the size stays: a rounding error decides it."""
    sizes = tick.outcome.sizes
    still = np.abs(sizes.unconstrained - sizes.current) < 1e-9
    results = {gate.name: [gate.value, gate.limit, gate.passed] for gate in tick.outcome.decisions.gates}
    value, limit, passed = results["risk limits"]
    results["risk limits"] = [np.where(still, 0.0, value), limit, np.where(still, 0.0, passed)]
    return {name: tuple(result) for name, result in results.items()}


PARTS: tuple[tuple[str, Callable[[Tick], object]], ...] = (  # in the order in which they are computed
    ("given", lambda tick: (tick.snapshot, tick.inputs.tick, tick.inputs.fresh, tick.inputs.symbols)),
    ("degraded", lambda tick: [phase.value for phase in tick.outcome.degraded]),
    ("events", lambda tick: tick.inputs.events),
    ("fills", lambda tick: tick.fills),
    ("account", lambda tick: tick.inputs.account),
    ("market", lambda tick: tick.outcome.market_state),
    ("features", lambda tick: tick.outcome.features),
    ("microstructure", lambda tick: tick.outcome.liquidity),
    ("selection", lambda tick: tick.outcome.predictions.selection),
    ("validation", lambda tick: tick.outcome.predictions),
    ("ensemble", lambda tick: tick.outcome.forecast),
    ("risk", lambda tick: tick.outcome.sizes),
    ("gates", read_gates),
    ("decision", lambda tick: tick.outcome.decisions),
    ("orders", lambda tick: tick.outcome.orders),
    ("learning", lambda tick: tick.outcome.state),
    ("evolution", lambda tick: (tick.outcome.evolution, tick.outcome.instructions)),
    ("tables", lambda tick: {"skill": tick.skill, "declined": tick.declined, "liquidity": tick.liquidity_forecast, "execution": tick.execution}),
)


class OneFlipped(Workers):
    """Workers that fit only the ridge the wrong way round, so that another model keeps its weight."""

    def _fit(self, place: str, recipe: Recipe, spooled: SpooledTraining, seed: int, serves_from: int) -> Artifact:
        if place == "ridge":
            flipped: Artifact = super()._fit(place, recipe, spooled, seed, serves_from)
            return flipped
        return training.fit_model(place, recipe, read_spooled_training(spooled), seed, serves_from)


@dataclass(frozen=True)
class Session:
    """One session: its market, its configuration, and the commands before some ticks."""

    name: str
    ticks: int
    feed: Callable[[], FaultyMarket]
    trading: TradingConfig
    models: tuple[str, ...]
    workers: Callable[[], Executor] = Inline
    commands: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    shown: frozenset[int] = frozenset()  # ticks whose values are stored in full, to be read
    proven_at: int | None = None  # tick before which the ensemble is given a record of skill, for which this session is too short

    def open(self) -> Engine:
        """The engine before its first tick."""
        chosen = settings(trading=self.trading, models=self.models)
        return Engine(chosen, self.feed(), StoppedClock(), training_pool=self.workers(), store=Drawer(), quarantine=UNUSED)

    def run(self, engine: Engine | None = None) -> Iterator[Tick]:
        """Decide tick after tick."""
        engine = engine or self.open()
        while engine.tick < self.ticks:
            if engine.tick == self.proven_at:
                engine.state = replace(engine.state, recent=having(engine.state.recent, **RECORD))
            for name in self.commands.get(engine.tick, ()):
                if name.startswith("search "):
                    engine.request_search(name.removeprefix("search "), "tuning", "by the reference")
                else:
                    engine.handle_command(command(name))
            tick = engine.step()
            assert tick is not None, f"the reference market ended before tick {engine.tick}"
            yield tick


def figures_of_tick(tick: Tick) -> Figures:
    """Every figure of a tick but those of this run of it, by phase and name."""
    figures: Figures = {}
    for phase, read in PARTS:
        figures |= figures_of(read(tick), phase, LEFT_OUT)
    return figures


def _info(symbols: int, interval: int, **more: Any) -> FeedInfo:
    names = ("ALFA", "BRAVO", "CHARLIE", "DELTA", "ECHO")[:symbols]
    known: dict[str, Any] = {"fee_bps": 1.0, "spread_bps": 2.0, "tick_size": tick_sizes(symbols)}
    return FeedInfo("reference", "reference market", names, interval, simulated=False, **known | more)


def traded() -> FaultyMarket:
    """Four symbols with books, trades and rules of their venues; data go missing, freeze and cross, and prices fall by 12 % at bar 385."""
    rules = TradingRules(
        lots=(0.5, 10.0, 0.25, 8.0), money_lots=(False, True, False, False), min_notionals=(10.0, 50.0, 0.0, 1_000.0),
        shorts=(True, True, False, True), borrow_rates=(0.02, 0.0, 0.1, 0.5), funding_rates=(0.0001, -0.0002, 0.0, 0.0003),
    )  # fmt: skip
    info = _info(
        4, 5 * MINUTE, levels=LEVELS, has_flow=True, rules=rules, fees_bps=(1.0, 0.5, 1.5, 0.8), maker_fees_bps=(-0.2, 0.1, 0.4, 0.0),
        trading_hours=(8_760.0, 0.0, 1_638.0, 0.0),
    )  # fmt: skip
    return FaultyMarket(
        MadeMarket(4, 470, 5 * MINUTE, seed=11),
        info,
        faults=(
            (40, 43, 1, faults.absent), (62, 78, 2, faults.frozen), (52, 54, 3, faults.one_sided),
            (84, 86, 0, faults.crossed), (90, 90, 3, faults.quiet),
            (150, 152, 3, faults.absent), (200, 215, 0, faults.frozen), (222, 224, 1, faults.crossed), (232, 270, 2, faults.thin),
            (284, 300, 3, faults.frozen_book), (312, 316, 0, faults.absent), (312, 316, 1, faults.absent), (312, 316, 2, faults.absent),
            (312, 316, 3, faults.absent), (400, 9_999, 0, faults.fallen), (400, 9_999, 1, faults.fallen),
        ),
        dropped=frozenset(range(330, 345)),
        lags={100: (0.0, 9.0, 0.0, 0.0), 110: (0.0, 0.0, 0.0, 0.0), 180: (9.0, 9.0, 9.0, 8.0), 186: (0.0, 0.0, 0.0, 0.0)},
    )  # fmt: skip


def barred() -> FaultyMarket:
    """Five symbols of which only bars are published; the last two move as one, nights are quiet, and volume is counted otherwise from bar 260 on."""
    nights = tuple((day * 48 + 36, day * 48 + 47, symbol, faults.quiet) for day in range(1, 5) for symbol in (1, 2))
    return FaultyMarket(
        MadeMarket(5, 400, 30 * MINUTE, seed=3, persistence=0.5, volatility=5e-3),
        _info(5, 30 * MINUTE, levels=0, has_flow=False, fee_bps=0.5),
        faults=((0, 9_999, 4, faults.twin), *nights, *((260, 9_999, symbol, faults.crowded) for symbol in range(5)), (310, 318, 3, faults.absent)),
        has_books=False,
    )  # fmt: skip


def contested() -> FaultyMarket:
    """Four symbols with a signal, on which a challenger meets a model that was fitted the wrong way round."""
    return FaultyMarket(MadeMarket(4, 400, MINUTE, seed=7), _info(4, MINUTE, levels=LEVELS, has_flow=True))


UNUSED = Quarantine(frozenset({"volume", "technical"}), frozenset())
"""Families whose features may be exactly 1 but for rounding errors: whether such a feature is within its range in training depends on the machine."""
RECORD = {  # of 60 blocks of the ensemble with an R2 of 30 % over a long and a short memory
    "gain": 300.0, "gain_squared": 700.0, "power": 1_000.0, "rows": 2_500.0, "blocks": 60.0, "block_squared": 40.0, "lag_products": 5.0,
    "last_residual": 0.4,
}  # fmt: skip
BOLD = TradingConfig(
    first_training=110, retrain_every=90, evolution="refresh", shrinkage_rows=20.0, skill_alpha=0.45, min_history=60, edge_margin=0.3,
    horizons=(1, 3),
    weight_halflife=300.0, skill_halflife=400.0, recent_skill_halflife=150.0, deployment_lag_bars=4, max_out_of_distribution=0.8, cooldown_bars=3,
)  # fmt: skip
SESSIONS = (
    Session(
        "traded", 420, traded, BOLD, ("ridge", "online", "kmeans_prototypes"), proven_at=118, shown=frozenset({260}),
        commands={276: ("pause",), 279: ("resume",), 372: ("flatten",), 374: ("resume",)},
    ),
    Session("barred", 340, barred, replace(BOLD, horizons=(1, 3, 12), max_cluster=0.2), ("ridge", "interactions"),
        proven_at=118, shown=frozenset({200})),
    Session(
        "contested", 330, contested,
        replace(
            BOLD, evolution="full", first_training=100, retrain_every=10_000, horizons=(1,), shrinkage_rows=10.0, search_lag_bars=6,
            contest_alpha=0.5,
            contest_clip=2.0, max_challengers=2, edge_margin=1.0,
        ),
        ("ridge", "online"),
        proven_at=105, shown=frozenset({300}), workers=lambda: OneFlipped(flips=frozenset({99})),
        commands={112: ("search ridge",)},
    ),
)  # fmt: skip
