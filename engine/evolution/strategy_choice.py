"""The choice of a strategy for a trigger, by what each strategy has achieved, and the pause of a trigger that fires without success.

A strategy succeeds when its challenger is promoted. Its rate of success is a beta distribution, from a prior that says where each trigger is usually
cured and from the searches of this session; those that other triggers started count half. The strategy with the highest draw is chosen (Thompson
1933), so that each is tried now and then. Draws depend on the number of the evolution only, so a replay repeats them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from engine.domain.evolution import SEARCHES, STRATEGIES, TRIGGERS, TriggerSums

PAUSES: Mapping[str, int] = {  # ticks before a trigger may start another search
    "by hand": 0, "schedule": 1_440, "performance decline": 144, "input drift": 576, "target drift": 288, "regime change": 576, "new data": 576,
    "finding": 1_440, "expected loss": 576,
}  # fmt: skip
MAX_DOUBLINGS = 6  # of a pause, one for each search in a row without success
AGAIN_DOUBLINGS = 3  # of the pause within which a trigger fires again for the same
SHARED = 0.5  # weight of what other triggers achieved with a strategy
USUAL_CURES: Mapping[str, tuple[str, ...]] = {  # strategies that are tried first; the first counts as six successes, the next as two
    "performance decline": ("shorter window", "structure search"), "target drift": ("shorter window", "structure search"),
    "input drift": ("shorter window", "column selection"), "regime change": ("shorter window", "tuning"), "new data": ("longer window",),
    "finding": ("structure search", "column selection"), "expected loss": ("shorter window",),
    "schedule": ("tuning", "column selection", "structure search"),
}  # fmt: skip
FAILURES = 2.0  # of every strategy, to begin with
SEED = 1_933


def empty_trigger_sums() -> TriggerSums:
    """Nothing has fired, nothing was tried."""
    count, none = len(TRIGGERS), np.zeros((len(TRIGGERS), len(STRATEGIES)))
    return TriggerSums(np.full(count, -1), np.zeros(count, dtype=np.int64), none, none)


def position(trigger: str) -> int:
    """The position of a trigger among TRIGGERS."""
    return TRIGGERS.index(trigger)


def may_start(triggers: TriggerSums, trigger: str, tick: int) -> bool:
    """Whether the pause of a trigger has passed."""
    since = int(triggers.fired[TRIGGERS.index(trigger)])
    return since < 0 or tick - since >= _pause(triggers, trigger)


def fires_again(triggers: TriggerSums, trigger: str, tick: int) -> bool:
    """Whether a trigger that fires at this tick still fires for what it has answered in vain: it fired last no longer ago than twice its pause."""
    place = TRIGGERS.index(trigger)
    longest = 2 * min(_pause(triggers, trigger), PAUSES.get(trigger, 0) * 2**AGAIN_DOUBLINGS)
    return was_in_vain(triggers, trigger) and tick - int(triggers.fired[place]) <= longest


def was_in_vain(triggers: TriggerSums, trigger: str) -> bool:
    """Whether a trigger has started a search and nothing has been promoted since."""
    return bool(triggers.fruitless[TRIGGERS.index(trigger)] > 0)


def _pause(triggers: TriggerSums, trigger: str) -> int:
    """The ticks from one search of a trigger to its next."""
    return int(PAUSES.get(trigger, 0) * 2 ** min(int(triggers.fruitless[TRIGGERS.index(trigger)]), MAX_DOUBLINGS))


def choose_strategy(triggers: TriggerSums, trigger: str, number: int, excluded: Collection[str] = ()) -> str | None:
    """The strategy for a trigger; None where all are excluded."""
    place = TRIGGERS.index(trigger)
    passed_over = _find_tried_cures(triggers, trigger, excluded)
    open_to = [strategy for strategy in SEARCHES if strategy not in excluded and strategy not in passed_over]
    if not open_to:
        return None
    columns = [STRATEGIES.index(strategy) for strategy in open_to]
    promoted, tried = (
        part[place, columns] + SHARED * (part[:, columns].sum(axis=0) - part[place, columns]) for part in (triggers.promoted, triggers.tried)
    )
    cures = USUAL_CURES.get(trigger, ())
    usual = np.array([(2.0 + 4.0 * (strategy == cures[0])) * (strategy in cures) if cures else 0.0 for strategy in open_to])
    draws = np.random.default_rng([SEED, number]).beta(1.0 + usual + promoted, FAILURES + np.maximum(tried - promoted, 0.0))
    return open_to[int(np.argmax(draws))]


def _find_tried_cures(triggers: TriggerSums, trigger: str, excluded: Collection[str]) -> set[str]:
    """The usual cures of a trigger that it has tried in vain more often than another one that is open to it.

    They take turns: after a search in vain the market is mostly the same, so that the other cure says more than the same again.
    """
    place = TRIGGERS.index(trigger)
    in_vain = triggers.tried[place] - triggers.promoted[place]
    failures = {cure: float(in_vain[STRATEGIES.index(cure)]) for cure in USUAL_CURES.get(trigger, ()) if cure not in excluded}
    return {cure for cure, count in failures.items() if count > min(failures.values())}


def record_start(triggers: TriggerSums, trigger: str, strategy: str, tick: int) -> TriggerSums:
    """The sums after a trigger has started a strategy; it counts as fruitless until a promotion."""
    fired, fruitless, tried = triggers.fired.copy(), triggers.fruitless.copy(), triggers.tried.copy()
    place = TRIGGERS.index(trigger)
    fired[place] = tick
    fruitless[place] += 1
    tried[place, STRATEGIES.index(strategy)] += 1.0
    return replace(triggers, fired=fired, fruitless=fruitless, tried=tried)


def record_promotion(triggers: TriggerSums, trigger: str, strategy: str) -> TriggerSums:
    """The sums after the challenger of a strategy was promoted; it answers a decline too, whose detector begins anew."""
    fruitless, promoted = triggers.fruitless.copy(), triggers.promoted.copy()
    place = TRIGGERS.index(trigger)
    fruitless[[place, TRIGGERS.index("performance decline")]] = 0
    promoted[place, STRATEGIES.index(strategy)] += 1.0
    return replace(triggers, fruitless=fruitless, promoted=promoted)
