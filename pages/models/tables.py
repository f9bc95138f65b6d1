"""Tables, tiles and sentences of the page Models."""

from __future__ import annotations

import pandas as pd

from engine import units
from engine.domain.evidence import Agreement
from engine.domain.intents import phrase_gate
from engine.store.certificate_file import StoredCertificate
from engine.store.read.models import CalibrationReport, HorizonCalibration, ObservedShare
from engine.store.read.status import EngineStatus, SessionInfo
from pages.models import charts
from pages.ui import command_table, reliability_chart, skill, tiles
from pages.ui.command_table import readable_name
from pages.ui.forest_plot import finite_or_none, iterate_rows, to_percent
from pages.ui.tables import Cell, Column, TableRow
from pages.ui.widgets import Tile

WHEN = "%m-%d %H:%M"
FULL_SIZE = 0.9995  # of the proven size, from which it counts as full
SKILL = (
    Column("Model", nowrap=True), Column("Horizon", right=True), Column("Regime"), Column("R²", right=True), Column("95 % interval", right=True),
    Column("n", right=True), Column("Effective n", right=True),
)  # fmt: skip
DECLINED = (
    Column("Gate", nowrap=True), Column("Verdict", term="declined-trade P&L"), Column("Declined-trade P&L, bps", right=True),
    Column("95 % interval", right=True),
    Column("n", right=True), Column("Effective n", right=True),
)  # fmt: skip
VOTES = (
    Column("Symbol", nowrap=True), Column("Ensemble, bps", right=True), Column("Highest", right=True, full_width=True),
    Column("Lowest", right=True, full_width=True),
    Column("Dispersion, bps", right=True), Column("Majority", right=True),
)  # fmt: skip
CHECKS = (Column("Measure", nowrap=True), Column("Value", right=True), Column("95 % interval", right=True, full_width=True), Column("n", right=True))


def build_model_tiles(
    status: EngineStatus, skill_rows: pd.DataFrame, votes: pd.DataFrame, versions: pd.DataFrame, calibration: CalibrationReport | None, horizon: int
) -> list[Tile]:
    session = status.session
    if session is None:
        return []
    serving = versions[versions["role"] == "champion"]
    majorities = [symbol.majority for symbol in measure_dispersion(votes, horizon) if symbol.majority is not None]
    read = tiles.describe_part(votes["symbol"].nunique(), len(session.symbols), "symbol") if len(votes) else ""
    agreed = f"{majorities.count(1.0)} of {len(majorities)} symbols" if majorities else units.NOT_ENOUGH
    part = None if calibration is None else next((part for part in calibration.horizons if part.horizon == horizon), None)
    return [
        Tile("Models serving", f"{len(serving)} of {len(session.models)}", "none is trained yet" if serving.empty else _newest(serving)),
        *skill.build_skill_tiles(skill_rows, horizon),
        Tile(
            "Full agreement",
            agreed,
            f"all active models on one side, {units.format_count(horizon, 'bar')} ahead{read}",
            term="majority",
        ),
        _brier(part),
        _coverage(part, 0.8),
        _coverage(part, 0.9),
    ]


class Dispersion:
    """The dispersion of the models' forecasts for one symbol."""

    __slots__ = ("active", "deviation", "ensemble", "high", "low", "majority", "symbol")

    def __init__(self, symbol: str, votes: pd.DataFrame) -> None:
        ensemble = votes[votes["model"] == charts.ENSEMBLE]
        active = votes[(votes["model"] != charts.ENSEMBLE) & votes["bps"].notna()].sort_values("bps")
        models, forecasts = active["model"].tolist(), active["bps"].tolist()
        self.symbol = symbol
        self.ensemble = None if ensemble.empty else finite_or_none(ensemble["bps"].iloc[0])
        self.deviation = None if ensemble.empty else finite_or_none(ensemble["disagreement"].iloc[0])
        self.active = len(active)
        self.low = (str(models[0]), float(forecasts[0])) if models else None
        self.high = (str(models[-1]), float(forecasts[-1])) if models else None
        up = sum(forecast > 0 for forecast in forecasts)
        self.majority = max(up, len(active) - up) / len(active) if len(active) > 1 else None  # share of the larger side


def measure_dispersion(votes: pd.DataFrame, horizon: int) -> list[Dispersion]:
    part = votes[votes["horizon"] == horizon]
    return [Dispersion(str(symbol), group) for symbol, group in part.groupby("symbol", sort=False)]


def list_dispersion(votes: pd.DataFrame, horizon: int) -> list[TableRow]:
    """Return a row per symbol, the largest dispersion first."""
    return [
        TableRow(
            symbol.symbol,
            (
                symbol.symbol, units.format_number(symbol.ensemble, 1, signed=True), _extreme(symbol.high), _extreme(symbol.low),
                units.format_number(symbol.deviation, 1),
                Cell(units.format_percent(symbol.majority, 0, missing=units.NOT_ENOUGH), small=f"of {symbol.active}"),
            ),
        )
        for symbol in sorted(measure_dispersion(votes, horizon), key=lambda symbol: -(symbol.deviation or 0.0))
    ]  # fmt: skip


def describe_selection(calibration: CalibrationReport) -> str:
    """Describe whether models are excluded, and the measured benefit of that."""
    if calibration.selection_gain is None:
        return f"All models are active: {units.NOT_ENOUGH} on the benefit of excluding any."
    r2, low, high, n = calibration.selection_gain
    verdict = (
        "Models predicted to harm the forecast are excluded: a proven benefit"
        if low > 0
        else "All models are active: excluding any has no proven benefit"
    )
    band = units.format_interval(100.0 * low, 100.0 * high, 3)
    return f"{verdict}, {units.format_percent(r2, 3, signed=True)} of R² ({band}, n={n:,}) over all horizons."


def list_skill(frame: pd.DataFrame) -> list[TableRow]:
    lines = []
    for row in iterate_rows(frame):
        band = units.format_interval(to_percent(row.low), to_percent(row.high), 2, "%")
        cells = (
            row.model, units.format_count(int(row.horizon), "bar"), f"{row.regime}, recent" if row.scope == "recent" else row.regime,
            units.format_percent(finite_or_none(row.r2), 2, signed=True, missing=units.NOT_ENOUGH),
            "" if band == units.NOT_ENOUGH else band, f"{int(row.n):,}", units.format_number(finite_or_none(row.n_effective)),
        )  # fmt: skip
        is_total = row.regime == "all" and row.model == charts.ENSEMBLE
        lines.append(TableRow(f"{row.scope} {row.model} {row.horizon} {row.regime}", cells, highlighted=is_total))
    return lines


def describe_retraining(command: pd.Series) -> str:
    """Describe the newest retraining that was requested, with its result."""
    result = command_table.describe_result(command["result"]) or "waiting for the engine"
    reason = command["reason"] or "no reason given"
    return f"Last retraining requested {units.format_time(int(command['at']))} UTC by {command['by']}: {reason}. Result: {result}."


def describe_stored_certificate(certificate: StoredCertificate) -> str:
    """Describe the newest certificate of no look-ahead."""
    tried = f"{certificate.decisions:,} decisions tried, {certificate.changed:,} changed"
    verdict = "No look-ahead" if certificate.part is None else f"Look-ahead in {certificate.part}"
    ticks = units.format_count(certificate.ticks, "random tick")
    when = units.format_time(certificate.certified_at)
    return f"{verdict}: {tried} when the future was replaced after {ticks} of {certificate.recording}, {when} UTC (python -m engine certify)."


def describe_succession(frame: pd.DataFrame, agreements: dict[int, Agreement], inherited: float | None, session: SessionInfo) -> str:
    """Describe the agreement of the serving versions with those whose skill is proven, and the size they may use."""
    starts = [int(start) for start in frame.loc[frame["role"] == "champion", "serves_from"]]
    newest = next((agreements[start] for start in sorted(starts, reverse=True) if start in agreements), None)
    if newest is None:
        return ""
    values = ", ".join(
        f"{units.format_number(finite_or_none(value), 2, missing=units.NOT_ENOUGH)} over {units.format_count(horizon, 'bar')}"
        for value, horizon in zip(newest.with_record.tolist(), session.horizons, strict=False)
    )
    what = f"Agreement with the versions whose skill is proven: {values}, on {newest.rows:,} rows"
    if inherited is None:
        return f"{what}. No skill is proven now, so there is no size to inherit."
    if inherited >= FULL_SIZE:
        return f"{what}. The new versions serve at full size."
    return f"{what}. Their size is reduced to {units.format_percent(inherited, 0)} until their own record allows more."


def list_declined_trades(frame: pd.DataFrame) -> list[TableRow]:
    lines = []
    for row in iterate_rows(frame):
        word, colour = charts.judge_gate(row.low, row.high)
        band = units.format_interval(finite_or_none(row.low), finite_or_none(row.high), 1, "bps")
        cells = (
            phrase_gate(row.gate), Cell(word, colour), units.format_number(finite_or_none(row.mean_bps), 1, signed=True),
            "" if band == units.NOT_ENOUGH else band, f"{int(row.n):,}", units.format_number(finite_or_none(row.n_effective)),
        )  # fmt: skip
        lines.append(TableRow(row.gate, cells))
    return lines


def list_calibration(part: HorizonCalibration) -> list[TableRow]:
    """Return Brier score, reliability, coverage and sharpness, each with its interval and n."""
    n = f"{part.n:,}"
    band = units.format_interval(part.brier_low, part.brier_high, 4)
    lines = [
        TableRow("brier", ("Brier score", units.format_number(part.brier, 4, missing=units.NOT_ENOUGH), band, n)),
        TableRow("naive", ("Brier score of a constant 50 %", units.format_number(part.brier_naive, 4, missing=units.NOT_ENOUGH), "", n)),
    ]
    for bin_ in part.bins:
        observed = bin_.observed
        share = units.format_percent(observed.share) if observed.n >= reliability_chart.MIN_ROWS else units.NOT_ENOUGH
        lines.append(
            TableRow(f"bin {bin_.stated}", (f"stated {units.format_percent(bin_.stated)}, rose", share, _interval(observed), f"{observed.n:,}"))
        )
    for level, regime, covered in part.coverage:
        name = f"{units.format_percent(level, 0)} interval coverage" + ("" if regime == "all" else f", {regime}")
        share = units.format_percent(covered.share, missing=units.NOT_ENOUGH)
        lines.append(TableRow(f"{level} {regime}", (name, share, _interval(covered), f"{covered.n:,}"), highlighted=regime == "all"))
    for level, gain in part.winkler_gain:
        name, share = f"{units.format_percent(level, 0)} interval, Winkler score", units.format_percent(gain, signed=True, missing=units.NOT_ENOUGH)
        lines.append(TableRow(f"winkler {level}", (name, share, "better than intervals of constant width", "")))
    return lines


def _interval(share: ObservedShare) -> str:
    band = units.format_interval(to_percent(share.low), to_percent(share.high), 1, "%")
    return "" if band == units.NOT_ENOUGH and share.share is None else band


def _newest(serving: pd.DataFrame) -> str:
    newest = serving.sort_values("serves_from").iloc[-1]
    return f"newest {newest['version']}, serving from tick {int(newest['serves_from']):,}"


def _brier(part: HorizonCalibration | None) -> Tile:
    if part is None or part.brier is None:
        return Tile("Brier score", units.NOT_ENOUGH, "no checkpoint with scored forecasts yet")
    band = units.format_interval(part.brier_low, part.brier_high, 4)
    return Tile(
        "Brier score", units.format_number(part.brier, 4), f"95 %: {band}, n={part.n:,}; always 50 %: {units.format_number(part.brier_naive, 4)}"
    )


def _coverage(part: HorizonCalibration | None, level: float) -> Tile:
    label = f"Coverage, {units.format_percent(level, 0)} interval"
    share = None if part is None else next((share for at, regime, share in part.coverage if at == level and regime == "all"), None)
    if share is None or share.share is None:
        return Tile(label, units.NOT_ENOUGH, "no scored forecast yet")
    return Tile(
        label,
        units.format_percent(share.share),
        f"95 %: {units.format_interval(to_percent(share.low), to_percent(share.high), 1, '%')}, n={share.n:,}",
    )


def _extreme(vote: tuple[str, float] | None) -> Cell:
    return Cell(units.MISSING) if vote is None else Cell(units.format_number(vote[1], 1, signed=True), small=readable_name(vote[0]))
