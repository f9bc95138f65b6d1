"""Stored backtests that cannot be read are set aside and run again with their arguments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engine.domain.ports import Clock
from engine.files import owned_folders
from engine.resilience.failure_log import FailureLog
from engine.service.logging import LOG
from engine.store import backtest_files
from engine.store.inbox import CommandRecord

BY, REASON = "podium", "the stored file is damaged: run again"
MAX_SET_ASIDE = 5  # damaged files that remain for inspection
Get = Callable[[int], CommandRecord | None]
Submit = Callable[[str, dict[str, str], str, str, int], int]


class BacktestRepair:
    """Checks each stored file once, and again when it has changed."""

    def __init__(self, folder: Path, get: Get, submit: Submit, failures: FailureLog, clock: Clock) -> None:
        self._folder, self._get, self._submit, self._failures, self._clock = folder, get, submit, failures, clock
        self._sound: dict[str, int] = {}  # by name: the modification time of a file that is sound

    def run(self) -> None:
        """Check and repair, as a job."""
        self.repair_damaged()

    def repair_damaged(self) -> str:
        """Repair every damaged file and describe the result. Raises StoreError or OSError; the next call continues."""
        names = backtest_files.list_backtests(self._folder) if owned_folders.is_marked(self._folder) else ()
        damaged = [name for name in names if not self._is_sound(name)]
        again = sum(self._run_again(name) for name in damaged)
        if not damaged:
            return "every stored backtest can be read"
        return f"{len(damaged)} damaged backtest{'s' if len(damaged) > 1 else ''} set aside, {again} of them run again"

    def _is_sound(self, name: str) -> bool:
        written = (self._folder / f"{name}.json").stat().st_mtime_ns
        if self._sound.get(name) == written:
            return True
        try:
            backtest_files.read_backtest(self._folder, name)
        except backtest_files.BacktestNotFound as error:
            self._failures.record_failure("caches", name, str(error))
            return False
        self._sound[name] = written
        return True

    def _run_again(self, name: str) -> bool:
        """Submit its command again, where the store still has it, and only then set the file aside."""
        record = self._get(int(name.rsplit("-", 1)[1]))
        known = record is not None and record.command.name == "backtest"
        if record is not None and known:
            self._submit("backtest", dict(record.command.args), BY, REASON, self._clock.now())
        backtest_files.quarantine_backtest(self._folder, name, MAX_SET_ASIDE)
        how = "it is run again" if known else "it was set aside: its command is no longer known"
        self._failures.record_recovery("caches", name, how)
        LOG.warning("the stored backtest %s cannot be read: %s", name, how)
        return known
