"""The figures of a backtest as text; a figure that was not measured says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.domain.intents import phrase_gate
from engine.units import NOT_ENOUGH, NOT_MEASURED, format_duration, format_ms, format_number, format_percent

FILL_KINDS = ("passive", "aggressive", "slice")
Report = Mapping[str, Any]


def format_backtest(report: Report) -> str:
    """Format the report for a terminal."""
    parts = [
        _head(report),
        _skill(report.get("skill") or {}),
        _calibration(report),
        _portfolio(report.get("portfolio") or {}),
        _execution(report.get("execution") or {}),
        _gates(report),
        _evolution(report.get("evolution") or {}),
        _cost(report),
    ]
    return "\n\n".join(part for part in parts if part)


def _head(report: Report) -> str:
    symbols = report.get("symbols") or []
    more = f" and {len(symbols) - 6} more" if len(symbols) > 6 else ""
    names = ", ".join(symbols[:6]) + more if isinstance(symbols, list | tuple) else str(symbols)
    actions = report.get("actions") or {}
    return "\n".join((
        f"{report.get('recording')}: {names}",
        f"{_number(report.get('ticks'))} ticks, {_number(report.get('decisions'))} decisions in "
        f"{_duration(report.get('wall_seconds'))}, {_number(report.get('decisions_per_second'), 0, 'per second')}",
        "decisions: " + ", ".join(f"{_number(actions.get(name))} {name}" for name in ("buy", "sell", "hold")),
        f"clean decisions: {_percent(report.get('clean_rate'), 2)}, fallbacks: {_number(report.get('fallbacks'))}",
        f"digest {report.get('digest')}",
    ))  # fmt: skip


def _skill(skill: Report) -> str:
    lines = ["out-of-sample skill at the first horizon (R² against a forecast of no change, 95 % interval)"]
    width = max((len(name) for name in skill), default=0)
    for name, row in skill.items():
        low, high = _number(row.get("low"), 4, signed=True), _number(row.get("high"), 4, signed=True)
        interval = f"{low} to {high}" if row.get("low") is not None else NOT_ENOUGH
        samples = f"n {_number(row.get('n'))}, effective {_number(row.get('n_effective'))}"
        lines.append(f"  {name:<{width}} {_number(row.get('r2'), 4, signed=True)}  ({interval}; {samples})")
    return "\n".join(lines) if skill else ""


def _calibration(report: Report) -> str:
    calibration, volatility = report.get("calibration") or {}, report.get("volatility") or {}
    coverage = calibration.get("coverage") or {}
    covered = ", ".join(f"{format_percent(float(level), 0)} interval covered {_percent(share)}" for level, share in coverage.items())
    brier = f"Brier score {_number(calibration.get('brier'), 4)} (always 50 %: {_number(calibration.get('brier_naive'), 4)})"
    return f"calibration: {brier}; {covered or NOT_MEASURED}\nvolatility forecast: R² {_number(volatility.get('r2'), 3, signed=True)}"


def _portfolio(row: Report) -> str:
    if not row:
        return ""
    carry, sharpe = (row.get("carry") or {}).get("share"), _number(row.get("sharpe"), 2, signed=True)
    days = "" if sharpe == NOT_MEASURED else f" on {_number(row.get('trading_days_per_year'))} trading days per year"
    return "\n".join((
        f"net return {_percent(row.get('net_return'), 2, signed=True)}, gross {_percent(row.get('gross_return'), 2, signed=True)}, "
        f"costs {_number(row.get('cost_bps'), 1, 'bps of turnover')}, largest drawdown {_percent(row.get('max_drawdown'), 2)}",
        f"{_number(row.get('trades'))} trades, turnover {_number(row.get('turnover'), 1, 'times equity')}, "
        f"Sharpe {sharpe}{days}",
        f"probability that the Sharpe ratio is above 0: {_percent(row.get('psr'))}",
        f"borrow and funding {_percent(carry, 3, signed=True)}{' of capital' if carry is not None else ''}",
        f"probability that the Sharpe ratio is above the best of {_number(row.get('dsr_trials'))} configurations without skill: "
        f"{_percent(row.get('dsr'))}",
    ))  # fmt: skip


def _execution(execution: Report) -> str:
    lines = ["how orders were filled"]
    for kind in FILL_KINDS:
        row = execution.get(kind) or {}
        if not row.get("orders"):
            continue
        cost = "" if kind == "aggressive" else ", compared with filling at once: not enough data"
        if row.get("shortfall_bps") is not None:
            cost = f", compared with filling at once {_number(row['shortfall_bps'], 2, 'bps', signed=True)} ({_bps_interval(row)})"
        refused = "" if row["offered"] else "; no longer recommended"
        lines.append(f"  {kind:<12} {row['orders']:,} orders, filled {_percent(row.get('filled'))}{cost}{refused}")
    return "\n".join(lines) if len(lines) > 1 else ""


def _gates(report: Report) -> str:
    gates, declined = report.get("binding_gates") or {}, report.get("declined") or {}
    lines = ["decisions by the gate that declined them"]
    for gate, count in sorted(gates.items(), key=lambda item: -item[1]):
        row = declined.get(gate) or {}
        mean = (
            "" if row.get("mean_bps") is None else f", mean P&L of declined trades {_number(row['mean_bps'], 2, 'bps', signed=True)} (n {row['n']:,})"
        )
        lines.append(f"  {phrase_gate(gate):<24} {count:>12,}{mean}")
    return "\n".join(lines) if gates else ""


def _evolution(row: Report) -> str:
    if not row:
        return ""
    triggers = ", ".join(f"{_number(count)} by {trigger}" for trigger, count in row["triggers"].items()) or "none"
    return (
        f"evolution: {triggers}; {_number(row['challengers'])} challengers (recipes and blends) raced, {_number(row['promoted'])} promoted, "
        f"{_number(row['reverted'])} changes reverted; searches took {_duration(row['seconds'])} of processor time"
    )


def _cost(report: Report) -> str:
    tick, training = report.get("tick_ms") or {}, report.get("training") or {}
    return (
        f"time per tick {_duration(tick.get('p50'), is_ms=True)} (p99 {_duration(tick.get('p99'), is_ms=True)}); "
        f"{_number(training.get('fits'))} models fitted in {_duration(training.get('seconds'))}; "
        f"peak memory {_number(report.get('peak_rss_mb'), 0, 'MB')}"
    )


def _number(value: object, digits: int = 0, unit: str = "", *, signed: bool = False) -> str:
    return format_number(value if isinstance(value, int | float) else None, digits, unit, signed=signed, missing=NOT_MEASURED)


def _percent(value: object, digits: int = 1, *, signed: bool = False) -> str:
    return format_percent(value if isinstance(value, int | float) else None, digits, signed=signed, missing=NOT_MEASURED)


def _duration(value: object, *, is_ms: bool = False) -> str:
    if not isinstance(value, int | float):
        return NOT_MEASURED
    return format_ms(value) if is_ms else format_duration(value)


def _bps_interval(row: Report) -> str:
    return f"{_number(row['low'], 2, signed=True)} to {_number(row['high'], 2, signed=True)}; n {row['n']:,}"
