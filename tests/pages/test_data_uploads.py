"""Uploads and previews of the page Data: whole or not at all, kept while they are read, and nothing is read that nobody named."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.access import Visitor
from engine.importers._format import ImportFault
from engine.importers._pipeline import _require_absent
from engine.store.read.reader import Reader
from pages.data import import_form, requests, sources, surveys, uploads
from pages.data.requests import ImportRequest, PreviewResult
from pages.ui import cache, jobs
from pages.ui.jobs import JobState
from tests.pages.stores import store
from tests.pages.test_data import SLOW, count_measured, press, show, wait_for, write_recording
from tests.pages.test_pages import text
from tests.store import made

TABLE = {"source": "/x/a.csv", "symbols": ["AAA"], "kind": "bars", "fault": None}


@pytest.fixture(autouse=True)
def fresh_uploads() -> None:
    """Nothing is left of what another test stored or ran."""
    surveys._measurements.cache_clear()
    jobs.get_jobs.cache_clear()
    uploads._uploads.cache_clear()


class Upload:
    """An uploaded file; with `full` the disk is full when its content is read."""

    def __init__(self, name: str, *, full: bool = False) -> None:
        self.name, self.file_id, self.full, self.reads = name, name, full, 0

    def getbuffer(self) -> memoryview:
        self.reads += 1
        if self.full and self.reads > 1:  # the first read is for its size
            raise OSError(errno.ENOSPC, "No space left on device")
        return memoryview(b"a,b\n")


class HugeBuffer(Upload):
    """A file of 150 MiB that takes no memory."""

    def getbuffer(self) -> Any:
        return SimpleNamespace(nbytes=150 * 2**20)


def test_an_upload_that_cannot_be_written_is_not_taken_for_a_whole_file(tmp_path: Path) -> None:
    files = [Upload("a.csv"), Upload("b.csv", full=True)]
    with pytest.raises(OSError, match="No space left"):
        uploads.store_uploads(files, tmp_path)
    assert [entry.name for entry in (tmp_path / "podium-temp").iterdir() if entry.is_dir()] == [], "nothing is left of it"
    files[1].full = False
    assert sorted(file.name for file in uploads.store_uploads(files, tmp_path).iterdir()) == ["a.csv", "b.csv"]


def test_the_files_of_an_upload_are_limited_together(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"its files have 315 MB together, more than 200 MB: give their path on this machine"):
        uploads.store_uploads([HugeBuffer("a"), HugeBuffer("b")], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_an_import_reads_outlives_the_uploads_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[Any] = []

    def start(_lane: str, _key: str, _arguments: list[str], finish: Any) -> bool:
        ends.append(finish)
        return len(ends) != 2

    monkeypatch.setattr(jobs, "get_jobs", lambda: SimpleNamespace(start=start))
    url = made.empty(tmp_path)
    monkeypatch.setattr("pages.ui.cache.store_url", lambda: url)
    folder = uploads.store_uploads([Upload("mine")], tmp_path)
    result = PreviewResult(ImportRequest(folder, is_upload=True), {"tables": []})
    assert requests.start_import(result, "mine", tmp_path) is None
    assert "another import" in str(requests.start_import(result, "again", tmp_path)), "this one does not end the hold of the first"
    others = [uploads.store_uploads([Upload(f"other {number}")], tmp_path) for number in range(6)]
    assert folder.is_dir()
    assert sum(other.is_dir() for other in others) == uploads.KEPT_UPLOADS - 1
    ends[0](JobState("import mine", 1, 2, 70))
    assert folder.is_dir(), "it failed, and can be tried again"
    for number in range(4):
        uploads.store_uploads([Upload(f"later {number}")], tmp_path)
    assert not folder.exists()
    assert "preview it again" in str(requests.start_import(result, "mine", tmp_path))
    frame = Reader(url).view("audit")
    assert next(zip(frame["kind"], frame["subject"], frame["who"], strict=True)) == ("import", "mine", "dashboard")


@pytest.mark.parametrize(("role", "may"), [("viewer", (False, False)), ("operator", (True, False)), ("admin", (True, True))])
def test_a_path_of_this_machine_takes_an_admin(role: str, may: tuple[bool, bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pages.ui.visitors.find_visitor", lambda: Visitor("ann", role))
    upload, path = ImportRequest(tmp_path / "none", is_upload=True), ImportRequest(tmp_path / "none")
    previews = [requests.read_preview(request) for request in (upload, path)]
    started = [requests.start_import(PreviewResult(request, {"tables": []}), "-", tmp_path) for request in (upload, path)]
    assert tuple("may not" not in preview.error for preview in previews) == may
    assert tuple("may not" not in str(fault) for fault in started) == may


@given(st.text(max_size=400))
def test_no_name_is_longer_than_a_file_system_allows(name: str) -> None:
    for written in (name, "語" * 200 + "." + "語" * 20, "語" * 400):
        cleaned = uploads.clean_name(written)
        assert 0 < len(cleaned.encode()) <= 240  # with a number before it at most 255
        assert "/" not in cleaned


def test_what_is_no_source_offers_no_second_preview(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        app = show(url, view="import", source="on this machine")
        app.text_input(key="source_path").set_value("here/it/is")
        press(app, "Preview")
        assert "give the full path" in text(app)
        assert "Preview again" not in [button.label for button in app.button]
        app = show(url, view="import")
        app.session_state[import_form.RESULT] = PreviewResult(ImportRequest(None, is_upload=True), None, "the upload cannot be stored: full")
        app.run(timeout=SLOW)
    assert "the upload cannot be stored" in text(app)
    assert "Preview again" not in [button.label for button in app.button]


def test_a_preview_holds_no_snapshot_of_the_store(full_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[bool] = []

    def read_preview(request: ImportRequest) -> PreviewResult:
        held.append(cache.get_reader().in_snapshot)
        return PreviewResult(request, None, "made")

    monkeypatch.setattr(import_form, "read_preview", read_preview)
    with store("full", full_store, tmp_path) as url:
        app = show(url, view="import", source="on this machine")
        app.text_input(key="source_path").set_value("/there")
        press(app, "Preview")
    assert held == [False]


def test_a_folder_whose_name_is_not_utf_8_is_shown(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        write_recording(tmp_path / "imports" / os.fsdecode(b"caf\xe9"))
        app = show(url)
        wait_for(count_measured)
        assert "caf?" in text(app)
        app = show(url)
    assert "caf?" in text(app)
    assert [button.disabled for button in app.button if button.label == "Start a backtest"] == [True], "its path fits into no address"
    assert sources.readable_name("日本 é") == "日本 é"


def test_a_name_that_is_taken_asks_for_another_name(tmp_path: Path) -> None:
    preview = {"tables": [TABLE]}
    assert requests.explain_overlap(preview, "mine", tmp_path) is None
    recording = write_recording(tmp_path / "imports" / "mine")
    (recording / "import.json").write_text("[]")
    for fault in (
        requests.explain_overlap(preview, "mine", tmp_path),
        requests.start_import(PreviewResult(ImportRequest(tmp_path), preview), "mine", tmp_path),
    ):
        assert fault == "mine already holds bars of AAA: choose another name"
    with pytest.raises(ImportFault) as raised:  # where the preview did not reach that far
        _require_absent(recording, "AAA", "bars")
    shown = requests.describe_failure(JobState("import mine", 1, 2, 65, (f"podium: {raised.value}",)))
    assert shown.endswith("is there already: remove it, or choose another name")
    assert requests.describe_failure(JobState("import mine", 1, 2, 70)) == "it ended with code 70"
