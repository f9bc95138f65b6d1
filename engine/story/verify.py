"""Verifies this evidence bundle against a clean checkout of Podium: python verify.py --checkout DIRECTORY

The checkout's own engine decides the tick again from the rows of the bundle. Exit code 0: identical. 1: something differs, and the first phase that
does is named. 2: it could not be verified. Needs nothing but Python; the checkout needs its requirements installed for the Python of --python.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

IDENTICAL, DIFFERENT, NOT_VERIFIED = 0, 1, 2
SECONDS = 600
EXACT = ("action", "target", "position", "confidence", "edge_bps", "cost_bps", "binding_gate", "delta", "horizon")  # columns and fields of one name
MAKE_STORE = "import sys; from engine.store.database import prepare; prepare(sys.argv[1])"


class VerificationError(Exception):
    """The bundle cannot be verified; one line with the reason."""


def verify_bundle(folder: Path, checkout: Path, python: str) -> tuple[int, str]:
    """Return the exit code and the verdict in one or more lines."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    altered = list_altered_files(folder, manifest["files"])
    notes = [f"altered since the bundle was made: {', '.join(altered)}"] if altered else []
    with tempfile.TemporaryDirectory() as place:
        url = f"sqlite:///{Path(place) / 'podium.db'}"
        run_python([python, "-c", MAKE_STORE, url], checkout)
        load_rows(folder, Path(place) / "podium.db")
        replay = run_python([python, "-m", "engine", "replay", str(manifest["tick"]), "--json", "--store", url], checkout, accepted=(0, 1, 64))
    if replay.returncode == 64:
        reason = f"the tick cannot be decided again: {replay.stderr.strip()[-400:]}"
        return (DIFFERENT if altered else NOT_VERIFIED), "\n".join([*notes, reason])
    if not replay.stdout.strip():
        raise VerificationError(f"the replay gave no result: {replay.stderr.strip()[-400:]}")
    answer = json.loads(replay.stdout)
    difference = answer["first_difference"] or compare_record(folder, answer["decisions"])
    if difference is not None:
        return DIFFERENT, "\n".join([f"DIFFERENT: first in {difference} ({answer['note']})", *notes])
    if altered:
        return DIFFERENT, "\n".join([f"DIFFERENT: tick {manifest['tick']} was decided again with the stored bits, but the bundle", *notes])
    return IDENTICAL, f"IDENTICAL: tick {manifest['tick']} was decided again, and every phase and every decision has the stored bits"


def list_altered_files(folder: Path, hashes: dict[str, str]) -> list[str]:
    """The files that are missing or whose SHA-256 is not that of the manifest, and those that the manifest does not name."""
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {"manifest.json"}
    changed = {name for name in present & set(hashes) if hashlib.sha256((folder / name).read_bytes()).hexdigest() != hashes[name]}
    return sorted(changed | (present ^ set(hashes)))


def load_rows(folder: Path, store: Path) -> None:
    """Write the rows of every table into the store."""
    connection = sqlite3.connect(store)
    try:
        connection.execute("PRAGMA foreign_keys = OFF")
        with connection:
            for path in sorted((folder / "tables").glob("*.jsonl")):
                for line in path.read_text(encoding="utf-8").splitlines():
                    insert_row(connection, folder, path.stem, json.loads(line))
    except sqlite3.Error as error:
        raise VerificationError(f"the rows do not fit the tables of this checkout: {error}; take the version that versions.json names") from error
    finally:
        connection.close()


def insert_row(connection: sqlite3.Connection, folder: Path, table: str, row: dict[str, Any]) -> None:
    """Insert one row; values of bytes are read from their files."""
    if not all(name.isidentifier() for name in (table, *row)):
        raise VerificationError(f"tables/{table}.jsonl holds a column that is no name")
    values = [read_blob(folder, value["blob"]) if isinstance(value, dict) else value for value in row.values()]
    columns = ", ".join(f'"{name}"' for name in row)
    connection.execute(f'INSERT INTO "{table}" ({columns}) VALUES ({", ".join("?" * len(row))})', values)


def read_blob(folder: Path, digest: str) -> bytes:
    """The bytes of a stored value."""
    if not digest.isalnum():
        raise VerificationError(f"{digest[:80]!r} is no digest")
    try:
        return (folder / "blobs" / f"{digest}.bin").read_bytes()
    except OSError as error:
        raise VerificationError(f"blobs/{digest}.bin cannot be read: {error.strerror or error}") from error


def compare_record(folder: Path, decisions: dict[str, Any]) -> str | None:
    """The first field of the record, as stored and as written down in record.json, that the decisions do not have; None where all are equal."""
    stored = {row["symbol"]: row for row in map(json.loads, (folder / "tables" / "decisions.jsonl").read_text(encoding="utf-8").splitlines())}
    written = json.loads((folder / "record.json").read_text(encoding="utf-8"))["decisions"]
    for name, record, fields in (("tables/decisions.jsonl", stored, EXACT), ("record.json", written, None)):
        if set(record) != set(decisions):
            return f"decision: {name} has the symbols {', '.join(sorted(record))}"
        for symbol, decision in decisions.items():
            for field in decision if fields is None else fields:
                if record[symbol].get(field) != decision[field]:
                    return f"decision: {name} says of {symbol} {field} {record[symbol].get(field)!r}, decided is {decision[field]!r}"[:400]
    return None


def run_python(command: list[str], checkout: Path, accepted: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
    """Run the checkout's code in its own directory; raises VerificationError."""
    try:
        process = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise VerificationError(f"{command[0]} could not run: {error}") from error
    if process.returncode not in accepted:
        raise VerificationError(f"the checkout {checkout} could not run: {process.stderr.strip()[-400:]}")
    return process


def verify_from_command_line() -> int:
    """Read the arguments, verify, print the verdict and return the exit code."""
    parser = argparse.ArgumentParser(description="Decides the tick of this evidence bundle again by a checkout of Podium, and compares.")
    parser.add_argument("--checkout", type=Path, required=True, metavar="DIR", help="a clean checkout of Podium")
    parser.add_argument("--python", default=sys.executable, metavar="FILE", help="a Python with the checkout's requirements; this one if not given")
    options = parser.parse_args()
    try:
        code, verdict = verify_bundle(Path(__file__).resolve().parent, options.checkout.resolve(), options.python)
    except (VerificationError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        code, verdict = NOT_VERIFIED, f"NOT VERIFIED: {error}"
    sys.stdout.write(f"{verdict}\n")
    return code


if __name__ == "__main__":
    sys.exit(verify_from_command_line())
