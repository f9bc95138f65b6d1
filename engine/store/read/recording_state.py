"""The state of the recorder of a running engine."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import orjson

from engine.store.read.reader import Reader, fetch_all

RECORDER_KEY = "state of the recorder"


@dataclass(frozen=True, slots=True)
class RecorderState:
    """What the recorder has written since its start, and what it could not."""

    session: int
    folder: str | None = None  # None where nothing is recorded
    bars: int = 0
    lost_rows: int = 0
    gaps: int = 0
    deleted_parts: int = 0  # by their age or size
    problem: str | None = None  # why nothing can be written now

    def encode(self) -> str:
        """Encode as JSON."""
        return orjson.dumps(asdict(self)).decode()


def read_recorder_state(reader: Reader, session: int) -> RecorderState | None:
    """Read the state of a session's recorder; None where nothing is recorded."""
    with reader.reading() as connection:
        rows = fetch_all(connection, "SELECT value FROM meta WHERE key = :key", key=RECORDER_KEY)
    try:
        state = RecorderState(**orjson.loads(str(rows[0]["value"]))) if rows else None
    except (ValueError, TypeError):  # written by another version
        return None
    return state if state is not None and state.session == session and state.folder is not None else None
