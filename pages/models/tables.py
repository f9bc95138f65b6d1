"""The tables and tiles of Models."""

from __future__ import annotations

from typing import Any

import pandas as pd

from engine import units
from engine.domain.intents import phrase_gate
from engine.domain.succession import Agreement
from engine.store.read.models import CalibrationReport, HorizonCalibration, ObservedShare
from engine.store.read.status import EngineStatus, SessionInfo
from pages.models import charts
from pages.ui import ages, theme
from pages.ui import skill as ui_skill
from pages.ui.forest_plot import finite_or_none, iterate_rows, to_percent
from pages.ui.tables import Cell, Column, TableRow, render_table
from pages.ui.widgets import Tile

WHEN = "%m-%d %H:%M"
FULL_SIZE = 0.9995  # of the proven size, from which on it counts as all of it
SKILL = (
    Column("Model", nowrap=True), Column("Horizon", right=True), Column("Regime"), Column("R²", right=True), Column("95 % interval", right=True),
    Column("n", right=True), Column("Effective n", right=True),
)  # fmt: skip
VERSIONS = (
    Column("Version", nowrap=True), Column("Role"), Column("Age", right=True), Column("Learned from bars", right=True, full_width=True),
    Column("Rows", right=True),
    Column("Trained in", right=True), Column("Serves from", right=True), Column("Agreement", right=True, full_width=True),
    Column("Skill now (R²)", right=True, full_width=True),
    Column("Digest", nowrap=True),
)  # fmt: skip
DECLINED = (
    Column("Gate", nowrap=True), Column("Verdict"), Column("A declined trade, bps", right=True), Column("95 % interval", right=True),
    Column("n", right=True), Column("Effective n", right=True),
)  # fmt: skip
VOTES = (
    Column("Symbol", nowrap=True), Column("Ensemble, bps", right=True), Column("Highest", right=True, full_width=True),
    Column("Lowest", right=True, full_width=True),
    Column("Apart, bps", right=True), Column("Same side", right=True),
)  # fmt: skip
CHECKS = (Column("Check", nowrap=True), Column("Figure", right=True), Column("95 % interval", right=True, full_width=True), Column("n", right=True))


def build_model_tiles(
    status: EngineStatus, skill: pd.DataFrame, votes: pd.DataFrame, versions: pd.DataFrame, checked: CalibrationReport | None, horizon: int
) -> list[Tile]:
    session = status.session
    if session is None:
        return []
    serving = versions[versions["role"] == "champion"]
    now = [one for one in measure_dispersion(votes, horizon) if one.majority is not None]
    agreed = f"{sum(one.majority == 1.0 for one in now)} of {len(now)} symbols" if now else units.NOT_ENOUGH
    told = next((one for one in checked.horizons if one.horizon == horizon), None) if checked is not None else None
    return [
        Tile("Models serving", f"{len(serving)} of {len(session.models)}", "none is trained yet" if serving.empty else _newest(serving)),
        *ui_skill.build_skill_tiles(skill, horizon),
        Tile("All on one side", agreed, f"of the models heard now, {units.format_count(horizon, 'bar')} ahead"),
        _brier(told),
        _covered(told, 0.8),
        _covered(told, 0.9),
    ]


class Dispersion:
    """How far the models are apart on one symbol now."""

    __slots__ = ("deviation", "ensemble", "active", "high", "low", "majority", "symbol")

    def __init__(self, symbol: str, part: pd.DataFrame) -> None:
        whole, told = part[part["model"] == charts.ENSEMBLE], part[(part["model"] != charts.ENSEMBLE) & part["bps"].notna()]
        self.symbol = symbol
        self.ensemble, self.deviation = (
            (None, None) if whole.empty else (finite_or_none(whole["bps"].iloc[0]), finite_or_none(whole["disagreement"].iloc[0]))
        )
        self.active = len(told)
        ordered = told.sort_values("bps")
        self.low = None if told.empty else (str(ordered["model"].iloc[0]), float(ordered["bps"].iloc[0]))
        self.high = None if told.empty else (str(ordered["model"].iloc[-1]), float(ordered["bps"].iloc[-1]))
        up = int((told["bps"] > 0).sum())
        self.majority = max(up, len(told) - up) / len(told) if len(told) > 1 else None  # share of the larger side


def measure_dispersion(votes: pd.DataFrame, horizon: int) -> list[Dispersion]:
    part = votes[votes["horizon"] == horizon]
    return [Dispersion(str(symbol), group) for symbol, group in part.groupby("symbol", sort=False)]


def list_dispersion(votes: pd.DataFrame, horizon: int) -> list[TableRow]:
    """A row a symbol, those first on which the models are furthest apart."""
    lines = []
    for one in sorted(measure_dispersion(votes, horizon), key=lambda one: -(one.deviation or 0.0)):
        cells = (
            one.symbol, units.format_number(one.ensemble, 1, signed=True), _extreme(one.high), _extreme(one.low), units.format_number(one.deviation, 1),
            Cell(units.format_percent(one.majority, 0, missing=units.NOT_ENOUGH), small=f"of {one.active}"),
        )  # fmt: skip
        lines.append(TableRow(one.symbol, cells))
    return lines


def describe_selection(told: CalibrationReport) -> str:
    """Whether models are silenced, and what that has been worth."""
    if told.silencing is None:
        return f"All models are heard: {units.NOT_ENOUGH} on what silencing any would be worth."
    r2, low, high, n = told.silencing
    who = "Models predicted to do harm are silenced, as that has paid" if low > 0 else "All models are heard, as silencing any is not proved to pay"
    return f"{who}: {units.format_percent(r2, 3, signed=True)} of R² ({units.format_interval(100.0 * low, 100.0 * high, 3, '%')}, n={n:,}) over all horizons."


def list_skill(frame: pd.DataFrame) -> list[TableRow]:
    lines = []
    for one in iterate_rows(frame):
        band = units.format_interval(to_percent(one.low), to_percent(one.high), 2, "%")
        cells = (
            one.model, units.format_count(int(one.horizon), "bar"), f"{one.regime}, recent" if one.scope == "recent" else one.regime,
            units.format_percent(finite_or_none(one.r2), 2, signed=True, missing=units.NOT_ENOUGH),
            "" if band == units.NOT_ENOUGH else band, f"{int(one.n):,}", units.format_number(finite_or_none(one.n_effective)),
        )  # fmt: skip
        lines.append(
            TableRow(f"{one.scope} {one.model} {one.horizon} {one.regime}", cells, highlighted=one.regime == "all" and one.model == charts.ENSEMBLE)
        )
    return lines


def describe_succession(frame: pd.DataFrame, compared: dict[int, Agreement], inherited: float | None, session: SessionInfo) -> str:
    """How far the versions that serve agree with those whose skill is proven, and what size that leaves them."""
    starts = [int(start) for start in frame.loc[frame["role"] == "champion", "serves_from"]]
    found = next((compared[start] for start in sorted(starts, reverse=True) if start in compared), None)
    if found is None:
        return ""
    figures = ", ".join(
        f"{units.format_number(finite_or_none(value), 2, missing=units.NOT_ENOUGH)} over {units.format_count(horizon, 'bar')}"
        for value, horizon in zip(found.with_record.tolist(), session.horizons, strict=False)
    )
    what = f"Agreement of the ensemble with the versions whose record sizes positions: {figures}, on {found.rows:,} rows"
    if inherited is None:
        return f"{what}; no skill is proven now, so there is no size to inherit."
    if inherited >= FULL_SIZE:
        return f"{what}; it serves at full size."
    return f"{what}; its size is reduced to {units.format_percent(inherited, 0)} until its own record allows more."


def list_versions(
    frame: pd.DataFrame, told: pd.DataFrame, session: SessionInfo, tick: int, now: int, compared: dict[int, Agreement] | None = None
) -> list[TableRow]:
    """Every version that is kept, with what its model's forecasts came to; that figure belongs to the model, so only what serves has it."""
    first = session.horizons[0]
    whole = told[(told["regime"] == "all") & (told["horizon"] == first)].set_index("model") if len(told) else told
    lines = []
    for one in iterate_rows(frame):
        serves = one.role == "champion" and one.model in getattr(whole, "index", ())
        cells = (
            Cell(one.version, charts.model_colour(one.model, session.models)), Cell(one.role, theme.state_colour(one.role)),
            ages.ticking_age(int(one.trained_at), now), f"{int(one.trained_from):,} to {int(one.trained_to):,}", f"{int(one.rows):,}",
            units.format_ms(one.seconds * 1e3) if units.is_known(one.seconds) else units.MISSING, _serves(one, tick),
            _agreement((compared or {}).get(int(one.serves_from)), str(one.version)),
            _figure(whole.loc[one.model]) if serves else "", one.digest[:12],
        )  # fmt: skip
        lines.append(TableRow(str(one.id), cells))
    return lines


def render_versions(lines: list[TableRow]) -> str:
    return render_table(VERSIONS, lines, label="Versions of the models")


def list_declined_trades(frame: pd.DataFrame) -> list[TableRow]:
    lines = []
    for one in iterate_rows(frame):
        word, colour = charts.judge_gate(one.low, one.high)
        band = units.format_interval(finite_or_none(one.low), finite_or_none(one.high), 1, "bps")
        cells = (
            phrase_gate(one.gate), Cell(word, colour), units.format_number(finite_or_none(one.mean_bps), 1, signed=True), "" if band == units.NOT_ENOUGH else band,
            f"{int(one.n):,}", units.format_number(finite_or_none(one.n_effective)),
        )  # fmt: skip
        lines.append(TableRow(one.gate, cells))
    return lines


def list_calibration(told: HorizonCalibration) -> list[TableRow]:
    """Brier score, coverage and sharpness, each with what it rests on."""
    lines = [
        TableRow(
            "brier",
            (
                "Brier score",
                units.format_number(told.brier, 4, missing=units.NOT_ENOUGH),
                units.format_interval(told.brier_low, told.brier_high, 4),
                f"{told.n:,}",
            ),
        ),
        TableRow(
            "naive", ("Brier score of always saying 50 %", units.format_number(told.brier_naive, 4, missing=units.NOT_ENOUGH), "", f"{told.n:,}")
        ),
    ]
    for part in told.bins:
        one = part.observed
        share = units.format_percent(one.share) if one.n >= charts.MIN_ROWS else units.NOT_ENOUGH
        lines.append(TableRow(f"bin {part.stated}", (f"said {units.format_percent(part.stated)}, rose", share, _band(one), f"{one.n:,}")))
    for level, regime, one in told.coverage:
        where = "" if regime == "all" else f", {regime}"
        share = units.format_percent(one.share, missing=units.NOT_ENOUGH)
        lines.append(
            TableRow(
                f"{level} {regime}",
                (f"{units.format_percent(level, 0)} interval held{where}", share, _band(one), f"{one.n:,}"),
                highlighted=regime == "all",
            )
        )
    for level, gain in told.winkler_gain:
        figure = units.format_percent(gain, signed=True, missing=units.NOT_ENOUGH)
        lines.append(
            TableRow(
                f"winkler {level}",
                (f"{units.format_percent(level, 0)} interval, Winkler score", figure, "better than intervals of constant width", ""),
            )
        )
    return lines


def _band(one: ObservedShare) -> str:
    band = units.format_interval(to_percent(one.low), to_percent(one.high), 1, "%")
    return "" if band == units.NOT_ENOUGH and one.share is None else band


def _newest(serving: pd.DataFrame) -> str:
    newest = serving.sort_values("serves_from").iloc[-1]
    return f"newest {newest['version']}, serving from tick {int(newest['serves_from']):,}"


def _brier(told: HorizonCalibration | None) -> Tile:
    if told is None or told.brier is None:
        return Tile("Brier score", units.NOT_ENOUGH, "needs a checkpoint with forecasts that came due")
    return Tile(
        "Brier score",
        units.format_number(told.brier, 4),
        f"95 %: {units.format_interval(told.brier_low, told.brier_high, 4)}, n={told.n:,}; always 50 %: {units.format_number(told.brier_naive, 4)}",
    )


def _covered(told: HorizonCalibration | None, level: float) -> Tile:
    label = f"{units.format_percent(level, 0)} interval held"
    one = next((share for at, regime, share in told.coverage if at == level and regime == "all"), None) if told is not None else None
    if one is None or one.share is None:
        return Tile(label, units.NOT_ENOUGH, "of what came due")
    return Tile(
        label, units.format_percent(one.share), f"95 %: {units.format_interval(to_percent(one.low), to_percent(one.high), 1, '%')}, n={one.n:,}"
    )


def _serves(one: Any, tick: int) -> str:
    left = int(one.serves_from) - tick
    return f"tick {int(one.serves_from):,}" + (f", in {units.format_count(left, 'bar')}" if one.role == "challenger" else "")


def _agreement(found: Agreement | None, version: str) -> Cell:
    """The lowest over the horizons; a first version has none to agree with."""
    values = [value for name, each_horizon in found.models if name == version for value in each_horizon.tolist()] if found is not None else []
    if found is None or not values:
        return Cell(units.MISSING)
    lowest = min(values, key=lambda value: -2.0 if value != value else value)  # noqa: PLR0124 what is not known comes first
    return Cell(units.format_number(finite_or_none(lowest), 2, signed=True, missing=units.NOT_ENOUGH), small=f"{found.rows:,} rows")


def _figure(one: pd.Series) -> Cell:
    if finite_or_none(one["r2"]) is None:
        return Cell(units.NOT_ENOUGH, small=f"n={int(one['n']):,}")
    band = units.format_interval(to_percent(one["low"]), to_percent(one["high"]), 2, "%")
    return Cell(units.format_percent(finite_or_none(one["r2"]), 2, signed=True), small=f"{band}, n={int(one['n']):,}")


def _extreme(one: tuple[str, float] | None) -> Cell:
    return Cell(units.MISSING) if one is None else Cell(units.format_number(one[1], 1, signed=True), small=one[0])
