"""A backtest: the same engine over a feed as fast as it goes, and the figures of the contract."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Callable, Sized
from concurrent.futures import Executor
from dataclasses import asdict

import numpy as np

from engine.domain.decision import ACTIONS, REGIMES, Phase
from engine.domain.ports import Clock, CountsData, ExplainsMoves, Feed
from engine.domain.record import Floats
from engine.domain.tick import SkillRow, Tick
from engine.domain.trading_config import Event
from engine.evidence import conformal, declined_trades, execution_quality, selection_gain, sharpe, skill, succession, volatility
from engine.evidence.microstructure import MicrostructureMetrics
from engine.phases.gates import GATE_NAMES
from engine.service import process_memory
from engine.service.clock import WallClock
from engine.service.engine import Engine
from engine.service.worker_pool import WorkerPool
from engine.settings import Settings

PROGRESS_EVERY = 50  # ticks
DAY = 86_400 * 10**9  # ns
WORKERS = 2
CURVE_POINTS = 800
BacktestReport = dict[str, object]
RecordTrial = Callable[[str, str, float | None], tuple[float | None, ...]]  # recording, digest, daily Sharpe ratio; gives those of all trials
EquityPoint = tuple[int, float, float]  # ns UTC, equity, buying all symbols in equal parts and holding


class BacktestTally:
    """What is counted tick by tick, in memory that grows by a few numbers a tick."""

    def __init__(self, symbols: tuple[str, ...], interval: int) -> None:
        self.micro = MicrostructureMetrics(symbols, interval)
        self.ticks = 0
        self.decisions = 0
        self.degraded = 0
        self.fallbacks = 0
        self.tick_ms = array("f")
        self.phase_ms = {phase: array("f") for phase in Phase}
        self.actions = np.zeros(len(ACTIONS), dtype=np.int64)
        self.binding_counts = np.zeros(len(GATE_NAMES) + 1, dtype=np.int64)  # none, then by gate
        self.traded = self.costs = 0.0  # money
        self.trades = 0
        self.agreements: list[BacktestReport] = []  # of versions of the models with those of record, as they were adopted
        self.equity: dict[int, float] = {}  # by day on which anything traded, the last
        self.curve: list[EquityPoint] = []  # at most so many, evenly spaced from the first tick on
        self.stride = 1  # ticks between two of them
        self.newest: EquityPoint | None = None
        self.max_drawdown = 0.0
        self.digest_chain = hashlib.blake2b(digest_size=16)

    @property
    def binding(self) -> Counter[str]:
        """Decisions by the gate that bound."""
        return Counter({name: int(count) for name, count in zip(GATE_NAMES, self.binding_counts[1:], strict=True) if count})

    def add(self, tick: Tick) -> None:
        """Counts one tick in."""
        self.micro.add(tick)
        decisions, account = tick.outcome.decisions, tick.inputs.account
        self.ticks += 1
        self.decisions += len(decisions.action)
        self.degraded += bool(tick.outcome.degraded)
        self.fallbacks += len(tick.outcome.degraded)
        self.tick_ms.append(tick.ms)
        for span in tick.spans:
            self.phase_ms[span.phase].append(span.ms)
        self.actions += np.bincount(decisions.action, minlength=len(ACTIONS))
        self.binding_counts += np.bincount(decisions.binding_gate + 1, minlength=len(GATE_NAMES) + 1)
        self.agreements += [_agreement(tick.inputs.tick, event) for event in tick.inputs.events if event.kind == succession.EVENT_KIND]
        for fill in tick.fills:
            if fill.units:
                money = abs(fill.units) * fill.price
                self.traded += money
                self.costs += money * (fill.fee_bps + fill.spread_bps + fill.impact_bps) / 1e4
                self.trades += 1
        day = (tick.inputs.at - 1) // DAY  # of the bar: one that closes at midnight is the day's last
        if day in self.equity or tick.inputs.fresh.any():
            self.equity[day] = account.equity
        self._draw((tick.inputs.at, account.equity, account.benchmark_equity))
        self.max_drawdown = max(self.max_drawdown, 1.0 - account.equity / account.peak_equity)
        self.digest_chain.update(tick.decisions_digest.encode())

    def _draw(self, point: EquityPoint) -> None:
        self.newest = point
        if (self.ticks - 1) % self.stride:
            return
        self.curve.append(point)
        if len(self.curve) >= CURVE_POINTS:
            del self.curve[1::2]
            self.stride *= 2


def run_backtest(
    settings: Settings,
    feed: Feed,
    *,
    report_progress: Callable[[int, int | None], None],
    clock: Clock | None = None,
    record_trial: RecordTrial | None = None,
) -> BacktestReport:
    """Decides every bar of the feed, models trained walk-forward as live; gives the JSON object of the contract.

    `enter` counts this run among the configurations tried, for the deflated Sharpe ratio; without it, it is the only one.
    """
    workers = WorkerPool(WORKERS)
    try:
        return _run(settings, feed, report_progress, clock or WallClock(), workers, record_trial or _only_trial)
    finally:
        workers.close()


def _run(
    settings: Settings, feed: Feed, tell: Callable[[int, int | None], None], clock: Clock, workers: Executor, enter: RecordTrial
) -> BacktestReport:
    engine = Engine(settings, feed, clock, training_pool=workers)
    tally = BacktestTally(feed.info.symbols, feed.info.interval)
    process_memory.configure_memory()
    total = len(feed) if isinstance(feed, Sized) else None
    begun = clock.tick()
    while (tick := engine.step()) is not None:
        tally.add(tick)
        if tally.ticks % PROGRESS_EVERY == 0:
            tell(tally.ticks, total)
    tell(tally.ticks, tally.ticks)
    return _report(settings, engine, tally, clock.tick() - begun, enter)


def _report(settings: Settings, engine: Engine, tally: BacktestTally, wall: float, enter: RecordTrial) -> BacktestReport:
    honest = 1.0 - tally.degraded / tally.ticks if tally.ticks else None
    return {
        "recording": engine.feed.info.label,
        "symbols": list(engine.feed.info.symbols),
        "ticks": tally.ticks,
        "decisions": tally.decisions,
        "wall_seconds": wall,
        "decisions_per_second": tally.decisions / wall if wall > 0 else None,
        "digest": tally.digest_chain.hexdigest(),
        "phase_ms": {phase.value: _quantiles(spans) for phase, spans in tally.phase_ms.items()},
        "tick_ms": _quantiles(tally.tick_ms),
        "actions": {name: int(tally.actions[ACTIONS.index(name)]) for name in ("buy", "sell", "hold")},
        "fallbacks": tally.fallbacks,
        "clean_rate": honest,
        "binding_gates": dict(tally.binding.most_common()),
        **report_data(engine.feed),
        "skill": _skill(engine),
        "selection": _selection(engine),
        "calibration": _calibration(engine),
        "volatility": _volatility(engine),
        "micro": tally.micro.summarize(_explained(engine, tally)),
        "portfolio": _portfolio(settings, engine, tally, enter),
        "equity": _equity(tally),
        "execution": _execution(engine),
        "regret": _regret(engine, tally),
        "training": {
            "fits": len(engine.trained_artifacts),
            "seconds": sum(artifact.seconds for artifact in engine.trained_artifacts),
            "agreements": tally.agreements,
        },
        "peak_rss_mb": process_memory.peak_memory_mb(WORKERS),
    }


def report_data(feed: Feed) -> BacktestReport:
    """What the files of a recording came to, by symbol, and what of them was not read; empty where there are no files."""
    counts, left_out = (feed.counts, feed.left_out) if isinstance(feed, CountsData) else ((), {})
    return {
        "data": {
            found.symbol: {
                "rows": found.rows, "bars": found.bars, "duplicates": found.duplicate_bars, "faulty": found.faulty,
                "without_volume": found.without_volume, "signed_trades": found.signed_trades, "unsigned_trades": found.unsigned_trades,
                "faulty_books": found.faulty_books, "outside_session": found.outside_session, "trades_without_bar": found.trades_without_bar,
                "moved": found.moved_bars, "volume": found.volume,
            }
            for found in counts
        },
        "left_out": dict(left_out),
    }  # fmt: skip


def _explained(engine: Engine, tally: BacktestTally) -> tuple[float | None, ...] | None:
    """What order flow explains of the mid's moves over the bars that were decided, where the feed has every event."""
    if not isinstance(engine.feed, ExplainsMoves) or tally.newest is None:
        return None
    return engine.feed.explained(tally.curve[0][0] - engine.feed.info.interval, tally.newest[0])


def _agreement(tick: int, event: Event) -> BacktestReport:
    """With the versions of record, by horizon; null where it is not known."""
    found = succession.agreement_from_event(event)
    return {"tick": tick, "rows": found.rows, "record": [value if np.isfinite(value) else None for value in found.with_record.tolist()]}


def _execution(engine: Engine) -> BacktestReport:
    """What kinds of order have come to, and those that stand over at the end; null where there is not enough data."""
    rows = {
        row.kind: {name: value for name, value in asdict(row).items() if name != "kind"}
        for row in execution_quality.execution_table(engine.state.execution)
    }
    return rows | {"working": len(engine.account.working_orders)}


def _quantiles(values: array[float]) -> BacktestReport:
    if not len(values):
        return {"p50": None, "p99": None}
    p50, p99 = np.quantile(np.frombuffer(values, dtype=np.float32), (0.5, 0.99))
    return {"p50": float(p50), "p99": float(p99)}


def _skill(engine: Engine) -> BacktestReport:
    """The first horizon of every model and the ensemble, all regimes together, with the other horizons inside."""
    rows = [row for row in skill.skill_table(engine.state, engine.knobs.horizons) if row.regime == "all"]
    first = engine.knobs.horizons[0]
    told: BacktestReport = {}
    for row in sorted(rows, key=lambda row: row.model != "ensemble"):
        if row.horizon == first:
            others = {str(other.horizon): _figure(other) for other in rows if other.model == row.model}
            told[row.model] = {**_figure(row), "by_horizon": others}
    return told


def _figure(row: SkillRow) -> BacktestReport:
    return {name: value for name, value in asdict(row).items() if name in {"r2", "low", "high", "n", "n_effective"}}


def _selection(engine: Engine) -> BacktestReport:
    """R2 that hearing only the models preferred gains on hearing all; null with too little data, or where none was to be silenced."""
    told = selection_gain.selection_gain_interval(engine.state.selection_gain) or (None, None, None, None)
    return dict(zip(("r2", "low", "high", "n"), told, strict=True))


def _calibration(engine: Engine) -> BacktestReport:
    """The first horizon's Brier score, coverage and reliability curve; null before anything has come due."""
    told, reach = engine.state.direction, engine.state.intervals
    moved, rows = float(told.rows[0]), float(reach.rows[0].sum())
    covered = reach.covered[0].sum(axis=0)
    curve = [[float(s / n), float(o / n), int(n)] for s, o, n in zip(told.stated[0], told.observed[0], told.counted[0], strict=True) if n > 0]
    return {
        "brier": float(told.brier[0]) / moved if moved else None,
        "brier_naive": 0.25 if moved else None,
        "n": int(moved),
        "coverage": {f"{level:g}": float(share) / rows if rows else None for level, share in zip(conformal.LEVELS, covered, strict=True)},
        "coverage_by_regime": [
            [horizon, regime, int(reach.rows[h, r]), *(reach.covered[h, r] / reach.rows[h, r]).tolist()]
            for h, horizon in enumerate(engine.knobs.horizons)
            for r, regime in enumerate(REGIMES)
            if reach.rows[h, r] > 0
        ],
        "winkler_bps": _winkler(reach.winkler, reach.rows),
        "winkler_constant_bps": _winkler(reach.winkler_constant, reach.rows),
        "reliability": curve,
    }


def _volatility(engine: Engine) -> BacktestReport:
    """How well realised volatility over the longest horizon was foreseen, and the share of HAR's squared error saved; null while unknown."""
    told = volatility.volatility_scores(engine.state.volatility)
    names = ("r2", "low", "high", "saved", "saved_low", "saved_high", "qlike", "n")
    return dict.fromkeys(names) if told is None else {name: getattr(told, name) for name in names}


def _regret(engine: Engine, tally: BacktestTally) -> BacktestReport:
    """What each gate that bound cost (above 0) or saved, in bps a declined trade."""
    rows = declined_trades.declined_table(engine.state.declined_trades, GATE_NAMES)
    return {row.gate: {"n": row.n, "mean_bps": row.mean_bps, "low": row.low, "high": row.high} for row in rows if row.gate in tally.binding}


def _equity(tally: BacktestTally) -> list[list[float | None]]:
    """The curve, the newest point among it; null for what is not known."""
    points = tally.curve if tally.newest is None or tally.newest in tally.curve[-1:] else [*tally.curve, tally.newest]
    return [[at, *(value if np.isfinite(value) else None for value in values)] for at, *values in points]


def _winkler(sums: Floats, rows: Floats) -> BacktestReport:
    """Mean Winkler score by horizon index and level, in bps; null before anything has come due."""
    count = rows.sum(axis=1)
    return {
        f"{level:g}": [float(s / n * 1e4) if n else None for s, n in zip(sums[:, k], count, strict=True)] for k, level in enumerate(conformal.LEVELS)
    }


def _only_trial(recording: str, digest: str, ratio: float | None) -> tuple[float | None, ...]:
    del recording, digest
    return (ratio,)


def _portfolio(settings: Settings, engine: Engine, tally: BacktestTally, enter: RecordTrial) -> BacktestReport:
    equity = np.array([settings.capital, *tally.equity.values()])
    returns: Floats = np.diff(np.log(equity[equity > 0]))
    days = sharpe.trading_days_per_year(list(tally.equity))
    net = engine.account.equity / settings.capital - 1.0
    trials = enter(engine.feed.info.label, tally.digest_chain.hexdigest(), sharpe.daily_sharpe_ratio(returns))
    return {
        "net_return": net,
        "gross_return": net + (tally.costs - engine.account.carry) / settings.capital,
        "cost_bps": tally.costs / tally.traded * 1e4 if tally.traded else None,
        "sharpe": None if days is None else sharpe.annualised_sharpe_ratio(returns, days),
        "psr": sharpe.probabilistic_sharpe_ratio(returns),
        "dsr": sharpe.deflated_sharpe_ratio(returns, trials) if trials else None,
        "dsr_trials": len(trials) if trials else None,
        "trading_days_per_year": days,
        "max_drawdown": tally.max_drawdown,
        "turnover": tally.traded / settings.capital,
        "trades": tally.trades,
        "carry": {
            "money": engine.account.carry,
            "share": engine.account.carry / settings.capital,
            "borrow": engine.account.borrow,
            "funding": engine.account.funding,
        },
        "benchmark_return": engine.account.benchmark_equity / settings.capital - 1.0,
    }
