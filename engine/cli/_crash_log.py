"""Saves the traceback of an unexpected error in the log."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

from engine.service.logging import LOG, open_log
from engine.service.settings_loader import load_settings
from engine.settings import SettingsError


def save_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> str:
    """Save the traceback; gives a clause that says where."""
    try:
        handler = open_log(Path(load_settings(os.environ, Path.cwd()).home))
    except (SettingsError, OSError) as trouble:
        return f"its traceback could not be saved: {trouble}"
    LOG.critical("the command failed", exc_info=(kind, error, trace))
    return f"its traceback is in {handler.baseFilename}"
