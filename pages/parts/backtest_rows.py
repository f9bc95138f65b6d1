"""The tables of backtests: the list with one row per run, the comparison with one column per run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from engine.store.shelf import Kept
from pages.parts import backtesting, theme, units
from pages.parts.estimates import known
from pages.parts.tables import Cell, Column, Line, html

LETTERS = "ABCDEF"
LIST = (
    Column("When", nowrap=True), Column("Market", nowrap=True), Column("Requested", whole=True), Column("Reason", whole=True),
    Column("Decisions", right=True),
    Column("Net return", right=True), Column("Benchmark", right=True), Column("Skill (R²)", right=True, whole=True), Column("Trades", right=True),
    Column("Duration", right=True),
)  # fmt: skip


def listed(backtests: Sequence[Kept], opened: Sequence[str]) -> str:
    lines = []
    for run in backtests:
        report = run.report
        cells = (
            units.moment(run.at, "%m-%d %H:%M"), backtesting.market(run), backtesting.settings(run), Cell(run.reason, small=f"by {run.by}"),
            units.number(number(report, "decisions")), units.percent(number(report, "portfolio", "net_return"), 2, signed=True),
            units.percent(number(report, "portfolio", "naive_return"), 2, signed=True), skill(report, "ensemble"),
            units.number(number(report, "portfolio", "trades")), units.age(number(report, "wall_seconds")),
        )  # fmt: skip
        lines.append(Line(run.name, cells, marked=run.name in opened))
    return html(LIST, lines, label="Stored backtests")


def columns(chosen: Sequence[Kept]) -> tuple[Column, ...]:
    return (Column("", nowrap=True, whole=True), *(Column(name(place, chosen), right=True, wrap=True) for place in range(len(chosen))))


def name(place: int, chosen: Sequence[Kept]) -> str:
    """Return a letter for a run on this page; "" for a single run."""
    return LETTERS[place] if len(chosen) > 1 else ""


def compared(chosen: Sequence[Kept]) -> list[Line]:
    """Return one row per figure; the first rows describe each run."""
    return [Line(label, (label, *(format_figure(run) for run in chosen)), marked=label in _MARKED) for label, format_figure in _FIGURES]


def skill(report: dict[str, Any], model: str, horizon: int | None = None) -> Cell:
    """Return R2 with its interval and n, or that there is not enough data."""
    estimate = figure_of(report, model, horizon)
    r2 = estimate.get("r2")
    n = f"n={int(estimate['n']):,}" if units.known(estimate.get("n")) else "n=0"
    if not units.known(r2):
        return Cell(units.NOT_ENOUGH, small=n)
    low, high = (None if value is None else value * 100 for value in (number(estimate, "low"), number(estimate, "high")))
    return Cell(units.percent(r2, 2, signed=True), small=f"{units.interval(low, high, 2, '%')}, {n}")


def figure_of(report: dict[str, Any], model: str, horizon: int | None = None) -> dict[str, Any]:
    figures = mapping(mapping(report.get("skill")).get(model))
    return figures if horizon is None else mapping(mapping(figures.get("by_horizon")).get(str(horizon)))


def number(report: dict[str, Any], *path: str) -> float | None:
    """Return a figure of the report by its path; None where it was not measured."""
    value: Any = report
    for part in path:
        value = mapping(value).get(part)
    return known(value)


def mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def curve(run: Kept) -> list[tuple[int, float | None, float | None]]:
    """Return (time in ns UTC, equity, benchmark) through the run; [] where the report has none."""
    rows = run.report.get("equity")
    points = [point for point in rows if isinstance(point, list) and len(point) == 3 and units.known(point[0])] if isinstance(rows, list) else []
    return [(int(at), known(equity), known(naive)) for at, equity, naive in points]


def horizons(chosen: Sequence[Kept]) -> list[int]:
    """Return every horizon that any run scored, in bars."""
    return sorted(
        {
            int(key)
            for run in chosen
            for figures in mapping(run.report.get("skill")).values()
            for key in mapping(mapping(figures).get("by_horizon"))
            if key.isdigit()
        }
    )


def models(chosen: Sequence[Kept]) -> list[str]:
    """Return the ensemble, then every model of any run."""
    return list(dict.fromkeys(model for run in chosen for model in mapping(run.report.get("skill"))))


def gates(chosen: Sequence[Kept]) -> Iterator[tuple[str, list[float | None]]]:
    """Yield every binding gate with its share of decisions in each run, largest first."""
    shares = []
    for gate in dict.fromkeys(gate for run in chosen for gate in mapping(run.report.get("binding_gates"))):
        counts = [(number(run.report, "binding_gates", gate) or 0.0, number(run.report, "decisions")) for run in chosen]
        shares.append((gate, [count / whole if whole else None for count, whole in counts]))
    return iter(sorted(shares, key=lambda pair: -max(share or 0.0 for share in pair[1])))


def _percent(*path: str, digits: int = 2, signed: bool = True) -> Callable[[Kept], str]:
    return lambda run: units.percent(number(run.report, *path), digits, signed=signed, missing=units.NOT_ENOUGH)


def _plain(*path: str, digits: int = 0, unit: str = "", missing: str = units.NOT_ENOUGH) -> Callable[[Kept], str]:
    return lambda run: units.number(number(run.report, *path), digits, unit, missing=missing)


def _span(run: Kept) -> str:
    points = curve(run)
    ends = [at for at, _, _ in points[:1] + points[-1:]]
    return " to ".join(units.moment(at, "%Y-%m-%d %H:%M") for at in ends) + " UTC" if ends else units.MISSING


def _symbols(run: Kept) -> Cell:
    symbols = [str(symbol) for symbol in run.report.get("symbols") or []]
    return Cell(units.count(len(symbols), "symbol"), small=", ".join(symbols[:4]) + (" ..." if len(symbols) > 4 else ""))


def _actions(run: Kept) -> str:
    return ", ".join(f"{units.number(number(run.report, 'actions', word))} {word}" for word in ("buy", "sell", "hold"))


def _brier(run: Kept) -> Cell:
    n = number(run.report, "calibration", "n")
    naive = units.number(number(run.report, "calibration", "brier_naive"), 4, missing=units.NOT_ENOUGH)
    return Cell(
        units.number(number(run.report, "calibration", "brier"), 4, missing=units.NOT_ENOUGH),
        small=f"always 50 %: {naive}" + ("" if n is None else f", n={int(n):,}"),
    )


def _sharpe(run: Kept) -> Cell:
    """The Sharpe ratio with its trading days per year; runs before version 0.4 have 365."""
    days = number(run.report, "portfolio", "trading_days_per_year")
    ratio = number(run.report, "portfolio", "sharpe")
    small = "" if ratio is None or days is None else f"{days:.0f} trading days per year"
    return Cell(units.number(ratio, 2, missing=units.NOT_ENOUGH), small=small)


def _took(run: Kept) -> Cell:
    return Cell(units.age(number(run.report, "wall_seconds")), small=f"{units.number(number(run.report, 'decisions_per_second'))} decisions/s")


def _deflated(run: Kept) -> Cell:
    trials = number(run.report, "portfolio", "dsr_trials")
    small = "" if trials is None else f"best of {int(trials):,} tried on this recording"
    return Cell(_percent("portfolio", "dsr", digits=1, signed=False)(run), small=small)


_MARKED = {"Net return", "Skill (R²), ensemble, first horizon"}
_FIGURES: tuple[tuple[str, Callable[[Kept], Cell | str]], ...] = (
    ("Market", backtesting.market),
    ("Requested", backtesting.settings),
    ("Symbols", _symbols),
    ("Market time", _span),
    ("Net return", _percent("portfolio", "net_return")),
    ("Gross return", _percent("portfolio", "gross_return")),
    ("Benchmark: equal-weight buy and hold", _percent("portfolio", "naive_return")),
    ("No trading", lambda _: units.percent(0.0, 2)),
    ("Largest drawdown", _percent("portfolio", "max_drawdown", signed=False)),
    ("Sharpe ratio, annualised", _sharpe),
    ("Probabilistic Sharpe ratio: above 0", _percent("portfolio", "psr", digits=1, signed=False)),
    ("Deflated Sharpe ratio: above the best of all tried", _deflated),
    ("Trades", _plain("portfolio", "trades")),
    ("Turnover, times equity", _plain("portfolio", "turnover", digits=1)),
    ("Cost per trade", _plain("portfolio", "cost_bps", digits=1, unit="bps", missing="no trade")),
    ("Borrow and funding, share of capital", _percent("portfolio", "carry", "share", digits=3)),
    ("Decisions", _plain("decisions")),
    ("Actions", _actions),
    ("Skill (R²), ensemble, first horizon", lambda run: skill(run.report, "ensemble")),
    ("Brier score", _brier),
    ("Coverage of the 80 % interval", _percent("calibration", "coverage", "0.8", digits=1, signed=False)),
    ("Coverage of the 90 % interval", _percent("calibration", "coverage", "0.9", digits=1, signed=False)),
    ("Clean decisions", _percent("honest_rate", signed=False)),
    ("Models fitted", _plain("training", "fits")),
    ("Tick p99", lambda run: units.ms(number(run.report, "tick_ms", "p99"))),
    ("Duration", _took),
    ("Digest", lambda run: str(run.report.get("digest", units.MISSING))[:16]),
    ("Requested by", lambda run: Cell(run.by, small=run.reason)),
)


def colour(place: int) -> str:
    return theme.category(place)
