"""Commands and lost ticks as events of a session, and the keys under which the store remembers what people switched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from engine.domain.state import State
from engine.domain.trading_config import Command, Event


def build_command_event(command: Command) -> Event:
    """Build the event of a command, which is stored with the next tick."""
    return Event("command", command.name, " ".join(f"{name}={value}" for name, value in command.args))


def build_command_result(message: str, session: int, at: int | None) -> dict[str, object]:
    """Build the result of a command to the engine, with the close of the last bar (ns UTC) that it was carried out after.

    An engine that resumes before the next tick finds by it which commands no tick has seen yet.
    """
    return {"message": message, "session": session, "at": at or 0}


def describe_change(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, object]:
    """Describe the settings that a command changed, for the audit trail: `before` and `after` by name; empty where it changed none."""
    names = [name for name, value in after.items() if before.get(name) != value]
    return {"before": {name: before.get(name) for name in names}, "after": {name: after[name] for name in names}} if names else {}


def discard_unscorable(state: State, events: tuple[Event, ...]) -> State:
    """Drop the pending forecasts after a lost tick: they cannot be scored in time."""
    if not any(event.kind == "tick_lost" for event in events):
        return state
    return replace(state, pending=replace(state.pending, price=np.full_like(state.pending.price, np.nan)))


def signal_switches_key(session: int) -> str:
    """Key of the switches of the simulated signal."""
    return f"signal switches of session {session}"


def peak_key(session: int) -> str:
    """Key of the last restart of the peak: tick, equity before and after."""
    return f"peak restarted in session {session}"


def halt_key(session: int) -> str:
    """Key of the switches paused and flatten."""
    return f"halt of session {session}"


def parameters_key(session: int) -> str:
    """Key of the trading parameters that commands have changed: value, and that of the settings then, by name."""
    return f"parameters of session {session}"


def recording_key(session: int) -> str:
    """Key of the folder that the session was last recorded in."""
    return f"recording of session {session}"
