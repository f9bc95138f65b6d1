"""Sends decisions and alerts to webhooks: each event at least once, by the queue and the dispatcher of alerts, and never inside a tick."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock

import orjson
from sqlalchemy import Connection

from engine.alerting.delivery import Dispatcher, Sender
from engine.domain.alerting import Delivery
from engine.domain.ports import Clock
from engine.domain.webhooks import TARGET, Webhook, WebhookMessage
from engine.service.logging import LOG
from engine.store.connection import Store
from engine.store.read.events import read_event
from engine.store.read.reader import Reader
from engine.store.write import counters, webhook_queue

GIVE_UP_HOURS = 24  # before an event becomes a dead letter: a bot must not act on yesterday's decisions unasked
LASTING_SECONDS = 30.0  # that a webhook must refuse without a break before its component is degraded
HOUR = 3_600 * 10**9  # ns


class WebhookDispatcher(Dispatcher):
    """Sends the events of one webhook."""

    def __init__(self, webhook: Webhook, store: Store, reader: Reader, sender: Sender, clock: Clock, store_id: str) -> None:
        super().__init__(store, {webhook.target: webhook.url}, sender, clock)
        self._reader, self._store_id = reader, store_id

    def compose(self, due: Sequence[Delivery]) -> Sequence[WebhookMessage]:
        """The bodies, made from what is stored: the same at every try, but for the message of an alert."""
        with self._reader.reading() as connection:
            return [compose_message(connection, self._store_id, int(delivery.event or 0)) for delivery in due]

    def count(self, connection: Connection, target: str, accepted: int, failed: int) -> None:
        """Count tries by webhook and result."""
        rows = [("webhooks", target.removeprefix(TARGET), result, n) for result, n in (("accepted", accepted), ("failed", failed)) if n]
        counters.add_counts(connection, rows)


@dataclass(eq=False)
class WebhookService:
    """The webhooks of one engine. `run` belongs in a job of its own and does not wait for a receiver."""

    webhooks: tuple[Webhook, ...]
    store: Store
    database_url: str
    clock: Clock
    make_sender: Callable[[Webhook], Sender]
    _positions: dict[str, int] = field(default_factory=dict)  # by target, the last event that was queued
    _dispatchers: dict[str, WebhookDispatcher] = field(default_factory=dict)
    _sending: dict[str, Future[tuple[str, ...]]] = field(default_factory=dict)
    _failing: dict[str, float] = field(default_factory=dict)  # by target, since when (s, monotonic)
    _submitting: Lock = field(default_factory=Lock)
    _is_stopped: bool = False
    _tried: set[str] = field(default_factory=set)  # targets, since they were taken

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(max(1, len(self.webhooks)), thread_name_prefix="webhook")
        self._reader = Reader(self.database_url, busy_ms=1_000)

    def run(self) -> None:
        """Queue what is new, and let each webhook send that does not send already. Raises StoreError; the next call repeats what failed."""
        if not self._dispatchers:
            self._start()
        with self.store.read() as connection:
            newest = webhook_queue.find_newest_event(connection)
        behind = [webhook for webhook in self.webhooks if self._positions[webhook.target] < newest]
        if behind:
            with self.store.write() as connection:
                now = self.clock.now()
                reached = {
                    webhook.target: webhook_queue.queue_events(connection, webhook.target, webhook.events, self._positions[webhook.target], now)
                    for webhook in behind
                }
            self._positions |= reached
        for target in self._dispatchers:
            self._send(target)

    def give_up(self) -> None:
        """Make dead letters of what is too old, and delete what is older still."""
        now = self.clock.now()
        with self.store.write() as connection:
            dead = sum(webhook_queue.give_up_events(connection, webhook.target, now - GIVE_UP_HOURS * HOUR) for webhook in self.webhooks)
            webhook_queue.give_up_others(connection, [webhook.target for webhook in self.webhooks])
            webhook_queue.prune_events(connection, now)
        if dead:
            LOG.warning("%s events for webhooks are dead letters now: Alerts shows them", dead)

    def take_troubles(self) -> dict[str, str | None]:
        """By target that was tried since the last call, why it refused its last event; None where it accepted it."""
        tried, self._tried = self._tried, set()
        return {target: self._dispatchers[target].errors.get(target) for target in sorted(tried)}

    def find_lasting_error(self) -> str | None:
        """The webhooks that have refused events for a while, with their reasons.

        Not at once: the alert about it is an event too, and a receiver that refuses now and then would be sent more of them than of anything else.
        """
        now = self.clock.tick()
        errors = {target: why for dispatcher in self._dispatchers.values() for target, why in tuple(dispatcher.errors.items())}
        self._failing = {target: self._failing.get(target, now) for target in errors}
        parts = [
            why if why.startswith(target) else f"{target}: {why}" for target, why in errors.items() if now - self._failing[target] >= LASTING_SECONDS
        ]
        return "; ".join(parts) or None

    def _send(self, target: str) -> None:
        """Let a webhook send what is due, unless it sends already; raises what its last sending failed by."""
        with self._submitting:
            under_way = self._sending.get(target)
            if self._is_stopped or (under_way is not None and not under_way.done()):
                return
            self._sending[target] = self._pool.submit(self._dispatchers[target].send_due)
        if under_way is not None:
            self._tried.update(under_way.result())

    def stop(self) -> None:
        """Send nothing more and end what is under way."""
        with self._submitting:
            self._is_stopped = True
        for dispatcher in self._dispatchers.values():
            dispatcher.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> None:
        with self.store.write() as connection:
            store_id = webhook_queue.read_store_id(connection)
            self._positions = webhook_queue.sync_positions(connection, [webhook.target for webhook in self.webhooks])
        self._dispatchers = {
            webhook.target: WebhookDispatcher(webhook, self.store, self._reader, self.make_sender(webhook), self.clock, store_id)
            for webhook in self.webhooks
        }


def compose_message(connection: Connection, store_id: str, number: int) -> WebhookMessage:
    """The message about an event, as Standard Webhooks has it: type, timestamp and data."""
    name = f"evt_{store_id}_{number}"
    event = read_event(connection, number)
    if event is None or event.data is None:
        return WebhookMessage(name, None)
    at = datetime.fromtimestamp(event.at // 10**9, UTC).isoformat().replace("+00:00", "Z")
    return WebhookMessage(name, orjson.dumps({"type": f"{event.kind}.{event.state}", "timestamp": at, "data": event.data}).decode())
