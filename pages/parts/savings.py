"""What the optimizer's runs came to, as sums of what was measured."""

from __future__ import annotations

import pandas as pd

from pages.parts import units
from pages.parts.widgets import Tile


def tiles(trials: pd.DataFrame) -> list[Tile]:
    """Freed by unit of what the actions themselves measured; verdicts of the effects."""
    if trials.empty:
        return [Tile("Freed", units.NOT_MEASURED, "no run has been measured yet")]
    real = trials[trials["undone"] == 0]
    shown = []
    for unit, group in real.dropna(subset=["amount"]).groupby("amount_unit"):
        shown.append(Tile(f"Freed, {unit}", units.reading(float(group["amount"].sum()), str(unit)), f"direct, {len(group)} runs"))
    counts = trials["verdict"].value_counts()
    judged = int(sum(counts.get(word, 0) for word in ("helped", "no measurable effect", "harmed")))
    helped = int(counts.get("helped", 0))
    shown.append(Tile("Runs", f"{len(trials):,}", f"{judged} judged, {int(counts.get(units.NOT_ENOUGH, 0))} {units.NOT_ENOUGH}"))
    shown.append(Tile("Helped", f"{helped} of {judged}" if judged else units.NOT_ENOUGH, f"{int(counts.get('harmed', 0))} harmed"))
    return shown
