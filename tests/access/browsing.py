"""A program that logs in as a browser would, with its cookies, and sees what it is answered."""

from __future__ import annotations

import html
import http.client
import re
import ssl
from dataclasses import dataclass, field
from urllib.parse import urlencode

TIMEOUT = 300.0  # s, never waited for when all is well
PASSWORD = "a password for tests"
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    code: int
    headers: dict[str, str]
    text: str


@dataclass
class Client:
    """Sends requests to a server on this machine; keeps cookies as a browser does."""

    port: int
    tls: bool = False
    cookies: dict[str, str] = field(default_factory=dict)
    token: str = ""  # sent with every request
    source: str = "127.0.0.1"  # the address that requests come from
    extra: dict[str, str] = field(default_factory=dict)  # headers of every request, such as a proxy's

    def send(self, method: str, path: str, body: str | None = None, **headers: str) -> Reply:
        connection = self._connect()
        try:
            all_headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), **self.extra, **headers}
            if self.token:
                all_headers = {"Authorization": f"Bearer {self.token}", **all_headers}
            if body is not None:
                all_headers = {"Content-Type": "application/x-www-form-urlencoded", **all_headers}
            connection.request(method, path, body=body, headers=all_headers)
            answer = connection.getresponse()
            is_endless = answer.status == 101 or answer.getheader("content-type", "").startswith("text/event-stream")
            text = "" if is_endless else answer.read().decode("utf-8", "replace")
            for name, value in answer.getheaders():
                if name.lower() == "set-cookie":
                    key, _, rest = value.partition("=")
                    self.cookies[key] = rest.partition(";")[0]
            return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, text)
        finally:
            connection.close()

    def get(self, path: str) -> Reply:
        return self.send("GET", path)

    def shake_hands(self) -> int:
        """The code that the WebSocket of the pages is answered with; 101 where it opens."""
        return self.send("GET", "/_stcore/stream", **UPGRADE).code

    def post_form(self, path: str, **fields: str) -> Reply:
        """Fetch a page and send its form, with its hidden fields."""
        page = self.get(path)
        inputs = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page.text)
        hidden = {name: html.unescape(value) for name, value in inputs}
        scheme = "https" if self.tls or self.extra else "http"
        own = f"{scheme}://127.0.0.1:{self.port}"
        return self.send("POST", path.partition("?")[0], urlencode(hidden | fields), Origin=own)

    def log_in(self, name: str, password: str = PASSWORD, path: str = "/login") -> Reply:
        return self.post_form(path, name=name, password=password)

    def _connect(self) -> http.client.HTTPConnection:
        if not self.tls:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT, source_address=(self.source, 0))
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=TIMEOUT, context=context)
