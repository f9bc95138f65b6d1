"""Drops versions of models that nothing needs any more, old archives of logs, and drafts that were never finished."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from engine.actions._folders import PlainFile, is_unchanged, list_files, open_folder
from engine.domain.optimization import Action, ActionContext, ActionResult, UnusedArtifacts

KEEP_VERSIONS = 3  # of each model stay, whatever they served
KEEP_ARCHIVES, KEEP_ARCHIVE_BYTES = 40, 200_000_000  # of compressed logs that stay, the newest
DRAFT_SECONDS = 86_400.0  # s: a draft not written to for longer was left by a kill
MAX_FILES = 1_000  # files deleted in one run
ARCHIVE = re.compile(r"podium-\d{1,20}-\d{1,20}\.log\.zst", re.ASCII)
DRAFT = re.compile(r"\d{8}-\d{6}-\d{1,18}\.draft|\.\d{8}-\d{6}-\d{1,18}\.out", re.ASCII)
PART = re.compile(r"podium-\d{1,20}-\d{1,20}\.log\.zst\.part", re.ASCII)


@dataclass(slots=True)
class TrimTally:
    """What of the folders goes."""

    files: int = 0
    bytes: int = 0
    refused: list[str] = field(default_factory=list)


def trim_cache(room: ActionContext) -> ActionResult:
    """Bytes of files and of the store's rows that went. A model is spare when it served no tick that is kept and VERSIONS newer ones are there.

    The store gives the room of dropped rows to what it writes next; tune_database gives it back to the disk.
    """
    sweep = TrimTally()
    room.report_progress(0.1, "looking at archives and drafts")
    _sweep(room, "logs", sweep, lambda found: [*_old_archives(found), *_left(found, PART, room.now)])
    _sweep(room, "backtests", sweep, lambda found: _left(found, DRAFT, room.now))
    room.report_progress(0.5, "looking for spare models")
    spare = room.actuators.unused_artifacts(KEEP_VERSIONS) if room.dry_run else _drop(room)
    total = sweep.bytes + spare.bytes
    refused = f"; {len(sweep.refused):,} could not be: {', '.join(sweep.refused[:3])}" if sweep.refused else ""
    if not (sweep.files or spare.artifacts or spare.knobs):
        return ActionResult(0.0, "bytes", f"nothing to trim: every model kept is needed, no archive is old, no draft was left{refused}", done=False)
    what = f"{_words(sweep)}; {spare.artifacts:,} versions of models and {spare.knobs:,} sets of knobs, {spare.bytes:,} bytes of the store"
    if room.dry_run:
        return ActionResult(0.0, "bytes", f"dry run: would drop {what}", done=False)
    return ActionResult(float(total), "bytes", f"dropped {what}{refused}")


def _drop(room: ActionContext) -> UnusedArtifacts:
    found = room.actuators.unused_artifacts(KEEP_VERSIONS)
    return room.actuators.drop_unused_artifacts(KEEP_VERSIONS) if found.artifacts or found.knobs else found


def _sweep(room: ActionContext, name: str, sweep: TrimTally, choose: Callable[[list[PlainFile]], list[PlainFile]]) -> None:
    with open_folder(room.home, name) as folder:
        for found in choose(list_files(folder))[: MAX_FILES - sweep.files] if folder is not None else ():
            if not room.dry_run and folder is not None:
                if not is_unchanged(found, folder):
                    continue
                try:
                    os.unlink(found.name, dir_fd=folder)
                except OSError as error:
                    sweep.refused.append(f"{found.name}: {error.strerror}")
                    continue
            sweep.files += 1
            sweep.bytes += found.on_disk


def _old_archives(found: list[PlainFile]) -> list[PlainFile]:
    """Those beyond the number and the bytes that stay, the newest first."""
    kept = 0
    old: list[PlainFile] = []
    archives = sorted((one for one in found if ARCHIVE.fullmatch(one.name)), key=lambda one: one.stat.st_mtime_ns, reverse=True)
    for place, one in enumerate(archives):
        kept += one.stat.st_size
        if place >= KEEP_ARCHIVES or kept > KEEP_ARCHIVE_BYTES:
            old.append(one)
    return old


def _left(found: list[PlainFile], name: re.Pattern[str], now: int) -> list[PlainFile]:
    return [one for one in found if name.fullmatch(one.name) and one.is_idle(now, DRAFT_SECONDS)]


def _words(sweep: TrimTally) -> str:
    return f"{sweep.files:,} file{'' if sweep.files == 1 else 's'}, {sweep.bytes:,} bytes"


ACTION = Action(
    name="trim_cache",
    kind="disk",
    metric="engine.store_bytes",
    better=-1,
    cost="low",
    description="Drops models that no kept decision needs, beyond three versions of each, archives of logs beyond 40, and drafts that were never finished.",
    run=trim_cache,
)
