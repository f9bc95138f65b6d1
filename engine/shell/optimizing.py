"""The optimizer's place at the engine's desk: what it is made of, and when it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.domain.control import Command
from engine.domain.ports import Clock
from engine.domain.tick import Tick
from engine.domain.tuning import Action, Levers
from engine.optimizer.planner import Slot
from engine.optimizer.windows import Plan
from engine.settings import Settings
from engine.shell.board import Board
from engine.shell.jobs import Jobs
from engine.shell.monitor import Monitor
from engine.shell.obey_optimizer import carry_out
from engine.shell.past import Past
from engine.shell.recent import Recent
from engine.shell.recovery import Recovery
from engine.shell.trial_tools import Tools
from engine.shell.tune import Readings, Stop
from engine.shell.tuner import Tuner
from engine.shell.tuner_parts import Wishes
from engine.store.errors import StoreFailed
from engine.store.optimizer_past import OptimizerPast
from engine.store.optimizer_pen import OptimizerPen
from engine.store.writer import Writer

SECONDS = 2.0  # between two looks at the rules


class TrialPast(Past):
    """What a trial reads of the store: readings, runs, and ticks."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._optimizer = OptimizerPast(url)
        self.ticks = self._optimizer.ticks


@dataclass(frozen=True, slots=True)
class Parts:
    """The engine's parts that the optimizer works with."""

    settings: Settings
    writer: Writer
    monitor: Monitor
    probes: Readings
    clock: Clock
    stop: Stop
    levers: Levers
    board: Board
    training: Callable[[], bool]  # whether one is under way
    known: Mapping[str, Action]


class Optimizing:
    """One engine's optimizer. `saw` and `hear` cost a tick and a sample next to nothing."""

    def __init__(self, parts: Parts, plan: Plan | None = None) -> None:
        settings = parts.settings
        self._parts = parts
        self._jobs: Jobs | None = None
        self._tick: tuple[bool, int, float] | None = None  # warm, orders, s of the clock's tick when it was done
        self._pen = OptimizerPen(parts.writer)
        self.recent = Recent()
        self.plan = plan or Plan(before=settings.trial_seconds, after=settings.trial_seconds)
        tools = Tools(
            self._pen, TrialPast(settings.database_url), self.recent, parts.probes, Path(settings.home), parts.clock, parts.stop, parts.levers,
            self._slot, self.plan,
        )  # fmt: skip
        wishes = Wishes(settings.rules, settings.modes, settings.seed)
        past = OptimizerPast(settings.database_url)
        self._tuner = Tuner(tools, self._pen, past, parts.known, wishes, parts.board, self._begin, rest=settings.trial_rest_seconds)

    def schedule(self, jobs: Jobs, recovery: Recovery) -> None:
        """Gives the loop its time; while it fails it is run less and less often."""
        self._jobs = jobs
        jobs.every(SECONDS, "optimizer", "rules", recovery.paced("optimizer", "rules", self._tuner.step), recovery)

    def saw(self, tick: Tick) -> None:
        """A tick is done."""
        self._tick = (tick.warm, len(tick.outcome.orders), self._parts.clock.tick())

    def hear(self) -> None:
        """A sample of the machine was taken."""
        self.recent.hear(self._parts.monitor.newest)

    def obey(self, command: Command) -> tuple[dict[str, object], Command | None]:
        """Carries out a command; what came of it, and the optimization to be run by hand for it, if any."""
        try:
            said, wish = carry_out(command, self._tuner, self._pen, self._parts.clock.now())
        except (ValueError, StoreFailed) as error:
            return {"error": str(error)}, None
        return {"message": said}, wish

    def _begin(self, work: Callable[[], None]) -> None:
        if self._jobs is None:
            raise RuntimeError("no jobs run here")
        self._jobs.once("optimizer", "trial", work, self._parts.board, worker="trials")

    def _slot(self) -> Slot:
        if self._tick is None:
            return Slot(True, self._parts.training(), 0, None, None, 0.0)
        warm, orders, done = self._tick
        return Slot(warm, self._parts.training(), orders, self._parts.clock.tick() - done, None, 0.0)
