"""Takes messages out of the queue to their targets: each at least once, whatever happens to the target or to this process."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from threading import Event, Lock
from typing import Protocol

from sqlalchemy import Connection

from engine.alerting.sender_process import Notification
from engine.domain.alerting import Delivery
from engine.domain.ports import Clock
from engine.resilience.circuit_breaker import JITTER, Backoff
from engine.service.logging import LOG
from engine.store.write import alerts

BACKOFF = Backoff(5.0, 600.0)
MAX_PAUSE = round(600.0 * (1.0 + JITTER) * 1e9)  # ns, the longest pause there is
BATCH_SIZE = 20  # messages to one target
GIVE_UP_DAYS = 7  # after which a target that never answered is given up
DAY, SECOND = 86_400_000_000_000, 1_000_000_000  # ns


class DeliveryTransactions(Protocol):
    def read(self) -> AbstractContextManager[Connection]: ...

    def write(self) -> AbstractContextManager[Connection]: ...


class Sender(Protocol):
    """Sends to one target; for each message None where it was taken, else why not."""

    def send(self, url: str, letters: Sequence[Notification]) -> list[str | None]: ...

    def stop(self) -> None: ...


class Dispatcher:
    """The queue's one servant, whoever calls it. `work` belongs in a thread of its own: a target may be slow."""

    def __init__(self, ledger: DeliveryTransactions, targets: Mapping[str, str], sender: Sender, clock: Clock) -> None:
        """`targets`: addresses by what stands for them in the store."""
        self._ledger, self._targets, self._sender, self._clock = ledger, targets, sender, clock
        self._stop = Event()
        self._turn = Lock()
        self.errors: dict[str, str] = {}  # why a target did not take its last message

    def send_due(self) -> tuple[str, ...]:
        """Sends all that is due, and says which targets were tried.

        Raises StoreFailed where the queue cannot be read or what was sent not be noted: it is then sent again.
        """
        tried: list[str] = []
        with self._turn:
            for target, url in self._targets.items():
                if self._stop.is_set():
                    break
                with self._ledger.read() as connection:
                    mine = alerts.find_due_deliveries(connection, target, self._clock.now(), BATCH_SIZE, MAX_PAUSE)
                if mine:
                    tried.append(target)
                    self._send(target, url, mine)
        return tuple(tried)

    def give_up_stale(self) -> None:
        """Gives up what waits for a target that is set no more, or has waited for a week."""
        with self._ledger.write() as connection:
            ended = alerts.abandon_deliveries(connection, tuple(self._targets), self._clock.now() - GIVE_UP_DAYS * DAY)
        if ended:
            LOG.warning("%s messages were given up: their target is set no more, or never answered", ended)

    def retry_now(self) -> str:
        """Everything that waits is tried at the next turn."""
        with self._ledger.write() as connection:
            waiting = alerts.expedite_deliveries(connection, self._clock.now())
        return f"{waiting} message{'' if waiting == 1 else 's'} tried at once"

    def stop(self) -> None:
        self._stop.set()
        self._sender.stop()

    def _send(self, target: str, url: str, mine: Sequence[Delivery]) -> None:
        answers = self._sender.send(url, [_letter(one) for one in mine])
        taken = [one.id for one, error in zip(mine, answers, strict=True) if error is None]
        failed = [(one, error) for one, error in zip(mine, answers, strict=True) if error is not None]
        now = self._clock.now()
        with self._ledger.write() as connection:
            alerts.mark_sent(connection, taken, now)
            for one, error in failed:
                pause = BACKOFF.delay(one.tries + 1, zlib.crc32(target.encode()))
                alerts.postpone_deliveries(connection, (one.id,), now + round(pause * SECOND), error)
        if failed:
            self.errors[target] = failed[-1][1]
            LOG.warning("%s took %s of %s messages: %s", target, len(taken), len(mine), failed[-1][1])
        else:
            self.errors.pop(target, None)


def _letter(one: Delivery) -> Notification:
    title, _, body = one.message.partition("\n")
    return Notification(title, body or title, "resolved" if one.kind == "resolved" else one.severity)
