"""What each recording holds, measured in a process of its own and measured again after its files have changed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from threading import Lock
from typing import Any

import orjson

from engine import units
from pages.data.sources import RecordingSource, fingerprint_recording
from pages.ui import jobs
from pages.ui.jobs import JobState

LANE = "inspect"
SETTLING = 30 * units.SECOND  # ns after a measurement before the next of the same recording
LOAD = 20  # a measurement is repeated after so many times its own duration at the earliest


@dataclass(frozen=True, slots=True)
class MeasuredRecording:
    """A measurement: what `inspect --json` gives, or why there is none."""

    fingerprint: str
    at: int  # ns UTC
    took: int  # ns
    survey: Mapping[str, Any] | None
    error: str = ""


@dataclass(slots=True)
class _Measurements:
    """The newest measurement of each recording, by its path."""

    lock: Lock = field(default_factory=Lock)
    by_path: dict[str, MeasuredRecording] = field(default_factory=dict)


@cache
def _measurements() -> _Measurements:
    return _Measurements()


def read_survey(source: RecordingSource, now: int) -> MeasuredRecording | None:
    """Return the newest measurement of a recording, None before the first; where it is due, the next is started."""
    path = str(source.path)
    fingerprint = fingerprint_recording(os.fsencode(path))
    with _measurements().lock:
        newest = _measurements().by_path.get(path)
    if newest is None or (newest.fingerprint != fingerprint and now - newest.at > SETTLING + LOAD * newest.took):
        jobs.get_jobs().start(LANE, f"{LANE} {path}", ["inspect", path, "--json"], lambda state: _store(path, fingerprint, state))
    return newest


def is_measuring(source: RecordingSource) -> bool:
    """Return whether this recording is being measured."""
    return jobs.get_jobs().running_key(LANE) == f"{LANE} {source.path}"


def _store(path: str, fingerprint: str, state: JobState) -> None:
    ended = state.ended or state.started
    survey, error = None, ""
    try:
        survey = orjson.loads(state.output) if state.code == 0 else None
    except orjson.JSONDecodeError:
        error = "its measurement cannot be read"
    if survey is None:
        error = error or state.last_line or f"measuring it ended with code {state.code}"
    with _measurements().lock:
        _measurements().by_path[path] = MeasuredRecording(fingerprint, ended, ended - state.started, survey, error)
