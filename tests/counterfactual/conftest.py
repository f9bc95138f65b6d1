"""One store for all the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.store.read.history import TickHistory
from tests.counterfactual.traded import fill_store
from tests.store.made import copy_store


@pytest.fixture(scope="session")
def traded_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return fill_store(tmp_path_factory.mktemp("traded"))


@pytest.fixture
def history(traded_store: str) -> Iterator[TickHistory]:
    opened = TickHistory(traded_store)
    yield opened
    opened.close()


@pytest.fixture
def copied_store(traded_store: str, tmp_path: Path) -> str:
    """A copy that may be altered."""
    return copy_store(traded_store, tmp_path)
