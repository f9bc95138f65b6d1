"""what-if: decide a stored tick again with a change, and show what would have been decided."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import orjson

from engine import units
from engine.cli._arguments import Subcommand, add_store_option, integer_in_range, resolve_store_url

if TYPE_CHECKING:
    from engine.domain.story import WhatIf


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tick", type=integer_in_range(0, 2**62), metavar="TICK", help="the number of a stored tick")
    parser.add_argument("--symbol", required=True, metavar="S", help="the symbol to show")
    parser.add_argument(
        "--change", action="append", default=[], metavar="NAME=VALUE",
        help="spread_factor=0.5, fee_factor=0, without=MODEL, or a trading parameter such as cooldown_bars=0; may be repeated",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_store_option(parser)


def _run(options: argparse.Namespace) -> int:
    from engine.store.read.history import TickHistory
    from engine.story.what_if import decide_with_changes, parse_change

    changes = [parse_change(text) for text in options.change]
    answer = decide_with_changes(TickHistory(resolve_store_url(options)), options.tick, options.symbol, changes)
    print(orjson.dumps(answer).decode() if options.json else _describe(answer))
    return 0


def _describe(answer: WhatIf) -> str:
    then, now = answer.before, answer.after
    lines = [
        f"tick {answer.tick}, {answer.symbol}, {', '.join(answer.changes) or 'no change'}; what would have been decided, not stored",
        f"action   {then.action} -> {now.action}",
        f"reason   {then.reason} -> {now.reason}",
        f"target   {units.format_percent(then.target, 2, signed=True)} -> {units.format_percent(now.target, 2, signed=True)} of equity",
        f"edge     {units.format_bps(then.edge_bps, signed=True)} -> {units.format_bps(now.edge_bps, signed=True)}",
        f"cost     {units.format_bps(then.cost_bps)} -> {units.format_bps(now.cost_bps)}",
        f"gates    {', '.join(answer.flipped) or 'none flips'}",
        f"phases   {', '.join(answer.changed_phases) or 'the same bits'}",
    ]
    if not answer.reproduced:
        lines.append("note     without the change the tick is not decided as it was stored: see replay")
    return "\n".join([*lines, *(f"note     {note}" for note in answer.notes), *(f"other    {line}" for line in answer.others)])


COMMAND = Subcommand("what-if", "decide a stored tick again with a change, and show what would have been decided; nothing is stored", _add, _run)
