"""A resolver of names that fails, hangs and comes back.

`python -m tests.exchanges.names FILE ...` is the command line that knows HOST while FILE exists, and waits for good where it says HANG: then
FILE.waits is there.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

HOST = "exchange.test"  # a name that no resolver knows (RFC 6761)
REASON = "Temporary failure in name resolution"
HANG = "hang"


class FakeResolver:
    """Stands in for socket.getaddrinfo: HOST is this machine, cannot be resolved, or waits for good; every other name is the system's to resolve."""

    def __init__(self, is_known: Callable[[], bool], is_hanging: Callable[[], bool] = lambda: False) -> None:
        self._is_known, self._is_hanging, self._system = is_known, is_hanging, socket.getaddrinfo

    def __call__(self, host: Any, *arguments: Any, **named: Any) -> Any:
        if host == HOST and self._is_hanging():
            threading.Event().wait()
        if host == HOST and not self._is_known():
            raise socket.gaierror(socket.EAI_AGAIN, REASON)
        return self._system("127.0.0.1" if host == HOST else host, *arguments, **named)


def main(switch: Path, arguments: list[str]) -> int:
    """Run Podium's command line; return its exit status."""
    from engine.__main__ import main as run

    def is_hanging() -> bool:
        if not switch.exists() or switch.read_text(encoding="utf-8") != HANG:
            return False
        switch.with_suffix(".waits").touch()
        return True

    socket.getaddrinfo = FakeResolver(switch.exists, is_hanging)
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
