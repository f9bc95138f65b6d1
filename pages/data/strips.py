"""Coverage over time as strips: one row per symbol, one lane each for bars, books and trades."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from statistics import median
from typing import Any

from pages.ui import theme

LANES = {"bars": (0, 10), "books": (12, 4), "trades": (18, 4)}  # top and height
HEIGHT = 22
COLOURS = {"bars": theme.UP, "books": theme.GOOD, "trades": "#CC79A7"}
COMPLETE = 100  # percent of the bars that are due
USUAL_SHARE = 0.8  # of the usual number of bars, below which a cell is marked


def render_strip(symbol: str, files: Sequence[Mapping[str, Any]]) -> str:
    """Return the strip of a symbol as SVG; cells without data stay blank."""
    lanes = {str(file["kind"]): [int(value) for value in file["strip"]] for file in files if file["strip"] and file["error"] is None}
    if not lanes:
        return ""
    width = max(len(cells) for cells in lanes.values())
    paths = "".join(_render_lane(kind, cells) for kind, cells in lanes.items() if kind in LANES)
    grounds = "".join(f"M0 {LANES[kind][0]}h{width}v{LANES[kind][1]}h-{width}z" for kind in lanes if kind in LANES)
    label = f"{symbol}: " + ", ".join(_describe_lane(kind, cells) for kind, cells in lanes.items())
    return (
        f'<span class="pd-coverage"><svg viewBox="0 0 {width} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{escape(label)}">'
        f'<path d="{grounds}" fill="{theme.with_alpha(theme.NEUTRAL)}"></path>{paths}</svg></span>'
    )


def find_thin_cells(cells: Sequence[int]) -> list[bool]:
    """Return which cells of bars lack some: of bars around the clock any, else clearly fewer than usual."""
    covered = [value for value in cells if value > 0]
    usual = median(covered) if covered else COMPLETE
    limit = COMPLETE if usual >= COMPLETE else USUAL_SHARE * usual
    return [0 < value < limit for value in cells]


def _render_lane(kind: str, cells: Sequence[int]) -> str:
    thin = find_thin_cells(cells) if kind == "bars" else [False] * len(cells)
    normal = [value > 0 and not mark for value, mark in zip(cells, thin, strict=True)]
    return _render_runs(kind, normal, COLOURS[kind]) + _render_runs(kind, thin, theme.WARNING)


def _render_runs(kind: str, marked: Sequence[bool], colour: str) -> str:
    """Return one path of a rectangle for each run of marked cells."""
    top, height = LANES[kind]
    runs: list[list[int]] = []
    for place, mark in enumerate(marked):
        if mark and runs and runs[-1][1] == place:
            runs[-1][1] = place + 1
        elif mark:
            runs.append([place, place + 1])
    path = "".join(f"M{start} {top}H{end}V{top + height}H{start}z" for start, end in runs)
    return f'<path d="{path}" fill="{colour}"></path>' if path else ""


def _describe_lane(kind: str, cells: Sequence[int]) -> str:
    due = sum(value >= 0 for value in cells)
    return f"{kind} in {sum(value > 0 for value in cells)} of {due} parts of its time span"
