"""A real OpenID Connect provider in a process of its own, whose tokens can be spoilt: oidc-provider-mock with an address to order the fault."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.access.browsing import Client, Reply
from tests.e2e.served import free_port

TIMEOUT = 180.0
CLIENT, SECRET = "podium-test", "distinctive-client-secret"
FAULTS: dict[
    str, Any
] = {}  # of the tokens from now on: claims to replace (None removes), "shift" (s) of their times, "key" of another signer, "die" when asked for one


@dataclass
class Provider:
    """A provider that runs."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def set_claims(self, subject: str, **claims: object) -> None:
        """What the provider says about somebody from now on."""
        self._send("PUT", f"/users/{subject}", claims)

    def spoil(self, **faults: object) -> None:
        """The fault of every token from now on; without one they are sound again."""
        self._send("PUT", "/spoil", faults)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(TIMEOUT)

    def _send(self, method: str, path: str, body: Mapping[str, object]) -> None:
        content = json.dumps(body).encode()
        request = urllib.request.Request(self.issuer + path, content, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=TIMEOUT):
            pass


def log_in_at_provider(client: Client, subject: str) -> Reply:
    """The whole way as a browser goes it: the answer of Podium at its end."""
    page = urlsplit(client.get("/login/provider").headers["location"])
    assert page.port is not None
    form = Client(page.port).send("POST", f"{page.path}?{page.query}", f"sub={subject}")
    back = urlsplit(form.headers["location"])
    return client.get(f"{back.path}?{back.query}")


@contextmanager
def providing() -> Iterator[Provider]:
    """A provider that answers, gone at the end."""
    port = free_port()
    provider = Provider(port, subprocess.Popen([sys.executable, "-m", "tests.access.mock_provider", str(port)], stderr=subprocess.DEVNULL))
    try:
        begun = time.monotonic()
        while not _answers(provider.issuer):
            assert provider.process.poll() is None, "the provider has ended"
            assert time.monotonic() - begun < TIMEOUT, "the provider does not answer"
            time.sleep(0.05)
        yield provider
    finally:
        provider.stop()


def write_settings(folder: Path, provider: Provider, more: str = "") -> dict[str, str]:
    """A folder to start Podium in, with this provider in its podium.toml; gives the variables that it takes besides."""
    root = Path(__file__).parents[2]
    folder.mkdir(exist_ok=True)
    if not (folder / ".streamlit").exists():
        (folder / ".streamlit").symlink_to(root / ".streamlit")
    (folder / "podium.toml").write_text(
        f'[auth]\nissuer = "{provider.issuer}"\nclient_id = "{CLIENT}"\nprovider_name = "Example"\nadmins = ["root@example.com"]\n'
        f'operators = ["group:desk"]\nviewers = ["claim:department=risk"]\n{more}\n[knobs]\nphase_deadline_ms = 600000\n'
    )
    return {"PYTHONPATH": str(root), "PODIUM_OIDC_CLIENT_SECRET": SECRET}


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/jwks", timeout=TIMEOUT):
            return True
    except OSError:
        return False


def _serve(port: int) -> None:
    import flask
    import oidc_provider_mock
    from joserfc import jwt
    from joserfc.jwk import RSAKey
    from werkzeug.serving import make_server

    app = oidc_provider_mock.app()
    other = RSAKey.generate_key(2048)

    @app.put("/spoil")
    def spoil() -> tuple[str, int]:
        FAULTS.clear()
        FAULTS.update(flask.request.get_json())
        return "", 204

    @app.before_request
    def die() -> None:
        if FAULTS.get("die") and flask.request.path == "/oauth2/token":
            os._exit(1)

    @app.after_request
    def leave_out_style(response: flask.Response) -> flask.Response:
        """The pages of the provider load a style from elsewhere, which no test may."""
        if response.mimetype == "text/html":
            response.set_data(re.sub(rb"<link[^>]*>", b'<link rel="icon" href="data:,">', response.get_data()))
        return response

    @app.after_request
    def spoil_token(response: flask.Response) -> flask.Response:
        if flask.request.path != "/oauth2/token" or not FAULTS or response.status_code != 200:
            return response
        body = json.loads(response.get_data())
        head, middle, _ = body["id_token"].split(".")
        header, claims = (json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in (head, middle))
        shift = FAULTS.get("shift", 0)
        claims |= {name: claims[name] + shift for name in ("iat", "exp", "auth_time") if claims.get(name)}
        claims |= {name: value for name, value in FAULTS.items() if name not in {"shift", "key"}}
        claims = {name: value for name, value in claims.items() if value is not None}
        own = RSAKey.import_key(flask.g.oidc_provider_mock_storage.jwk.as_dict(is_private=True))
        body["id_token"] = jwt.encode(header, claims, other if FAULTS.get("key") else own)
        response.set_data(json.dumps(body))
        return response

    make_server("127.0.0.1", port, app, threaded=True).serve_forever()


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
