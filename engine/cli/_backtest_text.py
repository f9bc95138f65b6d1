"""The figures of a backtest as text; a figure that was not measured says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.domain.intents import phrase_gate

NOT_MEASURED = "not measured yet"
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
        f"{_number(report.get('ticks'), '{:,.0f}')} ticks, {_number(report.get('decisions'), '{:,.0f}')} decisions in "
        f"{_number(report.get('wall_seconds'), '{:.1f} s')}, {_number(report.get('decisions_per_second'), '{:,.0f} per second')}",
        "decisions: " + ", ".join(f"{_number(actions.get(name), '{:,.0f}')} {name}" for name in ("buy", "sell", "hold")),
        f"clean decisions: {_number(report.get('clean_rate'), '{:.2%}')}, fallbacks: {_number(report.get('fallbacks'), '{:,.0f}')}",
        f"digest {report.get('digest')}",
    ))  # fmt: skip


def _skill(skill: Report) -> str:
    lines = ["out-of-sample skill at the first horizon (R2 against the naive forecast, 95 % interval)"]
    width = max((len(name) for name in skill), default=0)
    for name, row in skill.items():
        low, high = _number(row.get("low"), "{:+.4f}"), _number(row.get("high"), "{:+.4f}")
        interval = f"{low} to {high}" if row.get("low") is not None else "not enough data"
        samples = f"n {_number(row.get('n'), '{:,.0f}')}, effective {_number(row.get('n_effective'), '{:,.0f}')}"
        lines.append(f"  {name:<{width}} {_number(row.get('r2'), '{:+.4f}')}  ({interval}; {samples})")
    return "\n".join(lines) if skill else ""


def _calibration(report: Report) -> str:
    calibration, volatility = report.get("calibration") or {}, report.get("volatility") or {}
    coverage = calibration.get("coverage") or {}
    covered = ", ".join(f"{float(level):.0%} interval covered {_number(share, '{:.1%}')}" for level, share in coverage.items())
    brier = f"Brier score {_number(calibration.get('brier'), '{:.4f}')} (naive {_number(calibration.get('brier_naive'), '{:.4f}')})"
    return f"calibration: {brier}; {covered or NOT_MEASURED}\nvolatility forecast: R2 {_number(volatility.get('r2'), '{:+.3f}')}"


def _portfolio(row: Report) -> str:
    if not row:
        return ""
    carry, sharpe = (row.get("carry") or {}).get("share"), _number(row.get("sharpe"), "{:+.2f}")
    days = "" if sharpe == NOT_MEASURED else f" on {_number(row.get('trading_days_per_year'), '{:.0f}')} trading days per year"
    return "\n".join((
        f"net return {_number(row.get('net_return'), '{:+.2%}')}, gross {_number(row.get('gross_return'), '{:+.2%}')}, "
        f"costs {_number(row.get('cost_bps'), '{:.1f} bps of turnover')}, largest drawdown {_number(row.get('max_drawdown'), '{:.2%}')}",
        f"{_number(row.get('trades'), '{:,.0f}')} trades, turnover {_number(row.get('turnover'), '{:.1f} times equity')}, "
        f"Sharpe {sharpe}{days}",
        f"probability that the Sharpe ratio is above 0: {_number(row.get('psr'), '{:.1%}')}",
        f"borrow and funding {_number(carry, '{:+.3%} of capital')}",
        f"probability that the Sharpe ratio is above the best of {_number(row.get('dsr_trials'), '{:,.0f}')} configurations without skill: "
        f"{_number(row.get('dsr'), '{:.1%}')}",
    ))  # fmt: skip


def _execution(execution: Report) -> str:
    lines = ["how orders were filled"]
    for kind in FILL_KINDS:
        row = execution.get(kind) or {}
        if not row.get("orders"):
            continue
        cost = "" if kind == "aggressive" else ", against taking at once: not enough data"
        if row.get("shortfall_bps") is not None:
            cost = f", against taking at once {row['shortfall_bps']:+.2f} bps ({row['low']:+.2f} to {row['high']:+.2f}; n {row['n']:,})"
        refused = "" if row["offered"] else "; no longer recommended"
        lines.append(f"  {kind:<12} {row['orders']:,} orders, filled {_number(row.get('filled'), '{:.1%}')}{cost}{refused}")
    return "\n".join(lines) if len(lines) > 1 else ""


def _gates(report: Report) -> str:
    gates, declined = report.get("binding_gates") or {}, report.get("declined") or {}
    lines = ["decisions by the gate that declined them"]
    for gate, count in sorted(gates.items(), key=lambda item: -item[1]):
        row = declined.get(gate) or {}
        mean = "" if row.get("mean_bps") is None else f", mean P&L of declined trades {row['mean_bps']:+.2f} bps (n {row['n']:,})"
        lines.append(f"  {phrase_gate(gate):<24} {count:>12,}{mean}")
    return "\n".join(lines) if gates else ""


def _cost(report: Report) -> str:
    tick, training = report.get("tick_ms") or {}, report.get("training") or {}
    return (
        f"time per tick {_number(tick.get('p50'), '{:.2f} ms')} (p99 {_number(tick.get('p99'), '{:.2f} ms')}); "
        f"{_number(training.get('fits'), '{:,.0f}')} models fitted in {_number(training.get('seconds'), '{:.1f} s')}; "
        f"peak memory {_number(report.get('peak_rss_mb'), '{:,.0f} MB')}"
    )


def _number(value: object, form: str) -> str:
    return form.format(value) if isinstance(value, int | float) else NOT_MEASURED
