"""Every configuration that was backtested on this store: one line per distinct outcome, so that the best of many is not taken for luck of one."""

from __future__ import annotations

import os
from pathlib import Path

import orjson

from engine.files import owned_folders, private_files
from engine.files.owned_folders import BACKTESTS

LEDGER_FILE = "trials.jsonl"


class TrialLedger:
    """The trials of one store, in the folder of its backtests. Lines are only ever added; one that cannot be read counts for nothing."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / LEDGER_FILE

    def record(self, recording: str, digest: str, ratio: float | None) -> tuple[float | None, ...]:
        """Adds a trial, unless the same decisions were tried before; the daily Sharpe ratio of every trial on this recording, None where it has none.

        Raises OSError where the file cannot be read or written, and FolderTaken where its folder holds another program's files.
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
            os.write(descriptor, b"\n" + orjson.dumps(row) + b"\n")  # a line of its own, whatever a killed process left
        finally:
            os.close(descriptor)


def _parse(line: bytes) -> tuple[str, str, float | None] | None:
    """Recording, digest and daily Sharpe ratio; None where the line is not whole."""
    try:
        row = orjson.loads(line)
        recording, digest, ratio = row["recording"], row["digest"], row["sharpe_daily"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return (recording, digest, ratio) if isinstance(recording, str) and isinstance(digest, str) and isinstance(ratio, float | None) else None
