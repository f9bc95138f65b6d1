"""Whether an action may still run by itself, after what its trials came to."""

from __future__ import annotations

from engine.domain.judging import Judgement
from engine.domain.rules import AUTO, LICENCES, QUARANTINED, RECOMMEND
from engine.optimizer.randomisation_test import HARMED, NO_EFFECT

FUTILITY_WINDOWS = 60  # windows, with the action and without, after which one that shows no effect is useless


def next_licence(licence: str, judgement: Judgement) -> tuple[str, str] | None:
    """The licence an action is left with and why; None where it keeps the one it has."""
    if licence == QUARANTINED:
        return None
    if judgement.verdict == HARMED:
        return QUARANTINED, f"harmed; {judgement.why}"
    if judgement.verdict == NO_EFFECT and judgement.treated + judgement.placebos >= FUTILITY_WINDOWS and licence == AUTO:
        return RECOMMEND, f"no measurable effect; {judgement.why}"
    return None


def parse_licence(licence: str) -> str:
    """Raises ValueError in one line."""
    if licence not in LICENCES:
        raise ValueError(f"licence is {licence[:60]!r}: give {', '.join(LICENCES)}")
    return licence
