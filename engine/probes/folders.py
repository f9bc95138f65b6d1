"""The size of Podium's folders of temporary files and logs."""

from __future__ import annotations

import os
from pathlib import Path

from engine.domain.optimization import Reading
from engine.files.owned_folders import LOGS, TEMPORARY

FOLDERS = {"temp_bytes": TEMPORARY.name, "log_bytes": LOGS.name}
MIN_INTERVAL = 60.0  # s between two measurements, at least
FILES_PER_SECOND = 1_000  # a folder of many files is measured less often, so that it never takes a hundredth of a processor


class FolderProbe:
    """Readings with the source "engine": bytes on disk by folder, measured at most once per minute. A folder that does not exist holds nothing."""

    source = "folders"

    def __init__(self, home: Path) -> None:
        self._home = home
        self._measured: float | None = None
        self._interval = MIN_INTERVAL
        self._bytes: dict[str, float] = {}

    def note(self) -> str:
        return f"{', '.join(FOLDERS.values())} in {self._home}"

    def read(self, at: int, tick: float) -> tuple[Reading, ...]:
        if self._measured is None or not 0 <= tick - self._measured < self._interval:
            self._measured = tick
            sizes = {name: _measure(self._home / folder) for name, folder in FOLDERS.items()}
            self._bytes = {name: float(size) for name, (size, _) in sizes.items()}
            self._interval = max(MIN_INTERVAL, sum(count for _, count in sizes.values()) / FILES_PER_SECOND)
        return tuple(Reading(at, "engine", name, size, "bytes") for name, size in self._bytes.items())


def _measure(folder: Path) -> tuple[int, int]:
    """Bytes on disk of the plain files under a folder, and the number of its entries; no link is followed."""
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
                        status = entry.stat(follow_symlinks=False)
                        size += status.st_blocks * 512 if hasattr(status, "st_blocks") else status.st_size  # Windows counts no blocks
        except (FileNotFoundError, NotADirectoryError):  # deleted meanwhile, or not created yet
            continue
    return size, count
