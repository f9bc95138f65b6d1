"""What every test may rely on: no setting leaks in from the machine, and where the recordings are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
for _name in [name for name in os.environ if name.startswith("PODIUM_")]:
    del os.environ[_name]


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recorded real markets; tests that need it skip, in one line, only where it is absent."""
    for folder in (os.environ.get("RECORDINGS"), ROOT.parent / "shared" / "data"):
        if folder and Path(folder).is_dir():
            return Path(folder)
    pytest.skip("the recordings are absent: give their folder in RECORDINGS")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh PODIUM_HOME."""
    folder = tmp_path / "podium"
    monkeypatch.setenv("PODIUM_HOME", str(folder))
    return folder
