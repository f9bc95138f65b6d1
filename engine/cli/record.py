"""record: writes the configured feed as a recording; the name is kept for a later stage."""

from __future__ import annotations

from engine.cli._arguments import reserve_subcommand

COMMAND = reserve_subcommand("record", "writes the configured feed as a recording")
