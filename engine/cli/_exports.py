"""Enters exports in the audit trail before their first byte is written: who took what out of the store."""

from __future__ import annotations

import argparse
import getpass

from engine.cli._arguments import print_notice
from engine.domain.audit import LOCAL, AuditEntry
from engine.service.clock import WallClock
from engine.store.connection import Store, driver_connection
from engine.store.errors import StoreError
from engine.store.write.audit import append_entry, to_audit_text

BUSY_MS = 2_000  # that an export waits for a locked store


def find_user() -> str:
    """The name of the person at this terminal, as the system knows it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def add_sender_options(parser: argparse.ArgumentParser) -> None:
    """Add the flags by which the dashboard says for whom it starts this process."""
    parser.add_argument("--by", metavar="WHO", help=argparse.SUPPRESS)
    parser.add_argument("--origin", metavar="WHERE", help=argparse.SUPPRESS)


def record_export(url: str, subject: str, details: dict[str, object], options: argparse.Namespace) -> None:
    """Enter an export in the trail of the store that it is taken from.

    Where the trail cannot be written, a person at this terminal is given a notice and the export: they could copy the file. An export for somebody
    on the dashboard raises StoreError instead.
    """
    by, origin = getattr(options, "by", None), getattr(options, "origin", None)
    given = {name: value for name, value in details.items() if value is not None}
    entry = AuditEntry(WallClock().now(), by or find_user(), origin or LOCAL, "export", subject, after=to_audit_text(given))
    try:
        store = Store(url, None, busy_ms=BUSY_MS)
        try:
            with store.write(fenced=False) as connection:
                append_entry(driver_connection(connection), entry)
        finally:
            store.close()
    except StoreError as error:
        if origin is not None:
            raise StoreError(f"nothing was exported, because it cannot be entered in the audit trail: {error}") from error
        print_notice(f"podium: this export is not in the audit trail: {error}")
