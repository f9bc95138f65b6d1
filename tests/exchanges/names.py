"""A resolver of names that fails and comes back: `python -m tests.exchanges.names FILE ...` is the command line that knows HOST while FILE exists."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HOST = "exchange.test"  # a name that no resolver knows (RFC 6761)
REASON = "Temporary failure in name resolution"


class FakeResolver:
    """Stands in for socket.getaddrinfo: HOST is this machine, or cannot be resolved; every other name is the system's to resolve."""

    def __init__(self, is_known: Callable[[], bool]) -> None:
        self._is_known, self._system = is_known, socket.getaddrinfo

    def __call__(self, host: Any, *arguments: Any, **named: Any) -> Any:
        if host == HOST and not self._is_known():
            raise socket.gaierror(socket.EAI_AGAIN, REASON)
        return self._system("127.0.0.1" if host == HOST else host, *arguments, **named)


def main(switch: Path, arguments: list[str]) -> int:
    """Run Podium's command line; return its exit status."""
    from engine.__main__ import main as run

    socket.getaddrinfo = FakeResolver(switch.exists)
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
