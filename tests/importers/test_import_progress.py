"""The share of the sources that is read only grows, and ends with all of it; what a killed import left is deleted, and nothing else."""

from __future__ import annotations

import gzip
import subprocess
import sys
import zipfile
from itertools import pairwise
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from engine.cli.import_files import describe_bytes_read
from engine.files import owned_folders
from engine.files.import_folders import holds_only_workspaces, open_workspace, sweep_imports, sweep_workspaces
from engine.importers import _rows, _sources
from engine.importers._pipeline import ImportOptions, import_files
from engine.service.clock import WallClock
from pages.data.import_form import describe_progress
from pages.data.requests import explain_name
from pages.ui.jobs import JobState

ROWS = 40_000


@pytest.fixture(scope="module")
def text() -> bytes:
    """A file of bars of a minute, about 2 MB, and 0.5 MB packed."""
    rng = Random(7)
    rows = [f"{1_704_067_200 + 60 * row},100.{row % 10},101.5,99.5,100.{row % 7},{rng.random():.15f}" for row in range(ROWS)]
    return "\n".join(["time,open,high,low,close,volume", *rows, ""]).encode()


@pytest.mark.parametrize("kind", ["csv", "gz", "zip", "parquet"])
def test_the_share_that_is_read_grows_to_the_whole(kind: str, text: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_rows, "_BLOCK", 1 << 14)
    monkeypatch.setattr(_sources, "_BUFFER", 1 << 14)
    monkeypatch.setattr(_rows, "_BATCH", 1 << 12)
    source = tmp_path / ("ABC.parquet" if kind == "parquet" else f"ABC.csv{'' if kind == 'csv' else f'.{kind}'}")
    if kind == "parquet":
        pyarrow.parquet.write_table(pyarrow.csv.read_csv(pa.BufferReader(text)), source)
    elif kind == "zip":
        with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("ABC.csv", text)
    else:
        source.write_bytes(gzip.compress(text) if kind == "gz" else text)
    small = tmp_path / "XYZ.csv"
    small.write_bytes(b"\n".join(text.splitlines()[:50]))
    seen: list[tuple[int, int]] = []
    import_files((source, small), ImportOptions(tmp_path / "out"), lambda line: None, lambda done, total: seen.append((done, total)))
    size = source.stat().st_size + small.stat().st_size
    assert {total for _, total in seen} == {size}
    assert seen[-1][0] == size
    assert all(before[0] <= after[0] for before, after in pairwise(seen))
    assert any(0 < done < source.stat().st_size for done, _ in seen), "it is known on the way, too"


def test_the_share_is_shown_in_words() -> None:
    assert describe_bytes_read(250_000_000, 1_000_000_000) == "25 % of 1.0 GB read"
    state = JobState("import x", WallClock().now())
    assert describe_progress(state) == "looking at the files"
    state = JobState("import x", WallClock().now(), done=250_000_000, total=1_000_000_000)
    assert describe_progress(state) == "25 % of 1.0 GB read"
    assert describe_progress(JobState("import x", 0, done=7, total=7)).endswith("read; writing the recording")


def make_workspace(out: Path, digit: str, *, is_marked: bool = True) -> Path:
    path = out / f".import-{digit * 16}"
    path.mkdir(parents=True)
    (path / "6-BTCUSDT-bars.staged").write_bytes(b"rows")
    if is_marked:
        (path / owned_folders.MARKER).write_bytes(owned_folders.MARKER_TEXT)
    return path


def test_only_marked_folders_of_ended_imports_are_deleted(tmp_path: Path) -> None:
    out = tmp_path / "imports" / "mine"
    left, foreign = make_workspace(out, "a"), make_workspace(out, "b", is_marked=False)
    elsewhere = make_workspace(tmp_path / "elsewhere", "c")
    (out / f".import-{'d' * 16}").symlink_to(elsewhere)
    with open_workspace(out) as alive:
        assert sweep_imports(tmp_path / "imports") == 1
        assert [path.exists() for path in (left, foreign, elsewhere, alive)] == [False, True, True, True]
    assert not alive.exists()
    assert (elsewhere / "6-BTCUSDT-bars.staged").exists()


def test_a_recording_of_which_an_import_left_nothing_else_goes_with_it_and_its_name_is_free(tmp_path: Path) -> None:
    out = tmp_path / "imports" / "mine"
    make_workspace(out, "a")
    assert holds_only_workspaces(out)
    assert explain_name("mine", tmp_path) is None
    assert sweep_imports(tmp_path / "imports") == 1
    assert not out.exists()
    (out / "notes").mkdir(parents=True)
    make_workspace(out, "a")
    assert not holds_only_workspaces(out)
    assert explain_name("mine", tmp_path) is not None
    assert sweep_imports(tmp_path / "imports") == 1
    assert (out / "notes").exists()


def test_what_a_killed_import_left_is_deleted_by_the_next(text: bytes, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    code = "import sys, time; from pathlib import Path; from engine.files.import_folders import open_workspace\n"
    code += f"with open_workspace(Path({str(out)!r})) as folder: print(folder, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        assert sweep_workspaces(out) == 0, "it lives"
        process.kill()
    assert folder.is_dir()
    source = tmp_path / "ABC.csv"
    lines: list[str] = []
    source.write_bytes(text)
    import_files((source,), ImportOptions(out), lines.append)
    assert not folder.exists()
    assert any("1 killed import left" in line for line in lines)
    assert sorted(path.name for path in out.iterdir()) == ["ABC", "import.json", "recording.toml"]
