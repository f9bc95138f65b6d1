"""An evidence bundle verifies itself in a clean checkout, and what was altered in it is named."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.__main__ import main
from engine.domain.market import MarketSnapshot
from engine.store import codec
from engine.store.errors import NotStored
from engine.story.bundle import build_bundle, pack_files
from tests.story.decided import LAST

ROOT = Path(__file__).parents[2]
TICK = LAST - 2


@pytest.fixture(scope="module")
def bundle(decided_store: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle as the command line writes it."""
    path = tmp_path_factory.mktemp("bundle") / "evidence.zip"
    assert main(["replay", str(TICK), "--bundle", str(path), "--store", decided_store]) == 0
    return path


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code alone, in a directory of its own: no store, no settings, no caches."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "engine", folder / "engine", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def unpack(bundle: Path, folder: Path) -> Path:
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder)
    return folder / f"podium-evidence-{TICK}"


def verify(folder: Path, checkout: Path) -> tuple[int, str]:
    command = [sys.executable, str(folder / "verify.py"), "--checkout", str(checkout)]
    process = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, cwd=folder)
    assert not process.stderr
    return process.returncode, process.stdout


def rehash(folder: Path) -> None:
    """Write a manifest that fits the altered files, as a careful forger would."""
    manifest = json.loads((folder / "manifest.json").read_text())
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json"]
    manifest["files"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def alter_blob(folder: Path, table: str, column: str, tick: int, change: Callable[[bytes], bytes]) -> None:
    """Change the stored bytes of a row, with a new name for them."""
    path = folder / "tables" / f"{table}.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    (row,) = [row for row in rows if row["tick"] == tick]
    old = folder / "blobs" / f"{row[column]['blob']}.bin"
    data = change(old.read_bytes())
    row[column]["blob"] = hashlib.sha256(data).hexdigest()
    (folder / "blobs" / f"{row[column]['blob']}.bin").write_bytes(data)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_it_verifies_itself_in_a_clean_checkout(bundle: Path, checkout: Path, tmp_path: Path) -> None:
    code, verdict = verify(unpack(bundle, tmp_path), checkout)
    assert (code, verdict.partition(":")[0]) == (0, "IDENTICAL"), verdict


def dearer(data: bytes) -> bytes:
    bar = codec.unpack(MarketSnapshot, data)
    return codec.pack(replace(bar, close=bar.close * (1.0 + 1e-9)))


def test_a_forged_input_is_refused_and_the_first_phase_that_differs_is_named(bundle: Path, checkout: Path, tmp_path: Path) -> None:
    folder = unpack(bundle, tmp_path)
    alter_blob(folder, "market_snapshots", "data", TICK, dearer)
    rehash(folder)
    code, verdict = verify(folder, checkout)
    assert code == 1
    assert verdict.startswith("DIFFERENT: first in market ("), verdict


def test_a_forged_record_is_refused_and_altered_files_are_named(bundle: Path, checkout: Path, tmp_path: Path) -> None:
    folder = unpack(bundle, tmp_path)
    record = json.loads((folder / "record.json").read_text())
    record["decisions"]["ALFA"]["action"] = "sell"
    (folder / "record.json").write_text(json.dumps(record))
    rehash(folder)
    (folder / "README.txt").write_text("It sold.")
    (folder / "more.txt").write_text("")
    code, verdict = verify(folder, checkout)
    assert code == 1
    assert "first in decision: record.json says of ALFA action 'sell', decided is 'hold'" in verdict
    assert "altered since the bundle was made: README.txt, more.txt" in verdict


def test_what_is_no_checkout_is_said_so(bundle: Path, tmp_path: Path) -> None:
    folder = unpack(bundle, tmp_path / "unpacked")
    code, verdict = verify(folder, tmp_path)
    assert code == 2
    assert verdict.startswith("NOT VERIFIED: the checkout")


def test_the_same_tick_gives_the_same_bytes(bundle: Path, decided_store: str) -> None:
    again = build_bundle(decided_store, TICK)
    assert again.is_reproduced
    assert again.data == bundle.read_bytes()
    with zipfile.ZipFile(io.BytesIO(again.data)) as archive:
        files = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    assert pack_files(dict(reversed(files.items())), f"podium-evidence-{TICK}") == again.data
    for name in ("README.txt", "record.json", "inputs.txt", "versions.json", "digests.json", "verify.py", "manifest.json"):
        assert files[name], name
    versions = json.loads(files["versions.json"])
    assert {row["model"] for row in versions["models"]} >= {"lightgbm", "ridge"}
    assert versions["decided_on"]["numpy"] == np.__version__
    assert "ALFA: hold" in files["README.txt"].decode()


def test_nothing_secret_is_in_it(copied_store: str) -> None:
    """Settings are masked in the store; an address that got in all the same stays out of the bundle."""
    secret = "https://hooks.example.com/T0KEN"
    with closing(sqlite3.connect(copied_store.removeprefix("sqlite:///"))) as connection, connection:
        for table in ("sessions", "runs"):
            connection.execute(f"UPDATE {table} SET settings = ?", (json.dumps({"alert_urls": [secret]}),))
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('backtests', ?)", (secret,))
        connection.execute("UPDATE sessions SET identity = json_set(identity, '$.path', '/home/alice/T0KEN')")
    data = build_bundle(copied_store, TICK).data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        content = b"".join(archive.read(name) for name in archive.namelist())
    assert b"T0KEN" not in content
    assert copied_store.removeprefix("sqlite:///").encode() not in content


def test_a_tick_that_is_not_stored_leaves_no_file(decided_store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NotStored):
        build_bundle(decided_store, LAST + 1)
    code = main(["replay", str(LAST + 1), "--bundle", str(tmp_path / "evidence.zip"), "--store", decided_store])
    assert (code, len(capsys.readouterr().err.splitlines())) == (64, 1)
    assert not list(tmp_path.iterdir())
