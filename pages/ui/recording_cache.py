"""The pages' way to read the state of the recorder and the certificate of idle time: one row each, read each time."""

from __future__ import annotations

from engine.store.read import certified, recording_state
from engine.store.read.certified import IdleCertificate
from engine.store.read.recording_state import RecorderState
from pages.ui import cache


def fetch_recorder_state(session: int) -> RecorderState | None:
    return recording_state.read_recorder_state(cache.get_reader(), session)


def fetch_idle_certificate() -> IdleCertificate | None:
    return certified.read_idle_certificate(cache.get_reader())
