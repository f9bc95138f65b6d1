"""Sessions without a browser: each speaks Streamlit's protocol, and runs the live parts of a page again whenever they are due."""

from __future__ import annotations

import anyio
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

AGENT = "Mozilla/5.0"


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
        await socket.send(_rerun(""))
        page = ""
        live: set[str] = set()
        async for data in socket:
            message = ForwardMsg.FromString(data if isinstance(data, bytes) else data.encode())
            page = message.new_session.page_script_hash or page
            fragment = message.auto_rerun
            if fragment.fragment_id and fragment.fragment_id not in live:
                live.add(fragment.fragment_id)
                tasks.start_soon(_rerun_every, socket, fragment.interval, fragment.fragment_id, page)


async def _rerun_every(socket: ClientConnection, seconds: float, fragment: str, page: str) -> None:
    while True:
        await anyio.sleep(seconds)
        await socket.send(_rerun(fragment, page))


def _rerun(fragment: str, page: str = "") -> bytes:
    message = BackMsg()
    message.rerun_script.fragment_id = fragment
    message.rerun_script.page_script_hash = page
    message.rerun_script.is_auto_rerun = bool(fragment)
    data: bytes = message.SerializeToString()
    return data
