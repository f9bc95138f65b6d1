"""The settings that only the push feed has: the terms of its symbols, and how long a bar waits for those of other symbols."""

from __future__ import annotations

import json
from typing import Any

from engine.feeds._push_terms import MINUTE, read_push_terms
from engine.feeds._recording_folder import BadRecording
from engine.settings import SettingsError

SETTLE_MS = 10_000.0  # that a bar waits for those of other symbols, or half its length where that is shorter


def read_push_table(name: str, value: object) -> dict[str, Any]:
    """Read the table [push] of podium.toml, whose terms are checked once the symbols are known. Raises SettingsError."""
    if not isinstance(value, dict):
        raise SettingsError(f"{name} must be a table: write [push.symbols.NAME] and a line for each rule")
    return {"push_terms": json.dumps(value, default=str)}


def complete_push_settings(values: dict[str, Any]) -> None:
    """Check the settings of this feed and add its defaults. Raises SettingsError."""
    if not values.get("symbols"):
        raise SettingsError("the push feed needs symbols: give --symbols A,B or set PODIUM_SYMBOLS")
    try:
        read_push_terms(json.loads(values.get("push_terms", "{}")), values["symbols"])
    except BadRecording as error:
        raise SettingsError(str(error)) from None
    if values.get("push_data", "bars").startswith("bars"):
        values.setdefault("settle_ms", min(SETTLE_MS, (values.get("interval") or MINUTE) / 2e6))
