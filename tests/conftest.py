"""What every test may rely on: no setting leaks in from the machine, and where the recordings are."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import economy

ROOT = Path(__file__).parent.parent
DATA = os.environ.get("PODIUM_TEST_DATA")
for _name in [name for name in os.environ if name.startswith("PODIUM_")]:
    del os.environ[_name]
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # as make test: one thread a process in the numeric libraries
    os.environ.setdefault(_name, "1")
if settings.get_current_profile_name() in {"default", "ci"}:  # the same examples on every machine, and no time that one may take
    settings.register_profile("podium", derandomize=True, database=None, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("podium")
os.environ["PODIUM_HOME"] = tempfile.mkdtemp(prefix="podium-tests-")  # nothing is written where the person's own store is
atexit.register(shutil.rmtree, os.environ["PODIUM_HOME"], ignore_errors=True)


def _recordings() -> Path | None:
    return next((Path(folder) for folder in (DATA, ROOT.parent / "shared" / "data") if folder and Path(folder).is_dir()), None)


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recorded real markets; where it is absent, no test that needs it is collected."""
    folder = _recordings()
    assert folder is not None
    return folder


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """The longest files first, and files that share something dear on one worker."""
    from tests.schedule import make_scheduler

    return make_scheduler(config, log)


def pytest_collection_finish() -> None:
    """What every test would do again with the same result is done once."""
    economy.install(Path(os.environ["PODIUM_HOME"]))


def pytest_report_header() -> list[str]:
    """Say in one line that the recordings are absent."""
    return [] if _recordings() else ["the recordings are absent, tests/recorded are left out: give their folder in PODIUM_TEST_DATA"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the tests where several workers share them, and leave out what needs the recordings where they are absent."""
    if hasattr(config, "workerinput"):
        from tests.schedule import rank_of

        items.sort(key=lambda item: rank_of(item.nodeid.split("::", 1)[0]))
    if _recordings() is not None:
        return
    left_out = [item for item in items if item.get_closest_marker("recordings")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh PODIUM_HOME."""
    folder = tmp_path / "podium"
    monkeypatch.setenv("PODIUM_HOME", str(folder))
    return folder


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """With CI=true no test may skip: a test that skips has not been run, and that is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") != "true" or reporter is None:
        return
    skipped = [report.nodeid for report in reporter.stats.get("skipped", ())]
    if skipped:
        reporter.write_line(f"CI: {len(skipped)} tests were skipped that may not be, the first {skipped[0]}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
