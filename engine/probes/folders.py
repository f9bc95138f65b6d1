"""How much lies in Podium's folders of temporary files and logs."""

from __future__ import annotations

import os
from pathlib import Path

from engine.domain.optimization import Reading
from engine.files.owned_folders import LOGS, TEMPORARY

FOLDERS = {"temp_bytes": TEMPORARY.name, "log_bytes": LOGS.name}
MIN_INTERVAL = 60.0  # s between two looks, at least
FILES_PER_SECOND = 1_000  # a folder of many files is looked at less often, so that looking never takes a hundredth of a processor


class FolderProbe:
    """Readings with the source "engine": bytes on disk by folder, looked at once a minute at most. A folder that is not there holds nothing."""

    source = "folders"

    def __init__(self, home: Path) -> None:
        self._home = home
        self._looked: float | None = None
        self._rest = MIN_INTERVAL
        self._bytes: dict[str, float] = {}

    def note(self) -> str:
        return f"{', '.join(FOLDERS.values())} in {self._home}"

    def read(self, at: int, tick: float) -> tuple[Reading, ...]:
        if self._looked is None or not 0 <= tick - self._looked < self._rest:
            self._looked = tick
            found = {name: _weigh(self._home / folder) for name, folder in FOLDERS.items()}
            self._bytes = {name: float(size) for name, (size, _) in found.items()}
            self._rest = max(MIN_INTERVAL, sum(count for _, count in found.values()) / FILES_PER_SECOND)
        return tuple(Reading(at, "engine", name, told, "bytes") for name, told in self._bytes.items())


def _weigh(folder: Path) -> tuple[int, int]:
    """Bytes on disk of the plain files under a folder, and how many entries were looked at; no link is followed."""
    size = count = 0
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    count += 1
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        found = entry.stat(follow_symlinks=False)
                        size += found.st_blocks * 512 if hasattr(found, "st_blocks") else found.st_size  # Windows counts no blocks
        except (FileNotFoundError, NotADirectoryError):  # gone meanwhile, or not made yet
            continue
    return size, count
