"""The table of the models' versions, with what is known of each beside what is stored."""

from __future__ import annotations

from typing import Any

import pandas as pd

from engine import units
from engine.domain.evidence import Agreement
from engine.store.read.history_tables import VERSIONS as STORED
from engine.store.read.status import SessionInfo
from pages.models import charts
from pages.ui import ages, cache, theme
from pages.ui.forest_plot import finite_or_none, to_percent
from pages.ui.history_table import HistoryView, ShownColumn
from pages.ui.tables import Cell, Column

NEWEST = 192  # versions of each model whose role is looked up; an older version is retired
VERSIONS = (
    Column("Version", nowrap=True), Column("Role"), Column("Age", right=True), Column("Training bars", right=True, full_width=True),
    Column("Rows", right=True), Column("Training time", right=True), Column("Serves from", right=True),
    Column("Agreement", right=True, full_width=True, term="agreement of a version"),
    Column("Skill (R²)", right=True, full_width=True),
    Column("Digest", nowrap=True),
)  # fmt: skip


def build_version_view(session: SessionInfo, tick: int, now: int) -> HistoryView:
    """Return the table of versions as of the newest tick; skill belongs to the model, so only the serving version shows it."""
    cells = (
        lambda row: Cell(row.version, charts.model_colour(row.model, session.models)),
        lambda row: Cell(row.role, theme.state_colour(row.role)),
        lambda row: ages.ticking_age(int(row.trained_at), now),
        lambda row: f"{int(row.trained_from):,} to {int(row.trained_to):,}",
        lambda row: f"{int(row.rows):,}",
        lambda row: units.format_duration(finite_or_none(row.seconds)),
        lambda row: _serves_from(row, tick),
        lambda row: row.agreement,
        lambda row: row.skill,
        lambda row: row.digest[:12],
    )
    return HistoryView(
        STORED,
        (
            *(ShownColumn(name, head, cell) for name, head, cell in zip(STORED.default, VERSIONS, cells, strict=True)),
            ShownColumn("origin", Column("Origin", full_width=True), lambda row: row.origin or units.MISSING),
        ),
        row_id=lambda row: str(row.id),
        noun="version",
        empty="no model has been trained yet",
        label="Versions of the models",
        enrich=lambda frame: add_facts(frame, session),
    )


def add_facts(frame: pd.DataFrame, session: SessionInfo) -> pd.DataFrame:
    """Add role, agreement and skill, the latter two as cells."""
    if frame.empty:
        return frame
    newest = cache.fetch_versions(NEWEST)
    roles = dict(zip(newest["id"].tolist(), newest["role"].tolist(), strict=True))
    skill, agreements = cache.fetch_skill(), cache.fetch_version_agreement(frame)
    totals = skill[(skill["regime"] == "all") & (skill["horizon"] == session.horizons[0])].set_index("model") if len(skill) else skill
    known = set(getattr(totals, "index", ()))
    role = [roles.get(number, "retired") for number in frame["id"].tolist()]
    agreement = [
        _agreement(agreements.get(start), version) for start, version in zip(frame["serves_from"].tolist(), frame["version"].tolist(), strict=True)
    ]
    shown = [
        _skill(totals.loc[model]) if kind == "champion" and model in known else "" for model, kind in zip(frame["model"].tolist(), role, strict=True)
    ]
    index = frame.index
    return frame.assign(role=role, agreement=pd.Series(agreement, index, dtype=object), skill=pd.Series(shown, index, dtype=object))


def _serves_from(row: Any, tick: int) -> str:
    left = int(row.serves_from) - tick
    return f"tick {int(row.serves_from):,}" + (f", in {units.format_count(left, 'bar')}" if row.role == "challenger" and left > 0 else "")


def _agreement(agreement: Agreement | None, version: str) -> Cell:
    """Return the lowest agreement over the horizons; a first version has nothing to agree with."""
    values = [] if agreement is None else [value for name, by_horizon in agreement.models if name == version for value in by_horizon.tolist()]
    if agreement is None or not values:
        return Cell(units.MISSING)
    lowest = min(values, key=lambda value: -2.0 if value != value else value)  # noqa: PLR0124 an unknown value comes first
    return Cell(units.format_number(finite_or_none(lowest), 2, signed=True, missing=units.NOT_ENOUGH), small=f"{agreement.rows:,} rows")


def _skill(row: pd.Series) -> Cell:
    n = f"n={int(row['n']):,}"
    if finite_or_none(row["r2"]) is None:
        return Cell(units.NOT_ENOUGH, small=n)
    band = units.format_interval(to_percent(row["low"]), to_percent(row["high"]), 2, "%")
    return Cell(units.format_percent(finite_or_none(row["r2"]), 2, signed=True), small=f"{band}, {n}")
