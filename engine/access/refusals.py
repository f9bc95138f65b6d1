"""Refusals of the guard in the audit trail, as few of them as failed log-ins."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock

from engine.access.login_tries import MAX_ENTERED
from engine.domain.access import Visitor
from engine.domain.audit import AuditEntry
from engine.domain.texts import on_one_line, shorten
from engine.store.connection import Store, driver_connection
from engine.store.write.audit import MINUTE, append_limited, to_audit_text

REFUSAL, SUBJECT = "refusal", "request"  # kind and subject of the entries: of fixed words, so that nobody fills the trail by varying the path
NOBODY, FALSE_TOKEN = "nobody", "false token"
MOST_NAMES = 1_000  # that are counted at the same time


@dataclass(eq=False)
class RefusalLog:
    """Enters who was refused what, at most five times a minute for each name; the rest costs the store nothing. Raises StoreError."""

    store: Store
    _lock: Lock = field(default_factory=Lock, init=False)
    _minute: int = field(default=-1, init=False)
    _counts: dict[str, int] = field(default_factory=dict, init=False)  # of this minute, by name

    def enter(self, visitor: Visitor | None, *, sent_token: bool, address: str, request: str, reason: str, now: int) -> None:
        """Enter a refusal; `request` is method and path, `reason` is what the visitor was answered."""
        who = visitor.name if visitor is not None else FALSE_TOKEN if sent_token else NOBODY
        if not self._take(who, now):
            return
        after = to_audit_text({"request": on_one_line(shorten(request))})
        with self.store.write(fenced=False) as connection:
            append_limited(driver_connection(connection), AuditEntry(now, who, address, REFUSAL, SUBJECT, reason, after=after), MAX_ENTERED)

    def _take(self, who: str, now: int) -> bool:
        with self._lock:
            if now // MINUTE != self._minute:
                self._minute, self._counts = now // MINUTE, {}
            count = self._counts.get(who, 0)
            if count >= MAX_ENTERED or (count == 0 and len(self._counts) >= MOST_NAMES):
                return False
            self._counts[who] = count + 1
            return True
