"""explain: what a stored forecast consists of, and what became of similar past decisions."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import orjson

from engine import units
from engine.cli._arguments import Subcommand, add_store_option, integer_in_range, resolve_store_url

if TYPE_CHECKING:
    from engine.domain.story import ForecastContributions, SimilarDecisions

PARTS = ("contributions", "similar")
SHOWN = 12  # features, as text


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tick", type=integer_in_range(0, 2**62), metavar="TICK", help="the number of a stored tick")
    parser.add_argument("--symbol", required=True, metavar="S")
    parser.add_argument("--part", choices=PARTS, default=PARTS[0], help="exact contributions of the features, which it is if not given, or similar")
    parser.add_argument("--horizon", type=integer_in_range(1), metavar="BARS", help="of the forecast; the one acted on if not given")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_store_option(parser)


def _run(options: argparse.Namespace) -> int:
    url = resolve_store_url(options)
    if options.part == "similar":
        from engine.store.read.reader import Reader
        from engine.story.similar import find_similar_decisions

        similar = find_similar_decisions(Reader(url, busy_ms=5000), options.tick, options.symbol)
        print(orjson.dumps(similar).decode() if options.json else _describe_similar(similar))
        return 0
    from engine.store.read.history import TickHistory
    from engine.story.contributions import explain_forecast

    forecast = explain_forecast(TickHistory(url), options.tick, options.symbol, options.horizon)
    print(orjson.dumps(forecast).decode() if options.json else _describe_forecast(forecast))
    return 0


def _describe_forecast(forecast: ForecastContributions) -> str:
    shown, rest = forecast.features[:SHOWN], forecast.features[SHOWN:]
    rows = [("base", forecast.base_bps), *((part.feature, part.bps) for part in shown)]
    rows += [(f"{len(rest)} other features", sum(part.bps for part in rest))] if rest else []
    rows += [(f"{part.feature} as a whole", part.bps) for part in forecast.whole_models]
    lines = [f"{name:44} {units.format_bps(bps, signed=True)}" for name, bps in [*rows, ("forecast of the ensemble", forecast.forecast_bps)]]
    notes = [f"{model.model}: {model.reason}" for model in forecast.models if model.reason]
    return "\n".join([f"tick {forecast.tick}, {forecast.symbol}, {units.format_count(forecast.horizon, 'bar')}", *lines, *notes])


def _describe_similar(similar: SimilarDecisions) -> str:
    interval = units.NOT_ENOUGH if similar.low_bps is None else f"{units.format_interval(similar.low_bps, similar.high_bps, 1, 'bps')}, 95 %"
    mean = units.format_bps(similar.mean_bps, signed=True, missing=units.NOT_ENOUGH)
    head = f"tick {similar.tick}, {similar.symbol}: the {similar.n} nearest of {similar.searched:,} past decisions with known outcomes"
    lines = [
        f"tick {row.tick:>8} {row.symbol:12} {row.action:5} {units.format_bps(row.outcome_bps, signed=True)} in the direction of its forecast"
        for row in similar.nearest[:SHOWN]
    ]
    return "\n".join([head, f"after costs {mean} ({interval}), n={similar.n} in {similar.blocks} blocks of time", *lines])


COMMAND = Subcommand("explain", "exact contributions of the features to a stored forecast, or similar past decisions and their outcomes", _add, _run)
