"""Which test runs which line: a run of the tests under coverage, with what tests share (caches and wide fixtures) kept apart from who came first."""

from __future__ import annotations

import functools
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import coverage
import pytest

QUIET = ("-p", "no:cacheprovider", "-p", "no:xdist", "--no-header", "--tb=line", "-p", "tests.mutants.bounded")
QUICK = "not slow and not browser and not recordings"
SKIPPED = ("tests/e2e", "tests/recorded", "tests/proof", "tests/soak", "tests/mutants")


class Covering:
    """A plugin of pytest: a context of coverage for every test and for everything that tests share, with its own seconds of CPU."""

    def __init__(self, root: Path, files: list[str]) -> None:
        self.measured = coverage.Coverage(data_file=None, include=[str(root / file) for file in files], config_file=False)
        self.cost: dict[str, float] = defaultdict(float)
        self.uses: dict[str, set[str]] = defaultdict(set)
        self.failed: set[str] = set()
        self._stack, self._since, self._cache = ["import"], time.process_time(), functools.cache
        functools.cache = self._shared  # type: ignore[assignment]
        self.measured.start()
        self.measured.switch_context("import")

    @contextmanager
    def _in(self, name: str) -> Iterator[None]:
        self.uses[self._stack[-1]].add(name)
        self._count()
        self._stack.append(name)
        self.measured.switch_context(name)
        try:
            yield
        finally:
            self._count()
            self._stack.pop()
            self.measured.switch_context(self._stack[-1])

    def _count(self) -> None:
        now = time.process_time()
        self.cost[self._stack[-1]] += now - self._since
        self._since = now

    def _shared(self, function: Callable[..., Any]) -> Callable[..., Any]:
        cached = self._cache(function)
        if not function.__module__.startswith("tests"):
            return cached

        @functools.wraps(function)
        def call(*args: Any, **named: Any) -> Any:
            with self._in(f"{function.__module__}.{function.__qualname__}"):
                return cached(*args, **named)

        return call

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        with self._in(item.nodeid):
            for definitions in getattr(item, "_fixtureinfo").name2fixturedefs.values():  # noqa: B009
                self.uses[item.nodeid].update(_name(one) for one in definitions if one.scope != "function")
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Generator[None, object, object]:
        if fixturedef.scope == "function":
            return (yield)
        with self._in(_name(fixturedef)):
            return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.passed:
            self.failed.add(report.nodeid)

    def write(self, root: Path, file: Path) -> None:
        """Write the map as JSON: of every line who runs it, of every test what it costs and uses."""
        self.measured.stop()
        functools.cache = self._cache
        data, places = self.measured.get_data(), {name: place for place, name in enumerate(self.cost)}
        lines = {
            str(Path(file).relative_to(root)): {line: [places[name] for name in names] for line, names in data.contexts_by_lineno(file).items()}
            for file in data.measured_files()
        }
        tests = [name for name in self.cost if "::" in name and not name.startswith("fixture ") and name not in self.failed]
        uses = {name: sorted(used) for name, used in self.uses.items()}
        covered = {"names": list(self.cost), "cost": self.cost, "lines": lines, "tests": tests, "uses": uses}
        file.write_text(json.dumps(covered), encoding="utf-8")


def _name(fixture: Any) -> str:
    return f"fixture {fixture.baseid}::{fixture.argname}"


def measure(root: Path, file: Path, files: list[str], paths: list[str]) -> int:
    """Run the tests of `paths` under coverage of `files` and write the map; for a process of its own."""
    plugin = Covering(root, files)
    ignored = [f"--ignore={folder}" for folder in SKIPPED]
    code = pytest.main(["-q", "-m", QUICK, *ignored, *QUIET, *paths], plugins=[plugin])
    plugin.write(root, file)
    return int(code)


if __name__ == "__main__":
    sys.exit(measure(Path.cwd(), Path(sys.argv[1]), sys.argv[2].split(), sys.argv[3:]))
