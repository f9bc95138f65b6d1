"""ccxt is installed when a live market is first asked for, and a failure is one line with the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.libraries import LibraryError
from engine.live.installation import REQUIREMENTS, find_missing_package, require_live_packages


def write_requirements(folder: Path, text: str) -> Path:
    path = folder / "requirements-live.txt"
    path.write_text(text, encoding="utf-8")
    return path


def write_python(folder: Path, script: str) -> str:
    """A program in the place of the interpreter, which records its arguments."""
    path = folder / "python"
    path.write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\n{script}\n', encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_what_is_there_in_its_range_is_not_installed_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    requirements = write_requirements(tmp_path, "# a comment\n\npip>=1  # the installer\n")
    require_live_packages(requirements, python=write_python(tmp_path, "exit 1"))
    assert not (tmp_path / "calls").exists()
    assert capsys.readouterr().err == ""
    assert find_missing_package(REQUIREMENTS) is None  # the checks need it


@pytest.mark.parametrize("line", ["no-such-package>=1,<2", "pip>=1,<2"])
def test_what_is_missing_or_out_of_its_range_is_installed_from_the_file_with_a_single_notice(
    tmp_path: Path, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    requirements = write_requirements(tmp_path, f"{line}  # why\n")
    require_live_packages(requirements, python=write_python(tmp_path, "exit 0"))
    assert (tmp_path / "calls").read_text(encoding="utf-8") == f"-m pip --disable-pip-version-check --quiet install -r {requirements}\n"
    assert capsys.readouterr().err == f"podium: installing {line} for the live market, once\n"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ('echo "ERROR: no network" >&2; echo "hint: more" >&2; exit 1', "ERROR: no network"),
        ("exit 3", "pip ended with 3"),
        ("echo plain >&2; exit 1", "plain"),
    ],
)
def test_a_failed_installation_is_one_line_with_the_remedy(tmp_path: Path, script: str, reason: str) -> None:
    requirements = write_requirements(tmp_path, "no-such-package>=1\n")
    with pytest.raises(LibraryError) as caught:
        require_live_packages(requirements, python=write_python(tmp_path, script))
    assert str(caught.value) == (
        f"no-such-package>=1 cannot be installed ({reason}): connect to the network, or run pip install -r requirements-live.txt"
    )


def test_pip_itself_says_why_in_that_line(tmp_path: Path) -> None:
    requirements = write_requirements(tmp_path, "no-such-package\n./no-such-folder\n")
    with pytest.raises(LibraryError, match=r"^no-such-package cannot be installed \(ERROR: .*\): connect to the network, or run") as caught:
        require_live_packages(requirements)
    assert "\n" not in str(caught.value)


def test_an_interpreter_that_cannot_be_started_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match=r"\(No such file or directory\): run pip install"):
        require_live_packages(write_requirements(tmp_path, "no-such-package\n"), python=str(tmp_path / "nowhere"))
