"""The recorded sessions of the store, and the newest result of parity for each."""

from __future__ import annotations

from engine.store import parity_file
from engine.store.parity_file import StoredParity
from engine.store.read.status import EngineStatus
from pages.ui import cache

_RECORDING_OF = "recording of session "  # the key under which the store remembers a recording


def list_recorded_sessions(status: EngineStatus) -> dict[int, str]:
    """Return the folders of the recorded sessions by the session's number, newest first."""
    numbered = [(key.removeprefix(_RECORDING_OF), folder) for key, folder in status.meta.items() if key.startswith(_RECORDING_OF)]
    return dict(sorted(((int(number), folder) for number, folder in numbered if number.isascii() and number.isdecimal()), reverse=True))


def fetch_parity(status: EngineStatus) -> dict[int, StoredParity]:
    """Return the stored results by session; one small file, read each time."""
    return parity_file.read_parity(cache.backtest_folder(status))
