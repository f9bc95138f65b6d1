"""Downloads of a table of history: every row that matches, written by a process of its own, so that neither the engine nor a page waits."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import streamlit as st

from engine.files import temporary_files
from engine.files.owned_folders import FolderTaken
from engine.store.read.history_address import format_query_string
from engine.store.read.history_tables import HistoryTable
from engine.store.read.keyset import HistoryQuery
from pages.ui import cache, visitors, widgets

ROOT = Path(__file__).resolve().parents[2]
MOST = 200_000  # rows of a file for a browser; the command line writes all
SECONDS = 300
FORMATS = {"csv": ("CSV", "text/csv"), "parquet": ("Parquet", "application/vnd.apache.parquet")}


def show_downloads(table: HistoryTable, query: HistoryQuery, columns: Sequence[str]) -> None:
    """Draw a button for each kind of file; its file is made when it is pressed."""
    if cache.past_tick() is not None:
        return  # a file is made of the store as it is now
    address = format_query_string(table, replace(query, place=None), columns)
    with st.popover("Download", icon=":material/download:"):
        widgets.show_note(f"Every row that matches, with the columns shown. At most {MOST:,} rows; export on the command line writes them all.")
        for kind, (label, mime) in FORMATS.items():
            create: Callable[[], bytes] = partial(write_file, table.name, address, kind, cache.store_url(), visitors.list_sender_flags())
            st.download_button(label, create, f"podium-{table.name}.{kind}", mime, key=f"download_{kind}", on_click="ignore")


def write_file(table: str, address: str, kind: str, store_url: str, sender: Sequence[str] = ()) -> bytes:
    """Return the file of the rows at an address; raises RuntimeError, in one line, where there is none.

    `sender` are the flags that name the session it is made for.
    """
    try:
        return _write_in_folder(table, address, kind, store_url, sender)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"the file was not ready after {SECONDS} s") from error
    except (OSError, FolderTaken) as error:
        raise RuntimeError(f"no file can be made: {error}") from error


def _write_in_folder(table: str, address: str, kind: str, store_url: str, sender: Sequence[str]) -> bytes:
    folder = temporary_files.create_folder("", "export")
    try:
        path = folder.path / f"rows.{kind}"
        command = [
            sys.executable, "-m", "engine", "export", table, f"--address={address}", "--limit", str(MOST), "--format", kind,
            "--out", str(path), "--store", store_url, *sender,
        ]  # fmt: skip
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
        if process.returncode:
            raise RuntimeError(" ".join(process.stderr.split()).removeprefix("podium: ")[-400:])
        return path.read_bytes()
    finally:
        folder.delete()
