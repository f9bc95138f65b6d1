"""Least squares that goes on at every tick: discounted sums over what came due, kept small enough to live in the state.

In the sums' form (gram and moment) recursive least squares with forgetting needs no matrix kept positive by hand, and sums of two stretches of
time are added: those a model was trained with, faded by the time since, and those of the ticks after.
"""

from __future__ import annotations

import numpy as np

from engine.domain.record import Bools, Floats
from engine.domain.state import OnlineInputs, OnlineMemory


def update_memories(
    before: tuple[OnlineMemory, ...], seen: tuple[OnlineInputs, ...], known: Bools, target: Floats, horizons: tuple[int, ...]
) -> tuple[OnlineMemory, ...]:
    """Adds what came due at this tick, `known` (M + 1, H, S) and `target` (H, S), to the sums of each model that is seen, and remembers what it saw.

    A model that is not seen at this tick (its phase failed) keeps its sums; one of another version starts anew, its training knowing the rest.
    """
    kept = {memory.model: memory for memory in before}
    for one in seen:
        memory = kept.get(one.model)
        if memory is None or memory.version != one.version:
            memory = _start(one, horizons)
        kept[one.model] = _add(memory, one, known[one.model], target, horizons)
    return tuple(kept[model] for model in sorted(kept))


def age_memories(before: tuple[OnlineMemory, ...]) -> tuple[OnlineMemory, ...]:
    """The memories after a tick from which nothing was learned: what was seen grows a tick older."""
    return tuple(_shift(memory, np.zeros_like(memory.pending_columns[:1])) for memory in before)


def find_memory(memories: tuple[OnlineMemory, ...], version: str) -> OnlineMemory | None:
    """What the model of this version has learned since it was trained; None where that is nothing yet."""
    return next((memory for memory in memories if memory.version == version), None)


def _start(one: OnlineInputs, horizons: tuple[int, ...]) -> OnlineMemory:
    count, width = one.columns.shape
    seen = np.zeros((max(horizons), count, width), dtype=np.float32)
    return OnlineMemory(one.model, one.version, np.zeros((width, width)), np.zeros((width, len(horizons))), seen)


def _add(memory: OnlineMemory, one: OnlineInputs, known: Bools, target: Floats, horizons: tuple[int, ...]) -> OnlineMemory:
    """One gram serves every horizon (their rows are the same ones, a few ticks apart); the moments are each horizon's own."""
    then = memory.pending_columns[[horizon - 1 for horizon in horizons]]  # (H, S, K)
    first = then[0][known[0]].astype(np.float64)
    moment = np.matmul(then.transpose(0, 2, 1), np.where(known, target, 0.0)[:, :, None])[:, :, 0].T
    return OnlineMemory(
        model=memory.model,
        version=memory.version,
        gram=memory.gram * one.decay + first.T @ first,
        moment=memory.moment * one.decay + moment,
        pending_columns=_older(memory.pending_columns, one.columns[None]),
    )


def _shift(memory: OnlineMemory, new: np.ndarray) -> OnlineMemory:
    return OnlineMemory(memory.model, memory.version, memory.gram, memory.moment, _older(memory.pending_columns, new))


def _older(seen: np.ndarray, new: np.ndarray) -> np.ndarray:
    return np.concatenate((new, seen[:-1]))
