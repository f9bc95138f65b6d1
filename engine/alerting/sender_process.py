"""Sends messages by Apprise in a process of its own: what hangs there is ended, and nothing of it stays in the engine's memory.

The addresses go in by standard input, never by an argument or the environment, and come out nowhere.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from engine.domain.addresses import mask_secrets
from engine.domain.record import Record

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_SECONDS = 25.0  # s for all the messages to one target: those not sent by then are sent again
CONNECT_SECONDS, READ_SECONDS = 4.0, 8.0  # s that a target may take
MAX_ERROR = 200  # letters of an error
APPRISE_TYPES = {"critical": "failure", "warning": "warning", "info": "info", "resolved": "success"}


@dataclass(frozen=True, slots=True)
class Notification(Record):
    """A message as it goes out."""

    title: str
    body: str
    type: str  # of TYPES' keys


class SenderProcess:
    """Sends to one target after the other. `leave` ends what is under way."""

    def __init__(self, *, timeout: float = TIMEOUT_SECONDS) -> None:
        self._timeout = timeout
        self._lock = Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = False

    def send(self, url: str, letters: Sequence[Notification]) -> list[str | None]:
        """For each message None where it was taken, else why not, without anything secret."""
        given = {"url": url, "letters": [[one.title, one.body, APPRISE_TYPES.get(one.type, "info")] for one in letters]}
        with self._lock:
            if self._stopping:
                return ["the engine stops"] * len(letters)
            self._child = child = subprocess.Popen(
                [sys.executable, "-m", "engine.alerting.sender_process"],
                cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        late = f"no answer within {self._timeout:g} s"
        with child:
            try:
                out, _ = child.communicate(json.dumps(given).encode(), self._timeout)
            except subprocess.TimeoutExpired:
                child.kill()
                out, _ = child.communicate()
            except OSError:
                child.kill()
                out, late = b"", "it could not be handed over"
        return _read(out, len(letters), late, url)

    def stop(self) -> None:
        with self._lock:
            self._stopping = True
            if self._child is not None:
                self._child.kill()


def _read(out: bytes, count: int, late: str, url: str) -> list[str | None]:
    """A line a message, in order; what has none was not sent."""
    told: list[str | None] = []
    for line in out.splitlines()[:count]:
        try:
            said = json.loads(line)["error"]
        except (ValueError, KeyError, TypeError):
            said = "it could not be told how it went"
        told.append(None if said is None else mask_secrets(" ".join(str(said).split()), (url,))[:MAX_ERROR])
    return told + [late] * (count - len(told))


class _Last(logging.Handler):
    """Keeps the last warning, which says why a message was not taken."""

    said = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.said = record.getMessage()


def main() -> None:
    """The other process: reads what to send, sends it, and writes a line for each."""
    from apprise import Apprise  # noqa: PLC0415 - takes half a second and 36 MB, here and not in the engine

    given = json.loads(sys.stdin.buffer.read())
    last = _Last(logging.WARNING)
    logger = logging.getLogger("apprise")
    logger.addHandler(last)
    logger.propagate = False
    url = given["url"]
    target = Apprise.instantiate(url, suppress_exceptions=True)
    if target is not None:
        target.socket_connect_timeout, target.socket_read_timeout = (
            min(CONNECT_SECONDS, target.socket_connect_timeout),
            min(READ_SECONDS, target.socket_read_timeout),
        )
    for title, body, kind in given["letters"]:
        last.said = ""
        taken = target is not None and bool(target.notify(body=body, title=title, notify_type=kind, body_format="text"))
        why = "Apprise knows no such address" if target is None else last.said or "it was not taken"
        print(json.dumps({"error": None if taken else why}), flush=True)  # noqa: T201 it is what is told


if __name__ == "__main__":
    main()
