"""Makes evolutions, the points of their contests, findings and drift, and versions with recipes, for stores of tests."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from engine.domain.evolution import ArmForecast, ContestPoint, DriftRow, EvolutionReport, EvolutionRow, FindingRow
from engine.domain.recipe import Recipe
from engine.domain.tick import Artifact, Tick
from engine.store.write.writer import Writer
from tests.store.made_ticks import HORIZONS, SYMBOLS, WALL

BAR = math.log(40.0)
DEEPER = Recipe("lightgbm", (("num_leaves", 31.0),), parent=Recipe("lightgbm").id)
SHORTER = Recipe("ridge", (("alpha", 10.0),), ("returns.one",), 2_000, parent=Recipe("ridge").id)
FINDINGS = (
    FindingRow("regime", "volatile", 1, "bias", "bps", -2.1, -3.4, -0.8, 4_120, 0.003),
    FindingRow("symbol", "ETH", 3, "bias", "bps", 1.4, 0.3, 2.5, 1_980, 0.04),
)
DRIFTED = (
    DriftRow("inputs", "returns.one", 0.31, 0.0004, "BTC, ETH", drifted=True),
    DriftRow("inputs", "volume.share", 0.04, 0.62, "all symbols", drifted=False),
    DriftRow("target", "1 bar", None, None, "all symbols", drifted=False),
)


def row(number: int = 1, state: str = "racing", **changes: Any) -> EvolutionRow:
    """An evolution of a challenger of ridge, whose trigger fired at tick 10."""
    made = EvolutionRow(
        number, 10, "performance decline", "gain 0.1 % against 0.6 %, e-value 31 of 20", "tuning", "ridge", "ridge-10-abc123", "ridge-0", state,
        3.1, 40.0, None,
    )  # fmt: skip
    return replace(made, **changes)


def point(number: int = 1, horizon: int = 1, *, log_e: float = 1.1, blocks: int = 12, **changes: Any) -> ContestPoint:
    made = ContestPoint(number, horizon, 0.002, (log_e, -log_e, -2.0 - log_e, log_e - 3.0), BAR, blocks, 1, 5, 2.5)
    return replace(made, **changes)


def points(number: int, tick: int, *, slope: float = 0.01) -> tuple[ContestPoint, ...]:
    """A race that rises by `slope` per tick at the first horizon and less at the others."""
    return tuple(
        point(number, horizon, log_e=slope * tick / horizon + 0.2 * math.sin(tick / 9 + horizon), blocks=tick // horizon) for horizon in HORIZONS
    )


def forecasts(number: int, seed: int) -> ArmForecast:
    return ArmForecast(number, np.random.default_rng(seed).normal(scale=0.1, size=(len(HORIZONS), len(SYMBOLS))))


def version(model: str, tick: int, recipe: Recipe, name: str = "", *, origin: str = "") -> Artifact:
    """A version whose digest names its tick and recipe."""
    digest = f"{tick:020x}{recipe.id}"
    return Artifact(
        digest, model, name or f"{model}-{tick}", digest.encode(), 0, tick, 1_000, 2.5, ("returns.one", "volume.share"), tick, recipe, origin
    )


CHALLENGER = version("ridge", 10, SHORTER, "ridge-10-abc123", origin="performance decline, evolution 1")
RETIRED = version("lightgbm", 12, DEEPER, "lightgbm-12-def456", origin="input drift, evolution 2")


def report(number: int) -> EvolutionReport | None:
    """The evolution of a tick: a challenger races from tick 20 on, another is retired at 90, a refresh is promoted at 100."""
    if number < 10:
        return None
    other: dict[str, Any] = {"trigger": "input drift", "strategy": "structure search", "model": "lightgbm", "parent": "lightgbm-0"}
    refresh: dict[str, Any] = {"trigger": "schedule", "detail": "288 ticks since the last training", "strategy": "refresh", "model": "all"}
    changed: dict[int, tuple[EvolutionRow, ...]] = {
        10: (row(1, "training", version="", evidence=None), row(2, "training", **other | {"version": "", "evidence": None})),
        20: (row(1), row(2, **other, version=RETIRED.version)),
        90: (row(2, "retired", **other, version=RETIRED.version, evidence=44.0, decided=90, verdict="worse"),),
        100: (row(3, "promoted", **refresh, version="", parent="", evidence=None, threshold=None, decided=100, began=98),),
    }
    racing = number >= 20
    return EvolutionReport(
        rows=changed.get(number, ()),
        points=(*points(1, number), *(points(2, number, slope=-0.04) if number < 90 else ())) if racing and number % 8 == 0 else (),
        forecasts=(forecasts(1, number),) if racing else (),
        shadows=(CHALLENGER.data_digest,) if racing else (),
        findings=FINDINGS if number == 60 else None,
        drift=DRIFTED if number == 60 else None,
    )


def evolving(ticks: Iterable[Tick]) -> Iterator[Tick]:
    """The same ticks with their evolution."""
    for tick in ticks:
        yield replace(tick, evolution=report(tick.inputs.tick))


def save_versions(writer: Writer, session: int) -> None:
    """The challenger that races, the retired one and the version it competed with."""
    for artifact in (CHALLENGER, version("lightgbm", 0, Recipe("lightgbm")), RETIRED):
        writer.save_artifact(artifact, session, WALL)
