"""Sends messages by Apprise in a process of its own, which is killed where it hangs and leaves nothing in the engine's memory.

Addresses enter by standard input, never by an argument or the environment, and are never printed.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from engine import units
from engine.domain.addresses import mask_secrets
from engine.domain.record import Record

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_SECONDS = 25.0  # s for all messages to one target: the rest is sent again
CONNECT_SECONDS, READ_SECONDS = 4.0, 8.0  # s that a target may take
MAX_ERROR = 200  # letters of an error
APPRISE_TYPES = {"critical": "failure", "warning": "warning", "info": "info", "resolved": "success"}


@dataclass(frozen=True, slots=True)
class Notification(Record):
    """A message as it is sent."""

    title: str
    body: str
    type: str  # of TYPES' keys


class SenderProcess:
    """Sends to one target after the other. `stop` ends a delivery in progress."""

    module = "engine.alerting.sender_process"  # that the process runs

    def __init__(self, *, timeout: float = TIMEOUT_SECONDS) -> None:
        self._timeout = timeout
        self._lock = Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = False

    def send(self, url: str, letters: Sequence[Notification]) -> list[str | None]:
        """For each message None where the target accepted it, else the reason, without anything secret."""
        request = {"url": url, "letters": [[letter.title, letter.body, APPRISE_TYPES.get(letter.type, "info")] for letter in letters]}
        return self.exchange(request, len(letters), (url,))

    def exchange(self, request: Mapping[str, object], count: int, secrets: Sequence[str]) -> list[str | None]:
        """Hand a request to the process; for each of its messages None, or the reason without any of these secrets."""
        with self._lock:
            if self._stopping:
                return ["the engine stops"] * count
            self._child = child = subprocess.Popen(
                [sys.executable, "-m", self.module],
                cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        late = f"no answer within {units.format_setting(self._timeout, 's')}"
        with child:
            try:
                out, _ = child.communicate(json.dumps(request).encode(), self._timeout)
            except subprocess.TimeoutExpired:
                child.kill()
                out, _ = child.communicate()
            except OSError:
                child.kill()
                out, late = b"", "it could not be handed over"
        return _read(out, count, late, secrets)

    def stop(self) -> None:
        """Kill the process and send nothing more."""
        with self._lock:
            self._stopping = True
            if self._child is not None:
                self._child.kill()


def _read(out: bytes, count: int, late: str, secrets: Sequence[str]) -> list[str | None]:
    """One line per message, in order; a message without a line was not sent."""
    errors: list[str | None] = []
    for line in out.splitlines()[:count]:
        try:
            error = json.loads(line)["error"]
        except (ValueError, KeyError, TypeError):
            error = "its outcome is unknown"
        errors.append(None if error is None else mask_secrets(" ".join(str(error).split()), secrets)[:MAX_ERROR])
    return errors + [late] * (count - len(errors))


class _Last(logging.Handler):
    """Holds the last warning, which names why a message was refused."""

    message = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.message = record.getMessage()


def main() -> None:
    """Run the sending process: read the request, send its messages, and print one line for each."""
    from apprise import Apprise  # noqa: PLC0415 - takes half a second and 36 MB, here and not in the engine

    request = json.loads(sys.stdin.buffer.read())
    last = _Last(logging.WARNING)
    logger = logging.getLogger("apprise")
    logger.addHandler(last)
    logger.propagate = False
    url = request["url"]
    target = Apprise.instantiate(url, suppress_exceptions=True)
    if target is not None:
        target.socket_connect_timeout, target.socket_read_timeout = (
            min(CONNECT_SECONDS, target.socket_connect_timeout),
            min(READ_SECONDS, target.socket_read_timeout),
        )
    for title, body, kind in request["letters"]:
        last.message = ""
        accepted = target is not None and bool(target.notify(body=body, title=title, notify_type=kind, body_format="text"))
        why = "Apprise knows no such address" if target is None else last.message or "it was refused"
        print(json.dumps({"error": None if accepted else why}), flush=True)  # noqa: T201 the output is the protocol


if __name__ == "__main__":
    main()
