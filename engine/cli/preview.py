"""preview: decide the last ticks again under a change that lasts, and compare with the record."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import orjson

from engine import units
from engine.cli._arguments import Subcommand, add_parent_option, add_store_option, begin_slow_answer, integer_in_range, resolve_store_url

if TYPE_CHECKING:
    from engine.domain.counterfactual import PnlDifference, Preview

DEFAULT_TICKS, MOST_TICKS = 300, 2_000


def add_span_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of what decides the last ticks again: how many, the output, the store."""
    parser.add_argument(
        "--ticks", type=integer_in_range(2, MOST_TICKS), default=DEFAULT_TICKS, metavar="N", help=f"the last N ticks; {DEFAULT_TICKS} if not given"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_store_option(parser)
    add_parent_option(parser)


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="changes",
        help="a trading parameter such as edge_margin=1.5, gate=NAME to switch a gate off, or without=MODEL; may be repeated",
    )  # fmt: skip
    add_span_options(parser)


def _run(options: argparse.Namespace) -> int:
    from engine.counterfactual.comparison import preview_change
    from engine.counterfactual.lasting_change import combine_changes, parse_lasting_change
    from engine.counterfactual.rolling import choose_span
    from engine.store.read.history import TickHistory

    report = begin_slow_answer(options)
    history = TickHistory(resolve_store_url(options))
    span = choose_span(history, options.ticks)
    changes = tuple(parse_lasting_change(text, span.session.models) for text in options.changes)
    answer = preview_change(history, span, changes, combine_changes(changes), report)
    print(orjson.dumps(answer).decode() if options.json else describe_preview(answer))
    return 0


def describe_preview(answer: Preview) -> str:
    """The comparison for a terminal."""
    flips = ", ".join(f"{row.symbol} {row.flips}" for row in answer.by_symbol if row.flips) or "none"
    lines = [
        f"{' and '.join(answer.changes) or 'no change'}; ticks {answer.first:,} to {answer.last:,} decided again, nothing is stored",
        f"flips      {answer.flips:,} of {units.format_count(answer.decisions, 'decision')}: {flips}",
        f"exposure   {units.format_percent(answer.exposure_before)} -> {units.format_percent(answer.exposure_after)} of equity, mean",
        f"costs      {units.format_money(answer.costs_before)} -> {units.format_money(answer.costs_after)}",
        f"P&L        {describe_difference(answer.difference)}",
    ]
    lines += [
        f"declined   {row.gate}: {row.n_before:,} at {units.format_bps(row.before_bps, signed=True)} -> "
        f"{row.n_after:,} at {units.format_bps(row.after_bps, signed=True)} each"
        for row in answer.declined
    ]
    return "\n".join([*lines, *(f"note       {note}" for note in answer.notes)])


def describe_difference(difference: PnlDifference) -> str:
    """A difference of P&L with its interval, or why there is none."""
    text = f"{units.format_percent(difference.share, 3, signed=True)} of equity"
    if difference.low is None or difference.high is None:
        return f"{text}; not enough data for an interval ({difference.affected} of {difference.blocks} blocks differ)"
    counted = f", {difference.tries:,} tries counted" if difference.tries > 1 else ""
    bounds = f"{units.format_percent(difference.low, 3, signed=True)} to {units.format_percent(difference.high, 3, signed=True)}"
    return f"{text} (95 %{counted}: {bounds}; {difference.blocks} blocks)"


COMMAND = Subcommand("preview", "decide the last ticks again under a change, and compare with the record; nothing is stored", _add, _run)
