"""backup: a verified copy of the store, even while the engine runs."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path
from types import FrameType

from engine import units
from engine.cli._arguments import Subcommand, add_store_option, resolve_store_url
from engine.cli._exports import record_export


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the copy; it must not exist yet")
    add_store_option(parser)


def _run(options: argparse.Namespace) -> int:
    from engine.store.backup import back_up_store

    url = resolve_store_url(options)
    record_export(url, "backup", {"file": str(options.file)}, options)
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        copied = back_up_store(url, options.file)
    finally:
        signal.signal(signal.SIGTERM, before)
    print(
        f"copied to {options.file}: {copied.tables} tables, {copied.rows:,} rows, {units.format_bytes(copied.bytes)}; sound, and every table is equal"
    )
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End as Ctrl-C does, so that no partial file is left."""
    raise KeyboardInterrupt


COMMAND = Subcommand("backup", "make a verified copy of the store, even while the engine runs; nothing is overwritten", _add, _run)
