"""The recordings that the page knows of: imports, what the engine records, and what it plays."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from engine.files.import_folders import IMPORTS
from engine.store.read.status import EngineStatus
from pages.ui import cache, recorded_sessions

IMPORTED = "imported"
REPORT_FILE = "import.json"  # that an import leaves in its recording
MAX_SHOWN = 30  # recordings
MAX_ENTRIES = 20_000  # files whose times are compared
RECHECK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class RecordingSource:
    """A folder with a recording, and how it became known."""

    path: Path
    name: str
    origin: str


def readable_name(text: str) -> str:
    """Return the name of a file as it can be shown: bytes that are not UTF-8 become question marks."""
    return text.encode(errors="replace").decode()


def find_home(status: EngineStatus) -> Path:
    """Return Podium's home: the folder with the engine's backtests."""
    return cache.backtest_folder(status).parent


def list_recordings(status: EngineStatus) -> list[RecordingSource]:
    """Return every recording whose folder exists, the newest import first; each folder once."""
    known: dict[str, RecordingSource] = {}
    for path, origin in _candidates(status):
        if path.is_dir():
            known.setdefault(os.path.realpath(path), RecordingSource(path, path.name or str(path), origin))
    return list(known.values())


def _candidates(status: EngineStatus) -> Iterator[tuple[Path, str]]:
    for number, folder in recorded_sessions.list_recorded_sessions(status).items():
        yield Path(folder), f"recorded in session {number}"
    settings = {} if status.session is None else status.session.settings
    for name, origin in (("record", "recorded by the engine"), ("feed_path", "played by the engine")):
        if isinstance(settings.get(name), str):
            yield Path(settings[name]).absolute(), origin
    yield from ((path, IMPORTED) for path in list_imports(find_home(status)))


def list_imports(home: Path) -> list[Path]:
    """Return the folders in the folder of imports, newest first; links are left out."""
    try:
        with os.scandir(home / IMPORTS) as entries:
            folders = [(entry.stat().st_mtime_ns, entry.path) for entry in entries if entry.is_dir(follow_symlinks=False) and entry.name[0] != "."]
    except OSError:
        return []
    return [Path(path) for _, path in sorted(folders, reverse=True)]


@st.cache_data(ttl=RECHECK_SECONDS, max_entries=64, show_spinner=False)
def fingerprint_recording(path: bytes) -> str:
    """Return a text that changes with the files of a recording: their names, sizes and times; its path in bytes may be other than UTF-8."""
    digest = hashlib.sha256()
    for count, (name, size, time) in enumerate(_list_files(Path(os.fsdecode(path)), depth=3)):
        if count >= MAX_ENTRIES:
            break
        digest.update(f"{name}\0{size}\0{time}\n".encode(errors="surrogatepass"))
    return digest.hexdigest()


def _list_files(folder: Path, depth: int) -> Iterator[tuple[str, int, int]]:
    try:
        with os.scandir(folder) as entries:
            listed = sorted((entry for entry in entries if entry.name[0] != "."), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in listed:
        try:
            if entry.is_dir(follow_symlinks=False):
                if depth > 1:
                    yield from _list_files(Path(entry.path), depth - 1)
                continue
            status = entry.stat()
        except OSError:
            continue
        yield entry.path, status.st_size, status.st_mtime_ns
