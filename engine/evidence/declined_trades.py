"""What each gate cost or saved: every hold is marked to market as the trade it declined.

The trade is one unit in the direction of the forecast over the horizon acted on, net of the round trip that was known then. A positive regret is
money the gate cost, a negative one money it saved. The mean is the ratio of sum regret to sum rows, with the blocks and the interval of
evidence.skill, valid under continuous watching.
"""

from __future__ import annotations

import numpy as np

from engine.domain.decision import Decisions, Liquidity, Sizes
from engine.domain.record import Floats
from engine.domain.state import DeclinedTrades, PendingHolds
from engine.domain.tick import DeclinedRow
from engine.evidence import skill


def empty_declined_trades(gates: int, length: int, symbols: int) -> DeclinedTrades:
    """Nothing declined, nothing scored; `length` is the longest horizon in bars."""
    waiting = PendingHolds(
        np.full((length, symbols), -1, dtype=np.int64), np.zeros((length, symbols)), np.zeros((length, symbols)), np.full(length, -1)
    )
    return DeclinedTrades(waiting, skill.empty_skill(1, 1, gates))


def score_declined_trades(
    before: DeclinedTrades, declined: PendingHolds, price: Floats, prices: Floats, horizons: tuple[int, ...], *, closes: Floats
) -> DeclinedTrades:
    """Scores what was declined one horizon ago; `declined` is what waits from now on.

    `price` (S,) is the log price now, `prices` (L, S) those of the ticks before, newest first, NaN where not fresh; `closes` (1,) ends a block.
    """
    sums = _due(before, price, prices, horizons)[:, None, None]
    return DeclinedTrades(declined, skill.add_scores(before.scores, sums, closes))


def _due(before: DeclinedTrades, price: Floats, prices: Floats, horizons: tuple[int, ...]) -> Floats:
    """(4, G) bps, their squares and rows, twice, of the declined trades whose horizon ends now."""
    told, count = before.pending, before.scores.gain.shape[-1]
    sums = np.zeros((4, count))
    for index, horizon in enumerate(horizons):
        if told.horizon[horizon - 1] != index:
            continue
        result = told.side[horizon - 1] * (price - prices[horizon - 1]) * 1e4 - told.cost_bps[horizon - 1]
        there = (told.gate[horizon - 1] >= 0) & (told.side[horizon - 1] != 0) & np.isfinite(result)
        gate, result = told.gate[horizon - 1][there], result[there]
        sums[0] += np.bincount(gate, result, minlength=count)
        sums[1] += np.bincount(gate, result * result, minlength=count)
        sums[2] += np.bincount(gate, minlength=count)
    sums[3] = sums[2]
    return sums


def append_declined(before: PendingHolds, decisions: Decisions, sizes: Sizes, liquidity: Liquidity) -> PendingHolds:
    """What waits, with this tick's holds first."""
    return PendingHolds(
        gate=np.concatenate((decisions.binding_gate[None], before.gate[:-1])),
        side=np.concatenate((np.sign(sizes.edge_bps)[None], before.side[:-1])),
        cost_bps=np.concatenate((2.0 * liquidity.cost_bps[None], before.cost_bps[:-1])),
        horizon=np.concatenate(([sizes.horizon], before.horizon[:-1])),
    )


def append_unknown(before: PendingHolds) -> PendingHolds:
    """What waits after a tick of which nothing is known."""
    return PendingHolds(
        gate=np.concatenate((np.full_like(before.gate[:1], -1), before.gate[:-1])),
        side=np.concatenate((np.zeros_like(before.side[:1]), before.side[:-1])),
        cost_bps=np.concatenate((np.zeros_like(before.cost_bps[:1]), before.cost_bps[:-1])),
        horizon=np.concatenate(([-1], before.horizon[:-1])),
    )


def declined_table(regret: DeclinedTrades, gates: tuple[str, ...]) -> tuple[DeclinedRow, ...]:
    """Mean regret of each gate in bps a declined trade, with a 95 % interval; None with fewer than 15 blocks."""
    mean, reach, blocks = (part[0, 0] for part in skill.confidence_interval(regret.scores))
    told = []
    for gate, name in enumerate(gates):
        enough = bool(np.isfinite(reach[gate]))
        low, high = (float(mean[gate] - reach[gate]), float(mean[gate] + reach[gate])) if enough else (None, None)
        rows = int(regret.scores.rows[0, 0, gate])
        told.append(DeclinedRow(name, rows, float(mean[gate]) if enough else None, low, high, float(blocks[gate])))
    return tuple(told)
