"""What a scrape tells, as Prometheus families: base units, conventional names, counters that only grow; what is not known has no sample."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from engine.domain.optimization import describe_comparison
from engine.health import Health, HealthInputs, discard_future_time
from engine.store.read.metrics import MetricsSnapshot, NewestTick
from engine.store.read.savings import MetricSaving
from engine.store.write.counters import LATENCY_LABELS

STATES = ("ok", "degraded", "down", "starting")
LICENCES = ("auto", "recommend", "quarantined")
MODES = ("off", "observe", "recommend", "ask", "auto")
UP_HELP = "Whether an engine holds the store and its ticks are not stalled, as /healthz says."
SEVERITIES = ("critical", "warning", "info")
_UNITS = {  # of a reading: the ending of its name, the ending by convention, and what it is multiplied by
    "%": ("_percent", "_ratio", 0.01), "ms": ("_ms", "_seconds", 0.001), "bytes/s": ("_per_s", "_per_second", 1.0),
    "1/s": ("_per_s", "_per_second", 1.0), "C": ("_celsius", "_celsius", 1.0), "W": ("_watts", "_watts", 1.0), "bytes": ("_bytes", "_bytes", 1.0),
    "s": ("_s", "_seconds", 1.0),
}  # fmt: skip
_ENDINGS = re.compile(r"_(total|count|sum|bucket|info|created)$")  # have a meaning of their own
LabelledValue = tuple[tuple[str, ...], float | None]


def collect_store_readable(told: bool) -> Metric:
    """Whether the store could be read at all; a server that can say this much is itself up."""
    return build_gauge(
        "podium_store_readable", "Whether the store could be read for this answer: 0 while it is missing, locked or damaged.", float(told)
    )


def collect_engine_health(vitals: HealthInputs, health: Health) -> Iterator[Metric]:
    """Signs of life."""
    yield build_gauge("podium_up", UP_HELP, float(health.alive))
    yield build_gauge("podium_healthy", "Whether it is up and every component is well.", float(health.state == "healthy"))
    for name, about, at in (
        ("heartbeat", "the engine last gave a sign of life", vitals.heartbeat_at),
        ("last_tick", "the last tick was decided, by the wall clock", vitals.decided_at),
        ("start", "the engine took the store", vitals.started_at),
    ):
        yield build_gauge(f"podium_{name}_timestamp_seconds", f"When {about}, in seconds since 1970.", None if at is None else at / 1e9)
    for name, about, at in (("heartbeat", "heartbeat", vitals.heartbeat_at), ("last_tick", "tick", vitals.decided_at)):
        past = discard_future_time(at, vitals.now)
        yield build_gauge(
            f"podium_{name}_age_seconds",
            f"Seconds since the last {about}; absent while that is dated in the future, for it counts as none.",
            None if past is None else max(0, vitals.now - past) / 1e9,
        )
    step = vitals.clock_step
    if step is not None:
        yield build_gauge("podium_clock_step_seconds", "By how much the wall clock was last set while an engine ran; below 0: back.", step.seconds)
        yield build_gauge("podium_clock_step_timestamp_seconds", "When that was, by the clock as it was set.", step.at / 1e9)


def collect_figures(told: MetricsSnapshot) -> Iterator[Metric]:
    """Everything else."""
    yield from _decisions(told)
    yield from _money(told)
    yield from _skill(told)
    yield from _optimizer(told)
    yield from _parts(told)
    yield from _readings(told)


def build_gauge(name: str, about: str, value: float | None) -> Metric:
    """One gauge without labels."""
    return _gauges(name, about, (), [((), value)])


def _gauges(name: str, about: str, labels: tuple[str, ...], told: Iterable[LabelledValue]) -> Metric:
    family = GaugeMetricFamily(name, about, labels=labels)
    return _fill(family, told)


def _counters(name: str, about: str, labels: tuple[str, ...], told: Iterable[LabelledValue]) -> Metric:
    family = CounterMetricFamily(name, about, labels=labels)  # the library adds _total
    return _fill(family, told)


def _fill(family: GaugeMetricFamily | CounterMetricFamily, told: Iterable[LabelledValue]) -> Metric:
    for values, value in told:
        if value is not None and math.isfinite(value):
            family.add_metric(values, value)
    return family


def _states(name: str, about: str, label: str, state: str, told: Iterable[tuple[str, str]], states: tuple[str, ...]) -> Metric:
    """A sample for each state there is: 1 for the one it is in."""
    found = [((one, each), float(each == now)) for one, now in told for each in dict.fromkeys((*states, now))]
    return _gauges(name, about, (label, state), found)


def _kind(told: MetricsSnapshot, kind: str) -> list[tuple[str, str, float]]:
    return [(one, two, value) for name, one, two, value in told.counters if name == kind]


def _by_one(told: MetricsSnapshot, kind: str) -> list[LabelledValue]:
    return [((one,), value) for one, _, value in _kind(told, kind)]


def _decisions(told: MetricsSnapshot) -> Iterator[Metric]:
    acted = {"buy": 0.0, "sell": 0.0, "hold": 0.0} | {one: value for one, _, value in _kind(told, "decisions")}
    yield _counters(
        "podium_ticks", "Ticks decided in this store, those of the warm-up included.", (), [((), 0.0 if told.last is None else told.last.tick + 1.0)]
    )
    yield _counters(
        "podium_decisions",
        "Decisions, one a symbol and tick, those of the warm-up included.",
        ("action",),
        [((one,), value) for one, value in acted.items()],
    )
    yield _counters(
        "podium_binding_gate_decisions", "Decisions by the first gate that failed, those of the warm-up included.", ("gate",), _by_one(told, "bound")
    )
    yield _counters("podium_phase_fallbacks", "Phases that failed and were replaced by their fallback.", ("phase",), _by_one(told, "fallbacks"))
    degraded = sum(value for _, _, value in _kind(told, "degraded"))
    yield _counters("podium_degraded_ticks", "Ticks in which a phase fell back, those of the warm-up included.", (), [((), degraded)])
    yield _ticks(told)
    yield _gauges(
        "podium_phase_recent_seconds", "Time of a phase over the last 200 ticks, by percentile.", ("phase", "percentile"),
        [((phase, name), ms / 1e3) for phase, *both in told.phases for name, ms in zip(("50", "99"), both, strict=True)],
    )  # fmt: skip
    ticks, broken = told.clean_ticks
    yield build_gauge("podium_clean_decision_ratio", "Share of the live ticks of the last 30 days decided without a fallback; the warm-up is not counted.",
                1.0 - broken / ticks if ticks else None)  # fmt: skip
    yield _gauges(
        "podium_clean_decision_ratio_bound", "95 % interval of podium_clean_decision_ratio.", ("bound",),
        [((name,), value) for name, value in zip(("low", "high"), told.clean_band or (None, None), strict=True)],
    )  # fmt: skip
    yield build_gauge("podium_clean_decision_window_ticks", "Ticks that podium_clean_decision_ratio is taken over.", float(ticks))
    yield build_gauge("podium_commands_queued", "Commands that wait for the engine.", float(told.queued))


def _ticks(told: MetricsSnapshot) -> Metric:
    """Cumulative classes, as Prometheus has them."""
    counted = {one: value for one, _, value in _kind(told, "ticks")}
    classes, so_far = [], 0.0
    for bound in LATENCY_LABELS:
        so_far += counted.get(bound, 0.0)
        classes.append((bound if bound == LATENCY_LABELS[-1] else str(float(bound)), so_far))
    return HistogramMetricFamily("podium_tick_duration_seconds", "Time of a tick from its inputs to its outcome.", classes, counted.get("sum", 0.0))


def _money(told: MetricsSnapshot) -> Iterator[Metric]:
    last = told.last or NewestTick(-1, 0, 0, None, None, None, None, None)
    yield build_gauge("podium_equity", "Equity of the paper account at the newest tick, in its own currency.", last.equity)
    yield build_gauge("podium_hold_equity", "What buying all symbols in equal parts and holding would be worth.", last.benchmark)
    yield build_gauge(
        "podium_drawdown_ratio",
        "Share of the peak equity that is lost at the newest tick.",
        last.drawdown,
    )
    yield _gauges("podium_exposure_ratio", "Positions as a share of equity.", ("side",), [(("gross",), last.gross), (("net",), last.net)])
    yield _gauges("podium_position_ratio", "Position held, as a share of equity.", ("symbol",), [((one,), held) for one, held, _ in told.positions])
    yield _gauges("podium_target_ratio", "Position wanted, as a share of equity.", ("symbol",), [((one,), want) for one, _, want in told.positions])
    yield build_gauge("podium_market_timestamp_seconds", "Market time of the newest bar decided, in seconds since 1970.",
                None if told.last is None else last.at / 1e9)  # fmt: skip
    yield _counters("podium_fills", "Fills of the paper broker.", ("side",), _by_one(told, "fills"))
    yield _counters("podium_costs", "Costs paid, in the account's currency.", ("kind",), _by_one(told, "costs"))
    if told.feed is not None:
        name, label, simulated = told.feed
        yield _gauges(
            "podium_feed_info", "The market that is decided on.", ("feed", "label", "simulated"), [((name, label, str(simulated).lower()), 1.0)]
        )


def _skill(told: MetricsSnapshot) -> Iterator[Metric]:
    rows = [((row.scope, row.model, str(row.horizon)), row) for row in told.skill]
    labels = ("scope", "model", "horizon_bars")
    yield _gauges("podium_skill_r2", "Out-of-sample R2 against the naive forecast.", labels,
                  [(key, row.r2) for key, row in rows])  # fmt: skip
    yield _gauges(
        "podium_skill_r2_bound", "95 % interval of podium_skill_r2, valid under continuous watching.", (*labels, "bound"),
        [((*key, name), value) for key, row in rows for name, value in (("low", row.low), ("high", row.high))],
    )  # fmt: skip
    yield _gauges("podium_skill_effective_samples", "Independent samples that podium_skill_r2 is worth.", labels,
                  [(key, row.n_effective) for key, row in rows])  # fmt: skip
    yield _gauges("podium_gate_regret_ratio", "What a gate cost (above 0) or saved (below 0) a declined trade, as a share of its money.", ("gate",),
                  [((gate,), None if mean is None else mean / 1e4) for gate, mean in told.declined])  # fmt: skip


def _optimizer(told: MetricsSnapshot) -> Iterator[Metric]:
    labels = ("action", "verdict", "placebo")
    runs = [((*key, placebo), value) for kind, placebo in (("trials", "false"), ("placebos", "true")) for *key, value in _kind(told, kind)]
    yield _counters("podium_optimizer_trials", "Windows in which an action was run, or left out as a placebo, as a coin decided, by verdict.", labels,
                    [((one, two, placebo), value) for (one, two, placebo), value in runs])  # fmt: skip
    yield _counters(
        "podium_optimizer_runs_by_hand", "Runs that people asked for, by how the metric went against comparable windows.", ("action", "comparison"),
        [((action, describe_comparison(verdict)), value) for action, verdict, value in _kind(told, "by hand")],
    )  # fmt: skip
    yield _counters("podium_optimizer_rule_changes", "Times a rule fired, cleared or lost sight of its metric.", ("rule", "state"),
                    [((one, two), value) for one, two, value in _kind(told, "firings")])  # fmt: skip
    yield _states("podium_optimizer_licence", "Licence of an action: 1 for the one it has.", "action", "licence",
                  [(one, licence) for one, _, licence in told.actions], LICENCES)  # fmt: skip
    yield _states("podium_optimizer_mode", "Mode of an action: 1 for the one it is in.", "action", "mode",
                  [(one, mode) for one, mode, _ in told.actions], MODES)  # fmt: skip
    keys = ("action", "metric", "unit")
    judged = [((row.action, row.metric, row.unit), row) for row in told.judgements]
    yield _gauges("podium_optimizer_effect", "Effect of an action on its metric against placebo windows, in the metric's own unit.", keys,
                  [(key, row.effect) for key, row in judged])  # fmt: skip
    yield _gauges(
        "podium_optimizer_effect_bound", "95 % interval of podium_optimizer_effect.", (*keys, "bound"),
        [((*key, name), value) for key, row in judged for name, value in (("low", row.low), ("high", row.high))],
    )  # fmt: skip
    yield _gauges(
        "podium_optimizer_windows", "Windows that podium_optimizer_effect is taken over.", (*keys, "placebo"),
        [((*key, name), float(n)) for key, row in judged for name, n in (("false", row.treated), ("true", row.placebos))],
    )  # fmt: skip


def collect_savings(told: Sequence[MetricSaving]) -> Iterator[Metric]:
    """Sums of proved effects; what has no measurable effect or no interval yet is in none."""
    rows = [((one.metric, one.unit), one.proved) for one in told if one.proved is not None]
    keys = ("metric", "unit")
    yield _gauges("podium_optimizer_saved", "Sum of the proved effects of optimizations on a metric, in its own unit; above 0 is a gain.", keys,
                  [(key, total.amount) for key, total in rows])  # fmt: skip
    yield _gauges(
        "podium_optimizer_saved_bound", "95 % interval of podium_optimizer_saved.", (*keys, "bound"),
        [((*key, name), value) for key, total in rows for name, value in (("low", total.low), ("high", total.high))],
    )  # fmt: skip
    yield _gauges(
        "podium_optimizer_saved_runs", "Runs that podium_optimizer_saved is the sum of.", keys, [(key, float(total.n)) for key, total in rows]
    )


def _parts(told: MetricsSnapshot) -> Iterator[Metric]:
    is_open = dict.fromkeys(SEVERITIES, 0) | dict(told.alerts)
    yield _gauges("podium_alerts_open", "Alerts that are open.", ("severity",), [((one,), float(n)) for one, n in is_open.items()])
    yield _states("podium_component_state", "State of a part of the engine: 1 for the one it is in.", "component", "state", told.components, STATES)
    yield build_gauge("podium_store_size_bytes", "Size of the store's file and of its log.", float(told.store_bytes))


def _readings(told: MetricsSnapshot) -> Iterator[Metric]:
    """Every reading of the last minute under a name made of its own; two that come to the same name are told once."""
    yield build_gauge("podium_readings_timestamp_seconds", "When the machine was last read, in seconds since 1970; absent while it is older than a minute.",
                told.readings[0][0] / 1e9 if told.readings else None)  # fmt: skip
    ages = [value / 1e3 for _, source, name, value, unit in told.readings if (source, name, unit) == ("engine", "data_age_ms", "ms")]
    yield build_gauge("podium_data_age_seconds", "Age of the newest data when the machine was last read.", ages[0] if ages else None)
    known: set[str] = set()
    for _, source, name, value, unit in told.readings:
        full, factor = name_reading(source, name, unit)
        if full not in known:
            known.add(full)
            yield build_gauge(full, f"Reading {_plain(name)} of {_plain(source)}, taken in {_plain(unit)}.", value * factor)


def name_reading(source: str, name: str, unit: str) -> tuple[str, float]:
    """The name of a reading in base units, and what to multiply its value by."""
    ending, instead, factor = _UNITS.get(unit, ("", "", 1.0))
    plain = _legal(name)
    plain = plain.removesuffix(ending) + instead if ending else plain
    return f"podium_reading_{_legal(source)}_" + _ENDINGS.sub(r"_\1s", plain), factor


def _legal(text: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "_", text.lower()) or "_"


def _plain(text: str) -> str:
    return " ".join(text.split())[:80]
