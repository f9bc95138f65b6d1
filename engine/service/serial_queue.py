"""A serial queue of commands: served one at a time, in the order of their arrival, by a worker that does nothing else."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock

from engine.domain.trading_config import Command
from engine.service.logging import LOG
from engine.store.errors import StoreError

MAX_WAITING = 50  # commands behind the one being served
STOPPED = "it was not run: the engine stopped before its turn; ask again"

CommandResult = dict[str, object]
ReportProgress = Callable[[float, str], None]  # share done 0..1, and a word
Act = Callable[[Command, ReportProgress], CommandResult]  # serves one command; a failure is its "error"
Report = Callable[[int, float, str], None]  # number of the command, share done 0..1, and a word
Finish = Callable[[Command, CommandResult], None]  # stores a result, now or later


class SerialQueue:
    """Commands that take long. `enqueue` returns at once; `run_next` serves one and belongs in a thread of its own.

    Every command that enters the queue is finished exactly once, whatever happens.
    """

    def __init__(self, act: Act, report: Report, finish: Finish, *, capacity: int = MAX_WAITING) -> None:
        self._act, self._report, self._finish, self._capacity = act, report, finish, capacity
        self._serving = Lock()
        self._lock = Lock()  # of the fields below
        self._waiting: deque[Command] = deque()
        self._running: Command | None = None
        self._stopping = False

    def enqueue(self, command: Command) -> bool:
        """Queue a command; True where `run_next` is to be called for it."""
        with self._lock:
            refusal = self._refusal()
            if refusal is None:
                self._waiting.append(command)
        if refusal is not None:
            self._finish(command, {"error": refusal})
            return False
        self._report_places()
        return True

    def run_next(self) -> None:
        """Serve the command that has waited longest; waits while another is served."""
        with self._serving:
            command = self._next()
            if command is not None:
                self._serve(command)

    @property
    def running(self) -> int | None:
        """The number of the command being served."""
        command = self._running
        return None if command is None else command.id

    def withdraw(self, number: int) -> Command | None:
        """Remove a command that waits; None where it does not. The caller finishes it."""
        with self._lock:
            command = next((waiting for waiting in self._waiting if waiting.id == number), None)
            if command is not None:
                self._waiting.remove(command)
        if command is not None:
            self._report_places()
        return command

    def stop(self) -> None:
        """Finish the commands that wait, each with a line, and accept no more."""
        with self._lock:
            self._stopping = True
            left = list(self._waiting)
            self._waiting.clear()
        for command in left:
            self._finish(command, {"error": STOPPED})

    def _serve(self, command: Command) -> None:
        result: CommandResult = {"error": "it failed: the log has the reason"}
        try:
            self._report_places()
            result = self._act(command, lambda progress, word: self._report_progress(command.id, progress, word))
        finally:
            with self._lock:
                self._running = None
            self._finish(command, result)

    def _refusal(self) -> str | None:
        if self._stopping:
            return STOPPED
        return f"{self._capacity} wait already: ask again when some are done" if len(self._waiting) >= self._capacity else None

    def _next(self) -> Command | None:
        with self._lock:
            self._running = self._waiting.popleft() if self._waiting else None
            return self._running

    def _report_places(self) -> None:
        """Report to every command that waits how many are ahead of it."""
        with self._lock:
            running = int(self._running is not None)
            places = [(command.id, place + running) for place, command in enumerate(self._waiting)]
        for number, ahead in places:
            self._report_progress(number, 0.0, f"waits for {ahead} before it" if ahead else "is next")

    def _report_progress(self, number: int, progress: float, word: str) -> None:
        try:
            self._report(number, progress, word)
        except StoreError as error:
            LOG.info("the progress of command %s was not stored: %s", number, error)
