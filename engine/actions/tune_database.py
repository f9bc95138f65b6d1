"""Makes the store checkpoint its write-ahead log, refresh its statistics and return unused pages."""

from __future__ import annotations

from engine.domain.tuning import Action, Measured, Room, Slack

WORTH = 1_000_000  # bytes of log and free pages below which it is not worth the disk access


def tune(room: Room) -> Measured:
    """Bytes that the store returned, as the store measured them."""
    slack = room.levers.slack()
    if slack.log_bytes + slack.free_bytes < WORTH:
        return Measured(0.0, "bytes", f"nothing to tune: {_words(slack)}", done=False)
    if room.dry_run:
        return Measured(0.0, "bytes", f"dry run: would checkpoint the log, refresh statistics and compact; {_words(slack)}", done=False)
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
    about="Checkpoints the store's write-ahead log, refreshes its statistics and returns unused pages.",
    do=tune,
)
