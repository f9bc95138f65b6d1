"""A backtest: the same engine over a feed at full speed, and its report."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Callable, Sized
from concurrent.futures import Executor
from dataclasses import asdict, astuple, replace

import numpy as np

from engine.domain.decision import ACTIONS, REGIMES, Phase
from engine.domain.evolution import EvolutionRow
from engine.domain.ports import Clock, CountsData, ExplainsMoves, Feed
from engine.domain.record import Floats
from engine.domain.tick import SkillRow, Tick
from engine.domain.trading_config import Event
from engine.evidence import conformal, declined_trades, execution_quality, selection_gain, sharpe, skill, succession, volatility
from engine.evidence.microstructure import MicrostructureMetrics
from engine.phases.gates import GATE_NAMES
from engine.service import process_memory
from engine.service.block_predictions import BlockPredictions
from engine.service.blocks import BlockWindow
from engine.service.clock import WallClock
from engine.service.engine import Engine
from engine.service.worker_pool import WorkerPool
from engine.settings import Settings

PROGRESS_EVERY = 50  # ticks
DAY = 86_400 * 10**9  # ns
WORKERS = 2
CURVE_POINTS = 800
BacktestReport = dict[str, object]
RecordTrial = Callable[[str, str, float | None], tuple[float | None, ...]]  # recording, digest, daily Sharpe ratio -> ratios of all trials
EquityPoint = tuple[int, float, float]  # ns UTC, equity, benchmark


class BacktestTally:
    """The statistics of a backtest, in memory that grows by a few numbers per tick."""

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
        self.evolutions: dict[int, EvolutionRow] = {}  # the newest row of each, by number
        self.reached: set[tuple[int, str]] = set()  # numbers of evolutions with the states that they have had
        self.agreements: list[BacktestReport] = []  # of newly adopted model versions with those of record
        self.equity: dict[int, float] = {}  # the last of each day with trades
        self.curve: list[EquityPoint] = []  # at most CURVE_POINTS, evenly spaced from the first tick on
        self.stride = 1  # ticks between two points
        self.newest: EquityPoint | None = None
        self.max_drawdown = 0.0
        self.digest_chain = hashlib.blake2b(digest_size=16)

    @property
    def binding(self) -> Counter[str]:
        """Number of decisions by binding gate."""
        return Counter({name: int(count) for name, count in zip(GATE_NAMES, self.binding_counts[1:], strict=True) if count})

    def add(self, tick: Tick) -> None:
        """Add one tick."""
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
        self.evolutions |= {row.number: row for row in tick.outcome.evolution.rows}
        self.reached |= {(row.number, row.state) for row in tick.outcome.evolution.rows}
        self.agreements += [_agreement(tick.inputs.tick, event) for event in tick.inputs.events if event.kind == succession.EVENT_KIND]
        for fill in tick.fills:
            if fill.units:
                money = abs(fill.units) * fill.price
                self.traded += money
                self.costs += money * (fill.fee_bps + fill.spread_bps + fill.impact_bps) / 1e4
                self.trades += 1
        day = (tick.inputs.at - 1) // DAY  # a bar that closes at midnight is the day's last
        if day in self.equity or tick.inputs.fresh.any():
            self.equity[day] = account.equity
        self._add_point((tick.inputs.at, account.equity, account.benchmark_equity))
        self.max_drawdown = max(self.max_drawdown, 1.0 - account.equity / account.peak_equity)
        self.digest_chain.update(tick.decisions_digest.encode())

    def _add_point(self, point: EquityPoint) -> None:
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
    """Decide every bar of the feed, with models trained walk-forward as in live operation; return the report as a JSON object.

    `record_trial` counts this run among the configurations tried, for the deflated Sharpe ratio; without it, it is the only one.
    """
    workers = WorkerPool(WORKERS)
    try:
        return _run(settings, feed, report_progress, clock or WallClock(), workers, record_trial or _only_trial)
    finally:
        workers.close()


def build_block_engine(settings: Settings, feed: Feed, clock: Clock, workers: Executor) -> Engine:
    """Build an engine that computes and predicts blocks of bars at once, without a store."""
    engine = Engine(settings, feed, clock, training_pool=workers)
    predictions = BlockPredictions()
    engine.window = BlockWindow(feed.info, engine.catalog.families, engine.config.volatility_halflife, predictions=predictions)
    engine.catalog = replace(engine.catalog, find_prepared=predictions.find)
    return engine


def _run(
    settings: Settings, feed: Feed, report_progress: Callable[[int, int | None], None], clock: Clock, workers: Executor, record_trial: RecordTrial
) -> BacktestReport:
    engine = build_block_engine(settings, feed, clock, workers)
    tally = BacktestTally(feed.info.symbols, feed.info.interval)
    process_memory.configure_memory()
    total = len(feed) if isinstance(feed, Sized) else None
    started = clock.tick()
    while (tick := engine.step()) is not None:
        tally.add(tick)
        if tally.ticks % PROGRESS_EVERY == 0:
            report_progress(tally.ticks, total)
    report_progress(tally.ticks, tally.ticks)
    return _report(settings, engine, tally, clock.tick() - started, record_trial)


def _report(settings: Settings, engine: Engine, tally: BacktestTally, wall: float, record_trial: RecordTrial) -> BacktestReport:
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
        "clean_rate": 1.0 - tally.degraded / tally.ticks if tally.ticks else None,
        "binding_gates": dict(tally.binding.most_common()),
        **report_data(engine.feed),
        "skill": _skill(engine),
        "selection": _selection(engine),
        "calibration": _calibration(engine),
        "volatility": _volatility(engine),
        "micro": tally.micro.summarize(_explained(engine, tally)),
        "portfolio": _portfolio(settings, engine, tally, record_trial),
        "equity": _equity(tally),
        "execution": _execution(engine),
        "declined": _regret(engine, tally),
        "evolution": _evolution(engine, tally),
        "training": {
            "fits": len(engine.trained_artifacts),
            "seconds": sum(artifact.seconds for artifact in engine.trained_artifacts),
            "agreements": tally.agreements,
        },
        "peak_rss_mb": process_memory.peak_memory_mb(WORKERS),
    }


def report_data(feed: Feed) -> BacktestReport:
    """Return the counts of a recording's files by symbol, and what was left out of them; empty without files."""
    counts, left_out = (feed.counts, feed.left_out) if isinstance(feed, CountsData) else ((), {})
    return {
        "data": {
            count.symbol: {
                "rows": count.rows, "bars": count.bars, "duplicates": count.duplicate_bars, "faulty": count.faulty,
                "without_volume": count.without_volume, "signed_trades": count.signed_trades, "unsigned_trades": count.unsigned_trades,
                "faulty_books": count.faulty_books, "outside_session": count.outside_session, "trades_without_bar": count.trades_without_bar,
                "moved": count.moved_bars, "volume": count.volume,
            }
            for count in counts
        },
        "left_out": dict(left_out),
    }  # fmt: skip


def _evolution(engine: Engine, tally: BacktestTally) -> BacktestReport:
    """Return the changes of models: what started them, and how many challengers there were, with the CPU time of the searches.

    A challenger is a version by another recipe, or another blend, that has raced with the serving ensemble.
    """
    raced = {number for number, state in tally.reached if state == "racing"}
    return {
        "triggers": dict(Counter(row.trigger for row in tally.evolutions.values()).most_common()),
        "challengers": len(raced),
        "promoted": len({number for number, state in tally.reached if state == "promoted"} & raced),
        "reverted": sum(state == "reverted" for _, state in tally.reached),
        "seconds": engine.challengers.seconds,
    }


def _explained(engine: Engine, tally: BacktestTally) -> tuple[float | None, ...] | None:
    """Return the share of the mid's moves that order flow explains over the decided bars, where the feed has every event."""
    if not isinstance(engine.feed, ExplainsMoves) or tally.newest is None:
        return None
    return engine.feed.flow_r2(tally.curve[0][0] - engine.feed.info.interval, tally.newest[0])


def _agreement(tick: int, event: Event) -> BacktestReport:
    """Return the agreement with the versions of record, by horizon; null where unknown."""
    agreement = succession.agreement_from_event(event)
    return {"tick": tick, "rows": agreement.rows, "record": [value if np.isfinite(value) else None for value in agreement.with_record.tolist()]}


def _execution(engine: Engine) -> BacktestReport:
    """Return the results by kind of order, and the number of orders still working at the end; null where there is not enough data."""
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
    """Return the skill at the first horizon of every model and the ensemble over all regimes, with all horizons inside."""
    rows = [row for row in skill.skill_table(engine.state, engine.config.horizons) if row.regime == "all"]
    first = engine.config.horizons[0]
    report: BacktestReport = {}
    for row in sorted(rows, key=lambda row: row.model != "ensemble"):
        if row.horizon == first:
            others = {str(other.horizon): _figure(other) for other in rows if other.model == row.model}
            report[row.model] = {**_figure(row), "by_horizon": others}
    return report


def _figure(row: SkillRow) -> BacktestReport:
    return {name: value for name, value in asdict(row).items() if name in {"r2", "low", "high", "n", "n_effective"}}


def _selection(engine: Engine) -> BacktestReport:
    """Return the gain in R2 of using only the preferred models; null with too little data, or where no model was to be left out."""
    interval = selection_gain.selection_gain_interval(engine.state.selection_gain) or (None, None, None, None)
    return dict(zip(("r2", "low", "high", "n"), interval, strict=True))


def _calibration(engine: Engine) -> BacktestReport:
    """Return the Brier score, coverage and reliability curve of the first horizon; null before the first forecast is scored."""
    direction, intervals = engine.state.direction, engine.state.intervals
    moved, rows = float(direction.rows[0]), float(intervals.rows[0].sum())
    covered = intervals.covered[0].sum(axis=0)
    bins = zip(direction.stated[0], direction.observed[0], direction.counted[0], strict=True)
    curve = [[float(stated / n), float(observed / n), int(n)] for stated, observed, n in bins if n > 0]
    return {
        "brier": float(direction.brier[0]) / moved if moved else None,
        "brier_naive": 0.25 if moved else None,
        "n": int(moved),
        "coverage": {f"{level:g}": float(share) / rows if rows else None for level, share in zip(conformal.LEVELS, covered, strict=True)},
        "coverage_by_regime": [
            [horizon, regime, int(intervals.rows[h, r]), *(intervals.covered[h, r] / intervals.rows[h, r]).tolist()]
            for h, horizon in enumerate(engine.config.horizons)
            for r, regime in enumerate(REGIMES)
            if intervals.rows[h, r] > 0
        ],
        "winkler_bps": _winkler(intervals.winkler, intervals.rows),
        "winkler_constant_bps": _winkler(intervals.winkler_constant, intervals.rows),
        "reliability": curve,
    }


def _volatility(engine: Engine) -> BacktestReport:
    """Return the forecast skill of realised volatility over the longest horizon, and the share of HAR's squared error saved; null while unknown."""
    scores = volatility.volatility_scores(engine.state.volatility)
    names = ("r2", "low", "high", "saved", "saved_low", "saved_high", "qlike", "n")
    return dict.fromkeys(names) if scores is None else dict(zip(names, astuple(scores), strict=True))


def _regret(engine: Engine, tally: BacktestTally) -> BacktestReport:
    """Return the cost (above 0) or saving of each binding gate, in bps per declined trade."""
    rows = declined_trades.declined_table(engine.state.declined_trades, GATE_NAMES)
    return {row.gate: {"n": row.n, "mean_bps": row.mean_bps, "low": row.low, "high": row.high} for row in rows if row.gate in tally.binding}


def _equity(tally: BacktestTally) -> list[list[float | None]]:
    """Return the equity curve, including the newest point; null where unknown."""
    points = tally.curve if tally.newest is None or tally.newest in tally.curve[-1:] else [*tally.curve, tally.newest]
    return [[at, *(value if np.isfinite(value) else None for value in values)] for at, *values in points]


def _winkler(sums: Floats, rows: Floats) -> BacktestReport:
    """Return the mean Winkler score by level and horizon index, in bps; null before the first forecast is scored."""
    count = rows.sum(axis=1)
    return {
        f"{level:g}": [float(s / n * 1e4) if n else None for s, n in zip(sums[:, k], count, strict=True)] for k, level in enumerate(conformal.LEVELS)
    }


def _only_trial(recording: str, digest: str, ratio: float | None) -> tuple[float | None, ...]:
    del recording, digest
    return (ratio,)


def _portfolio(settings: Settings, engine: Engine, tally: BacktestTally, record_trial: RecordTrial) -> BacktestReport:
    equity = np.array([settings.capital, *tally.equity.values()])
    returns: Floats = np.diff(np.log(equity[equity > 0]))
    days = sharpe.trading_days_per_year(list(tally.equity))
    net = engine.account.equity / settings.capital - 1.0
    trials = record_trial(engine.feed.info.label, tally.digest_chain.hexdigest(), sharpe.daily_sharpe_ratio(returns))
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
