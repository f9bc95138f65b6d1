"""What a tick costs with all models, saved to a real store, beside FreqAI's live iteration and a bare prediction; and how fast a backtest goes."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import Executor
from pathlib import Path
from time import perf_counter, process_time, thread_time

import numpy as np

from engine.backtest import run_backtest
from engine.domain.decision import Phase
from engine.domain.model import Catalog
from engine.domain.ports import Feed
from engine.domain.record import Floats
from engine.domain.trading_config import TradingConfig
from engine.feeds.recorded import RecordedFeed
from engine.feeds.simulated import SimulatedFeed
from engine.service import fingerprint, process_memory
from engine.service.clock import WallClock
from engine.service.engine import Engine
from engine.service.feed_window import FeedWindow
from engine.settings import Settings
from engine.store import database
from engine.store.write.writer import Writer
from tests.makers import Inline

FREQAI_MS = 33.0  # a pair, live, on this kind of machine (measured with FreqAI itself, linear in pairs)
FIRST = 320  # bars before the training, so that every feature is there
BUDGET_MS = {1: 4.0, 10: 5.0, 500: 80.0}


class ProcessorClock(WallClock):
    """Measures durations in processor time of this thread, which a busy machine changes less than time by the clock."""

    def tick(self) -> float:
        return thread_time()


def saving(symbols: int, ticks: int, folder: Path) -> None:
    """Ticks of one size through the engine and into a store, once every model serves."""
    url = f"sqlite:///{folder / 'podium.db'}"
    database.prepare(url)
    writer, clock = Writer(url), ProcessorClock()
    knobs = TradingConfig(first_training=FIRST, retrain_every=10**6)
    settings = Settings(home=str(folder), database_url=url, trading=knobs, train_rows=20_000)
    feed = SimulatedFeed(symbol_count=symbols, bars=FIRST + knobs.deployment_lag_bars + ticks)
    session = writer.begin_session("bench", feed.info, ("all",), knobs.horizons, "{}", fingerprint.read_platform(), clock.now())
    engine = Engine(settings, feed, clock, training_pool=_inline(), store=writer, session=session)
    for _ in range(FIRST + knobs.deployment_lag_bars):
        engine.step()
    process_memory.configure_memory()  # as the server does
    spent, busy, rows, parts = [], [], [], list[list[float]]()
    for _ in range(ticks):
        begun, worked = perf_counter(), process_time()
        tick = engine.step()
        spent.append((perf_counter() - begun) * 1e3)
        busy.append((process_time() - worked) * 1e3)
        assert tick is not None
        rows.append(tick.outcome.features.values)
        phases = [span.ms for span in tick.spans]
        parts.append([*phases, tick.ms - sum(phases), engine.save_ms or 0.0, busy[-1] - tick.ms - (engine.save_ms or 0.0)])
        assert all(served is not None for served in tick.serving)
    writer.close()
    p50, p99 = np.percentile(spent, (50, 99))
    bare = bare_prediction(engine.catalog, rows)
    print(
        f"tick of {symbols:>3} symbols, {len(engine.catalog.names)} models, {len(engine.catalog.columns)} columns, saved: "
        f"p50 {p50:7.2f} ms, p99 {p99:7.2f} ms over {ticks} ticks (budget {BUDGET_MS[symbols]:.0f} ms); "
        f"p50 {np.median(busy):.2f} ms of a core"
    )
    names = [*(phase.value for phase in Phase), "between phases", "save", "record"]
    middle = zip(names, np.median(parts, axis=0).tolist(), strict=True)
    print("  processor time, p50 in us: " + ", ".join(f"{name} {ms * 1e3:.0f}" for name, ms in middle))
    print(f"  FreqAI's {FREQAI_MS:.0f} ms a pair would take {FREQAI_MS * symbols:,.0f} ms: {FREQAI_MS * symbols / p50:,.0f} times as long")
    print(f"  a bare LightGBM prediction of the same rows takes {bare:.2f} ms: the tick costs {p50 / bare:.1f} times that")


def bare_prediction(catalog: Catalog, rows: list[Floats]) -> float:
    """Median ms of Booster.predict alone, of the boosters that serve, on the rows of each tick."""
    served = next(one for one in catalog.serving if one is not None and one.model.name == "lightgbm")
    spent = []
    for x in rows:
        begun = perf_counter()
        for booster in served.fitted.boosters:
            if booster is not None:
                booster.predict(x, num_threads=1)
        spent.append((perf_counter() - begun) * 1e3)
    return float(np.median(spent))


def backtest(about: str, feed: Feed, *, train_rows: int = 0, trains: bool = True) -> None:
    """Decisions a second, training in two workers beside it."""
    knobs = TradingConfig(first_training=600) if trains else TradingConfig(first_training=2**31, retrain_every=2**31)
    report = run_backtest(Settings(home="", database_url="", trading=knobs, train_rows=train_rows), feed, report_progress=_silently)
    skill = report["skill"]["ensemble"]["r2"]  # type: ignore[index]
    print(
        f"backtest {about}: {report['decisions_per_second']:,.0f} decisions/s over {report['decisions']:,} decisions, "
        f"{report['training']['fits']} fits, ensemble R2 {'not measured' if skill is None else f'{skill:+.4f}'}"  # type: ignore[index]
    )


def _silently(done: int, whole: int | None) -> None:
    return None


def _inline() -> Executor:
    return Inline()


def main() -> None:
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for symbols, ticks in ((1, 600), (10, 600), (500, 60)):
        with tempfile.TemporaryDirectory() as folder:
            saving(symbols, ticks, Path(folder))
    backtest("simulated, 20 symbols, 3,000 bars, without training", SimulatedFeed(symbol_count=20, bars=3_000), trains=False)
    backtest("simulated, 20 symbols, 3,000 bars, all rows", SimulatedFeed(symbol_count=20, bars=3_000))
    recording = Path(os.environ.get("PODIUM_TEST_DATA", Path(__file__).parents[3] / "shared" / "data")) / "binance_spot_5m_2022_2023"
    if recording.is_dir():
        backtest("of 3,000 bars of 20 Binance symbols, all rows", FeedWindow(RecordedFeed(recording), bars=3_000))
        backtest("of 3,000 bars of 20 Binance symbols, 5,000 rows", FeedWindow(RecordedFeed(recording), bars=3_000), train_rows=5_000)


if __name__ == "__main__":
    main()
