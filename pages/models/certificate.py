"""The checks for look-ahead on the page Models: in idle time, by file, and by the command line."""

from __future__ import annotations

from engine import units
from engine.store import certificate_file
from engine.store.read.certified import AHEAD, CLEAN, UNCHECKED, CertifiedFile, IdleCertificate
from engine.store.read.status import EngineStatus
from pages.models import tables
from pages.ui import ages, cache, recording_cache, widgets
from pages.ui.tables import Column, TableRow

FILES = (Column("File", nowrap=True), Column("Look-ahead"), Column("Decisions checked", right=True))
STATES = {UNCHECKED: "not checked yet", CLEAN: "none", AHEAD: "looks ahead: not used until the file changes"}


def show_certificates(status: EngineStatus) -> None:
    """Show the totals of idle time with every file, and the newest certificate of the command line."""
    certificate = recording_cache.fetch_idle_certificate()
    if certificate is not None and status.session is not None:
        widgets.show_heading("No look-ahead", "tested in idle time: the future is replaced and every decision is made again")
        widgets.show_note(describe_totals(certificate, cache.current_time()))
        widgets.show_table(FILES, list_files(certificate), label="Files of features and models, and whether they look ahead")
    by_hand = certificate_file.read_certificate(cache.backtest_folder(status))
    if by_hand is not None:
        widgets.show_note(tables.describe_stored_certificate(by_hand))


def describe_totals(certificate: IdleCertificate, now: int) -> str:
    """Describe what was checked in this session."""
    unchecked = sum(file.state == UNCHECKED for file in certificate.files)
    files = f" {units.format_count(unchecked, 'file')} not checked yet." if unchecked else ""
    if not certificate.is_on:
        return f"Checks in idle time are off (certify_cpu_share is 0).{files}"
    reason = f" The last check was abandoned: {certificate.note}." if certificate.note else ""
    if certificate.checked_at is None:
        return f"No decision checked yet: the first check needs idle time.{reason}{files}"
    tried = f"{certificate.decisions:,} decisions tried, {certificate.changed:,} changed"
    return f"{tried}, last checked {ages.ticking_age(certificate.checked_at, now)} ago, on {certificate.source}.{reason}{files}"


def list_files(certificate: IdleCertificate) -> list[TableRow]:
    """Return a row per file: those that look ahead first, then the unchecked ones."""
    order = {AHEAD: 0, UNCHECKED: 1, CLEAN: 2}
    return [_build_row(file) for file in sorted(certificate.files, key=lambda file: (order.get(file.state, 1), file.part))]


def _build_row(file: CertifiedFile) -> TableRow:
    verdict = STATES.get(file.state, file.state) + (f" ({file.detail})" if file.detail else "")
    return TableRow(file.part, (file.part, verdict, f"{file.decisions:,}" if file.decisions else units.NOT_MEASURED))
