"""The relations between past and next returns on the simulated market, and the gain of each at every bar (docs/simulated_market.md)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.domain.record import Floats, Ints, Record
from engine.domain.signal_changes import SignalChange

VARIANCE_BARS = 24  # bars of a symbol's recent variance, in the interaction
USUAL_HALFLIFE = 60.0  # bars, of the usual variance that it is compared with
_DECAY = 0.5 ** (1.0 / USUAL_HALFLIFE)
_RELATIONS = ("own", "other", "interaction")


@dataclass(frozen=True, slots=True)
class SignalGains(Record):
    """The gain of each relation at n bars; at each bar all but one of them are 0. Negative after a flip."""

    own: Floats  # (n,) of a symbol's own drive
    other: Floats  # (n,) of the mean drive of all symbols
    interaction: Floats  # (n,) of the product of two ranks, times the level of volatility


@dataclass(frozen=True, slots=True)
class ReturnHistory(Record):
    """The returns that the interaction of the next bar depends on."""

    recent: Floats  # (24, S) returns of the last bars, oldest first
    usual: Floats  # (S,) exponentially weighted mean of squared returns


def empty_history(count: int) -> ReturnHistory:
    """The history of S symbols before the first bar."""
    return ReturnHistory(np.zeros((VARIANCE_BARS, count)), np.zeros(count))


def append_returns(history: ReturnHistory, returns: Floats) -> ReturnHistory:
    """The history after n more bars of returns (n, S)."""
    weights = (1.0 - _DECAY) * _DECAY ** np.arange(len(returns) - 1, -1, -1)
    usual = _DECAY ** len(returns) * history.usual + (weights[:, None] * returns**2).sum(axis=0)
    return ReturnHistory(np.concatenate([history.recent, returns])[-VARIANCE_BARS:], usual)


def own_gains(gain: Floats) -> SignalGains:
    """The gains (n,) of a market whose relation never changes kind."""
    return SignalGains(gain, np.zeros_like(gain), np.zeros_like(gain))


def schedule_gains(own: Floats, product: Floats, bars: Ints, changes: tuple[SignalChange, ...], shared: float) -> SignalGains:
    """Assign the gains of the configured signal at these bars (n,) to the relation in force.

    `own` (n,) are the gains of a symbol's own drive, `product` (n,) those of the interaction; `shared` is the share of a drive's variance that the
    mean drive of all symbols has. `flip` reverses the sign of the relation before it, also of one that `none` had ended.
    """
    sizes = {"own": own, "other": own * shared**-0.5, "interaction": product}
    gains = {"own": own.copy(), "other": np.zeros_like(own), "interaction": np.zeros_like(own)}
    relation, sign = "own", 1.0
    for change in changes:
        if change.kind == "flip":
            sign = -sign
        elif change.kind != "none":
            relation, sign = change.kind, 1.0
        after = bars >= change.bar
        for name in _RELATIONS:
            gains[name][after] = sign * sizes[name][after] if name == relation and change.kind != "none" else 0.0
    return SignalGains(**gains)


def product_gain(signal: float, count: int) -> float:
    """The gain of the interaction of S symbols for an R2 of `signal`; each rank has a variance of (S + 1) / (12 (S - 1))."""
    return float(np.sqrt(signal / (1.0 + 0.47 * signal)) * 12.0 * (count - 1) / (count + 1))


def shared_share(loadings: Floats, volatility_correlation: float) -> float:
    """The variance of the mean of all symbols' innovations over that of a symbol's, from loadings (S, K) with rows of length 1.

    `volatility_correlation` is E[sigma_i sigma_j] / E[sigma^2] of two symbols.
    """
    alone = 1.0 / len(loadings)
    return alone + (float((loadings.mean(axis=0) ** 2).sum()) - alone) * volatility_correlation


def expect_returns(gains: SignalGains, drive: Floats, innovation: Floats, history: ReturnHistory) -> tuple[Floats, ReturnHistory]:
    """(n, S) the expected return of each bar, and the history after the last.

    `drive` (n, S) is that before each bar, `innovation` (n, S) that of each bar, which its own expected return does not depend on. Bars of an
    interaction depend on the returns before them, so they are computed one after the other.
    """
    expected = gains.own[:, None] * drive
    if gains.other.any():
        expected += gains.other[:, None] * drive.mean(axis=1, keepdims=True)
    done = 0
    for bar in np.flatnonzero(gains.interaction).tolist():
        history = append_returns(history, innovation[done:bar] + expected[done:bar])
        expected[bar] = gains.interaction[bar] * interaction(history)
        done = bar
    return expected, append_returns(history, innovation[done:] + expected[done:])


def interaction(history: ReturnHistory) -> Floats:
    """(S,) the interaction before its gain: the rank of the last return, times the rank of recent over usual variance, times the root of the mean
    squared return of all symbols.

    Ranks among symbols lie between -0.5 and 0.5, and returns are ranked in usual volatilities. A return's sign is independent of any variance and
    ranks are symmetric, so neither factor alone moves the mean of the next return.
    """
    if not history.usual.all():
        return np.zeros(len(history.usual))
    power = (history.recent**2).sum(axis=0)
    level = np.sqrt(power.sum() / history.recent.size)
    return np.asarray(level * _ranks(history.recent[-1] / np.sqrt(history.usual)) * _ranks(power / history.usual))


def _ranks(values: Floats) -> Floats:
    return np.asarray(values.argsort(kind="stable").argsort(kind="stable") / (len(values) - 1) - 0.5)
