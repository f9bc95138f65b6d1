"""Reliability diagrams: observed shares against stated probabilities."""

from __future__ import annotations

from collections.abc import Sequence

from engine import units
from engine.store.read.models import ObservedShare
from pages.ui import theme
from pages.ui.charts import NO_FILL, Figure
from pages.ui.forest_plot import HOVER_TEMPLATE, to_percent

MIN_ROWS = 30  # rows of a bin before it is drawn


def add_reliability_points(drawn: Figure, points: Sequence[tuple[float, ObservedShare]], own: str, name: str, *, numbered: bool) -> None:
    """Add points of stated probability and observed share, larger with n, each with its interval; hollow without one."""
    stated, observed = [x * 100 for x, _ in points], [(share.share or 0.0) * 100 for _, share in points]
    most = max((share.n for _, share in points), default=1)
    marker = {
        "size": [7 + 11 * (share.n / most) ** 0.5 for _, share in points],
        "color": [NO_FILL if share.low is None else own for _, share in points],
        "line": {"color": own, "width": 1.5},
    }
    hover = [
        f"{name} stated {units.format_number(x, 1, '%')}, observed {units.format_number(y, 1, '%')}<br>95 %: {_band(share)}<br>n={share.n:,}"
        for x, y, (_, share) in zip(stated, observed, points, strict=True)
    ]
    above = [0.0 if share.high is None else share.high * 100 - y for y, (_, share) in zip(observed, points, strict=True)]
    below = [0.0 if share.low is None else y - share.low * 100 for y, (_, share) in zip(observed, points, strict=True)]
    drawn.add_trace(
        "scatter", x=stated, y=observed, mode="markers+text" if numbered else "markers", text=[f"n={share.n:,}" for _, share in points],
        textposition="bottom right", textfont={"size": 10, "color": theme.MUTED}, marker=marker, hovertext=hover, hovertemplate=HOVER_TEMPLATE,
        error_y={"type": "data", "symmetric": False, "thickness": 1.5, "width": 4, "color": own, "array": above, "arrayminus": below},
    )  # fmt: skip


def set_square_axes(drawn: Figure, low: float, high: float) -> None:
    """Give both axes the same range, so that perfect calibration is the diagonal."""
    for axis, title in (("xaxis", "stated probability of a rise"), ("yaxis", "observed share")):
        drawn.set_axis(
            axis, ticksuffix=" %", range=[low, high], nticks=6, title={"text": title, "font": {"size": 11, "color": theme.MUTED}, "standoff": 6}
        )


def _band(share: ObservedShare) -> str:
    return units.format_interval(to_percent(share.low), to_percent(share.high), 1, "%")
