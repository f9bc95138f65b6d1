"""Fits the engine's threads and training processes to the processors that are free."""

from __future__ import annotations

import psutil

from engine.actions._overrides import revert_override
from engine.domain.optimization import Action, ActionContext, ActionResult, ThreadCounts

MIN_FREE = 0.5  # free processors below which the engine uses one thread
AMPLE_FREE = 1.0  # free processors from which on it uses its configured threads


def resize_threads(context: ActionContext) -> ActionResult:
    """The reduction in threads of this process, counted before and after.

    With hardly a processor free, phases run one after the other and models are trained in one process. Otherwise the engine uses its configured
    threads and processes, but no more than there are processors. Fits and decisions do not depend on the number.
    """
    override, processors = context.actuators.threads, context.actuators.processors()
    context.report_progress(0.1, "measuring the load")
    free = context.actuators.free_processors()
    now, desired = override.current(), _fitting(override.current(), override.default(), processors, free)
    load = f"{free:.1f} of {processors:g} processors are free"
    if desired == now:
        return ActionResult(0.0, "threads", f"nothing to resize: {load}, and the engine uses {_describe(now)}", done=False)
    if context.dry_run:
        return ActionResult(0.0, "threads", f"dry run: {load}; would go from {_describe(now)} to {_describe(desired)}", done=False)
    before = psutil.Process().num_threads()
    override.apply(desired)
    after = psutil.Process().num_threads()
    detail = f"{load}; {_describe(now)} -> {_describe(desired)}; threads of this process {before} -> {after} (new ones start with the next task)"
    return ActionResult(float(before - after), "threads", detail)


def _fitting(now: ThreadCounts, usual: ThreadCounts, processors: float, free: float) -> ThreadCounts:
    """The fitting numbers: minimal while processors are scarce, as configured (at most one per processor) while they are ample, else as now."""
    whole = max(1, int(processors))
    most = ThreadCounts(min(usual.phases, whole), min(usual.training, whole))
    if free < MIN_FREE:
        return ThreadCounts(0, 1)
    if free >= AMPLE_FREE:
        return most
    return ThreadCounts(min(now.phases, most.phases), min(now.training, most.training))


def restore_threads(context: ActionContext) -> ActionResult:
    """The increase in threads and processes."""
    return revert_override(
        context, context.actuators.threads, "threads", lambda was, now: float(now.phases + now.training - was.phases - was.training), _describe
    )


def _describe(threads: ThreadCounts) -> str:
    process = "process" if threads.training == 1 else "processes"
    return f"{threads.phases} phase threads and {threads.training} training {process}"


ACTION = Action(
    name="resize_threads",
    kind="cpu",
    metric="engine.tick_ms",
    better=-1,
    cost="none",
    description="Fits the threads of the phases and the training processes to the free processors; decisions stay the same.",
    run=resize_threads,
    undo=restore_threads,
)
