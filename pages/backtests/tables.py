"""What backtests came to, as tables: a row a run in the list, a column a run where they are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from engine import units
from engine.store.backtest_files import StoredBacktest
from pages.backtests import form
from pages.ui import theme
from pages.ui.forest_plot import finite_or_none
from pages.ui.tables import Cell, Column, TableRow, render_table

LETTERS = "ABCDEF"
LIST = (
    Column("When", nowrap=True), Column("Market", nowrap=True), Column("Asked for", full_width=True), Column("Why", full_width=True),
    Column("Decisions", right=True),
    Column("Net", right=True), Column("Buy, hold", right=True), Column("Skill (R²)", right=True, full_width=True), Column("Trades", right=True),
    Column("Took", right=True),
)  # fmt: skip


def render_backtests(found: Sequence[StoredBacktest], opened: Sequence[str]) -> str:
    lines = []
    for one in found:
        told = one.report
        cells = (
            units.format_time(one.at, "%m-%d %H:%M"), form.describe_market(one), form.describe_settings(one), Cell(one.reason, small=f"by {one.by}"),
            units.format_number(get_number(told, "decisions")), units.format_percent(get_number(told, "portfolio", "net_return"), 2, signed=True),
            units.format_percent(get_number(told, "portfolio", "benchmark_return"), 2, signed=True), format_skill(told, "ensemble"),
            units.format_number(get_number(told, "portfolio", "trades")), units.format_age(get_number(told, "wall_seconds")),
        )  # fmt: skip
        lines.append(TableRow(one.name, cells, highlighted=one.name in opened))
    return render_table(LIST, lines, label="Backtests that are kept")


def build_run_columns(chosen: Sequence[StoredBacktest]) -> tuple[Column, ...]:
    return (Column("", nowrap=True, full_width=True), *(Column(name_run(place, chosen), right=True, wrap=True) for place in range(len(chosen))))


def name_run(place: int, chosen: Sequence[StoredBacktest]) -> str:
    """A short name for a run on this page; none is needed where there is one run."""
    return LETTERS[place] if len(chosen) > 1 else ""


def list_comparison(chosen: Sequence[StoredBacktest]) -> list[TableRow]:
    """A row a figure; the first rows say what each run was."""
    return [TableRow(label, (label, *(told(one) for one in chosen)), highlighted=label in _MARKED) for label, told in _FIGURES]


def format_skill(report: dict[str, Any], model: str, horizon: int | None = None) -> Cell:
    """R2 with its interval and n, or that there is not enough data."""
    told = get_skill(report, model, horizon)
    r2 = told.get("r2")
    n = f"n={int(told['n']):,}" if units.is_known(told.get("n")) else "n=0"
    if not units.is_known(r2):
        return Cell(units.NOT_ENOUGH, small=n)
    low, high = (None if value is None else value * 100 for value in (get_number(told, "low"), get_number(told, "high")))
    return Cell(units.format_percent(r2, 2, signed=True), small=f"{units.format_interval(low, high, 2, '%')}, {n}")


def get_skill(report: dict[str, Any], model: str, horizon: int | None = None) -> dict[str, Any]:
    told = as_mapping(as_mapping(report.get("skill")).get(model))
    return told if horizon is None else as_mapping(as_mapping(told.get("by_horizon")).get(str(horizon)))


def get_number(report: dict[str, Any], *path: str) -> float | None:
    """A figure of the report by its path; None where it was not measured."""
    told: Any = report
    for part in path:
        told = as_mapping(told).get(part)
    return finite_or_none(told)


def as_mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def get_equity_curve(one: StoredBacktest) -> list[tuple[int, float | None, float | None]]:
    """Equity and that of buying and holding through the run: ns UTC, and the two; [] where the report has none."""
    told = one.report.get("equity")
    points = [point for point in told if isinstance(point, list) and len(point) == 3 and units.is_known(point[0])] if isinstance(told, list) else []
    return [(int(at), finite_or_none(equity), finite_or_none(naive)) for at, equity, naive in points]


def list_horizons(chosen: Sequence[StoredBacktest]) -> list[int]:
    """Every horizon that one of them scored, in bars."""
    return sorted(
        {
            int(key)
            for one in chosen
            for told in as_mapping(one.report.get("skill")).values()
            for key in as_mapping(as_mapping(told).get("by_horizon"))
            if key.isdigit()
        }
    )


def list_models(chosen: Sequence[StoredBacktest]) -> list[str]:
    """The ensemble, then every model that one of them heard."""
    return list(dict.fromkeys(model for one in chosen for model in as_mapping(one.report.get("skill"))))


def rank_gates(chosen: Sequence[StoredBacktest]) -> Iterator[tuple[str, list[float | None]]]:
    """Every gate that bound, with the share of decisions it bound in each run; the largest first."""
    found = []
    for gate in dict.fromkeys(gate for one in chosen for gate in as_mapping(one.report.get("binding_gates"))):
        counts = [(get_number(one.report, "binding_gates", gate) or 0.0, get_number(one.report, "decisions")) for one in chosen]
        found.append((gate, [count / whole if whole else None for count, whole in counts]))
    return iter(sorted(found, key=lambda told: -max(share or 0.0 for share in told[1])))


def _percent(*path: str, digits: int = 2, signed: bool = True) -> Callable[[StoredBacktest], str]:
    return lambda one: units.format_percent(get_number(one.report, *path), digits, signed=signed, missing=units.NOT_ENOUGH)


def _plain(*path: str, digits: int = 0, unit: str = "", missing: str = units.NOT_ENOUGH) -> Callable[[StoredBacktest], str]:
    return lambda one: units.format_number(get_number(one.report, *path), digits, unit, missing=missing)


def _span(one: StoredBacktest) -> str:
    points = get_equity_curve(one)
    ends = [at for at, _, _ in points[:1] + points[-1:]]
    return " to ".join(units.format_time(at, "%Y-%m-%d %H:%M") for at in ends) + " UTC" if ends else units.MISSING


def _symbols(one: StoredBacktest) -> Cell:
    told = [str(symbol) for symbol in one.report.get("symbols") or []]
    return Cell(units.format_count(len(told), "symbol"), small=", ".join(told[:4]) + (" ..." if len(told) > 4 else ""))


def _actions(one: StoredBacktest) -> str:
    return ", ".join(f"{units.format_number(get_number(one.report, 'actions', word))} {word}" for word in ("buy", "sell", "hold"))


def _brier(one: StoredBacktest) -> Cell:
    n = get_number(one.report, "calibration", "n")
    naive = units.format_number(get_number(one.report, "calibration", "brier_naive"), 4, missing=units.NOT_ENOUGH)
    return Cell(
        units.format_number(get_number(one.report, "calibration", "brier"), 4, missing=units.NOT_ENOUGH),
        small=f"always 50 %: {naive}" + ("" if n is None else f", n={int(n):,}"),
    )


def _sharpe(one: StoredBacktest) -> Cell:
    """With the length of the year behind it; runs of before version 0.4 took 365 days."""
    days = get_number(one.report, "portfolio", "trading_days_per_year")
    ratio = get_number(one.report, "portfolio", "sharpe")
    small = "" if ratio is None or days is None else f"{days:.0f} trading days a year"
    return Cell(units.format_number(ratio, 2, missing=units.NOT_ENOUGH), small=small)


def _took(one: StoredBacktest) -> Cell:
    return Cell(
        units.format_age(get_number(one.report, "wall_seconds")),
        small=f"{units.format_number(get_number(one.report, 'decisions_per_second'))} decisions/s",
    )


def _deflated(run: StoredBacktest) -> Cell:
    trials = get_number(run.report, "portfolio", "dsr_trials")
    small = "" if trials is None else f"{int(trials):,} tried on this recording"
    return Cell(_percent("portfolio", "dsr", digits=1, signed=False)(run), small=small)


_MARKED = {"Net return", "Skill (R²), ensemble, first horizon"}
_FIGURES: tuple[tuple[str, Callable[[StoredBacktest], Cell | str]], ...] = (
    ("Market", form.describe_market),
    ("Asked for", form.describe_settings),
    ("Symbols", _symbols),
    ("Market time", _span),
    ("Net return", _percent("portfolio", "net_return")),
    ("Gross return", _percent("portfolio", "gross_return")),
    ("Buy all in equal parts, hold", _percent("portfolio", "benchmark_return")),
    ("Naive forecast: never trades", lambda _: units.format_percent(0.0, 2)),
    ("Largest drawdown", _percent("portfolio", "max_drawdown", signed=False)),
    ("Sharpe ratio, a year", _sharpe),
    ("Probability that it is above 0", _percent("portfolio", "psr", digits=1, signed=False)),
    ("Deflated: above the best of all configurations tried", _deflated),
    ("Trades", _plain("portfolio", "trades")),
    ("Turnover, times equity", _plain("portfolio", "turnover", digits=1)),
    ("Cost of a trade", _plain("portfolio", "cost_bps", digits=1, unit="bps", missing="no trade")),
    ("Borrow and funding, of capital", _percent("portfolio", "carry", "share", digits=3)),
    ("Decisions", _plain("decisions")),
    ("Decided", _actions),
    ("Skill (R²), ensemble, first horizon", lambda one: format_skill(one.report, "ensemble")),
    ("Brier score", _brier),
    ("80 % interval held", _percent("calibration", "coverage", "0.8", digits=1, signed=False)),
    ("90 % interval held", _percent("calibration", "coverage", "0.9", digits=1, signed=False)),
    ("Honest decisions", _percent("clean_rate", signed=False)),
    ("Models fitted", _plain("training", "fits")),
    ("Tick, 99 %", lambda one: units.format_ms(get_number(one.report, "tick_ms", "p99"))),
    ("Took", _took),
    ("Digest", lambda one: str(one.report.get("digest", units.MISSING))[:16]),
    ("Asked by", lambda one: Cell(one.by, small=one.reason)),
)


def get_run_colour(place: int) -> str:
    return theme.category_colour(place)
