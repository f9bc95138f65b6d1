"""The findings of a soak in the store and in its samples, and the failures among them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from engine.evidence.proportions import wilson_interval
from tests.soak.growth import Slope, slope

CLEAN = 0.999
WINDOWS, ACTIONS = 8, 3  # measured windows with and without the action, of so many actions
FULL_MINUTES = 30.0  # below it there is no time for that many, and growth is reported and not judged
VERDICTS = ("helped", "no measurable effect", "harmed", "not enough data")
SETTLED = 1 / 3  # of the run goes by before growth is judged
UNITS = {
    "memory, this process": (1e6, "MB"),
    "memory with its workers": (1e6, "MB"),
    "threads": (1.0, ""),
    "open files": (1.0, ""),
    "store": (1e6, "MB"),
}
SLACK = {"threads": 2.0, "open files": 4.0, "store": 2e6, "memory, this process": 4e6, "memory with its workers": 30e6}  # of their own units


@dataclass(frozen=True, slots=True)
class Windows:
    """The measured windows of one action on one metric."""

    action: str
    metric: str
    treated: int
    placebos: int
    helped: int
    nothing: int
    harmed: int
    unknown: int
    judged: str  # what all of them say together

    @property
    def enough(self) -> bool:
        return min(self.treated, self.placebos) >= WINDOWS


@dataclass(frozen=True, slots=True)
class Findings:
    """What the store tells."""

    ticks: int
    broken: int
    fallbacks: tuple[tuple[str, str, int], ...]  # phase, error, how often
    trials: int
    without_verdict: int
    unmeasured: int
    windows: tuple[Windows, ...]
    licences: tuple[tuple[str, str, str], ...]  # those taken away: action, licence, why
    alerts: tuple[tuple[str, int], ...]


def counted(store: Path) -> tuple[int, int]:
    """Ticks so far and how many of them had a phase fall back: those dropped since are in it."""
    with closing(sqlite3.connect(store)) as store_rows:
        ticks = store_rows.execute("SELECT coalesce(sum(value), 0) FROM counters WHERE kind = 'ticks' AND name <> 'sum'").fetchone()[0]
        broken = store_rows.execute("SELECT coalesce(sum(value), 0) FROM counters WHERE kind = 'degraded'").fetchone()[0]
    return int(ticks), int(broken)


def read(store: Path, before: tuple[int, int] = (0, 0)) -> Findings:
    """What came after `before` was counted."""
    ticks, broken = (now - then for now, then in zip(counted(store), before, strict=True))
    marks = ", ".join("?" * len(VERDICTS))
    with closing(sqlite3.connect(store)) as connection:
        fallen = connection.execute(
            "SELECT json_extract(s.value, '$[0]'), coalesce(json_extract(s.value, '$[4]'), ''), count(*) FROM ticks t, json_each(t.spans) s "
            "WHERE t.warm = 0 AND t.degraded <> '[]' AND json_extract(s.value, '$[3]') GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 8"
        ).fetchall()
        trials, open_ = connection.execute(
            f"SELECT count(*), coalesce(sum(verdict NOT IN ({marks}) OR detail = 'under way'), 0) FROM trials", VERDICTS
        ).fetchone()
        unmeasured = connection.execute("SELECT count(*) FROM trials WHERE before IS NULL OR after IS NULL").fetchone()[0]
        windows = connection.execute(
            """SELECT t.action, t.metric, sum(t.placebo = 0), sum(t.placebo = 1), sum(t.placebo = 0 AND t.verdict = 'helped'),
                      sum(t.placebo = 0 AND t.verdict = 'no measurable effect'), sum(t.placebo = 0 AND t.verdict = 'harmed'),
                      sum(t.placebo = 0 AND t.verdict = 'not enough data'),
                      coalesce((SELECT j.verdict || CASE WHEN j.low IS NULL OR j.high IS NULL THEN '' ELSE
                                    printf(': %+.4g %s (%+.4g to %+.4g)', j.effect, j.unit, j.low, j.high) END
                                FROM judgements j WHERE j.action = t.action AND j.metric = t.metric), 'not judged')
               FROM trials t WHERE t.mode <> 'manual' AND t.before IS NOT NULL AND t.after IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2"""
        ).fetchall()
        licences = connection.execute("SELECT action, licence, coalesce(why, '') FROM actions WHERE licence <> 'auto' ORDER BY 1").fetchall()
        alerts = connection.execute("SELECT rule, count(*) FROM alerts GROUP BY 1 ORDER BY 2 DESC LIMIT 12").fetchall()
    return Findings(ticks, broken, tuple(fallen), trials, open_, unmeasured, tuple(Windows(*row) for row in windows), tuple(licences), tuple(alerts))


def slopes(at: Sequence[float], series: Mapping[str, Sequence[float]]) -> dict[str, Slope | None]:
    """How each series grows once the run has settled; `at` in seconds since its beginning."""
    first = next((place for place, time in enumerate(at) if time >= SETTLED * at[-1]), 0)
    return {name: slope(name, at[first:], values[first:], slack=SLACK[name]) for name, values in series.items()}


def summarize(findings: Findings, grown: dict[str, Slope | None]) -> list[str]:
    """The findings in words."""
    band = wilson_interval(1 - findings.broken / findings.ticks, findings.ticks) if findings.ticks else None
    share = f"{1 - findings.broken / findings.ticks:.4%}" if findings.ticks else "not enough data"
    lines = [f"honest decisions: {share} of {findings.ticks:,} ticks" + ("" if band is None else f" (95 % interval {band[0]:.3%} to {band[1]:.3%})")]
    lines += [f"  fell back: {phase} {n} times: {error}" for phase, error, n in findings.fallbacks]
    lines.append(f"growth, by a line through the means of blocks of the last {1 - SETTLED:.0%} of the run, with its 95 % interval:")
    lines += [f"  {_words(name, window)}" for name, window in grown.items()]
    lines.append(f"trials: {findings.trials}, without a verdict {findings.without_verdict}, cut short or unmeasured {findings.unmeasured}")
    lines += [
        f"  {window.action} on {window.metric}: {window.treated} windows with it, {window.placebos} without; "
        f"one by one helped {window.helped}, no effect {window.nothing}, harmed {window.harmed}, too little data {window.unknown}; "
        f"together {window.judged}"
        for window in findings.windows
    ]
    lines += [f"  {action} lost its licence, it is {licence}: {why}" for action, licence, why in findings.licences]
    lines.append("alerts: " + (", ".join(f"{rule} {n}" for rule, n in findings.alerts) or "none"))
    return lines


def failures(findings: Findings, grown: dict[str, Slope | None], minutes: float) -> list[str]:
    """What is not as it should be."""
    wrong = []
    if not findings.ticks or 1 - findings.broken / findings.ticks < CLEAN:
        wrong.append(f"honest decisions are below {CLEAN:.1%}")
    if minutes >= FULL_MINUTES:  # in a shorter run caches still fill up, which looks like growth
        wrong += [f"{name} grows" for name, window in grown.items() if window is not None and window.grows]
        wrong += [f"{name}: too few samples to judge its growth" for name, window in grown.items() if window is None]
    if findings.without_verdict:
        wrong.append(f"{findings.without_verdict} trials ended without a verdict")
    enough = sorted({window.action for window in findings.windows if window.enough})
    if minutes >= FULL_MINUTES and len(enough) < ACTIONS:
        wrong.append(f"{len(enough)} actions have {WINDOWS} windows with and without them, {ACTIONS} should")
    return wrong


def _words(name: str, slope: Slope | None) -> str:
    if slope is None:
        return f"{name}: not enough data"
    scale, unit = UNITS[name]
    figures = f"{slope.an_hour / scale:+.2f} ({slope.low / scale:+.2f} to {slope.high / scale:+.2f}) {unit}".rstrip() + " an hour"
    verdict = "GROWS" if slope.grows else "does not grow beyond what is let pass"
    return (
        f"{name}: {slope.level / scale:,.1f} {unit}".rstrip()
        + f" at first, {figures}: {verdict} ({slope.slack / scale:.2g} {unit}".rstrip()
        + " over the span)"
    )
