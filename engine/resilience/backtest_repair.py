"""Backtests that are kept and cannot be read any more are put aside and run again, as they were asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engine.domain.ports import Clock
from engine.files import owned_folders
from engine.resilience.failure_log import FailureLog
from engine.service.logging import LOG
from engine.store import backtest_files
from engine.store.inbox import CommandRecord

BY, REASON = "podium", "the file that was kept is damaged: run again"
MAX_SET_ASIDE = 5  # damaged files that are kept to be looked at
Get = Callable[[int], CommandRecord | None]
Submit = Callable[[str, dict[str, str], str, str, int], int]


class BacktestRepair:
    """Looks at each kept file once, and again when it has changed."""

    def __init__(self, folder: Path, get: Get, submit: Submit, recovery: FailureLog, clock: Clock) -> None:
        self._folder, self._get, self._submit, self._recovery, self._clock = folder, get, submit, recovery, clock
        self._sound: dict[str, int] = {}  # by name: when the file that was found to be sound was written

    def run(self) -> None:
        """The job of it."""
        self.repair_damaged()

    def repair_damaged(self) -> str:
        """Raises StoreFailed or OSError; what is not done then is done the next time."""
        names = backtest_files.list_backtests(self._folder) if owned_folders.is_marked(self._folder) else ()
        found = [name for name in names if not self._is_sound(name)]
        again = sum(self._run_again(name) for name in found)
        if not found:
            return "every kept backtest can be read"
        return f"{len(found)} damaged backtest{'s' if len(found) > 1 else ''} put aside, {again} of them run again"

    def _is_sound(self, name: str) -> bool:
        written = (self._folder / f"{name}.json").stat().st_mtime_ns
        if self._sound.get(name) == written:
            return True
        try:
            backtest_files.read_backtest(self._folder, name)
        except backtest_files.BacktestNotFound as error:
            self._recovery.record_failure("caches", name, str(error))
            return False
        self._sound[name] = written
        return True

    def _run_again(self, name: str) -> bool:
        """Asks for it anew, where its command is still known, and then puts the file aside: it is never without either."""
        asked = self._get(int(name.rsplit("-", 1)[1]))
        known = asked is not None and asked.command.name == "backtest"
        if asked is not None and known:
            self._submit("backtest", dict(asked.command.args), BY, REASON, self._clock.now())
        backtest_files.quarantine_backtest(self._folder, name, MAX_SET_ASIDE)
        how = "it is run again" if known else "it was put aside: what it was asked for is not known any more"
        self._recovery.record_recovery("caches", name, how)
        LOG.warning("the kept backtest %s cannot be read: %s", name, how)
        return known
