"""The log: PODIUM_HOME/logs/podium.log, rotating; the only place for tracebacks."""

from __future__ import annotations

import errno
import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

from engine.files import owned, private
from engine.files.owned import LOGS, FolderTaken
from engine.settings import SettingsError
from engine.shell.log_file import LogFile

LOG = logging.getLogger("podium")
BYTES, FILES = 5_000_000, 5
FULL = (errno.ENOSPC, errno.EDQUOT)  # without room the engine starts without a log
QUIET = ("apscheduler", "alembic", "asyncio", "concurrent.futures", "sqlalchemy")  # their errors go to the log, never to the terminal


def open_log(home: Path) -> RotatingFileHandler:
    """Open the log file, once however often it is called. Raises SettingsError where PODIUM_HOME cannot be written, or where another program's
    files are in Podium's folders."""
    path = home / LOGS.name / "podium.log"
    for handler in LOG.handlers:
        if isinstance(handler, RotatingFileHandler) and Path(handler.baseFilename) == path.absolute():
            return handler
    try:
        owned.claim_home(home)
        private.make_file(path)
    except FolderTaken as error:
        raise SettingsError(str(error)) from None
    except OSError as error:
        if error.errno not in FULL:
            raise SettingsError(f"the data folder {home} cannot be written ({error.strerror or error}): set PODIUM_HOME to another") from None
    logging.raiseExceptions = False  # of other handlers too: no traceback on the terminal
    opened = LogFile(path, most_bytes=BYTES, files=FILES)
    opened.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"))
    for name in ("podium", *QUIET):
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.addHandler(opened)
        logger.setLevel(logging.INFO if name == "podium" else logging.ERROR)
    return opened


def close_log(handler: RotatingFileHandler) -> None:
    """Detach and close the log file."""
    for name in ("podium", *QUIET):
        logging.getLogger(name).removeHandler(handler)
    handler.close()
