"""Replay of a stored tick in a separate process, so that the engine does not wait for it."""

from __future__ import annotations

import subprocess
import sys
from html import escape
from pathlib import Path

from pages.parts import theme, widgets

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 180


def replay(tick: int, store_url: str) -> str:
    """Replay the tick and return the result as a notice."""
    try:
        told = subprocess.run(
            [sys.executable, "-m", "engine", "replay", str(tick), "--store", store_url],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return widgets.notice(
            f"The replay of tick {tick:,} was stopped after {SECONDS} s without a result", word="Not replayed.", colour=theme.WARNING
        )
    said = " ".join((told.stdout if told.returncode in {0, 1} else told.stderr).split())[-400:]
    if told.returncode == 0:
        return widgets.notice(f"Tick {tick:,} was decided again from its stored inputs: {said}", word="Identical.", colour=theme.GOOD)
    if told.returncode == 1 and said:
        return widgets.notice(f"Tick {tick:,}: {said}", word="Different.", colour=theme.HARM)
    return widgets.notice(f"Tick {tick:,}: {escape(said) or 'the replay gave no result'}", word="Not replayed.", colour=theme.WARNING)
