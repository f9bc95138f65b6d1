"""Replays a stored tick in a process of its own, so that neither the engine nor the page waits on it."""

from __future__ import annotations

import subprocess
import sys
from html import escape
from pathlib import Path

from pages.ui import theme, widgets

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_SECONDS = 180


def run_replay(tick: int, store_url: str) -> str:
    """What came of it, as a notice."""
    try:
        told = subprocess.run(
            [sys.executable, "-m", "engine", "replay", str(tick), "--store", store_url],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return widgets.render_notice(
            f"The replay of tick {tick:,} was ended after {TIMEOUT_SECONDS} s without an answer", word="Not replayed.", colour=theme.WARNING
        )
    said = " ".join((told.stdout if told.returncode in {0, 1} else told.stderr).split())[-400:]
    if told.returncode == 0:
        return widgets.render_notice(f"Tick {tick:,} was decided again from its stored inputs: {said}", word="Identical.", colour=theme.GOOD)
    if told.returncode == 1 and said:
        return widgets.render_notice(f"Tick {tick:,}: {said}", word="Different.", colour=theme.HARM)
    return widgets.render_notice(f"Tick {tick:,}: {escape(said) or 'the replay gave no answer'}", word="Not replayed.", colour=theme.WARNING)
