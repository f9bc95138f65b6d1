"""overrides: score pauses and flattenings against what the engine would have done without them."""

from __future__ import annotations

import argparse

import orjson

from engine import units
from engine.cli._arguments import Subcommand, add_parent_option, add_store_option, begin_slow_answer, resolve_store_url
from engine.cli.preview import describe_difference


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_store_option(parser)
    add_parent_option(parser)


def _run(options: argparse.Namespace) -> int:
    from engine.counterfactual.overrides import score_overrides
    from engine.store.read.history import TickHistory

    report = begin_slow_answer(options)
    answer = score_overrides(TickHistory(resolve_store_url(options)), report)
    if options.json:
        print(orjson.dumps(answer).decode())
        return 0
    for row in answer.overrides:
        sender = f", {row.by}: {row.reason or 'no reason given'}" if row.by else ""
        print(f"{row.kind} from tick {row.first:,} to {row.last:,}{sender}")
        print(f"  P&L of the override {describe_difference(row.difference)}; {units.format_count(row.flips, 'decision')} otherwise")
    if answer.total is None:
        print(f"no pause and no flattening from tick {answer.first:,} to {answer.last:,}")
    else:
        print(f"all together {describe_difference(answer.total)}")
    return 0


COMMAND = Subcommand("overrides", "score pauses and flattenings against what the engine would have done without them", _add, _run)
