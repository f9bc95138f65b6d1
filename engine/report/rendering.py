"""A report as HTML or as Markdown; no text in it can become markup."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from engine.report.document import Document, LineChart, Paragraph, Table
from engine.units import format_number, format_time

WIDTH, HEIGHT, EDGE = 720, 180, 10  # of a chart
_MARKDOWN = re.compile(r"([\\`*_{}\[\]#|~$])")


@dataclass(frozen=True, slots=True)
class Chart:
    """A line chart, scaled to its box."""

    polylines: tuple[str, ...]  # the points of each line; "" where a value is missing
    caption: str
    until: str
    width: int = WIDTH
    height: int = HEIGHT
    edge: int = EDGE


def render_html(document: Document) -> str:
    """Return the whole page."""
    return _environment(_printable, autoescape=True).get_template("report.html").render(document=document)


def render_markdown(document: Document) -> str:
    """Return the whole text; charts are left out."""
    return _environment(_escape_markdown, autoescape=False).get_template("report.md").render(document=document)


def _environment(finalize: Any, *, autoescape: bool) -> Environment:
    """Return an environment in which every value passes through `finalize`, so that no template can leave it out."""
    environment = Environment(
        loader=PackageLoader("engine.report"), autoescape=autoescape, finalize=finalize, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.tests |= {"paragraph": lambda block: isinstance(block, Paragraph), "table": lambda block: isinstance(block, Table)}
    environment.filters |= {"scale": _scale, "first_line": _escape_first_line}
    return environment


def _printable(value: object) -> object:
    """Replace signs that print nothing; markup of the templates passes."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return "".join(sign if sign.isprintable() else " " for sign in value)


def _escape_markdown(value: object) -> object:
    """Put text on one line and escape every sign that means something to Markdown or HTML."""
    if isinstance(value, Markup):
        return value
    line = " ".join(str(_printable(str(value))).split())
    return Markup(_MARKDOWN.sub(r"\\\1", escape(line, quote=False)))


def _escape_first_line(text: str) -> Markup:
    """Escape a paragraph, whose first signs could make it a list or a heading."""
    return Markup(re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", str(_escape_markdown(text))))


def _scale(chart: LineChart) -> Chart:
    """Scale the lines to one box; the caption gives the ends of the scale."""
    values = np.array(chart.values, dtype=float)
    low, high = float(values.min()), float(values.max())
    span = high - low if high > low else max(1.0, abs(high))
    x = EDGE + (np.array(chart.at) - chart.at[0]) / max(1, chart.at[-1] - chart.at[0]) * (WIDTH - 2 * EDGE)
    y = EDGE + (high - values) / span * (HEIGHT - 4 * EDGE)
    polylines = tuple(
        " ".join(f"{across:.1f},{down:.1f}" for across, down in zip(x, row, strict=True)) if math.isfinite(row.sum()) else "" for row in y
    )
    names = "; ".join(f"{'solid' if place == 0 else 'dashed'}: {name}" for place, name in enumerate(chart.names))
    return Chart(
        polylines,
        f"{format_time(chart.at[0], '%H:%M:%S')}, {format_number(low)} to {format_number(high)}; {names}",
        format_time(chart.at[-1], "%H:%M:%S"),
    )
