"""The log: PODIUM_HOME/logs/podium.log, rotating; the only place a traceback goes to."""

from __future__ import annotations

import logging
import os
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from engine.files import owned, private
from engine.files.owned import LOGS, FolderTaken
from engine.settings import SettingsError

LOG = logging.getLogger("podium")
BYTES, FILES = 5_000_000, 5
QUIET = ("apscheduler", "alembic", "asyncio", "concurrent.futures", "sqlalchemy")  # their warnings and errors go to the log, never to the terminal


class PrivateLog(RotatingFileHandler):
    """A rotating log that only its owner can read."""

    def _open(self) -> TextIOWrapper:
        descriptor = private.opener(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        return TextIOWrapper(os.fdopen(descriptor, "ab"), encoding=self.encoding, errors=self.errors)


def open_log(home: Path) -> RotatingFileHandler:
    """Sends the log to its file, once however often it is asked. Raises SettingsError where PODIUM_HOME cannot be written or holds another
    program's files in Podium's folders."""
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
        raise SettingsError(f"the data folder {home} cannot be written ({error.strerror or error}): set PODIUM_HOME to another") from None
    opened = PrivateLog(path, maxBytes=BYTES, backupCount=FILES, encoding="utf-8", delay=True)
    opened.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"))
    for name in ("podium", *QUIET):
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.addHandler(opened)
        logger.setLevel(logging.INFO if name == "podium" else logging.ERROR)
    return opened


def close_log(handler: RotatingFileHandler) -> None:
    """Takes the file away again."""
    for name in ("podium", *QUIET):
        logging.getLogger(name).removeHandler(handler)
    handler.close()
