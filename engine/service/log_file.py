"""The file of the log, which survives a full disk and its own deletion: a line that cannot be written is counted, and no traceback is printed."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from engine.files import owned_folders, private_files
from engine.files.owned_folders import LOGS, FolderTaken


class LogFile(RotatingFileHandler):
    """A rotating log that only its owner can read.

    It says once on the terminal that it cannot be written, and in the log how many lines are missing once it can.
    """

    def __init__(self, path: Path, *, most_bytes: int, files: int) -> None:
        self.lost_lines = 0  # lines
        self._why = ""
        super().__init__(path, maxBytes=most_bytes, backupCount=files, encoding="utf-8", delay=True)

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a line; also into a new file where the one that was open has been deleted."""
        before = self.lost_lines
        if self._is_gone():
            self._drop_stream()
            with suppress(OSError, FolderTaken):  # it fails again, and is counted, when the file is opened
                owned_folders.claim_folder(Path(self.baseFilename).parent, LOGS)
        super().emit(record)
        if before and self.lost_lines == before:
            self.lost_lines = 0
            words = "%s lines before this one are lost: %s"
            super().emit(logging.LogRecord(record.name, logging.WARNING, __file__, 0, words, (before, self._why), None))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Counts the line instead of printing a traceback."""
        self._why = " ".join(str(sys.exc_info()[1]).split())
        self._drop_stream()  # with what it still held back
        self.lost_lines += 1
        if self.lost_lines == 1 and sys.stderr is not None:
            line = " ".join(record.getMessage().split())[:300]
            sys.stderr.write(f"podium: the log {self.baseFilename} cannot be written, lines are lost until it can ({self._why}); the first: {line}\n")
            sys.stderr.flush()

    def _open(self) -> TextIOWrapper:
        """A file that only its owner can read."""
        descriptor = private_files.private_opener(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        return TextIOWrapper(os.fdopen(descriptor, "ab"), encoding=self.encoding, errors=self.errors)

    def close(self) -> None:
        """Closes it, whatever the disk says."""
        self._drop_stream()
        super().close()

    def _is_gone(self) -> bool:
        try:
            found = os.stat(self.baseFilename)  # noqa: PTH116 - at every line: a third of the time of Path.stat
            held = None if self.stream is None else os.fstat(self.stream.fileno())
        except OSError:
            return True
        return held is not None and (held.st_dev, held.st_ino) != (found.st_dev, found.st_ino)

    def _drop_stream(self) -> None:
        stream, self.stream = self.stream, None
        try:
            if stream is not None:
                stream.close()
        except (OSError, ValueError):
            self._why = self._why or "it could not be closed"
