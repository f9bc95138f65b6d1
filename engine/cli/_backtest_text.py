"""A backtest's figures in words; what was not measured says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.domain.intents import phrase_gate

NOT_MEASURED = "not measured yet"
FILL_KINDS = ("passive", "aggressive", "slice")
Report = Mapping[str, Any]


def format_backtest(report: Report) -> str:
    """The report for a terminal."""
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
    names = (
        ", ".join(symbols[:6]) + (f" and {len(symbols) - 6} more" if len(symbols) > 6 else "") if isinstance(symbols, list | tuple) else str(symbols)
    )
    actions = report.get("actions") or {}
    return "\n".join(
        (
            f"{report.get('recording')}: {names}",
            f"{_number(report.get('ticks'), '{:,.0f}')} ticks, {_number(report.get('decisions'), '{:,.0f}')} decisions in "
            f"{_number(report.get('wall_seconds'), '{:.1f} s')}, {_number(report.get('decisions_per_second'), '{:,.0f} a second')}",
            "decided: " + ", ".join(f"{_number(actions.get(name), '{:,.0f}')} {name}" for name in ("buy", "sell", "hold")),
            f"honest decisions: {_number(report.get('clean_rate'), '{:.2%}')}, fallbacks: {_number(report.get('fallbacks'), '{:,.0f}')}",
            f"digest {report.get('digest')}",
        )
    )


def _skill(skill: Report) -> str:
    lines = ["out-of-sample skill at the first horizon (R2 against the naive forecast, 95 % interval)"]
    for name, told in skill.items():
        interval = (
            f"{_number(told.get('low'), '{:+.4f}')} to {_number(told.get('high'), '{:+.4f}')}" if told.get("low") is not None else "not enough data"
        )
        lines.append(f"  {name:<12} {_number(told.get('r2'), '{:+.4f}')}  ({interval}; n {_number(told.get('n'), '{:,.0f}')}, "
                     f"effective {_number(told.get('n_effective'), '{:,.0f}')})")  # fmt: skip
    return "\n".join(lines) if skill else ""


def _calibration(report: Report) -> str:
    told = report.get("calibration") or {}
    coverage = told.get("coverage") or {}
    covered = ", ".join(f"{float(level):.0%} interval covered {_number(share, '{:.1%}')}" for level, share in coverage.items())
    brier = f"Brier score {_number(told.get('brier'), '{:.4f}')} (naive {_number(told.get('brier_naive'), '{:.4f}')})"
    volatility = report.get("volatility") or {}
    return f"calibration: {brier}; {covered or NOT_MEASURED}\nvolatility forecast: R2 {_number(volatility.get('r2'), '{:+.3f}')}"


def _portfolio(told: Report) -> str:
    if not told:
        return ""
    return "\n".join(
        (
            f"net return {_number(told.get('net_return'), '{:+.2%}')}, gross {_number(told.get('gross_return'), '{:+.2%}')}, "
            f"costs {_number(told.get('cost_bps'), '{:.1f} bps of what was traded')}, largest drawdown {_number(told.get('max_drawdown'), '{:.2%}')}",
            f"{_number(told.get('trades'), '{:,.0f}')} trades, turnover {_number(told.get('turnover'), '{:.1f} times equity')}, "
            f"Sharpe {_number(told.get('sharpe'), '{:+.2f}')} on {_number(told.get('trading_days_per_year'), '{:.0f}')} trading days a year, "
            f"probability that it is above 0: {_number(told.get('psr'), '{:.1%}')}",
            f"borrow and funding {_number((told.get('carry') or {}).get('share'), '{:+.3%} of capital')}",
            f"probability that it is above the best of {_number(told.get('dsr_trials'), '{:,.0f}')} configurations tried without skill: "
            f"{_number(told.get('dsr'), '{:.1%}')}",
        )
    )


def _execution(told: Report) -> str:
    lines = ["how orders were filled"]
    for kind in FILL_KINDS:
        row = told.get(kind) or {}
        if not row.get("orders"):
            continue
        cost = "" if kind == "aggressive" else ", against taking at once not enough data"
        if row.get("shortfall_bps") is not None:
            cost = f", against taking at once {row['shortfall_bps']:+.2f} bps ({row['low']:+.2f} to {row['high']:+.2f}; n {row['n']:,})"
        refused = "" if row["offered"] else "; no longer recommended"
        lines.append(f"  {kind:<12} {row['orders']:,} orders, filled {_number(row.get('filled'), '{:.1%}')}{cost}{refused}")
    return "\n".join(lines) if len(lines) > 1 else ""


def _gates(report: Report) -> str:
    gates = report.get("binding_gates") or {}
    regret = report.get("regret") or {}
    lines = ["what bound the decisions that were declined"]
    for gate, count in sorted(gates.items(), key=lambda item: -item[1]):
        told = regret.get(gate) or {}
        mean = "" if told.get("mean_bps") is None else f", declined moves came to {told['mean_bps']:+.2f} bps on average (n {told['n']:,})"
        lines.append(f"  {phrase_gate(gate):<24} {count:>12,}{mean}")
    return "\n".join(lines) if gates else ""


def _cost(report: Report) -> str:
    tick = report.get("tick_ms") or {}
    training = report.get("training") or {}
    return (
        f"a tick took {_number(tick.get('p50'), '{:.2f} ms')} (99 %: {_number(tick.get('p99'), '{:.2f} ms')}); "
        f"{_number(training.get('fits'), '{:,.0f}')} models fitted in {_number(training.get('seconds'), '{:.1f} s')}; "
        f"peak memory {_number(report.get('peak_rss_mb'), '{:,.0f} MB')}"
    )


def _number(value: object, form: str) -> str:
    return form.format(value) if isinstance(value, int | float) else NOT_MEASURED
