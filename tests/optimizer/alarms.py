"""The rate of false alarms of the change-point test, and its delay after a change."""

from __future__ import annotations

import numpy as np

from engine.optimizer.change_point import NO_EVIDENCE, update_evidence


def alarms_of(*, every: float, runs: int, blocks: int, memory: float = 0.0, seed: int = 3) -> tuple[int, int]:
    """Blocks watched and false alarms in them, each run begun anew after an alarm; lognormal blocks that remember a share of the last."""
    watched = alarms = 0
    for run in range(runs):
        chance = np.random.default_rng([seed, run])
        change, last = NO_EVIDENCE, 0.0
        for shock in chance.standard_normal(blocks).tolist():
            last = memory * last + np.sqrt(1.0 - memory**2) * shock
            change = update_evidence(change, float(np.exp(last)), above=True, most=1_440)
            watched += 1
            if change.evidence >= every:
                alarms += 1
                change = NO_EVIDENCE
    return watched, alarms


def blocks_until_alarm(shift: float, *, every: float, before: int, seed: int) -> int | None:
    """Blocks after the middle has moved by so many standard deviations until the alarm; None where there is none in 200, -1 where it came before."""
    chance = np.random.default_rng([seed, 4])
    change = NO_EVIDENCE
    for block in range(before + 200):
        change = update_evidence(change, float(chance.standard_normal() + (shift if block >= before else 0.0)), above=True, most=1_440)
        if change.evidence >= every:
            return block - before + 1 if block >= before else -1
    return None
