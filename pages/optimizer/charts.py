"""Charts of the optimizer: a run against its control windows, the readings around it, and the firings of a rule in a preview."""

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
HEIGHT = 250  # px
POINTS = 600  # pieces of a line, each drawn with its lowest and highest sample


def plot_aligned(trial: TrialDetails) -> Figure | None:
    """Plot the run and its control windows, each from its mean before; None where no sample of the run is stored."""
    if trial.treated_window is None or trial.windows is None:
        return None
    took, unit = _pause(trial), str(trial.row["unit"] or "")
    curves = [(seconds, values - _mean(values[seconds < 0])) for seconds, values in (trial.treated_window, *trial.control_windows)]
    divisor, suffix = axis_scale(unit, max((float(np.nanmax(np.abs(values))) for _, values in curves if len(values)), default=0.0))
    drawn = new_figure(height=HEIGHT, left=56, top=26, bottom=34)
    _band(drawn, 0.0, max(took, 0.15), theme.with_alpha(theme.UP, 0.22))
    for seconds, values in curves[1:]:
        drawn.add_trace("scatter", x=seconds.round(2), y=values / divisor, mode="lines", line={"color": GREY, "width": 1}, hoverinfo="skip")
    seconds, values = curves[0]
    name, colour = ("withheld", theme.NEUTRAL) if trial.row["placebo"] else ("this run", theme.UP)
    drawn.add_trace(
        "scatter", x=seconds.round(2), y=values / divisor, mode="lines+markers", line={"color": colour, "width": 2}, marker={"size": 4},
        hovertemplate=f"%{{x:+.0f}} s: %{{y:+.4~g}}{suffix}<extra></extra>",
    )  # fmt: skip
    for part in (seconds < 0, seconds >= took):
        _level(drawn, seconds[part], values[part] / divisor, colour)
    shown, total = len(trial.control_windows), len(trial.windows.starts)
    count = f"{shown} of {total}" if shown < total else f"{shown}"
    _add_legend(drawn, [_mark_text("●", colour, name), _mark_text("●", theme.NEUTRAL, f"{count} control windows")])
    drawn.set_axis("yaxis", ticksuffix=suffix, nticks=6, zeroline=True, zerolinecolor=theme.GRID)
    drawn.set_axis("xaxis", ticksuffix=" s", nticks=7, zeroline=False)
    return drawn


def plot_surroundings(trial: TrialDetails) -> Figure | None:
    """Plot the metric around a trial, with its windows before and after, other runs and control windows; None without readings."""
    if trial.readings.empty:
        return None
    at = int(trial.row["at"] or 0)
    end = at + round(_pause(trial) * units.SECOND)
    before, after = (0, 0) if trial.windows is None else (round(span * units.SECOND) for span in (trial.windows.before, trial.windows.after))
    drawn = new_figure(height=HEIGHT, left=56, top=26, bottom=34)
    _, suffix = _line(drawn, trial.readings, str(trial.row["unit"] or ""), theme.NEUTRAL)
    name, colour = ("withheld", theme.NEUTRAL) if trial.row["placebo"] else ("before and after the run", theme.UP)
    legend = [_mark_text("■", colour, name)]
    if trial.windows is not None:
        _span(drawn, at - before, at, theme.with_alpha(colour, 0.20))
        _span(drawn, end, end + after, theme.with_alpha(colour, 0.20))
    _mark(drawn, at, colour)
    for other in trial.others:
        if other.placebo:
            _span(drawn, other.at - before, other.at + round(other.seconds * units.SECOND) + after, theme.with_alpha(theme.NEUTRAL, 0.28))
        else:
            _mark(drawn, other.at, theme.WARNING)
    if any(other.placebo for other in trial.others):
        legend.append(_mark_text("■", theme.NEUTRAL, "control window"))
    if not all(other.placebo for other in trial.others):
        legend.append(_mark_text("|", theme.WARNING, "another run"))
    _add_legend(drawn, legend)
    _set_time_axes(drawn, suffix)
    return drawn


def plot_rule_preview(readings: pd.DataFrame, times: Sequence[int], *, unit: str, level: float | None, recovery: float | None) -> Figure:
    """Plot a metric's history with the times at which a rule would have fired, its level and its recovery level."""
    drawn = new_figure(height=HEIGHT, left=56, top=26, bottom=34)
    divisor, suffix = _line(
        drawn, readings, unit, theme.UP, at_least=max((abs(value) for value in (level, recovery) if value is not None), default=0.0)
    )
    legend = [_mark_text("|", theme.WARNING, "would have fired")]
    for value, colour, word in ((level, theme.WARNING, "fires"), (recovery, theme.GOOD, "clears")):
        if value is not None:
            line = {"color": colour, "width": 1.4, "dash": "dot"}
            y = value / divisor
            drawn.layout["shapes"].append({"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y, "line": line})
            legend.append(_mark_text("┄", colour, f"{word} at {escape_text(units.format_reading(value, unit))}"))
    for at in times:
        _mark(drawn, at, theme.WARNING)
    _add_legend(drawn, legend)
    _set_time_axes(drawn, suffix)
    return drawn


def axis_scale(unit: str, highest: float) -> tuple[float, str]:
    """Return the divisor and the tick suffix of an axis in this unit."""
    divisor, name = units.scale_unit(unit, highest)
    return divisor, f" {escape_text(name)}" if name else ""


def trial_title(trial: TrialDetails) -> str:
    """Return the trial's name for headings and for readers who cannot see its charts."""
    return f"{readable_name(str(trial.row['action']))} at {units.format_time(int(trial.row['at'] or 0))} UTC"


def _pause(trial: TrialDetails) -> float:
    """Return the seconds between the window before and the window after."""
    pause = None if trial.windows is None else trial.windows.pause
    return float(trial.row["seconds"] or 0.0) if pause is None else pause


def _mark_text(sign: str, colour: str, text: str) -> str:
    return f'<span style="color:{colour}">{sign}</span> {text}'


def _add_legend(drawn: Figure, parts: Sequence[str]) -> None:
    drawn.add_note("   ".join(parts), x=0, xref="paper", y=1, yref="paper", xanchor="left", yanchor="bottom", yshift=4, align="left")


def _set_time_axes(drawn: Figure, suffix: str) -> None:
    drawn.set_axis("yaxis", ticksuffix=suffix, nticks=6)
    drawn.set_axis("xaxis", type="date", nticks=6, hoverformat="%m-%d %H:%M:%S UTC")


def _line(drawn: Figure, readings: pd.DataFrame, unit: str, colour: str, *, at_least: float = 0.0) -> tuple[float, str]:
    """Add the readings as a line; return the divisor and tick suffix of the axis."""
    values = readings["value"].to_numpy(dtype=float)
    highest = float(np.nanmax(np.abs(values))) if len(values) else 0.0
    divisor, suffix = axis_scale(unit, max(highest, at_least))
    at, values = _thinned((readings["at"] // units.MS).to_numpy(), values)
    drawn.add_trace(
        "scatter", x=at, y=values / divisor, mode="lines", line={"color": colour, "width": 1.5},
        hovertemplate=f"%{{y:.5~g}}{suffix}<br>%{{x|%m-%d %H:%M:%S}} UTC<extra></extra>",
    )  # fmt: skip
    return divisor, suffix


def _thinned(at: Ints, values: Floats) -> tuple[Ints, Floats]:
    """Keep the lowest and the highest sample of each of POINTS pieces where there are more samples than can be seen."""
    if len(values) <= 2 * POINTS:
        return at, values
    pieces = np.array_split(np.arange(len(values)), POINTS)
    extremes = np.unique([place for piece in pieces for place in (piece[np.argmin(values[piece])], piece[np.argmax(values[piece])])])
    return at[extremes], values[extremes]


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _level(drawn: Figure, seconds: Floats, values: Floats, colour: str) -> None:
    """Add the mean over a window as a thick bar."""
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


def _shape(drawn: Figure, shape: dict[str, Any]) -> None:
    drawn.layout["shapes"].append({"yref": "paper", "y0": 0, "y1": 1, **shape})
