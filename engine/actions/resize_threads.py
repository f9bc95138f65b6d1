"""Fits the engine's threads and training processes to the processors that are free."""

from __future__ import annotations

import psutil

from engine.actions._overrides import revert_override
from engine.domain.optimization import Action, ActionContext, ActionResult, ThreadCounts

MIN_FREE = 0.5  # free processors below which the engine works on one thread
AMPLE_FREE = 1.0  # free processors from which on it works as it was set up


def resize_threads(room: ActionContext) -> ActionResult:
    """Threads of this process less, counted before and after.

    With hardly a processor free, phases run one after the other and models are trained in one process; with more threads than processors, as many as
    there are processors. With processors free again it goes back to how it was set up. Fits and decisions come out the same whatever their number.
    """
    dial, processors = room.actuators.threads, room.actuators.processors()
    room.report_progress(0.1, "measuring the load")
    free = room.actuators.free_processors()
    now, wanted = dial.current(), _fitting(dial.current(), dial.default(), processors, free)
    load = f"{free:.1f} of {processors:g} processors are free"
    if wanted == now:
        return ActionResult(0.0, "threads", f"nothing to resize: {load}, and the engine works with {_words(now)}", done=False)
    if room.dry_run:
        return ActionResult(0.0, "threads", f"dry run: {load}; would go from {_words(now)} to {_words(wanted)}", done=False)
    before = psutil.Process().num_threads()
    dial.apply(wanted)
    after = psutil.Process().num_threads()
    detail = f"{load}; {_words(now)} -> {_words(wanted)}; threads of this process {before} -> {after} (new ones begin with the next work)"
    return ActionResult(float(before - after), "threads", detail)


def _fitting(now: ThreadCounts, usual: ThreadCounts, processors: float, free: float) -> ThreadCounts:
    """What fits: less while it is tight, as set up (but no more threads than processors) while there is ample room, else as it is."""
    whole = max(1, int(processors))
    most = ThreadCounts(min(usual.phases, whole), min(usual.training, whole))
    if free < MIN_FREE:
        return ThreadCounts(0, 1)
    if free >= AMPLE_FREE:
        return most
    return ThreadCounts(min(now.phases, most.phases), min(now.training, most.training))


def restore_threads(room: ActionContext) -> ActionResult:
    """Threads and processes more than were in force."""
    return revert_override(
        room, room.actuators.threads, "threads", lambda was, now: float(now.phases + now.training - was.phases - was.training), _words
    )


def _words(threads: ThreadCounts) -> str:
    process = "process" if threads.training == 1 else "processes"
    return f"{threads.phases} phase threads and {threads.training} training {process}"


ACTION = Action(
    name="resize_threads",
    kind="cpu",
    metric="engine.tick_ms",
    better=-1,
    cost="none",
    description="Fits the threads that phases run on and the processes models are trained in to the processors that are free; decisions stay the same.",
    run=resize_threads,
    undo=restore_threads,
)
