"""What the optimizer did, drawn: a run against windows in which nothing was done, the readings round it, and when a rule would have fired."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from engine import units
from engine.domain.record import Floats, Ints
from engine.store.read.optimizer import TrialDetails
from pages.ui import theme
from pages.ui.charts import Figure, escape_text, new_figure
from pages.ui.command_table import readable_name

GREY = theme.with_alpha(theme.NEUTRAL, 0.34)
HEIGHT = 250
POINTS = 600  # pieces of a line


def plot_aligned(told: TrialDetails) -> Figure | None:
    """The run and the idle windows it was compared with, each from its own mean before; None where no sample of the run is kept."""
    if told.treated_window is None or told.windows is None:
        return None
    took, unit = _pause(told), str(told.row["unit"] or "")
    curves = [told.treated_window, *told.control_windows]
    moved = [(seconds, values - _mean(values[seconds < 0])) for seconds, values in curves]
    by, suffix = axis_scale(unit, max((float(np.nanmax(np.abs(values))) for _, values in moved if len(values)), default=0.0))
    drawn = new_figure(height=HEIGHT, left=56, top=26, bottom=34)
    _band(drawn, 0.0, max(took, 0.15), theme.with_alpha(theme.UP, 0.22))
    for seconds, values in moved[1:]:
        drawn.add_trace("scatter", x=seconds.round(2), y=values / by, mode="lines", line={"color": GREY, "width": 1}, hoverinfo="skip")
    seconds, values = moved[0]
    placebo = bool(told.row["placebo"])
    name, colour = ("nothing done", theme.NEUTRAL) if placebo else ("this run", theme.UP)
    drawn.add_trace(
        "scatter", x=seconds.round(2), y=values / by, mode="lines+markers", line={"color": colour, "width": 2}, marker={"size": 4},
        hovertemplate=f"%{{x:+.0f}} s: %{{y:+.4~g}}{suffix}<extra></extra>",
    )  # fmt: skip
    for span in (seconds < 0, seconds >= took):
        _level(drawn, seconds[span], values[span] / by, colour)
    many = (
        f"{len(told.control_windows)} of {len(told.windows.starts)}"
        if len(told.control_windows) < len(told.windows.starts)
        else f"{len(told.control_windows)}"
    )
    legend = f'<span style="color:{colour}">●</span> {name}   <span style="color:{theme.NEUTRAL}">●</span> {many} windows with nothing done'
    drawn.add_note(legend, x=0, xref="paper", y=1, yref="paper", xanchor="left", yanchor="bottom", yshift=4, align="left")
    drawn.set_axis("yaxis", ticksuffix=suffix, nticks=6, zeroline=True, zerolinecolor=theme.GRID)
    drawn.set_axis("xaxis", ticksuffix=" s", nticks=7, zeroline=False)
    return drawn


def plot_surroundings(told: TrialDetails) -> Figure | None:
    """The metric from some minutes before to some minutes after: the windows before and after marked, other runs and placebo windows too."""
    if told.readings.empty:
        return None
    at, took, unit = int(told.row["at"] or 0), _pause(told), str(told.row["unit"] or "")
    drawn = new_figure(height=HEIGHT, left=56, top=26, bottom=34)
    _, suffix = _line(drawn, told.readings, unit, theme.NEUTRAL)
    placebo = bool(told.row["placebo"])
    own = theme.NEUTRAL if placebo else theme.UP
    end = at + round(took * units.SECOND)
    names = [f'<span style="color:{own}">■</span> {"nothing done" if placebo else "before and after the run"}']
    if told.windows is not None:
        _span(drawn, at - round(told.windows.before * units.SECOND), at, theme.with_alpha(own, 0.20))
        _span(drawn, end, end + round(told.windows.after * units.SECOND), theme.with_alpha(own, 0.20))
    _mark(drawn, at, own)
    before = told.windows.before if told.windows is not None else 0.0
    after = told.windows.after if told.windows is not None else 0.0
    for one in told.others:
        if one.placebo:
            close = one.at + round((one.seconds + after) * units.SECOND)
            _span(drawn, one.at - round(before * units.SECOND), close, theme.with_alpha(theme.NEUTRAL, 0.28))
        else:
            _mark(drawn, one.at, theme.WARNING)
    if any(one.placebo for one in told.others):
        names.append(f'<span style="color:{theme.NEUTRAL}">■</span> placebo window')
    if not all(one.placebo for one in told.others):
        names.append(f'<span style="color:{theme.WARNING}">|</span> another run')
    drawn.add_note("   ".join(names), x=0, xref="paper", y=1, yref="paper", xanchor="left", yanchor="bottom", yshift=4, align="left")
    drawn.set_axis("yaxis", ticksuffix=suffix, nticks=6)
    drawn.set_axis("xaxis", type="date", nticks=6, hoverformat="%m-%d %H:%M:%S UTC")
    return drawn


def plot_rule_preview(readings: pd.DataFrame, times: Sequence[int], *, unit: str, level: float | None, recovery: float | None) -> Figure:
    """A metric's history with the moments at which a rule would have fired, its level and its recovery level."""
    drawn = new_figure(height=HEIGHT, left=56, top=26, bottom=34)
    by, suffix = _line(drawn, readings, unit, theme.UP, at_least=max((abs(one) for one in (level, recovery) if one is not None), default=0.0))
    names = [f'<span style="color:{theme.WARNING}">|</span> would have fired']
    for value, colour, word in ((level, theme.WARNING, "fires"), (recovery, theme.GOOD, "clears")):
        if value is not None:
            line = {"color": colour, "width": 1.4, "dash": "dot"}
            drawn.layout["shapes"].append({"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": value / by, "y1": value / by, "line": line})
            names.append(f'<span style="color:{colour}">┄</span> {word} at {escape_text(units.format_reading(value, unit))}')
    for moment in times:
        _mark(drawn, moment, theme.WARNING)
    drawn.add_note("   ".join(names), x=0, xref="paper", y=1, yref="paper", xanchor="left", yanchor="bottom", yshift=4, align="left")
    drawn.set_axis("yaxis", ticksuffix=suffix, nticks=6)
    drawn.set_axis("xaxis", type="date", nticks=6, hoverformat="%m-%d %H:%M:%S UTC")
    return drawn


def _pause(told: TrialDetails) -> float:
    """Seconds between the window before and the window after."""
    kept = told.windows.pause if told.windows is not None else None
    return float(told.row["seconds"] or 0.0) if kept is None else kept


def axis_scale(unit: str, highest: float) -> tuple[float, str]:
    """What an axis of this unit is divided by, and the unit that makes."""
    if unit not in {"bytes", "bytes/s"}:
        return 1.0, "" if unit in {"count", ""} else f" {escape_text(unit)}"
    per = "/s" if unit == "bytes/s" else ""
    return next(((by, f" {name}B{per}") for by, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if highest >= by), (1.0, f" B{per}"))


def trial_title(told: TrialDetails) -> str:
    """What a trial's chart is called by those who cannot see it."""
    return f"{readable_name(str(told.row['action']))} at {units.format_time(int(told.row['at'] or 0))} UTC"


def _line(drawn: Figure, readings: pd.DataFrame, unit: str, colour: str, *, at_least: float = 0.0) -> tuple[float, str]:
    values = readings["value"].to_numpy(dtype=float)
    highest = float(np.nanmax(np.abs(values))) if len(values) else 0.0
    by, suffix = axis_scale(unit, max(highest, at_least))
    at, values = _thinned((readings["at"] // units.MS).to_numpy(), values)
    drawn.add_trace(
        "scatter", x=at, y=values / by, mode="lines", line={"color": colour, "width": 1.5},
        hovertemplate=f"%{{y:.5~g}}{suffix}<br>%{{x|%m-%d %H:%M:%S}} UTC<extra></extra>",
    )  # fmt: skip
    return by, suffix


def _thinned(at: Ints, values: Floats) -> tuple[Ints, Floats]:
    """The lowest and the highest of each of POINTS pieces, where there are more samples than are worth drawing."""
    if len(values) <= 2 * POINTS:
        return at, values
    pieces = np.array_split(np.arange(len(values)), POINTS)
    kept = np.unique([place for piece in pieces for place in (piece[np.argmin(values[piece])], piece[np.argmax(values[piece])])])
    return at[kept], values[kept]


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _level(drawn: Figure, seconds: Floats, values: Floats, colour: str) -> None:
    """The mean over a window, as a bar the eye can compare."""
    if len(values):
        mean = _mean(values)
        ends = [float(seconds[0]), float(seconds[-1])]
        drawn.add_trace("scatter", x=ends, y=[mean, mean], mode="lines", line={"color": colour, "width": 4}, opacity=0.45, hoverinfo="skip")


def _band(drawn: Figure, begin: float, end: float, colour: str) -> None:
    _shape(drawn, {"x0": begin, "x1": end, "fillcolor": colour, "line": {"width": 0}, "type": "rect", "layer": "below"})


def _span(drawn: Figure, begin: int, end: int, colour: str) -> None:
    _band(drawn, begin // units.MS, end // units.MS, colour)


def _mark(drawn: Figure, at: int, colour: str) -> None:
    _shape(drawn, {"x0": at // units.MS, "x1": at // units.MS, "type": "line", "line": {"color": colour, "width": 1.6}})


def _shape(drawn: Figure, told: dict[str, Any]) -> None:
    drawn.layout["shapes"].append({"yref": "paper", "y0": 0, "y1": 1, **told})
