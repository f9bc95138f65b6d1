"""make bench: every bench_*.py of this folder, or those named, one after the other."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path


def main(wanted: list[str]) -> int:
    """Runs the benches whose name holds one of the words given; all without any."""
    names = sorted(found.name for found in pkgutil.iter_modules([str(Path(__file__).parent)]) if found.name.startswith("bench_"))
    chosen = [name for name in names if not wanted or any(word in name for word in wanted)]
    if not chosen:
        print(f"there is no bench {' '.join(wanted)!r}: there are {', '.join(name.removeprefix('bench_') for name in names)}", file=sys.stderr)
        return 64
    for name in chosen:
        print(f"\n== {name.removeprefix('bench_')}", flush=True)
        importlib.import_module(f"tests.benchmarks.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
