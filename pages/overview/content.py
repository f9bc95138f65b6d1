"""What Overview shows, built once for all browsers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine import units
from engine.store.read import portfolio, timeline
from engine.store.read.status import EngineStatus, SessionInfo
from pages.overview import charts, gate_history, machine, present, tables, text, visit
from pages.overview.present import AGEING
from pages.ui import cache, equity_chart, live, now_cache, trading_tables, updates, widgets
from pages.ui.charts import Figure
from pages.ui.shared import build_answer_every, build_every, build_once
from pages.ui.updates import PageParts
from pages.ui.wire import Payload

TITLE = "Overview"
STRIP = 120  # ticks
REFRESH = 2.0  # s
GATES = 10  # rows of what bound and what was done


@dataclass(frozen=True, slots=True)
class OverviewPage:
    """The page as every browser shows it; without `status` there is no tick yet."""

    live: PageParts
    status: EngineStatus | None = None
    strip: Figure | None = None
    strip_symbols: int = 0
    equity: Figure | None = None  # None before there are two points
    now: Sequence[tuple[str, str]] = ()  # lines on what is going on
    has_gates: bool = False


def build_page() -> OverviewPage:
    """Build what all browsers share of the page; raises StoreUnreadable."""
    return build_once("overview: page", _build_page, seconds=REFRESH)


def _build_page() -> OverviewPage:
    with cache.read_snapshot():
        status = cache.fetch_status()
        session = status.session
        if status.last is None or session is None:
            return OverviewPage(PageParts("no tick"))
        warming = text.describe_warmup(status, now_cache.fetch_warmup_pace() if status.last.warm else None)
        verdict, tiles = build_once("overview: present", lambda: present.build_present(status), seconds=AGEING)
        gates_heading, gates = build_once("overview: gates", lambda: build_gate_shares(session), seconds=AGEING)
        machine_heading, readings = build_once("overview: machine", machine.build_machine, seconds=2 * REFRESH)
        strip = build_once("overview: strip", lambda: gate_history.plot_newest(session, STRIP))
        equity_heading, equity = build_once("overview: equity", lambda: plot_equity(session))
        latest_heading, latest = build_once("overview: latest", render_latest_decisions)
        markup = {
            "warming": "" if warming is None else f'<div class="pd-note">{widgets.escape_html(f"{text.WHAT_IT_IS} {warming}")}</div>',
            "verdict": verdict, "gates_heading": gates_heading, "machine_heading": machine_heading, "equity_heading": equity_heading,
            "latest_heading": latest_heading,
        }  # fmt: skip
        parts = {name: updates.prepare_markup(part) for name, part in markup.items()}
        parts |= {"present": tiles, "machine": readings, "strip": strip.to_payload(), "latest": latest}
        if gates is not None:
            parts["gates"] = gates
        if equity is not None:
            parts["equity"] = equity.to_payload()
        now = build_once("overview: now", lambda: present.build_now_list(status), seconds=AGEING)
        comes_and_goes = [bool(warming), bool(verdict), bool(machine_heading), *(part in parts for part in ("gates", "equity"))]
        heights = [strip.height, equity and equity.height]
        strip_symbols = min(charts.MAX_SYMBOLS, len(session.symbols))
        frame = " ".join(map(str, [*comes_and_goes, *heights, strip_symbols, len(session.symbols), session.id]))
        return OverviewPage(
            PageParts(frame, parts), status, strip, strip_symbols, equity, now,
            has_gates=gates is not None,
        )  # fmt: skip


def build_own_parts(page: OverviewPage, since: int | None) -> PageParts:
    """Build the part that differs by the end of the browser's previous visit, ns UTC: what is recommended, what changed since, and more."""
    recommended, *others = page.now
    lines = [recommended]
    if cache.past_tick() is None:
        lines.append(
            build_answer_every(f"overview: news since {since}", lambda: visit.describe_news(visit.fetch_news_of(since), since), seconds=AGEING)
        )
    else:
        others = [line for line in others if line[0] != "Evolution"]
    rows = "".join(f"<div>{widgets.escape_html(f'{name}: {words}.')}</div>" for name, words in (*lines, *others))
    markup = f'<div class="pd-now" role="group" aria-label="Now">{rows}</div>'
    return PageParts(page.live.frame, {"now": updates.prepare_markup(markup)})


def build_gate_shares(session: SessionInfo) -> tuple[str, Payload | None]:
    """Build the heading and the table of what bound; None without a decision in the last 24 h."""
    counts = gate_history.count_newest()
    which = f"{'warm-up' if counts.is_warmup else 'live'} decisions"
    more = "; no live decision yet" if counts.is_warmup else f", the newest {counts.total:,}" if counts.is_truncated else ""
    heading = widgets.render_heading("Why not trading?", f"{which} of the last 24 h{more}")
    return heading, live.prepare_table(tables.render_gate_shares(counts, session)) if counts.total else None


def plot_equity(session: SessionInfo) -> tuple[str, Figure | None]:
    """Return the heading of the equity chart, and the chart with its events, None before there are two points."""
    frame = cache.get_reader().once(portfolio.read_equity)  # its events are read from the same line
    matched, step = now_cache.fetch_equal_exposure()
    how = "at every tick" if step == 1 else f"every {step:,} ticks"
    heading = widgets.render_heading("Equity", f"gain after costs, warm-up included; equal exposure: the benchmark as invested as Podium, set {how}")
    if len(frame) < 2:
        return heading, None
    marks = build_every("overview: marks", lambda: now_cache.read_now(timeline.read_timeline), seconds=AGEING)
    return heading, equity_chart.plot_equity(frame, session.settings.get("capital"), marks, matched)


def render_latest_decisions() -> tuple[str, Payload]:
    """Return the heading with the time of the newest decisions, and their table."""
    frame = present.read_newest()
    newest = units.format_time(int(frame["at"].iloc[0]), "%Y-%m-%d %H:%M")
    heading = widgets.render_heading("Latest decisions", f"market time in UTC; newest {newest}")
    return heading, live.prepare_table(trading_tables.render_decisions(frame))
