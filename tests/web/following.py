"""A program that follows the stream of events over plain HTTP."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

TIMEOUT = 300.0  # s, never waited for when all is well


@dataclass(frozen=True, slots=True)
class Received:
    """An event as a client gets it."""

    id: int | None
    name: str
    data: Any


class Follower:
    """A connection to the stream; `read` gives one event after the other, None at its end."""

    def __init__(self, port: int, path: str, headers: dict[str, str]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
        self._connection.request("GET", path, headers=headers)
        self.answer = self._connection.getresponse()

    def read(self) -> Received | None:
        fields: dict[str, str] = {}
        while line := self.answer.readline():
            text = line.decode().rstrip("\n")
            if text.startswith((":", "retry:")):
                continue
            if text:
                name, _, value = text.partition(": ")
                fields[name] = value
            elif fields:
                number = int(fields["id"]) if "id" in fields else None
                return Received(number, fields.get("event", ""), json.loads(fields["data"]))
        return None

    def take(self, count: int) -> list[Received]:
        events = [self.read() for _ in range(count)]
        return [event for event in events if event is not None]

    def read_to_end(self) -> list[Received]:
        return list(iter(self.read, None))

    def close(self) -> None:
        self.answer.close()
        self._connection.close()


@contextmanager
def following(port: int, query: str = "", *, token: str = "", last: int | None = None, cookie: str = "") -> Iterator[Follower]:
    headers = {"Accept": "text/event-stream"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    headers |= {"Cookie": cookie} if cookie else {}
    headers |= {"Last-Event-ID": str(last)} if last is not None else {}
    follower = Follower(port, f"/api/v1/stream{query}", headers)
    try:
        yield follower
    finally:
        follower.close()
