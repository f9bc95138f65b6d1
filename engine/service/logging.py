"""The log: PODIUM_HOME/logs/podium.log, rotating; the only place for tracebacks."""

from __future__ import annotations

import errno
import logging
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from engine.files import owned_folders, private_files
from engine.files.owned_folders import LOGS, FolderTaken
from engine.settings import SettingsError

LOG = logging.getLogger("podium")
MAX_BYTES, FILES = 5_000_000, 5
DISK_FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT)  # without room the engine starts without a log
LIBRARY_LOGGERS = ("apscheduler", "alembic", "asyncio", "concurrent.futures", "sqlalchemy")  # their errors go to the log, never to the terminal


def open_log(home: Path) -> RotatingFileHandler:
    """Open the log file, once however often it is called. Raises SettingsError where PODIUM_HOME cannot be written, or where another program's
    files are in Podium's folders."""
    path = home / LOGS.name / "podium.log"
    for handler in LOG.handlers:
        if isinstance(handler, RotatingFileHandler) and Path(handler.baseFilename) == path.absolute():
            return handler
    try:
        owned_folders.claim_folders(home)
        private_files.make_private_file(path)
    except FolderTaken as error:
        raise SettingsError(str(error)) from None
    except OSError as error:
        if error.errno not in DISK_FULL_ERRORS:
            raise SettingsError(f"the data folder {home} cannot be written ({error.strerror or error}): set PODIUM_HOME to another") from None
    logging.raiseExceptions = False  # of other handlers too: no traceback on the terminal
    opened = LogFile(path, most_bytes=MAX_BYTES, files=FILES)
    opened.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"))
    for name in ("podium", *LIBRARY_LOGGERS):
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.addHandler(opened)
        logger.setLevel(logging.INFO if name == "podium" else logging.ERROR)
    return opened


def close_log(handler: RotatingFileHandler) -> None:
    """Detach and close the log file."""
    for name in ("podium", *LIBRARY_LOGGERS):
        logging.getLogger(name).removeHandler(handler)
    handler.close()


class LogFile(RotatingFileHandler):
    """A rotating log that only its owner can read.

    A failure to write is reported once on the terminal, and the number of lost lines in the log as soon as it can be written.
    """

    def __init__(self, path: Path, *, most_bytes: int, files: int) -> None:
        self.lost_lines = 0  # lines
        self._why = ""
        super().__init__(path, maxBytes=most_bytes, backupCount=files, encoding="utf-8", delay=True)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, into a new file where the open one has been deleted."""
        before = self.lost_lines
        if self._is_deleted():
            self._drop_stream()
            with suppress(OSError, FolderTaken):  # opening the file fails again, and is counted there
                owned_folders.claim_folder(Path(self.baseFilename).parent, LOGS)
        super().emit(record)
        if before and self.lost_lines == before:
            self.lost_lines = 0
            message = "%s lines before this one are lost: %s"
            super().emit(logging.LogRecord(record.name, logging.WARNING, __file__, 0, message, (before, self._why), None))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Count the line instead of printing a traceback."""
        self._why = " ".join(str(sys.exc_info()[1]).split())
        self._drop_stream()  # with its buffer
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
        """Close the file, whatever the state of the disk."""
        self._drop_stream()
        super().close()

    def _is_deleted(self) -> bool:
        try:
            current = os.stat(self.baseFilename)  # noqa: PTH116 - at every line: a third of the time of Path.stat
            opened = None if self.stream is None else os.fstat(self.stream.fileno())
        except OSError:
            return True
        return opened is not None and (opened.st_dev, opened.st_ino) != (current.st_dev, current.st_ino)

    def _drop_stream(self) -> None:
        stream, self.stream = self.stream, None
        try:
            if stream is not None:
                stream.close()
        except (OSError, ValueError):
            self._why = self._why or "it could not be closed"
