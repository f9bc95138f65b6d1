"""The files of tests that are nearest to a module: found by their imports, where nobody has measured which test runs which line."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

MOST = 4  # files
FAR = ("e2e", "recorded", "proof", "soak", "mutants", "reference", "pages", "store", "live", "server", "cli", "benchmarks")  # folders


@cache
def files_near(root: Path, file: str) -> list[str]:
    """The files of tests that import a module of the engine: that of the same name first, then the smallest, four at most.

    A test that discovers every module of the package as a plug-in imports all of them.
    """
    module = Path(file)
    package, name = ".".join(module.parent.parts), module.stem
    imported = re.compile(
        rf"from {re.escape(package)} import [^\n]*\b{name}\b|from {re.escape(package)}\.{name} import|^    {name},$"
        rf"|discover_plugins\(.{re.escape(package)}.,",
        re.MULTILINE,
    )
    near = []
    for path in sorted((root / "tests").rglob("test_*.py")):
        inside = path.relative_to(root)
        if inside.parts[1] not in FAR and imported.search(path.read_text(encoding="utf-8")):
            near.append((path.stem != f"test_{name}", path.stat().st_size, str(inside)))
    return [path for _, _, path in sorted(near)[:MOST]]
