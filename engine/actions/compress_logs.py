"""Compresses rotated log files with zstd; a file that cannot be compressed completely stays as it is."""

from __future__ import annotations

import errno
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter

import zstandard

from engine import units
from engine.actions._folders import PlainFile, find_file, is_unchanged, list_files, open_folder
from engine.domain.optimization import Action, ActionContext, ActionResult

ROTATED = re.compile(r"podium\.log\.\d{1,3}", re.ASCII)  # by the rotation, which would rename them again
SET_ASIDE = re.compile(r"podium-\d{1,20}-\d{1,20}\.log", re.ASCII)  # by this action, in a run that could not finish
IDLE_SECONDS = 60.0  # s without a write: the file is no longer in use
MIN_BYTES = 4_096  # bytes: a smaller file frees nothing
MOST_FILES, MOST_BYTES, MOST_SECONDS = 50, 500_000_000, 60.0  # per run
LEVEL = 9
CHUNK = 1 << 20
NO_LINK = getattr(os, "O_NOFOLLOW", 0)  # Windows has none
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK


@dataclass(slots=True)
class CompressionTally:
    """The result of one run."""

    files: int = 0
    before: int = 0  # bytes
    after: int = 0
    freed: int = 0  # bytes on disk
    refused: list[str] = field(default_factory=list)


def compress_logs(context: ActionContext) -> ActionResult:
    """Bytes freed on disk. Only the engine's own rotated log files, never the one being written.

    Each is taken out of the rotation, written to a .part file, read back, synced and renamed before the original is deleted. Raises OSError in one
    line where no file could be compressed.
    """
    with open_folder(context.home, "logs") as folder:
        waiting = [] if folder is None else [file for file in list_files(folder) if _is_due(file, context.now)]
        if folder is None or not waiting:
            return ActionResult(0.0, "bytes", "nothing to compress: there is no rotated log file", done=False)
        size = sum(file.stat.st_size for file in waiting)
        if context.dry_run:
            return ActionResult(0.0, "bytes", f"dry run: would compress {_counted(len(waiting))}, {units.format_bytes(size)}", done=False)
        tally = _compress_all(waiting, folder, context)
    refused = f"; {len(tally.refused):,} failed: {', '.join(tally.refused[:3])}" if tally.refused else ""
    if not tally.files:
        raise OSError(f"no log file was compressed, and none was lost{refused}")
    return ActionResult(
        float(tally.freed), "bytes", f"compressed {_counted(tally.files)}, {units.format_change(tally.before, tally.after, 'bytes')}{refused}"
    )


def _is_due(file: PlainFile, now: int) -> bool:
    return bool(ROTATED.fullmatch(file.name) or SET_ASIDE.fullmatch(file.name)) and file.stat.st_size >= MIN_BYTES and file.is_idle(now, IDLE_SECONDS)


def _compress_all(waiting: list[PlainFile], folder: int, context: ActionContext) -> CompressionTally:
    tally, begun = CompressionTally(), perf_counter()
    for place, file in enumerate(waiting[:MOST_FILES]):
        context.report_progress(place / len(waiting), file.name)
        if tally.before + file.stat.st_size > MOST_BYTES or perf_counter() - begun > MOST_SECONDS:
            tally.refused.append(f"{file.name}: left for the next run")
            break
        try:
            _compress_file(file, folder, tally)
        except (OSError, zstandard.ZstdError) as error:
            tally.refused.append(f"{file.name}: {getattr(error, 'strerror', None) or error}")
            if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
                break
    return tally


def _compress_file(file: PlainFile, folder: int, tally: CompressionTally) -> None:
    taken = _take_out(file, folder)
    packed, part = f"{taken.name}.zst", f"{taken.name}.zst.part"
    if find_file(part, folder) is not None:
        os.unlink(part, dir_fd=folder)  # left by a run that was killed
    try:
        _write(taken.name, part, folder)
        _read_back(part, folder, taken.stat.st_size)
        if not is_unchanged(taken, folder):
            raise OSError("it was changed meanwhile")
        if find_file(packed, folder) is not None:
            raise OSError(f"{packed} already exists")
        os.utime(part, ns=(taken.stat.st_mtime_ns, taken.stat.st_mtime_ns), dir_fd=folder, follow_symlinks=False)
        os.rename(part, packed, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        with suppress(OSError):
            os.unlink(part, dir_fd=folder)
    os.fsync(folder)
    os.unlink(taken.name, dir_fd=folder)
    done = find_file(packed, folder)
    tally.files += 1
    tally.before += taken.stat.st_size
    if done is not None:
        tally.after += done.stat.st_size
        tally.freed += taken.on_disk - done.on_disk


def _take_out(file: PlainFile, folder: int) -> PlainFile:
    """Take a file out of the rotation, which would rename it meanwhile, by a name of its own."""
    if SET_ASIDE.fullmatch(file.name):
        return file
    name = f"podium-{file.stat.st_mtime_ns}-{file.stat.st_ino}.log"
    if find_file(name, folder) is not None:
        raise OSError(f"{name} already exists")
    os.rename(file.name, name, src_dir_fd=folder, dst_dir_fd=folder)
    taken = find_file(name, folder)
    if taken is None or taken.stat.st_ino != file.stat.st_ino:
        raise OSError("the rotation renamed it meanwhile")  # the file taken instead waits for the next run
    return taken


def _write(source: str, part: str, folder: int) -> None:
    with (
        os.fdopen(os.open(source, os.O_RDONLY | NO_LINK, dir_fd=folder), "rb") as plain,
        os.fdopen(os.open(part, NEW, 0o600, dir_fd=folder), "wb") as packed,
    ):
        size = os.fstat(plain.fileno()).st_size
        zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).copy_stream(plain, packed, size=size, read_size=CHUNK)
        packed.flush()
        os.fsync(packed.fileno())


def _read_back(part: str, folder: int, size: int) -> None:
    """Raises where the compressed file is incomplete; zstd verifies a checksum over every byte."""
    with os.fdopen(os.open(part, os.O_RDONLY | NO_LINK, dir_fd=folder), "rb") as packed:
        read = sum(len(chunk) for chunk in zstandard.ZstdDecompressor().read_to_iter(packed, read_size=CHUNK))
    if read != size:
        raise OSError(f"{units.format_bytes(read)} of {units.format_bytes(size)} were read back")


def _counted(count: int) -> str:
    return f"{count:,} log file{'' if count == 1 else 's'}"


ACTION = Action(
    name="compress_logs",
    kind="disk",
    metric="host.disk_free_bytes",
    better=1,
    cost="low",
    description="Compresses rotated log files; each stays readable with zstd, and the original is deleted only once its copy is safe on disk.",
    run=compress_logs,
)
