"""Streamlit's command line as `serve` starts it; ends in one line where a required library is missing or cannot be loaded."""

from __future__ import annotations

import runpy
import sys

from engine.libraries import WRONG, LibraryFailed, demand

if __name__ == "__main__":
    try:
        demand(dashboard=True)
    except LibraryFailed as error:
        print(f"podium: {error}", file=sys.stderr)
        sys.exit(WRONG)
    runpy.run_module("streamlit", run_name="__main__", alter_sys=True)
