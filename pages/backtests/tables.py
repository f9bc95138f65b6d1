"""The tables of backtests: the list with one row per run, the comparison with one column per run, and the data that was read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from engine import units
from engine.domain.ports import UNKNOWN, ZERO
from engine.store.backtest_files import StoredBacktest
from pages.backtests.text import describe_arguments, name_market
from pages.ui import theme
from pages.ui.forest_plot import finite_or_none
from pages.ui.tables import Cell, Column, TableRow, number_columns, render_table

LETTERS = "ABCDEF"
_LIST = (
    Column("When", nowrap=True),
    Column("Market", nowrap=True),
    Column("Requested", full_width=True),
    Column("Reason", full_width=True),
    *number_columns("Decisions", "Net return", "Benchmark"),
    Column("Skill (R²)", right=True, full_width=True),
    *number_columns("Trades", "Duration"),
)
COUNT_COLUMNS = (
    Column("Symbol", nowrap=True),
    *number_columns(
        "Rows", "Bars", "Duplicates", "Faulty", "No volume", "Outside session", "Trades with side", "Trades without bar", "Invalid books"
    ),
)
UNREAD_COLUMNS = (Column("Not read", nowrap=True), Column("Reason and remedy", full_width=True))
COUNTS_NOTE = (
    "left out: duplicates, faulty rows, bars outside the session, trades without a bar; no position is opened on a bar without volume; "
    "invalid books are crossed, one-sided or malformed"
)
_COUNTS = (
    "rows", "bars", "duplicates", "faulty", "without_volume", "outside_session", "signed_trades", "trades_without_bar", "faulty_books",
)  # fmt: skip
_VOLUME = {UNKNOWN: "volume unknown", ZERO: "volume 0 in every bar"}


def render_backtests(backtests: Sequence[StoredBacktest], opened: Sequence[str]) -> str:
    """Return the list of stored backtests; the opened ones are highlighted."""
    rows = []
    for run in backtests:
        report = run.report
        cells = (
            units.format_time(run.at, "%m-%d %H:%M"), name_market(run.arguments), describe_arguments(run.arguments),
            Cell(run.reason, small=f"by {run.by}"),
            units.format_number(get_number(report, "decisions")), units.format_percent(get_number(report, "portfolio", "net_return"), 2, signed=True),
            units.format_percent(get_number(report, "portfolio", "benchmark_return"), 2, signed=True), format_skill(report, "ensemble"),
            units.format_number(get_number(report, "portfolio", "trades")), units.format_age(get_number(report, "wall_seconds")),
        )  # fmt: skip
        rows.append(TableRow(run.name, cells, highlighted=run.name in opened))
    return render_table(_LIST, rows, label="Stored backtests")


def build_run_columns(chosen: Sequence[StoredBacktest]) -> tuple[Column, ...]:
    """Return the columns of the comparison: the figure, then one per run."""
    return (Column("", nowrap=True, full_width=True), *(Column(name_run(place, chosen), right=True, wrap=True) for place in range(len(chosen))))


def name_run(place: int, chosen: Sequence[StoredBacktest]) -> str:
    """Return a letter for a run on this page; "" for a single run."""
    return LETTERS[place] if len(chosen) > 1 else ""


def list_comparison(chosen: Sequence[StoredBacktest]) -> list[TableRow]:
    """Return one row per figure; the first rows describe each run."""
    return [TableRow(label, (label, *(format_figure(run) for run in chosen)), highlighted=label in _MARKED) for label, format_figure in _FIGURES]


def list_data_counts(chosen: Sequence[StoredBacktest]) -> list[TableRow]:
    """Return one row per symbol of each run on a recording; runs before version 0.4 have no counts."""
    rows = []
    for place, run in enumerate(chosen):
        for symbol, symbol_counts in as_mapping(run.report.get("data")).items():
            volume = _VOLUME.get(str(as_mapping(symbol_counts).get("volume")), "")
            figures = [units.format_number(get_number(run.report, "data", symbol, figure)) for figure in _COUNTS]
            label = Cell(_label(place, chosen, symbol), small=volume)
            rows.append(TableRow(f"{place}/{symbol}", (label, *figures)))
    return rows


def list_unread_files(chosen: Sequence[StoredBacktest]) -> list[TableRow]:
    """Return one row per symbol or file that was not read."""
    return [
        TableRow(f"{place}/{name}", (_label(place, chosen, name), str(reason)))
        for place, run in enumerate(chosen)
        for name, reason in as_mapping(run.report.get("left_out")).items()
    ]


def format_skill(report: dict[str, Any], model: str, horizon: int | None = None) -> Cell:
    """Return R2 with its interval and n, or that there is not enough data."""
    estimate = get_skill(report, model, horizon)
    r2 = estimate.get("r2")
    n = f"n={int(estimate['n']):,}" if units.is_known(estimate.get("n")) else "n=0"
    if not units.is_known(r2):
        return Cell(units.NOT_ENOUGH, small=n)
    low, high = (None if value is None else value * 100 for value in (get_number(estimate, "low"), get_number(estimate, "high")))
    return Cell(units.format_percent(r2, 2, signed=True), small=f"{units.format_interval(low, high, 2, '%')}, {n}")


def get_skill(report: dict[str, Any], model: str, horizon: int | None = None) -> dict[str, Any]:
    """Return the skill figures of a model, over all horizons or one; {} where there are none."""
    figures = as_mapping(as_mapping(report.get("skill")).get(model))
    return figures if horizon is None else as_mapping(as_mapping(figures.get("by_horizon")).get(str(horizon)))


def get_number(report: dict[str, Any], *path: str) -> float | None:
    """Return a figure of the report by its path; None where it was not measured."""
    value: Any = report
    for key in path:
        value = as_mapping(value).get(key)
    return finite_or_none(value)


def as_mapping(value: object) -> dict[str, Any]:
    """Return the value where it is a mapping, else {}."""
    return value if isinstance(value, dict) else {}


def get_equity_curve(run: StoredBacktest) -> list[tuple[int, float | None, float | None]]:
    """Return (time in ns UTC, equity, benchmark) through the run; [] where the report has none."""
    rows = run.report.get("equity")
    points = [point for point in rows if isinstance(point, list) and len(point) == 3 and units.is_known(point[0])] if isinstance(rows, list) else []
    return [(int(at), finite_or_none(equity), finite_or_none(benchmark)) for at, equity, benchmark in points]


def list_horizons(chosen: Sequence[StoredBacktest]) -> list[int]:
    """Return every horizon that any run scored, in bars."""
    return sorted(
        {
            int(key)
            for run in chosen
            for figures in as_mapping(run.report.get("skill")).values()
            for key in as_mapping(as_mapping(figures).get("by_horizon"))
            if key.isdigit()
        }
    )


def list_models(chosen: Sequence[StoredBacktest]) -> list[str]:
    """Return the ensemble, then every model of any run."""
    return list(dict.fromkeys(model for run in chosen for model in as_mapping(run.report.get("skill"))))


def rank_gates(chosen: Sequence[StoredBacktest]) -> Iterator[tuple[str, list[float | None]]]:
    """Yield every binding gate with its share of decisions in each run, largest first."""
    shares = []
    for gate in dict.fromkeys(gate for run in chosen for gate in as_mapping(run.report.get("binding_gates"))):
        counts = [(get_number(run.report, "binding_gates", gate) or 0.0, get_number(run.report, "decisions")) for run in chosen]
        shares.append((gate, [count / whole if whole else None for count, whole in counts]))
    return iter(sorted(shares, key=lambda pair: -max(share or 0.0 for share in pair[1])))


def get_run_colour(place: int) -> str:
    """Return the colour of the run at this position."""
    return theme.category_colour(place)


def _percent(*path: str, digits: int = 2, signed: bool = True) -> Callable[[StoredBacktest], str]:
    return lambda run: units.format_percent(get_number(run.report, *path), digits, signed=signed, missing=units.NOT_ENOUGH)


def _number(*path: str, digits: int = 0, unit: str = "", missing: str = units.NOT_ENOUGH) -> Callable[[StoredBacktest], str]:
    return lambda run: units.format_number(get_number(run.report, *path), digits, unit, missing=missing)


def _market_time(run: StoredBacktest) -> str:
    points = get_equity_curve(run)
    ends = [at for at, _, _ in points[:1] + points[-1:]]
    return " to ".join(units.format_time(at, "%Y-%m-%d %H:%M") for at in ends) + " UTC" if ends else units.MISSING


def _symbols(run: StoredBacktest) -> Cell:
    symbols = [str(symbol) for symbol in run.report.get("symbols") or []]
    return Cell(units.format_count(len(symbols), "symbol"), small=", ".join(symbols[:4]) + (" ..." if len(symbols) > 4 else ""))


def _actions(run: StoredBacktest) -> str:
    return ", ".join(f"{units.format_number(get_number(run.report, 'actions', word))} {word}" for word in ("buy", "sell", "hold"))


def _brier(run: StoredBacktest) -> Cell:
    n = get_number(run.report, "calibration", "n")
    coin_flip = units.format_number(get_number(run.report, "calibration", "brier_naive"), 4, missing=units.NOT_ENOUGH)
    return Cell(
        units.format_number(get_number(run.report, "calibration", "brier"), 4, missing=units.NOT_ENOUGH),
        small=f"always 50 %: {coin_flip}" + ("" if n is None else f", n={int(n):,}"),
    )


def _sharpe(run: StoredBacktest) -> Cell:
    """The Sharpe ratio with its trading days per year; runs before version 0.4 have 365."""
    days = get_number(run.report, "portfolio", "trading_days_per_year")
    ratio = get_number(run.report, "portfolio", "sharpe")
    small = "" if ratio is None or days is None else f"{days:.0f} trading days per year"
    return Cell(units.format_number(ratio, 2, missing=units.NOT_ENOUGH), small=small)


def _duration(run: StoredBacktest) -> Cell:
    return Cell(
        units.format_age(get_number(run.report, "wall_seconds")),
        small=f"{units.format_number(get_number(run.report, 'decisions_per_second'))} decisions/s",
    )


def _deflated(run: StoredBacktest) -> Cell:
    trials = get_number(run.report, "portfolio", "dsr_trials")
    small = "" if trials is None else f"best of {int(trials):,} tried on this recording"
    return Cell(_percent("portfolio", "dsr", digits=1, signed=False)(run), small=small)


def _label(place: int, chosen: Sequence[StoredBacktest], name: str) -> str:
    return f"{name_run(place, chosen)} {name}".strip()


_MARKED = {"Net return", "Skill (R²), ensemble, first horizon"}
_FIGURES: tuple[tuple[str, Callable[[StoredBacktest], Cell | str]], ...] = (
    ("Market", lambda run: name_market(run.arguments)),
    ("Requested", lambda run: describe_arguments(run.arguments)),
    ("Symbols", _symbols),
    ("Market time", _market_time),
    ("Net return", _percent("portfolio", "net_return")),
    ("Gross return", _percent("portfolio", "gross_return")),
    ("Benchmark: equal-weight buy and hold", _percent("portfolio", "benchmark_return")),
    ("No trading", lambda _: units.format_percent(0.0, 2)),
    ("Largest drawdown", _percent("portfolio", "max_drawdown", signed=False)),
    ("Sharpe ratio, annualised", _sharpe),
    ("Probabilistic Sharpe ratio", _percent("portfolio", "psr", digits=1, signed=False)),
    ("Deflated Sharpe ratio", _deflated),
    ("Trades", _number("portfolio", "trades")),
    ("Turnover, times equity", _number("portfolio", "turnover", digits=1)),
    ("Cost per trade", _number("portfolio", "cost_bps", digits=1, unit="bps", missing="no trade")),
    ("Borrow and funding, share of capital", _percent("portfolio", "carry", "share", digits=3)),
    ("Decisions", _number("decisions")),
    ("Actions", _actions),
    ("Skill (R²), ensemble, first horizon", lambda run: format_skill(run.report, "ensemble")),
    ("Brier score", _brier),
    ("Coverage, 80 % interval", _percent("calibration", "coverage", "0.8", digits=1, signed=False)),
    ("Coverage, 90 % interval", _percent("calibration", "coverage", "0.9", digits=1, signed=False)),
    ("Clean decisions", _percent("clean_rate", signed=False)),
    ("Models fitted", _number("training", "fits")),
    ("Challengers raced", _number("evolution", "challengers", missing=units.MISSING)),
    ("Challengers promoted", _number("evolution", "promoted", missing=units.MISSING)),
    ("Changes reverted", _number("evolution", "reverted", missing=units.MISSING)),
    ("Searches, processor time", lambda run: units.format_duration(get_number(run.report, "evolution", "seconds"))),
    ("Tick p99", lambda run: units.format_ms(get_number(run.report, "tick_ms", "p99"))),
    ("Duration", _duration),
    ("Digest", lambda run: str(run.report.get("digest", units.MISSING))[:16]),
    ("Requested by", lambda run: Cell(run.by, small=run.reason)),
)
