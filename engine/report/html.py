"""A report as one HTML file: no script, nothing from elsewhere, light or dark as the reader's system is, and fit for paper."""

from __future__ import annotations

import math
from html import escape

import numpy as np

from engine.report.document import Document, LineChart, Paragraph, Table
from engine.report.words import format_clock

WIDTH, HEIGHT, EDGE = 720, 180, 10  # of a chart
_STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5a6370;--line:#d8dde3;--paper:#fff;--one:#1f6feb;--two:#8a939d}
@media(prefers-color-scheme:dark){:root{--ink:#e4e8ec;--soft:#9aa4af;--line:#333a42;--paper:#14181c;--one:#6aa9ff;--two:#7f8994}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:52rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:1.8rem 0 .4rem;border-bottom:1px solid var(--line)}
.about{color:var(--soft);margin:.2rem 0 1rem}.lead{font-size:1.05rem}p{margin:.5rem 0}
table{border-collapse:collapse;width:100%;margin:.6rem 0;font-size:.92rem}th{font-weight:600;color:var(--soft)}
th,td{padding:.2rem .7rem .2rem 0;text-align:left;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
.n{text-align:right;font-variant-numeric:tabular-nums;overflow-wrap:normal}
svg{width:100%;height:auto}svg text{font-size:12px;fill:var(--soft)}
.l0{stroke:var(--one)}.l1{stroke:var(--two);stroke-dasharray:5 3}
@media print{:root{--ink:#000;--soft:#333;--line:#999;--paper:#fff;--one:#0b4fb3;--two:#555}body{margin:0;max-width:none;font-size:11pt}
h2{break-after:avoid}tr,svg{break-inside:avoid}}
"""


def as_html(told: Document) -> str:
    """The whole page."""
    body = [f"<h1>{plain(told.title)}</h1>", f'<p class="about">{plain(told.about)}</p>', f'<p class="lead">{plain(told.lead)}</p>']
    for section in told.sections:
        body.append(f"<h2>{plain(section.title)}</h2>")
        body += [_block(block) for block in section.blocks]
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{plain(told.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n" + "\n".join(body) + "\n</body>\n</html>\n"
    )


def plain(text: str) -> str:
    """Escaped, and without signs that print nothing."""
    return escape("".join(sign if sign.isprintable() else " " for sign in text))


def _block(block: Paragraph | Table | LineChart) -> str:
    if isinstance(block, Paragraph):
        return f"<p>{plain(block.text)}</p>"
    if isinstance(block, LineChart):
        return _chart(block)
    marks = ["" if place < block.left else ' class="n"' for place in range(len(block.head))]
    head = "".join(f'<th scope="col"{mark}>{plain(cell)}</th>' for mark, cell in zip(marks, block.head, strict=True))
    rows = "\n".join("<tr>" + "".join(f"<td{mark}>{plain(cell)}</td>" for mark, cell in zip(marks, row, strict=True)) + "</tr>" for row in block.rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"


def _chart(told: LineChart) -> str:
    """The lines on one scale, its ends and its first and last moment written beside them."""
    values = np.array(told.values, dtype=float)
    low, high = float(values.min()), float(values.max())
    reach = high - low if high > low else max(1.0, abs(high))
    x = EDGE + (np.array(told.at) - told.at[0]) / max(1, told.at[-1] - told.at[0]) * (WIDTH - 2 * EDGE)
    y = EDGE + (high - values) / reach * (HEIGHT - 4 * EDGE)
    lines = "".join(
        f'<polyline class="l{place}" fill="none" stroke-width="2" points="{_points(x, row)}"/>'
        for place, row in enumerate(y)
        if math.isfinite(row.sum())
    )
    names = "; ".join(f"{'solid' if place == 0 else 'dashed'}: {name}" for place, name in enumerate(told.names))
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{plain(told.label)}">{lines}'
        f'<text x="{EDGE}" y="{HEIGHT - 4}">{format_clock(told.at[0])}, {low:,.0f} to {high:,.0f}; {plain(names)}</text>'
        f'<text x="{WIDTH - EDGE}" y="{HEIGHT - 4}" text-anchor="end">{format_clock(told.at[-1])} UTC</text></svg>'
    )


def _points(x: np.ndarray, y: np.ndarray) -> str:
    return " ".join(f"{across:.1f},{down:.1f}" for across, down in zip(x.tolist(), y.tolist(), strict=True))
