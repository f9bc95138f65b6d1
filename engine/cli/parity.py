"""parity: decide a recorded session again from its recording and report whether every bit is the same."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli._arguments import (
    Subcommand,
    add_parent_option,
    add_store_option,
    follow_parent,
    integer_in_range,
    print_notice,
    resolve_store_url,
)
from engine.files.owned_folders import FolderTaken
from engine.service.clock import WallClock
from engine.store.backtest_files import backtest_folder
from engine.store.database import path_from_url
from engine.store.parity_file import StoredParity, save_parity

if TYPE_CHECKING:
    from engine.parity import ParityResult

CAUSES = {  # of ticks that a recording lacks
    "restart": "restart", "unwritten": "after the newest part of the recording", "before": "before the recording began",
}  # fmt: skip


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--session", type=integer_in_range(0, 2**62), metavar="N", help="the number of a session; the newest unless given")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_store_option(parser)
    add_parent_option(parser)


def _run(options: argparse.Namespace) -> int:
    from engine.feeds._recording_files import BadRecording
    from engine.parity import check_parity
    from engine.store.errors import NotStored
    from engine.store.read.history import TickHistory

    follow_parent(options)
    url = resolve_store_url(options)
    history = TickHistory(url)
    try:
        session = history.latest_session() if options.session is None else history.session(options.session)
        folder = Path(history.fact("backtests") or backtest_folder(path_from_url(url).parent))
        try:
            result = check_parity(history, options.session)
        except (NotStored, BadRecording) as error:
            if session is not None:
                _store(folder, StoredParity(session.id, WallClock().now(), error=str(error)))
            raise
    finally:
        history.close()
    _store(folder, _build_record(result))
    print(json.dumps(asdict(result), allow_nan=False) if options.json else format_parity(result))
    return 0 if result.identical else 1


def _build_record(result: ParityResult) -> StoredParity:
    return StoredParity(
        result.session, WallClock().now(), result.ticks, result.history_ticks, result.first_tick, result.difference, result.late_trades,
        result.revised_candles, result.restarts, sum(span.ticks for span in result.unrecorded),
    )  # fmt: skip


def _store(folder: Path, record: StoredParity) -> None:
    """Store the result for the pages; where that fails, report it."""
    try:
        save_parity(folder, record)
    except (OSError, FolderTaken) as error:
        print_notice(f"podium: the result is not stored ({error}): set PODIUM_HOME to another folder")


def format_parity(result: ParityResult) -> str:
    """Format the result in one line."""
    causes = f"{result.late_trades:,} late trades, {result.revised_candles:,} revised candles, {result.restarts:,} restarts"
    if result.history_ticks:
        causes += f", {result.history_ticks:,} ticks decided on the exchange's history"
    for span in result.unrecorded:
        causes += f"; {span.ticks:,} ticks not recorded ({CAUSES[span.cause]}), from tick {span.first_tick} to {span.last_tick}"
    if result.identical:
        return f"identical, {result.ticks:,} ticks ({causes})"
    return f"tick {result.first_tick} differs first, in {result.difference} ({causes})"


SUMMARY = "decide a recorded session again: exit 0 and identical, or exit 1, the first tick that differs and the input that did"
COMMAND = Subcommand("parity", SUMMARY, _add, _run)
