"""record: writes the configured feed as a recording; the name is kept for a later stage."""

from __future__ import annotations

from engine.cli._frame import later

COMMAND = later("record", "writes the configured feed as a recording")
