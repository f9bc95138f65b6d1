"""A distinctive secret in every place where there may be one, and nothing that Podium writes, sends or prints has any of them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import zstandard
from playwright.sync_api import WebSocket

from pages.ui.navigation import PAGES
from tests.access.mock_provider import SECRET, Provider, providing, write_settings
from tests.e2e.served import OWN, SLOW, Served, free_port, serving
from tests.e2e.visitor import Visitor

pytestmark = pytest.mark.browser
SECRETS = {
    "password of an alert address": "Plantedpass1x7", "path of an alert address": "Plantedpath2x7", "query of an alert address": "Plantedquery3x7",
    "escalation": "Plantedescalate4x7", "proxy of the exchange": "Plantedproxy5x7", "header of the exchange": "Plantedheader6x7",
    "client secret": SECRET, "password": "Plantedaccount8x7", "wrong password": "Plantedwrong9x7", "broken setting": "Plantedbroken0x7",
}  # fmt: skip
READS = ("/healthz", "/metrics", *(f"/api/v1/{name}" for name in ("decisions", "gates", "trials", "components", "status", "commands")))


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with providing() as running:
        yield running


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> dict[str, str]:
    """Every secret in another kind of place: a variable, the file of a variable, a file of podium.toml, a credential."""
    folder, port = tmp_path_factory.mktemp("secrets"), free_port()  # nothing answers there: sending fails, and says so
    alert = f"json://bob:{SECRETS['password of an alert address']}@127.0.0.1:{port}/{SECRETS['path of an alert address']}"
    (folder / "urls").write_text(f"{alert}?+X-Key={SECRETS['query of an alert address']}\n")
    (folder / "podium_escalate_urls").write_text(f"jsons://127.0.0.1:{port}/{SECRETS['escalation']}")
    options = {"httpsProxy": f"http://u:{SECRETS['proxy of the exchange']}@127.0.0.1:{port}", "headers": {"X": SECRETS["header of the exchange"]}}
    given = write_settings(folder / "here", provider, f'[alerts]\nurls_file = "{folder / "urls"}"\nescalate_minutes = 1.0\n')
    return given | {
        "PODIUM_EXCHANGE_OPTIONS": json.dumps(options), "CREDENTIALS_DIRECTORY": str(folder), "FOLDER": str(folder / "here"),
    }  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, provider: Provider, variables: dict[str, str]) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("planted"), OWN | variables, root=variables["FOLDER"]) as served:
        served.wait(lambda: served.tick() > int(OWN["PODIUM_WARMUP_BARS"]), "the warm-up to be over")
        yield served


def call(server: Served, variables: dict[str, str], *words: str, stdin: str = "", **more: str) -> bytes:
    """What a command of the command line prints, whatever comes of it."""
    env = {"PATH": "/usr/bin:/bin", "PODIUM_HOME": str(server.home), **variables, **more}
    done = subprocess.run(
        [sys.executable, "-m", "engine", *words],
        cwd=variables["FOLDER"],
        env=env,
        input=stdin.encode(),
        capture_output=True,
        check=False,
        timeout=SLOW,
    )
    return done.stdout + done.stderr


def run_live(home: Path, variables: dict[str, str]) -> bytes:
    """What an engine prints that reaches its exchange by a proxy that is down, until it says so; its own files are under `home`."""
    live = {"PODIUM_FEED": "live", "PODIUM_EXCHANGE": "kraken", "PODIUM_SYMBOLS": "BTC/USD", "PODIUM_HOME": str(home)}
    words = [sys.executable, "-m", "engine", "run", "--ticks", "1"]
    env = {"PATH": "/usr/bin:/bin", **variables, **live}
    with subprocess.Popen(words, cwd=variables["FOLDER"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if b"it is tried again" in line:
                process.terminate()
        assert any(b"the markets of kraken" in line for line in lines)
        return b"".join(lines)


def read_file(path: Path) -> bytes:
    """The content of a file, unpacked."""
    content = path.read_bytes()
    if path.suffix == ".zst":
        return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(content)).read()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as bundle:
            return b"\n".join(name.encode() + bundle.read(name) for name in bundle.namelist())
    return content


def find_secrets(texts: dict[str, bytes]) -> list[tuple[str, str]]:
    """Where which secret stands, also in the forms that addresses and headers give it."""
    forms = {name: {secret.encode(), quote(secret, safe="").encode(), b64encode(secret.encode()).rstrip(b"=")} for name, secret in SECRETS.items()}
    return [(name, place) for place, text in texts.items() for name, known in forms.items() if any(form in text for form in known)]


def visit_everything(visitor: Visitor, provider: Provider, token: str) -> dict[str, bytes]:
    """What a browser is sent on every page, and a program by the API; log-ins with a wrong and a right password and at the provider."""
    sent: dict[str, bytes] = {}

    def watch(socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: sent.update({f"frame {len(sent)}": frame if isinstance(frame, bytes) else frame.encode()}))

    visitor.page.on("websocket", watch)
    for password in (SECRETS["wrong password"], SECRETS["password"]):
        visitor.page.goto(f"{visitor.url}/login")
        visitor.page.get_by_label("Name").fill("ann")
        visitor.page.get_by_label("Password").fill(password)
        visitor.page.get_by_role("button", name="Log in").click()
        visitor.page.wait_for_load_state()
        sent[f"log-in {len(sent)}"] = visitor.page.content().encode()
    visitor.is_on("Overview")
    provider.set_claims("s-root", email="root@example.com", email_verified=True)
    visitor.page.goto(f"{visitor.url}/login/provider")
    visitor.page.get_by_placeholder("sub").fill("s-root")
    visitor.page.get_by_role("button", name="Authorize").click()
    visitor.is_on("Overview")
    for _, title, address, _ in PAGES:
        visitor.go(f"/{address or ''}")
        visitor.is_idle()
        sent[f"page {title}"] = visitor.page.content().encode()
        sent[f"updates {title}"] = visitor.page.request.get(f"{visitor.url}/podium/updates/{title}.json").body()
    for path in READS:
        sent[path] = visitor.page.request.get(visitor.url + path, headers={"Authorization": f"Bearer {token}"}).body()
    visitor.page.goto("about:blank")
    visitor.complaints.clear()  # the wrong password
    return sent


def test_no_secret_is_in_anything_that_is_written_sent_or_printed(
    server: Served, provider: Provider, variables: dict[str, str], visit: Callable[..., Visitor], tmp_path: Path
) -> None:
    printed = {"user add": call(server, variables, "user", "add", "ann", "--role", "admin", stdin=SECRETS["password"])}
    made = call(server, variables, "token", "create", "bot", "--scope", "read").decode()
    SECRETS["token"] = next(word for word in made.split() if word.startswith("podium_"))  # printed this once, as it must be
    sent = visit_everything(visit(server.url), provider, SECRETS["token"])
    tick = str(server.tick())
    for words in (
        ("doctor",), ("status", "--json"), ("command", "drill", "--wait", "120"), ("user", "list"), ("token", "list"), ("audit", "verify"),
        ("report", "--out", str(tmp_path / "report.html")), ("report", "--out", str(tmp_path / "report.md")),
        ("replay", tick, "--bundle", str(tmp_path / "bundle.zip")), ("backup", str(tmp_path / "backup.db")),
        ("export", "audit", "--out", str(tmp_path / "audit.csv")), ("export", "commands", "--out", str(tmp_path / "commands.csv")),
    ):  # fmt: skip
        printed[" ".join(words)] = call(server, variables, *words)
    broken = SECRETS["broken setting"]
    for name, more in {
        "a wrong address": {"PODIUM_ALERT_URLS": f"no-address-{broken}"}, "options that are no JSON": {"PODIUM_EXCHANGE_OPTIONS": f"{{{broken}"},
        "options of an account": {"PODIUM_EXCHANGE_OPTIONS": json.dumps({"secret": broken})},
        "a secret twice": {"PODIUM_OIDC_CLIENT_SECRET": broken, "PODIUM_OIDC_CLIENT_SECRET_FILE": "x"},
    }.items():  # fmt: skip
        printed[name] = call(server, variables, "run", "--ticks", "1", **more)
        assert b"Traceback" not in printed[name], name
    printed["an exchange behind a proxy that is down"] = run_live(tmp_path / "live", variables)
    server.wait(lambda: bool(server.ask("SELECT 1 FROM logins WHERE ended_at IS NULL")), "the log-ins in the store")
    server.stop()
    written = {str(path): read_file(path) for folder in (server.home, tmp_path) for path in folder.rglob("*") if path.is_file()}
    written[str(server.log)] = server.log.read_bytes()
    assert len([name for name in sent if name.startswith("frame")]) > len(PAGES)
    for name in ("report.html", "report.md", "bundle.zip", "backup.db", "audit.csv"):
        assert (tmp_path / name).stat().st_size > 0, name
    assert any(b"127.0.0.1" in text and b"json" in text for text in written.values())  # the label of an address, which may be seen
    assert find_secrets(printed | sent | written) == []
    assert find_secrets({"a check of the search": SECRETS["token"].encode()}) == [("token", "a check of the search")]
