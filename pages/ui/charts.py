"""Charts as plain data for Plotly in the browser: ten times cheaper than validated figures, and built every few seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Any

import orjson

from pages.ui import theme
from pages.ui.wire import Payload, register_payload

Axis = dict[str, Any]
NO_FILL = "rgba(0,0,0,0)"


@dataclass(slots=True)
class Figure:
    """Traces and layout under Plotly's names; NaN and None are gaps."""

    height: int
    layout: dict[str, Any]
    data: list[dict[str, Any]] = field(default_factory=list)
    _payload: Payload | None = None

    def add_trace(self, kind: str, **trace: Any) -> None:
        self.data.append({"type": kind, **trace})

    def add_note(self, text: str, *, size: int = 11, **place: Any) -> None:
        """Add text to the chart."""
        self.layout["annotations"].append({"text": text, "showarrow": False, "font": {"size": size, "color": theme.TEXT}, **place})

    def set_axis(self, name: str, **options: Any) -> None:
        """Set options of an axis ("xaxis", "yaxis2" ...); a new axis starts in the house style."""
        self.layout.setdefault(name, _axis()).update(options)

    def to_json(self) -> bytes:
        return orjson.dumps({"data": self.data, "layout": self.layout}, option=orjson.OPT_SERIALIZE_NUMPY)

    def to_payload(self) -> Payload:
        """Return what is sent of the figure, which may not be changed from then on, since sessions may share it."""
        if self._payload is None:
            self._payload = register_payload(self.to_json())
        return self._payload


def escape_text(text: object) -> str:
    """Escape text for a chart: Plotly interprets names, notes and hovers as HTML, including links."""
    return escape(" ".join(str(text).split()), quote=False)


def new_figure(*, height: int, left: int = 8, right: int = 12, top: int = 8, bottom: int = 28) -> Figure:
    """Return an empty chart in the house style."""
    return Figure(
        height,
        {
            "height": height,
            "margin": {"l": left, "r": right, "t": top, "b": bottom},
            "paper_bgcolor": NO_FILL,
            "plot_bgcolor": NO_FILL,
            "font": {"size": 12, "color": theme.TEXT},
            "showlegend": False,
            "hovermode": "closest",
            "hoverlabel": {"bgcolor": theme.PANEL, "bordercolor": theme.GRID, "font": {"color": theme.TEXT, "size": 12}, "align": "left"},
            "xaxis": _axis(),
            "yaxis": _axis(),
            "annotations": [],
            "shapes": [],
            "dragmode": "zoom",
            "uirevision": "kept",
        },
    )


def category_axis(names: list[str]) -> Axis:
    """Return an axis of categories with the first on top."""
    return {
        "type": "category", "categoryorder": "array", "categoryarray": names[::-1], "range": [-0.6, len(names) - 0.4], "showgrid": False,
        "fixedrange": True, "tickfont": {"color": theme.TEXT, "size": 12}, "ticklabelstandoff": 6,
    }  # fmt: skip


def _axis() -> Axis:
    return {
        "gridcolor": theme.GRID, "gridwidth": 1, "zeroline": False, "linecolor": theme.GRID, "ticks": "", "automargin": True,
        "tickfont": {"size": 11, "color": theme.MUTED},
    }  # fmt: skip
