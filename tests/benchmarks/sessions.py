"""Sessions without a browser: each speaks Streamlit's protocol, runs Overview once, and asks for updates."""

from __future__ import annotations

import gzip

import anyio
import orjson
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

AGENT = "Mozilla/5.0"
REFRESH = 2.0  # s
PARTS = (  # of Overview
    "head", "bar", "banners", "verdict", "present", "now", "gates_heading", "gates", "machine_heading", "machine", "strip", "equity_heading",
    "equity", "latest_heading", "latest",
)  # fmt: skip


async def run_sessions(port: int, count: int) -> None:
    """Hold so many sessions of Overview open until cancelled, their beginnings spread over two seconds."""
    async with anyio.create_task_group() as tasks:
        for place in range(count):
            tasks.start_soon(run_session, port, 2.0 * place / count)


async def run_session(port: int, delay: float) -> None:
    await anyio.sleep(delay)
    url = f"ws://127.0.0.1:{port}/_stcore/stream"
    async with (
        connect(url, subprotocols=[Subprotocol("streamlit")], max_size=None, user_agent_header=AGENT) as socket,
        anyio.create_task_group() as tasks,
    ):
        await socket.send(_run_page())
        tasks.start_soon(_ask_for_updates, port)
        async for _ in socket:
            pass


async def _ask_for_updates(port: int) -> None:
    """Ask as live_updates.js does, on one connection."""
    shown = dict.fromkeys(PARTS, "none")
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        answers = BufferedByteReceiveStream(stream)
        due = anyio.current_time()
        while True:
            due = max(due + REFRESH, anyio.current_time())
            await anyio.sleep_until(due)
            for name, change in (await _ask(stream, answers, port, shown)).items():
                shown[name] = change["digest"]


async def _ask(stream: SocketStream, answers: BufferedByteReceiveStream, port: int, shown: dict[str, str]) -> dict[str, dict[str, str]]:
    """Return the changes of the parts."""
    have = ",".join(f"{name}.{digest}" for name, digest in shown.items())
    lines = (f"GET /podium/updates/Overview.json?since=&have={have} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Accept-Encoding: gzip", "", "")
    await stream.send("\r\n".join(lines).encode())
    head = (await answers.receive_until(b"\r\n\r\n", 10_000)).decode().lower()
    size = next(int(line.partition(":")[2]) for line in head.split("\r\n") if line.startswith("content-length:"))
    body = await answers.receive_exactly(size)
    parts: dict[str, dict[str, str]] = orjson.loads(gzip.decompress(body) if "content-encoding: gzip" in head else body)["parts"]
    return parts


def _run_page() -> bytes:
    message = BackMsg()
    message.rerun_script.page_script_hash = ""
    data: bytes = message.SerializeToString()
    return data
