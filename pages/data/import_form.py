"""The form that imports files: a source, its preview, what to correct, and the name of the recording."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import streamlit as st

from engine import units
from engine.domain.access import ADMINISTER, OPERATE
from engine.files.owned_folders import FolderTaken
from pages.data.requests import ImportRequest, PreviewResult, describe_failure, read_preview, start_import, suggest_name
from pages.data.tables import shorten_text
from pages.data.uploads import MAX_UPLOAD_MB, store_uploads
from pages.ui import jobs, live, tables, theme, visitors, widgets
from pages.ui.jobs import JobState
from pages.ui.tables import TableRow, text_columns

RESULT = "import_preview"  # of this browser
RECOGNISE = "recognise it"
ON_DISK, UPLOAD = "on this machine", "upload"


@visitors.needs(OPERATE, "Files are imported by operators.")
def show_form(home: Path) -> None:
    """Draw the choice of a source, and below it what was read of it."""
    widgets.show_heading("Import files", "CSV, JSON, Parquet or Feather, compressed or not; the format is detected")
    places = [UPLOAD, ON_DISK] if visitors.may(ADMINISTER) else [UPLOAD]  # Podium reads what its user may, of which others see nothing
    place = st.segmented_control("Source", places, default=UPLOAD, key="source", bind="query-params", required=True)
    request = _choose_upload(home) if place == UPLOAD else _choose_path()
    if request is not None:
        with st.spinner("Reading the beginning"):
            st.session_state[RESULT] = read_preview(request)
    result = st.session_state.get(RESULT)
    if isinstance(result, PreviewResult) and result.request.is_upload == (place == UPLOAD):
        show_result(result, home)


def show_result(result: PreviewResult, home: Path) -> None:
    """Draw a preview, the options, and the button that imports."""
    with widgets.keyed_container("preview"):
        if result.preview is None:
            widgets.show_notice(shorten_text(result.error), word="Refused.", colour=theme.HARM)
        else:
            for place, table in enumerate(result.preview["tables"]):
                _show_table(place, table)
            for line in _list_leftovers(result.preview):
                widgets.show_note(line)
    if result.request.source is not None:
        _show_options(result)
    if result.preview is not None and result.is_importable:
        _show_import_button(result, result.preview, home)


def _choose_upload(home: Path) -> ImportRequest | None:
    files = st.file_uploader(
        f"Files, at most {MAX_UPLOAD_MB} MB together; give the path of larger ones on this machine", accept_multiple_files=True, key="uploaded",
        max_upload_size=MAX_UPLOAD_MB,
    )  # fmt: skip
    if not st.button("Preview", key="preview_upload", disabled=not files, icon=":material/visibility:") or not files:
        return None
    try:
        folder = store_uploads(files, home)
    except (OSError, FolderTaken) as error:
        st.session_state[RESULT] = PreviewResult(ImportRequest(None, is_upload=True), None, f"the upload cannot be stored: {error}")
        return None
    return ImportRequest(folder, is_upload=True)


def _choose_path() -> ImportRequest | None:
    with st.form("name_source", border=False, enter_to_submit=True):
        path = st.text_input("File or folder", key="source_path", placeholder="/data/BTCUSDT-1m-2024-01.zip", max_chars=1_000)
        pressed = st.form_submit_button("Preview", icon=":material/visibility:")
    if not pressed:
        return None
    text = path.strip()
    if not Path(text).is_absolute() or not text.isprintable():
        st.session_state[RESULT] = PreviewResult(ImportRequest(None), None, "give the full path of a file or folder, beginning with /")
        return None
    return ImportRequest(Path(text))


def _show_table(place: int, table: Mapping[str, Any]) -> None:
    """Draw what one table is taken for, its first rows, and what would be left out."""
    name = Path(table["source"]).name
    if table["fault"] is not None:
        widgets.show_notice(shorten_text(_without_folder(table["fault"], table["source"])), word="Refused.", colour=theme.HARM)
    else:
        symbols = ", ".join(table["symbols"][:6]) + (" ..." if len(table["symbols"]) > 6 else "")
        text = f"{name} is read as {table['label']}: {table['kind']} of {symbols}; {table['dialect']}; {table['times']}"
        widgets.show_notice(text, word="Recognised.", colour=theme.GOOD)
    if table["raw_rows"]:
        names = table["header"] or [f"column {number}" for number in range(1, len(table["raw_rows"][0]) + 1)]
        rows = [TableRow(str(number), tuple(str(cell)[:40] for cell in row)) for number, row in enumerate(table["raw_rows"])]
        with st.expander("The first rows as they would be written"):
            markup = tables.render_table(text_columns(*names[: len(table["raw_rows"][0])]), rows, label=f"First rows of {name}", cards=False)
            live.show_live_table(markup, key=f"raw_{place}", label=f"First rows of {name}")
    if table["first_rows"]:
        read = "<br>".join(escape(row) for row in table["first_rows"])
        widgets.show_html(f'<div class="pd pd-note">As read:</div><div class="pd pd-read">{read}</div>')
    counted = "all" if table["is_whole"] else "the first"
    lines = [f"{units.format_count(count, 'row')} would be left out: {reason}" for reason, count in table["left_out"]]
    lines += [f"{units.format_count(count, 'row')} with {reason}" for reason, count in table["remarks"]]
    if table["fault"] is None:
        widgets.show_note(f"Of {counted} {units.format_count(table['rows'], 'row')}: {'; '.join(lines) or 'nothing would be left out'}.")


def _list_leftovers(preview: Mapping[str, Any]) -> list[str]:
    more = preview["count"] - len(preview["tables"])
    lines = [f"{units.format_count(more, 'more table')} would be imported too"] if more else []
    skipped = [Path(name).name for name in preview["skipped"]]
    return lines + ([shorten_text(f"Left out, as no table has its name: {', '.join(skipped)}")] if skipped else [])


def _show_options(result: PreviewResult) -> None:
    """Draw the options; another preview is made with them."""
    formats = [RECOGNISE, *(name for name, _ in (result.preview or {}).get("formats", ()))]
    with st.expander("Adjust how the files are read", expanded=not result.is_importable), st.form("import_options", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            chosen = st.selectbox("Format", formats, key="import_format", width=220)
            symbol = st.text_input("Symbol", key="import_symbol", placeholder="from its name", width=160, max_chars=60)
            interval = st.text_input(
                "Bar length", key="import_interval", placeholder="as measured", width=140, help="Such as 1m, 1h or 1d", max_chars=12
            )
            zone = st.text_input(
                "Time zone", key="import_zone", placeholder="as written", width=180, help="Such as UTC or Europe/Berlin", max_chars=60
            )
        columns = st.text_input("Columns", key="import_columns", placeholder="ts=time,open=o,high=h,low=l,close=c,volume=6", max_chars=400,
                                help="Podium's column = the file's column, by header or by number, counted from 1")  # fmt: skip
        pressed = st.form_submit_button("Preview again")
    if pressed:
        request = ImportRequest(
            result.request.source, result.request.is_upload, "" if chosen == RECOGNISE else str(chosen), symbol, interval, zone, columns
        )
        with st.spinner("Reading the beginning"):
            st.session_state[RESULT] = read_preview(request)
        st.rerun()


def _show_import_button(result: PreviewResult, preview: Mapping[str, Any], home: Path) -> None:
    with st.form("import_it", border=True, enter_to_submit=False), st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name of the recording", value=suggest_name(preview), max_chars=60, width=320)
        pressed = st.form_submit_button("Import", type="primary", icon=":material/download:")
    if not pressed:
        return
    name = name.strip()
    fault = start_import(result, name, home)
    if fault is not None:
        widgets.show_notice(fault, word="Not imported.", colour=theme.WARNING)
        return
    st.session_state.pop(RESULT)
    st.session_state["import_key"] = f"import {name}"
    st.rerun()


def show_import_progress() -> None:
    """Draw the import that runs, else the result of the one that this browser started."""
    runner = jobs.get_jobs()
    key = runner.running_key("import") or st.session_state.get("import_key")
    state = None if key is None else runner.read_state(str(key))
    if state is None:
        return
    name = state.key.partition(" ")[2]
    if state.is_running:
        text = f"{name}: {describe_progress(state)}"
        widgets.show_notice(text, word="Importing.", colour=theme.UP)
    elif state.code == 0:
        lines = [line for line in state.lines if ".parquet: " in line]
        widgets.show_notice(shorten_text(f"{name}: {'; '.join(lines)}"), word="Imported.", colour=theme.GOOD)
    else:
        widgets.show_notice(shorten_text(f"{name}: {describe_failure(state)}"), word="Not imported.", colour=theme.HARM)


def describe_progress(state: JobState) -> str:
    """Return how much of the files is read, in words."""
    if not state.total:
        return "looking at the files"
    share = f"{units.format_percent(min(1.0, state.done / state.total), 0)} of {units.format_bytes(state.total)} read"
    return share if state.done < state.total else f"{share}; writing the recording"


def imported_name() -> str | None:
    """Return the name of the recording that this browser imported last."""
    key = st.session_state.get("import_key")
    return None if key is None else str(key).partition(" ")[2]


def _without_folder(text: str, source: str) -> str:
    """Return a text in which a file is named without its folder, which is a temporary one for uploads."""
    return text.replace(f"{Path(source).parent}/", "")
