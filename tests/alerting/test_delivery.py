"""Messages reach a real receiver over HTTP at least once and complete, whatever it does, and addresses are shown nowhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from engine.alerting.delivery import BACKOFF, DAY, GIVE_UP_DAYS, MAX_PAUSE, Dispatcher
from engine.alerting.sender_process import Notification, SenderProcess
from engine.domain.alerting import AlertMessage
from engine.store.connection import Store
from engine.store.errors import StoreError
from engine.store.write import alerts
from tests.makers import StoppedClock
from tests.store.made import empty

HOSTILE = "<script>alert('x')</script> \N{SNOWMAN} {{7*7}} %s %n \u202e \"quoted\" \\ ; DROP TABLE alerts; --"
SECRET = "s3cr3t-token"
TEXT = "Podium critical: no decision\nno decision for 3 paces"


@dataclass
class Receiver:
    """A real one on this machine."""

    port: int = 0
    answer: int = 200
    hang: Event | None = None  # until it is set nothing is answered
    got: list[dict[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/{SECRET}"


@contextmanager
def receiver(webhook: Receiver) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if webhook.hang is not None:
                webhook.hang.wait(30.0)
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if webhook.answer == 200:
                webhook.got.append(body)
            self.send_response(webhook.answer)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", webhook.port), Handler) as server, ThreadPoolExecutor(1) as beside:
        webhook.port = server.server_port
        serving = beside.submit(server.serve_forever, 0.05)
        try:
            yield webhook
        finally:
            if webhook.hang is not None:
                webhook.hang.set()
            server.shutdown()
            serving.result()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(empty(tmp_path), None)
    yield made
    made.close()


def queued(
    store: Store, clock: StoppedClock, *numbers: int, target: str = "t", text: str = "Podium critical: no decision\nno decision for 3 paces"
) -> None:
    with store.write() as connection:
        for number in numbers:
            alerts.queue_message(connection, AlertMessage((number,), "opened", text), (target,), clock.now())


def state(store: Store) -> list[tuple[Any, ...]]:
    with store.read() as connection:
        return [tuple(row) for row in connection.exec_driver_sql("SELECT status, tries, error FROM deliveries ORDER BY id")]


def test_a_receiver_that_is_down_then_up_gets_every_message_once(store: Store) -> None:
    clock, webhook = StoppedClock(), Receiver()
    with receiver(webhook):
        pass  # its port is free again
    queued(store, clock, 1, 2)
    queued(store, clock, 1)  # the same again
    first = Dispatcher(store, {"t": webhook.url}, SenderProcess(timeout=300.0), clock)
    first.send_due()
    assert [(status, tries) for status, tries, _ in state(store)] == [("waiting", 1), ("waiting", 1)]
    assert first.errors["t"]
    assert all(SECRET not in str(row) for row in state(store))
    first.send_due()
    assert [tries for _, tries, _ in state(store)] == [1, 1]  # not before its time
    clock.seconds += BACKOFF.initial_seconds * 2
    again = Dispatcher(store, {"t": webhook.url}, SenderProcess(timeout=300.0), clock)  # as after a restart
    with receiver(webhook):
        again.send_due()
        clock.seconds += 600.0
        again.send_due()
    assert [(status, tries, error) for status, tries, error in state(store)] == [("sent", 2, None)] * 2
    assert [body["title"] for body in webhook.got] == ["Podium critical: no decision"] * 2
    assert again.errors == {}
    queued(store, clock, 1, 2)  # what was sent is not queued again
    assert [status for status, *_ in state(store)] == ["sent"] * 2


def test_an_answer_of_500_is_no_delivery_and_words_arrive_as_they_are(store: Store) -> None:
    clock, webhook = StoppedClock(), Receiver(answer=500)
    queued(store, clock, 1, text=f"Podium warning: odd\n{HOSTILE}")
    with receiver(webhook):
        dispatcher = Dispatcher(store, {"t": webhook.url}, SenderProcess(timeout=300.0), clock)
        dispatcher.send_due()
        ((status, tries, error),) = state(store)
        assert (status, tries) == ("waiting", 1)
        assert "500" in error
        assert SECRET not in error
        webhook.answer = 200
        assert dispatcher.retry_now() == "1 message tried at once"
        dispatcher.send_due()
    (body,) = webhook.got
    assert body["message"] == HOSTILE
    assert state(store)[0][0] == "sent"


def test_a_receiver_that_hangs_is_given_up_for_now_and_ended(store: Store) -> None:
    clock, webhook = StoppedClock(), Receiver(hang=Event())
    queued(store, clock, 1)
    with receiver(webhook):
        Dispatcher(store, {"t": webhook.url}, SenderProcess(timeout=1.5), clock).send_due()
    assert state(store) == [("waiting", 1, "no answer within 1.5 s")]


def test_an_address_that_apprise_does_not_know_is_told_without_being_shown() -> None:
    (error,) = SenderProcess(timeout=300.0).send(f"nosuch://{SECRET}/x", [Notification("a", "b", "info")])
    assert error == "Apprise knows no such address"


def test_what_is_ended_by_a_stop_is_sent_again() -> None:
    courier = SenderProcess(timeout=300.0)
    courier.stop()
    assert courier.send("json://127.0.0.1:1/x", [Notification("a", "b", "info")] * 2) == ["the engine stops"] * 2


class Slow:
    """Keeps what it was given, and fails as it is told."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.error: str | None = None

    def send(self, url: str, letters: Sequence[Notification]) -> list[str | None]:
        self.sent += [letter.title for letter in letters]
        return [self.error] * len(letters)

    def stop(self) -> None:
        self.error = "left"


def test_pauses_grow_up_to_their_limit_and_one_target_does_not_hold_up_another(store: Store) -> None:
    clock, sender = StoppedClock(), Slow()
    queued(store, clock, 1, target="bad")
    dispatcher = Dispatcher(store, {"bad": "a://b"}, sender, clock)
    sender.error = "refused"
    tries = []
    for second in range(0, 7_200, 5):
        clock.seconds = float(second)
        before = len(sender.sent)
        dispatcher.send_due()
        tries += [second] if len(sender.sent) > before else []
    assert 10 < len(tries) < 25
    assert max(after - before for before, after in pairwise(tries)) <= BACKOFF.max_seconds * 1.2 + 5
    other = Dispatcher(store, {"bad": "a://b", "good": "c://d"}, Slow(), clock)
    queued(store, clock, 2, target="good")
    other.send_due()
    assert state(store)[1][0] == "sent"


def test_what_was_sent_but_could_not_be_noted_is_sent_again_and_never_lost(store: Store) -> None:
    clock, sender = StoppedClock(), Slow()
    queued(store, clock, 1)

    class Broken:
        broken = True
        read = store.read

        def write(self) -> Any:
            if self.broken:
                raise StoreError("locked")
            return store.write()

    failing = Broken()
    dispatcher = Dispatcher(failing, {"t": "a://b"}, sender, clock)  # type: ignore[arg-type]
    with pytest.raises(StoreError):
        dispatcher.send_due()
    failing.broken = False
    dispatcher.send_due()
    assert len(sender.sent) == 2
    assert state(store)[0][0] == "sent"


def test_what_waits_for_a_target_that_is_set_no_more_or_for_a_week_is_given_up(store: Store) -> None:
    clock = StoppedClock()
    queued(store, clock, 1, target="gone")
    queued(store, clock, 1, target="t")
    dispatcher = Dispatcher(store, {"t": "a://b"}, Slow(), clock)
    dispatcher.give_up_stale()
    assert [status for status, *_ in state(store)] == ["failed", "waiting"]
    clock.seconds += GIVE_UP_DAYS * DAY / 1e9 + 1
    dispatcher.give_up_stale()
    assert [status for status, *_ in state(store)] == ["failed", "failed"]


def test_a_message_that_was_put_off_by_a_clock_that_ran_ahead_is_not_kept_back(store: Store) -> None:
    clock = StoppedClock()
    queued(store, clock, 1, 2, 3)
    with store.write() as connection:
        alerts.postpone_deliveries(connection, [1], clock.now() + 4 * 3_600 * 10**9, "refused")
        alerts.postpone_deliveries(connection, [2], clock.now() + MAX_PAUSE, "refused")
        due = alerts.find_due_deliveries(connection, "t", clock.now(), 20, MAX_PAUSE)
    assert [delivery.id for delivery in due] == [3, 1]
