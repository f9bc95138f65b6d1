"""The way every Streamlit user starts an app: pip install -r requirements.txt, then streamlit run app.py, and no make."""

from __future__ import annotations

import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser

from tests.e2e.served import OWN, ROOT, SLOW, Served, serving
from tests.e2e.visitor import Visitor

pytestmark = pytest.mark.browser
PLAIN = "streamlit run app.py"
UNUSED = {"PODIUM_PORT": "8599"}  # Streamlit has taken its port before it reads app.py
OLD_NAME = {"PODIUM_WARMUP_BARS": "", "PODIUM_WARM_UP": OWN["PODIUM_WARMUP_BARS"]}


def tracked_files() -> list[str]:
    """The files git tracks or would track: what a clone holds."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clone") / "podium"
    for name in tracked_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, clone: Path, browser: Browser) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("plain"), OWN | UNUSED | OLD_NAME, words=PLAIN, root=str(clone)) as served:
        yield served


def test_streamlit_run_in_a_clone_draws_charts(plain: Served, clone: Path, visit: Callable[..., Visitor]) -> None:
    visitor = visit(plain.url)
    visitor.go("/")
    visitor.chart("Equity of Podium")
    generated = {path.relative_to(clone).as_posix() for path in clone.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert generated == set(tracked_files())


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/api/v1/status"])
def test_streamlit_run_answers_programs_too(plain: Served, path: str) -> None:
    with urllib.request.urlopen(plain.url + path, timeout=SLOW) as answer:
        assert answer.status == 200


def test_streamlit_run_listens_on_this_machine_only(plain: Served) -> None:
    listening = [place.laddr for place in psutil.Process(plain.process.pid).net_connections() if place.status == psutil.CONN_LISTEN]
    assert [(place.ip, place.port) for place in listening] == [("127.0.0.1", plain.port)]


def test_a_port_that_came_too_late_and_an_old_name_of_a_setting_are_named_once_with_their_remedies(plain: Served) -> None:
    messages = [line for line in plain.log.read_text(encoding="utf-8").splitlines() if line.startswith("podium: ")]
    assert sorted(messages) == [
        "podium: PODIUM_WARM_UP is now called PODIUM_WARMUP_BARS: rename it, the next version refuses the old name",
        f"podium: the port of PODIUM_PORT or podium.toml, 8599, is not used: streamlit run took {plain.port}; add --server.port 8599",
    ]
