"""The part of the skill record of earlier model versions that the serving versions inherit."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.evidence import SkillSums
from engine.domain.record import Bools, Floats, Record


@dataclass(frozen=True, slots=True)
class Succession(Record):
    """A horizon is on probation while `inherited` is below 1: its forecasts are scored separately from the record (see evidence.succession)."""

    inherited: Floats  # (H,) share of the proven size allowed by agreement with the versions of record; 1 where those serve
    record_versions: tuple[tuple[str, ...], ...]  # (H, M) versions that made the record of skill, "" where a model has none yet
    probation_skill: SkillSums  # (2, H, 1) scores of forecasts made on probation, over a long and a short memory
    on_probation: Bools  # (L, H) whether a pending forecast was made on probation, newest first; L = the longest horizon
    records_begun: int  # number of probation records begun, over all horizons


@dataclass(frozen=True, slots=True)
class Agreement(Record):
    """The agreement of newly adopted versions with earlier ones; NaN where they cannot be compared."""

    rows: int  # compared, one per symbol and tick
    with_record: Floats  # (H,) with the versions of record
    with_previous: Floats  # (H,) with the versions that served until now
    models: tuple[tuple[str, Floats], ...]  # version, (H,) with the version of record of the same model
