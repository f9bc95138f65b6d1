"""What programs cost: a read of 100 decisions beyond its query, and the tick while 50 clients follow the stream of events.

A server with log-in decides every BENCH_INTERVAL seconds; clients come from another process. Windows of BENCH_TICKS ticks with and without clients
take turns, and the ratio is that of their p99.
"""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from engine.access.tokens import open_tokens
from engine.service.clock import WallClock
from engine.store.read.api import RowsQuery, read_view_rows
from engine.store.read.reader import Reader
from tests.e2e.served import Served, serving

CLIENTS = int(os.environ.get("BENCH_CLIENTS", "50"))
TICKS = int(os.environ.get("BENCH_TICKS", "60"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
INTERVAL = os.environ.get("BENCH_INTERVAL", "1")
READS = 300
SETTINGS = {"PODIUM_WARMUP_BARS": "300", "PODIUM_TICK_INTERVAL_SECONDS": INTERVAL, "PODIUM_LOGIN": "local", "PODIUM_EVOLUTION": "off"}
PATH = "/api/v1/decisions?limit=100"
_FOLLOW = """
import socket, sys, selectors
port, token, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
selector = selectors.DefaultSelector()
for _ in range(count):
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(f"GET /api/v1/stream HTTP/1.1\\r\\nHost: 127.0.0.1:{port}\\r\\nAuthorization: Bearer {token}\\r\\n\\r\\n".encode())
    selector.register(client, selectors.EVENT_READ)
received, is_ready = {}, False
while True:
    for key, _ in selector.select():
        data = key.fileobj.recv(65536)
        if not data:
            sys.exit("a stream ended")
        received[key.fd] = received.get(key.fd, 0) + len(data)
    if not is_ready and len(received) == count:
        is_ready = True
        print("ready", flush=True)
"""


def main() -> None:
    """Print the two figures with what they are made of."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), SETTINGS) as served:
        url = f"sqlite:///{served.home}/podium.db"
        store, tokens = open_tokens(url, "root", "command line")
        secrets = [tokens.create(name, ["read"], 1.0, (), WallClock().now()) for name in ("reader", "follower")]
        store.close()
        wait_for_ticks(served, 20)
        measure_reads(served, url, secrets[0])
        measure_ticks(served, secrets[1])


def measure_reads(served: Served, url: str, token: str) -> None:
    """The read with its token over a connection that stays open, and its query alone, in turns."""
    clock, reader = WallClock(), Reader(url)
    connection = http.client.HTTPConnection("127.0.0.1", served.port)
    whole, query = [], []
    for _ in range(READS):
        begun = clock.tick()
        connection.request("GET", PATH, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        body = answer.read()
        whole.append((clock.tick() - begun) * 1e3)
        assert answer.status == 200, body
        begun = clock.tick()
        assert len(read_view_rows(reader, "decisions", RowsQuery(100)).rows) == 100
        query.append((clock.tick() - begun) * 1e3)
    connection.close()
    for name, rank in (("p10", 10), ("p50", 50)):
        both, alone = float(np.percentile(whole, rank)), float(np.percentile(query, rank))
        print(f"a read of 100 decisions, {name}: {both:.2f} ms, its query {alone:.2f} ms, beyond it {both - alone:.2f} ms")


def measure_ticks(served: Served, token: str) -> None:
    """The time of ticks without clients and with them, in turns."""
    without: list[float] = []
    followed: list[float] = []
    for _ in range(ROUNDS):
        without += collect_ticks(served)
        clients = subprocess.Popen([sys.executable, "-c", _FOLLOW, str(served.port), token, str(CLIENTS)], stdout=subprocess.PIPE, text=True)
        try:
            assert clients.stdout is not None
            assert clients.stdout.readline() == "ready\n"
            followed += collect_ticks(served)
            assert clients.poll() is None
        finally:
            clients.kill()
            clients.wait()
    alone, beside = (np.percentile(times, [50, 99]) for times in (without, followed))
    print(f"a tick without clients, p50 / p99: {alone[0]:.2f} / {alone[1]:.2f} ms over {len(without)} ticks")
    print(f"a tick with {CLIENTS} clients,  p50 / p99: {beside[0]:.2f} / {beside[1]:.2f} ms over {len(followed)} ticks")
    print(f"ratio of p99: {beside[1] / alone[1]:.2f}, of p50: {beside[0] / alone[0]:.2f}")


def collect_ticks(served: Served) -> list[float]:
    """The milliseconds of the next ticks."""
    first = served.tick() + 1
    wait_for_ticks(served, TICKS)
    return [ms for (ms,) in served.ask(f"SELECT ms FROM ticks WHERE tick > {first} ORDER BY tick LIMIT {TICKS}")]


def wait_for_ticks(served: Served, count: int) -> None:
    last = served.tick() + count
    served.wait(lambda: served.tick() > last, f"{count} ticks", 3_600.0)


if __name__ == "__main__":
    main()
