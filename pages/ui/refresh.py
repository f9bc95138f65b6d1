"""Parts of a page that run again every few seconds; used in place of Streamlit's `run_every`.

The browser asks for each run from the part that it shows, and only while no script runs and no other page is on its way. Streamlit's own timer
starts before the page is drawn; where drawing takes longer than the pause, its browser side attributes the run to the page before, removes the
elements of this one, and ends with "Bad delta path index".
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache as remember
from functools import wraps
from typing import Any

import streamlit as st

from pages.ui import scripts


def run_part(part: Callable[..., None], seconds: float | None, *args: object, **options: object) -> None:
    """Run a part of a page as a fragment, and again after every so many seconds; None for never."""

    @wraps(part)
    def run(*args: object, **options: object) -> None:
        if seconds is not None:
            _timer()(key=f"refresh_{part.__module__}.{part.__qualname__}", data={"every": seconds}, on_again_change=_ignore)
        part(*args, **options)

    st.fragment(run)(*args, **options)


def refresh_every(seconds: float) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate a part of a page that runs again after every so many seconds."""

    def decorate(part: Callable[..., None]) -> Callable[..., None]:
        @wraps(part)
        def run(*args: object, **options: object) -> None:
            run_part(part, seconds, *args, **options)

        return run

    return decorate


@st.fragment(run_every="7d")
def show_timer() -> None:
    """Show nothing, with a timer of Streamlit's own: after a lost connection Streamlit runs a page again only where it has such a timer."""


def _ignore() -> None:
    """Do nothing: the run itself is what is wanted."""


@remember
def _timer() -> Any:
    return st.components.v2.component(
        "podium_refresh", html='<span class="podium-frame" hidden></span>', js=scripts.component_script("live_updates.js"), isolate_styles=False
    )
