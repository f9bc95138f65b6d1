"""Fits the engine's threads and training processes to the processors that are free."""

from __future__ import annotations

import psutil

from engine.actions._dials import back
from engine.domain.tuning import Action, Measured, Room, Threads

TIGHT = 0.5  # free processors below which the engine uses one thread
AMPLE = 1.0  # free processors from which on it uses its configured threads


def resize(room: Room) -> Measured:
    """The reduction in threads of this process, counted before and after.

    With hardly a processor free, phases run one after the other and models are trained in one process. Otherwise the engine uses its configured
    threads and processes, but no more than there are processors. Fits and decisions do not depend on the number.
    """
    dial, processors = room.levers.threads, room.levers.processors()
    room.tell(0.1, "measuring the load")
    free = room.levers.free()
    now, wanted = dial.now(), _fitting(dial.now(), dial.usual(), processors, free)
    load = f"{free:.1f} of {processors:g} processors are free"
    if wanted == now:
        return Measured(0.0, "threads", f"nothing to resize: {load}, and the engine uses {_words(now)}", done=False)
    if room.dry_run:
        return Measured(0.0, "threads", f"dry run: {load}; would go from {_words(now)} to {_words(wanted)}", done=False)
    before = psutil.Process().num_threads()
    dial.turn(wanted)
    after = psutil.Process().num_threads()
    detail = f"{load}; {_words(now)} -> {_words(wanted)}; threads of this process {before} -> {after} (new ones start with the next task)"
    return Measured(float(before - after), "threads", detail)


def _fitting(now: Threads, usual: Threads, processors: float, free: float) -> Threads:
    """The fitting numbers: minimal while processors are scarce, as configured (at most one per processor) while they are ample, else as now."""
    whole = max(1, int(processors))
    most = Threads(min(usual.phases, whole), min(usual.training, whole))
    if free < TIGHT:
        return Threads(0, 1)
    if free >= AMPLE:
        return most
    return Threads(min(now.phases, most.phases), min(now.training, most.training))


def undo(room: Room) -> Measured:
    """The increase in threads and processes."""
    return back(room, room.levers.threads, "threads", lambda was, now: float(now.phases + now.training - was.phases - was.training), _words)


def _words(threads: Threads) -> str:
    process = "process" if threads.training == 1 else "processes"
    return f"{threads.phases} phase threads and {threads.training} training {process}"


ACTION = Action(
    name="resize_threads",
    kind="cpu",
    cures="engine.tick_ms",
    better=-1,
    cost="none",
    about="Fits the threads that phases run on and the processes models are trained in to the processors that are free; decisions stay the same.",
    do=resize,
    undo=undo,
)
