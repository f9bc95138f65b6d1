"""Charts of the optimizer: a run against its control windows, the readings around it, and the firings of a rule in a preview."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from engine import units
from engine.store.read.optimizer import TrialDetails
from pages.optimizer.chart_parts import (
    add_band,
    add_legend,
    add_level,
    add_line,
    add_mark,
    add_span,
    axis_scale,
    format_mark,
    mean_of,
    set_time_axes,
)  # fmt: skip
from pages.ui import theme
from pages.ui.charts import Figure, escape_text, new_figure
from pages.ui.command_table import readable_name

GREY = theme.with_alpha(theme.NEUTRAL, 0.34)
HEIGHT = 250  # px


def plot_aligned(trial: TrialDetails) -> Figure | None:
    """Plot the run and its control windows, each from its mean before; None where no sample of the run is stored."""
    if trial.treated_window is None or trial.windows is None:
        return None
    took, unit = _pause(trial), str(trial.row["unit"] or "")
    curves = [(seconds, values - mean_of(values[seconds < 0])) for seconds, values in (trial.treated_window, *trial.control_windows)]
    divisor, suffix = axis_scale(unit, max((float(np.nanmax(np.abs(values))) for _, values in curves if len(values)), default=0.0))
    drawn = new_figure(height=HEIGHT, left=56, top=26, bottom=34)
    add_band(drawn, 0.0, max(took, 0.15), theme.with_alpha(theme.UP, 0.22))
    for seconds, values in curves[1:]:
        drawn.add_trace("scatter", x=seconds.round(2), y=values / divisor, mode="lines", line={"color": GREY, "width": 1}, hoverinfo="skip")
    seconds, values = curves[0]
    name, colour = ("withheld", theme.NEUTRAL) if trial.row["placebo"] else ("this run", theme.UP)
    drawn.add_trace(
        "scatter", x=seconds.round(2), y=values / divisor, mode="lines+markers", line={"color": colour, "width": 2}, marker={"size": 4},
        hovertemplate=f"%{{x:+.0f}} s: %{{y:+.4~g}}{suffix}<extra></extra>",
    )  # fmt: skip
    for part in (seconds < 0, seconds >= took):
        add_level(drawn, seconds[part], values[part] / divisor, colour)
    shown, total = len(trial.control_windows), len(trial.windows.starts)
    count = f"{shown} of {total}" if shown < total else f"{shown}"
    add_legend(drawn, [format_mark("●", colour, name), format_mark("●", theme.NEUTRAL, f"{count} control windows")])
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
    _, suffix = add_line(drawn, trial.readings, str(trial.row["unit"] or ""), theme.NEUTRAL)
    name, colour = ("withheld", theme.NEUTRAL) if trial.row["placebo"] else ("before and after the run", theme.UP)
    legend = [format_mark("■", colour, name)]
    if trial.windows is not None:
        add_span(drawn, at - before, at, theme.with_alpha(colour, 0.20))
        add_span(drawn, end, end + after, theme.with_alpha(colour, 0.20))
    add_mark(drawn, at, colour)
    for other in trial.others:
        if other.placebo:
            add_span(drawn, other.at - before, other.at + round(other.seconds * units.SECOND) + after, theme.with_alpha(theme.NEUTRAL, 0.28))
        else:
            add_mark(drawn, other.at, theme.WARNING)
    if any(other.placebo for other in trial.others):
        legend.append(format_mark("■", theme.NEUTRAL, "control window"))
    if not all(other.placebo for other in trial.others):
        legend.append(format_mark("|", theme.WARNING, "another run"))
    add_legend(drawn, legend)
    set_time_axes(drawn, suffix)
    return drawn


def plot_rule_preview(readings: pd.DataFrame, times: Sequence[int], *, unit: str, level: float | None, recovery: float | None) -> Figure:
    """Plot a metric's history with the times at which a rule would have fired, its level and its recovery level."""
    drawn = new_figure(height=HEIGHT, left=56, top=26, bottom=34)
    divisor, suffix = add_line(
        drawn, readings, unit, theme.UP, at_least=max((abs(value) for value in (level, recovery) if value is not None), default=0.0)
    )
    legend = [format_mark("|", theme.WARNING, "would have fired")]
    for value, colour, word in ((level, theme.WARNING, "fires"), (recovery, theme.GOOD, "clears")):
        if value is not None:
            line = {"color": colour, "width": 1.4, "dash": "dot"}
            y = value / divisor
            drawn.layout["shapes"].append({"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y, "line": line})
            legend.append(format_mark("┄", colour, f"{word} at {escape_text(units.format_reading(value, unit))}"))
    for at in times:
        add_mark(drawn, at, theme.WARNING)
    add_legend(drawn, legend)
    set_time_axes(drawn, suffix)
    return drawn


def trial_title(trial: TrialDetails) -> str:
    """Return the trial's name for headings and for readers who cannot see its charts."""
    return f"{readable_name(str(trial.row['action']))} at {units.format_time(int(trial.row['at'] or 0))} UTC"


def _pause(trial: TrialDetails) -> float:
    """Return the seconds between the window before and the window after."""
    pause = None if trial.windows is None else trial.windows.pause
    return float(trial.row["seconds"] or 0.0) if pause is None else pause
