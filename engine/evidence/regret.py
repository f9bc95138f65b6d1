"""What each gate cost or saved: every hold is marked to market as the trade it declined.

The trade is one unit in the direction of the forecast over the horizon acted on, net of the round trip that was known then. A positive regret is
money the gate cost, a negative one money it saved. The mean is the ratio of sum regret to sum rows, with the blocks and the interval of
evidence.skill, valid under continuous watching.
"""

from __future__ import annotations

import numpy as np

from engine.domain.decision import Decisions, Liquidity, Sizes
from engine.domain.record import Floats
from engine.domain.state import Declined, Regret
from engine.domain.tick import RegretRow
from engine.evidence import skill


def empty(gates: int, length: int, symbols: int) -> Regret:
    """Nothing declined, nothing scored; `length` is the longest horizon in bars."""
    waiting = Declined(np.full((length, symbols), -1, dtype=np.int64), np.zeros((length, symbols)), np.zeros((length, symbols)), np.full(length, -1))
    return Regret(waiting, skill.empty(1, 1, gates))


def score(before: Regret, declined: Declined, price: Floats, prices: Floats, horizons: tuple[int, ...], *, closes: Floats) -> Regret:
    """Scores what was declined one horizon ago; `declined` is what waits from now on.

    `price` (S,) is the log price now, `prices` (L, S) those of the ticks before, newest first, NaN where not fresh; `closes` (1,) ends a block.
    """
    sums = _due(before, price, prices, horizons)[:, None, None]
    return Regret(declined, skill.add(before.scored, sums, closes))


def _due(before: Regret, price: Floats, prices: Floats, horizons: tuple[int, ...]) -> Floats:
    """(4, G) bps, their squares and rows, twice, of the declined trades whose horizon ends now."""
    told, count = before.declined, before.scored.gain.shape[-1]
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


def remember(before: Declined, decisions: Decisions, sizes: Sizes, liquidity: Liquidity) -> Declined:
    """What waits, with this tick's holds first."""
    return Declined(
        gate=np.concatenate((decisions.binding[None], before.gate[:-1])),
        side=np.concatenate((np.sign(sizes.edge_bps)[None], before.side[:-1])),
        cost_bps=np.concatenate((2.0 * liquidity.cost_bps[None], before.cost_bps[:-1])),
        horizon=np.concatenate(([sizes.horizon], before.horizon[:-1])),
    )


def skip(before: Declined) -> Declined:
    """What waits after a tick of which nothing is known."""
    return Declined(
        gate=np.concatenate((np.full_like(before.gate[:1], -1), before.gate[:-1])),
        side=np.concatenate((np.zeros_like(before.side[:1]), before.side[:-1])),
        cost_bps=np.concatenate((np.zeros_like(before.cost_bps[:1]), before.cost_bps[:-1])),
        horizon=np.concatenate(([-1], before.horizon[:-1])),
    )


def table(regret: Regret, gates: tuple[str, ...]) -> tuple[RegretRow, ...]:
    """Mean regret of each gate in bps a declined trade, with a 95 % interval; None with fewer than 15 blocks."""
    mean, reach, blocks = (part[0, 0] for part in skill.interval(regret.scored))
    told = []
    for gate, name in enumerate(gates):
        enough = bool(np.isfinite(reach[gate]))
        low, high = (float(mean[gate] - reach[gate]), float(mean[gate] + reach[gate])) if enough else (None, None)
        rows = int(regret.scored.rows[0, 0, gate])
        told.append(RegretRow(name, rows, float(mean[gate]) if enough else None, low, high, float(blocks[gate])))
    return tuple(told)
