"""Parts of a recording are on the disk, under their names, when they are written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.files import private_files
from engine.live.recorder import ParquetRecorder
from tests.makers import simulated


def test_a_draft_replaces_a_file_whole(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("before")
    (tmp_path / "draft").write_text("after")
    private_files.replace_synced(tmp_path / "draft", tmp_path / "a")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "after")]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="names of descriptors are read from /proc")
def test_each_part_and_its_folder_are_synced_in_this_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real call is made; the test listens."""
    synced: list[str] = []
    real = os.fsync

    def listen(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", listen)
    feed = simulated(3, symbols=1)
    recorder = ParquetRecorder(tmp_path / "r", feed.info, flush_seconds=None)
    for bar in feed.slices(None):
        recorder.add_snapshot(bar, bar.at)
    synced.clear()
    recorder.close()
    parts = list((tmp_path / "r").rglob("part-*.parquet"))
    assert len(parts) >= 2
    for part in parts:
        (draft,) = [name for name in synced if name.startswith(str(part.parent / f".{part.name}."))]
        after = synced[synced.index(draft) + 1 :]
        assert after[0] == str(part.parent)
        assert str(part.parent.parent) in synced  # the table's own name
    assert Path(synced[-1]).name == "session.parquet"  # the bars last
