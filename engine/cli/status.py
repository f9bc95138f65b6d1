"""status: the health of the engine, as the store has it."""

from __future__ import annotations

import argparse
import json

from engine.cli._frame import CliCommand, add_store, clock_text, settings_from
from engine.health import Health, Vitals, describe_step, judge, recent_step
from engine.shell.clock import WallClock
from engine.shell.vitals import age_seconds, as_json, read_vitals
from engine.store.database import path_of
from engine.store.errors import StoreFailed

SHOWN_SECONDS = 86_400.0  # after a step of the clock during which it is shown
EXIT = {"healthy": 0, "starting": 1, "degraded": 1, "down": 2}


def _add(parser: argparse.ArgumentParser) -> None:
    add_store(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object")


def _run(options: argparse.Namespace) -> int:
    url = options.store or settings_from(options).database_url
    path_of(url)  # a malformed address is a usage error, not an engine that is down
    try:
        vitals = read_vitals(url, WallClock().now())
    except StoreFailed as error:
        print(json.dumps({"state": "down", "reasons": [str(error)]}) if options.json else f"down: {error}")
        return EXIT["down"]
    health = judge(vitals)
    print(json.dumps(as_json(vitals, health)) if options.json else as_text(vitals, health))
    return EXIT[health.state]


def as_text(vitals: Vitals, health: Health) -> str:
    """Format the health of the engine for a person."""
    lines = [f"{health.state}{': ' if health.reasons else ''}{'; '.join(health.reasons)}"]
    if vitals.decided is not None:
        age = age_seconds(vitals.now, vitals.decided)
        ago = "in the future by this machine's clock" if age is None else f"{age:.0f} s ago"
        lines.append(f"last tick    {vitals.tick} at {clock_text(vitals.decided)}, {ago}")
    step = recent_step(vitals.step, vitals.now, SHOWN_SECONDS)
    if step is not None:
        lines.append(f"clock        {describe_step(step)}; at {clock_text(step.at)} by the clock of today")
    rate = vitals.honest_rate
    over = f"{rate:.2%} of the last {vitals.ticks_counted} live ticks without a fallback" if rate is not None else "not enough data: no live tick yet"
    lines.append(f"clean rate   {over}")
    lines.append(f"open alerts  {vitals.open_alerts}")
    lines += [f"{row.component:<12} {row.state}{f': {row.last_error}' if row.last_error else ''}" for row in vitals.components]
    return "\n".join(lines)


COMMAND = CliCommand("status", "the health of every part of the engine; exit 0 healthy, 1 degraded, 2 down", _add, _run)
