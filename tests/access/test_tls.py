"""Other machines are answered only after a log-in and over an encrypted connection; anything less is refused in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.__main__ import main
from engine.service.settings_loader import load_settings
from engine.settings import SettingsError
from engine.web.guard import Guard
from tests.access.browsing import PASSWORD, Client
from tests.e2e.served import Served, free_port
from tests.makers import awaited

FILES = Path(__file__).parent
TLS = {"PODIUM_TLS_CERT": str(FILES / "localhost.pem"), "PODIUM_TLS_KEY": str(FILES / "localhost.key")}
LOGIN, OTHERS, PROXY = {"PODIUM_LOGIN": "local"}, {"PODIUM_ADDRESS": "0.0.0.0"}, {"PODIUM_BEHIND_PROXY": "10.0.0.2"}


@pytest.mark.parametrize(
    ("env", "words"),
    [
        (OTHERS, "no login yet"), (OTHERS | TLS, "no login yet"), (OTHERS | LOGIN, "passwords would travel unencrypted"),
        (OTHERS | LOGIN | {"PODIUM_TLS_CERT": TLS["PODIUM_TLS_CERT"]}, "go together"), (PROXY, "behind_proxy needs log-in"),
        (LOGIN | TLS | {"PODIUM_TLS_KEY": "/nowhere"}, "is not a file"), (LOGIN | {"PODIUM_BEHIND_PROXY": "proxy.example"}, "give the IP addresses"),
        ({"PODIUM_LOGIN": "yes"}, "login is 'yes': give off, local, oidc or both"), ({"PODIUM_ADDRESS": "::"}, "no login yet"),
    ],
)  # fmt: skip
def test_what_would_let_others_in_is_refused_in_a_line(env: dict[str, str], words: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"HOME": str(tmp_path), **env}, tmp_path)
    assert words.replace("login is", "PODIUM_LOGIN is") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("env", [{}, LOGIN, TLS, LOGIN | TLS | OTHERS, LOGIN | PROXY | OTHERS, LOGIN | PROXY])
def test_what_is_safe_is_accepted(env: dict[str, str], tmp_path: Path) -> None:
    settings = load_settings({"HOME": str(tmp_path), **env}, tmp_path)
    assert settings.address == env.get("PODIUM_ADDRESS", "127.0.0.1")


def test_the_table_auth_turns_the_log_in_on(tmp_path: Path) -> None:
    (tmp_path / "podium.toml").write_text("[auth]\nidle_hours = 2\ndays = 1\n")
    settings = load_settings({"HOME": str(tmp_path)}, tmp_path)
    assert (settings.login, settings.session_idle_hours, settings.session_days) == ("local", 2.0, 1.0)
    assert load_settings({"HOME": str(tmp_path), "PODIUM_LOGIN": "off"}, tmp_path).login == "off"
    (tmp_path / "podium.toml").write_text("[auth]\nidle_hour = 2\n")
    with pytest.raises(SettingsError, match="did you mean idle_hours"):
        load_settings({"HOME": str(tmp_path)}, tmp_path)


async def answered(*, login: bool, server: str, scheme: str, host: str, client: str = "127.0.0.1", proxy: bool = False) -> int:
    """The code of an answer to a request as the server hands it on; 200 where it passes."""
    codes: list[int] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        codes.append(200)

    async def send(message: Any) -> None:
        codes.extend([message["status"]] if message["type"] == "http.response.start" else [])

    async def receive() -> Any:
        return {"type": "http.request"}

    scope = {
        "type": "http",
        "method": "GET",
        "server": (server, 8501),
        "client": (client, 1),
        "scheme": scheme,
        "headers": [(b"host", host.encode())],
    }
    await Guard(inner, ("podium.example",), lambda: login, lambda: proxy)(scope, receive, send)
    return codes[0]


@pytest.mark.parametrize(
    ("login", "server", "scheme", "host", "code"),
    [
        (True, "10.0.0.5", "https", "podium.example", 200), (True, "10.0.0.5", "https", "10.0.0.5:8501", 200),
        (True, "10.0.0.5", "http", "podium.example", 403), (True, "10.0.0.5", "https", "evil.example", 403),
        (True, "10.0.0.5", "https", "10.0.0.6", 403), (False, "10.0.0.5", "https", "podium.example", 403),
        (True, "127.0.0.1", "http", "127.0.0.1:8501", 200), (True, "127.0.0.1", "http", "evil.example", 403),
    ],
)  # fmt: skip
def test_a_request_from_another_machine_takes_log_in_encryption_and_a_known_name(login: bool, server: str, scheme: str, host: str, code: int) -> None:
    assert awaited(answered(login=login, server=server, scheme=scheme, host=host)) == code


@pytest.mark.parametrize(
    ("scheme", "client", "proxy", "code"),
    [
        ("http", "127.0.0.1", True, 403), ("https", "203.0.113.7", True, 200), ("http", "203.0.113.7", False, 403), ("ws", "127.0.0.1", True, 403),
        ("https", "127.0.0.1", True, 200), ("http", "127.0.0.1", False, 200),
    ],
)  # fmt: skip
def test_what_comes_through_a_proxy_on_this_machine_must_have_come_over_https(scheme: str, client: str, proxy: bool, code: int) -> None:
    asked = answered(login=True, server="127.0.0.1", scheme=scheme, host="127.0.0.1:8501", client=client, proxy=proxy)
    assert awaited(asked) == code


def test_only_a_proxy_of_the_settings_is_believed(tmp_path: Path) -> None:
    """The proxy is 127.0.0.2; on 127.0.0.1, which uvicorn believes by default, another program forges what a proxy would say."""
    settings = {"PODIUM_WARMUP_BARS": "20", "PODIUM_SIM_SYMBOLS": "2", **LOGIN, "PODIUM_BEHIND_PROXY": "127.0.0.2"}
    served = Served(tmp_path / "home", **settings)
    try:
        words = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
        proxy, other = Client(served.port, extra=words, source="127.0.0.2"), Client(served.port, extra=words)
        served.wait(lambda: _is_up(proxy), "an answer to the proxy")
        assert (other.get("/healthz").code, Client(served.port).get("/healthz").code) == (403, 403)
        reply = proxy.get("/login")
        assert (reply.code, "Secure" in reply.headers["set-cookie"]) == (200, True)
        assert proxy.log_in("nobody").code == 401
        assert served.ask("SELECT DISTINCT origin FROM audit WHERE kind = 'log-in'") == [("203.0.113.7",)]
    finally:
        served.end()


def test_it_serves_over_tls_with_a_cookie_that_stays_encrypted(tmp_path: Path) -> None:
    settings = {"PODIUM_WARMUP_BARS": "20", "PODIUM_SIM_SYMBOLS": "2", **LOGIN, **TLS}
    served = Served(tmp_path / "home", **settings)
    try:
        client = Client(served.port, tls=True)
        served.wait(lambda: _is_up(client), "an answer over TLS")
        from engine.access.accounts import Accounts

        accounts = Accounts(f"sqlite:///{served.home}/podium.db")
        accounts.add("ann", "viewer", PASSWORD, 1)
        accounts.close()
        reply = client.log_in("ann")
        assert (reply.code, "Secure" in reply.headers["set-cookie"]) == (303, True)
        assert client.get("/api/v1/status").code == 200
        assert client.shake_hands() == 101
    finally:
        served.end()


@pytest.mark.parametrize("place", ["podium.toml", "environment"])
def test_a_start_that_would_leave_out_the_certificate_is_refused_in_a_line(tmp_path: Path, place: str) -> None:
    root, variables = FILES.parents[1], {name.removeprefix("PODIUM_").lower(): value for name, value in TLS.items()}
    (tmp_path / ".streamlit").symlink_to(root / ".streamlit")
    if place == "podium.toml":
        (tmp_path / "podium.toml").write_text("".join(f'{name} = "{value}"\n' for name, value in variables.items()))
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root), "PODIUM_HOME": str(tmp_path / "home"), **(TLS if place == "environment" else {})}
    words = [sys.executable, "-m", "streamlit", "run", str(root / "app.py"), "--server.port", str(free_port())]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 64
    assert [line for line in done.stderr.splitlines() if line.startswith("podium:")] == [
        f"podium: tls_cert is {TLS['PODIUM_TLS_CERT']!r}, and the server was started without it: start by python -m engine serve, or add "
        "--server.sslCertFile and --server.sslKeyFile"
    ]
    assert "Traceback" not in done.stderr


def _is_up(client: Client) -> bool:
    try:
        return client.get("/healthz").code == 200
    except OSError:
        return False


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({}, "ok     log-in is off"), (LOGIN, "wrong  log-in is on and there is no account"),
        (OTHERS | LOGIN, "wrong  settings: PODIUM_ADDRESS"),
    ],
)  # fmt: skip
def test_doctor_names_what_is_missing(
    env: dict[str, str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {"PODIUM_HOME": str(tmp_path / "home"), **env}.items():
        monkeypatch.setenv(name, value)
    main(["doctor"])
    assert words.replace("PODIUM_ADDRESS", "address") in capsys.readouterr().out
