"""Colours by meaning, the same in light and dark."""

from __future__ import annotations

from pathlib import Path

UP = "#0072B2"
DOWN = "#D55E00"
NEUTRAL = "#6B7280"
WARNING = "#E69F00"
HARM = "#D1003F"
GOOD = "#009E73"
CATEGORIES = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#A0522D",
    "#6B7280",
)  # Okabe-Ito; grey and brown in place of its black and yellow, which do not show on both grounds

LANES = (UP, "#56B4E9", "#CC79A7", "#A0522D", NEUTRAL)  # threads; amber marks a fallback

# Placeholders that the browser replaces by the colours of the theme, so that one figure serves light and dark.
TEXT = "#010101"
MUTED = "#020202"
GRID = "#030303"
PANEL = "#040404"
GROUND = "#050505"

STATES = {
    "ok": GOOD,
    "degraded": WARNING,
    "down": HARM,
    "starting": NEUTRAL,
    "hold": NEUTRAL,
    "holding": NEUTRAL,
    "buy": UP,
    "sell": DOWN,
    "long": UP,
    "short": DOWN,
    "flat": NEUTRAL,
    "helped": GOOD,
    "no measurable effect": NEUTRAL,
    "harmed": HARM,
    "not enough data": NEUTRAL,
    "pass": GOOD,
    "fail": HARM,
    "binding": HARM,
    "queued": NEUTRAL,
    "running": UP,
    "done": GOOD,
    "failed": HARM,
    "reliable": NEUTRAL,
    "warning": WARNING,
    "unreliable": HARM,
    "fallback": WARNING,
    "auto": GOOD,
    "recommend": UP,
    "quarantined": HARM,
    "open": WARNING,
    "resolved": NEUTRAL,
    "champion": GOOD,
    "retired": NEUTRAL,
    "challenger": UP,
    "shadow": NEUTRAL,
    "training": NEUTRAL,
    "racing": UP,
    "promoted": GOOD,
    "equivalent": NEUTRAL,
    "inconclusive": NEUTRAL,
    "reverted": HARM,
}

# Muted, so that buys and sells stand out.
GATES = (
    "#8FA6BF",
    "#C9AE7C",
    "#A58DB0",
    "#7FAE9E",
    "#C29590",
    "#AEB36C",
    "#6F8FB5",
    "#BC85A8",
    "#A79BC9",
    "#86A877",
    "#C99A68",
    "#7784A8",
    "#B0856A",
    "#63A0A6",
    "#939393",
    "#B9B2A3",
    "#D48A8A",
    "#5F8F5A",
)
REGIMES = {"calm": "#56B4E9", "ranging": "#9AA3B0", "trending": "#009E73", "volatile": "#E69F00"}
FREE = "#D0D5DB"  # held although no gate failed


def state_colour(word: str) -> str:
    """Return the colour of a state word; neutral for a word without one."""
    return STATES.get(word, NEUTRAL)


def gate_colour(position: int) -> str:
    """Return the colour of the gate at this position of the ladder, the same on every page."""
    return GATES[position % len(GATES)]


def regime_colour(name: str, position: int) -> str:
    """Return a regime's colour; by its position where the name has none."""
    return REGIMES.get(name, category_colour(position))


def with_alpha(colour: str, share: float = 0.16) -> str:
    """Return a translucent version of a colour."""
    return f"rgba({int(colour[1:3], 16)},{int(colour[3:5], 16)},{int(colour[5:7], 16)},{share:g})"


def category_colour(position: int) -> str:
    return CATEGORIES[position % len(CATEGORIES)]


def load_css() -> str:
    return (Path(__file__).parent / "podium.css").read_text(encoding="utf-8")
