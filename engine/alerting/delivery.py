"""Delivers queued messages to their targets: each at least once, whatever happens to the target or to this process."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from threading import Event, Lock
from typing import Any, Protocol

from sqlalchemy import Connection

from engine.alerting.sender_process import Notification
from engine.domain.alerting import Delivery
from engine.domain.ports import Clock
from engine.resilience.circuit_breaker import JITTER, Backoff
from engine.service.logging import LOG
from engine.store.connection import Store
from engine.store.write import alerts

BACKOFF = Backoff(5.0, 600.0)
MAX_PAUSE = round(600.0 * (1.0 + JITTER) * 1e9)  # ns, the longest pause
BATCH_SIZE = 20  # messages to one target per turn
GIVE_UP_DAYS = 7  # before messages to a target that never answered are given up
DAY, SECOND = 86_400_000_000_000, 1_000_000_000  # ns


class Sender(Protocol):
    """Sends messages to one target; for each message None where the target accepted it, else the reason."""

    def send(self, url: str, letters: Sequence[Any]) -> list[str | None]: ...

    def stop(self) -> None: ...


class Dispatcher:
    """Sends the messages of the queue, one caller at a time. `send_due` belongs in a thread of its own, because a target may be slow."""

    def __init__(self, store: Store, targets: Mapping[str, str], sender: Sender, clock: Clock) -> None:
        """`targets`: addresses by their label in the store."""
        self._store, self._targets, self._sender, self._clock = store, targets, sender, clock
        self._stop = Event()
        self._turn = Lock()
        self.errors: dict[str, str] = {}  # by target, why it refused its last message

    def send_due(self) -> tuple[str, ...]:
        """Send all that is due; the targets that were tried.

        Raises StoreError where the queue cannot be read or written: a message whose delivery was not noted is sent again.
        """
        tried: list[str] = []
        with self._turn:
            for target, url in self._targets.items():
                if self._stop.is_set():
                    break
                with self._store.read() as connection:
                    due = alerts.find_due_deliveries(connection, target, self._clock.now(), BATCH_SIZE, MAX_PAUSE)
                if due:
                    tried.append(target)
                    self._send(target, url, due)
        return tuple(tried)

    def give_up_stale(self) -> None:
        """Give up messages whose target is no longer configured, or that have waited for a week."""
        with self._store.write() as connection:
            ended = alerts.abandon_deliveries(connection, tuple(self._targets), self._clock.now() - GIVE_UP_DAYS * DAY)
        if ended:
            LOG.warning("%s messages were given up: their target is no longer configured, or never answered", ended)

    def retry_now(self) -> str:
        """Send everything that waits at the next turn."""
        with self._store.write() as connection:
            waiting = alerts.expedite_deliveries(connection, self._clock.now())
        return f"{waiting} message{'' if waiting == 1 else 's'} tried at once"

    def compose(self, due: Sequence[Delivery]) -> Sequence[Any]:
        """What the sender is given, one for each delivery. Raises StoreError."""
        return [_letter(delivery) for delivery in due]

    def count(self, connection: Connection, target: str, accepted: int, failed: int) -> None:
        """Count what was sent, in the transaction that notes it."""

    def stop(self) -> None:
        """Send nothing more and end the sending under way."""
        self._stop.set()
        self._sender.stop()

    def _send(self, target: str, url: str, due: Sequence[Delivery]) -> None:
        errors = self._sender.send(url, self.compose(due))
        accepted = [delivery.id for delivery, error in zip(due, errors, strict=True) if error is None]
        failed = [(delivery, error) for delivery, error in zip(due, errors, strict=True) if error is not None]
        now = self._clock.now()
        with self._store.write() as connection:
            alerts.mark_sent(connection, accepted, now)
            for delivery, error in failed:
                pause = BACKOFF.delay(delivery.tries + 1, zlib.crc32(target.encode()))
                alerts.postpone_deliveries(connection, (delivery.id,), now + round(pause * SECOND), error)
            self.count(connection, target, len(accepted), len(failed))
        if failed:
            self.errors[target] = failed[-1][1]
            LOG.warning("%s accepted %s of %s messages: %s", target, len(accepted), len(due), failed[-1][1])
        else:
            self.errors.pop(target, None)


def _letter(delivery: Delivery) -> Notification:
    title, _, body = delivery.message.partition("\n")
    return Notification(title, body or title, "resolved" if delivery.kind == "resolved" else delivery.severity)
