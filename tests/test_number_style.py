"""Displayed numbers are formatted in engine/units.py alone: no hand-made formats and no raw bytes or milliseconds in pages and engine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SPEC = r"(?<![%{:])\{[^{}\n]*:[+]?,?(?:\.\d+)?[fg%]\}"  # a number with a format of its own; neither Plotly's nor a length of CSS
UNIT = r" ?(?:ms|s|min|h|%|bps|B|kB|MB|GB|TB|bytes)(?!\w)"
HAND_MADE = re.compile(rf"{SPEC}{UNIT}|\{{[^{{}}\n]*:[+]?,?\.\d+%\}}|{SPEC} ?\.\. ?\{{")
RAW = re.compile(r"\{[^{}\n]*:[+]?,\} bytes\b|\{[^{}\n]*:[+]?,(?:\.\d+)?f\} ms\b|\.\.\{[^{}\n]*:[+]?,?\.\d+f\}")
NUMBERS_OF_SETTINGS = {  # a setting or a constant, as it was typed
    "pages/components/tables.py", "pages/ui/frame.py", "pages/optimizer/rule_text.py", "engine/settings.py", "engine/feeds/_bar_grid.py",
}  # fmt: skip
TEXTS_OF_STATE = {"engine/evidence/incidents.py"}  # the detail of an incident is part of the state, which a replay compares
BYTES_OF_FILES = {  # errors and notes about files, for people who look at the files themselves
    "engine/store/backup.py", "engine/store/codec.py", "engine/store/maintenance.py",
}  # fmt: skip


def lines_with(pattern: re.Pattern[str], folders: tuple[str, ...], allowed: set[str]) -> list[str]:
    """Where a line of Python in these folders matches, outside the allowed files and engine/units.py."""
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    shown = [(path.relative_to(ROOT).as_posix(), path) for path in paths]
    return [
        f"{name}:{number}: {line.strip()}"
        for name, path in shown
        if name not in {*allowed, "engine/units.py"}
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]


def test_pages_and_engine_format_no_number_by_hand() -> None:
    assert not lines_with(HAND_MADE, ("pages", "engine"), NUMBERS_OF_SETTINGS | TEXTS_OF_STATE)


def test_no_sentence_of_the_engine_has_raw_milliseconds_or_an_interval_of_its_own_form() -> None:
    assert not lines_with(RAW, ("engine", "pages"), BYTES_OF_FILES)


@pytest.mark.parametrize(
    "line", ['f"{took:,.0f} ms"', 'f"{share:.1%}"', 'f"{low:.1f}..{high:.1f} %"', 'f"{size / 1e6:.1f} MB"', 'f"{rate * 100:.2f} %"']
)
def test_a_hand_made_format_is_found(line: str) -> None:
    assert HAND_MADE.search(line)


@pytest.mark.parametrize("line", ['f"{size:,} bytes"', 'f"{took:,.0f} ms"', 'f"{low:.1f}..{high:.1f}"'])
def test_a_raw_number_is_found(line: str) -> None:
    assert RAW.search(line)


@pytest.mark.parametrize("line", ['f"{n:,} trials"', 'f"%{{y:.4~g}}{suffix}"', 'f"width:{share * 100:.1f}%"', 'f"{units.format_ms(took)}"'])
def test_counts_styles_and_hovers_are_no_displayed_numbers_with_units(line: str) -> None:
    assert not HAND_MADE.search(line)
