"""The trials of a store: each distinct outcome once, by recording, whatever else is in the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.store.trial_ledger import LEDGER_FILE, TrialLedger


def test_each_outcome_counts_once_and_by_recording(tmp_path: Path) -> None:
    ledger = TrialLedger(tmp_path / "backtests")
    assert ledger.record("a", "1", 0.1) == (0.1,)
    assert ledger.record("a", "1", 0.1) == (0.1,)
    assert ledger.record("b", "2", 0.5) == (0.5,)
    assert TrialLedger(tmp_path / "backtests").record("a", "3", None) == (0.1, None)
    assert (tmp_path / "backtests" / LEDGER_FILE).stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_read_counts_for_nothing_and_hides_nothing(tmp_path: Path) -> None:
    ledger = TrialLedger(tmp_path)
    ledger.record("a", "1", 0.1)
    with (tmp_path / LEDGER_FILE).open("ab") as file:
        file.write(b'[1]\n{"recording": "a", "digest": 7}\n{"recording": "a", "digest": "9", "sharpe_daily": "x"}\n\xff\n{"recording": "a", "dig')
    assert ledger.record("a", "2", 0.2) == (0.1, 0.2)
    assert ledger.record("a", "3", 0.3) == (0.1, 0.2, 0.3)


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "backtests").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="Not a directory"):
        TrialLedger(tmp_path / "backtests").record("a", "1", 0.1)
