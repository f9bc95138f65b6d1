"""The hub: one read for all clients, bounded memory, and a word to whoever is too slow or comes from elsewhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine.domain.access import Visitor
from engine.service.clock import WallClock
from engine.store.errors import StoreError
from engine.store.read.events import KINDS
from engine.store.write.writer import Writer
from engine.web import event_hub
from engine.web.credentials import Credential
from engine.web.event_hub import EventHub, RenderedEvent, StreamClient
from engine.web.stream import PatientResponse, Stream
from tests.makers import awaited
from tests.store import made

ALL = frozenset(KINDS)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return made.empty(tmp_path)


def raise_alerts(url: str, *names: str) -> None:
    with closing(Writer(url)) as writer:
        for name in names:
            writer.raise_alert(name, "warning", f"{name} is wrong", made.WALL)


def parse(text: bytes) -> tuple[int | None, str, Any]:
    fields = dict(line.split(": ", 1) for line in text.decode().strip().split("\n"))
    return (int(fields["id"]) if "id" in fields else None, fields["event"], json.loads(fields["data"]))


async def take(stream: AsyncIterator[bytes], count: int) -> list[bytes]:
    texts: list[bytes] = []
    while len(texts) < count:
        text = await anext(stream)
        if not text.startswith((b"retry", b":")):
            texts.append(text)
    return texts


async def follow(hub: EventHub, position: int, kinds: frozenset[str] = ALL) -> tuple[StreamClient, AsyncIterator[bytes]]:
    client = await hub.join(None)
    return client, Stream(hub, client, kinds, position).send()


def test_fifty_clients_are_given_the_same_bytes_by_one_reader(url: str) -> None:
    async def run() -> None:
        hub = EventHub(url, WallClock())
        streams = [(await follow(hub, 0))[1] for _ in range(50)]
        raise_alerts(url, "one rule", "another")
        texts = [await take(stream, 2) for stream in streams]
        assert all(text is first for others in texts for text, first in zip(others, texts[0], strict=True))
        assert [parse(text)[2]["data"]["rule"] for text in texts[0]] == ["one rule", "another"]

    awaited(run())


def test_types_choose_the_events_and_the_place_to_come_back_to_holds(url: str) -> None:
    async def run() -> None:
        hub = EventHub(url, WallClock())
        _, stream = await follow(hub, 0, frozenset({"trials"}))
        with closing(Writer(url)) as writer:
            writer.raise_alert("a rule", "warning", "x", made.WALL)
            writer.save_trial(made.trial(verdict="helped"))
            writer.resolve_alert("a rule", made.WALL)
        (text,) = await take(stream, 1)
        number, name, data = parse(text)
        assert (number, name, data["state"], data["data"]["verdict"]) == (2, "trials", "judged", "helped")
        _, everything = await follow(hub, 2)
        assert parse((await take(everything, 1))[0])[:2] == (3, "alerts")

    awaited(run())


def test_somebody_who_comes_back_gets_what_is_in_the_store_and_then_what_is_new(url: str) -> None:
    names = [f"rule {number}" for number in range(event_hub.PAGE * 2 + 7)]

    async def run() -> None:
        raise_alerts(url, *names)
        hub = EventHub(url, WallClock())
        _, stream = await follow(hub, 3)
        numbers = [parse(text)[0] for text in await take(stream, len(names) - 3)]
        raise_alerts(url, "new")
        numbers += [parse(text)[0] for text in await take(stream, 1)]
        assert numbers == list(range(4, len(names) + 2))

    awaited(run())


def test_a_client_that_is_too_slow_is_dropped_with_a_word_and_memory_stays_bounded(url: str) -> None:
    async def run() -> None:
        hub = EventHub(url, WallClock())
        _, slow = await follow(hub, 0)
        _, quick = await follow(hub, 0)
        raise_alerts(url, "first")
        assert parse((await take(slow, 1))[0])[0] == 1
        count = event_hub.RING_EVENTS + 20
        raise_alerts(url, *(f"rule {number}" for number in range(count)))
        assert [parse(text)[0] for text in await take(quick, count + 1)] == list(range(1, count + 2))
        assert len(hub._ring) == event_hub.RING_EVENTS
        (word,) = await take(slow, 1)
        number, name, data = parse(word)
        assert (number, name, "too slow: events up to 1 were sent" in data["reason"]) == (None, "end", True)
        with pytest.raises(StopAsyncIteration):
            await anext(slow)

    awaited(run())


def test_large_events_are_bounded_by_their_bytes(url: str) -> None:
    hub = EventHub(url, WallClock())
    size = event_hub.RING_BYTES // 10
    hub._append([RenderedEvent(number, "decisions", b"x" * size) for number in range(1, 31)])
    assert sum(len(event.text) for event in hub._ring) <= event_hub.RING_BYTES
    assert hub.list_after(29) == [hub._ring[-1]]
    assert hub.list_after(3) is None
    hub._append([RenderedEvent(31, "decisions", b"x" * (2 * event_hub.RING_BYTES))])  # larger than all that may be: it is still sent
    assert [event.id for event in hub.list_after(30) or []] == [31]


def test_a_place_of_another_store_or_one_that_is_deleted_is_skipped_with_a_word(url: str) -> None:
    async def run() -> None:
        raise_alerts(url, *(f"rule {number}" for number in range(10)))
        with closing(Writer(url)) as writer, writer.write() as connection:
            connection.exec_driver_sql("DELETE FROM events WHERE id <= 6")
        hub = EventHub(url, WallClock())
        _, stream = await follow(hub, 2)
        word, following = await take(stream, 2)
        assert parse(word) == (
            None,
            "skipped",
            {"reason": "older events are deleted, or are too many: read them from the views", "after": 2, "to": 6},
        )
        assert parse(following)[0] == 7
        _, stream = await follow(hub, 999)
        (word,) = await take(stream, 1)
        assert parse(word)[1:] == (
            "skipped", {"reason": "that event is of another store, or later than any of this: what follows is new", "after": 10},
        )  # fmt: skip
        raise_alerts(url, "new")
        assert parse((await take(stream, 1))[0])[0] == 11

    awaited(run())


def test_the_reader_stops_with_the_last_client_and_starts_with_the_next(url: str) -> None:
    async def run() -> None:
        hub = EventHub(url, WallClock())
        client, _ = await follow(hub, 0)
        task = hub._task
        assert task is not None
        hub.leave(client)
        await task
        raise_alerts(url, "while nobody follows")
        _, stream = await follow(hub, 0)
        assert parse((await take(stream, 1))[0])[0] == 1
        assert hub._task is not task

    awaited(run())


def test_a_comment_is_sent_while_nothing_happens(url: str) -> None:
    async def run() -> None:
        hub = EventHub(url, WallClock())
        stream = Stream(hub, await hub.join(None), ALL, 0, heartbeat=0.01).send()
        texts = [await anext(stream) for _ in range(4)]
        assert texts == [b"retry: 2000\n\n", *[b": still here\n\n"] * 3]

    awaited(run())


async def answer(hub: EventHub, receive: Any, send: Any, patience: float) -> None:
    client = await hub.join(None)
    content = Stream(hub, client, ALL, 0, heartbeat=0.01).send()
    await PatientResponse(content, partial(hub.leave, client), patience=patience)({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send)


def test_a_client_that_leaves_or_takes_nothing_is_let_go(url: str) -> None:
    async def run() -> None:
        hub = EventHub(url, WallClock())
        sent: list[Any] = []
        enough = asyncio.Event()

        async def take(message: Any) -> None:
            sent.append(message)
            if len(sent) == 4:
                enough.set()

        async def take_nothing(message: Any) -> None:
            sent.append(message)
            if message["type"] == "http.response.body":
                await asyncio.Event().wait()

        async def leave_soon() -> Any:
            await enough.wait()
            return {"type": "http.disconnect"}

        async def stay() -> Any:
            await asyncio.Event().wait()

        await answer(hub, leave_soon, take, 60.0)
        assert (hub.count, len(sent) >= 4) == (0, True)
        sent.clear()
        await answer(hub, stay, take_nothing, 0.05)
        assert (hub.count, len(sent)) == (0, 2)

    awaited(run())


def test_a_right_that_ends_or_cannot_be_looked_up_ends_the_stream_before_the_next_event(url: str) -> None:
    async def run() -> None:
        visitor: list[Visitor | StoreError | None] = [Visitor("token:bot", "", scopes=("read",))]

        def find() -> Visitor | None:
            if isinstance(visitor[0], StoreError):
                raise visitor[0]
            return visitor[0]

        for ended, words in ((None, "log in first"), (Visitor("b", "", scopes=("push",)), "it takes read"), (StoreError("x"), "is unknown")):
            hub = EventHub(url, WallClock())
            visitor[0] = Visitor("token:bot", "", scopes=("read",))
            newest = hub.find_range().newest
            stream = Stream(hub, await hub.join(Credential("key", find)), ALL, newest).send()
            raise_alerts(url, f"before {words}")
            assert parse((await take(stream, 1))[0])[1] == "alerts"
            visitor[0] = ended
            raise_alerts(url, f"after {words}")
            number, name, data = parse((await take(stream, 1))[0])
            assert (number, name, words in data["reason"]) == (None, "end", True)

    awaited(run())
