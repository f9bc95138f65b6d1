"""backtest: the same decide() over a recording or the simulated market, as fast as possible."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine import libraries
from engine.cli._arguments import (
    Subcommand,
    UsageError,
    add_changes_option,
    add_evolution_option,
    float_in_range,
    format_time_utc,
    integer_in_range,
    parse_time,
    print_notice,
    resolve_settings,
)
from engine.cli._backtest_text import format_backtest
from engine.files import temporary_files
from engine.files.owned_folders import FolderTaken
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.backtest import RecordTrial
    from engine.store.trial_ledger import TrialLedger

PROGRESS_WIDTH = 40
NEVER = 2**31  # ticks


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("market", metavar="DIR|simulated", help="the folder of a recording, or the word simulated")
    parser.add_argument("--symbols", metavar="A,B", help="some of its symbols")
    parser.add_argument("--from", dest="since", type=parse_time, metavar="T", help="only bars that close after this time, e.g. 2023-01-01")
    parser.add_argument("--to", dest="until", type=parse_time, metavar="T", help="only bars that close by this time")
    parser.add_argument("--interval", metavar="5m", help="bars of another length")
    parser.add_argument("--seed", metavar="N")
    parser.add_argument(
        "--signal", type=float_in_range(0.0, 0.5), metavar="X", help="simulated: the one-bar R² of the best forecast; 0 is a martingale"
    )
    parser.add_argument("--bars", type=integer_in_range(1), metavar="N", help="number of bars (simulated: 20000 if not given)")
    parser.add_argument("--symbol-count", type=integer_in_range(1, 500), metavar="N", help="simulated: number of symbols")
    parser.add_argument("--train-rows", type=integer_in_range(0), metavar="N", help="rows in one training at most, 0 for all")
    parser.add_argument("--no-training", action="store_true", help="train no model, so that none is active: the cost of everything else")
    add_changes_option(parser)
    add_evolution_option(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--under", type=integer_in_range(1), metavar="PID", help=argparse.SUPPRESS)  # started by the engine of that process


def _run(options: argparse.Namespace) -> int:
    libraries.require_libraries(dashboard=False)
    from engine.backtest import run_backtest
    from engine.report.data_counts import describe_data
    from engine.service import backtests
    from engine.service.feed_window import FeedWindow
    from engine.service.feeds import open_configured_feed
    from engine.store.backtest_files import backtest_folder
    from engine.store.trial_ledger import TrialLedger

    if options.under is not None:
        backtests.bind_to_parent(options.under)
    settings = _settings(options)
    with suppress(OSError, FolderTaken):  # left by killed processes; a home that cannot be read is reported on the first write
        temporary_files.sweep_at_start(settings.home)
    bars = options.bars or (20_000 if settings.feed == "simulated" else None)
    market = open_configured_feed(settings)
    feed = FeedWindow(market, since=options.since, until=options.until, bars=bars)
    if next(feed.slices(None), None) is None:
        first = next(iter(market.slices(None)), None)
        raise UsageError(
            f"{options.market} has no bar to decide on" + (f": its first closes at {format_time_utc(first.at)}, see --from and --to" if first else "")
        )
    if options.under is None:
        for line in describe_data(market):
            print_notice(f"podium: {line}")
    tell = build_progress_bar(sys.stderr.isatty()) if options.under is None else backtests.report_progress
    report = run_backtest(settings, feed, report_progress=tell, record_trial=_counted(TrialLedger(backtest_folder(Path(settings.home)))))
    print(json.dumps(report, allow_nan=False) if options.json else format_backtest(report))
    return 0


def _counted(ledger: TrialLedger) -> RecordTrial:
    """Count the run among the trials of this store; where that fails, report it and give no trials."""

    def enter(recording: str, digest: str, ratio: float | None) -> tuple[float | None, ...]:
        try:
            return ledger.record(recording, digest, ratio)
        except (OSError, FolderTaken) as error:
            print_notice(f"earlier backtests cannot be counted ({error}), so there is no deflated Sharpe ratio: set PODIUM_HOME to another folder")
            return ()

    return enter


def _settings(options: argparse.Namespace) -> Settings:
    simulated = options.market == "simulated"
    if not simulated and (options.signal is not None or options.symbol_count is not None):
        raise UsageError("--signal and --symbol-count are for the simulated market: backtest simulated")
    if not simulated and not Path(options.market).is_dir():
        raise UsageError(f"{options.market!r} is not a folder: give the folder of a recording, or the word simulated")
    settings = resolve_settings(
        options,
        is_backtest=True,
        feed="simulated" if simulated else "recorded",
        feed_path=None if simulated else options.market,
        sim_signal=_text(options.signal),
        sim_symbols=_text(options.symbol_count),
        sim_changes=options.changes,
        train_rows=_text(options.train_rows),
        tick_interval_seconds="0",
        warmup_bars="0",
    )
    return replace(settings, trading=replace(settings.trading, first_training=NEVER, retrain_every=NEVER)) if options.no_training else settings


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def build_progress_bar(shown: bool) -> Callable[[int, int | None], None]:
    """Build a progress bar for a terminal; it prints nothing elsewhere."""

    def tell(done: int, total: int | None) -> None:
        if not shown:
            return
        if total:
            filled = min(PROGRESS_WIDTH, PROGRESS_WIDTH * done // total)
            end = "\n" if done >= total else ""
            print(f"\r[{'#' * filled}{'.' * (PROGRESS_WIDTH - filled)}] {done}/{total} ticks", end=end, file=sys.stderr, flush=True)
        else:
            print(f"\r{done} ticks", end="", file=sys.stderr, flush=True)

    if shown:
        print_notice("deciding ...")
    return tell


COMMAND = Subcommand("backtest", "run the same decisions over a recording or the simulated market, as fast as possible", _add, _run)
