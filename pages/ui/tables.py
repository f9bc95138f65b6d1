"""Tables as HTML: real text with labels, a column's unit in its head, cards on a phone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from pages.ui import sparkline, theme


@dataclass(frozen=True, slots=True)
class Column:
    """A column's head; figures are set to the right."""

    label: str
    right: bool = False
    full_width: bool = False  # takes the whole width of a card
    nowrap: bool = False
    wrap: bool = False  # a figure that may take several lines


@dataclass(frozen=True, slots=True)
class Cell:
    """Text, with a colour mark before it, smaller words after it, a bar for a share of 0..1, or a small line of values."""

    text: str
    colour: str | None = None
    small: str = ""
    bar: float | None = None
    trend: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row with its identity; `link` is where it leads."""

    id: str
    cells: tuple[Cell | str, ...]
    link: str | None = None
    highlighted: bool = False


def render_table(columns: Sequence[Column], lines: Sequence[TableRow], *, label: str, cards: bool = True, empty: str = "") -> str:
    """Return the table; `empty` stands in place of the rows where there are none."""
    cells = "".join(f'<th scope="col" class="{_classes(column)}">{escape(column.label)}</th>' for column in columns)
    head = f"<thead><tr>{cells}</tr></thead>" if any(column.label for column in columns) else ""
    body = "".join(_line(columns, line) for line in lines)
    if not lines and empty:
        body = f'<tr class="pd-none"><td colspan="{len(columns)}">{escape(empty)}</td></tr>'
    kind = "pd-cards" if cards else ""
    return f'<div class="pd pd-scroll {kind}"><table aria-label="{escape(label)}">{head}<tbody>{body}</tbody></table></div>'


def render_chip(word: str, colour: str | None = None) -> str:
    """A state word with its colour beside it, never the colour alone."""
    return f'<span class="pd-chip"><span class="pd-dot" style="background:{colour or theme.state_colour(word)}"></span>{escape(word)}</span>'


def _line(columns: Sequence[Column], line: TableRow) -> str:
    cells = "".join(
        f'<td class="{_classes(column)}" data-label="{escape(column.label)}">{_cell(cell, line.link if place == 0 else None)}</td>'
        for place, (column, cell) in enumerate(zip(columns, line.cells, strict=True))
    )
    kind = (' class="mark"' if line.highlighted else "") + (" data-link" if line.link else "")
    return f'<tr data-id="{escape(line.id)}"{kind}>{cells}</tr>'


def _cell(cell: Cell | str, link: str | None) -> str:
    told = Cell(cell) if isinstance(cell, str) else cell
    text = escape(told.text)
    if told.colour and told.bar is None:
        text = f'<span class="pd-chip"><span class="pd-dot" style="background:{told.colour}"></span>{text}</span>'
    if told.bar is not None:
        bar = f'<span class="pd-bar"><i style="width:{min(1.0, max(0.0, told.bar)) * 100:.1f}%;background:{told.colour or theme.UP}"></i></span>'
        text = f'<span class="pd-barred">{bar}{text}</span>' if text else bar
    if link:
        text = f'<a href="{escape(link)}" target="_self">{text}</a>'
    if told.trend:
        text = f'<span class="pd-trend">{sparkline.render_sparkline(told.trend)}</span>{text}'
    return text + (f" <small>{escape(told.small)}</small>" if told.small else "")


def _classes(column: Column) -> str:
    return " ".join(name for name, on in (("r", column.right), ("w", column.full_width), ("n", column.nowrap), ("wrap", column.wrap)) if on)
