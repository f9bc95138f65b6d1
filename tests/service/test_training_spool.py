"""Training rows travel by a file: bit for bit, and no file is left behind, however the fits end."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.domain.model import TrainingSet
from engine.domain.recipe import Recipe
from engine.files.owned_folders import TEMPORARY
from engine.service import training, training_spool
from tests.makers import Inline

THREE = tuple((name, Recipe(name)) for name in "abc")


@pytest.fixture
def temp(tmp_path: Path) -> Path:
    """The folder of PODIUM_HOME that the files are written to."""
    return tmp_path / TEMPORARY.name


def left(temp: Path) -> list[Path]:
    return sorted(temp.glob("rows-*"))


def some(rows: int = 50) -> TrainingSet:
    draw = np.random.default_rng(1)
    x = draw.normal(size=(rows, 4)).astype(np.float32)
    x[:3, 2] = np.nan
    return TrainingSet(("a.a", "a.b", "a.c", "a.d"), (1, 3), x, draw.normal(size=(rows, 2)), np.arange(rows, dtype=np.int64), rows)


@pytest.mark.parametrize("rows", [0, 50])
def test_rows_arrive_bit_for_bit(rows: int, tmp_path: Path) -> None:
    sent = some(rows)
    parceled, file = training_spool.spool_training(sent, str(tmp_path))
    assert training_spool.read_spooled_training(parceled).digest() == sent.digest()
    file.delete()


class Later:
    """An executor whose work ends when the test says so, or that has no process to offer after so many."""

    def __init__(self, most: int = 99) -> None:
        self.futures: list[Future[Any]] = []
        self.most = most

    def submit(self, *_: object) -> Future[Any]:
        if len(self.futures) == self.most:
            raise OSError(11, "Resource temporarily unavailable")
        self.futures.append(Future())
        return self.futures[-1]


def test_the_file_stays_until_the_last_fit_is_done_however_it_ends(temp: Path) -> None:
    executor = Later()
    training.submit_training(executor, some(), THREE, 1, 62, str(temp.parent))  # type: ignore[arg-type]
    first, second, third = executor.futures
    first.set_result(None)
    second.set_exception(ValueError("too few rows"))
    assert len(left(temp)) == 1
    third.cancel()
    assert left(temp) == []


def test_fits_that_are_done_at_once_leave_nothing_either(temp: Path) -> None:
    job = training.submit_training(Inline(), some(), (("ridge", Recipe("ridge")),), 1, 62, str(temp.parent))
    (artifact,) = job.wait_for_results()
    assert not isinstance(artifact, str)
    assert artifact.data == training.fit_model("ridge", Recipe("ridge"), some(), 1, 62).data
    assert left(temp) == []


@pytest.mark.parametrize("most", [0, 2])
def test_a_training_that_cannot_be_handed_over_leaves_nothing(temp: Path, most: int) -> None:
    with pytest.raises(OSError, match="Resource"):
        training.submit_training(Later(most), some(), THREE, 1, 62, str(temp.parent))  # type: ignore[arg-type]
    assert left(temp) == []


def test_a_disk_that_is_full_is_told_and_leaves_nothing(temp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="No space left"):
        training.submit_training(Inline(), some(), (("ridge", Recipe("ridge")),), 1, 62, str(temp.parent))
    assert left(temp) == []
