"""How much of the sources has been read, in bytes of the files as they are on disk."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import IO

_BUFFER = 1 << 16  # bytes


class ReadProgress:
    """The place that reading has reached in each source; `report` gets the bytes read and those of all sources, and never goes back."""

    def __init__(self, report: Callable[[int, int], None] | None = None) -> None:
        self._report = report
        self._sizes: dict[Path, int] = {}
        self._places: dict[Path, int] = {}
        self._read = -1  # as reported

    def add_source(self, path: Path) -> None:
        """Count a file among the sources."""
        self._sizes[path] = path.stat().st_size

    def open(self, path: Path) -> IO[bytes]:
        """Open a source; what is read through the result is counted."""
        return io.BufferedReader(_TrackedFile(path, self), _BUFFER)

    def note_place(self, path: Path, place: int) -> None:
        """Take the place in a source that reading has reached; a zip's list of contents is at its end, so a place may be before the last."""
        if path in self._sizes:
            self._places[path] = place

    def note_share(self, path: Path, share: float) -> None:
        """Take the share of a source that is read, where a library reads it by its path."""
        self.note_place(path, round(share * self._sizes.get(path, 0)))

    def finish(self) -> None:
        """Report that every source is read to its end."""
        self._places = dict(self._sizes)
        self.publish()

    def publish(self) -> None:
        """Report what is read so far, where that is more than before."""
        read = sum(self._places.values())
        if self._report is not None and read > self._read:
            self._read = read
            self._report(read, sum(self._sizes.values()))


class _TrackedFile(io.FileIO):
    def __init__(self, path: Path, progress: ReadProgress) -> None:
        super().__init__(path)
        self._path, self._progress = path, progress

    def readinto(self, buffer: object) -> int | None:
        count = super().readinto(buffer)  # type: ignore[arg-type]
        self._progress.note_place(self._path, self.tell())
        return count
