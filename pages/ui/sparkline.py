"""Sparklines: small lines of values for tiles and tables."""

from __future__ import annotations

from collections.abc import Sequence

from pages.ui import theme


def render_sparkline(values: Sequence[float | None]) -> str:
    """Return an SVG of the values on their own scale, with gaps as gaps; "" for fewer than two values."""
    finite = [value for value in values if value is not None and value == value]  # noqa: PLR0124 NaN is not itself
    if len(finite) < 2:
        return ""
    low, span = min(finite), (max(finite) - min(finite)) or 1.0
    path, pen = [], "M"
    for position, value in enumerate(values):
        if value is None or value != value:  # noqa: PLR0124
            pen = "M"
            continue
        path.append(f"{pen}{position} {88 - 76 * (value - low) / span:.0f}")
        pen = "L"
    return (
        f'<svg viewBox="0 0 {len(values) - 1} 100" preserveAspectRatio="none" aria-hidden="true">'
        f'<path d="{"".join(path)}" fill="none" stroke="{theme.UP}" stroke-width="1.4" vector-effect="non-scaling-stroke"></path></svg>'
    )
