"""ccxt against a fake exchange, within one call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import ccxt.pro
import pytest

from tests.coroutines import run_coroutine
from tests.exchanges.server import FakeExchange

Scenario = Callable[[Any], Awaitable[None]]


def drive(fake: FakeExchange, scenario: Scenario, **options: object) -> None:
    """Run a scenario with a ccxt.pro exchange that is connected to the fake; fails after five minutes."""

    async def run() -> None:
        settings = json.loads(json.dumps(fake.ccxt_options()))  # they travel as JSON, as in a setting
        exchange = getattr(ccxt.pro, type(fake).__name__.removeprefix("Fake").lower())(settings | {"enableRateLimit": False} | options)
        try:
            await asyncio.wait_for(scenario(exchange), 300.0)
        finally:
            await exchange.close()

    run_coroutine(run())


async def is_quiet(awaitable: Awaitable[object], seconds: float) -> bool:
    """Whether nothing comes within so many seconds; errors are raised."""
    try:
        await asyncio.wait_for(awaitable, seconds)
    except TimeoutError:
        return True
    return False


async def expect(error: type[Exception], watch: Callable[..., Awaitable[object]], *arguments: object, attempts: int = 200) -> None:
    """Call until `error` is raised; messages that were on their way are let through."""
    for _ in range(attempts):
        try:
            await watch(*arguments)
        except error:
            return
    pytest.fail(f"no {error.__name__}")
