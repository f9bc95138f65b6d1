"""Drift of inputs and of the target, column by column, with the false-discovery rate under control.

The distance is that of Kolmogorov and Smirnov on the reference's 40-quantiles. Its textbook p-value assumes independent rows, but rows of one tick
move together and columns are autocorrelated. The counts of rows below each quantile are therefore summed over blocks of ticks, all symbols together;
the variance of a count is that of the blocks plus twice the covariance of neighbours, and of blocks farther apart, which is taken to fall
geometrically from there. Its ratio to the variance of independent rows gives the effective number of rows. The p-value is the tail of the largest of
these correlated counts: Kolmogorov's where rows are independent, close to that of a single normal variable where a column moves slowly. Discoveries
are those of Benjamini and Hochberg (1995), for inputs and targets apart.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.domain.evolution import ColumnDrift, DriftReport
from engine.domain.record import Floats, Ints

BINS, QUINTILES = 40, 5
FALSE_DISCOVERY_RATE = 0.05
RECENT_BLOCKS = 8  # blocks that the recent rows are cut into; the reference has blocks of the same length
MIN_BLOCK = 6  # ticks
MIN_REFERENCE_BLOCKS = 15
MIN_EFFECTIVE = 5.0  # effective rows, recent
MAX_CORRELATION = 0.5  # of neighbouring blocks: beyond it a column is too persistent for blocks of this length
DETERMINISTIC = ("calendar.",)  # columns that are functions of the time: they "drift" by nature
MAX_ROWS = 15  # of the JSON, for each of inputs and targets
FREEDOM = 0.75  # degrees of freedom by block, as of a flat-top kernel over neighbours (Politis and Romano 1995)
EDGE_ROWS = 4_000  # of the reference, about, that the quantiles are taken of


def measure_drift(
    reference_x: Floats,
    recent_x: Floats,
    reference_y: Floats,
    recent_y: Floats,
    reference_tick: Ints,
    recent_tick: Ints,
    columns: Sequence[str],
    horizons: Sequence[int],
) -> DriftReport:
    """Compare recent rows with the reference, rows (N, F) of features and (N, H) of targets with the tick (N,) of each, oldest first.

    Blank features count as values above all others, so that a column that goes blank has drifted; targets that are not known are left out. A day's
    rhythm is no drift: the recent rows should span whole days.
    """
    if not len(reference_tick) or not len(recent_tick):
        return DriftReport((-1, -1), (-1, -1), (), (), tuple(columns))
    length = max(MIN_BLOCK, (int(recent_tick[-1] - recent_tick[0]) + RECENT_BLOCKS) // RECENT_BLOCKS)
    blocks = ((reference_tick - reference_tick[0]) // length, (recent_tick - recent_tick[0]) // length)
    judged = [place for place, column in enumerate(columns) if not column.startswith(DETERMINISTIC)]
    inputs = {columns[place]: _compare(_blanks_last(reference_x[:, place]), _blanks_last(recent_x[:, place]), *blocks) for place in judged}
    targets = {}
    for place, horizon in enumerate(horizons):
        samples, places = zip(*(_known(*pair) for pair in ((reference_y[:, place], blocks[0]), (recent_y[:, place], blocks[1]))), strict=True)
        targets[f"target.{horizon}"] = _compare(*samples, *places)
        targets[f"target.{horizon} squared"] = _compare(*(values * values for values in samples), *places)
    unjudged = tuple(name for name, figures in {**inputs, **targets}.items() if figures is None)
    spans = [(int(ticks[0]), int(ticks[-1])) for ticks in (reference_tick, recent_tick)]
    return DriftReport(spans[0], spans[1], _rows(inputs), _rows(targets), unjudged)


def adjust_p_values(p: Floats) -> Floats:
    """The q-values of Benjamini and Hochberg: the least false-discovery rate at which each hypothesis is a discovery."""
    order = np.argsort(p, kind="stable")[::-1]
    ranked = p[order] * len(p) / np.arange(len(p), 0, -1)
    q = np.empty_like(p)
    q[order] = np.minimum(np.minimum.accumulate(ranked), 1.0)
    return q


def drifted_columns(report: DriftReport) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The inputs and the targets that have drifted, those with the smallest p first."""
    inputs, targets = (tuple(row.column for row in rows if row.drifted) for rows in (report.inputs, report.targets))
    return inputs, targets


def drift_to_json(report: DriftReport) -> str:
    """The report as compact JSON for an event: the first 15 rows of inputs and of targets, and the number of columns judged and not judged."""
    fields = {
        "reference": report.reference,
        "recent": report.recent,
        "inputs": [_row_to_list(row) for row in report.inputs[:MAX_ROWS]],
        "targets": [_row_to_list(row) for row in report.targets[:MAX_ROWS]],
        "unjudged": sorted(report.unjudged)[:MAX_ROWS],
    }
    return json.dumps(fields, separators=(",", ":"))


def drift_from_json(text: str) -> DriftReport:
    """The report from its JSON. Raises ValueError, in one line, for other text."""
    try:
        fields: dict[str, Any] = json.loads(text)
        spans = [(int(first), int(last)) for first, last in (fields["reference"], fields["recent"])]
        inputs, targets = (tuple(map(_row_from_list, fields[name])) for name in ("inputs", "targets"))
        return DriftReport(spans[0], spans[1], inputs, targets, tuple(str(name) for name in fields["unjudged"]))
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise ValueError(f"this is no drift report: {' '.join(str(error).split())}: {text[:80]!r}") from error


def supremum_tail(distance: float, variance: Floats, covariance: Floats, freedom: float) -> float:
    """P(max |B| > distance), at most, of a normal chain B (Q,) with these variances (Q,) and covariances of neighbours (Q - 1,).

    Either B exceeds the distance where its variance is largest, or it does so for the first time on the way outwards from there: Worsley's (1982)
    improved Bonferroni inequality, with the probability of a step by Efron's (1997) length heuristic. For the variances of independent rows it is
    Kolmogorov's tail. The variances are estimates with `freedom` degrees of freedom: each ratio of Student's t becomes a normal one (Wallace 1959).
    """
    deviation = np.sqrt(variance)
    top = int(variance.argmax())
    if distance <= 0.0 or deviation[top] == 0.0:  # without any variance, as of a column that is constant for each symbol, every distance is a change
        return 1.0 if distance <= 0.0 else 0.0
    ratio = distance / np.maximum(deviation, 1e-12 * deviation[top])
    z = np.sqrt(freedom * np.log1p(ratio * ratio / freedom)) * ((8.0 * freedom + 1.0) / (8.0 * freedom + 3.0))
    outer = np.delete(z, top)  # the end of each step that lies farther from the largest variance
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = covariance / (deviation[1:] * deviation[:-1])
    angle = np.arccos(np.clip(np.where(np.isfinite(correlation), correlation, 1.0), -1.0, 1.0))
    crossings = [
        math.exp(-0.5 * bar * bar) * math.erf(arc * bar / math.sqrt(8.0)) / (bar * math.sqrt(2.0 * math.pi))
        for bar, arc in zip(outer.tolist(), angle.tolist(), strict=True)
        if bar > 0.0
    ]
    return float(min(1.0, math.erfc(float(z[top]) / math.sqrt(2.0)) + 2.0 * sum(crossings)))


Figures = tuple[float, float, float, float, int, float]  # distance, p, effective rows of reference and recent, quintile, change of its share


def _compare(reference: Floats, recent: Floats, reference_block: Ints, recent_block: Ints) -> Figures | None:
    """Compare two samples whose rows belong to blocks; None where the effective rows are too few."""
    if len(reference) < BINS or len(recent) < BINS:
        return None
    ordered = np.sort(reference[:: 1 + len(reference) // EDGE_ROWS])
    edges = ordered[(np.arange(1, BINS) * len(ordered) + BINS - 1) // BINS - 1]
    counts = [_count(sample, block, edges) for sample, block in ((reference, reference_block), (recent, recent_block))]
    rows, below = [float(part.sum()) for part in counts], [part.sum(axis=0).cumsum()[:-1] for part in counts]
    before, after = (part / total for part, total in zip(below, rows, strict=True))
    pooled = (below[0] + below[1]) / (rows[0] + rows[1])
    independent = float((pooled * (1.0 - pooled)).sum())
    if len(counts[0]) < MIN_REFERENCE_BLOCKS or independent == 0.0:
        return None
    blocks, correlation, variance, covariance = _moments(counts)
    ratio = max(float(variance.sum()) / independent, 1e-12)
    effective = [total / ratio for total in rows]
    if effective[1] < MIN_EFFECTIVE or correlation > MAX_CORRELATION:
        return None
    distance, share = float(np.abs(after - before).max()), 1.0 / rows[0] + 1.0 / rows[1]
    p = supremum_tail(distance, variance * share, covariance * share, FREEDOM * blocks)
    shares = [part.sum(axis=0).reshape(QUINTILES, -1).sum(axis=1) / total for part, total in zip(counts, rows, strict=True)]
    quintile = int(np.abs(shares[1] - shares[0]).argmax())
    return distance, p, min(effective[0], rows[0]), min(effective[1], rows[1]), quintile + 1, float(shares[1][quintile] - shares[0][quintile])


def _count(sample: Floats, block: Ints, edges: Floats) -> Floats:
    """(blocks, BINS) rows by block and bin; blocks without any row are left out."""
    bins = np.where(np.isinf(sample), BINS - 1, np.searchsorted(edges, sample, side="left"))
    count = int(block.max()) + 1
    table = np.bincount(block * BINS + bins, minlength=count * BINS).reshape(count, BINS)
    return np.asarray(table[table.any(axis=1)], dtype=np.float64)


def _moments(counts: list[Floats]) -> tuple[int, float, Floats, Floats]:
    """The number of blocks, the correlation of neighbouring blocks, and per row the variance (BINS - 1,) of the count below each edge and the
    covariance (BINS - 2,) of neighbouring edges.

    Both samples are taken together, each about its own mean, which takes out of both sums what one block contributes. The correlation of neighbouring
    blocks enters as one factor for all edges, which varies less than one for each; that of blocks farther apart is taken to fall geometrically.
    """
    within, across, blocks, variance, covariance = 0.0, 0.0, 0, np.zeros(BINS - 1), np.zeros(BINS - 2)
    for part in counts:
        below = part.cumsum(axis=1)
        residual = below[:, :-1] - below[:, -1:] * (below[:, :-1].sum(axis=0) / below[:, -1].sum())
        within += float((residual * residual).sum())
        across += float((residual[1:] * residual[:-1]).sum())
        variance += (residual * residual).sum(axis=0)
        covariance += (residual[:, 1:] * residual[:, :-1]).sum(axis=0)
        blocks += len(part)
    lost = 2.0 / max(blocks - 2, 1)  # by each mean
    correlation = max(across / max(within, 1e-300) + lost, 0.0)
    later = correlation / (1.0 - min(correlation, MAX_CORRELATION))
    factor = (1.0 + lost) * (1.0 + 2.0 * later) / sum(float(part.sum()) for part in counts)
    return blocks, correlation, variance * factor, covariance * factor


def _rows(figures: dict[str, Figures | None]) -> tuple[ColumnDrift, ...]:
    judged = [(name, values) for name, values in figures.items() if values is not None]
    q = adjust_p_values(np.array([values[1] for _, values in judged])).tolist()
    rows = [
        ColumnDrift(name, values[0], values[1], rate, rate <= FALSE_DISCOVERY_RATE, *values[2:])
        for (name, values), rate in zip(judged, q, strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: (row.p, -row.distance, row.column)))


def _blanks_last(values: Floats) -> Floats:
    return np.asarray(np.where(np.isnan(values), np.inf, values), dtype=np.float64)


def _known(values: Floats, block: Ints) -> tuple[Floats, Ints]:
    known = np.isfinite(values)
    return values[known], block[known]


def _row_to_list(row: ColumnDrift) -> list[Any]:
    numbers = [float(f"{value:.4g}") for value in (row.distance, row.p, row.q)]
    return [row.column, *numbers, row.drifted, round(row.reference_n), round(row.recent_n, 1), row.quintile, round(row.change, 4)]


def _row_from_list(values: list[Any]) -> ColumnDrift:
    column, distance, p, q, drifted, reference_n, recent_n, quintile, change = values
    return ColumnDrift(
        str(column), float(distance), float(p), float(q), bool(drifted), float(reference_n), float(recent_n), int(quintile), float(change)
    )
