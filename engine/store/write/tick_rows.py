"""A tick as rows of the store's tables. NaN and infinity become NULL, and null in JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from engine.domain.decision import ACTIONS, REGIMES, SPREAD_SOURCES, Fill, Outcome
from engine.domain.gates import GateResults
from engine.domain.incidents import INCIDENT_KINDS, NO_FAULT, DataFaults
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


def build_tick_row(tick: Tick, knobs_digest: str) -> Row:
    """The row of `ticks`."""
    inputs, outcome = tick.inputs, tick.outcome
    account, mood, sizes = inputs.account, outcome.market_state, outcome.sizes
    shares = _shares(inputs)
    spans = [[span.phase.value, round(span.start_ms, 4), round(span.ms, 4), int(span.fallback), span.error, span.thread] for span in tick.spans]
    return (
        inputs.tick, tick.session, inputs.at, tick.decided_at, int(tick.is_warmup), tick.ms, tick.decisions_digest, to_json(tick.phase_digests),
        to_json([phase.value for phase in outcome.degraded]), to_json(spans),
        account.equity, account.cash, account.benchmark_equity, 1.0 - account.equity / account.peak_equity if account.peak_equity > 0 else None,
        float(np.abs(shares).sum()), float(shares.sum()),
        to_json({"correlation": mood.correlation, "breadth": mood.breadth, "sentiment": mood.sentiment, "stress": mood.stress}),
        outcome.predictions.verdict, to_json(outcome.forecast.weights), to_json({"low": sizes.skill_bound, "estimate": sizes.skill_estimate}),
        _spread_source(outcome), knobs_digest, to_json([[event.kind, event.subject, event.detail] for event in inputs.events]),
        to_json(tick.serving), to_json([[told.kind, told.subject, told.detail] for told in outcome.instructions]), codec.pack(account),
        tick.machine,
    )  # fmt: skip


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def build_decision_rows(tick: Tick, ladder: tuple[str, ...]) -> list[Row]:
    """The rows of `decisions`, one a symbol; `ladder` names the session's gates."""
    inputs, outcome = tick.inputs, tick.outcome
    decided, sizes, liquidity, account = outcome.decisions, outcome.sizes, outcome.liquidity, inputs.account
    count = len(inputs.symbols)
    names = decided.gates.names
    horizons = inputs.config.horizons
    mid, sigma = liquidity.mid, outcome.market_state.sigma
    target, held, sure, edge, cost, price, log_price, bps, spread, fee, impact, flip, delta, units, entry, marked = _reals(
        decided.target, sizes.current, decided.confidence, sizes.edge_bps, sizes.cost_bps, mid, np.log(mid), sigma * 1e4, liquidity.spread_bps,
        liquidity.fee_bps, liquidity.impact_bps, decided.edge_to_flip_bps, decided.delta, account.positions, account.entry_price, account.mark_price,
    )  # fmt: skip
    columns: list[Iterable[Any]] = [
        [inputs.tick] * count, inputs.symbols, [tick.session] * count, [inputs.at] * count, [ACTIONS[code] for code in decided.action.tolist()],
        target, held, sure, edge, cost, [names[rung] if rung >= 0 else None for rung in decided.binding_gate.tolist()],
        [len(outcome.degraded)] * count, [REGIMES[code] for code in outcome.market_state.regime.tolist()], [horizons[sizes.horizon]] * count,
        price, log_price, bps, spread, fee, impact, [EXECUTIONS[code] for code in decided.execution.tolist()], flip, delta, units, entry, marked,
        inputs.fresh.astype(np.int64).tolist(), _forecasts(outcome), _gates(decided.gates, outcome.market_state.incident_state.faults, ladder), _votes(outcome),
        _lists(sizes.steps.T), _lists(outcome.market_state.probabilities), _micro(outcome),
    ]  # fmt: skip
    return list(zip(*columns, strict=True))


def build_fill_rows(fills: Sequence[Fill], inputs: Inputs) -> list[Row]:
    """The rows of `fills`; an order that nothing filled has a size of 0 and no price."""
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
    """What kinds of order have come to, as JSON: a list of execution rows."""
    return to_json([asdict(row) for row in tick.execution])


def build_skill_rows(tick: Tick) -> list[Row]:
    """The rows of `skill`."""
    return [(row.scope, row.model, row.horizon, row.regime, row.r2, row.low, row.high, row.n, row.n_effective) for row in tick.skill]


def build_declined_rows(tick: Tick) -> list[Row]:
    """The rows of `regret`."""
    return [(row.gate, row.n, row.mean_bps, row.low, row.high, row.n_effective) for row in tick.declined]


def build_liquidity_forecast_rows(tick: Tick) -> list[Row]:
    """The rows of `outlook`."""
    return [(row.measure, row.r2, row.low, row.high, row.n, row.n_effective) for row in tick.liquidity_forecast]


def _spread_source(outcome: Outcome) -> str:
    """Where the spread is from: one name where that of every symbol is from there, else a JSON list with the name of each symbol's."""
    codes = outcome.liquidity.spread_source.tolist()
    return SPREAD_SOURCES[codes[0]] if len(set(codes)) == 1 else to_json([SPREAD_SOURCES[code] for code in codes])


def _shares(inputs: Inputs) -> Floats:
    """Positions as shares of equity, 0 where flat."""
    account = inputs.account
    held: Floats = np.where(account.positions != 0.0, account.positions * account.mark_price, 0.0) / account.equity
    return held


def _reals(*columns: Floats) -> list[list[float]]:
    """Columns; SQLite takes NaN for NULL, but not infinity."""
    values = np.array(columns)
    kept: list[list[float]] = np.where(np.isfinite(values), values, np.nan).tolist()
    return kept


def _lists(values: NDArray[Any]) -> list[str]:
    """(S, N) or (S, N, K) as S texts of JSON, floats in single precision: what is read again by eyes only.

    One call writes the whole array and its text is cut at the seams: 20 times faster than a call a row.
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
    told = outcome.forecast
    parts = [_lists(part.T) for part in (told.mean, told.low, told.high, told.probability, told.scale)]
    return [
        f'{{"mean":{mean},"low":{low},"high":{high},"probability":{probability},"scale":{scale}}}'
        for mean, low, high, probability, scale in zip(*parts, strict=True)
    ]


def _gates(gates: GateResults, faults: DataFaults, ladder: tuple[str, ...]) -> list[str]:
    """Values, limits and which passed, by gate; the fault of the data, as an incident is named, where it is what shuts "fresh data"."""
    values, limits, passed = _lists(gates.value.T), _lists(gates.limit.T), _lists(gates.passed.T.astype(np.int64))
    end = "}" if gates.names == ladder else f',"names":{to_json(gates.names)}}}'
    named = [f',"fault":"{INCIDENT_KINDS[kind]}"' if kind != NO_FAULT else "" for kind in faults.kind.tolist()]
    rows = zip(values, limits, passed, named, strict=True)
    return [f'{{"value":{value},"limit":{limit},"passed":{yes}{fault}{end}' for value, limit, yes, fault in rows]


def _votes(outcome: Outcome) -> list[str]:
    told = outcome.predictions
    means, trusts = _lists(told.mean.transpose(2, 0, 1)), _lists(told.reliability.transpose(2, 0, 1))
    sure, apart = _lists(told.confidence.round(4).transpose(2, 0, 1)), _lists(told.dispersion.T)
    return [
        f'{{"mean":{mean},"trust":{trust},"confidence":{chance},"disagreement":{spread}}}'
        for mean, trust, chance, spread in zip(means, trusts, sure, apart, strict=True)
    ]


def _micro(outcome: Outcome) -> list[str]:
    told, finer = outcome.liquidity, outcome.liquidity.book_metrics
    spread, depth, impact = finer.forecast_levels
    parts = {"imbalance": told.imbalance, "micro_price": told.micro_price, "depth": told.depth, "pressure": told.pressure, "amihud": told.amihud}
    more = {
        "imbalance_best": finer.imbalance_best, "pressure_levels": finer.pressure_levels, "vpin": finer.vpin, "kyle": finer.kyle_lambda,
        "fillable": finer.fillable_share, "next_spread_bps": spread, "next_depth": depth, "next_impact_bps": impact,
        "buy_10k_bps": finer.forecast_cost_bps[0, 0], "sell_10k_bps": finer.forecast_cost_bps[0, 1],
        "buy_100k_bps": finer.forecast_cost_bps[1, 0], "sell_100k_bps": finer.forecast_cost_bps[1, 1],
        **dict(zip(SPREAD_ESTIMATE_FIELDS, finer.spread_estimate, strict=True)),
    }  # fmt: skip
    booked = bool((told.spread_source == BOOK_SPREAD).any())  # a feed without books says nothing of them
    brief = dict(zip(more, _brief(np.array(list(more.values()))), strict=True))
    parts = {name: part.astype(np.float32) for name, part in parts.items()}
    parts.update({name: part for name, part in brief.items() if (booked and name not in SPREAD_ESTIMATE_FIELDS) or np.isfinite(part).any()})
    form = "{{" + ",".join(f'"{name}":{{}}' for name in parts) + "}}"
    columns = [to_json(part)[1:-1].split(",") for part in parts.values()]
    return [form.format(*row) for row in zip(*columns, strict=True)]


def _brief(values: Floats) -> Floats:
    """To five significant digits, which is what eyes read and half the text."""
    scale = 10.0 ** (4.0 - np.floor(np.log10(np.abs(values))))
    short = np.round(values * scale) / scale
    return np.where(np.isfinite(short), short, values)
