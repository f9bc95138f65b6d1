"""Models shows what was checked in idle time, by file; Components shows the recorder."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from engine.store.read.certified import AHEAD, CERTIFIED_KEY, CLEAN, CertifiedFile, IdleCertificate, decode_certificate
from engine.store.read.recording_state import RECORDER_KEY, RecorderState
from pages.components.recording import describe_recorder
from pages.models.certificate import describe_totals
from pages.ui.ages import strip_marks
from tests.pages.stores import store
from tests.pages.test_pages import run, text

MINUTE = 60 * 10**9
FILES = (
    CertifiedFile("engine/features/<b>mine.py", "1", "mine", AHEAD, 0, "features, mine.next_close"),
    CertifiedFile("engine/features/book.py", "2", "book", CLEAN, 12_400),
    CertifiedFile("engine/models/new.py", "3", "new"),
)
TOTALS = IdleCertificate(1, "c", 3, 12_400, 0, 100 * MINUTE, source="the recording that is decided on", files=FILES)


def remember(url: str, key: str, value: str) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as made, made:
        made.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))


def test_models_says_what_was_checked_and_names_each_file(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        assert "tested in idle time" not in text(run("05_models.py", url))
        remember(url, CERTIFIED_KEY, TOTALS.encode())
        page = text(run("05_models.py", url))
        remember(url, CERTIFIED_KEY, '{"of another version": 1}')
        assert "tested in idle time" not in text(run("05_models.py", url))
    assert "12,400 decisions tried, 0 changed, last checked" in page
    assert "on the recording that is decided on. 1 file not checked yet." in page
    assert "looks ahead: not used until the file changes (features, mine.next_close)" in page
    assert "engine/models/new.py" in page
    assert "<b>mine" not in page


def test_the_totals_are_one_clause_a_sentence() -> None:
    now = 104 * MINUTE
    clean = replace(TOTALS, files=FILES[1:2])
    assert decode_certificate(clean.encode()) == clean
    assert (
        strip_marks(describe_totals(clean, now)) == "12,400 decisions tried, 0 changed, last checked 4 min ago, on the recording that is decided on."
    )
    young = replace(clean, checks=0, decisions=0, checked_at=None, note="361 stored bars are needed, there are 12")
    assert describe_totals(young, now) == (
        "No decision checked yet: the first check needs idle time. The last check was abandoned: 361 stored bars are needed, there are 12."
    )
    assert describe_totals(replace(TOTALS, is_on=False), now) == "Checks in idle time are off (certify_cpu_share is 0). 1 file not checked yet."


def test_components_shows_the_recorder_of_this_session(full_store: str, tmp_path: Path) -> None:
    state = RecorderState(1, "/data/<b>rec", 1_240, 300, 1, 0, "no space left on device")
    with store("full", full_store, tmp_path) as url:
        remember(url, RECORDER_KEY, replace(state, session=99).encode())
        assert "recorded in" not in text(run("08_components.py", url))
        remember(url, RECORDER_KEY, state.encode())
        page = text(run("08_components.py", url))
    assert "The recording waits, decisions go on: no space left on device. 1,240 bars recorded in /data/" in page
    assert "<b>rec" not in page
    whole = describe_recorder(replace(state, lost_rows=0, gaps=0, problem=None, folder="/data/rec"))
    assert whole == "The recording works. 1,240 bars recorded in /data/rec since the engine started, no row lost."
