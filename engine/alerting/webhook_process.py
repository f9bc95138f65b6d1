"""Sends messages to a webhook in a process of its own, signed as Standard Webhooks says; it is killed where a receiver takes too long.

Address and secret enter by standard input, never by an argument or the environment, and are never printed.
"""

from __future__ import annotations

import http.client
import json
import ssl
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from engine.alerting.sender_process import SenderProcess
from engine.domain.webhooks import WebhookMessage
from engine.service.clock import WallClock

CONNECT_SECONDS, ANSWER_SECONDS = 4.0, 10.0  # s that a receiver may take


class WebhookSender(SenderProcess):
    """Sends to one webhook; its secret is read anew for every batch, so that it can be changed while Podium runs."""

    module = "engine.alerting.webhook_process"

    def __init__(self, read_secret: Callable[[], str]) -> None:
        super().__init__()
        self._read_secret = read_secret

    def send(self, url: str, letters: Sequence[Any]) -> list[str | None]:
        """For each message None where the receiver accepted it, else the reason."""
        messages: list[WebhookMessage] = list(letters)
        try:
            secret = self._read_secret()
        except ValueError as error:
            return [str(error)] * len(messages)
        request = {"url": url, "secret": secret, "messages": [[message.id, message.body] for message in messages if message.body is not None]}
        sent = iter(self.exchange(request, len(request["messages"]), (url, secret, secret.removeprefix("whsec_"))))
        return [next(sent) if message.body is not None else "what it is about is deleted" for message in messages]


def send_messages() -> None:
    """Run the process: send each message and print one line for each. After one that nobody answers the rest is left for later."""
    from standardwebhooks import Webhook as Signer  # noqa: PLC0415 - used in this process only, and not in the engine

    request = json.loads(sys.stdin.buffer.read())
    signer, silent = Signer(request["secret"]), ""
    for number, body in request["messages"]:
        error: str | None = silent or None
        if not silent:
            try:
                error = post_message(request["url"], signer, number, body)
            except (OSError, http.client.HTTPException) as failure:
                error = silent = f"no answer: {describe_silence(failure)}"
        print(json.dumps({"error": error}), flush=True)  # noqa: T201 the output is the protocol


def post_message(url: str, signer: Any, number: str, body: str) -> str | None:
    """Post a message, signed with the time of now; None where the answer is a success, else what it is. Raises OSError, HTTPException."""
    seconds = WallClock().now() // 10**9
    headers = {
        "Content-Type": "application/json", "User-Agent": "Podium", "webhook-id": number, "webhook-timestamp": str(seconds),
        "webhook-signature": signer.sign(number, datetime.fromtimestamp(seconds, UTC), body), "Connection": "close",
    }  # fmt: skip
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.hostname or ""
    if parts.scheme == "https":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, parts.port, timeout=CONNECT_SECONDS, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=CONNECT_SECONDS)
    try:
        connection.connect()
        connection.sock.settimeout(ANSWER_SECONDS)
        connection.request("POST", path, body=body.encode(), headers=headers)
        answer = connection.getresponse()
        return None if 200 <= answer.status < 300 else f"it answered {answer.status} {answer.reason}"
    finally:
        connection.close()


def describe_silence(error: Exception) -> str:
    """A failure in a few words, without the address."""
    return "it took too long" if isinstance(error, TimeoutError) else str(getattr(error, "strerror", None) or type(error).__name__)


if __name__ == "__main__":
    send_messages()
