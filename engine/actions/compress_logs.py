"""Compresses log files that were put away, with zstd; what cannot be written whole is left as it was."""

from __future__ import annotations

import errno
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter

import zstandard

from engine.actions._folders import PlainFile, find_file, is_unchanged, list_files, open_folder
from engine.domain.optimization import Action, ActionContext, ActionResult

ROTATED = re.compile(r"podium\.log\.\d{1,3}", re.ASCII)  # by the rotation, which would move them on
SET_ASIDE = re.compile(r"podium-\d{1,20}-\d{1,20}\.log", re.ASCII)  # out of the rotation, by a run that could not finish
IDLE_SECONDS = 60.0  # s: nobody writes to it any more
MIN_BYTES = 4_096  # bytes: a smaller file frees nothing
MOST_FILES, MOST_BYTES, MOST_SECONDS = 50, 500_000_000, 60.0  # of one run
LEVEL = 9
CHUNK = 1 << 20
NO_LINK = getattr(os, "O_NOFOLLOW", 0)  # Windows has none
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK


@dataclass(slots=True)
class CompressionTally:
    """What one run did."""

    files: int = 0
    before: int = 0  # bytes
    after: int = 0
    freed: int = 0  # bytes on disk
    refused: list[str] = field(default_factory=list)


def compress_logs(room: ActionContext) -> ActionResult:
    """Bytes freed on disk. Only the engine's own log files that the rotation has put away, never the one being written.

    Each is taken out of the rotation, written to a .part, read back, synced and renamed before the original goes. Raises OSError in one line where
    nothing at all could be compressed.
    """
    with open_folder(room.home, "logs") as folder:
        waiting = [] if folder is None else [found for found in list_files(folder) if _is_due(found, room.now)]
        if folder is None or not waiting:
            return ActionResult(0.0, "bytes", "nothing to compress: no log file has been put away", done=False)
        size = sum(found.stat.st_size for found in waiting)
        if room.dry_run:
            return ActionResult(0.0, "bytes", f"dry run: would compress {_counted(len(waiting))}, {size:,} bytes", done=False)
        tally = _compress_all(waiting, folder, room)
    refused = f"; {len(tally.refused):,} could not be: {', '.join(tally.refused[:3])}" if tally.refused else ""
    if not tally.files:
        raise OSError(f"no log file was compressed and none was lost{refused}")
    return ActionResult(float(tally.freed), "bytes", f"compressed {_counted(tally.files)}, {tally.before:,} -> {tally.after:,} bytes{refused}")


def _is_due(found: PlainFile, now: int) -> bool:
    return (
        bool(ROTATED.fullmatch(found.name) or SET_ASIDE.fullmatch(found.name))
        and found.stat.st_size >= MIN_BYTES
        and found.is_idle(now, IDLE_SECONDS)
    )


def _compress_all(waiting: list[PlainFile], folder: int, room: ActionContext) -> CompressionTally:
    tally, begun = CompressionTally(), perf_counter()
    for place, found in enumerate(waiting[:MOST_FILES]):
        room.report_progress(place / len(waiting), found.name)
        if tally.before + found.stat.st_size > MOST_BYTES or perf_counter() - begun > MOST_SECONDS:
            tally.refused.append(f"{found.name}: left for the next run")
            break
        try:
            _compress_one(found, folder, tally)
        except (OSError, zstandard.ZstdError) as error:
            tally.refused.append(f"{found.name}: {getattr(error, 'strerror', None) or error}")
            if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
                break
    return tally


def _compress_one(found: PlainFile, folder: int, tally: CompressionTally) -> None:
    taken = _take(found, folder)
    packed, part = f"{taken.name}.zst", f"{taken.name}.zst.part"
    if find_file(part, folder) is not None:
        os.unlink(part, dir_fd=folder)  # of a run that was killed
    try:
        _write(taken.name, part, folder)
        _read_back(part, folder, taken.stat.st_size)
        if not is_unchanged(taken, folder):
            raise OSError("it was written to meanwhile")
        if find_file(packed, folder) is not None:
            raise OSError(f"{packed} is there already")
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


def _take(found: PlainFile, folder: int) -> PlainFile:
    """Out of the rotation, which would move it on meanwhile, under a name of its own."""
    if SET_ASIDE.fullmatch(found.name):
        return found
    name = f"podium-{found.stat.st_mtime_ns}-{found.stat.st_ino}.log"
    if find_file(name, folder) is not None:
        raise OSError(f"{name} is there already")
    os.rename(found.name, name, src_dir_fd=folder, dst_dir_fd=folder)
    taken = find_file(name, folder)
    if taken is None or taken.stat.st_ino != found.stat.st_ino:
        raise OSError("the rotation moved it meanwhile")  # what was taken instead waits for the next run
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
    """Raises where what was written is not all of it: zstd checks its own sum over every byte."""
    with os.fdopen(os.open(part, os.O_RDONLY | NO_LINK, dir_fd=folder), "rb") as packed:
        read = sum(len(chunk) for chunk in zstandard.ZstdDecompressor().read_to_iter(packed, read_size=CHUNK))
    if read != size:
        raise OSError(f"{read:,} of {size:,} bytes were read back")


def _counted(count: int) -> str:
    return f"{count:,} log file{'' if count == 1 else 's'}"


ACTION = Action(
    name="compress_logs",
    kind="disk",
    metric="host.disk_free_bytes",
    better=1,
    cost="low",
    description="Compresses the log files that the rotation has put away; each stays readable with zstd and is deleted only once its copy is safe on disk.",
    run=compress_logs,
)
