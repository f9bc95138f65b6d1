"""The optimizer of a running engine: its parts, its schedule, and the commands that reach it."""

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
from engine.shell.tune import ActionError, Tell, run_action
from engine.shell.tuner import Tuner
from engine.shell.tuner_parts import ExperimentParts, ReadingSource, StopSignal, Wishes
from engine.shell.watching import Watching
from engine.store.errors import StoreFailed
from engine.store.optimizer_pen import OptimizerPen
from engine.store.writer import Writer

SECONDS = 2.0  # between two looks at the rules


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of the engine that the optimizer works with."""

    settings: Settings
    writer: Writer
    monitor: Monitor
    probes: ReadingSource
    clock: Clock
    stop: StopSignal
    levers: Levers
    board: Board
    training: Callable[[], bool]  # whether a training is under way
    known: Mapping[str, Action]


class Optimizing:
    """One engine's optimizer. `saw` and `hear` take next to no time."""

    def __init__(self, parts: Parts, plan: Plan | None = None) -> None:
        settings = parts.settings
        self._parts = parts
        self._jobs: Jobs | None = None
        self._tick: tuple[bool, int, float] | None = None  # of the last tick: warm, orders, s of the monotonic clock when it ended
        self._pen = OptimizerPen(parts.writer)
        self.recent = Recent()
        self._past = Past(settings.database_url)
        self.experiments = ExperimentParts(
            self._pen, self._past, parts.probes, Path(settings.home), parts.clock, parts.stop, parts.levers,
            plan or Plan(before=settings.trial_seconds, after=settings.trial_seconds), self.recent, self._slot,
        )  # fmt: skip
        self._tuner = Tuner(
            self.experiments, self._pen, self._past, parts.known, Wishes(settings.rules, settings.modes, settings.seed), parts.board, self._begin,
            Watching(self.recent, self._pen.save_firing), rest=settings.trial_rest_seconds,
        )  # fmt: skip

    def schedule(self, jobs: Jobs, recovery: Recovery) -> None:
        """Schedule the loop; while it fails, it runs less and less often."""
        self._jobs = jobs
        jobs.every(SECONDS, "optimizer", "rules", recovery.paced("optimizer", "rules", self._tuner.step), recovery)

    def saw(self, tick: Tick) -> None:
        """Note that a tick has ended."""
        self._tick = (tick.warm, len(tick.outcome.orders), self._parts.clock.tick())

    def hear(self) -> None:
        """Append the newest readings of the machine to the buffer."""
        self.recent.hear(self._parts.monitor.newest)

    def obey(self, command: Command) -> tuple[dict[str, object], Command | None]:
        """Carry out a command; its result, and the command of the manual run that it approves, if any."""
        try:
            message, wish = carry_out(command, self._tuner, self._pen, self._parts.clock.now())
        except (ValueError, StoreFailed) as error:
            return {"error": str(error)}, None
        return {"message": message}, wish

    def optimize(self, command: Command, tell: Tell) -> dict[str, object]:
        """Run an action because a person asked for it; its result."""
        args = dict(command.args)
        dry = args.get("dry_run", "false").lower()
        if dry not in {"true", "false"}:
            return {"error": f"dry_run is {dry[:40]!r}: give true or false"}
        try:
            return run_action(args.get("action", ""), self.experiments, dry_run=dry == "true", tell=tell, by=command.by, reason=command.reason)
        except ActionError as error:
            return {"error": str(error)}

    def _begin(self, work: Callable[[], None]) -> None:
        if self._jobs is None:
            raise RuntimeError("no jobs run here")
        self._jobs.once("optimizer", "trial", work, self._parts.board, worker="trials")

    def _slot(self) -> Slot:
        if self._tick is None:
            return Slot(True, self._parts.training(), 0, None, None, 0.0)
        warm, orders, done = self._tick
        return Slot(warm, self._parts.training(), orders, self._parts.clock.tick() - done, None, 0.0)
