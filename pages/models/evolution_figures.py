"""Sentences on how sure the gain of a contest is."""

from __future__ import annotations

from collections.abc import Sequence

from engine import units
from engine.store.read.contest_figures import ContestFigures


def describe_figures(figures: Sequence[ContestFigures], number: int, horizon: int, *, is_watch: bool) -> str:
    """Describe the gain of a contest at a horizon with its interval, and whether it rests on a few extreme blocks."""
    shown = next((each for each in figures if (each.number, each.is_watch, each.horizon) == (number, is_watch, horizon)), None)
    ahead = units.format_count(horizon, "bar")
    if shown is None:
        return f"{ahead}: no interval of the gain. There is one while a contest runs, from five blocks on, renewed every 100 ticks."
    gain = units.format_percent(shown.r2_gain, 2, signed=True)
    interval = units.format_interval(100.0 * shown.low, 100.0 * shown.high, 2, "%")
    blocks = units.format_count(shown.blocks, "block")
    return f"{ahead}: {gain} of R² (95 %: {interval}, n={blocks}, to tick {shown.tick:,}). {_describe_clipping(shown)}"


def _describe_clipping(shown: ContestFigures) -> str:
    if not shown.clipped:
        return "No block was beyond the clip."
    beyond = f"{units.format_count(shown.clipped, 'block')} {'was' if shown.clipped == 1 else 'were'} beyond the clip"
    if shown.survives_clipping:
        return f"{beyond}: without that part the gain has the same sign."
    return f"{beyond}: without that part the gain changes its sign, so it rests on a few bars."
