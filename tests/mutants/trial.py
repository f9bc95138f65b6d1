"""One mutant on trial: the tests that run its line, cheapest first, in a process forked from one that has imported what is heavy."""

from __future__ import annotations

import ast
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from tests.mutants.mutate import Mutant

REFERENCES = "tests/reference/"
BUDGET = 120.0  # seconds of CPU, by the map, that the tests of one mutant may take together; the first is always run
WARM = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"  # by the process that was forked
BROKEN = 70  # exit code: the trial itself failed
SLACK = 30.0  # seconds of CPU beside three times that, before a mutant has hung


@dataclass
class Map:
    """What covering.py found, of all its parts."""

    lines: dict[str, dict[int, set[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    cost: dict[str, float] = field(default_factory=dict)
    tests: set[str] = field(default_factory=set)
    uses: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, file: Path) -> None:
        """Take up one part."""
        part = json.loads(file.read_text(encoding="utf-8"))
        names = part["names"]
        for name, lines in part["lines"].items():
            for line, places in lines.items():
                self.lines[name][int(line)].update(names[place] for place in places)
        self.cost.update(part["cost"])
        self.tests.update(part["tests"])
        for name, used in part["uses"].items():
            self.uses[name].update(used)

    def chosen(self, mutant: Mutant, root: Path) -> list[str]:
        """The tests for a mutant, within the budget: those of the references, which kill most, then the others, the cheapest first."""
        reached = self._reached(mutant, root)
        needs = {test: self._needs(test) for test in self.tests}
        able = sorted(
            (not test.startswith(REFERENCES), sum(self.cost.get(name, 0.0) for name in names), test)
            for test, names in needs.items()
            if names & reached
        )
        chosen: list[str] = []
        paid: set[str] = set()
        for _, _, test in able:
            paid |= needs[test]
            if chosen and self.price(paid) > BUDGET:
                break
            chosen.append(test)
        return chosen

    def price(self, names: set[str]) -> float:
        """Seconds of CPU that these take together."""
        return sum(self.cost.get(name, 0.0) for name in names)

    def needs_of(self, tests: list[str]) -> set[str]:
        """The tests and all that they share."""
        return set().union(*(self._needs(test) for test in tests))

    def _needs(self, name: str) -> set[str]:
        found, todo = {name}, [name]
        while todo:
            for used in self.uses.get(todo.pop(), set()) - found:
                found.add(used)
                todo.append(used)
        return found

    def _reached(self, mutant: Mutant, root: Path) -> set[str]:
        """Who runs the mutant: those of its lines; of a constant, those of the functions in which its name stands, else all of the file."""
        lines = self.lines[mutant.file]
        run = set().union(*(lines[line] for line in range(mutant.line, mutant.last_line + 1))) - {"import"}
        if not mutant.name or run:
            return run
        for file, known in self.lines.items():
            for function in ast.walk(ast.parse((root / file).read_bytes())):
                if isinstance(function, ast.FunctionDef) and any(_is(node, mutant.name) for node in ast.walk(function)):
                    run.update(*(known[line] for line in range(function.lineno + 1, (function.end_lineno or 0) + 1)))
        return (run or set().union(*lines.values())) - {"import"}


def _is(node: ast.AST, name: str) -> bool:
    return (isinstance(node, ast.Name) and node.id == name) or (isinstance(node, ast.Attribute) and node.attr == name)


def copied(root: Path, folder: Path) -> Path:
    """A copy of the working tree as git sees it, where mutants may be written."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=root, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name)
    (folder / ".venv").symlink_to(root / ".venv")
    return folder


@dataclass
class Trial:
    """A mutant under way in a copy of the tree."""

    mutant: Mutant
    tests: list[str]
    copy: Path
    limit: float  # seconds of CPU
    process: int = 0
    began: float = 0.0

    def start(self) -> None:
        """Write the mutant and fork."""
        target = self.copy / self.mutant.file
        shutil.copy2(target, self.copy / "original")
        target.write_bytes(self.mutant.apply(target.read_bytes()))
        self.began = time.monotonic()
        self.process = os.fork()
        if self.process == 0:
            code = BROKEN
            try:
                code = _run(self.copy, self.tests, self.limit)
            finally:
                if code == BROKEN:
                    traceback.print_exc()
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)

    def finished(self) -> str | None:
        """None while it runs; then killed, survived or hung."""
        done, status = os.waitpid(self.process, os.WNOHANG)
        if not done and time.monotonic() - self.began < 8.0 * self.limit:
            return None
        if not done:
            os.killpg(self.process, signal.SIGKILL)
            os.waitpid(self.process, 0)
        shutil.copy2(self.copy / "original", self.copy / self.mutant.file)
        shutil.rmtree(self.copy / "tmp", ignore_errors=True)
        if not done or os.WIFSIGNALED(status):
            return "hung"
        code = os.waitstatus_to_exitcode(status)
        if code == BROKEN:
            raise RuntimeError(f"the trial of {self.mutant} failed: {self.killer()}")
        return "killed" if code else "survived"

    def killer(self) -> str:
        """The test that failed, or the last line of what was printed."""
        lines = (self.copy / "output").read_text(encoding="utf-8", errors="replace").splitlines()
        failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
        return (failed or lines[-1:] or [""])[0]


def _run(copy: Path, tests: list[str], limit: float) -> int:
    """In the forked process: the tests, in the copy, with nothing of the project imported yet."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 6))
    output = os.open(copy / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(copy)
    (copy / "tmp").mkdir(exist_ok=True)
    os.environ |= {"TMPDIR": str(copy / "tmp"), "PYTHONDONTWRITEBYTECODE": "1"}
    tempfile.tempdir, sys.dont_write_bytecode = None, True
    for name in [name for name in sys.modules if name.split(".")[0] in {"engine", "pages", "tests", "app"}]:
        del sys.modules[name]
    sys.path[:] = [str(copy), *(path for path in sys.path if path not in {"", os.environ.get("MUTANTS_ROOT", "")})]
    import pytest

    from tests.mutants.covering import QUICK, QUIET

    return int(pytest.main(["-x", "-q", f"--rootdir={copy}", "-c", str(copy / "pyproject.toml"), "-W", WARM, "-m", QUICK, *QUIET, *tests]))
