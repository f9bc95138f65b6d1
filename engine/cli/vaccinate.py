"""vaccinate: search the smallest change that would have avoided a trade, and decide the last ticks again with it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import orjson

from engine import units
from engine.cli._arguments import (
    Subcommand,
    UsageError,
    begin_slow_answer,
    integer_in_range,
    parse_time,
    resolve_store_url,
)
from engine.cli.preview import add_span_options, describe_preview

if TYPE_CHECKING:
    from engine.domain.counterfactual import Vaccination

DAY = 86_400 * 10**9  # ns
MOST_SHOWN = 6  # changes that avoid it


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tick", type=integer_in_range(0, 2**62), nargs="?", metavar="TICK", help="the tick of the trade to avoid")
    parser.add_argument("symbol", nargs="?", metavar="SYMBOL", help="its symbol")
    parser.add_argument("--day", type=parse_time, metavar="DATE", help="instead: the worst trade of that day, UTC, such as 2026-11-29")
    add_span_options(parser)


def _run(options: argparse.Namespace) -> int:
    if (options.day is None) == (options.tick is None or options.symbol is None):
        raise UsageError("give a tick and a symbol, or --day")
    from engine.counterfactual.vaccination import find_worst_trade, vaccinate
    from engine.store.read.history import TickHistory

    report = begin_slow_answer(options)
    history = TickHistory(resolve_store_url(options))
    tick, symbol = options.tick, options.symbol
    if options.day is not None:
        begin = options.day // DAY * DAY
        first, last = history.ticks_between(begin + 1, begin + DAY)
        tick, symbol = find_worst_trade(history, first, last)
    answer = vaccinate(history, tick, symbol, options.ticks, report)
    print(orjson.dumps(answer).decode() if options.json else _describe(answer))
    return 0


def _describe(answer: Vaccination) -> str:
    lines = [f"tick {answer.tick:,}, {answer.symbol}: {answer.action}, {answer.reason}; {len(answer.tried):,} changes tried"]
    avoiding = [attempt for attempt in answer.tried if attempt.avoids]
    if answer.chosen is None:
        return "\n".join([*lines, "none of them avoids it"])
    lines.append(f"smallest   {answer.chosen}")
    lines.append(f"others     {', '.join(attempt.change for attempt in avoiding[1:MOST_SHOWN]) or 'none'}; {len(avoiding):,} avoid it")
    lines.append(
        f"missed     {units.format_count(answer.avoided, 'trade')} avoided in all, {units.format_bps(answer.missed_bps, signed=True)} each "
        f"after costs ({answer.avoided_known:,} with a known outcome)"
    )
    lines += [f"note       {note}" for note in answer.notes]
    return "\n".join(lines if answer.preview is None else [*lines, describe_preview(answer.preview)])


COMMAND = Subcommand("vaccinate", "search the smallest change that would have avoided a trade, and its price; nothing is stored", _add, _run)
