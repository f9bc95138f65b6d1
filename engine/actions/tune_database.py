"""Has the store empty its write-ahead log, refresh its statistics and give unused pages back."""

from __future__ import annotations

from pathlib import Path

from engine.domain.tuning import Action, Measured, Room


def tune(room: Room) -> Measured:
    """Bytes the store gave back, as the store measured them. A dry run tells what lies in the log now."""
    if room.dry_run:
        return Measured(0.0, "bytes", f"dry run: would empty the write-ahead log, refresh statistics and compact; {_sizes(room.home)}", done=False)
    room.tell(0.1, "tuning the store")
    return room.tune_store()


def _sizes(home: Path) -> str:
    """The SQLite files directly in the folder, in words."""
    logs = sorted(home.glob("*.db-wal"))
    if not logs:
        return f"no write-ahead log lies in {home}"
    return ", ".join(f"{log.name} holds {log.stat().st_size:,} bytes" for log in logs)


ACTION = Action(
    name="tune_database",
    kind="performance",
    cures="engine.store_bytes",
    better=-1,
    cost="low",
    about="Empties the store's write-ahead log into the database, refreshes its statistics and gives unused pages back.",
    do=tune,
)
