"""The platform of a session, and the libraries that a process loads for its models."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from engine.libraries import hide_libraries
from engine.service import fingerprint

ROOT = Path(__file__).parents[2]
LOADED = """
import sys
from engine.service import fingerprint, training
training.select_models()
before = fingerprint.read_platform()
print([name for name in ("sklearn", "pandas", "scipy.stats") if name in sys.modules])
fingerprint.read_platform.cache_clear()
import sklearn.cluster
print(before == fingerprint.read_platform(), "pandas" in sys.modules)
import pandas
"""


def test_an_engine_loads_neither_scikit_learn_nor_pandas_and_they_can_be_loaded_later() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert first == "[]"
    assert second.startswith("True")  # SciPy's own BLAS, which decisions do not use, is no part of the platform


def test_a_library_is_hidden_from_this_thread_and_no_other() -> None:
    seen: list[str] = []

    def load() -> None:
        import this_is_no_module  # type: ignore[import-not-found] # noqa: F401

    def elsewhere() -> None:
        with pytest.raises(ModuleNotFoundError, match="No module named"):
            load()
        seen.append("searched")

    with hide_libraries(("this_is_no_module",)):
        with pytest.raises(ModuleNotFoundError, match="is not loaded here"):
            load()
        other = Thread(target=elsewhere)
        other.start()
        other.join()
    elsewhere()
    assert seen == ["searched", "searched"]


@pytest.mark.parametrize(
    ("then", "same"),
    [("{own}", True), ("openblas 0.0.1 Other, {own}", True), ("openblas 0.0.1 Other", False), (None, False)],
)
def test_a_session_that_listed_the_blas_of_other_libraries_is_of_the_same_platform(then: str | None, same: bool) -> None:
    now = fingerprint.read_platform()
    stored = {name: value for name, value in now.items() if name != "blas"}
    if then is not None:
        stored["blas"] = then.format(own=now["blas"])
    assert [change.partition(" ")[0] for change in fingerprint.find_platform_changes(stored)] == ([] if same else ["blas"])
