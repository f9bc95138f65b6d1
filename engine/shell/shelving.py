"""Backtests that are kept and cannot be read any more are put aside and run again, as they were asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engine.domain.ports import Clock
from engine.files import owned
from engine.shell.logs import LOG
from engine.shell.recovery import Recovery
from engine.store import shelf
from engine.store.inbox import Asked

BY, REASON = "podium", "the file that was kept is damaged: run again"
ASIDE = 5  # damaged files that are kept to be looked at
Get = Callable[[int], Asked | None]
Submit = Callable[[str, dict[str, str], str, str, int], int]


class ShelfMending:
    """Looks at each kept file once, and again when it has changed."""

    def __init__(self, folder: Path, get: Get, submit: Submit, recovery: Recovery, clock: Clock) -> None:
        self._folder, self._get, self._submit, self._recovery, self._clock = folder, get, submit, recovery, clock
        self._sound: dict[str, int] = {}  # by name: when the file that was found to be sound was written

    def work(self) -> None:
        """The job of it."""
        self.mend()

    def mend(self) -> str:
        """Raises StoreFailed or OSError; what is not done then is done the next time."""
        names = shelf.names(self._folder) if owned.is_marked(self._folder) else ()
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
            shelf.read(self._folder, name)
        except shelf.NotKept as error:
            self._recovery.broke("caches", name, str(error))
            return False
        self._sound[name] = written
        return True

    def _run_again(self, name: str) -> bool:
        """Asks for it anew, where its command is still known, and then puts the file aside: it is never without either."""
        asked = self._get(int(name.rsplit("-", 1)[1]))
        known = asked is not None and asked.command.name == "backtest"
        if asked is not None and known:
            self._submit("backtest", dict(asked.command.args), BY, REASON, self._clock.now())
        shelf.set_aside(self._folder, name, ASIDE)
        how = "it is run again" if known else "it was put aside: what it was asked for is not known any more"
        self._recovery.mended("caches", name, how)
        LOG.warning("the kept backtest %s cannot be read: %s", name, how)
        return known
