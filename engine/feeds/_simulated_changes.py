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
    """The gain of each relation at n bars, of which all but one are 0 at each, and the persistence of the drive. Negative after a flip."""

    own: Floats  # (n,) of a symbol's own drive
    other: Floats  # (n,) of the mean drive of all symbols
    interaction: Floats  # (n,) of the product of two ranks, times the level of volatility
    persistence: Floats  # (n,) of the drive, from the bar before: that of the signal, or less where a flip feeds back


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


def own_gains(gain: Floats, persistence: float) -> SignalGains:
    """The gains (n,) of a market whose relation never changes kind."""
    return SignalGains(gain, np.zeros_like(gain), np.zeros_like(gain), np.full_like(gain, persistence))


def schedule_gains(signal: Floats, persistence: float, bars: Ints, changes: tuple[SignalChange, ...], market: tuple[int, float]) -> SignalGains:
    """Assign the configured signal (n,) at these bars (n,) to the relation in force.

    `market` is the number of symbols, and the share of a drive's variance that the mean drive of all symbols has. `flip` reverses the sign of the
    relation before it, also of one that `none` had ended.
    """
    count, shared = market
    own = signal_gain(signal, persistence)
    sizes = {"own": own, "other": own * shared**-0.5, "interaction": product_gain(signal, count)}
    shares = {"own": 1.0, "other": shared}
    gains = {"own": own.copy(), "other": np.zeros_like(own), "interaction": np.zeros_like(own), "persistence": np.full_like(own, persistence)}
    relation, sign = "own", 1.0
    for change in changes:
        if change.kind == "flip":
            sign = -sign
        elif change.kind != "none":
            relation, sign = change.kind, 1.0
        after = bars >= change.bar
        gains |= {name: np.where(after, 0.0, gains[name]) for name in _RELATIONS} | {
            "persistence": np.where(after, persistence, gains["persistence"])
        }
        if change.kind != "none":
            size = sizes[relation]
            if sign < 0.0 and relation in shares:
                filtered = persistence - size
                size = reversal_gain(signal, filtered, shares[relation])
                gains["persistence"] = np.where(after, filtered - size, gains["persistence"])
            gains[relation] = np.where(after, sign * size, gains[relation])
    return SignalGains(**gains)


def signal_gain(signal: Floats, persistence: float) -> Floats:
    """k of f = persistence * f + k * e, so that the best forecast of a bar has an R2 of `signal` (see docs/simulated_market.md)."""
    return np.asarray(np.sqrt(signal / (1.0 - signal) * (1.0 - persistence**2)))


def reversal_gain(signal: Floats, filtered: Floats, share: float) -> Floats:
    """g of f = -g * x, so that the best forecast of a bar has an R2 of `signal`, where x[t] = filtered * x[t-1] + r[t] is seen in returns.

    In innovations x has a persistence of filtered - g, so that g^2 share / (1 - (filtered - g)^2) = signal / (1 - signal), of which g is the positive
    root; `share` is the variance of x over that of a symbol's own drive.
    """
    odds = signal / (1.0 - signal)
    root = np.sqrt((odds * filtered) ** 2 + (share + odds) * odds * (1.0 - filtered**2))
    return np.asarray((odds * filtered + root) / (share + odds))


def product_gain(signal: Floats, count: int) -> Floats:
    """The gain of the interaction of S symbols for an R2 of `signal`; each rank has a variance of (S + 1) / (12 (S - 1)).

    Symbols of an extreme rank of variance make extreme returns, so the mean of the product of the squares exceeds the product of their means, by a
    share that was measured (docs/simulated_market.md).
    """
    excess = 0.85 * signal * (1.0 - 0.35 * signal) * max(count - 3, 0) / (count + 1)
    return np.asarray(np.sqrt(signal / (1.0 + excess)) * 12.0 * (count - 1) / (count + 1))


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
