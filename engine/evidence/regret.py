"""What each gate cost or saved: every hold is marked to market as the trade it declined.

The trade is one unit in the direction of the forecast over the horizon acted on, net of the round trip that was known then. A positive regret is
money the gate cost, a negative one money it saved. Symbols and overlapping horizons are correlated, so the interval is made of blocks as long as
the longest horizon, by a ratio estimator: mean = sum regret / sum rows, with the variance of the blocks' residuals, and the bound of
evidence.skill, valid under continuous watching.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.domain.decision import Decisions, Liquidity, Sizes
from engine.domain.record import Floats
from engine.domain.state import Declined, Regret
from engine.domain.tick import RegretRow
from engine.evidence.skill import FEWEST, SHOWN_ALPHA, radius


def empty(gates: int, length: int, symbols: int) -> Regret:
    """Nothing declined, nothing scored; `length` is the longest horizon in bars."""
    zero = np.zeros(gates)
    waiting = Declined(np.full((length, symbols), -1, dtype=np.int64), np.zeros((length, symbols)), np.zeros((length, symbols)), np.full(length, -1))
    return Regret(waiting, *(zero for _ in range(8)))


def score(before: Regret, declined: Declined, price: Floats, prices: Floats, horizons: tuple[int, ...], *, closes: bool) -> Regret:
    """Scores what was declined one horizon ago; `declined` is what waits from now on.

    `price` (S,) is the log price now, `prices` (L, S) those of the ticks before, newest first, NaN where not fresh; `closes` ends a block.
    """
    money, rows = _due(before, price, prices, horizons)
    money, rows = before.open_money + money, before.open_rows + rows
    if not closes:
        return replace(before, declined=declined, open_money=money, open_rows=rows)
    return Regret(
        declined=declined,
        rows=before.rows + rows,
        money=before.money + money,
        blocks=before.blocks + (rows > 0),
        money_squared=before.money_squared + money * money,
        money_rows=before.money_rows + money * rows,
        rows_squared=before.rows_squared + rows * rows,
        open_money=np.zeros_like(money),
        open_rows=np.zeros_like(rows),
    )


def _due(before: Regret, price: Floats, prices: Floats, horizons: tuple[int, ...]) -> tuple[Floats, Floats]:
    """(G,) bps and rows of the declined trades whose horizon ends now."""
    told, count = before.declined, len(before.rows)
    money, rows = np.zeros(count), np.zeros(count)
    for index, horizon in enumerate(horizons):
        if told.horizon[horizon - 1] != index:
            continue
        result = told.side[horizon - 1] * (price - prices[horizon - 1]) * 1e4 - told.cost_bps[horizon - 1]
        there = (told.gate[horizon - 1] >= 0) & (told.side[horizon - 1] != 0) & np.isfinite(result)
        gate = told.gate[horizon - 1][there]
        money += np.bincount(gate, result[there], minlength=count)
        rows += np.bincount(gate, minlength=count)
    return money, rows


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
    """Mean regret of each gate in bps a declined trade, with a 95 % interval; None with fewer than 30 blocks."""
    rows = np.maximum(regret.rows, 1.0)
    mean = regret.money / rows
    variance = np.maximum(regret.money_squared - 2.0 * mean * regret.money_rows + mean * mean * regret.rows_squared, 0.0)
    reach = radius(variance, regret.blocks, SHOWN_ALPHA) / rows
    told = []
    for gate, name in enumerate(gates):
        enough = regret.blocks[gate] >= FEWEST and bool(np.isfinite(reach[gate]))
        low, high = (float(mean[gate] - reach[gate]), float(mean[gate] + reach[gate])) if enough else (None, None)
        told.append(RegretRow(name, int(regret.rows[gate]), float(mean[gate]) if enough else None, low, high, float(regret.blocks[gate])))
    return tuple(told)
