"""The skill that a new version of the models inherits from earlier versions.

The record of skill belongs to versions: those that last served at full size. A version that is adopted is compared with them on the same rows. Where
both ensembles agree, the record is the new version's too. Where they do not, the new version is on probation: the record and the weights stand still,
its forecasts are scored in a record of their own, and the share of the proven size that it may use is what agreement or its own record allows,
whichever is larger. Probation ends when a later version agrees with the versions of record again, or when its own record allows as much as theirs,
which it then replaces.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from engine.domain.evidence import Agreement, SkillSums, Succession
from engine.domain.record import Bools, Floats
from engine.domain.trading_config import Event, TradingConfig
from engine.evidence import skill
from engine.evidence.scoring import due_places

EVENT_KIND = "version_agreement"  # of the event with the agreement of versions
FULL_AGREEMENT = 0.5  # agreement from which everything is inherited


def agreement_to_event(agreement: Agreement) -> Event:
    """The event stored with the tick from which the versions serve; numbers have four digits."""
    models = {version: _round_values(values) for version, values in agreement.models}
    detail = {
        "rows": agreement.rows,
        "record": _round_values(agreement.with_record),
        "before": _round_values(agreement.with_previous),
        "models": models,
    }
    return Event(EVENT_KIND, "ensemble", json.dumps(detail, separators=(",", ":")))


def agreement_from_event(event: Event) -> Agreement:
    """The agreement from its event."""
    detail = json.loads(event.detail)
    models = tuple((version, np.array(values, dtype=float)) for version, values in detail["models"].items())
    return Agreement(detail["rows"], np.array(detail["record"], dtype=float), np.array(detail["before"], dtype=float), models)


def initial_succession(length: int, models: int, horizons: int) -> Succession:
    """The state before any version served: there is no record to inherit."""
    none = tuple(("",) * models for _ in range(horizons))
    return Succession(np.ones(horizons), none, skill.empty_skill(2, horizons, 1), np.zeros((length, horizons), dtype=bool), 0)


def measure_agreement(new: Floats, earlier: Floats) -> Floats:
    """(H,) agreement from -1 to 1: uncentred correlation of forecasts (H, N) on the same rows, divided by the ratio of their
    boldness where the new ones are bolder.

    1 means the same forecasts, or the same less boldly; 0 unrelated ones; 1/2 the same twice as boldly; below 0 contradicting ones. NaN where either
    has no forecasts at all.
    """
    power, earlier_power = (new * new).sum(axis=1), (earlier * earlier).sum(axis=1)
    scale = np.sqrt(power * np.maximum(power, earlier_power))
    return np.where((power > 0) & (earlier_power > 0), (new * earlier).sum(axis=1) / np.where(scale > 0, scale, 1.0), np.nan)


def share_for_agreement(agreement: Floats) -> Floats:
    """(H,) share of the proven size that an agreement allows; 0 where it is unknown."""
    return np.clip(np.nan_to_num(agreement, nan=0.0) / FULL_AGREEMENT, 0.0, 1.0)


def adopt_versions(succession: Succession, recent: SkillSums, events: tuple[Event, ...], config: TradingConfig) -> Succession:
    """The succession after the versions adopted before this tick, from their events.

    Where the record proves nothing there is nothing to inherit, and a new version's forecasts continue the record. Only the long memory decides this:
    the recent one may prove nothing now and do so again later.
    """
    for event in events:
        if event.kind == EVENT_KIND:
            low, _ = skill.skill_bound(SkillSums(recent.sums[:, [0, 0]]), config)
            succession = _adopt(succession, low > 0.0, agreement_from_event(event))
    return succession


def allowed_share(succession: Succession, recent: SkillSums, config: TradingConfig) -> Floats:
    """(H,) share of the proven size that the serving versions may use: by inheritance, or by their own record."""
    if (succession.inherited >= 1.0).all():
        return succession.inherited
    return np.maximum(succession.inherited, _earned_share(succession, recent, config))


def find_probation(succession: Succession, horizons: tuple[int, ...]) -> Bools:
    """(H,) whether the forecasts that come due at this tick were made on probation."""
    rows, index, _ = due_places(horizons)
    return np.asarray(succession.on_probation[rows, index])


def update_succession(
    succession: Succession, recent: SkillSums, sums: Floats, closes: Floats, memory: Floats, versions: tuple[str, ...], config: TradingConfig
) -> tuple[Succession, SkillSums]:
    """Add the scores that come due, `sums` (4, 1, H, 1), to the record or to the versions' own record, which replaces it once it allows as much."""
    on_probation = find_probation(succession, config.horizons)
    succession = append_probation(succession)
    if np.count_nonzero(on_probation):
        own = skill.add_scores(succession.probation_skill, sums * on_probation[:, None], closes * on_probation, memory=memory)
        succession, sums = replace(succession, probation_skill=own), sums * ~on_probation[:, None]
    recent = skill.add_scores(recent, sums, closes, memory=memory)
    if (succession.inherited < 1.0).any():
        succession, recent = _replace_record(succession, recent, config)
    record_versions = _update_record_versions(succession, versions)
    return (succession if record_versions == succession.record_versions else replace(succession, record_versions=record_versions)), recent


def append_probation(succession: Succession) -> Succession:
    """The succession with this tick's forecast among the pending ones."""
    return replace(succession, on_probation=np.concatenate(((succession.inherited < 1.0)[None], succession.on_probation[:-1])))


def _adopt(succession: Succession, proven: Bools, agreement: Agreement) -> Succession:
    inherited = np.where(proven, share_for_agreement(agreement.with_record), 1.0)
    same_forecasts = share_for_agreement(agreement.with_previous) >= 1.0  # by a later version
    continues = (inherited < 1.0) & (succession.inherited < 1.0) & same_forecasts
    starts_anew = (inherited < 1.0) & ~continues
    own = SkillSums(succession.probation_skill.sums * continues[:, None])
    return replace(succession, inherited=inherited, probation_skill=own, records_begun=succession.records_begun + int(starts_anew.any()))


def _earned_share(succession: Succession, recent: SkillSums, config: TradingConfig) -> Floats:
    """(H,) the share allowed by the own record relative to that of the earlier versions' record.

    The k-th own record is tested with the error alpha / (k (k + 1)), which adds up to one more alpha over all that are ever begun.
    """
    stricter = replace(config, skill_alpha=config.skill_alpha / max(1, succession.records_begun * (succession.records_begun + 1)))
    full = skill.proven_share(*skill.skill_bound(recent, config))
    own = skill.proven_share(*skill.skill_bound(succession.probation_skill, stricter))
    return np.minimum(own / np.maximum(full, 1e-9), 1.0)


def _replace_record(succession: Succession, recent: SkillSums, config: TradingConfig) -> tuple[Succession, SkillSums]:
    replaced = (succession.inherited < 1.0) & (_earned_share(succession, recent, config) >= 1.0)
    if not replaced.any():
        return succession, recent
    sums = np.where(replaced[:, None], succession.probation_skill.sums, recent.sums)
    remaining = SkillSums(succession.probation_skill.sums * ~replaced[:, None])
    after = replace(
        succession,
        inherited=np.where(replaced, 1.0, succession.inherited),
        probation_skill=remaining,
        on_probation=succession.on_probation & ~replaced,
    )
    return after, SkillSums(sums)


def _update_record_versions(succession: Succession, versions: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The serving versions become those of record where they inherit everything; a model that does not serve keeps its version."""
    return tuple(
        tuple(now or previous for now, previous in zip(versions, record, strict=True)) if inherited >= 1.0 else record
        for inherited, record in zip(succession.inherited.tolist(), succession.record_versions, strict=True)
    )


def _round_values(values: Floats) -> list[float | None]:
    return [round(value, 4) if np.isfinite(value) else None for value in values.tolist()]
