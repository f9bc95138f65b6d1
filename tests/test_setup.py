"""Set-up: what make does on a fresh clone, and what it does not do twice."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("make") is None:  # with CI=true a failure
        pytest.skip("make is not here: what it does is tested where it is")
    env = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    return subprocess.run(["make", *words, f"PYTHON={sys.executable}"], cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone whose requirements are one package that is there already, so that nothing is fetched."""
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text(encoding="utf-8"), encoding="utf-8")
    for name in ("requirements.txt", "requirements-dev.txt"):
        (tmp_path / name).write_text("pip\n", encoding="utf-8")
    return tmp_path


def test_a_failed_installation_is_tried_again_a_second_run_installs_nothing_and_changed_requirements_do(clone: Path) -> None:
    (clone / "requirements.txt").write_text("./no-such-folder\n", encoding="utf-8")
    assert make(clone, ".venv/run.stamp").returncode != 0
    assert not (clone / ".venv" / "run.stamp").exists()
    (clone / "requirements.txt").write_text("pip\n", encoding="utf-8")
    again = make(clone, ".venv/run.stamp")
    assert again.returncode == 0, again.stderr
    assert "Setting up .venv" in again.stdout
    assert "Setting up" not in make(clone, ".venv/run.stamp").stdout
    (clone / "requirements.txt").write_text("pip\nsetuptools ; python_version < '3'\n", encoding="utf-8")
    os.utime(clone / "requirements.txt", (2**31, 2**31))
    assert "Setting up .venv" in make(clone, ".venv/run.stamp").stdout


def test_an_old_python_is_refused_in_one_line(clone: Path) -> None:
    old = clone / "old"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    old.chmod(0o755)
    told = subprocess.run(["make", "run", f"PYTHON={old}"], cwd=clone, capture_output=True, text=True, timeout=600, check=False)
    assert told.returncode != 0
    assert "Podium needs Python 3.11 or newer" in told.stderr


def test_run_and_test_do_what_the_contract_says() -> None:
    run = make(ROOT, "-n", "run", "ARGS=--feed recorded --path DIR").stdout
    assert "-m engine serve --feed recorded --path DIR" in run
    tests = make(ROOT, "-n", "test").stdout
    assert "-m pytest -n 2" in tests
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_every_target_of_make_can_be_made(clone: Path) -> None:
    targets = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert targets is not None
    for target in targets[1].split():
        done = make(clone, "--dry-run", target)
        assert done.returncode == 0, done.stderr


def test_every_requirement_has_a_range_or_a_reason() -> None:
    lines = [line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()]
    for line in filter(None, lines):
        assert re.fullmatch(r"[a-z0-9-]+(\[[a-z]+\])?>=[\d.]+(,<[\d.]+)?", line), line


def test_warnings_are_errors_and_marks_are_strict() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pytest_options = told["tool"]["pytest"]["ini_options"]
    assert pytest_options["filterwarnings"][0] == "error"
    assert pytest_options["xfail_strict"]
    assert {"--strict-markers", "--strict-config"} <= set(pytest_options["addopts"])
    assert told["tool"]["mypy"]["strict"]
