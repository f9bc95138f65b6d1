"""The audit trail: entries about who did what, chained by digest, and the verdict of a check of the chain."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from engine.domain.record import Record

LOCAL = "command line"  # where an entry comes from: a shell on this machine
DASHBOARD = "dashboard"
ENGINE = "engine"
KINDS = ("command", "result", "setting", "export", "retention", "log-in", "account", "token", "refusal", "import", "fault")
FIRST = ""  # stands for the digest before the first row


@dataclass(frozen=True, slots=True)
class AuditEntry(Record):
    """What somebody did, before it is a row of the trail."""

    at: int  # ns UTC
    who: str
    origin: str  # where it comes from: command line, dashboard with its address, engine
    kind: str  # one of KINDS
    subject: str  # the command, the setting or the view that it is about
    why: str = ""
    before: str | None = None  # JSON
    after: str | None = None  # JSON


@dataclass(frozen=True, slots=True)
class AuditHead:
    """The end of the trail: the number of its last row, and that row's digest, which covers every row before."""

    row: int
    digest: str

    def __str__(self) -> str:
        return f"{self.row}:{self.digest}"


@dataclass(frozen=True, slots=True)
class AuditVerdict:
    """The result of a check of the whole trail."""

    rows: int  # rows checked
    first: int | None  # number of the first row, None without rows
    head: AuditHead | None
    fault: str | None  # the first row that is changed, missing or cut off, in a sentence; None for a sound trail


def chain_digest(previous: str, row: int, entry: AuditEntry) -> str:
    """Digest a row together with the digest of the row before (SHA-256, hexadecimal)."""
    fields = [previous, row, entry.at, entry.who, entry.origin, entry.kind, entry.subject, entry.why, entry.before, entry.after]
    return hashlib.sha256(json.dumps(fields, ensure_ascii=True).encode()).hexdigest()


def parse_head(text: str) -> AuditHead:
    """Parse `ROW:DIGEST` as a report prints it; raises ValueError in one line."""
    row, colon, digest = text.strip().partition(":")
    is_number = row.isascii() and row.isdigit() and len(row) < 19
    if not (colon and is_number and len(digest) == 64 and all(sign in "0123456789abcdef" for sign in digest)):
        raise ValueError(f"{text[:90]!r} is not the head of an audit trail: give ROW:DIGEST as a daily report prints it")
    return AuditHead(int(row), digest)
