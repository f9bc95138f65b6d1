"""Optimizations asked for by people: a queue in the order they asked, served one at a time by a worker that does nothing else."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock

from engine.domain.trading_config import Command
from engine.service.logging import LOG
from engine.store.errors import LeaseLost, StoreError

MAX_WAITING = 50  # that may wait behind the one in hand
STOPPED = "it was not run: the engine stopped before its turn; ask again"

CommandResult = dict[str, object]
ReportProgress = Callable[[float, str], None]  # progress 0..1 and a word
Act = Callable[[Command, ReportProgress], CommandResult]  # runs one; what went wrong is its "error"
Report = Callable[[int, float, str], None]  # number of the command, share done 0..1, a word
Finish = Callable[[Command, CommandResult], None]


class SerialQueue:
    """The optimizations people asked one engine for. `take` returns at once; `work` serves one and belongs in a thread of its own.

    Whatever happens, each command that was taken is finished once. What the store would not take is offered again by `settle`.
    """

    def __init__(self, act: Act, report: Report, finish: Finish) -> None:
        self._act, self._report, self._finish = act, report, finish
        self._turn = Lock()
        self._lock = Lock()  # of what follows
        self._waiting: deque[Command] = deque()
        self._running: Command | None = None
        self._unsaid: deque[tuple[Command, CommandResult]] = deque()
        self._stopping = False

    def enqueue(self, command: Command) -> bool:
        """Queues a command; True where `work` is to be called for it."""
        with self._lock:
            refused = self._why_not()
            if refused is None:
                self._waiting.append(command)
        if refused is not None:
            self._end(command, {"error": refused})
            return False
        self._tell_places()
        return True

    def run_next(self) -> None:
        """Serves the one that has waited longest; waits while another is served."""
        self.flush()
        with self._turn:
            command = self._next()
            if command is not None:
                self._serve(command)

    def _serve(self, command: Command) -> None:
        told: CommandResult = {"error": "it failed: the log has the reason"}
        try:
            self._tell_places()
            told = self._act(command, lambda progress, word: self._say(command.id, progress, word))
        finally:
            with self._lock:
                self._running = None
            self._end(command, told)

    def flush(self) -> None:
        """Finishes what the store would not take before."""
        while True:
            with self._lock:
                if not self._unsaid:
                    return
                command, told = self._unsaid.popleft()
            if not self._end(command, told):
                return

    def stop(self) -> None:
        """Ends those that wait, each with a line; nothing more is taken."""
        with self._lock:
            self._stopping = True
            left = list(self._waiting)
            self._waiting.clear()
        for command in left:
            self._end(command, {"error": STOPPED})

    def _why_not(self) -> str | None:
        if self._stopping:
            return STOPPED
        return f"{MAX_WAITING} wait already: ask again when some are done" if len(self._waiting) >= MAX_WAITING else None

    def _next(self) -> Command | None:
        with self._lock:
            self._running = self._waiting.popleft() if self._waiting else None
            return self._running

    def _tell_places(self) -> None:
        """Everybody who waits is told how many go before."""
        with self._lock:
            ahead = int(self._running is not None)
            places = [(command.id, place + ahead) for place, command in enumerate(self._waiting)]
        for number, before in places:
            self._say(number, 0.0, f"waits for {before} before it" if before else "is next")

    def _say(self, number: int, progress: float, word: str) -> None:
        try:
            self._report(number, progress, word)
        except StoreError as error:
            LOG.info("the progress of command %s was not kept: %s", number, error)

    def _end(self, command: Command, told: CommandResult) -> bool:
        """False where the store did not take it: it is kept for later, unless the command is another engine's by now."""
        try:
            self._finish(command, told)
        except LeaseLost as error:
            LOG.warning("the result of command %s was not kept: %s", command.id, error)
        except StoreError as error:
            LOG.warning("the result of command %s is kept for later: %s", command.id, error)
            with self._lock:
                self._unsaid.append((command, told))
            return False
        return True
