"""One full store for all the tests of pages, and a clock that stands still."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.service.clock import WallClock
from tests.pages.stores import NOW
from tests.store.made import filled


@pytest.fixture(scope="session")
def full_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return filled(tmp_path_factory.mktemp("full"), ticks=160)


@pytest.fixture(scope="module", autouse=True)
def still_clock() -> Iterator[None]:
    """The wall clock of a file's tests stands still: no engine falls silent while a busy machine draws a page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WallClock, "now", lambda _clock: NOW)
        yield
