"""Installs ccxt when a live market is first asked for: no other part of Podium needs it, and it pins versions of libraries exactly."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

from engine.domain.texts import on_one_line
from engine.libraries import LibraryError

REQUIREMENTS = Path(__file__).parents[2] / "requirements-live.txt"
INSTALL_LIVE = "pip install -r requirements-live.txt"
LONGEST_REASON = 300  # letters
_LINE = re.compile(r"([A-Za-z0-9_.-]+)([^#]*)")


def find_missing_package(requirements: Path = REQUIREMENTS) -> str | None:
    """Return the first package of the file that is missing or outside its range, such as 'ccxt>=4.5,<5'; None where all are there."""
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415 - only a live market needs it

    for line in requirements.read_text(encoding="utf-8").splitlines():
        match = _LINE.match(line.strip())
        if match is None:
            continue
        try:
            version = importlib.metadata.version(match[1])
        except importlib.metadata.PackageNotFoundError:
            return match[0].strip()
        if not SpecifierSet(match[2].strip()).contains(version, prereleases=True):
            return match[0].strip()
    return None


def require_live_packages(requirements: Path = REQUIREMENTS, *, python: str = sys.executable) -> None:
    """Install what a live market needs where it is not there, with one line on stderr; raises LibraryError in one line with the remedy."""
    missing = find_missing_package(requirements)
    if missing is None:
        return
    print(f"podium: installing {missing} for the live market, once", file=sys.stderr, flush=True)  # noqa: T201 - for the person who waits for it
    command = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "-r", str(requirements)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise LibraryError(f"{missing} cannot be installed ({error.strerror}): run {INSTALL_LIVE}") from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1] if lines else f"pip ended with {done.returncode}")
        raise LibraryError(f"{missing} cannot be installed ({on_one_line(reason)[:LONGEST_REASON]}): connect to the network, or run {INSTALL_LIVE}")
    importlib.invalidate_caches()
