"""parity: decide a recorded session again from its recording and report whether every bit is the same."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from engine.cli._arguments import Subcommand, add_store_option, integer_in_range, resolve_store_url

if TYPE_CHECKING:
    from engine.parity import ParityResult


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--session", type=integer_in_range(0, 2**62), metavar="N", help="the number of a session; the newest unless given")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_store_option(parser)


def _run(options: argparse.Namespace) -> int:
    from engine.parity import check_parity
    from engine.store.read.history import TickHistory

    history = TickHistory(resolve_store_url(options))
    try:
        result = check_parity(history, options.session)
    finally:
        history.close()
    print(json.dumps(asdict(result), allow_nan=False) if options.json else format_parity(result))
    return 0 if result.identical else 1


CAUSES = {  # of ticks that a recording lacks
    "restart": "restart", "unwritten": "after the newest part of the recording", "before": "before the recording began",
}  # fmt: skip


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
