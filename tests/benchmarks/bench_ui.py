"""What Overview costs: bytes on the wire cold and per second, time to the first chart, and processor time of the server per update and session.

A proxy between Chromium and the server counts the bytes as they travel, compressed; Chromium counts what they hold. The server's processor time
without any session is the engine's own, and is subtracted. BENCH_SECONDS is the length of a window, BENCH_SESSIONS the number of sessions.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import anyio
import psutil
from anyio import from_thread
from anyio.abc import ByteReceiveStream, ByteSendStream, SocketStream
from anyio.from_thread import BlockingPortal
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from engine.service.clock import WallClock
from tests.benchmarks.sessions import run_sessions
from tests.e2e.served import Served, free_port, serving

SECONDS = float(os.environ.get("BENCH_SECONDS", "40"))
SESSIONS = int(os.environ.get("BENCH_SESSIONS", "10"))
WARMUP_BARS = 300
SETTINGS = {"PODIUM_WARMUP_BARS": str(WARMUP_BARS), "PODIUM_TICK_INTERVAL_SECONDS": "2", "PODIUM_EVOLUTION": "off"}
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
DRAWN = "() => document.querySelectorAll('.podium-chart .main-svg').length > 1 && document.querySelectorAll('tr[data-id]').length > 10"
STRIP = "node => node.data[0].x.at(-1)"


@dataclass  # without slots: Playwright marks the object whose methods it calls
class Traffic:
    """Bytes that the server has sent through the proxy, and the frames and HTTP bodies that Chromium has counted in them."""

    wire: int = 0
    frames: int = 0
    http: int = 0

    async def relay(self, source: ByteReceiveStream, target: ByteSendStream, *, counted: bool) -> None:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            while True:
                piece = await source.receive()
                self.wire += len(piece) if counted else 0
                await target.send(piece)
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            await target.aclose()

    def watch(self, page: Page) -> None:
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.webSocketFrameReceived", self._on_frame)
        session.on("Network.loadingFinished", lambda event: self._on_body(int(event["encodedDataLength"])))

    def _on_frame(self, event: dict[str, dict[str, str]]) -> None:
        self.frames += len(event["response"]["payloadData"]) * 3 // 4  # base64

    def _on_body(self, size: int) -> None:
        self.http += size


async def run_proxy(port: int, target: int, traffic: Traffic) -> None:
    """Relay every connection to the server until cancelled."""

    async def relay_connection(client: SocketStream) -> None:
        async with client, await anyio.connect_tcp("127.0.0.1", target) as server, anyio.create_task_group() as tasks:

            async def relay_requests() -> None:
                await traffic.relay(client, server, counted=False)

            async def relay_answers() -> None:
                await traffic.relay(server, client, counted=True)

            tasks.start_soon(relay_requests)
            tasks.start_soon(relay_answers)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port)
    await listener.serve(relay_connection)


def find_server(served: Served) -> psutil.Process:
    """Return the process that listens: it has the dashboard and the engine."""
    whole = psutil.Process(served.process.pid)
    for process in (whole, *whole.children(recursive=True)):
        if any(connection.laddr.port == served.port and connection.status == psutil.CONN_LISTEN for connection in process.net_connections("tcp")):
            return process
    raise SystemExit("nobody listens on the port of the server")


def busy(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def measure_share(process: psutil.Process, page: Page | None = None) -> float:
    """Return the processor seconds of the process per second over a window."""
    clock = WallClock()
    begun, before = clock.tick(), busy(process)
    if page is None:
        Event().wait(SECONDS)
    else:
        page.wait_for_timeout(SECONDS * 1000)  # Playwright's events go on
    return (busy(process) - before) / (clock.tick() - begun)


def open_overview(context: BrowserContext, url: str, traffic: Traffic | None = None) -> tuple[Page, float]:
    """Open Overview; return its page and the milliseconds until charts and tables were drawn."""
    page = context.new_page()
    if traffic is not None:
        traffic.watch(page)
    clock = WallClock()
    begun = clock.tick()
    page.goto(url, wait_until="commit")
    page.wait_for_function(DRAWN, polling=50, timeout=60_000)
    return page, (clock.tick() - begun) * 1000


def print_row(what: str, value: float, unit: str, goal: str = "") -> None:
    print(f"{what:62} {value:10,.1f} {unit:6} {goal}", flush=True)


def measure_page(served: Served, browser: Browser, url: str, traffic: Traffic, portal: BlockingPortal) -> None:
    """Print what one session and then several cost."""
    process = find_server(served)
    Event().wait(5)
    own = measure_share(process)
    print_row("engine without a session", own * 100, "% core")
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page, cold = open_overview(context, url, traffic)
    page.wait_for_timeout(1500)
    print_row("cold load: on the wire", traffic.wire / 1e6, "MB", "goal 1.5")
    print_row("cold load: HTTP bodies, compressed", traffic.http / 1e6, "MB")
    print_row("cold load: frames, not compressed", traffic.frames / 1e6, "MB")
    print_row("cold paint", cold, "ms")
    page.close()
    warm = []
    for _ in range(3):
        before = traffic.wire
        page, milliseconds = open_overview(context, url)
        warm.append(milliseconds)
        page.wait_for_timeout(1000)
        size = traffic.wire - before
        page.close()
    print_row("warm paint, median of 3", sorted(warm)[1], "ms", "goal 1,000")
    print_row("warm load: on the wire", size / 1e3, "kB")
    page, _ = open_overview(context, url, traffic)
    page.wait_for_timeout(3000)
    traffic.wire = traffic.frames = traffic.http = 0
    tick = page.evaluate(f"() => ({STRIP})(document.querySelector('.podium-chart'))")
    share = measure_share(process, page)
    ticks = page.evaluate(f"() => ({STRIP})(document.querySelector('.podium-chart'))") - tick
    print_row("one session: ticks shown per second", ticks / SECONDS, "1/s")
    print_row("one session: on the wire", traffic.wire / SECONDS / 1e3, "kB/s", "goal 3")
    print_row("one session: frames, not compressed", traffic.frames / SECONDS / 1e3, "kB/s")
    print_row("one session: HTTP bodies", traffic.http / SECONDS / 1e3, "kB/s")
    print_row("one session: server per update", (share - own) * 1000 * 2, "ms", "goal 10")
    context.close()
    print_sessions(served, process, portal, own)


def print_sessions(served: Served, process: psutil.Process, portal: BlockingPortal, own: float) -> None:
    """Print what several sessions cost the server."""
    sessions = portal.start_task_soon(run_sessions, served.port, SESSIONS)
    Event().wait(8)
    share = measure_share(process)
    sessions.cancel()
    print_row(f"{SESSIONS} sessions beyond the engine", (share - own) * 100, "% core", "goal 15")
    print_row(f"{SESSIONS} sessions: server per update and session", (share - own) * 1000 * 2 / SESSIONS, "ms", "goal 10")


def main() -> None:
    """Start a server with an engine, and print every figure beside its goal."""
    chromium = next(
        (path for path in map(shutil.which, (os.environ.get("CHROMIUM") or "chromium", "chromium-browser", "google-chrome")) if path), None
    )
    if chromium is None:
        sys.exit("this bench needs Chromium: install it or give its path in CHROMIUM")
    traffic, port = Traffic(), free_port()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), SETTINGS) as served, from_thread.start_blocking_portal() as portal:
        proxy = portal.start_task_soon(run_proxy, port, served.port, traffic)
        served.wait(lambda: served.tick() > WARMUP_BARS + 4, "the warm-up to be over")
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=chromium, args=list(FLAGS))
            measure_page(served, browser, f"http://127.0.0.1:{port}", traffic, portal)
            browser.close()
        proxy.cancel()
        served.stop()


if __name__ == "__main__":
    main()
