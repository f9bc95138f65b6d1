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

from engine.domain.control import Event, Knobs
from engine.domain.record import Bools, Floats
from engine.domain.skill import Skill
from engine.domain.succession import Agreement, Succession
from engine.evidence import skill

KIND = "version_agreement"  # of the event that tells a decision how far the versions agree
FULL = 0.5  # agreement from which on all is inherited


def to_event(found: Agreement) -> Event:
    """The event that is stored with the tick from which the versions serve, to four digits."""
    models = {version: _rounded(values) for version, values in found.models}
    detail = {"rows": found.rows, "record": _rounded(found.record), "before": _rounded(found.before), "models": models}
    return Event(KIND, "ensemble", json.dumps(detail, separators=(",", ":")))


def from_event(event: Event) -> Agreement:
    """What `to_event` wrote."""
    detail = json.loads(event.detail)
    models = tuple((version, np.array(values, dtype=float)) for version, values in detail["models"].items())
    return Agreement(detail["rows"], np.array(detail["record"], dtype=float), np.array(detail["before"], dtype=float), models)


def blank(length: int, models: int, horizons: int) -> Succession:
    """Before any version served: there is no record to inherit."""
    none = tuple(("",) * models for _ in range(horizons))
    return Succession(np.ones(horizons), none, skill.empty(2, horizons, 1), np.zeros((length, horizons), dtype=bool), 0)


def agree(new: Floats, earlier: Floats) -> Floats:
    """(H,) from -1 to 1: uncentred correlation of forecasts (H, N) on the same rows, divided by how many times bolder the new ones are.

    1 says the same, or the same less boldly; 0 has nothing to do with it; 1/2 says the same twice as boldly; below 0 contradicts. NaN where
    either says nothing at all.
    """
    power, then = (new * new).sum(axis=1), (earlier * earlier).sum(axis=1)
    scale = np.sqrt(power * np.maximum(power, then))
    return np.where((power > 0) & (then > 0), (new * earlier).sum(axis=1) / np.where(scale > 0, scale, 1.0), np.nan)


def allowed(agreement: Floats) -> Floats:
    """(H,) share of the proven size that agreement allows; nothing where it is not known."""
    return np.clip(np.nan_to_num(agreement, nan=0.0) / FULL, 0.0, 1.0)


def begin(succession: Succession, recent: Skill, events: tuple[Event, ...], knobs: Knobs) -> Succession:
    """The succession with the versions adopted before this tick taken into account.

    Where the record proves nothing there is nothing to inherit: what a new version forecasts goes on with it. Of late it may prove nothing and do
    so again later, so only its long memory is asked.
    """
    for event in events:
        if event.kind == KIND:
            low, _ = skill.bound(Skill(recent.sums[:, [0, 0]]), knobs)
            succession = _adopt(succession, low > 0.0, from_event(event))
    return succession


def standing(succession: Succession, recent: Skill, knobs: Knobs) -> Floats:
    """(H,) share of the proven size that the serving versions may use: what they inherit, or what their own record allows."""
    if (succession.inherited >= 1.0).all():
        return succession.inherited
    return np.maximum(succession.inherited, _earned(succession, recent, knobs))


def on_probation(succession: Succession, horizons: tuple[int, ...]) -> Bools:
    """(H,) whether the forecasts that come due at this tick were made on probation."""
    return np.asarray(succession.probation[np.array(horizons) - 1, np.arange(len(horizons))])


def score(
    succession: Succession, recent: Skill, sums: Floats, closes: Floats, memory: Floats, versions: tuple[str, ...], knobs: Knobs
) -> tuple[Succession, Skill]:
    """Counts what came due, `sums` (4, 1, H, 1), in the record or in the versions' own, and lets an own record that allows as much replace it."""
    apart = on_probation(succession, knobs.horizons)
    succession = remember(succession)
    if apart.any():
        own = skill.add(succession.own, sums * apart[:, None], closes * apart, memory=memory)
        succession, sums = replace(succession, own=own), sums * ~apart[:, None]
    recent = skill.add(recent, sums, closes, memory=memory)
    if (succession.inherited < 1.0).any():
        succession, recent = _take_over(succession, recent, knobs)
    return replace(succession, record=_named(succession, versions)), recent


def remember(succession: Succession) -> Succession:
    """The forecast of this tick joins the pending ones."""
    return replace(succession, probation=np.concatenate(((succession.inherited < 1.0)[None], succession.probation[:-1])))


def _adopt(succession: Succession, proven: Bools, found: Agreement) -> Succession:
    inherited = np.where(proven, allowed(found.record), 1.0)
    goes_on = (inherited < 1.0) & (succession.inherited < 1.0) & (allowed(found.before) >= 1.0)  # the same forecasts by a later version
    fresh = (inherited < 1.0) & ~goes_on
    own = Skill(succession.own.sums * goes_on[:, None])
    return replace(succession, inherited=inherited, own=own, begun=succession.begun + int(fresh.any()))


def _earned(succession: Succession, recent: Skill, knobs: Knobs) -> Floats:
    """(H,) what the own record allows as a share of what the record of earlier versions allows.

    The k-th own record is looked at with the error alpha / (k (k + 1)): over all that are ever begun that adds up to alpha once more.
    """
    stricter = replace(knobs, skill_alpha=knobs.skill_alpha / max(1, succession.begun * (succession.begun + 1)))
    whole = skill.reliance(*skill.bound(recent, knobs))
    own = skill.reliance(*skill.bound(succession.own, stricter))
    return np.minimum(own / np.maximum(whole, 1e-9), 1.0)


def _take_over(succession: Succession, recent: Skill, knobs: Knobs) -> tuple[Succession, Skill]:
    over = (succession.inherited < 1.0) & (_earned(succession, recent, knobs) >= 1.0)
    if not over.any():
        return succession, recent
    sums = np.where(over[:, None], succession.own.sums, recent.sums)
    left = Skill(succession.own.sums * ~over[:, None])
    after = replace(succession, inherited=np.where(over, 1.0, succession.inherited), own=left, probation=succession.probation & ~over)
    return after, Skill(sums)


def _named(succession: Succession, versions: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The serving versions are those of record where they inherit all; a model that does not serve keeps its version."""
    return tuple(
        tuple(now or then for now, then in zip(versions, record, strict=True)) if inherited >= 1.0 else record
        for inherited, record in zip(succession.inherited.tolist(), succession.record, strict=True)
    )


def _rounded(values: Floats) -> list[float | None]:
    return [round(value, 4) if np.isfinite(value) else None for value in values.tolist()]
