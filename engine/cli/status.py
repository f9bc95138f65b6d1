"""status: how the engine is, from what stands in the store."""

from __future__ import annotations

import argparse
import json

from engine.cli._frame import CliCommand, add_store, clock_text, settings_from
from engine.health import Health, Vitals, describe_step, judge, recent_step
from engine.shell.clock import WallClock
from engine.shell.vitals import age_seconds, as_json, read_vitals
from engine.store.database import path_of
from engine.store.errors import StoreFailed

SHOWN_SECONDS = 86_400.0  # for which a step of the clock is worth a line
EXIT = {"healthy": 0, "starting": 1, "degraded": 1, "down": 2}


def _add(parser: argparse.ArgumentParser) -> None:
    add_store(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object")


def _run(told: argparse.Namespace) -> int:
    url = told.store or settings_from(told).database_url
    path_of(url)  # an address that is none is a wrong use, not an engine that is down
    try:
        vitals = read_vitals(url, WallClock().now())
    except StoreFailed as error:
        print(json.dumps({"state": "down", "reasons": [str(error)]}) if told.json else f"down: {error}")
        return EXIT["down"]
    health = judge(vitals)
    print(json.dumps(as_json(vitals, health)) if told.json else as_text(vitals, health))
    return EXIT[health.state]


def as_text(vitals: Vitals, health: Health) -> str:
    """The same for a person."""
    told = [f"{health.state}{': ' if health.reasons else ''}{'; '.join(health.reasons)}"]
    if vitals.decided is not None:
        age = age_seconds(vitals.now, vitals.decided)
        ago = "in the future by this machine's clock" if age is None else f"{age:.0f} s ago"
        told.append(f"last tick    {vitals.tick} at {clock_text(vitals.decided)}, {ago}")
    step = recent_step(vitals.step, vitals.now, SHOWN_SECONDS)
    if step is not None:
        told.append(f"clock        {describe_step(step)}; at {clock_text(step.at)} by the clock as it is now")
    rate = vitals.honest_rate
    over = f"{rate:.2%} of the last {vitals.ticks_counted} live ticks without a fallback" if rate is not None else "not enough data: no live tick yet"
    told.append(f"honest rate  {over}")
    told.append(f"open alerts  {vitals.open_alerts}")
    told += [f"{one.component:<12} {one.state}{f': {one.last_error}' if one.last_error else ''}" for one in vitals.components]
    return "\n".join(told)


COMMAND = CliCommand("status", "tells how every part of the engine is; exit 0 healthy, 1 degraded, 2 down", _add, _run)
