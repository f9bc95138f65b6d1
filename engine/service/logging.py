"""The log: PODIUM_HOME/logs/podium.log, rotating; the only place a traceback goes to."""

from __future__ import annotations

import errno
import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

from engine.files import owned_folders, private_files
from engine.files.owned_folders import LOGS, FolderTaken
from engine.service.log_file import LogFile
from engine.settings import SettingsError

LOG = logging.getLogger("podium")
MAX_BYTES, FILES = 5_000_000, 5
DISK_FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT)  # a start goes on without a log: there may be room later
LIBRARY_LOGGERS = (
    "apscheduler",
    "alembic",
    "asyncio",
    "concurrent.futures",
    "sqlalchemy",
)  # their warnings and errors go to the log, never to the terminal


def open_log(home: Path) -> RotatingFileHandler:
    """Sends the log to its file, once however often it is asked. Raises SettingsError where PODIUM_HOME cannot be written or holds another
    program's files in Podium's folders."""
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
    """Takes the file away again."""
    for name in ("podium", *LIBRARY_LOGGERS):
        logging.getLogger(name).removeHandler(handler)
    handler.close()
