"""report: a day's report, HTML or Markdown; the name is kept for a later stage."""

from __future__ import annotations

from engine.cli._frame import later

COMMAND = later("report", "a day's report, HTML or Markdown")
