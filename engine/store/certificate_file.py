"""The newest certificate of no look-ahead, stored beside the backtests."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from engine.files import owned_folders, private_files
from engine.files.owned_folders import BACKTESTS

CERTIFICATE_FILE = "certificate.json"
MAX_CERTIFICATE_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class StoredCertificate:
    """A certificate as it is shown."""

    recording: str
    ticks: int
    decisions: int
    changed: int
    part: str | None  # the first file that looked ahead; None where none did
    certified_at: int  # ns UTC


def save_certificate(folder: Path, certificate: dict[str, object], now: int) -> None:
    """Store a certificate in place of the one before; raises OSError or FolderTaken."""
    owned_folders.claim_folder(folder, BACKTESTS)
    draft = (folder / CERTIFICATE_FILE).with_suffix(".draft")
    draft.unlink(missing_ok=True)  # of a run that was killed
    try:
        with os.fdopen(private_files.create_private_file(draft), "wb") as file:
            file.write(orjson.dumps(certificate | {"certified_at": now}))
        draft.replace(folder / CERTIFICATE_FILE)
    finally:
        draft.unlink(missing_ok=True)


def read_certificate(folder: Path) -> StoredCertificate | None:
    """Read the newest certificate; None where there is none, or one that cannot be read."""
    try:
        with (folder / CERTIFICATE_FILE).open("rb") as file:
            row: dict[str, Any] = orjson.loads(file.read(MAX_CERTIFICATE_BYTES))
        first = row["first"]
        return StoredCertificate(
            str(row["recording"]), len(row["ticks"]), int(row["decisions"]), int(row["changed"]), None if first is None else str(first["part"]),
            int(row["certified_at"]),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError):
        return None
