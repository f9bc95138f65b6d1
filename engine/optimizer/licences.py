"""Licences: whether an action may still run on its own, given its trials."""

from __future__ import annotations

from engine.domain.optimization import Judgement
from engine.domain.rules import AUTO, LICENCES, QUARANTINED, RECOMMEND
from engine.optimizer.randomisation_test import HARMED, NO_EFFECT

FUTILITY_WINDOWS = 60  # windows, treated and controls, after which an action without a measurable effect loses its licence (futility)


def next_licence(licence: str, judgement: Judgement) -> tuple[str, str] | None:
    """The new licence of an action and the reason; None where its licence stays."""
    if licence == QUARANTINED:
        return None
    if judgement.verdict == HARMED:
        return QUARANTINED, f"harmed; {judgement.why}"
    if judgement.verdict == NO_EFFECT and judgement.treated + judgement.placebos >= FUTILITY_WINDOWS and licence == AUTO:
        return RECOMMEND, f"no measurable effect; {judgement.why}"
    return None


def parse_licence(licence: str) -> str:
    """The licence as written; raises ValueError in one line."""
    if licence not in LICENCES:
        raise ValueError(f"licence is {licence[:60]!r}: give {', '.join(LICENCES)}")
    return licence
