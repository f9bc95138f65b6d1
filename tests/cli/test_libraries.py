"""A required library that is missing or cannot be loaded is one line with the remedy in every entry point."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine import libraries
from engine.__main__ import main
from engine.libraries import REQUIRED_LIBRARIES, LibraryError, explain_import_error
from tests.cli.test_cli import ROOT

NO_OPENMP = "libgomp.so.1: cannot open shared object file: No such file or directory"
REMEDY = "apt-get install libgomp1"


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which LightGBM finds no OpenMP: a module of its name that fails as it does."""
    stub(tmp_path, "lightgbm", f"raise OSError({NO_OPENMP!r})")
    monkeypatch.syspath_prepend(tmp_path / "stubs")
    for name in ("lightgbm", "engine.models.lightgbm", "engine.models._lightgbm_library"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setenv("PODIUM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stub(folder: Path, name: str, text: str) -> Path:
    (folder / "stubs").mkdir(exist_ok=True)
    (folder / "stubs" / f"{name}.py").write_text(text, encoding="utf-8")
    return folder / "stubs"


@pytest.mark.parametrize("line", ["run --ticks 1", "backtest simulated --bars 5"])
def test_an_engine_without_openmp_ends_in_one_line(broken: Path, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 64
    out, err = capsys.readouterr()
    assert REMEDY in err
    assert "libgomp" in err
    assert (err.count("\n"), out) == (1, "")


def test_doctor_names_what_cannot_be_loaded(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--quiet"]) == 1
    assert f"wrong  the system's library libgomp is missing ({NO_OPENMP}): install it: {REMEDY}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "name", "told"),
    [
        (["engine", "serve"], "lightgbm", REMEDY),
        (["streamlit", "run", "app.py", "--server.headless", "true"], "apscheduler", "the library apscheduler cannot be loaded"),
        (["engine", "status"], "sqlalchemy", "the library sqlalchemy cannot be loaded"),
    ],
)  # fmt: skip
def test_a_process_of_its_own_ends_in_one_line_too(tmp_path: Path, words: list[str], name: str, told: str) -> None:
    failure = f"OSError({NO_OPENMP!r})" if name == "lightgbm" else f"ModuleNotFoundError('No module named {name}', name={name!r})"
    stubs = stub(tmp_path, name, f"raise {failure}")
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PODIUM_")} | {
        "PYTHONPATH": f"{stubs}{os.pathsep}{ROOT}", "PODIUM_HOME": str(tmp_path / "home"), "PODIUM_PORT": "18", "STREAMLIT_SERVER_PORT": "18",
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 64, done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("podium: ") and told in line], done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_every_requirement_is_looked_at() -> None:
    names = [re.match(r"[\w-]+", line) for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    modules = importlib.metadata.packages_distributions()
    looked_at = {distribution.lower().replace("_", "-") for name in REQUIRED_LIBRARIES for distribution in modules[name]}
    assert {name[0].lower() for name in names if name} <= looked_at


def test_a_fault_of_podiums_own_is_no_library() -> None:
    assert explain_import_error(ImportError("cannot import name 'x' from 'engine.run'", name="engine.run")) is None
    assert explain_import_error(OSError(2, "No such file or directory", "/tmp/libx.so")) is None
    assert explain_import_error(OSError("the disk is full")) is None


def test_what_is_missing_is_refused_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "RARELY_USED_LIBRARIES", ("no_library_of_this_name",))
    with pytest.raises(LibraryError, match="the library no_library_of_this_name is missing: pip install -r requirements"):
        libraries.require_libraries(dashboard=False)
