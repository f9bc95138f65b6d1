"""The evidence bundle of a tick: one zip with its inputs, state, models, digests and record, and a script that verifies them elsewhere."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from engine import units
from engine.domain.decision import Phase
from engine.domain.story import DecidedSummary
from engine.service import fingerprint
from engine.store.read.evidence import Rows, read_evidence_rows
from engine.store.read.history import TickHistory
from engine.story import verify
from engine.story.basis import DecidedTick, decide_stored_tick, summarise_tick

FORMAT = 1
_TIME = (1980, 1, 1, 0, 0, 0)  # of every file in the zip, so that the same tick gives the same bytes
_README = """Evidence of the decisions of tick {tick}
========================================

{words}

What is here
------------
record.json      every symbol's decision: action, reason, sizes, every gate with its value and limit
inputs.txt       this tick's bars, books, account and trading configuration, in readable form
versions.json    the platform and the versions of the models
digests.json     the digest of the result of each of the ten phases, and of the decisions
tables/, blobs/  the stored rows: this tick's inputs, the {ticks} ticks since the state they are rolled forward from, that state, the window of bars
                 before it, and the models that served
manifest.json    the SHA-256 of every file
verify.py        decides the tick again and compares

The settings of the session, which may hold addresses, are left out: no decision depends on them.

How to verify
-------------
Unpack the zip. Get a clean checkout of Podium {version}, install its requirements.txt, and run with that Python:

    python verify.py --checkout DIRECTORY

The script needs nothing but Python and that directory. It checks the files against manifest.json, writes the rows into a new store with the tables
of that checkout, lets the checkout's own engine decide the tick again, and compares every phase and every decision. Exit code 0: identical.
1: something differs, and the first phase that does is named. 2: it could not be verified, with the reason. Bits are promised on the platform of
versions.json only.
"""


@dataclass(frozen=True, slots=True)
class EvidenceBundle:
    """The bytes of the zip and whether the tick, decided again here, has the stored bits."""

    data: bytes
    is_reproduced: bool


def build_bundle(url: str, tick: int) -> EvidenceBundle:
    """Collect the evidence of a stored tick; the same tick of the same store gives the same bytes.

    Raises NotStored where the tick can no longer be decided again, StoreError where the store cannot be read.
    """
    history = TickHistory(url)
    try:
        decided = decide_stored_tick(history, tick)
        checkpoint = history.checkpoint_at_or_before(tick - 1, decided.stored.session, {})
        rows = read_evidence_rows(url, decided.stored, -1 if checkpoint is None else checkpoint[0])
        files = _describe(decided, history.fingerprint(tick), rows) | _dump_rows(rows)
    finally:
        history.close()
    files["verify.py"] = Path(verify.__file__).read_bytes()
    files["manifest.json"] = _json({"format": FORMAT, "tick": tick, "files": {name: hash_file(files[name]) for name in sorted(files)}})
    return EvidenceBundle(pack_files(files, f"podium-evidence-{tick}"), decided.is_reproduced)


def pack_files(files: Mapping[str, bytes], folder: str) -> bytes:
    """A zip of these files in a folder, with the same bytes for the same files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(f"{folder}/{name}", _TIME)
            entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, 0o644 << 16, 3
            archive.writestr(entry, files[name])
    return out.getvalue()


def hash_file(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _describe(decided: DecidedTick, platform: dict[str, str], rows: Rows) -> dict[str, bytes]:
    stored, record = decided.stored, summarise_tick(decided)
    models = [
        {name: row[name] for name in ("model", "version", "digest", "trained_from", "trained_to", "serves_from", "rows", "recipe")}
        for row in rows["artifacts"]
    ]
    reproduced = "Decided again here, every phase gave the stored bits." if decided.is_reproduced else "Decided again here, it differs."
    words = [f"{symbol}: {_sentence(summary)}" for symbol, summary in record.items()]
    digests = {"decisions": stored.decisions_digest, "phases": dict(zip((phase.value for phase in Phase), stored.phase_digests, strict=False))}
    about = _README.format(tick=stored.tick, words="\n".join([*words, "", reproduced]), ticks=len(rows["ticks"]), version=_version())
    return {
        "README.txt": about.encode(),
        "record.json": _json({"tick": stored.tick, "at": stored.at, "decided_at": stored.wall, "decisions": record}),
        "inputs.txt": _list_inputs(decided).encode(),
        "versions.json": _json({"podium": _version(), "decided_on": platform, "bundled_on": fingerprint.read_platform(), "models": models}),
        "digests.json": _json(digests),
    }


def _sentence(summary: DecidedSummary) -> str:
    about = (f"binding gate {summary.binding_gate}, " if summary.binding_gate else "") + summary.reason
    return f"{summary.action}, {about}; from {units.format_percent(summary.position, 2)} to {units.format_percent(summary.target, 2)} of equity"


def _list_inputs(decided: DecidedTick) -> str:
    """This tick's snapshot, account, events and configuration, one field a line."""
    stored = decided.stored
    lines = [f"symbols = {list(decided.session.symbols)}"]
    for title, record in (("snapshot", stored.snapshot), ("account", stored.account), ("configuration", stored.config)):
        lines += ["", f"[{title}]", *(f"{name} = {_plain(getattr(record, name))}" for name in type(record).__slots__)]
    return "\n".join([*lines, "", "[events]", *(f"{event.kind} {event.subject} {event.detail}".strip() for event in stored.events), ""])


def _plain(value: object) -> object:
    names = getattr(type(value), "__slots__", ())
    if names:
        return {name: _plain(getattr(value, name)) for name in names}
    return value.tolist() if hasattr(value, "tolist") else value


def _dump_rows(rows: Rows) -> dict[str, bytes]:
    """A file of JSON lines per table, and a file per stored value of bytes, named after its SHA-256."""
    files: dict[str, bytes] = {}
    for table, table_rows in rows.items():
        lines = []
        for row in table_rows:
            values = dict(row)
            for column, value in row.items():
                if isinstance(value, bytes | memoryview):
                    data = bytes(value)
                    values[column] = {"blob": hash_file(data)}
                    files[f"blobs/{hash_file(data)}.bin"] = data
            lines.append(orjson.dumps(values))
        files[f"tables/{table}.jsonl"] = b"".join(line + b"\n" for line in lines)
    return files


def _json(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n"


def _version() -> str:
    """The version in pyproject.toml beside the engine."""
    for line in Path(__file__).parents[2].joinpath("pyproject.toml").read_text(encoding="utf-8").splitlines():
        if line.startswith("version"):
            return line.split('"')[1]
    return "of an unknown version"
