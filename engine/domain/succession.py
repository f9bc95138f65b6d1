"""What the serving versions of the models inherit of the record of skill that earlier versions made."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.evidence import SkillSums
from engine.domain.record import Bools, Floats, Record


@dataclass(frozen=True, slots=True)
class Succession(Record):
    """A horizon is on probation while `inherited` is below 1: its forecasts are scored apart from the record (see evidence.succession)."""

    inherited: Floats  # (H,) share of the proven size that agreement with the versions of record allows; 1 where the record is the serving versions'
    record_versions: tuple[tuple[str, ...], ...]  # (H, M) versions that the record of skill belongs to, "" where a model has none yet
    probation_skill: SkillSums  # (2, H, 1) what forecasts made on probation came to, over a long and a short memory
    on_probation: Bools  # (L, H) whether a pending forecast was made on probation, newest first; L = the longest horizon
    records_begun: int  # own records begun so far, over all horizons


@dataclass(frozen=True, slots=True)
class Agreement(Record):
    """How far the ensemble of newly adopted versions agrees with earlier ones; NaN where they cannot be compared."""

    rows: int  # compared, each a symbol at a tick
    with_record: Floats  # (H,) with the versions of record
    with_previous: Floats  # (H,) with the versions that served until now
    models: tuple[tuple[str, Floats], ...]  # version, (H,) with the version of record of the same model
