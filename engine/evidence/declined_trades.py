"""The P&L of the trades that each gate declined: every hold is marked to market as the trade that it prevented.

The trade is one unit in the direction of the forecast over the horizon acted on, net of the round trip's cost as known then. Above 0, the gate cost
money; below 0, it saved money. The mean is the ratio of summed P&L to rows, with the blocks and the interval of evidence.skill, valid at every tick
at once.
"""

from __future__ import annotations

import numpy as np

from engine.domain.decision import Decisions, Liquidity, Sizes
from engine.domain.record import Floats
from engine.domain.state import DeclinedTrades, PendingHolds
from engine.domain.tick import DeclinedRow
from engine.evidence import skill


def empty_declined_trades(gates: int, length: int, symbols: int) -> DeclinedTrades:
    """The sums before any hold; `length` is the longest horizon in bars."""
    waiting = PendingHolds(
        np.full((length, symbols), -1, dtype=np.int64), np.zeros((length, symbols)), np.zeros((length, symbols)), np.full(length, -1)
    )
    return DeclinedTrades(waiting, skill.empty_skill(1, 1, gates))


def score_declined_trades(
    before: DeclinedTrades, declined: PendingHolds, price: Floats, prices: Floats, horizons: tuple[int, ...], *, closes: Floats
) -> DeclinedTrades:
    """Score the trades declined one horizon ago; `declined` are the holds pending from now on.

    `price` (S,) is the log price now, `prices` (L, S) those of the previous ticks, newest first, NaN where not fresh; `closes` (1,) is 1 where a
    block ends.
    """
    sums = _due(before, price, prices, horizons)[:, None, None]
    return DeclinedTrades(declined, skill.add_scores(before.scores, sums, closes))


def append_declined(before: PendingHolds, decisions: Decisions, sizes: Sizes, liquidity: Liquidity) -> PendingHolds:
    """The pending holds with those of this tick first."""
    return PendingHolds(
        gate=np.concatenate((decisions.binding_gate[None], before.gate[:-1])),
        side=np.concatenate((np.sign(sizes.edge_bps)[None], before.side[:-1])),
        cost_bps=np.concatenate((2.0 * liquidity.cost_bps[None], before.cost_bps[:-1])),
        horizon=np.concatenate(([sizes.horizon], before.horizon[:-1])),
    )


def append_unknown(before: PendingHolds) -> PendingHolds:
    """The pending holds after a tick without known decisions."""
    return PendingHolds(
        gate=np.concatenate((np.full_like(before.gate[:1], -1), before.gate[:-1])),
        side=np.concatenate((np.zeros_like(before.side[:1]), before.side[:-1])),
        cost_bps=np.concatenate((np.zeros_like(before.cost_bps[:1]), before.cost_bps[:-1])),
        horizon=np.concatenate(([-1], before.horizon[:-1])),
    )


def declined_table(declined: DeclinedTrades, gates: tuple[str, ...]) -> tuple[DeclinedRow, ...]:
    """The mean P&L of each gate in bps per declined trade, with a 95 % interval; None with fewer than 15 blocks."""
    mean, half_width, blocks = (part[0, 0] for part in skill.confidence_interval(declined.scores))
    rows_by_gate = []
    for gate, name in enumerate(gates):
        enough = bool(np.isfinite(half_width[gate]))
        low, high = (float(mean[gate] - half_width[gate]), float(mean[gate] + half_width[gate])) if enough else (None, None)
        rows = int(declined.scores.rows[0, 0, gate])
        rows_by_gate.append(DeclinedRow(name, rows, float(mean[gate]) if enough else None, low, high, float(blocks[gate])))
    return tuple(rows_by_gate)


def _due(before: DeclinedTrades, price: Floats, prices: Floats, horizons: tuple[int, ...]) -> Floats:
    """(4, G) sums of bps, of their squares and of rows (twice) over the declined trades whose horizon ends now."""
    pending, count = before.pending, before.scores.gain.shape[-1]
    sums = np.zeros((4, count))
    for index, horizon in enumerate(horizons):
        if pending.horizon[horizon - 1] != index:
            continue
        result = pending.side[horizon - 1] * (price - prices[horizon - 1]) * 1e4 - pending.cost_bps[horizon - 1]
        known = (pending.gate[horizon - 1] >= 0) & (pending.side[horizon - 1] != 0) & np.isfinite(result)
        gate, result = pending.gate[horizon - 1][known], result[known]
        sums[0] += np.bincount(gate, result, minlength=count)
        sums[1] += np.bincount(gate, result * result, minlength=count)
        sums[2] += np.bincount(gate, minlength=count)
    sums[3] = sums[2]
    return sums
