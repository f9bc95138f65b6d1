"""The recorder of the feed on the page Components."""

from __future__ import annotations

from engine import units
from engine.store.read.recording_state import RecorderState
from engine.store.read.status import EngineStatus
from pages.ui import recording_cache, widgets


def show_recording(status: EngineStatus) -> None:
    """Show what is recorded and what could not be written, where the engine records its feed."""
    state = None if status.session is None else recording_cache.fetch_recorder_state(status.session.id)
    if state is not None:
        widgets.show_note(describe_recorder(state))


def describe_recorder(state: RecorderState) -> str:
    """Describe the recorder in sentences, the trouble first."""
    bars = f"{units.format_count(state.bars, 'bar')} recorded in {state.folder} since the engine started"
    lost = f"{units.format_count(state.lost_rows, 'row')} lost in {units.format_count(state.gaps, 'gap')}" if state.lost_rows else "no row lost"
    deleted = f", {units.format_count(state.deleted_parts, 'old part')} deleted" if state.deleted_parts else ""
    verdict = "The recording works" if state.problem is None else f"The recording waits, decisions go on: {state.problem}"
    return f"{verdict}. {bars}, {lost}{deleted}."
