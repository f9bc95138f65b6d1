"""The log: PODIUM_HOME/logs/podium.log, rotating; the only place a traceback goes to."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

from engine.settings import SettingsError

LOG = logging.getLogger("podium")
BYTES, FILES = 5_000_000, 5
QUIET = ("apscheduler", "alembic", "asyncio", "concurrent.futures", "sqlalchemy")  # their warnings and errors go to the log, never to the terminal


def open_log(home: Path) -> RotatingFileHandler:
    """Sends the log to its file, once however often it is asked; raises SettingsError where the folder cannot be written."""
    path = home / "logs" / "podium.log"
    for handler in LOG.handlers:
        if isinstance(handler, RotatingFileHandler) and Path(handler.baseFilename) == path.absolute():
            return handler
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a", encoding="utf-8").close()
    except OSError as error:
        raise SettingsError(f"the data folder {home} cannot be written ({error.strerror or error}): set PODIUM_HOME to another") from None
    opened = RotatingFileHandler(path, maxBytes=BYTES, backupCount=FILES, encoding="utf-8", delay=True)
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
