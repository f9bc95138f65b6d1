"""One store for all the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.store.read.history import TickHistory
from tests.store.made import copy_store
from tests.story.decided import fill_store


@pytest.fixture(scope="session")
def decided_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return fill_store(tmp_path_factory.mktemp("decided"))


@pytest.fixture
def history(decided_store: str) -> Iterator[TickHistory]:
    opened = TickHistory(decided_store)
    yield opened
    opened.close()


@pytest.fixture
def copied_store(decided_store: str, tmp_path: Path) -> str:
    """A copy that may be altered."""
    return copy_store(decided_store, tmp_path)
