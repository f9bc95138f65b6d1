"""What tests of the store begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.store.write.writer import Writer
from tests.store import made


@pytest.fixture
def url(tmp_path: Path) -> str:
    """An empty store."""
    return made.empty(tmp_path)


@pytest.fixture
def writer(url: str) -> Iterator[Writer]:
    """A writer on it that waits for nobody long."""
    writer = Writer(url, busy_ms=50)
    yield writer
    writer.close()
