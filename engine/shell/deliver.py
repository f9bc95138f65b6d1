"""Takes messages out of the queue to their targets: each at least once, whatever happens to the target or to this process."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from threading import Event, Lock
from typing import Protocol

from engine.domain.alerting import Delivery
from engine.domain.ports import Clock
from engine.shell.circuits import JITTER, Backoff
from engine.shell.courier import Letter
from engine.shell.logs import LOG
from engine.store import alert_rows
from engine.store.store import Store

BACKOFF = Backoff(5.0, 600.0)
LONGEST = round(600.0 * (1.0 + JITTER) * 1e9)  # ns, the longest pause there is
AT_ONCE = 20  # messages to one target
DAYS = 7  # after which a target that never answered is given up
DAY, SECOND = 86_400_000_000_000, 1_000_000_000  # ns


class Sender(Protocol):
    """Sends to one target; for each message None where it was taken, else why not."""

    def send(self, url: str, letters: Sequence[Letter]) -> list[str | None]: ...

    def leave(self) -> None: ...


class Deliveries:
    """The queue's one servant, whoever calls it. `work` belongs in a thread of its own: a target may be slow."""

    def __init__(self, store: Store, targets: Mapping[str, str], sender: Sender, clock: Clock) -> None:
        """`targets`: addresses by what stands for them in the store."""
        self._store, self._targets, self._sender, self._clock = store, targets, sender, clock
        self._stop = Event()
        self._turn = Lock()
        self.trouble: dict[str, str] = {}  # why a target did not take its last message

    def work(self) -> tuple[str, ...]:
        """Sends all that is due, and says which targets were tried.

        Raises StoreFailed where the queue cannot be read or what was sent not be noted: it is then sent again.
        """
        tried: list[str] = []
        with self._turn:
            for target, url in self._targets.items():
                if self._stop.is_set():
                    break
                with self._store.read() as connection:
                    mine = alert_rows.due(connection, target, self._clock.now(), AT_ONCE, LONGEST)
                if mine:
                    tried.append(target)
                    self._send(target, url, mine)
        return tuple(tried)

    def sweep(self) -> None:
        """Gives up what waits for a target that is set no more, or has waited for a week."""
        with self._store.write() as connection:
            ended = alert_rows.give_up(connection, tuple(self._targets), self._clock.now() - DAYS * DAY)
        if ended:
            LOG.warning("%s messages were given up: their target is set no more, or never answered", ended)

    def hurry(self) -> str:
        """Everything that waits is tried at the next turn."""
        with self._store.write() as connection:
            waiting = alert_rows.hurry(connection, self._clock.now())
        return f"{waiting} message{'' if waiting == 1 else 's'} tried at once"

    def leave(self) -> None:
        self._stop.set()
        self._sender.leave()

    def _send(self, target: str, url: str, mine: Sequence[Delivery]) -> None:
        answers = self._sender.send(url, [_letter(one) for one in mine])
        taken = [one.id for one, error in zip(mine, answers, strict=True) if error is None]
        failed = [(one, error) for one, error in zip(mine, answers, strict=True) if error is not None]
        now = self._clock.now()
        with self._store.write() as connection:
            alert_rows.sent(connection, taken, now)
            for one, error in failed:
                pause = BACKOFF.pause(one.tries + 1, zlib.crc32(target.encode()))
                alert_rows.put_off(connection, (one.id,), now + round(pause * SECOND), error)
        if failed:
            self.trouble[target] = failed[-1][1]
            LOG.warning("%s took %s of %s messages: %s", target, len(taken), len(mine), failed[-1][1])
        else:
            self.trouble.pop(target, None)


def _letter(one: Delivery) -> Letter:
    title, _, body = one.message.partition("\n")
    return Letter(title, body or title, "resolved" if one.kind == "resolved" else one.severity)
