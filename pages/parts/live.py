"""The live chart and the live table: components whose nodes are kept, so a refresh loses no zoom, scroll, focus or place."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from pages.parts.figure import Figure

HERE = Path(__file__).parent


def chart(figure: Figure, *, key: str, label: str, clickable: bool = False) -> str | None:
    """Draws a figure; gives the customdata of the point just clicked, else None."""
    told = _chart()(
        key=key,
        data={"figure": figure.json(), "height": figure.height, "label": label, "clickable": clickable},
        on_clicked_change=_nothing,
    )
    return None if told.clicked is None else str(told.clicked)


def rows(html: str, *, key: str, height: int | None = None) -> str | None:
    """Draws a table made by `tables.html`; gives the id of the row just opened, else None."""
    told = _rows()(key=key, data={"html": html, "height": height}, on_opened_change=_nothing)
    return None if told.opened is None else str(told.opened)


def _nothing() -> None:
    """The result is read where the component is drawn."""


@cache
def _chart() -> Any:
    return st.components.v2.component(
        "podium_chart",
        html='<div class="podium-chart" role="img"></div>',
        js=(HERE / "live_chart.js").read_text(encoding="utf-8"),
        isolate_styles=False,
    )


@cache
def _rows() -> Any:
    return st.components.v2.component(
        "podium_rows",
        html='<div class="podium-rows pd" tabindex="0" role="region" aria-label="Table"></div>',
        js=(HERE / "live_table.js").read_text(encoding="utf-8"),
        isolate_styles=False,
    )
