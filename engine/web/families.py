"""The metric families of a scrape: base units, conventional names, counters that only grow; an unknown value has no sample."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from engine.domain.optimization import describe_comparison
from engine.domain.webhooks import TARGET
from engine.health import Health, HealthInputs, discard_future_time
from engine.report.savings import MetricSaving
from engine.store.read.metrics import MetricsSnapshot, NewestTick
from engine.store.write.counters import LATENCY_LABELS
from engine.web.bot_families import collect_bots
from engine.web.stream_families import collect_streams

STATES = ("ok", "degraded", "down", "starting")
LICENCES = ("auto", "recommend", "quarantined")
MODES = ("off", "observe", "recommend", "ask", "auto")
UP_HELP = "Whether an engine holds the store and its ticks are not stalled, as /healthz says."
SEVERITIES = ("critical", "warning", "info")
_UNITS = {  # by unit of a reading: suffix of its name, conventional suffix, factor
    "%": ("_percent", "_ratio", 0.01), "ms": ("_ms", "_seconds", 0.001), "bytes/s": ("_per_s", "_per_second", 1.0),
    "1/s": ("_per_s", "_per_second", 1.0), "C": ("_celsius", "_celsius", 1.0), "W": ("_watts", "_watts", 1.0), "bytes": ("_bytes", "_bytes", 1.0),
    "s": ("_s", "_seconds", 1.0),
}  # fmt: skip
_ENDINGS = re.compile(r"_(total|count|sum|bucket|info|created)$")  # suffixes with a meaning in Prometheus
LabelledValue = tuple[tuple[str, ...], float | None]


def collect_store_readable(is_readable: bool) -> Metric:
    """Report whether the store could be read; a server that answers is itself up."""
    return build_gauge("podium_store_readable", "Whether the store could be read: 0 while it is missing, locked or damaged.", float(is_readable))


def collect_engine_health(vitals: HealthInputs, health: Health) -> Iterator[Metric]:
    """Liveness, health and the clock."""
    yield build_gauge("podium_up", UP_HELP, float(health.alive))
    yield build_gauge("podium_healthy", "Whether it is up and every component is healthy.", float(health.state == "healthy"))
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
            f"Seconds since the last {about}; absent while that lies in the future.",
            None if past is None else max(0, vitals.now - past) / 1e9,
        )
    step = vitals.clock_step
    if step is not None:
        yield build_gauge("podium_clock_step_seconds", "Last step of the wall clock while an engine ran; below 0: backwards.", step.seconds)
        yield build_gauge("podium_clock_step_timestamp_seconds", "Time of that step, by the clock after it.", step.at / 1e9)


def collect_figures(metrics: MetricsSnapshot) -> Iterator[Metric]:
    """Decisions, money, skill, the optimizer, components and readings."""
    yield from _decisions(metrics)
    yield from _money(metrics)
    yield from _skill(metrics)
    yield from _evolution(metrics)
    yield from _optimizer(metrics)
    yield from _parts(metrics)
    yield from _webhooks(metrics)
    yield from collect_streams(metrics.streams)
    yield from collect_bots(metrics.bots)
    yield from _readings(metrics)


def build_gauge(name: str, about: str, value: float | None) -> Metric:
    """One gauge without labels."""
    return _gauges(name, about, (), [((), value)])


def _gauges(name: str, about: str, labels: tuple[str, ...], samples: Iterable[LabelledValue]) -> Metric:
    family = GaugeMetricFamily(name, about, labels=labels)
    return _fill(family, samples)


def _counters(name: str, about: str, labels: tuple[str, ...], samples: Iterable[LabelledValue]) -> Metric:
    family = CounterMetricFamily(name, about, labels=labels)  # the library adds _total
    return _fill(family, samples)


def _fill(family: GaugeMetricFamily | CounterMetricFamily, samples: Iterable[LabelledValue]) -> Metric:
    for values, value in samples:
        if value is not None and math.isfinite(value):
            family.add_metric(values, value)
    return family


def _states(name: str, about: str, label: str, state: str, items: Iterable[tuple[str, str]], states: tuple[str, ...]) -> Metric:
    """One sample per state: 1 for the current state, 0 for the others."""
    samples = [((item, each), float(each == now)) for item, now in items for each in dict.fromkeys((*states, now))]
    return _gauges(name, about, (label, state), samples)


def _kind(metrics: MetricsSnapshot, kind: str) -> list[tuple[str, str, float]]:
    return [(first, second, value) for name, first, second, value in metrics.counters if name == kind]


def _by_label(metrics: MetricsSnapshot, kind: str) -> list[LabelledValue]:
    return [((label,), value) for label, _, value in _kind(metrics, kind)]


def _decisions(metrics: MetricsSnapshot) -> Iterator[Metric]:
    acted = {"buy": 0.0, "sell": 0.0, "hold": 0.0} | {label: value for label, _, value in _kind(metrics, "decisions")}
    yield _counters(
        "podium_ticks",
        "Ticks decided in this store, including the warm-up.",
        (),
        [((), 0.0 if metrics.last is None else metrics.last.tick + 1.0)],
    )
    yield _counters(
        "podium_decisions",
        "Decisions, one per symbol and tick, including the warm-up.",
        ("action",),
        [((label,), value) for label, value in acted.items()],
    )
    yield _counters(
        "podium_binding_gate_decisions",
        "Decisions by the first gate that failed, including the warm-up.",
        ("gate",),
        _by_label(metrics, "bound"),
    )
    yield _counters("podium_phase_fallbacks", "Phases that failed and were replaced by their fallback.", ("phase",), _by_label(metrics, "fallbacks"))
    degraded = sum(value for _, _, value in _kind(metrics, "degraded"))
    yield _counters("podium_degraded_ticks", "Ticks in which a phase fell back, including the warm-up.", (), [((), degraded)])
    yield _ticks(metrics)
    yield _gauges(
        "podium_phase_recent_seconds", "Time of a phase over the last 200 ticks, by percentile.", ("phase", "percentile"),
        [((phase, name), ms / 1e3) for phase, *both in metrics.phases for name, ms in zip(("50", "99"), both, strict=True)],
    )  # fmt: skip
    ticks, fallbacks, without_data = metrics.clean_ticks
    yield build_gauge(
        "podium_clean_decision_ratio",
        "Share of clean ticks (no fallback, data in time) among the live ticks of the last 30 days, without the warm-up.",
        1.0 - (fallbacks + without_data) / ticks if ticks else None,
    )
    yield _gauges(
        "podium_clean_decision_ratio_bound", "95 % interval of podium_clean_decision_ratio.", ("bound",),
        [((name,), value) for name, value in zip(("low", "high"), metrics.clean_band or (None, None), strict=True)],
    )  # fmt: skip
    yield _gauges(
        "podium_unclean_ticks", "Ticks that podium_clean_decision_ratio does not count as clean, by cause.", ("cause",),
        [(("fallback",), float(fallbacks)), (("no_data",), float(without_data))],
    )  # fmt: skip
    yield build_gauge("podium_clean_decision_window_ticks", "Ticks that podium_clean_decision_ratio covers.", float(ticks))
    yield _counters(
        "podium_logins", "Tries to log in: ok, failed (wrong name or password) and delayed (not looked at, too soon after failed ones).", ("result",),
        _by_label(metrics, "logins"),
    )  # fmt: skip
    yield build_gauge("podium_commands_queued", "Commands that wait for the engine.", float(metrics.queued))


def _ticks(metrics: MetricsSnapshot) -> Metric:
    """Cumulative buckets of the time per tick."""
    counted = {label: value for label, _, value in _kind(metrics, "ticks")}
    classes, so_far = [], 0.0
    for bound in LATENCY_LABELS:
        so_far += counted.get(bound, 0.0)
        classes.append((bound if bound == LATENCY_LABELS[-1] else str(float(bound)), so_far))
    return HistogramMetricFamily("podium_tick_duration_seconds", "Time of a tick from its inputs to its outcome.", classes, counted.get("sum", 0.0))


def _money(metrics: MetricsSnapshot) -> Iterator[Metric]:
    last = metrics.last or NewestTick(-1, 0, 0, None, None, None, None, None)
    yield build_gauge("podium_equity", "Equity of the paper account at the newest tick, in its own currency.", last.equity)
    yield build_gauge("podium_hold_equity", "Equity of buying all symbols in equal parts and holding.", last.benchmark)
    yield build_gauge(
        "podium_drawdown_ratio",
        "Loss from the peak equity at the newest tick, as a share of the peak.",
        last.drawdown,
    )
    yield _gauges("podium_exposure_ratio", "Positions as a share of equity.", ("side",), [(("gross",), last.gross), (("net",), last.net)])
    yield _gauges(
        "podium_position_ratio",
        "Current position, as a share of equity.",
        ("symbol",),
        [((label,), held) for label, held, _ in metrics.positions],
    )
    yield _gauges(
        "podium_target_ratio",
        "Desired position, as a share of equity.",
        ("symbol",),
        [((label,), want) for label, _, want in metrics.positions],
    )
    yield build_gauge("podium_market_timestamp_seconds", "Market time of the newest bar decided, in seconds since 1970.",
                None if metrics.last is None else last.at / 1e9)  # fmt: skip
    yield _counters("podium_fills", "Fills of the paper broker.", ("side",), _by_label(metrics, "fills"))
    yield _counters("podium_costs", "Costs paid, in the account's currency.", ("kind",), _by_label(metrics, "costs"))
    if metrics.feed is not None:
        name, label, simulated = metrics.feed
        yield _gauges(
            "podium_feed_info",
            "The market that the engine decides on.",
            ("feed", "label", "simulated"),
            [((name, label, str(simulated).lower()), 1.0)],
        )


def _skill(metrics: MetricsSnapshot) -> Iterator[Metric]:
    rows = [((row.scope, row.model, str(row.horizon)), row) for row in metrics.skill]
    labels = ("scope", "model", "horizon_bars")
    yield _gauges("podium_skill_r2", "Out-of-sample R² against a forecast of no change.", labels,
                  [(key, row.r2) for key, row in rows])  # fmt: skip
    yield _gauges(
        "podium_skill_r2_bound", "95 % interval of podium_skill_r2, valid under continuous watching.", (*labels, "bound"),
        [((*key, name), value) for key, row in rows for name, value in (("low", row.low), ("high", row.high))],
    )  # fmt: skip
    yield _gauges("podium_skill_effective_samples", "Effective number of independent samples of podium_skill_r2.", labels,
                  [(key, row.n_effective) for key, row in rows])  # fmt: skip
    yield _gauges(
        "podium_gate_declined_ratio",
        "Mean P&L of the trades that a gate declined, as a share of their value; above 0 the gate cost money.",
        ("gate",),
        [((gate,), None if mean is None else mean / 1e4) for gate, mean in metrics.declined],
    )


def _evolution(metrics: MetricsSnapshot) -> Iterator[Metric]:
    yield _gauges("podium_evolutions", "Changes of models in this session, by the state that each has reached.", ("state",),
                  [((state,), float(n)) for state, n in metrics.evolutions])  # fmt: skip
    yield build_gauge(
        "podium_evolution_contests", "Challengers whose contest with the serving ensemble goes on; absent where nothing has evolved in this session.",
        float(len(metrics.contests)) if metrics.evolutions else None,
    )  # fmt: skip
    labels = ("number", "model", "strategy")
    for name, about, place in (
        ("podium_evolution_e_value", "Evidence that a challenger is better than the serving ensemble; promoted at the threshold.", 3),
        ("podium_evolution_e_value_threshold", "Threshold of podium_evolution_e_value.", 4),
    ):
        yield _gauges(name, about, labels, [((str(row[0]), row[1], row[2]), _number(row[place])) for row in metrics.contests])


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _optimizer(metrics: MetricsSnapshot) -> Iterator[Metric]:
    labels = ("action", "verdict", "placebo")
    runs = [((*key, placebo), value) for kind, placebo in (("trials", "false"), ("placebos", "true")) for *key, value in _kind(metrics, kind)]
    yield _counters("podium_optimizer_trials", "Windows drawn at random to run an action or to withhold it as a control, by verdict.", labels,
                    [((label, two, placebo), value) for (label, two, placebo), value in runs])  # fmt: skip
    yield _counters(
        "podium_optimizer_runs_by_hand", "Manual runs, by the metric against comparable windows.", ("action", "comparison"),
        [((action, describe_comparison(verdict)), value) for action, verdict, value in _kind(metrics, "by hand")],
    )  # fmt: skip
    yield _counters("podium_optimizer_rule_changes", "Times a rule fired, cleared or had no data.", ("rule", "state"),
                    [((label, two), value) for label, two, value in _kind(metrics, "firings")])  # fmt: skip
    yield _states("podium_optimizer_licence", "Licence of an action: 1 for the current one.", "action", "licence",
                  [(label, licence) for label, _, licence in metrics.actions], LICENCES)  # fmt: skip
    yield _states("podium_optimizer_mode", "Mode of an action: 1 for the current one.", "action", "mode",
                  [(label, mode) for label, mode, _ in metrics.actions], MODES)  # fmt: skip
    keys = ("action", "metric", "unit")
    judged = [((row.action, row.metric, row.unit), row) for row in metrics.judgements]
    yield _gauges("podium_optimizer_effect", "Effect of an action on its metric against control windows, in the metric's own unit.", keys,
                  [(key, row.effect) for key, row in judged])  # fmt: skip
    yield _gauges(
        "podium_optimizer_effect_bound", "95 % interval of podium_optimizer_effect.", (*keys, "bound"),
        [((*key, name), value) for key, row in judged for name, value in (("low", row.low), ("high", row.high))],
    )  # fmt: skip
    yield _gauges(
        "podium_optimizer_windows", "Windows that podium_optimizer_effect covers.", (*keys, "placebo"),
        [((*key, name), float(n)) for key, row in judged for name, n in (("false", row.treated), ("true", row.placebos))],
    )  # fmt: skip


def collect_savings(savings: Sequence[MetricSaving]) -> Iterator[Metric]:
    """Sums of proven effects, without actions that have no measurable effect or no interval yet."""
    rows = [((saving.metric, saving.unit), saving.proved) for saving in savings if saving.proved is not None]
    keys = ("metric", "unit")
    yield _gauges("podium_optimizer_saved", "Sum of the proven effects of optimizations on a metric, in its own unit; above 0 is a gain.", keys,
                  [(key, total.amount) for key, total in rows])  # fmt: skip
    yield _gauges(
        "podium_optimizer_saved_bound", "95 % interval of podium_optimizer_saved.", (*keys, "bound"),
        [((*key, name), value) for key, total in rows for name, value in (("low", total.low), ("high", total.high))],
    )  # fmt: skip
    yield _gauges("podium_optimizer_saved_runs", "Runs that podium_optimizer_saved sums.", keys, [(key, float(total.n)) for key, total in rows])


def _parts(metrics: MetricsSnapshot) -> Iterator[Metric]:
    is_open = dict.fromkeys(SEVERITIES, 0) | dict(metrics.alerts)
    yield _gauges("podium_alerts_open", "Alerts that are open.", ("severity",), [((label,), float(n)) for label, n in is_open.items()])
    yield _states("podium_component_state", "State of a component: 1 for the current one.", "component", "state", metrics.components, STATES)
    yield build_gauge("podium_store_size_bytes", "Size of the store's file and its write-ahead log.", float(metrics.store_bytes))


def _webhooks(metrics: MetricsSnapshot) -> Iterator[Metric]:
    yield _counters(
        "podium_webhook_tries", "Tries to send an event to a webhook: accepted, failed, and given up as a dead letter.", ("webhook", "result"),
        [((name, result), value) for name, result, value in _kind(metrics, "webhooks")],
    )  # fmt: skip
    names = [(target.removeprefix(TARGET), float(waiting), float(dead)) for target, waiting, dead in metrics.webhooks]
    yield _gauges("podium_webhook_waiting", "Events that wait for a webhook.", ("webhook",), [((name,), waiting) for name, waiting, _ in names])
    yield _gauges("podium_webhook_dead_letters", "Events that a webhook was not sent in time.", ("webhook",), [((name,), n) for name, _, n in names])


def _readings(metrics: MetricsSnapshot) -> Iterator[Metric]:
    """Every reading of the last minute under a name derived from its own; of two with one name the first."""
    yield build_gauge(
        "podium_readings_timestamp_seconds",
        "When the machine was last read, in seconds since 1970; absent while it is older than a minute.",
        metrics.readings[0][0] / 1e9 if metrics.readings else None,
    )
    ages = [value / 1e3 for _, source, name, value, unit in metrics.readings if (source, name, unit) == ("engine", "data_age_ms", "ms")]
    yield build_gauge("podium_data_age_seconds", "Age of the newest data when the machine was last read.", ages[0] if ages else None)
    known: set[str] = set()
    for _, source, name, value, unit in metrics.readings:
        full, factor = name_reading(source, name, unit)
        if full not in known:
            known.add(full)
            yield build_gauge(full, f"Reading {_plain(name)} of {_plain(source)}, taken in {_plain(unit)}.", value * factor)


def name_reading(source: str, name: str, unit: str) -> tuple[str, float]:
    """The name of a reading in base units, and the factor of its value."""
    ending, instead, factor = _UNITS.get(unit, ("", "", 1.0))
    plain = _legal(name)
    plain = plain.removesuffix(ending) + instead if ending else plain
    return f"podium_reading_{_legal(source)}_" + _ENDINGS.sub(r"_\1s", plain), factor


def _legal(text: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "_", text.lower()) or "_"


def _plain(text: str) -> str:
    return " ".join(text.split())[:80]
