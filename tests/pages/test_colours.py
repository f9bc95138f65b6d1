"""Colours by meaning stay apart for colour-blind eyes, and stand out on both grounds.

Colour vision deficiency is simulated by the matrices of Machado, Oliveira and Fernandes (2009) at severity 1, applied to linear RGB. Distances are
CIE 1976 in CIELAB under D65.
"""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from engine.domain.record import Floats
from pages.ui import theme

SEEN = {
    "typical": np.eye(3),
    "protan": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "deutan": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    "tritan": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
}
XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
WHITE = XYZ.sum(axis=1)  # of D65
GROUNDS = ("#FFFFFF", "#10151B")
MEANINGS = (theme.UP, theme.DOWN, theme.NEUTRAL, theme.WARNING, theme.HARM, theme.GOOD)
SETS = {  # colours shown together, and the smallest distance that tells two of them apart beside their names
    "meanings": (MEANINGS, 16.0),
    "categories": (theme.CATEGORIES, 12.0),
    "threads": ((*theme.LANES, theme.WARNING), 12.0),
    "regimes": (tuple(theme.REGIMES.values()), 12.0),
}


def linear(colour: str) -> Floats:
    channels = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.asarray(np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4))


def lab(rgb: Floats) -> Floats:
    relative = XYZ @ np.clip(rgb, 0.0, 1.0) / WHITE
    x, y, z = np.where(relative > 216 / 24389, np.cbrt(relative), (24389 / 27 * relative + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def distance(first: str, second: str, eyes: str) -> float:
    return float(np.linalg.norm(lab(SEEN[eyes] @ linear(first)) - lab(SEEN[eyes] @ linear(second))))


def contrast(first: str, second: str) -> float:
    low, high = sorted(float((XYZ @ linear(colour))[1]) for colour in (first, second))
    return (high + 0.05) / (low + 0.05)


def test_the_measure_gives_the_published_values() -> None:
    np.testing.assert_allclose(lab(linear("#FF0000")), [53.24, 80.09, 67.20], atol=0.02)
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21.0)
    assert distance("#FF0000", "#00FF00", "deutan") < distance("#FF0000", "#00FF00", "typical") / 2
    assert [round(float(matrix.sum(axis=1).max()), 5) for matrix in SEEN.values()] == [1.0, 1.0, 1.0, 1.0]  # white stays white


@pytest.mark.parametrize("eyes", SEEN)
@pytest.mark.parametrize("name", SETS)
def test_colours_shown_together_are_told_apart_by_all_eyes(name: str, eyes: str) -> None:
    colours, least = SETS[name]
    assert len(set(colours)) == len(colours)
    assert {pair: round(apart, 1) for pair in combinations(colours, 2) if (apart := distance(*pair, eyes)) < least} == {}


@pytest.mark.parametrize("ground", GROUNDS)
def test_marks_stand_out_on_both_grounds(ground: str) -> None:
    low = {
        colour: round(seen, 2) for colour in (*MEANINGS, *theme.GATES) if (seen := contrast(colour, ground)) < (3.0 if colour in MEANINGS else 1.9)
    }
    assert low in ({}, {theme.WARNING: round(contrast(theme.WARNING, ground), 2)})  # amber is bright on white; a word stands beside every mark


def test_states_use_only_the_colours_of_meanings() -> None:
    assert set(theme.STATES.values()) <= set(MEANINGS)


def test_scripts_and_styles_use_the_colours_of_the_theme() -> None:
    folder = Path(theme.__file__).parent
    known = {colour.upper() for colour in (*MEANINGS, *theme.CATEGORIES)}
    tab = re.findall(r"#[0-9A-Fa-f]{6}", (folder / "live_tab.js").read_text(encoding="utf-8"))
    tones = re.findall(r"--pd-(?:good|harm|warning): (#[0-9A-Fa-f]{6})", (folder / "podium.css").read_text(encoding="utf-8"))
    assert {colour.upper() for colour in tab} - {"#FFFFFF"} <= known
    assert tones == [theme.GOOD, theme.HARM, theme.WARNING]
