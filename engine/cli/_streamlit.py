"""Streamlit's command line as `serve` starts it; ends in one line where a required library is missing or cannot be loaded."""

from __future__ import annotations

import runpy
import sys

from engine.libraries import EXIT_USAGE, LibraryError, require_libraries

if __name__ == "__main__":
    try:
        require_libraries(dashboard=True)
    except LibraryError as error:
        print(f"podium: {error}", file=sys.stderr)
        sys.exit(EXIT_USAGE)
    runpy.run_module("streamlit", run_name="__main__", alter_sys=True)
