"""The page Data: what recordings hold, what is refused, and names that try to be more than text."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.service.clock import WallClock
from pages.data import import_form, requests, sources, strips, surveys, uploads
from pages.data.requests import ImportRequest
from pages.data.sources import RecordingSource
from pages.ui import jobs, theme
from tests.importers.files import KLINES_MS
from tests.importers.test_import_command import write_source
from tests.pages.hostile import hostile
from tests.pages.stores import store
from tests.pages.test_pages import run, text

SLOW = 300.0  # s that anything may take on a busy machine
HOSTILE = '<img src=x onerror="alert(1)">**bold** [go](x)'


@pytest.fixture(autouse=True)
def fresh_jobs() -> None:
    """Nothing is left of what another test measured."""
    surveys._measurements.cache_clear()
    jobs.get_jobs.cache_clear()
    uploads._uploads.cache_clear()


def write_recording(folder: Path, symbol: str = "AAA", rows: tuple[int, ...] = (0, 1, 2, 6, 7)) -> Path:
    """A recording with bars at these minutes."""
    (folder / symbol).mkdir(parents=True)
    lines = [f"{1_704_067_200_000 + 60_000 * row},100,103,99,101,5" for row in rows]
    (folder / symbol / "bars.csv").write_text("\n".join(["ts,open,high,low,close,volume", *lines]) + "\n")
    return folder


def wait_for(come: Callable[[], object]) -> None:
    """Look again and again until a job of this process has come so far."""
    pause, clock = Event(), WallClock()
    begun = clock.tick()
    while not come():
        assert clock.tick() - begun < SLOW
        pause.wait(0.05)


def count_measured() -> int:
    return len(surveys._measurements().by_path)


def press(app: AppTest, label: str) -> AppTest:
    return next(button for button in app.button if button.label == label).click().run(timeout=SLOW)


def show(url: str, **query: str) -> AppTest:
    app = run("13_data.py", url, **query)
    assert not app.exception
    return app


def test_recordings_are_measured_and_shown_with_their_gaps(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        write_recording(tmp_path / "imports" / "mine")
        (tmp_path / "imports" / "empty").mkdir()
        assert "2 being measured" in text(show(url))
        wait_for(lambda: count_measured() == 1 and jobs.get_jobs().running_key(surveys.LANE) is None)
        show(url)
        wait_for(lambda: count_measured() == 2)
        app = show(url)
    shown = text(app)
    assert "2 recordings, 1 symbol, 1 cannot be read" in shown
    assert "1 gap. Measured" in shown
    assert "3 bars, longest 3" in shown
    assert "holds no symbol" in shown
    buttons = {button.key: button.disabled for button in app.button if button.label == "Start a backtest"}
    assert sorted(buttons.values()) == [False, True]


def test_hostile_names_stay_text(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        name = "x" + HOSTILE.replace("/", "")
        write_recording(tmp_path / "imports" / name, HOSTILE.replace("/", ""))
        show(url)
        wait_for(count_measured)
        shown = text(show(url))
    assert "&lt;img src=x onerror=" in shown
    assert "<img" not in shown
    assert uploads.clean_name(f"../../{hostile()}/..\\.bashrc") == "bashrc"
    assert not set(uploads.clean_name(hostile())) & set("/\\<>\"'&\n")


def test_a_file_that_cannot_be_read_is_refused_in_a_line_and_nothing_is_written(full_store: str, tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text(f"what,{HOSTILE}\nlunch,late\n")
    with store("full", full_store, tmp_path) as url:
        app = show(url, view="import", source="on this machine")
        app.text_input(key="source_path").set_value(str(tmp_path / "notes.csv"))
        press(app, "Preview")
    shown = text(app)
    assert not app.exception
    assert "<b>Refused.</b><span>notes.csv is of no known format: " in shown
    assert "img src=x onerror=&quot;alert" in shown
    assert "<img" not in shown
    assert [button.label for button in app.button if button.label == "Import"] == []
    assert not (tmp_path / "imports").exists()


def test_a_path_that_is_not_whole_is_refused(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        app = show(url, view="import", source="on this machine")
        app.text_input(key="source_path").set_value("--format=x")
        press(app, "Preview")
    assert "give the full path of a file or folder" in text(app)


def test_an_import_never_writes_into_a_folder_that_no_import_made(tmp_path: Path) -> None:
    write_recording(tmp_path / "imports" / "mine")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "import.json").write_text("[]")
    (tmp_path / "imports" / "link").symlink_to(tmp_path / "elsewhere")
    for name, fault in (
        ("mine", "was not made by an import"),
        ("link", "was not made by an import"),
        ("../out", "give the recording a name"),
        ("", "a name"),
        (".x", "a name"),
    ):
        assert fault in str(requests.explain_name(name, tmp_path)), name
    assert requests.explain_name("BTC-USDT", tmp_path) is None


def test_a_named_file_is_previewed_imported_and_found_again(full_store: str, tmp_path: Path) -> None:
    source = write_source(tmp_path, "binance")
    with store("full", full_store, tmp_path) as url:
        app = show(url, view="import", source="on this machine")
        app.text_input(key="source_path").set_value(str(source))
        press(app, "Preview")
        shown = text(app)
        assert "is read as Binance klines: bars of BTCUSDT; comma-separated, without header, UTF-8; ms since 1970" in shown
        assert "2024-01-01T00:00:00.000Z  open 100  high 100.050123" in shown
        assert "Of all 130 rows: nothing would be left out." in shown
        press(app, "Import")
        wait_for(lambda: jobs.get_jobs().running_key(requests.LANE) is None)
        assert (tmp_path / "imports" / "BTCUSDT" / "BTCUSDT" / "bars.parquet").is_file()
        shown = text(app.run())
        assert "<b>Imported.</b><span>BTCUSDT: BTCUSDT/bars.parquet: 130 bars" in shown
        next(button for button in app.button if button.label == "Start a backtest")
    assert not app.exception


def test_options_reach_the_importer_and_none_is_read_as_a_flag(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("when,a,b,c,d\n" + KLINES_MS.replace(",35.92724", ""))
    request = ImportRequest(tmp_path / "x.csv", format="--help", zone="Mars/Olympus")
    assert "--timezone 'Mars/Olympus' is no zone" in requests.read_preview(request).error
    request = ImportRequest(write_source(tmp_path, "other"), columns="ts=when,open=o,high=h,low=l,close=c,volume=amount", zone="UTC", symbol="MINE")
    result = requests.read_preview(request)
    assert result.preview is not None
    assert result.is_importable, result.preview["tables"][0]["fault"]
    assert result.preview["tables"][0]["symbols"] == ["MINE"]


def test_an_upload_lies_in_a_folder_of_its_own_until_it_is_imported(tmp_path: Path) -> None:
    class Upload:
        def __init__(self, name: str) -> None:
            self.name, self.file_id = name, name

        def getbuffer(self) -> memoryview:
            return memoryview(b"a,b\n")

    folders = [uploads.store_uploads([Upload(f"{number}.csv"), Upload("../same.csv")], tmp_path) for number in range(6)]
    assert uploads.store_uploads([Upload("5.csv"), Upload("../same.csv")], tmp_path) == folders[5]
    assert [folder.is_dir() for folder in folders] == [False, False, True, True, True, True]
    assert sorted(file.name for file in folders[5].iterdir()) == ["5.csv", "same.csv"]
    uploads.delete_upload(folders[5])
    uploads.delete_upload(tmp_path)
    assert not folders[5].exists()
    assert tmp_path.is_dir()


def test_a_strip_marks_what_is_there_what_is_thin_and_what_is_not() -> None:
    assert strips.find_thin_cells([100, 99, 0, -1, 100]) == [False, True, False, False, False]
    assert strips.find_thin_cells([27, 26, 0, 10, 28]) == [False, False, False, True, False]
    files: list[dict[str, Any]] = [
        {"kind": "bars", "error": None, "strip": [100, 100, 0, 50, 100]},
        {"kind": "books", "error": "broken", "strip": [1]},
    ]
    drawn = strips.render_strip(HOSTILE, files)
    assert 'd="M0 0H2V10H0zM4 0H5V10H4z"' in drawn
    assert f'd="M3 0H4V10H3z" fill="{theme.WARNING}"' in drawn
    assert "<img" not in drawn
    assert strips.render_strip("A", files[1:]) == ""


def test_the_import_form_names_no_temporary_folder() -> None:
    assert import_form._without_folder("/tmp/x/a.csv is empty: get it again", "/tmp/x/a.csv") == "a.csv is empty: get it again"


def test_a_changed_recording_is_measured_again_but_not_at_every_look(tmp_path: Path) -> None:
    source = RecordingSource(write_recording(tmp_path / "r"), "r", "imported")
    assert surveys.read_survey(source, 0) is None
    wait_for(lambda: surveys.read_survey(source, 0) is not None)  # others may have been measured before
    first = surveys.read_survey(source, 2**62)
    assert first is not None
    assert first.survey is not None
    assert first.survey["symbols"][0]["files"][0]["missing"] == 3
    assert jobs.get_jobs().running_key(surveys.LANE) is None, "nothing has changed"
    shutil.rmtree(source.path)
    write_recording(source.path, rows=(0, 1, 2, 3))
    sources.fingerprint_recording.clear()
    assert surveys.read_survey(source, first.at + surveys.SETTLING) is first
    assert jobs.get_jobs().running_key(surveys.LANE) is None, "it was measured just now"
    assert surveys.read_survey(source, first.at + surveys.SETTLING + surveys.LOAD * first.took + 1) is first
    wait_for(lambda: surveys.read_survey(source, 0) is not first)
    changed = surveys.read_survey(source, 0)
    assert changed is not None
    assert changed.survey is not None
    assert changed.survey["symbols"][0]["files"][0]["missing"] == 0
