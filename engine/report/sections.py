"""What a day's report says, most important first: measured facts, and "not enough data" where there is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from engine.domain.intents import phrase_gate
from engine.report.day import LISTED, AlertSummary, DayRecord, RecoverySummary, SessionPart
from engine.report.document import Document, LineChart, Paragraph, Section, Table
from engine.report.optimizations import list_optimizations
from engine.report.words import (
    NOT_ENOUGH,
    format_change,
    format_clock,
    format_count,
    format_figure,
    format_moment,
    format_money,
    format_seconds,
    format_share,
)

SYMBOLS, GATES, ALERTS, RECOVERIES = 12, 8, 15, 8  # rows told; more are counted
Blocks = tuple[Paragraph | Table | LineChart, ...]


def build_document(day: DayRecord) -> Document:
    """The report."""
    sections = (
        Section("Money", tuple(_money(day))),
        Section("Decisions", tuple(_decisions(day))),
        Section("Why not", tuple(_gates(day))),
        Section("Health", tuple(_health(day))),
        Section("Alerts", tuple(_alerts(day))),
        Section("Optimizations", tuple(list_optimizations(day))),
        Section("Skill", tuple(_skill(day))),
    )
    return Document(f"Podium, {day.day}", _about(day), " ".join(_lead(day)), sections)


def _about(day: DayRecord) -> str:
    told = "The whole day in UTC" if day.is_over else f"The day in UTC so far, until {format_clock(day.until)}"
    if day.truncated_at is not None:
        told += f", money and decisions from {format_clock(day.truncated_at)} on: ticks before that are not kept any more"
    whose = "nothing in it is real" if day.simulated else "paper money"
    return f"{told}; market: {day.market}, {whose}. What is not known says so."


def _lead(day: DayRecord) -> Iterator[str]:
    """The day in a few sentences, each of them measured."""
    if not day.spans:
        yield "No tick was decided on this day."
    else:
        acted = sum(one.buy + one.sell for one in day.actions)
        warm = " over history while warming up, none live" if day.spans[-1].warm else ""
        yield (
            f"{format_count(day.ticks, 'tick')} decided {format_count(len(day.actions), 'symbol')}{warm}: {format_count(day.decisions, 'decision')}, "
            f"of which {acted:,} bought or sold."
        )
        yield from _result(day.spans)
        ticks, broken = day.clean_counts
        if ticks:
            yield f"{format_share(1 - broken / ticks, 2 if broken else 0)} of the ticks were decided without a fallback."
        top = next((one for one in day.gates if one.n), None)
        if top is not None and day.decisions > acted:
            often = f"{phrase_gate(top.gate)} ({format_share(top.n / day.decisions, 0)} of decisions)"
            yield f"What most often came first between a forecast and a trade: {often}."
    treated = [one for one in day.runs if not (one.placebo or one.is_manual)]
    if treated:
        helped = sum(one.verdict == "helped" for one in treated)
        harmed = sum(one.verdict == "harmed" for one in treated)
        yield f"{'At least ' if day.more_runs else ''}{format_count(len(treated), 'optimization')} ran: {helped} measurably helped, {harmed} harmed."
    by_hand = sum(one.is_manual for one in day.runs)
    if by_hand:
        yield f"{format_count(by_hand, 'action')} {'was' if by_hand == 1 else 'were'} run by hand."
    still = sum(_is_open(one, day) for one in day.alerts)
    yield f"{_many(len(day.alerts), 'alert')}, {still} still open." if day.alerts else "No alert was open."


def _result(spans: tuple[SessionPart, ...]) -> Iterator[str]:
    known = [(one.equity, one.benchmark) for one in spans if one.equity is not None and one.benchmark is not None]
    if len(known) == 1 and len(spans) == 1:
        (before, after), (hold_before, hold_after) = known[0]
        yield (
            f"Equity went from {format_money(before)} to {format_money(after)} ({format_change(after, before)}) after all costs; "
            f"buying all in equal parts and holding came to {format_change(hold_after, hold_before)}."
        )
    elif known:
        gained = sum(after - before for (before, after), _ in known)
        yield f"Over {len(known)} sessions, each with an account of its own, equity changed by {format_money(gained, sign=True)} after all costs."


def _money(day: DayRecord) -> Iterator[Paragraph | Table | LineChart]:
    if not day.spans:
        yield Paragraph("Nothing was decided, so nothing was gained or lost.")
        return
    rows = [row for span in day.spans for row in _accounts(span, several=len(day.spans) > 1)]
    yield Table(("", "at first", "at last", "change", ""), tuple(rows))
    if len(day.equity_points) > 2:
        at, equity, hold = zip(*day.equity_points, strict=True)
        yield LineChart(("Podium", "buying all and holding"), at, (equity, hold), "Equity and holding over the day")
    yield from _costs(day)
    worst = [span.drawdown for span in day.spans if span.drawdown is not None]
    if worst:
        yield Paragraph(f"Largest drawdown from the peak: {format_share(max(worst))}.")


def _accounts(span: SessionPart, *, several: bool) -> Iterator[tuple[str, ...]]:
    of = f", session {span.session}" if several else ""
    for name, ends in (("Podium after costs", span.equity), ("Buying all in equal parts and holding", span.benchmark)):
        if ends is None:
            yield f"{name}{of}", NOT_ENOUGH, NOT_ENOUGH, "", ""
        else:
            yield (
                f"{name}{of}",
                format_money(ends[0]),
                format_money(ends[1]),
                format_money(ends[1] - ends[0], sign=True),
                format_change(ends[1], ends[0]),
            )
    if span.equity is not None:
        yield f"Doing nothing{of}", format_money(span.equity[0]), format_money(span.equity[0]), format_money(0.0, sign=True), "+0.00%"


def _costs(day: DayRecord) -> Iterator[Paragraph | Table]:
    told = day.trading
    if not told.fills:
        yield Paragraph(
            "Nothing was filled, so no cost was paid." + (f" {format_count(told.unfilled, 'order')} found no fill." if told.unfilled else "")
        )
        return
    gained = sum(span.equity[1] - span.equity[0] for span in day.spans if span.equity is not None)
    parts = (("Fees", told.fee), ("Half the spread", told.spread), ("Impact", told.impact), ("All costs", told.cost))
    rows = [(name, format_money(-cost), f"{cost / told.turnover * 1e4:.2f} bps" if told.turnover > 0 else NOT_ENOUGH) for name, cost in parts]
    carry = [span.carry for span in day.spans if span.carry is not None]
    rows += [("Borrow and funding", format_money(sum(carry), sign=True), "")] if any(carry) else []
    rows += [
        ("Change of equity", format_money(gained, sign=True), ""),
        ("The same had trading been free", format_money(gained + told.cost, sign=True), ""),
    ]
    yield Table(("", "money", "of what was traded"), tuple(rows))
    none = f", {format_count(told.unfilled, 'order')} found no fill" if told.unfilled else ""
    yield Paragraph(
        f"{format_count(told.fills, 'fill')} of {format_money(told.turnover)} in all{none}; gained or lost on what was closed, after fees: "
        f"{format_money(told.realised, sign=True)}."
    )


def _decisions(day: DayRecord) -> Iterator[Paragraph | Table]:
    if not day.actions:
        yield Paragraph("None.")
        return
    by_activity = sorted(day.actions, key=lambda one: (-(one.buy + one.sell), one.symbol))
    rows: list[tuple[str, ...]] = [(one.symbol, f"{one.buy:,}", f"{one.sell:,}", f"{one.hold:,}") for one in by_activity[:SYMBOLS]]
    rest = by_activity[SYMBOLS:]
    if rest:
        sums = (sum(one.buy for one in rest), sum(one.sell for one in rest), sum(one.hold for one in rest))
        rows.append((f"{len(rest)} more", *(f"{n:,}" for n in sums)))
    yield Table(("Symbol", "buy", "sell", "hold"), tuple(rows))
    first, last = day.spans[0], day.spans[-1]
    warm = (
        f" {format_count(day.warmup_ticks, 'tick')} more were decided over history while warming up and are not counted here."
        if day.warmup_ticks
        else ""
    )
    yield Paragraph(
        f"Ticks {first.first:,} to {last.last:,}; market time {format_moment(first.first_at)} to {format_moment(last.last_at)} UTC.{warm} "
        f"{format_count(day.models_trained, 'model')} trained, {format_count(day.commands, 'command')} given, {format_count(day.engine_starts, 'start')} of the engine."
    )


def _gates(day: DayRecord) -> Iterator[Paragraph | Table]:
    if not day.decisions:
        yield Paragraph("Nothing was decided.")
        return
    told = [one for one in day.gates if one.n]
    rows = []
    for one in told[:GATES]:
        mean, low, high = one.declined or (None, None, None)
        cost = NOT_ENOUGH if mean is None else f"{mean:+.2f} bps"
        band = NOT_ENOUGH if low is None or high is None else f"{low:+.2f} to {high:+.2f}"
        rows.append((phrase_gate(one.gate), f"{one.n:,}", format_share(one.n / day.decisions, 1), cost, band, f"{one.scored:,}"))
    rest = sum(one.n for one in told[GATES:])
    if rest:
        rows.append((f"{len(told) - GATES} more", f"{rest:,}", format_share(rest / day.decisions, 1), "", "", ""))
    rows += [(f"none: {intent}", f"{n:,}", format_share(n / day.decisions, 1), "", "", "") for intent, n in day.intents]
    free = day.ungated - sum(n for _, n in day.intents)
    if free:
        rows.append(("none: hold", f"{free:,}", format_share(free / day.decisions, 1), "", "", ""))
    yield Table(("First gate that failed", "decisions", "share", "regret", "95 % interval", "trades scored"), tuple(rows))
    as_of = "" if day.skill_at is None else f", over all scored up to tick {day.skill_at:,}"
    yield Paragraph(f"Regret is what the declined trade would have made after costs{as_of}: above 0 the gate cost money, below 0 it saved it.")


def _health(day: DayRecord) -> Iterator[Paragraph | Table]:
    ticks, broken = day.clean_counts
    if ticks:
        band = NOT_ENOUGH if day.clean_interval is None else f"{format_share(day.clean_interval[0], 3)} to {format_share(day.clean_interval[1], 3)}"
        yield Paragraph(f"Decided without a fallback: {format_share(1 - broken / ticks, 3)} of {format_count(ticks, 'tick')} (95 % interval {band}).")
    if day.fallbacks:
        yield Table(("Phase that fell back", "ticks"), tuple((phase, f"{n:,}") for phase, n in day.fallbacks))
    faults = "; ".join(f"{kind.replace('_', ' ')} {n} (of {format_count(symbols, 'symbol')})" for kind, n, symbols in day.incidents)
    yield Paragraph(f"Faults of the data: {faults}." if faults else "No fault of the data began.")
    yield from _recoveries(day.recoveries)
    if day.drills:
        at, passed, took, detail = day.drills[0]
        failed = sum(not one[1] for one in day.drills)
        yield Paragraph(
            f"{_many(len(day.drills), 'drill')} of kill switch, stop and alert path, {failed} failed; the last, at {format_clock(at)}, "
            f"{'passed' if passed else 'failed'} in {format_seconds(took)}: {detail}."
        )
    else:
        yield Paragraph("No drill of kill switch, stop and alert path was held.")


def _recoveries(told: tuple[RecoverySummary, ...]) -> Iterator[Paragraph | Table]:
    if not told:
        yield Paragraph("No component failed.")
        return
    over = [one for one in told if one.seconds is not None]
    longest = f", the slowest in {format_seconds(max(one.seconds or 0.0 for one in over))}" if over else ""
    yield Paragraph(f"{_many(len(told), 'fault')} of components, {len(over)} over{longest}.")
    rows = [
        (format_clock(one.at), one.component, one.fault, one.remedy or "nothing yet", format_seconds(one.seconds), f"{one.attempts}")
        for one in told[:RECOVERIES]
    ]
    yield Table(("At", "component", "fault", "what helped", "took", "tries"), tuple(rows), left=4)


def _many(count: int, what: str) -> str:
    """A count, which is only the least there were where as many are listed as are read."""
    return f"{'at least ' if count >= LISTED else ''}{format_count(count, what)}"


def _is_open(one: AlertSummary, day: DayRecord) -> bool:
    return one.resolved_at is None or one.resolved_at >= day.until


def _alerts(day: DayRecord) -> Iterator[Paragraph | Table]:
    if not day.alerts:
        yield Paragraph("None was open.")
        return
    rows = [(format_moment(one.at), one.severity, one.rule, one.message, _ending(one, day)) for one in day.alerts[:ALERTS]]
    yield Table(("Since", "severity", "rule", "message", "until"), tuple(rows), left=5)
    if len(day.alerts) > ALERTS:
        rules = Counter(one.rule for one in day.alerts[ALERTS:])
        yield Paragraph(f"{len(day.alerts) - ALERTS} more: {', '.join(f'{rule} {n}' for rule, n in rules.most_common(6))}.")


def _ending(one: AlertSummary, day: DayRecord) -> str:
    seen = f", seen by {one.acked_by}" if one.acked_by else ""
    return ("still open" if _is_open(one, day) else format_moment(one.resolved_at or 0)) + seen


def _skill(day: DayRecord) -> Iterator[Paragraph | Table]:
    if not day.skill:
        yield Paragraph(f"Out-of-sample skill: {NOT_ENOUGH}.")
        return
    rows = []
    for one in day.skill:
        r2 = NOT_ENOUGH if one.r2 is None else f"{one.r2:+.4f}"
        band = NOT_ENOUGH if one.low is None or one.high is None else f"{one.low:+.4f} to {one.high:+.4f}"
        rows.append((one.model, f"{one.horizon}", r2, band, f"{one.n:,}", format_figure(one.n_effective, "", sign=False)))
    yield Table(("Model", "bars ahead", "R2", "95 % interval", "n", "effective n"), tuple(rows))
    as_of = "" if day.skill_at is None else f" as it stands at tick {day.skill_at:,}"
    yield Paragraph(f"Out-of-sample R2 against the naive forecast{as_of}; the interval holds however often one looks.")
    then = [f"{horizon} bars {NOT_ENOUGH if low is None else f'{low:+.4f}'}" for horizon, _, low in day.skill_then]
    if then:
        yield Paragraph(f"At the last tick of the day sizes were scaled by these lower bounds of the ensemble's R2: {', '.join(then)}.")
