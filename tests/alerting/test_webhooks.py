"""Webhooks on loopback: signed as the library verifies, at least once with one id, whatever the receiver or a kill does, and never inside a tick."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from standardwebhooks import Webhook as Signer
from standardwebhooks import WebhookVerificationError

from engine.alerting.evaluator import AlertEvaluator
from engine.alerting.webhook_process import WebhookSender
from engine.alerting.webhooks import GIVE_UP_HOURS, HOUR, LASTING_SECONDS, WebhookService
from engine.cli.doctor import _webhook_queues, _webhook_secrets
from engine.domain.alerting import AlertInputs
from engine.domain.webhooks import Webhook
from engine.settings import Settings
from engine.store.connection import Store
from engine.store.database import path_from_url
from engine.store.errors import StoreError
from engine.store.read.metrics import read_metrics
from engine.store.read.reader import Reader
from engine.store.read.webhooks import read_webhooks
from engine.store.write import webhook_queue
from engine.store.write.writer import Writer
from tests.makers import StoppedClock
from tests.store import made

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"
PATIENCE = 120.0  # s, never waited for when all is well


@dataclass
class Receiver:
    """A program of somebody, on this machine."""

    port: int = 0
    answer: int = 200
    hang: Event | None = None  # until it is set nothing is answered
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.posts]

    @property
    def types(self) -> list[str]:
        return [json.loads(body)["type"] for _, body in self.posts]


@contextmanager
def listening(receiver: Receiver, port: int = 0) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.posts.append(({name.lower(): value for name, value in self.headers.items()}, body))
            if receiver.hang is not None:
                receiver.hang.wait(PATIENCE)
            self.send_response(receiver.answer)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    receiver.port = server.server_address[1]
    with ThreadPoolExecutor(1) as thread:
        thread.submit(server.serve_forever, 0.05)
        try:
            yield receiver
        finally:
            if receiver.hang is not None:
                receiver.hang.set()
            server.shutdown()
            server.server_close()


@dataclass
class Parts:
    """A store and webhooks that are sent its events, with a clock that stands still until it is moved."""

    url: str
    clock: StoppedClock
    services: list[WebhookService] = field(default_factory=list)

    def start(self, *webhooks: Webhook, secret: str = SECRET) -> WebhookService:
        store = Store(self.url, None)
        service = WebhookService(webhooks, store, self.url, self.clock, lambda webhook: WebhookSender(lambda: secret))
        self.services.append(service)
        service.run()
        return service

    def alert(self, *names: str) -> None:
        with closing(Writer(self.url)) as writer:
            for name in names:
                writer.raise_alert(name, "warning", f"{name} is wrong", self.clock.now())

    def ask(self, sql: str) -> list[Any]:
        with closing(sqlite3.connect(path_from_url(self.url))) as store:
            return store.execute(sql).fetchall()

    def skip(self, seconds: float) -> None:
        self.clock.seconds += seconds


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    parts = Parts(made.empty(tmp_path), StoppedClock())
    yield parts
    for service in parts.services:
        service.stop()
        service.store.close()


def hook(receiver: Receiver, name: str = "bot", events: tuple[str, ...] = ("decisions", "alerts")) -> Webhook:
    return Webhook(name, f"http://127.0.0.1:{receiver.port}/in?token=hidden-token", "secret_env", "BOT_SECRET", events)


def send(service: WebhookService, *, patience: float = PATIENCE) -> None:
    """Queues what is new, and waits until every webhook has tried what is due."""
    service.run()
    for future in service._sending.values():
        future.result(patience)
    service.run()
    for future in service._sending.values():
        future.result(patience)


def test_an_event_arrives_signed_as_the_library_verifies(parts: Parts) -> None:
    with listening(Receiver()) as receiver:
        service = parts.start(hook(receiver))
        parts.alert("data stale")
        send(service)
        ((headers, body),) = receiver.posts
        content = Signer(SECRET).verify(body, headers)
        assert (content["type"], content["data"]["rule"], content["data"]["event"]) == ("alerts.opened", "data stale", "opened")
        with pytest.raises(WebhookVerificationError):
            Signer("whsec_" + "A" * 40).verify(body, headers)
        with pytest.raises(WebhookVerificationError):
            Signer(SECRET).verify(body + b" ", headers)
        assert parts.ask("SELECT status, tries FROM deliveries") == [("sent", 1)]


def test_decisions_come_with_intent_target_and_gates_and_nothing_of_the_warm_up(parts: Parts) -> None:
    market = made.Market()
    with listening(Receiver()) as receiver:
        service = parts.start(hook(receiver))
        with closing(Writer(parts.url)) as writer:
            made.begin(writer, market)
            for tick in market.ticks(4):
                writer.save(replace(tick, is_warmup=tick.inputs.tick < 2))
        send(service)
        contents = [json.loads(body) for _, body in receiver.posts]
        assert [content["data"]["tick"] for content in contents] == [2, 3]
        decision = contents[0]["data"]["decisions"][0]
        assert {"symbol", "intent", "target", "position", "binding_gate", "confidence", "edge_bps"} <= set(decision)
        assert {"gate", "value", "threshold", "passed"} == set(decision["gates"][0])
        assert len(decision["gates"]) == 18


def test_a_webhook_is_sent_the_kinds_that_it_asks_for_from_its_first_start_on(parts: Parts) -> None:
    parts.alert("before")
    with listening(Receiver()) as receiver, listening(Receiver()) as other:
        service = parts.start(hook(receiver, events=("trials",)), hook(other, "other", ("alerts",)))
        parts.alert("after")
        with closing(Writer(parts.url)) as writer:
            writer.save_trial(made.trial(verdict="helped"))
        send(service)
        assert (receiver.types, other.types) == (["trials.judged"], ["alerts.opened"])
        assert json.loads(other.posts[0][1])["data"]["rule"] == "after"
        service.stop()
        parts.alert("while it is down")
        again = parts.start(hook(receiver, events=("trials",)), hook(other, "other", ("alerts",)))
        send(again)
        assert [json.loads(body)["data"]["rule"] for _, body in other.posts] == ["after", "while it is down"]


def test_a_receiver_that_is_down_is_tried_again_and_gets_everything_once_it_is_up(parts: Parts) -> None:
    with listening(Receiver()) as receiver:
        port = receiver.port
    service = parts.start(hook(receiver))
    parts.alert("one rule", "two", "three")
    send(service)
    assert list(service.take_troubles()) == ["webhook bot"]
    assert service.take_troubles() == {}
    assert service.find_lasting_error() is None  # not at once
    parts.skip(LASTING_SECONDS + 1)
    assert "webhook bot: no answer" in str(service.find_lasting_error())
    assert parts.ask("SELECT status, tries FROM deliveries") == [("waiting", 1)] * 3
    assert parts.ask("SELECT max(tries) FROM deliveries") == [(1,)]
    with listening(Receiver(), port) as receiver:
        parts.skip(3_600)
        send(service)
        assert [json.loads(body)["data"]["rule"] for _, body in receiver.posts] == ["one rule", "two", "three"]
    assert service.find_lasting_error() is None
    assert parts.ask("SELECT DISTINCT status FROM deliveries") == [("sent",)]


def test_an_error_of_the_receiver_is_tried_again_with_the_same_id_and_a_new_signature(parts: Parts) -> None:
    with listening(Receiver(answer=500)) as receiver:
        service = parts.start(hook(receiver))
        parts.alert("a rule")
        for _ in range(3):
            send(service)
            parts.skip(3_600)
        receiver.answer = 204
        send(service)
        assert len(receiver.posts) == 4
        assert len(set(receiver.ids)) == 1
        assert len({body for _, body in receiver.posts}) == 1
        assert all(Signer(SECRET).verify(body, headers) for headers, body in receiver.posts)
        assert parts.ask("SELECT status, tries FROM deliveries") == [("sent", 4)]
    figures = {(name, result): n for kind, name, result, n in read_metrics(Reader(parts.url), parts.clock.now()).counters if kind == "webhooks"}
    assert figures == {("bot", "failed"): 3.0, ("bot", "accepted"): 1.0}


def test_a_redirect_is_no_acceptance(parts: Parts) -> None:
    with listening(Receiver(answer=302)) as receiver:
        service = parts.start(hook(receiver))
        parts.alert("a rule")
        send(service)
        assert "it answered 302" in str(service.take_troubles()["webhook bot"])


def test_a_slow_receiver_delays_nobody_and_its_event_is_sent_again(parts: Parts) -> None:
    with listening(Receiver(hang=Event())) as slow, listening(Receiver()) as quick:
        service = parts.start(hook(slow, "slow"), hook(quick, "quick"))
        parts.alert("one rule")
        service.run()  # returns while the slow receiver has not answered
        service._sending["webhook quick"].result(PATIENCE)
        parts.alert("two")
        service.run()
        service._sending["webhook quick"].result(PATIENCE)
        assert quick.types == ["alerts.opened"] * 2
        assert not service._sending["webhook slow"].done()
        service._sending["webhook slow"].result(PATIENCE)  # it gives up after its seconds
        assert str(parts.ask("SELECT error FROM deliveries WHERE target = 'webhook slow' ORDER BY id")[0][0]).startswith("no answer")
        assert slow.hang is not None
        slow.hang.set()
        parts.skip(3_600)
        send(service)
        assert slow.ids.count(slow.ids[0]) == 2


class UnmarkedStore(Store):
    """Takes no note of what was sent, as where the process is killed between the two."""

    is_dying = False

    @contextmanager
    def write(self, *, fenced: bool = True) -> Iterator[Any]:
        if self.is_dying:
            raise StoreError("killed")
        with super().write(fenced=fenced) as connection:
            yield connection


def test_what_was_sent_and_not_noted_is_sent_again_with_the_same_id(parts: Parts) -> None:
    with listening(Receiver()) as receiver:
        store = UnmarkedStore(parts.url, None)
        service = WebhookService((hook(receiver),), store, parts.url, parts.clock, lambda webhook: WebhookSender(lambda: SECRET))
        service.run()
        parts.alert("a rule")
        with store.write() as connection:
            service._positions["webhook bot"] = webhook_queue.queue_events(connection, "webhook bot", ("alerts",), 0, parts.clock.now())
        store.is_dying = True
        service.run()
        with pytest.raises(StoreError, match="killed"):
            service._sending["webhook bot"].result(PATIENCE)
        while not receiver.posts:
            service.run()
        service.stop()
        store.close()
        assert parts.ask("SELECT status, tries FROM deliveries") == [("waiting", 0)]
        send(parts.start(hook(receiver)))
        assert len(receiver.ids) >= 2
        assert len(set(receiver.ids)) == 1
        assert parts.ask("SELECT status, tries FROM deliveries") == [("sent", 1)]


def test_what_waits_for_a_day_is_a_dead_letter_until_somebody_sends_it_again(parts: Parts) -> None:
    with listening(Receiver(answer=500)) as receiver:
        service = parts.start(hook(receiver))
        parts.alert("one rule", "two")
        send(service)
        service.give_up()
        assert parts.ask("SELECT DISTINCT status FROM deliveries") == [("waiting",)]
        parts.skip(GIVE_UP_HOURS * HOUR / 1e9 + 1)
        service.give_up()
        overview = read_webhooks(Reader(parts.url), limit=10)
        assert [(state.name, state.waiting, state.dead) for state in overview.webhooks] == [("bot", 0, 2)]
        assert list(overview.dead["error"]) == ["it answered 500 Internal Server Error"] * 2
        receiver.answer = 200
        before = receiver.ids[:2]
        send(service)
        assert len(receiver.posts) == 2  # nothing by itself
        evaluator = AlertEvaluator(service.store, lambda: AlertInputs(0), parts.clock, None)  # type: ignore[arg-type]
        assert evaluator.resend("bot", 1) == "1 event sent again to webhook bot"
        assert evaluator.resend("bot", None) == "1 event sent again to webhook bot"
        send(service)
        assert receiver.ids[2:] == before
        for wrong in (("bot", None), ("bot", 99), ("nobody", None)):
            with pytest.raises(ValueError, match="no dead letter"):
                evaluator.resend(*wrong)


def test_the_queue_is_bounded_and_old_letters_are_deleted(parts: Parts) -> None:
    with listening(Receiver(answer=500)) as receiver:
        service = parts.start(hook(receiver))
        parts.alert(*(f"rule {number}" for number in range(5)))
        send(service)
        with service.store.write() as connection:
            assert webhook_queue.give_up_events(connection, "webhook bot", 0, most=3) == 2
        assert parts.ask("SELECT event, status, error FROM deliveries ORDER BY event")[:3] == [
            (1, "failed", "too many wait"), (2, "failed", "too many wait"), (3, "waiting", "it answered 500 Internal Server Error"),
        ]  # fmt: skip
    parts.skip(40 * 86_400)
    service.give_up()
    service.give_up()
    assert parts.ask("SELECT count(*) FROM deliveries") == [(0,)]


def test_a_webhook_that_is_configured_no_longer_leaves_dead_letters(parts: Parts) -> None:
    with listening(Receiver(answer=500)) as receiver:
        service = parts.start(hook(receiver))
        parts.alert("a rule")
        send(service)
        service.stop()
        after = parts.start()
        after.give_up()
        assert parts.ask("SELECT status, error FROM deliveries") == [("failed", "the webhook is configured no longer")]
        assert parts.ask("SELECT count(*) FROM meta WHERE key = 'webhook bot'") == [(0,)]


def test_a_secret_that_is_missing_or_wrong_leaves_events_waiting_with_the_reason(parts: Parts) -> None:
    def missing() -> str:
        raise ValueError("webhook bot: secret_env BOT_SECRET is not set")

    with listening(Receiver()) as receiver:
        service = WebhookService((hook(receiver),), Store(parts.url, None), parts.url, parts.clock, lambda webhook: WebhookSender(missing))
        parts.services.append(service)
        service.run()
        parts.alert("a rule")
        send(service)
        assert "BOT_SECRET is not set" in str(service.take_troubles()["webhook bot"])
        assert receiver.posts == []


def test_a_service_that_was_stopped_sends_nothing_more(parts: Parts) -> None:
    with listening(Receiver()) as receiver:
        service = parts.start(hook(receiver))
        service.stop()
        parts.alert("a rule")
        service.run()
        assert receiver.posts == []
        assert parts.ask("SELECT status FROM deliveries") == [("waiting",)]


def test_doctor_names_a_secret_that_cannot_be_read_and_dead_letters(parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=str(tmp_path), database_url=parts.url, webhooks=(Webhook("bot", "https://bot.example/in", "secret_env", "BOT_SECRET"),))
    monkeypatch.delenv("BOT_SECRET", raising=False)
    ((level, sentence),) = _webhook_secrets(settings)
    assert (level, "'BOT_SECRET' is not set" in sentence) == ("note", True)
    monkeypatch.setenv("BOT_SECRET", "short")
    assert [level for level, _ in _webhook_secrets(settings)] == ["wrong"]
    monkeypatch.setenv("BOT_SECRET", SECRET)
    assert [level for level, _ in _webhook_secrets(settings)] == ["ok"]
    with listening(Receiver(answer=500)) as receiver:
        service = parts.start(hook(receiver))
        parts.alert("a rule")
        send(service)
    ((level, sentence),) = _webhook_queues(settings)
    assert (level, "1 event waiting: it answered 500" in sentence) == ("wrong", True)
    parts.skip(2 * 86_400)
    service.give_up()
    assert [level for level, _ in _webhook_queues(settings)] == ["note"]
