"""python -m tests.benchmarks.market_figure DATA: the simulated market beside the recordings, as docs/simulated_market.svg and a table."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.domain.record import Floats
from tests.feeds.market_facts import LAGS, QUANTILES, SCALES, Facts, facts, recorded, simulated

RECORDINGS = (
    ("AMZN", "nasdaq_20120621/AMZN", "#c2570c"), ("AAPL", "nasdaq_20120621/AAPL", "#d9a200"), ("BTCUSDT", "binance_l2_20240808/BTCUSDT", "#1a7f5a"),
    ("ETHUSDT", "binance_l2_20240808/ETHUSDT", "#6db33f"), ("bitstamp", "bitstamp_20150501/BTCUSD", "#8a8f98"),
)  # fmt: skip
NAME, COLOUR = "simulated", "#1f5fbf"
BARS = 4320  # three days
WIDTH, HEIGHT, MARGIN = 300, 190, 44
SECONDS = tuple(5 * scale for scale in SCALES)
OUT = Path(__file__).parents[2] / "docs" / "simulated_market.svg"


@dataclass(frozen=True, slots=True)
class Panel:
    """One small chart: a line a market."""

    title: str
    field: str
    across: tuple[float, ...]
    low: float
    high: float
    is_log: bool = False


PANELS = (
    Panel("Variance of the mid's return, per second (5 s = 1)", "signature", SECONDS, 0.4, 2.2),
    Panel("Kurtosis of returns", "kurtosis", SECONDS, 2.5, 80.0, is_log=True),
    Panel("Autocorrelation of |return|, lag in steps of 5 s", "clustering", LAGS, -0.2, 0.3),
    Panel("R² of order-flow imbalance, same time", "ofi_r2", SECONDS, 0.0, 1.0),
    Panel("Spread over its median, by quantile", "spread", tuple(QUANTILES), 0.2, 5.0, is_log=True),
    Panel("Best size over its median, by quantile", "depth", tuple(QUANTILES), 0.05, 20.0, is_log=True),
)


def main(data: Path) -> None:
    """Counts, draws and prints."""
    told = {name: (facts(recorded(data / folder)), colour) for name, folder, colour in RECORDINGS}
    own = [facts(series) for series in simulated(BARS)]
    panels = [_panel(panel, number, told, own) for number, panel in enumerate(PANELS)]
    width, height = 3 * (WIDTH + MARGIN) + 10, 2 * (HEIGHT + 2 * MARGIN) + 20
    OUT.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="10" fill="#333">'
        f'<rect width="{width}" height="{height}" fill="white"/>{"".join(panels)}{_legend(height)}</svg>\n',
        encoding="utf-8",
    )
    _table({name: found for name, (found, _) in told.items()}, own)


def _panel(panel: Panel, number: int, told: dict[str, tuple[Facts, str]], own: list[Facts]) -> str:
    left, top = MARGIN + number % 3 * (WIDTH + MARGIN), MARGIN - 10 + number // 3 * (HEIGHT + 2 * MARGIN - 20)
    band = np.array([getattr(found, panel.field) for found in own])
    lines = [
        f'<text x="{left}" y="{top - 8}" font-size="11" font-weight="bold">{panel.title}</text>',
        f'<rect x="{left}" y="{top}" width="{WIDTH - 10}" height="{HEIGHT}" fill="none" stroke="#ccc"/>',
    ]
    for value in _ticks(panel):
        y = _up(panel, top, value)
        lines.append(f'<line x1="{left}" x2="{left + WIDTH - 10}" y1="{y:.1f}" y2="{y:.1f}" stroke="#eee"/>')
        lines.append(f'<text x="{left - 4}" y="{y + 3:.1f}" text-anchor="end">{value:g}</text>')
    for place in _places(panel):
        x = _along(panel, left, place)
        lines.append(f'<text x="{x:.1f}" y="{top + HEIGHT + 13}" text-anchor="middle">{place:g}{" s" if panel.across == SECONDS else ""}</text>')
    upper, lower = _points(panel, left, top, band.max(axis=0)), _points(panel, left, top, band.min(axis=0))
    lines.append(f'<polygon points="{" ".join([*upper, *lower[::-1]])}" fill="{COLOUR}" opacity="0.15"/>')
    lines += [_line(_points(panel, left, top, getattr(found, panel.field)), colour, 1.2) for found, colour in told.values()]
    return "".join([*lines, _line(_points(panel, left, top, np.median(band, axis=0)), COLOUR, 2.6)])


def _ticks(panel: Panel) -> tuple[float, ...]:
    if panel.is_log:
        return tuple(value for value in (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0) if panel.low <= value <= panel.high)
    return tuple(np.linspace(panel.low, panel.high, 6).round(2).tolist())


def _places(panel: Panel) -> tuple[float, ...]:
    return (0.1, 0.5, 0.9) if len(panel.across) == len(QUANTILES) else panel.across


def _along(panel: Panel, left: float, place: float) -> float:
    ends = np.array([panel.across[0], panel.across[-1], place], dtype=np.float64)
    if len(panel.across) != len(QUANTILES):
        ends = np.log(ends)
    return float(left + 10 + (ends[2] - ends[0]) / (ends[1] - ends[0]) * (WIDTH - 30))


def _up(panel: Panel, top: float, value: float) -> float:
    low, high, at = (np.log(x) if panel.is_log else x for x in (panel.low, panel.high, min(max(value, panel.low), panel.high)))
    return float(top + HEIGHT * (1.0 - (at - low) / (high - low)))


def _points(panel: Panel, left: float, top: float, values: Floats) -> list[str]:
    return [
        f"{_along(panel, left, place):.1f},{_up(panel, top, value):.1f}"
        for place, value in zip(panel.across, values.tolist(), strict=True)
        if np.isfinite(value)
    ]


def _line(points: list[str], colour: str, width: float) -> str:
    return f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _legend(height: float) -> str:
    names = [(f"{NAME} (line: median of 8 symbols; band: all)", COLOUR), *((name, colour) for name, _, colour in reversed(RECORDINGS))]
    parts, x = [], float(MARGIN)
    for name, colour in names:
        parts.append(f'<line x1="{x}" x2="{x + 18}" y1="{height - 14}" y2="{height - 14}" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<text x="{x + 23}" y="{height - 10}" font-size="11">{name}</text>')
        x += 40 + 6.2 * len(name)
    return "".join(parts)


def _table(told: dict[str, Facts], own: list[Facts]) -> None:
    def row(name: str, field: str, *indices: int, digits: int = 2) -> None:
        def shown(found: Facts) -> str:
            value = np.atleast_1d(getattr(found, field))
            return ", ".join("-" if np.isnan(value[index]) else f"{value[index]:.{digits}f}" for index in indices or (0,))

        ranked = np.median([np.atleast_1d(getattr(found, field)) for found in own], axis=0)
        ours = ", ".join(f"{ranked[index]:.{digits}f}" for index in indices or (0,))
        print(f"| {name} | {' | '.join(shown(found) for found in told.values())} | {ours} |")

    print(f"| | {' | '.join(told)} | {NAME} |\n|---|{'---|' * (len(told) + 1)}")
    lows = tuple(int(np.argmin(np.abs(QUANTILES - part))) for part in (0.1, 0.9))
    row("steps of 5 s", "steps", digits=0)
    row("median spread, bps", "spread_bps")
    row("10 % and 90 % quantile of the spread, over its median", "spread", *lows)
    row("the same of the best size", "depth", *lows)
    row("autocorrelation of the log of the best size, 5 s, 10 s, 50 s", "depth_memory", 0, 1, 3)
    row("deviation of (bid - ask) / (bid + ask) at the best prices", "lean")
    row("its autocorrelation, 5 s, 10 s", "lean_memory", 0, 1)
    row("variance per second, 10 s, 30 s, 1 min, 2 min (5 s = 1)", "signature", 1, 2, 3, 4)
    row("steps in which the mid does not move", "unmoved")
    row("kurtosis of returns, 5 s, 10 s, 1 min", "kurtosis", 0, 1, 3, digits=1)
    row("autocorrelation of returns, 5 s, 10 s", "memory", 0, 1)
    row("of absolute returns, 5 s, 25 s, 50 s, 100 s, 250 s", "clustering", 0, 2, 3, 4, 5)
    row("R2 of order-flow imbalance, 5 s, 10 s, 1 min", "ofi_r2", 0, 1, 3)
    row("R2 of signed volume, 5 s, 10 s, 1 min", "signed_r2", 0, 1, 3)
    row("variance of the number of trades over its mean", "dispersion", digits=0)
    row("autocorrelation of the number of trades, 5 s, 50 s", "trades_memory", 0, 3)
    row("correlation of volume and absolute return", "volume_and_size")
    row("absolute signed volume over volume", "one_sided")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
