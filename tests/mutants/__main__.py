"""make mutants: small faults in the core, drawn by a seed, and whether the tests see them. Nothing is changed outside of copies."""

from __future__ import annotations

import argparse
import importlib
import os
import resource
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from engine.evidence.proportions import wilson_interval
from tests.mutants.mutate import Mutant, mutants_of
from tests.mutants.near import files_near
from tests.mutants.trial import SLACK, Map, Trial, copied

ROOT = Path(__file__).parent.parent.parent
NEAR_SECONDS = 150.0  # of CPU, for the files of tests that import the module
ENOUGH = 0.9  # of the sample must be killed
TARGETS = [f"engine/{name}.py" for name in ("orchestrator", "run", "broker", "matching", "explain", "health")] + [
    f"engine/{folder}/*.py" for folder in ("phases", "evidence", "models", "optimizer")
]
HEAVY = (
    "pandas",
    "pytest",
    "hypothesis.strategies",
    "sqlalchemy",
    "alembic.command",
    "lightgbm",
    "sklearn.cluster",
    "pyarrow.parquet",
    "scipy.optimize",
)
TESTS = (  # measured beside one another
    ("tests/reference",),
    ("tests/evidence", "tests/phases", "tests/models", "tests/contracts", "tests/optimizer", "tests/features", "tests/feeds"),
    (
        "tests/store",
        "tests/service",
        "tests/resilience",
        "tests/commands",
        "tests/pages",
        "tests/report",
        "tests/web",
        "tests/cli",
        "tests/alerting",
        "tests/actions",
        ".",
    ),
)


def main(words: list[str]) -> int:
    """Measure who runs what, try the sample, and list what survived."""
    options = _options(words)
    files = [str(path.relative_to(ROOT)) for pattern in options.only or TARGETS for path in sorted(ROOT.glob(pattern))]
    every = [mutant for file in files for mutant in mutants_of(ROOT, file)]
    drawn = np.random.default_rng(options.seed).permutation(len(every))[: options.sample]
    sample = [every[place] for place in drawn.tolist()]  # in the order drawn, so that the first of them are a sample of their own
    print(f"{len(sample)} of {len(every)} mutants of {len(files)} files, seed {options.seed}", flush=True)
    covered = _covered(options.map or [], TESTS[:1] if options.near else TESTS)
    for name in HEAVY:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory(prefix="podium-mutants-") as folder:
        fates = _try_all(
            sample, covered, files_near if options.near else None, [copied(ROOT, Path(folder) / str(number)) for number in range(options.jobs)]
        )
    return _report(fates)


def _options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="+", metavar="FILE", help="files under the root, with * for any name")
    parser.add_argument(
        "--near", action="store_true", help="after the references only the files of tests that import the module: a lower bound, without the long map"
    )
    parser.add_argument("--map", nargs="+", type=Path, metavar="FILE", help="what an earlier run found of who runs what; measured anew without")
    return parser.parse_args(words)


def _covered(parts: list[Path], several: tuple[tuple[str, ...], ...]) -> Map:
    """Who runs what: read, or measured by two processes beside one another and kept in build/mutants."""
    if not parts:
        (ROOT / "build" / "mutants").mkdir(parents=True, exist_ok=True)
        parts = [ROOT / "build" / "mutants" / f"map{number}.json" for number in range(len(several))]
        run = [sys.executable, "-m", "tests.mutants.covering"]
        watched = " ".join([*TARGETS, "engine/domain/*.py"])
        running = [subprocess.Popen([*run, str(part), watched, *_paths(tests)], cwd=ROOT) for part, tests in zip(parts, several, strict=True)]
        for process in running:
            process.wait()
    covered = Map()
    for part in parts:
        covered.add(part)
    print(f"{len(covered.tests)} tests measured", flush=True)
    return covered


def _paths(tests: tuple[str, ...]) -> list[str]:
    """The folders, and for "." the files beside them."""
    return [path for name in tests for path in (sorted(map(str, Path("tests").glob("test_*.py"))) if name == "." else [name])]


def _try_all(sample: list[Mutant], covered: Map, near: Callable[[Path, str], list[str]] | None, copies: list[Path]) -> list[tuple[Mutant, str, str]]:
    waiting, free, running = list(sample), list(copies), list[Trial]()
    fates: list[tuple[Mutant, str, str]] = []
    os.environ["MUTANTS_ROOT"] = str(ROOT)
    while waiting or running:
        while waiting and free:
            mutant = waiting.pop(0)
            tests = covered.chosen(mutant, ROOT)
            limit = SLACK + 3.0 * covered.price(covered.needs_of(tests))
            if near is not None:
                tests, limit = [*tests, *near(ROOT, mutant.file)], limit + NEAR_SECONDS
            if tests:
                running.append(Trial(mutant, tests, free.pop(), limit))
                running[-1].start()
            else:
                fates.append((mutant, "survived", "no test runs it"))
        time.sleep(0.05)
        for trial in [*running]:
            fate = trial.finished()
            if fate is not None:
                running.remove(trial)
                free.append(trial.copy)
                detail = trial.killer() if fate == "killed" else f"{len(trial.tests)} tests"
                fates.append((trial.mutant, fate, detail))
                print(f"{fate:8} {time.monotonic() - trial.began:5.1f} s  {trial.mutant}   [{detail[:120]}]", flush=True)
    return fates


def _reason(known: list[dict[str, str]], mutant: Mutant) -> str | None:
    """Why a survivor is accepted; where its entry names a line, only on that line."""
    line = (ROOT / mutant.file).read_text(encoding="utf-8").splitlines()[mutant.line - 1].strip()
    for entry in known:
        if (entry["file"], entry["before"], entry["after"]) == (mutant.file, mutant.before, mutant.after) and entry.get("line", line) == line:
            return entry["why"]
    return None


def _report(fates: list[tuple[Mutant, str, str]]) -> int:
    known = tomllib.loads((Path(__file__).parent / "survivors.toml").read_text(encoding="utf-8"))["survivor"]
    survived = [(mutant, detail) for mutant, fate, detail in fates if fate == "survived"]
    unexplained = 0
    for mutant, detail in survived:
        why = _reason(known, mutant)
        unexplained += why is None
        print(f"survived: {mutant} ({detail}): {why or 'NOT EXPLAINED in tests/mutants/survivors.toml'}")
    killed = len(fates) - len(survived)
    print(f"{killed} of {len(fates)} killed ({killed / max(1, len(fates)):.1%}), {sum(fate == 'hung' for _, fate, _ in fates)} of them hung")
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{(usage.ru_utime + usage.ru_stime) / 60.0:.1f} minutes of CPU, with the map where it was measured")
    interval = wilson_interval(killed / max(1, len(fates)), len(fates))
    if interval is not None:
        print(f"95 % interval of the share killed: {interval[0]:.1%} to {interval[1]:.1%}")
    return 0 if killed >= ENOUGH * len(fates) and not unexplained else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
