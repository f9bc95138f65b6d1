"""One full store for all the tests of pages."""

from __future__ import annotations

import pytest

from tests.store.made import filled


@pytest.fixture(scope="session")
def full_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return filled(tmp_path_factory.mktemp("full"), ticks=160)
