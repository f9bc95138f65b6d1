"""status: the health of the engine, as the store has it."""

from __future__ import annotations

import argparse
import json

from engine import units
from engine.cli._arguments import Subcommand, add_store_option, format_time_utc, resolve_settings
from engine.health import Health, HealthInputs, describe_clock_step, judge_health, recent_clock_step
from engine.service.clock import WallClock
from engine.service.health_inputs import compute_age, format_health, read_health_inputs
from engine.store.database import path_from_url
from engine.store.errors import StoreError

SHOWN_SECONDS = 86_400.0  # after a step of the clock during which it is shown
EXIT_CODES = {"healthy": 0, "starting": 1, "degraded": 1, "down": 2}


def _add(parser: argparse.ArgumentParser) -> None:
    add_store_option(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object")


def _run(options: argparse.Namespace) -> int:
    url = options.store or resolve_settings(options).database_url
    path_from_url(url)  # a malformed address is a usage error, not an engine that is down
    try:
        vitals = read_health_inputs(url, WallClock().now())
    except StoreError as error:
        print(json.dumps({"state": "down", "reasons": [str(error)]}) if options.json else f"down: {error}")
        return EXIT_CODES["down"]
    health = judge_health(vitals)
    print(json.dumps(format_health(vitals, health)) if options.json else format_status(vitals, health))
    return EXIT_CODES[health.state]


def format_status(vitals: HealthInputs, health: Health) -> str:
    """Format the health of the engine for a person."""
    lines = [f"{health.state}{': ' if health.reasons else ''}{'; '.join(health.reasons)}"]
    if vitals.decided_at is not None:
        age = compute_age(vitals.now, vitals.decided_at)
        ago = "in the future by this machine's clock" if age is None else f"{units.format_age(age)} ago"
        lines.append(f"last tick    {vitals.tick} at {format_time_utc(vitals.decided_at)}, {ago}")
    step = recent_clock_step(vitals.clock_step, vitals.now, SHOWN_SECONDS)
    if step is not None:
        lines.append(f"clock        {describe_clock_step(step)}; at {format_time_utc(step.at)} by today's clock")
    rate = vitals.clean_rate
    over = (
        f"{units.format_percent(rate, 2)} of the last {vitals.ticks_counted:,} live ticks without a fallback"
        if rate is not None
        else "not enough data: no live tick yet"
    )
    lines.append(f"clean rate   {over}")
    lines.append(f"open alerts  {vitals.open_alerts}")
    lines += [f"{row.component:<12} {row.state}{f': {row.last_error}' if row.last_error else ''}" for row in vitals.components]
    return "\n".join(lines)


COMMAND = Subcommand("status", "the health of every part of the engine; exit 0 healthy, 1 degraded, 2 down", _add, _run)
