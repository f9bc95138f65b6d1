"""Whatever address the server was told to listen on, it answers this machine only."""

from __future__ import annotations

from typing import Any

import pytest

from tests.makers import awaited


async def answered(server: tuple[str, int | None] | None, kind: str = "http") -> list[dict[str, Any]]:
    from app import LoopbackOnly

    sent: list[dict[str, Any]] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "reached"})

    async def send(message: Any) -> None:
        sent.append(dict(message))

    async def receive() -> Any:
        return {"type": "http.request"}

    await LoopbackOnly(inner)({"type": kind, "server": server, "method": "GET", "headers": []}, receive, send)
    return sent


@pytest.mark.parametrize("server", [("127.0.0.1", 8501), ("::1", 8501), ("testserver", 80), ("/run/podium.sock", None), None])
def test_this_machine_is_answered(server: tuple[str, int | None] | None) -> None:
    assert awaited(answered(server)) == [{"type": "reached"}]


@pytest.mark.parametrize("address", ["192.168.1.7", "10.0.0.1", "2001:db8::1"])
def test_others_are_not(address: str) -> None:
    assert awaited(answered((address, 8501)))[0]["status"] == 403
    assert awaited(answered((address, 8501), "websocket")) == [{"type": "websocket.close", "code": 1008}]
