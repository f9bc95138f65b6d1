"""Has the store empty its write-ahead log, refresh its statistics and give unused pages back."""

from __future__ import annotations

from engine.domain.tuning import Action, Measured, Room, Slack

WORTH = 1_000_000  # bytes of log and free pages below which the disk would only be busied


def tune(room: Room) -> Measured:
    """Bytes the store gave back, as the store measured them."""
    slack = room.levers.slack()
    if slack.log_bytes + slack.free_bytes < WORTH:
        return Measured(0.0, "bytes", f"nothing to tune: {_words(slack)}", done=False)
    if room.dry_run:
        return Measured(0.0, "bytes", f"dry run: would fold in the log, refresh statistics and compact; {_words(slack)}", done=False)
    room.tell(0.1, "tuning the store")
    return room.tune_store()


def _words(slack: Slack) -> str:
    return f"the write-ahead log holds {slack.log_bytes:,} bytes, free pages {slack.free_bytes:,} bytes"


ACTION = Action(
    name="tune_database",
    kind="performance",
    cures="engine.store_bytes",
    better=-1,
    cost="low",
    about="Empties the store's write-ahead log into the database, refreshes its statistics and gives unused pages back.",
    do=tune,
)
