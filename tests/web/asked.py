"""Asks the server's routes as they are, without a socket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.types import ASGIApp

from engine.web.routes import build_routes
from tests.makers import awaited
from tests.store import made


class Clock:
    """Stands still until it is moved."""

    def __init__(self, now: int = made.WALL) -> None:
        self.at, self.seconds = now, 0.0

    def now(self) -> int:
        return self.at

    def tick(self) -> float:
        return self.seconds


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    code: int
    head: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def lines(self) -> list[str]:
        return self.body.decode().splitlines()


class Asked:
    """The routes over one store."""

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self._app: ASGIApp = Starlette(routes=list(build_routes(lambda: url, self.clock)))

    @classmethod
    def of(cls, app: ASGIApp) -> Asked:
        """Any other application."""
        asked = cls("")
        asked._app = app
        return asked

    def get(self, path: str, query: str | bytes = "", method: str = "GET", **head: str) -> Answer:
        return awaited(self._get(path, query if isinstance(query, bytes) else query.encode(), method, head))

    async def _get(self, path: str, query: bytes, method: str, head: dict[str, str]) -> Answer:
        sent: list[dict[str, Any]] = []

        async def send(message: Any) -> None:
            sent.append(dict(message))

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query, "scheme": "http", "http_version": "1.1",
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in head.items()],
            "server": ("127.0.0.1", 8501), "client": ("127.0.0.1", 50000), "root_path": "",
        }  # fmt: skip
        await self._app(scope, receive, send)
        told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], told, b"".join(message.get("body", b"") for message in sent[1:]))
