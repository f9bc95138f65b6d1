"""The pages' way to read the settings that commands have changed."""

from __future__ import annotations

from engine.store.read import setting_changes
from engine.store.read.setting_changes import SettingChange
from pages.ui import cache
from pages.ui.shared import build_once

SECONDS = 2.0  # s: a command that is carried out changes no version of the store before the next tick


def fetch_setting_changes() -> tuple[SettingChange, ...]:
    """Return the changes of trading parameters, newest first."""
    return build_once("setting changes", lambda: setting_changes.read_setting_changes(cache.get_reader()), seconds=SECONDS)
