"""The page Data."""

from __future__ import annotations

import streamlit as st

from engine import units
from engine.domain.access import OPERATE
from pages.data import import_form, sources, surveys, tables
from pages.data.sources import RecordingSource
from pages.data.surveys import MeasuredRecording
from pages.ui import cache, frame, refresh, theme, visitors, widgets

REFRESH = 3  # s
RECORDINGS, IMPORT = "recordings", "import"
REMEDY = "import files, record a market with record = DIR in podium.toml, or play a recording with feed_path"


def show_data() -> None:
    """Draw the recordings, or the import with what it wrote."""
    view: str | None = None  # where the store cannot be read
    with widgets.reading_store(page=True):
        home = sources.find_home(cache.fetch_status())
        view = st.segmented_control(
            "View", [RECORDINGS, IMPORT], default=RECORDINGS, key="view", bind="query-params", required=True, label_visibility="collapsed"
        )
    if view == IMPORT:
        import_form.show_form(home)  # outside the snapshot, which a preview of up to 90 s would hold
    if view is not None:
        show_recordings(imported_only=view == IMPORT)


@refresh.refresh_every(REFRESH)
def show_recordings(*, imported_only: bool) -> None:
    """Draw the import that runs and every recording with what it holds, in one live part; with `imported_only` the newest import's alone."""
    with widgets.reading_store():
        import_form.show_import_progress()
        recordings = sources.list_recordings(cache.fetch_status())
        if imported_only:
            recordings = [source for source in recordings if source.name == import_form.imported_name() and source.origin == sources.IMPORTED]
        elif not recordings:
            widgets.show_waiting("a first recording", REMEDY)
            return
        shown = recordings[: sources.MAX_SHOWN]
        measured = [surveys.read_survey(source, cache.current_time()) for source in shown]
        if not imported_only:
            _show_verdict(recordings, measured)
        for source, measurement in zip(shown, measured, strict=True):
            _show_recording(source, measurement)
        if shown:
            widgets.show_note(tables.LEGEND)
        if len(recordings) > len(shown):
            widgets.show_note(f"{len(recordings) - len(shown):,} older imports are not shown: python -m engine inspect DIR shows what each holds")


def _show_verdict(recordings: list[RecordingSource], measured: list[MeasuredRecording | None]) -> None:
    symbols = sum(len(entry.survey["symbols"]) for entry in measured if entry is not None and entry.survey is not None)
    refused = sum(entry is not None and entry.survey is None for entry in measured)
    waiting = sum(entry is None for entry in measured)
    parts = [units.format_count(len(recordings), "recording"), units.format_count(symbols, "symbol")]
    parts += [f"{refused:,} cannot be read"] if refused else []
    parts += [f"{waiting:,} being measured"] if waiting else []
    widgets.show_heading("Recordings", ", ".join(parts))


def _show_recording(source: RecordingSource, measurement: MeasuredRecording | None) -> None:
    key, name, path = f"{abs(hash(str(source.path)))}", sources.readable_name(source.name), str(source.path.absolute())
    with st.container(border=True, key=f"recording_{key}"):
        with st.container(horizontal=True, vertical_alignment="center", key=f"recording_head_{key}"):
            widgets.show_html(
                f'<div class="pd pd-section"><b role="heading" aria-level="3">{widgets.escape_html(name)}</b> '
                f'<span class="pd-muted">{source.origin}, {widgets.escape_html(sources.readable_name(str(source.path)))}</span></div>'
            )
            if visitors.may(OPERATE) and st.button(
                "Start a backtest",
                key=f"backtest_{key}",
                icon=":material/play_arrow:",
                disabled=(measurement is not None and measurement.survey is None) or sources.readable_name(path) != path,
            ):
                frame.open_page("07_backtests.py", market="recording", run_path=path)
        _show_contents(source, measurement)


def _show_contents(source: RecordingSource, measurement: MeasuredRecording | None) -> None:
    if measurement is None:
        widgets.show_note("measuring what it holds ..." if surveys.is_measuring(source) else "waits to be measured")
        return
    if measurement.survey is None:
        widgets.show_notice(tables.shorten_text(measurement.error), word="Cannot be read.", colour=theme.HARM)
        return
    faults, at = tables.describe_faults(measurement.survey), units.format_time(measurement.at, "%H:%M:%S")
    verdict = f"{faults[:1].upper()}{faults[1:]}" if faults else "No gap, no repeat, no faulty row"
    widgets.show_note(f"{tables.describe_recording(measurement.survey)}. {verdict}. Measured {at} UTC.")
    for line in tables.list_errors(measurement.survey)[: tables.MAX_ROWS]:
        widgets.show_note(line)
    rows = tables.list_symbols(measurement.survey)
    label = f"What {sources.readable_name(source.name)} holds, by symbol"
    widgets.show_table(tables.SYMBOL_COLUMNS, rows[: tables.MAX_ROWS], label=label)
    if len(rows) > tables.MAX_ROWS:
        with st.expander(f"{units.format_count(len(rows) - tables.MAX_ROWS, 'more symbol')}"):
            widgets.show_table(tables.SYMBOL_COLUMNS, rows[tables.MAX_ROWS : tables.MAX_MORE], label=f"{label}, continued")
            if len(rows) > tables.MAX_MORE:
                widgets.show_note(f"{len(rows) - tables.MAX_MORE:,} more symbols are not shown: python -m engine inspect DIR lists all")
