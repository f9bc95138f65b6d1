"""Standard indicators of chart reading, each in its usual definition and scaled to be comparable across symbols."""

from __future__ import annotations

import numpy as np

from engine.domain.market import View
from engine.domain.model import Family
from engine.domain.record import Floats
from engine.window import averages

FLAT = 1e-12
WILDER_14 = -np.log(2.0) / np.log(13.0 / 14.0)  # half-life of Wilder's smoothing over 14 bars
EMA_12, EMA_26 = (-np.log(2.0) / np.log(1.0 - 2.0 / (span + 1.0)) for span in (12.0, 26.0))


def build(view: View) -> Floats:
    """RSI and directional index (Wilder, 14), MACD (12, 26), Bollinger z (20), stochastic %K (14), Aroon (25), CCI (20), place in 96 bars."""
    close = view.log_close
    columns = (
        _rsi(view),
        _macd(view),
        _bollinger(close),
        _stochastic(view, 14),
        _aroon(view),
        _channel(view),
        _stochastic(view, 96),
        _directional(view),
    )
    return np.stack(columns, axis=1)


def _rsi(view: View) -> Floats:
    kernel = averages(view.returns.shape[1], (WILDER_14,))
    gain = (np.maximum(view.returns, 0.0) @ kernel)[:, 0]
    move = (np.abs(view.returns) @ kernel)[:, 0]
    return np.where(move > FLAT, gain / np.maximum(move, FLAT) - 0.5, 0.0)


def _macd(view: View) -> Floats:
    fast, slow = (view.log_close @ averages(view.log_close.shape[1], (float(EMA_12), float(EMA_26)))).T
    return np.asarray((fast - slow) / (view.sigma * np.sqrt(14.0)))


def _bollinger(close: Floats) -> Floats:
    late = close[:, -20:]
    spread = late.std(axis=1)
    return np.where(spread > FLAT, (late[:, -1] - late.mean(axis=1)) / np.maximum(spread, FLAT), 0.0)


def _stochastic(view: View, span: int) -> Floats:
    low = view.log_low[:, -span:].min(axis=1)
    reach = view.log_high[:, -span:].max(axis=1) - low
    return np.where(reach > FLAT, (view.log_close[:, -1] - low) / np.maximum(reach, FLAT) - 0.5, 0.0)


def _aroon(view: View) -> Floats:
    highest = np.argmax(view.log_high[:, -26:], axis=1)
    lowest = np.argmin(view.log_low[:, -26:], axis=1)
    return np.asarray((highest - lowest) / 25.0)


def _channel(view: View) -> Floats:
    typical = (view.log_high[:, -20:] + view.log_low[:, -20:] + view.log_close[:, -20:]) / 3.0
    mean = typical.mean(axis=1)
    spread = np.abs(typical - mean[:, None]).mean(axis=1)
    return np.where(spread > FLAT, (typical[:, -1] - mean) / np.maximum(spread, FLAT), 0.0)


def _directional(view: View) -> Floats:
    up = np.diff(view.log_high[:, -100:], axis=1)
    down = -np.diff(view.log_low[:, -100:], axis=1)
    kernel = averages(up.shape[1], (WILDER_14,))
    plus = (np.where((up > down) & (up > 0), up, 0.0) @ kernel)[:, 0]
    minus = (np.where((down > up) & (down > 0), down, 0.0) @ kernel)[:, 0]
    return np.where(plus + minus > FLAT, (plus - minus) / np.maximum(plus + minus, FLAT), 0.0)


FAMILY = Family("technical", ("rsi_14", "macd_12_26", "bollinger_20", "stochastic_14", "aroon_25", "cci_20", "place_96", "directional_14"), build)
