"""The contents of a day's report, most important first: measured facts, and "not enough data" where there are none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from engine.domain.intents import phrase_gate
from engine.report.day import LISTED, AlertSummary, DayRecord, RecoverySummary, SessionPart, TradingCosts
from engine.report.document import Document, LineChart, Paragraph, Section, Table
from engine.report.evolutions import list_evolutions
from engine.report.optimizations import list_optimizations
from engine.units import NOT_ENOUGH, format_count, format_duration, format_interval, format_number, format_percent, format_time

MAX_SYMBOLS, MAX_GATES, MAX_ALERTS, MAX_RECOVERIES = 12, 8, 15, 8  # rows listed; the rest are counted
CLOCK = "%H:%M:%S"
BENCHMARK = "Benchmark: equal-weight buy and hold"


def build_document(day: DayRecord) -> Document:
    """Return the report of a day."""
    sections = (
        Section("Money", tuple(_money(day))),
        Section("Decisions", tuple(_decisions(day))),
        Section("Why not trading?", tuple(_gates(day))),
        Section("Health", tuple(_health(day))),
        Section("Alerts", tuple(_alerts(day))),
        Section("Optimizations", tuple(list_optimizations(day))),
        Section("Skill", tuple(_skill(day))),
        Section("Evolution", tuple(list_evolutions(day))),
        Section("Audit", tuple(_audit(day))),
    )
    return Document(f"Podium, {day.day}", _scope(day), " ".join(_summary(day)), sections)


def _scope(day: DayRecord) -> str:
    scope = "The whole day in UTC" if day.is_over else f"The day in UTC so far, until {format_time(day.until, CLOCK)}"
    if day.truncated_at is not None:
        scope += f", money and decisions from {format_time(day.truncated_at, CLOCK)} on: earlier ticks are no longer stored"
    reality = "nothing in it is real" if day.simulated else "paper money"
    return f"{scope}; market: {day.market}, {reality}. Unknown figures are marked as such."


def _summary(day: DayRecord) -> Iterator[str]:
    """The day in a few sentences, each of them measured."""
    if day.spans:
        yield from _trading_summary(day)
    else:
        yield "No tick was decided on this day."
    treated = [run for run in day.runs if not (run.placebo or run.is_manual)]
    if treated:
        helped = sum(run.verdict == "helped" for run in treated)
        harmed = sum(run.verdict == "harmed" for run in treated)
        yield f"{'At least ' if day.more_runs else ''}{format_count(len(treated), 'optimization')}: {helped} measurably helped, {harmed} harmed."
    manual = sum(run.is_manual for run in day.runs)
    if manual:
        yield f"{format_count(manual, 'manual run')}."
    still_open = sum(_is_open(alert, day) for alert in day.alerts)
    yield f"{_at_least(len(day.alerts), 'alert')}, {still_open} still open." if day.alerts else "No alert was open."


def _trading_summary(day: DayRecord) -> Iterator[str]:
    trades = sum(counts.buy + counts.sell for counts in day.actions)
    warm = ", all over history during the warm-up" if day.spans[-1].warm else ""
    yield (
        f"{format_count(day.ticks, 'tick')}{warm}, {format_count(len(day.actions), 'symbol')}: {format_count(day.decisions, 'decision')}, "
        f"of which {trades:,} bought or sold."
    )
    yield from _equity_summary(day.spans)
    ticks, degraded, no_data = day.clean_counts
    if ticks:
        yield f"Clean ticks: {_share(1 - (degraded + no_data) / ticks, 2 if degraded + no_data else 0)}."
    top = next((gate for gate in day.gates if gate.n), None)
    if top is not None and day.decisions > trades:
        yield f"Most frequent binding gate: {phrase_gate(top.gate)}, {_share(top.n / day.decisions, 0)} of decisions."


def _equity_summary(spans: tuple[SessionPart, ...]) -> Iterator[str]:
    known = [(span.equity, span.benchmark) for span in spans if span.equity is not None and span.benchmark is not None]
    if len(known) == 1 and len(spans) == 1:
        (before, after), (hold_before, hold_after) = known[0]
        yield (
            f"Equity went from {_amount(before)} to {_amount(after)} ({_change(after, before)}) after all costs; "
            f"the benchmark, equal-weight buy and hold, changed by {_change(hold_after, hold_before)}."
        )
    elif known:
        gain = sum(after - before for (before, after), _ in known)
        yield f"Over {len(known)} sessions, each with its own account, equity changed by {_amount(gain, signed=True)} after all costs."


def _money(day: DayRecord) -> Iterator[Paragraph | Table | LineChart]:
    if not day.spans:
        yield Paragraph("Nothing was decided, so nothing was gained or lost.")
        return
    rows = [row for span in day.spans for row in _account_rows(span, several=len(day.spans) > 1)]
    yield Table(("Account", "Start", "End", "Change", "Change, %"), tuple(rows))
    if len(day.equity_points) > 2:
        at, equity, hold = zip(*day.equity_points, strict=True)
        yield LineChart(("Podium", "benchmark"), at, (equity, hold), "Equity and benchmark over the day")
    yield from _costs(day)
    drawdowns = [span.drawdown for span in day.spans if span.drawdown is not None]
    if drawdowns:
        yield Paragraph(f"Largest drawdown: {_share(max(drawdowns))}.")


def _account_rows(span: SessionPart, *, several: bool) -> Iterator[tuple[str, ...]]:
    session = f", session {span.session}" if several else ""
    for name, ends in (("Podium after costs", span.equity), (BENCHMARK, span.benchmark)):
        if ends is None:
            yield f"{name}{session}", NOT_ENOUGH, NOT_ENOUGH, "", ""
        else:
            yield (f"{name}{session}", _amount(ends[0]), _amount(ends[1]), _amount(ends[1] - ends[0], signed=True), _change(ends[1], ends[0]))
    if span.equity is not None:
        yield (f"No trading{session}", _amount(span.equity[0]), _amount(span.equity[0]), _amount(0.0, signed=True), _change(1.0, 1.0))


def _costs(day: DayRecord) -> Iterator[Paragraph | Table]:
    trading = day.trading
    unfilled = f"{format_count(trading.unfilled, 'order')} could not be filled" if trading.unfilled else ""
    if not trading.fills:
        yield Paragraph("No fills, so no costs." + (f" {unfilled}." if unfilled else ""))
        return
    gain = sum(span.equity[1] - span.equity[0] for span in day.spans if span.equity is not None)
    parts = (("Fees", trading.fee), ("Half-spread", trading.spread), ("Impact", trading.impact), ("Total cost", trading.cost))
    rows = [(name, _amount(-cost), _bps_of_turnover(cost, trading)) for name, cost in parts]
    carry = [span.carry for span in day.spans if span.carry is not None]
    rows += [("Borrow and funding", _amount(sum(carry), signed=True), "")] if any(carry) else []
    rows += [("Change of equity", _amount(gain, signed=True), ""), ("Change of equity before costs", _amount(gain + trading.cost, signed=True), "")]
    yield Table(("Cost", "Amount", "Share of turnover"), tuple(rows))
    yield Paragraph(
        f"{format_count(trading.fills, 'fill')}, turnover {_amount(trading.turnover)}{', ' if unfilled else ''}{unfilled}. "
        f"Realised P&L after fees: {_amount(trading.realised, signed=True)}."
    )


def _decisions(day: DayRecord) -> Iterator[Paragraph | Table]:
    if not day.actions:
        yield Paragraph("None.")
        return
    by_activity = sorted(day.actions, key=lambda counts: (-(counts.buy + counts.sell), counts.symbol))
    rows: list[tuple[str, ...]] = [(counts.symbol, f"{counts.buy:,}", f"{counts.sell:,}", f"{counts.hold:,}") for counts in by_activity[:MAX_SYMBOLS]]
    rest = by_activity[MAX_SYMBOLS:]
    if rest:
        totals = (sum(counts.buy for counts in rest), sum(counts.sell for counts in rest), sum(counts.hold for counts in rest))
        rows.append((f"{len(rest)} more", *(f"{n:,}" for n in totals)))
    yield Table(("Symbol", "Buy", "Sell", "Hold"), tuple(rows))
    first, last = day.spans[0], day.spans[-1]
    warm = f" {format_count(day.warmup_ticks, 'more tick')} of the warm-up, decided over history, are not counted here." if day.warmup_ticks else ""
    yield Paragraph(
        f"Ticks {first.first:,} to {last.last:,}; market time {format_time(first.first_at)} to {format_time(last.last_at)} UTC.{warm} "
        f"{format_count(day.models_trained, 'model')} trained, {format_count(day.commands, 'command')} received, "
        f"{format_count(day.engine_starts, 'engine start')}."
    )


def _gates(day: DayRecord) -> Iterator[Paragraph | Table]:
    if not day.decisions:
        yield Paragraph("Nothing was decided.")
        return
    bound = [gate for gate in day.gates if gate.n]
    rows = []
    for gate in bound[:MAX_GATES]:
        mean, low, high = gate.declined or (None, None, None)
        declined = format_number(mean, 2, "bps", signed=True, missing=NOT_ENOUGH)
        interval = format_interval(low, high, 2, "bps")
        rows.append((phrase_gate(gate.gate), f"{gate.n:,}", _share(gate.n / day.decisions, 1), declined, interval, f"{gate.scored:,}"))
    rest = sum(gate.n for gate in bound[MAX_GATES:])
    if rest:
        rows.append((f"{len(bound) - MAX_GATES} more", f"{rest:,}", _share(rest / day.decisions, 1), "", "", ""))
    rows += [(f"traded: {intent}", f"{n:,}", _share(n / day.decisions, 1), "", "", "") for intent, n in day.intents]
    free = day.ungated - sum(n for _, n in day.intents)
    if free:
        rows.append(("held: no gate failed", f"{free:,}", _share(free / day.decisions, 1), "", "", ""))
    yield Table(("Reason", "Decisions", "Share", "Declined-trade P&L", "95 % interval", "Trades scored"), tuple(rows))
    as_of = "" if day.skill_at is None else f", over all trades scored up to tick {day.skill_at:,}"
    yield Paragraph(
        f"Declined-trade P&L is what the trade that the gate declined would have made after costs{as_of}. "
        "Above 0 the gate cost money, below 0 it saved money."
    )


def _health(day: DayRecord) -> Iterator[Paragraph | Table]:
    ticks, degraded, no_data = day.clean_counts
    if ticks:
        low, high = day.clean_interval or (None, None)
        interval = NOT_ENOUGH if low is None or high is None else format_interval(low * 100, high * 100, 3, "%")
        causes = " and with data" if no_data else ""
        lacking = f" {format_count(no_data, 'tick')} had no data in time." if no_data else ""
        yield Paragraph(
            f"Clean ticks, without a fallback{causes}: {_share(1 - (degraded + no_data) / ticks, 3)} of {format_count(ticks, 'tick')} "
            f"(95 % interval {interval}).{lacking}"
        )
    if day.fallbacks:
        yield Table(("Phase with fallbacks", "Ticks"), tuple((phase, f"{n:,}") for phase, n in day.fallbacks))
    incidents = "; ".join(f"{kind.replace('_', ' ')} {n} (of {format_count(symbols, 'symbol')})" for kind, n, symbols in day.incidents)
    yield Paragraph(f"Data incidents: {incidents}." if incidents else "No data incident began.")
    yield from _recoveries(day.recoveries)
    if day.drills:
        at, passed, took, detail = day.drills[0]
        failed = sum(not drill[1] for drill in day.drills)
        yield Paragraph(
            f"{_at_least(len(day.drills), 'drill')} of kill switch, stop and alert path, {failed} failed. The last, at {format_time(at, CLOCK)}, "
            f"{'passed' if passed else 'failed'} in {format_duration(took, 'not over')}: {detail}."
        )
    else:
        yield Paragraph("No drill of kill switch, stop and alert path ran.")


def _recoveries(recoveries: tuple[RecoverySummary, ...]) -> Iterator[Paragraph | Table]:
    if not recoveries:
        yield Paragraph("No component failed.")
        return
    resolved = [recovery.seconds for recovery in recoveries if recovery.seconds is not None]
    slowest = f", the slowest in {format_duration(max(resolved), 'not over')}" if resolved else ""
    yield Paragraph(f"{_at_least(len(recoveries), 'component fault')}, {len(resolved)} resolved{slowest}.")
    rows = [
        (
            format_time(fault.at, CLOCK),
            fault.component,
            fault.fault,
            fault.remedy or "none yet",
            format_duration(fault.seconds, "not over"),
            f"{fault.attempts}",
        )
        for fault in recoveries[:MAX_RECOVERIES]
    ]
    yield Table(("At", "Component", "Fault", "Remedy", "Duration", "Attempts"), tuple(rows), left=4)


def _at_least(count: int, noun: str) -> str:
    """A count; no more than LISTED are read, so that many means at least as many."""
    return f"{'at least ' if count >= LISTED else ''}{format_count(count, noun)}"


def _is_open(alert: AlertSummary, day: DayRecord) -> bool:
    return alert.resolved_at is None or alert.resolved_at >= day.until


def _alerts(day: DayRecord) -> Iterator[Paragraph | Table]:
    if not day.alerts:
        yield Paragraph("None was open.")
        return
    rows = [(format_time(alert.at), alert.severity, alert.rule, alert.message, _ending(alert, day)) for alert in day.alerts[:MAX_ALERTS]]
    yield Table(("Since", "Severity", "Rule", "Message", "Until"), tuple(rows), left=5)
    if len(day.alerts) > MAX_ALERTS:
        rules = Counter(alert.rule for alert in day.alerts[MAX_ALERTS:])
        yield Paragraph(f"{len(day.alerts) - MAX_ALERTS} more: {', '.join(f'{rule} {n}' for rule, n in rules.most_common(6))}.")


def _audit(day: DayRecord) -> Iterator[Paragraph | Table]:
    """The head of the audit trail, which this page takes out of the store, so that a trail that is written anew is noticed."""
    if day.audit_head is None:
        yield Paragraph("The audit trail has no row yet.")
        return
    yield Paragraph(
        f"The audit trail ends with row {day.audit_head.row:,}. Its digest covers every row before; this command checks that it is still so:"
    )
    yield Paragraph(f"python -m engine audit verify --head {day.audit_head}")


def _ending(alert: AlertSummary, day: DayRecord) -> str:
    acknowledged = f", acknowledged by {alert.acked_by}" if alert.acked_by else ""
    return ("still open" if _is_open(alert, day) else format_time(alert.resolved_at or 0)) + acknowledged


def _skill(day: DayRecord) -> Iterator[Paragraph | Table]:
    if not day.skill:
        yield Paragraph(f"Out-of-sample skill: {NOT_ENOUGH}.")
        return
    rows = []
    for skill in day.skill:
        r2 = format_number(skill.r2, 4, signed=True, missing=NOT_ENOUGH)
        interval = format_interval(skill.low, skill.high, 4)
        rows.append((skill.model, f"{skill.horizon}", r2, interval, f"{skill.n:,}", format_number(skill.n_effective, missing=NOT_ENOUGH)))
    yield Table(("Model", "Horizon, bars", "R²", "95 % interval", "n", "Effective n"), tuple(rows))
    as_of = "" if day.skill_at is None else f" as of tick {day.skill_at:,}"
    yield Paragraph(f"Out-of-sample R² against a forecast of no change{as_of}. The interval stays valid however often it is looked at.")
    bounds = [f"{format_count(horizon, 'bar')} {format_number(low, 4, signed=True, missing=NOT_ENOUGH)}" for horizon, _, low in day.skill_then]
    if bounds:
        yield Paragraph(f"At the last tick of the day position sizes rested on these lower bounds of the ensemble's R²: {', '.join(bounds)}.")


def _amount(value: float, *, signed: bool = False) -> str:
    return format_number(value, 2, signed=signed)


def _share(value: float, digits: int = 2) -> str:
    return format_percent(value, digits, missing=NOT_ENOUGH)


def _change(now: float, before: float) -> str:
    return format_percent(now / before - 1.0 if before > 0 else None, 2, signed=True, missing=NOT_ENOUGH)


def _bps_of_turnover(cost: float, trading: TradingCosts) -> str:
    return format_number(cost / trading.turnover * 1e4 if trading.turnover > 0 else None, 2, "bps", missing=NOT_ENOUGH)
