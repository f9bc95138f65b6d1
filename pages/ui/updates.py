"""What is the same for every browser and changes with each tick: the browser asks for it in one request a page, with the digests of what it shows.

Such a request costs the server a twentieth of a run of the page's script, which is needed only where something else than these parts changes:
a button, a part that comes or goes. The `frame` of a page stands for all of that; a browser that sees another one lets the script run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache as remember
from typing import Any

import orjson
import streamlit as st

from pages.ui import ages, cache, scripts, wire
from pages.ui.wire import Payload

AGAIN = ""  # a frame that no page has: the script runs at every refresh
MAX_SHOWN = 40  # parts a request may name; more than a page has


@dataclass(frozen=True, slots=True)
class PageParts:
    """The live parts of a page or of its header by name, and the frame around them."""

    frame: str
    parts: Mapping[str, Payload] = field(default_factory=dict)


def page_address(title: str) -> str:
    """Return the address of the updates of a page."""
    return f"/podium/updates/{title}.json"


def prepare_markup(markup: str) -> Payload:
    """Return the payload of a part that is HTML; one of a table or a chart holds no single text."""
    return wire.register_payload(orjson.dumps(ages.render_ages(markup)))


def show_markup(page: PageParts, name: str) -> None:
    """Show a part that is HTML, in which every text is escaped.

    While travelling it has no name, so that it is not updated, and differs from that of now: React leaves HTML alone that it was given before.
    """
    payload, past = page.parts[name], cache.past_tick()
    named = f'data-part="{name}"' if past is None else f'data-past="{past.tick}"'
    st.html(f'<div class="pd podium-part" {named} data-digest="{payload.digest}">{payload.value}</div>')


def show_frame(name: str, frame: str) -> None:
    """Let this fragment run again as soon as the server has another frame of this name."""
    _frame()(key=f"frame_{name}", data={"name": name, "frame": frame}, on_again_change=_ignore)


def parse_shown(text: str) -> dict[str, str]:
    """Return the digest of each part that a browser shows, from "name.digest,name.digest"."""
    pairs = (pair.partition(".") for pair in text.split(",")[:MAX_SHOWN])
    return {name: digest for name, _, digest in pairs if digest}


def list_changes(parts: Mapping[str, Payload], shown: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return what has changed of the parts that a browser shows: HTML whole, else as `Payload.describe_change` does."""
    return {name: _describe_change(parts[name], digest) for name, digest in shown.items() if name in parts and parts[name].digest != digest}


def _describe_change(payload: Payload, shown: str) -> dict[str, Any]:
    if isinstance(payload.value, str):
        return {"digest": payload.digest, "html": payload.value}
    return payload.describe_change(wire.find_payload(shown))


def _ignore() -> None:
    """Do nothing: the run itself is what is wanted."""


@remember
def _frame() -> Any:
    return st.components.v2.component(
        "podium_frame", html='<span class="podium-frame" hidden></span>', js=scripts.component_script("live_updates.js"), isolate_styles=False
    )
