"""Turns a tick into rows of the store's tables. NaN and infinity become NULL, in JSON null."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from engine.domain.decision import ACTIONS, REGIMES, SPREAD_SOURCES, Fill, Outcome
from engine.domain.evolution import EvolutionReport
from engine.domain.gates import GateResults
from engine.domain.incidents import INCIDENT_KINDS, NO_FAULT, DataFaults
from engine.domain.live import BarTiming
from engine.domain.market import Inputs
from engine.domain.orders import EXECUTIONS
from engine.domain.record import Floats
from engine.domain.tick import Tick
from engine.store import codec

Row = tuple[Any, ...]
BOOK_SPREAD = SPREAD_SOURCES.index("book")
SPREAD_ESTIMATE_FIELDS = ("spread_estimate_bps", "spread_estimate_low_bps", "spread_estimate_high_bps", "spread_estimate_pairs")


def to_json(value: object) -> str:
    """Compact JSON; NaN and infinity become null."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY).decode()


def build_tick_row(tick: Tick, config_digest: str) -> Row:
    """The row of `ticks`."""
    inputs, outcome = tick.inputs, tick.outcome
    account, state, sizes = inputs.account, outcome.market_state, outcome.sizes
    shares = _shares(inputs)
    spans = [[span.phase.value, round(span.start_ms, 4), round(span.ms, 4), int(span.fallback), span.error, span.thread] for span in tick.spans]
    return (
        inputs.tick, tick.session, inputs.at, tick.decided_at, int(tick.is_warmup), tick.ms, tick.decisions_digest, to_json(tick.phase_digests),
        to_json([phase.value for phase in outcome.degraded]), to_json(spans),
        account.equity, account.cash, account.benchmark_equity, 1.0 - account.equity / account.peak_equity if account.peak_equity > 0 else None,
        float(np.abs(shares).sum()), float(shares.sum()),
        to_json({"correlation": state.correlation, "breadth": state.breadth, "sentiment": state.sentiment, "stress": state.stress}),
        outcome.predictions.verdict, to_json(outcome.forecast.weights), to_json({"low": sizes.skill_bound, "estimate": sizes.skill_estimate}),
        _spread_source(outcome), config_digest, to_json([[event.kind, event.subject, event.detail] for event in inputs.events]),
        to_json(tick.serving), to_json([[instruction.kind, instruction.subject, instruction.detail] for instruction in outcome.instructions]),
        codec.pack(account), tick.machine, _shadows(tick.evolution), _arms(tick.evolution), int(tick.no_data), *_timing(tick.timing),
    )  # fmt: skip


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def build_decision_rows(tick: Tick, session_gates: tuple[str, ...]) -> list[Row]:
    """The rows of `decisions`, one per symbol; `session_gates` are the gates stored with the session."""
    inputs, outcome = tick.inputs, tick.outcome
    decided, sizes, state, liquidity, account = outcome.decisions, outcome.sizes, outcome.market_state, outcome.liquidity, inputs.account
    count = len(inputs.symbols)
    names = decided.gates.names
    sizing = _reals(decided.target, sizes.current, decided.confidence, sizes.edge_bps, sizes.cost_bps)
    prices = _reals(liquidity.mid, np.log(liquidity.mid), state.sigma * 1e4, liquidity.spread_bps, liquidity.fee_bps, liquidity.impact_bps)
    positions = _reals(decided.edge_to_flip_bps, decided.delta, account.positions, account.entry_price, account.mark_price)
    columns: list[Iterable[Any]] = [
        [inputs.tick] * count, inputs.symbols, [tick.session] * count, [inputs.at] * count, [ACTIONS[code] for code in decided.action.tolist()],
        *sizing, [names[gate] if gate >= 0 else None for gate in decided.binding_gate.tolist()],
        [len(outcome.degraded)] * count, [REGIMES[code] for code in state.regime.tolist()], [inputs.config.horizons[sizes.horizon]] * count,
        *prices, [EXECUTIONS[code] for code in decided.execution.tolist()], *positions,
        inputs.fresh.astype(np.int64).tolist(), _forecasts(outcome), _gates(decided.gates, state.incident_state.faults, session_gates),
        _votes(outcome), _lists(sizes.steps.T), _lists(state.probabilities), _micro(outcome),
    ]  # fmt: skip
    return list(zip(*columns, strict=True))


def build_fill_rows(fills: Sequence[Fill], inputs: Inputs) -> list[Row]:
    """The rows of `fills`; an unfilled order has a size of 0 and no price."""
    rows: list[Row] = []
    for fill in fills:
        side = "buy" if (fill.units or fill.unfilled) > 0 else "sell"
        cost = fill.fee_bps + fill.spread_bps + fill.impact_bps if fill.units else None
        rows.append(
            (None, inputs.tick, inputs.at, inputs.symbols[fill.symbol], side, abs(fill.units), abs(fill.unfilled), fill.price, fill.mid,
             fill.fee_bps, fill.spread_bps, fill.impact_bps, cost, fill.realised_pnl)
        )  # fmt: skip
    return rows


def encode_execution(tick: Tick) -> str:
    """Execution quality by kind of order, as JSON: a list of execution rows."""
    return to_json([asdict(row) for row in tick.execution])


def build_skill_rows(tick: Tick) -> list[Row]:
    """The rows of `skill`."""
    return [(row.scope, row.model, row.horizon, row.regime, row.r2, row.low, row.high, row.n, row.n_effective) for row in tick.skill]


def build_declined_rows(tick: Tick) -> list[Row]:
    """The rows of `declined`."""
    return [(row.gate, row.n, row.mean_bps, row.low, row.high, row.n_effective) for row in tick.declined]


def build_liquidity_forecast_rows(tick: Tick) -> list[Row]:
    """The rows of `liquidity_forecast`."""
    return [(row.measure, row.r2, row.low, row.high, row.n, row.n_effective) for row in tick.liquidity_forecast]


def _shadows(report: EvolutionReport | None) -> str | None:
    """The digests of the versions in shadow; None for none."""
    return to_json(report.shadows) if report is not None and report.shadows else None


def _arms(report: EvolutionReport | None) -> str | None:
    """The forecasts of the arms in single precision, by number; None for none."""
    if report is None or not report.forecasts:
        return None
    return to_json({str(forecast.number): forecast.mean.astype(np.float32) for forecast in report.forecasts})


def _timing(timing: BarTiming | None) -> tuple[int | None, int | None, str | None]:
    """The columns read_at, clock_offset and input_ages, the ages rounded to a hundredth of a ms."""
    return (None, None, None) if timing is None else (timing.read_at, timing.clock_offset, to_json(np.round(timing.ages, 2)))


def _spread_source(outcome: Outcome) -> str:
    """The source of the spread: one name where it is the same for every symbol, else a JSON list by symbol."""
    codes = outcome.liquidity.spread_source.tolist()
    return SPREAD_SOURCES[codes[0]] if len(set(codes)) == 1 else to_json([SPREAD_SOURCES[code] for code in codes])


def _shares(inputs: Inputs) -> Floats:
    """Positions as shares of equity, 0 where flat."""
    account = inputs.account
    shares: Floats = np.where(account.positions != 0.0, account.positions * account.mark_price, 0.0) / account.equity
    return shares


def _reals(*columns: Floats) -> list[list[float]]:
    """Columns of numbers. SQLite stores NaN as NULL, but not infinity."""
    values = np.array(columns)
    finite: list[list[float]] = np.where(np.isfinite(values), values, np.nan).tolist()
    return finite


def _lists(values: NDArray[Any]) -> list[str]:
    """(S, N) or (S, N, K) as S JSON texts; floats in single precision, since they are only displayed.

    One call writes the whole array and its text is split: 20 times faster than a call per row.
    """
    if values.size == 0:
        return ["[]"] * len(values)
    if values.dtype.kind == "f":
        values = values.astype(np.float32) + np.float32(0.0)  # no minus zero
    depth = values.ndim - 1
    text = to_json(np.ascontiguousarray(values))
    opened, closed = "[" * depth, "]" * depth
    return [f"{opened}{row}{closed}" for row in text[depth + 1 : -depth - 1].split(f"{closed},{opened}")]


def _forecasts(outcome: Outcome) -> list[str]:
    forecast = outcome.forecast
    parts = [_lists(part.T) for part in (forecast.mean, forecast.low, forecast.high, forecast.probability, forecast.scale)]
    return [
        f'{{"mean":{mean},"low":{low},"high":{high},"probability":{probability},"scale":{scale}}}'
        for mean, low, high, probability, scale in zip(*parts, strict=True)
    ]


def _gates(gates: GateResults, faults: DataFaults, session_gates: tuple[str, ...]) -> list[str]:
    """Values, limits and results by gate; with the data fault, named as its incident is, that fails "fresh data"."""
    values, limits, passed = _lists(gates.value.T), _lists(gates.limit.T), _lists(gates.passed.T.astype(np.int64))
    end = "}" if gates.names == session_gates else f',"names":{to_json(gates.names)}}}'
    named = [f',"fault":"{INCIDENT_KINDS[kind]}"' if kind != NO_FAULT else "" for kind in faults.kind.tolist()]
    rows = zip(values, limits, passed, named, strict=True)
    return [f'{{"value":{value},"limit":{limit},"passed":{yes}{fault}{end}' for value, limit, yes, fault in rows]


def _votes(outcome: Outcome) -> list[str]:
    predictions = outcome.predictions
    means, reliabilities = _lists(predictions.mean.transpose(2, 0, 1)), _lists(predictions.reliability.transpose(2, 0, 1))
    confidences, dispersions = _lists(predictions.confidence.round(4).transpose(2, 0, 1)), _lists(predictions.dispersion.T)
    return [
        f'{{"mean":{mean},"trust":{reliability},"confidence":{confidence},"disagreement":{dispersion}}}'
        for mean, reliability, confidence, dispersion in zip(means, reliabilities, confidences, dispersions, strict=True)
    ]


def _micro(outcome: Outcome) -> list[str]:
    liquidity, metrics = outcome.liquidity, outcome.liquidity.book_metrics
    spread, depth, impact = metrics.forecast_levels
    parts = {
        "imbalance": liquidity.imbalance, "micro_price": liquidity.micro_price, "depth": liquidity.depth, "pressure": liquidity.pressure,
        "amihud": liquidity.amihud,
    }  # fmt: skip
    details = {
        "imbalance_best": metrics.imbalance_best, "pressure_levels": metrics.pressure_levels, "vpin": metrics.vpin, "kyle": metrics.kyle_lambda,
        "fillable": metrics.fillable_share, "next_spread_bps": spread, "next_depth": depth, "next_impact_bps": impact,
        "buy_10k_bps": metrics.forecast_cost_bps[0, 0], "sell_10k_bps": metrics.forecast_cost_bps[0, 1],
        "buy_100k_bps": metrics.forecast_cost_bps[1, 0], "sell_100k_bps": metrics.forecast_cost_bps[1, 1],
        **dict(zip(SPREAD_ESTIMATE_FIELDS, metrics.spread_estimate, strict=True)),
    }  # fmt: skip
    has_books = bool((liquidity.spread_source == BOOK_SPREAD).any())
    rounded = _round(np.array(list(details.values())))
    known = np.asarray(np.isfinite(rounded).any(axis=1)).tolist()
    parts = {name: part.astype(np.float32) for name, part in parts.items()}
    parts |= {
        name: part
        for name, part, is_known in zip(details, rounded, known, strict=True)
        if is_known or (has_books and name not in SPREAD_ESTIMATE_FIELDS)
    }
    form = "{{" + ",".join(f'"{name}":{{}}' for name in parts) + "}}"
    columns = [to_json(part)[1:-1].split(",") for part in parts.values()]
    return [form.format(*row) for row in zip(*columns, strict=True)]


def _round(values: Floats) -> Floats:
    """Round to five significant digits: enough for display, in half the text."""
    scale = 10.0 ** (4.0 - np.floor(np.log10(np.abs(values))))
    rounded = np.round(values * scale) / scale
    return np.where(np.isfinite(rounded), rounded, values)
