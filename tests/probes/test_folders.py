"""Bytes in Podium's folders, measured seldom."""

from __future__ import annotations

from pathlib import Path

from engine.files.owned_folders import TEMPORARY
from engine.probes.folders import FolderProbe


def values(folders: FolderProbe, tick: float) -> dict[str, float]:
    return {reading.name: reading.value for reading in folders.read(1, tick)}


def test_plain_files_are_weighed_and_no_link_is_followed(tmp_path: Path) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    (home / TEMPORARY.name / "deep").mkdir(parents=True)
    outside.mkdir()
    (outside / "large").write_bytes(b"x" * 500_000)
    (home / TEMPORARY.name / "deep" / "one").write_bytes(b"x" * 100_000)
    (home / TEMPORARY.name / "link").symlink_to(outside)
    (home / TEMPORARY.name / "other").symlink_to(outside / "large")
    sizes = values(FolderProbe(home), 0.0)
    assert 100_000 <= sizes["temp_bytes"] < 130_000
    assert sizes["log_bytes"] == 0.0, "a folder that is not there holds nothing"


def test_it_is_looked_at_once_a_minute(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    folders = FolderProbe(tmp_path)
    assert values(folders, 0.0)["log_bytes"] == 0.0
    (tmp_path / "logs" / "podium.log").write_bytes(b"x" * 10_000)
    assert values(folders, 59.0)["log_bytes"] == 0.0
    assert values(folders, 60.0)["log_bytes"] >= 10_000


def test_a_folder_of_many_files_is_looked_at_less_often(tmp_path: Path) -> None:
    (tmp_path / TEMPORARY.name).mkdir()
    folders = FolderProbe(tmp_path)
    for index in range(2_000):
        (tmp_path / TEMPORARY.name / str(index)).touch()
    folders._interval = 0.0
    values(folders, 0.0)
    assert folders._interval == 60.0
    assert folders.note().startswith("podium-temp, logs in ")
