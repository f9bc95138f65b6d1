"""What a new version of the models inherits of the skill that earlier versions proved.

The record of skill belongs to versions: those that last served at full size. A version that is adopted is compared with them on the same rows
(shell.succession). Where the two ensembles agree, the record is the new version's too. Where they do not, the new version is on probation: the
record and the weights stand still, what the version forecasts is scored in a record of its own, and the share of the proven size it may use is
what agreement allows or what its own record has come to allow, whichever is more. It leaves probation when a later version agrees with the
versions of record again, or when its own record allows as much as theirs, which it then replaces.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from engine.domain.evidence import SkillSums
from engine.domain.record import Bools, Floats
from engine.domain.succession import Agreement, Succession
from engine.domain.trading_config import Event, TradingConfig
from engine.evidence import skill

EVENT_KIND = "version_agreement"  # of the event that tells a decision how far the versions agree
FULL_AGREEMENT = 0.5  # agreement from which on all is inherited


def agreement_to_event(found: Agreement) -> Event:
    """The event that is stored with the tick from which the versions serve, to four digits."""
    models = {version: _rounded(values) for version, values in found.models}
    detail = {"rows": found.rows, "record": _rounded(found.with_record), "before": _rounded(found.with_previous), "models": models}
    return Event(EVENT_KIND, "ensemble", json.dumps(detail, separators=(",", ":")))


def agreement_from_event(event: Event) -> Agreement:
    """What `to_event` wrote."""
    detail = json.loads(event.detail)
    models = tuple((version, np.array(values, dtype=float)) for version, values in detail["models"].items())
    return Agreement(detail["rows"], np.array(detail["record"], dtype=float), np.array(detail["before"], dtype=float), models)


def initial_succession(length: int, models: int, horizons: int) -> Succession:
    """Before any version served: there is no record to inherit."""
    none = tuple(("",) * models for _ in range(horizons))
    return Succession(np.ones(horizons), none, skill.empty_skill(2, horizons, 1), np.zeros((length, horizons), dtype=bool), 0)


def measure_agreement(new: Floats, earlier: Floats) -> Floats:
    """(H,) from -1 to 1: uncentred correlation of forecasts (H, N) on the same rows, divided by how many times bolder the new ones are.

    1 says the same, or the same less boldly; 0 has nothing to do with it; 1/2 says the same twice as boldly; below 0 contradicts. NaN where
    either says nothing at all.
    """
    power, then = (new * new).sum(axis=1), (earlier * earlier).sum(axis=1)
    scale = np.sqrt(power * np.maximum(power, then))
    return np.where((power > 0) & (then > 0), (new * earlier).sum(axis=1) / np.where(scale > 0, scale, 1.0), np.nan)


def share_for_agreement(agreement: Floats) -> Floats:
    """(H,) share of the proven size that agreement allows; nothing where it is not known."""
    return np.clip(np.nan_to_num(agreement, nan=0.0) / FULL_AGREEMENT, 0.0, 1.0)


def adopt_versions(succession: Succession, recent: SkillSums, events: tuple[Event, ...], knobs: TradingConfig) -> Succession:
    """The succession with the versions adopted before this tick taken into account.

    Where the record proves nothing there is nothing to inherit: what a new version forecasts goes on with it. Of late it may prove nothing and do
    so again later, so only its long memory is asked.
    """
    for event in events:
        if event.kind == EVENT_KIND:
            low, _ = skill.skill_bound(SkillSums(recent.sums[:, [0, 0]]), knobs)
            succession = _adopt(succession, low > 0.0, agreement_from_event(event))
    return succession


def allowed_share(succession: Succession, recent: SkillSums, knobs: TradingConfig) -> Floats:
    """(H,) share of the proven size that the serving versions may use: what they inherit, or what their own record allows."""
    if (succession.inherited >= 1.0).all():
        return succession.inherited
    return np.maximum(succession.inherited, _earned(succession, recent, knobs))


def find_probation(succession: Succession, horizons: tuple[int, ...]) -> Bools:
    """(H,) whether the forecasts that come due at this tick were made on probation."""
    return np.asarray(succession.on_probation[np.array(horizons) - 1, np.arange(len(horizons))])


def update_succession(
    succession: Succession, recent: SkillSums, sums: Floats, closes: Floats, memory: Floats, versions: tuple[str, ...], knobs: TradingConfig
) -> tuple[Succession, SkillSums]:
    """Counts what came due, `sums` (4, 1, H, 1), in the record or in the versions' own, and lets an own record that allows as much replace it."""
    apart = find_probation(succession, knobs.horizons)
    succession = append_probation(succession)
    if apart.any():
        own = skill.add_scores(succession.probation_skill, sums * apart[:, None], closes * apart, memory=memory)
        succession, sums = replace(succession, probation_skill=own), sums * ~apart[:, None]
    recent = skill.add_scores(recent, sums, closes, memory=memory)
    if (succession.inherited < 1.0).any():
        succession, recent = _take_over(succession, recent, knobs)
    return replace(succession, record_versions=_named(succession, versions)), recent


def append_probation(succession: Succession) -> Succession:
    """The forecast of this tick joins the pending ones."""
    return replace(succession, on_probation=np.concatenate(((succession.inherited < 1.0)[None], succession.on_probation[:-1])))


def _adopt(succession: Succession, proven: Bools, found: Agreement) -> Succession:
    inherited = np.where(proven, share_for_agreement(found.with_record), 1.0)
    goes_on = (
        (inherited < 1.0) & (succession.inherited < 1.0) & (share_for_agreement(found.with_previous) >= 1.0)
    )  # the same forecasts by a later version
    fresh = (inherited < 1.0) & ~goes_on
    own = SkillSums(succession.probation_skill.sums * goes_on[:, None])
    return replace(succession, inherited=inherited, probation_skill=own, records_begun=succession.records_begun + int(fresh.any()))


def _earned(succession: Succession, recent: SkillSums, knobs: TradingConfig) -> Floats:
    """(H,) what the own record allows as a share of what the record of earlier versions allows.

    The k-th own record is looked at with the error alpha / (k (k + 1)): over all that are ever begun that adds up to alpha once more.
    """
    stricter = replace(knobs, skill_alpha=knobs.skill_alpha / max(1, succession.records_begun * (succession.records_begun + 1)))
    whole = skill.proven_share(*skill.skill_bound(recent, knobs))
    own = skill.proven_share(*skill.skill_bound(succession.probation_skill, stricter))
    return np.minimum(own / np.maximum(whole, 1e-9), 1.0)


def _take_over(succession: Succession, recent: SkillSums, knobs: TradingConfig) -> tuple[Succession, SkillSums]:
    over = (succession.inherited < 1.0) & (_earned(succession, recent, knobs) >= 1.0)
    if not over.any():
        return succession, recent
    sums = np.where(over[:, None], succession.probation_skill.sums, recent.sums)
    left = SkillSums(succession.probation_skill.sums * ~over[:, None])
    after = replace(
        succession, inherited=np.where(over, 1.0, succession.inherited), probation_skill=left, on_probation=succession.on_probation & ~over
    )
    return after, SkillSums(sums)


def _named(succession: Succession, versions: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The serving versions are those of record where they inherit all; a model that does not serve keeps its version."""
    return tuple(
        tuple(now or then for now, then in zip(versions, record, strict=True)) if inherited >= 1.0 else record
        for inherited, record in zip(succession.inherited.tolist(), succession.record_versions, strict=True)
    )


def _rounded(values: Floats) -> list[float | None]:
    return [round(value, 4) if np.isfinite(value) else None for value in values.tolist()]
