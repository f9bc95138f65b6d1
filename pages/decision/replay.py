"""Replay of a stored tick in a separate process, so that the engine does not wait for it."""

from __future__ import annotations

import subprocess
import sys
from html import escape
from pathlib import Path

from pages.ui import theme, widgets

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_SECONDS = 180


def run_replay(tick: int, store_url: str) -> str:
    """Replay the tick and return the result as a notice."""
    try:
        process = subprocess.run(
            [sys.executable, "-m", "engine", "replay", str(tick), "--store", store_url],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return widgets.render_notice(
            f"The replay of tick {tick:,} was stopped after {TIMEOUT_SECONDS} s without a result", word="Not replayed.", colour=theme.WARNING
        )
    output = " ".join((process.stdout if process.returncode in {0, 1} else process.stderr).split())[-400:]
    if process.returncode == 0:
        return widgets.render_notice(f"Tick {tick:,} was decided again from its stored inputs: {output}", word="Identical.", colour=theme.GOOD)
    if process.returncode == 1 and output:
        return widgets.render_notice(f"Tick {tick:,}: {output}", word="Different.", colour=theme.HARM)
    return widgets.render_notice(f"Tick {tick:,}: {escape(output) or 'the replay gave no result'}", word="Not replayed.", colour=theme.WARNING)
