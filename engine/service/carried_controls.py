"""Carries what people switched from a session to the next, where that began because files were put into quarantine or left it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from engine import units
from engine.phases import risk
from engine.service import session_controls
from engine.service.engine import Engine
from engine.service.logging import LOG
from engine.store.errors import NotStored
from engine.store.read.history import StoredTick, TickHistory

REPLACED = {"models", "columns", "quarantine"}  # of an identity: what a quarantine changes
Remember = Callable[[str, str], None]  # stores a fact


def carry_over(history: TickHistory, remember: Remember, engine: Engine, session: int) -> None:
    """Restore the switches and the trading parameters of a session without a tick: its own, else those of the session before.

    The latter only where no more than the quarantine differs: nobody was there to agree to a restart that lifts a pause, a flattening or the
    drawdown stop. A drawdown stop is carried over as a pause, because the account is a new one. Raises StoreError.
    """
    parameters = history.fact(session_controls.parameters_key(session))
    halt = history.fact(session_controls.halt_key(session))
    before = None if halt is not None else _find_session_before(history, session)
    if before is not None and parameters is None:
        parameters = history.fact(session_controls.parameters_key(before))
        if parameters is not None:
            remember(session_controls.parameters_key(session), parameters)
    for line in [] if parameters is None else engine.restore_parameters(parameters):
        LOG.warning("%s", line)
    if before is not None:
        halt = _read_halt(history, engine, before)
        remember(session_controls.halt_key(session), halt)  # last: with it everything is carried over
    if halt is not None:
        engine.restore_halt(*orjson.loads(halt))


def _find_session_before(history: TickHistory, session: int) -> int | None:
    """The session before, where only the quarantine is another; else None."""
    try:
        own, before = history.session(session), history.session(session - 1)
    except NotStored:
        return None
    (market, files), (market_before, files_before) = (_split_identity(stored.identity) for stored in (own, before))
    return before.id if market == market_before and files != files_before else None


def _split_identity(identity: str) -> tuple[dict[str, Any], object]:
    values = orjson.loads(identity)
    return {name: value for name, value in values.items() if name not in REPLACED}, values.get("quarantine")


def _read_halt(history: TickHistory, engine: Engine, before: int) -> str:
    """The switches paused and flatten as they were at the end of a session, as JSON."""
    last = _read_last_tick(history, before)
    stored = history.fact(session_controls.halt_key(before))
    config = engine.config if last is None else last.config
    paused, flatten = (config.paused, config.flatten) if stored is None else orjson.loads(stored)
    lost = 0.0 if last is None else _read_drawdown(history, last)
    if lost > engine.config.max_drawdown and not (paused or flatten):
        LOG.warning("trading is paused: the drawdown of the session before, %s, had passed its limit", units.format_percent(lost))
        paused = True
    return orjson.dumps((paused, flatten)).decode()


def _read_last_tick(history: TickHistory, session: int) -> StoredTick | None:
    held = history.tick_range(session)
    return None if held is None else history.tick(held[1])


def _read_drawdown(history: TickHistory, last: StoredTick) -> float:
    """The drawdown after the last tick of a session, as a share of the peak; 0 where a person has restarted the peak since."""
    restarted = history.fact(session_controls.peak_key(last.session))
    if restarted is not None and orjson.loads(restarted)[0] == last.tick + 1:
        return 0.0
    return risk.compute_drawdown(last.account)
