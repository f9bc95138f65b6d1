"""Recursive least squares: discounted sums over the forecasts that have come due, small enough to live in the state.

With sums (gram and moment) instead of an inverse, recursive least squares with forgetting needs no matrix kept positive by hand, and the sums of two
periods can be added: those of a model's training, discounted by the ticks since then, and those of the ticks since.
"""

from __future__ import annotations

import numpy as np

from engine.domain.record import Bools, Floats
from engine.domain.state import OnlineInputs, OnlineMemory


def update_memories(
    before: tuple[OnlineMemory, ...], seen: tuple[OnlineInputs, ...], known: Bools, target: Floats, horizons: tuple[int, ...]
) -> tuple[OnlineMemory, ...]:
    """Add the rows that come due at this tick to the sums of each version in `seen`, and store its inputs.

    `known` is (M + 1, H, S), `target` (H, S). A place on the model axis may have several versions: the one that serves and those in shadow, each with
    a memory of its own. A new version starts anew, as its training covers the rest. The memory of a version that is not in `seen` is dropped, unless
    nothing is: then their phase has failed, or they rest, and their pending inputs grow a tick older.
    """
    if not seen:
        return age_memories(before)
    memory_of = {memory.version: memory for memory in before}
    after = {}
    for inputs in seen:
        memory = memory_of.get(inputs.version)
        if memory is None or memory.pending_columns.shape[1:] != inputs.columns.shape:
            memory = _start(inputs, horizons)
        after[inputs.version] = _add(memory, inputs, known[inputs.model], target, horizons)
    return tuple(sorted(after.values(), key=lambda memory: (memory.model, memory.version)))


def age_memories(before: tuple[OnlineMemory, ...]) -> tuple[OnlineMemory, ...]:
    """The memories after a tick without learning: their pending inputs grow a tick older."""
    return tuple(_append_row(memory, np.zeros_like(memory.pending_columns[:1])) for memory in before)


def find_memory(memories: tuple[OnlineMemory, ...], version: str) -> OnlineMemory | None:
    """The memory of the model of this version since its training; None where there is none yet."""
    return next((memory for memory in memories if memory.version == version), None)


def _start(inputs: OnlineInputs, horizons: tuple[int, ...]) -> OnlineMemory:
    count, width = inputs.columns.shape
    seen = np.zeros((max(horizons), count, width), dtype=np.float32)
    return OnlineMemory(inputs.model, inputs.version, np.zeros((width, width)), np.zeros((width, len(horizons))), seen)


def _add(memory: OnlineMemory, inputs: OnlineInputs, known: Bools, target: Floats, horizons: tuple[int, ...]) -> OnlineMemory:
    """Add a tick to the sums; one gram serves all horizons, whose rows are the same a few ticks apart, while each has its own moments."""
    pending = memory.pending_columns[[horizon - 1 for horizon in horizons]]  # (H, S, K)
    first = pending[0][known[0]].astype(np.float64)
    moment = np.matmul(pending.transpose(0, 2, 1), np.where(known, target, 0.0)[:, :, None])[:, :, 0].T
    return OnlineMemory(
        model=memory.model,
        version=memory.version,
        gram=memory.gram * inputs.decay + first.T @ first,
        moment=memory.moment * inputs.decay + moment,
        pending_columns=_shift_rows(memory.pending_columns, inputs.columns[None]),
    )


def _append_row(memory: OnlineMemory, new: np.ndarray) -> OnlineMemory:
    return OnlineMemory(memory.model, memory.version, memory.gram, memory.moment, _shift_rows(memory.pending_columns, new))


def _shift_rows(seen: np.ndarray, new: np.ndarray) -> np.ndarray:
    return np.concatenate((new, seen[:-1]))
