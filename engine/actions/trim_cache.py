"""Deletes obsolete model versions, old log archives, and unfinished drafts."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from engine import units
from engine.actions._folders import PlainFile, is_unchanged, list_files, open_folder
from engine.domain.optimization import Action, ActionContext, ActionResult, UnusedArtifacts

KEEP_VERSIONS = 3  # of each model stay, whether they served or not
KEEP_ARCHIVES, KEEP_ARCHIVE_BYTES = 40, 200_000_000  # of the newest compressed logs stay
DRAFT_SECONDS = 86_400.0  # s: a draft not written to for longer was left by a killed process
MAX_FILES = 1_000  # files deleted per run
ARCHIVE = re.compile(r"podium-\d{1,20}-\d{1,20}\.log\.zst", re.ASCII)
DRAFT = re.compile(r"\d{8}-\d{6}-\d{1,18}\.draft|\.\d{8}-\d{6}-\d{1,18}\.out", re.ASCII)
PART = re.compile(r"podium-\d{1,20}-\d{1,20}\.log\.zst\.part", re.ASCII)


@dataclass(slots=True)
class TrimTally:
    """The files deleted, or to be deleted."""

    files: int = 0
    bytes: int = 0
    refused: list[str] = field(default_factory=list)


def trim_cache(context: ActionContext) -> ActionResult:
    """Bytes of the files and of the store's rows that were deleted.

    A model is obsolete when it served no stored tick and has KEEP_VERSIONS newer versions. The store reuses the room of deleted rows; tune_database
    returns it to the disk.
    """
    tally = TrimTally()
    context.report_progress(0.1, "listing archives and drafts")
    _sweep(context, "logs", tally, lambda listed: [*_old_archives(listed), *_abandoned(listed, PART, context.now)])
    _sweep(context, "backtests", tally, lambda listed: _abandoned(listed, DRAFT, context.now))
    context.report_progress(0.5, "finding obsolete models")
    unused = context.actuators.unused_artifacts(KEEP_VERSIONS) if context.dry_run else _drop(context)
    total = tally.bytes + unused.bytes
    refused = f"; {len(tally.refused):,} failed: {', '.join(tally.refused[:3])}" if tally.refused else ""
    if not (tally.files or unused.artifacts or unused.configurations):
        return ActionResult(0.0, "bytes", f"nothing to trim: every model is needed, no archive is old, no draft is abandoned{refused}", done=False)
    versions, configurations = (
        units.format_count(unused.artifacts, "model version"),
        units.format_count(unused.configurations, "trading configuration"),
    )
    summary = f"{_describe(tally)}; {versions} and {configurations}, {units.format_bytes(unused.bytes)} of the store"
    if context.dry_run:
        return ActionResult(0.0, "bytes", f"dry run: would drop {summary}", done=False)
    return ActionResult(float(total), "bytes", f"dropped {summary}{refused}")


def _drop(context: ActionContext) -> UnusedArtifacts:
    unused = context.actuators.unused_artifacts(KEEP_VERSIONS)
    return context.actuators.drop_unused_artifacts(KEEP_VERSIONS) if unused.artifacts or unused.configurations else unused


def _sweep(context: ActionContext, name: str, tally: TrimTally, choose: Callable[[list[PlainFile]], list[PlainFile]]) -> None:
    with open_folder(context.home, name) as folder:
        for file in choose(list_files(folder))[: MAX_FILES - tally.files] if folder is not None else ():
            if not context.dry_run and folder is not None:
                if not is_unchanged(file, folder):
                    continue
                try:
                    os.unlink(file.name, dir_fd=folder)
                except OSError as error:
                    tally.refused.append(f"{file.name}: {error.strerror}")
                    continue
            tally.files += 1
            tally.bytes += file.on_disk


def _old_archives(listed: list[PlainFile]) -> list[PlainFile]:
    """The archives beyond the number and the bytes that stay, newest first."""
    size = 0
    old: list[PlainFile] = []
    archives = sorted((file for file in listed if ARCHIVE.fullmatch(file.name)), key=lambda file: file.stat.st_mtime_ns, reverse=True)
    for place, file in enumerate(archives):
        size += file.stat.st_size
        if place >= KEEP_ARCHIVES or size > KEEP_ARCHIVE_BYTES:
            old.append(file)
    return old


def _abandoned(listed: list[PlainFile], name: re.Pattern[str], now: int) -> list[PlainFile]:
    return [file for file in listed if name.fullmatch(file.name) and file.is_idle(now, DRAFT_SECONDS)]


def _describe(tally: TrimTally) -> str:
    return f"{tally.files:,} file{'' if tally.files == 1 else 's'}, {units.format_bytes(tally.bytes)}"


ACTION = Action(
    name="trim_cache",
    kind="disk",
    metric="engine.store_bytes",
    better=-1,
    cost="low",
    description="Deletes models that no stored decision needs, beyond three versions of each, log archives beyond 40, and unfinished drafts.",
    run=trim_cache,
)
