"""What the engine has certified in idle time: the totals of the session, and the result by file of a feature family or a model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import orjson

from engine.store.read.reader import Reader, fetch_all

CERTIFIED_KEY = "certified in idle time"
UNCHECKED, CLEAN, AHEAD = "unchecked", "clean", "ahead"


@dataclass(frozen=True, slots=True)
class CertifiedFile:
    """The result for one file with this content."""

    part: str
    digest: str
    name: str  # of the family or the model
    state: str = UNCHECKED  # CLEAN, AHEAD
    decisions: int = 0  # in which it took part
    detail: str = ""  # where it looked ahead: phase and column


@dataclass(frozen=True, slots=True)
class IdleCertificate:
    """The totals of one session with the same files."""

    session: int
    code: str  # digest of all files
    checks: int = 0
    decisions: int = 0
    changed: int = 0
    checked_at: int | None = None  # ns UTC; None before the first check
    first: str | None = None  # the first part that moved; None where none did
    note: str | None = None  # why nothing was checked last time
    source: str = ""
    is_on: bool = True
    files: tuple[CertifiedFile, ...] = ()

    def encode(self) -> str:
        """Encode as JSON."""
        return orjson.dumps(asdict(self)).decode()


def decode_certificate(text: str | None) -> IdleCertificate | None:
    """Decode JSON; None without it, or where another version wrote it."""
    try:
        values: dict[str, Any] = orjson.loads(text or "null")
        return IdleCertificate(**values | {"files": tuple(CertifiedFile(**file) for file in values["files"])})
    except (ValueError, TypeError, KeyError):
        return None


def read_idle_certificate(reader: Reader) -> IdleCertificate | None:
    """Read the totals of the newest engine; None before its first start."""
    with reader.reading() as connection:
        rows = fetch_all(connection, "SELECT value FROM meta WHERE key = :key", key=CERTIFIED_KEY)
    return decode_certificate(str(rows[0]["value"])) if rows else None
