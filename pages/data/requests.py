"""What a person wants imported, as arguments of `python -m engine import`; its preview and its job."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from engine.domain.access import ADMINISTER, OPERATE
from engine.files.import_folders import IMPORTS, holds_only_workspaces
from engine.store.errors import StoreError
from pages.data.sources import REPORT_FILE
from pages.data.uploads import delete_upload, hold_upload, release_upload
from pages.ui import commands, jobs, visitors
from pages.ui.jobs import JobState

LANE = "import"
PREVIEW_SECONDS = 90
_NAME = re.compile(r"[\w][\w.+=-]{0,59}")


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """The source and what the person says of it; "" is for Podium to find out."""

    source: Path | None  # None where what was given is no source
    is_upload: bool = False
    format: str = ""
    symbol: str = ""
    interval: str = ""
    zone: str = ""
    columns: str = ""

    def list_arguments(self) -> list[str]:
        """Return the arguments; each value is joined to its flag, so that none is read as a flag."""
        flags = {"format": self.format, "symbol": self.symbol, "interval": self.interval, "timezone": self.zone, "columns": self.columns}
        return [str(self.source), *(f"--{name}={value.strip()}" for name, value in flags.items() if value.strip())]


@dataclass(frozen=True, slots=True)
class PreviewResult:
    """What `import --preview` found out about a request, or why it could not."""

    request: ImportRequest
    preview: Mapping[str, Any] | None
    error: str = ""

    @property
    def is_importable(self) -> bool:
        """Whether there are tables, and none of them is refused."""
        return self.preview is not None and bool(self.preview["tables"]) and all(table["fault"] is None for table in self.preview["tables"])


def read_preview(request: ImportRequest) -> PreviewResult:
    """Read the beginning of the source in a process of its own."""
    refusal = find_refusal(request)
    if refusal is not None:
        return PreviewResult(ImportRequest(None, request.is_upload), None, refusal)
    argv = [sys.executable, "-m", "engine", "import", *request.list_arguments(), "--preview", "--json"]
    try:
        process = subprocess.run(argv, cwd=jobs.ROOT, capture_output=True, timeout=PREVIEW_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return PreviewResult(request, None, f"the beginning of {request.source} could not be read within {PREVIEW_SECONDS} s")
    except (OSError, ValueError) as error:
        return PreviewResult(request, None, f"{request.source} cannot be opened: {error}")
    try:
        return PreviewResult(request, orjson.loads(process.stdout))
    except orjson.JSONDecodeError:
        lines = process.stderr.decode(errors="replace").strip().splitlines()
        return PreviewResult(request, None, lines[-1].removeprefix("podium: ") if lines else f"it ended with code {process.returncode}")


def find_refusal(request: ImportRequest) -> str | None:
    """Return why this session may not import a source; None where it may. A path of this machine takes an admin: Podium reads what its user may."""
    return visitors.find_refusal(OPERATE if request.is_upload else ADMINISTER)


def explain_name(name: str, home: Path) -> str | None:
    """Return why an import may not be written under this name; None where it may."""
    if not _NAME.fullmatch(name):
        return "give the recording a name of at most 60 letters, digits, and . _ + = -, that begins with a letter or digit"
    folder = home / IMPORTS / name
    is_own = (folder / REPORT_FILE).is_file() or holds_only_workspaces(folder)
    if folder.is_symlink() or (folder.exists() and not is_own):
        return f"{folder} already exists and was not made by an import: choose another name"
    return None


def explain_overlap(preview: Mapping[str, Any], name: str, home: Path) -> str | None:
    """Return which part of a preview the recording of this name holds already; None where it holds none."""
    for table in preview["tables"]:
        for symbol in table["symbols"]:
            if any((home / IMPORTS / name / symbol / f"{table['kind']}{suffix}").exists() for suffix in (".parquet", ".csv")):
                return f"{name} already holds {table['kind']} of {symbol}: choose another name"
    return None


def describe_failure(state: JobState) -> str:
    """Return why an import failed, in the words of a page that has a field for the name."""
    return state.last_line.replace("give another --out", "choose another name") or f"it ended with code {state.code}"


def start_import(result: PreviewResult, name: str, home: Path) -> str | None:
    """Start the import of what was previewed; return why it cannot start, None where it has."""
    request = result.request
    fault = find_refusal(request) or explain_name(name, home) or explain_overlap(result.preview or {"tables": ()}, name, home)
    if fault is not None:
        return fault
    held = request.source if request.is_upload else None
    if held is not None and not hold_upload(held):
        return "newer uploads have replaced this one: preview it again"
    try:
        commands.enter_import(name, {"source": "an upload" if request.is_upload else str(request.source)})
    except StoreError as error:
        if held is not None:
            release_upload(held)
        return f"it cannot be entered in the audit trail: {error}"
    arguments = ["import", *request.list_arguments(), "--out", str(home / IMPORTS / name), "--json"]
    if jobs.get_jobs().start(LANE, f"{LANE} {name}", arguments, lambda state: _finish(request, state)):
        return None
    if held is not None:
        release_upload(held)
    return "another import is running: wait until it has finished"


def suggest_name(preview: Mapping[str, Any]) -> str:
    """Return a name for the recording: its only symbol, or the name of its first file."""
    tables = preview["tables"]
    symbols = list(dict.fromkeys(symbol for table in tables for symbol in table["symbols"]))
    plain = symbols[0] if len(symbols) == 1 else Path(tables[0]["source"]).name.partition(".")[0] if tables else "recording"
    return re.sub(r"[^\w.+=-]", "-", plain).strip("-.")[:60] or "recording"


def _finish(request: ImportRequest, state: JobState) -> None:
    if request.is_upload and request.source is not None:
        release_upload(request.source)
        if state.code == 0:
            delete_upload(request.source)
