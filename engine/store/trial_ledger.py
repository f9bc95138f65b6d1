"""The ledger of backtested configurations: one line per distinct outcome, for the correction of the Sharpe ratio for multiple trials."""

from __future__ import annotations

import os
from pathlib import Path

import orjson

from engine.files import owned_folders, private_files
from engine.files.owned_folders import BACKTESTS

LEDGER_FILE = "trials.jsonl"


class TrialLedger:
    """The trials of one store, in its folder of backtests. Lines are only appended; unreadable lines are ignored."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / LEDGER_FILE

    def record(self, recording: str, digest: str, ratio: float | None) -> tuple[float | None, ...]:
        """Record a trial, unless its decisions were recorded before. Return the daily Sharpe ratio of every trial on this recording, or None.

        Raises OSError where the file cannot be read or written, FolderTaken where its folder holds another program's files.
        """
        trials = self._trials(recording)
        if digest not in trials:
            trials[digest] = ratio
            self._append({"recording": recording, "digest": digest, "sharpe_daily": ratio})
        return tuple(trials.values())

    def _trials(self, recording: str) -> dict[str, float | None]:
        try:
            lines = self._file.read_bytes().splitlines()
        except FileNotFoundError:
            return {}
        rows = [row for row in map(_parse, lines) if row is not None]
        return {digest: ratio for name, digest, ratio in rows if name == recording}

    def _append(self, row: dict[str, str | float | None]) -> None:
        owned_folders.claim_folder(self._file.parent, BACKTESTS)
        descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | private_files.NO_LINK, private_files.FILE_MODE)
        try:
            os.write(descriptor, b"\n" + orjson.dumps(row) + b"\n")  # starts a new line, whatever a killed process left behind
        finally:
            os.close(descriptor)


def _parse(line: bytes) -> tuple[str, str, float | None] | None:
    """Recording, digest and daily Sharpe ratio; None for an incomplete line."""
    try:
        row = orjson.loads(line)
        recording, digest, ratio = row["recording"], row["digest"], row["sharpe_daily"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return (recording, digest, ratio) if isinstance(recording, str) and isinstance(digest, str) and isinstance(ratio, float | None) else None
