"""FreqAI's habit beside ours on the same bars: one LightGBM, the newest always serves, nothing is shrunk, no gate, it trades on what it says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import lightgbm
import numpy as np

from engine import broker
from engine.domain.market import Account
from engine.domain.orders import AGGRESSIVE, Order
from engine.domain.ports import Feed
from engine.domain.record import Bools, Floats
from engine.domain.tick import Tick
from engine.domain.trading_config import TradingConfig
from engine.feeds.recorded import RecordedFeed
from engine.service import process_memory
from engine.service.clock import WallClock
from engine.service.engine import Engine
from engine.service.worker_pool import WorkerPool
from engine.settings import Settings
from tests.benchmarks.scoring import Came, Figure

ROWS = 20_000  # in one training at most, ours and theirs
CAPITAL = 100_000.0
DEFAULTS = {"objective": "regression", "num_threads": 1, "verbosity": -1, "seed": 7}  # LightGBM's own otherwise
PERIODS = (
    ("binance_spot_5m_2022_2023", "2022-10-01T00:00", "2022-10-29T00:00"),
    ("us_equity_1m_2025_2026", "2025-10-01T00:00", "2025-10-25T00:00"),
)


@dataclass
class Trader:
    """Equal parts of equity on what is forecast: its sign, or only where it promises more than the round trip; out when it turns."""

    about: str
    threshold: bool
    account: Account
    orders: tuple[Order, ...] = ()
    trades: int = 0
    paid: float = 0.0

    def meet(self, tick: Tick, knobs: TradingConfig) -> None:
        """Fills what was ordered, by the same broker as ours."""
        account, fills = broker.fill_orders(self.account, self.orders, tick.snapshot, knobs, tick.inputs.tick)
        self.account = broker.mark_to_market(account, tick.snapshot, CAPITAL, knobs)
        for fill in fills:
            if fill.units:
                self.trades += 1
                self.paid += abs(fill.units) * fill.price * (fill.fee_bps + fill.spread_bps + fill.impact_bps) / 1e4

    def order(self, tick: Tick, move: Floats) -> None:
        """Orders from expected moves (S,), log return, NaN where nothing is forecast."""
        liquidity, held = tick.outcome.liquidity, self.account.positions
        side = np.sign(np.nan_to_num(move))
        stay = np.sign(held) == side
        enter = np.abs(move) > 2.0 * liquidity.cost_bps / 1e4 if self.threshold else np.abs(move) > 0
        share = self.account.equity / len(held) / liquidity.mid
        wanted = np.where(enter & ~stay, side * share, np.where(stay, held, 0.0))
        there: Bools = tick.inputs.fresh & np.isfinite(move) & np.isfinite(share)
        change = np.where(there, wanted - held, 0.0)
        decisions = replace(tick.outcome.decisions, delta=change, execution=np.full(len(change), AGGRESSIVE))
        self.orders = broker.create_orders(decisions, liquidity, tick.outcome.market_state, replace(tick.inputs, account=self.account))


@dataclass
class Habit:
    """A LightGBM with its own defaults, fitted again each day on the rows that ours are fitted on, serving at once, for one horizon."""

    column: int
    horizon: int
    traders: tuple[Trader, ...]
    booster: lightgbm.Booster | None = None
    said: list[Floats] = field(default_factory=list)

    def decide(self, tick: Tick) -> None:
        matrix, forecast = tick.outcome.features, tick.outcome.forecast
        told = np.full(len(matrix.usable), np.nan)
        if self.booster is not None:
            told = np.where(matrix.usable, np.asarray(self.booster.predict(matrix.values, num_threads=1)), np.nan)
        self.said.append(told)
        for trader in self.traders:
            trader.order(tick, told * forecast.scale[self.column])

    def train(self, engine: Engine, until: int) -> None:
        rows = engine.rows.training_set(until, engine.config.horizons, ROWS)
        y = rows.y[:, self.column]
        known = np.isfinite(y)
        self.booster = lightgbm.train(DEFAULTS, lightgbm.Dataset(rows.x[known], label=y[known]), num_boost_round=100)


def run(folder: Path, since: str, until: str) -> list[str]:
    """The lines of the table for one recording."""
    feed = RecordedFeed(folder, since=_ns(since), until=_ns(until))
    workers = WorkerPool(2)
    try:
        return _lines(feed, workers)
    finally:
        workers.close()


def _lines(feed: Feed, workers: WorkerPool) -> list[str]:
    settings = Settings(home="", database_url="", train_rows=ROWS, capital=CAPITAL)
    engine = Engine(settings, feed, WallClock(), training_pool=workers)
    symbols, knobs = len(feed.info.symbols), engine.config
    process_memory.configure_memory()

    def trader(about: str, *, threshold: bool) -> Trader:
        return Trader(about, threshold, broker.open_account(CAPITAL, symbols))

    habits = [
        Habit(column, horizon, (trader("on its sign", threshold=False), trader("beyond costs", threshold=True)))
        for column, horizon in ((0, knobs.horizons[0]), (2, knobs.horizons[2]))
    ]
    came, said = Came(), list[Floats]()
    ours, paid = 0, 0.0
    while (tick := engine.step()) is not None:
        came.add(tick)
        said.append(tick.outcome.forecast.mean if any(tick.serving) else np.full_like(tick.outcome.forecast.mean, np.nan))
        for fill in tick.fills:
            ours += bool(fill.units)
            paid += abs(fill.units) * fill.price * (fill.fee_bps + fill.spread_bps + fill.impact_bps) / 1e4 if fill.units else 0.0
        for habit in habits:
            for one in habit.traders:
                one.meet(tick, knobs)
            habit.decide(tick)
            if any(told.kind == "retrain" for told in tick.outcome.instructions):
                habit.train(engine, tick.inputs.tick)
    net = engine.account.equity / CAPITAL - 1.0
    lines = []
    for habit in habits:
        theirs, same = np.stack(habit.said), np.stack(said)[:, habit.column]
        figure = came.r2(theirs, habit.horizon, same)
        lines += [
            _line(f"habit, {habit.horizon} bars", figure, one.about, one.account.equity / CAPITAL - 1.0, one.paid, one.trades)
            for one in habit.traders
        ]
        lines.append(_line(f"ours,  {habit.horizon} bars", came.r2(same, habit.horizon, theirs), "by its gates", net, paid, ours))
    buy = engine.account.benchmark_equity / CAPITAL - 1.0
    return [*lines, f"buy and hold: {buy:+.2%} over {len(came.at):,} bars of {symbols} symbols"]


def _line(who: str, r2: Figure, how: str, net: float, paid: float, trades: int) -> str:
    told = f"{who:<15} R2 {r2!s:<28} {how:<12}"
    return f"{told}  net {net:+8.2%}, costs {paid / CAPITAL:7.2%} of capital, {trades:,} trades"


def _ns(text: str) -> int:
    return int(np.datetime64(text, "ns").astype(np.int64))


def found() -> Iterator[tuple[Path, str, str]]:
    """The recordings that are there, each with the time it is run over."""
    root = Path(os.environ.get("PODIUM_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
    return ((root / name, since, until) for name, since, until in PERIODS if (root / name).is_dir())


def main() -> None:
    print(
        f"each trained daily on at most {ROWS:,} rows of the same {Settings(home='', database_url='').train_days:.0f} days; the same broker and costs"
    )
    for folder, since, until in found():
        print(f"{folder.name}, {since[:10]} to {until[:10]}")
        for line in run(folder, since, until):
            print(f"  {line}", flush=True)


if __name__ == "__main__":
    main()
