"""The page Models shows the newest certificate of no look-ahead."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.store.certificate_file import save_certificate
from tests.pages.stores import store
from tests.pages.test_pages import run, text

ROW: dict[str, object] = {"recording": "recorded: <b>mine", "ticks": [1, 2], "futures": ["random"], "decisions": 12_400, "changed": 0, "first": None}


@pytest.mark.parametrize(
    ("first", "verdict"), [(None, "No look-ahead: "), ({"part": "engine/features/x.py"}, "Look-ahead in engine/features/x.py: ")]
)
def test_models_shows_the_newest_certificate(full_store: str, tmp_path: Path, first: dict[str, str] | None, verdict: str) -> None:
    with store("full", full_store, tmp_path) as url:
        folder = tmp_path / "backtests"
        save_certificate(folder, ROW | {"first": first}, 1_767_225_600 * 10**9)
        page = text(run("05_models.py", url))
    assert f"{verdict}12,400 decisions tried, 0 changed when the future was replaced after 2 random ticks" in page
    assert "<b>mine" not in page
