"""What commands and events mean for the engine, the same when they happen and when they are replayed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.domain.state import State
from engine.domain.trading_config import Command, Event, TradingConfig


def apply_trading_command(command: Command, knobs: TradingConfig) -> tuple[TradingConfig, str]:
    """The knobs after a command, and what it does in words; raises ValueError in one line for what cannot be done."""
    match command.name:
        case "pause":
            return replace(knobs, paused=True), "paused: nothing is opened or closed until resume"
        case "resume":
            return replace(knobs, paused=False, flatten=False), "deciding again from the next tick"
        case "flatten":
            return replace(knobs, paused=False, flatten=True), "every position is closed at the next prices, nothing is opened until resume"
        case "retrain":
            return knobs, f"training begins with the next tick; its models serve {knobs.deployment_lag_bars} bars later"
        case _:
            raise ValueError(f"the engine has no command {command.name!r}: there are pause, resume, flatten, retrain, set signal=X")


def build_command_event(command: Command) -> Event:
    """The command as the event that is stored with the next tick."""
    return Event("command", command.name, " ".join(f"{name}={value}" for name, value in command.args))


def discard_unscorable(state: State, events: tuple[Event, ...]) -> State:
    """The state for a tick that follows a lost one: what was pending cannot be scored in time and is dropped."""
    if not any(event.kind == "tick_lost" for event in events):
        return state
    return replace(state, pending=replace(state.pending, price=np.full_like(state.pending.price, np.nan)))


def parse_signal(command: Command) -> float:
    """The X of set signal=X; raises ValueError in one line."""
    args = dict(command.args)
    try:
        signal = float(args["signal"])
    except (KeyError, ValueError):
        raise ValueError(f"set takes signal=X with X from 0 to 0.5, got {args or 'nothing'}") from None
    if not 0.0 <= signal <= 0.5:
        raise ValueError(f"set signal={signal:g} is outside 0 to 0.5")
    return signal


def signal_switches_key(session: int) -> str:
    """Under which a session's switches of the simulated signal are kept."""
    return f"signal switches of session {session}"


def peak_key(session: int) -> str:
    """Under which it is kept at which tick a session's peak was restarted last, from where and to where."""
    return f"peak restarted in session {session}"


def halt_key(session: int) -> str:
    """Under which it is kept whether a session is paused, and whether it is flattened."""
    return f"halt of session {session}"
