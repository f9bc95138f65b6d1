"""Tables as HTML: real text with labels, units and tooltips in the column heads, cards on a phone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from pages.ui import glossary, sparkline, theme


@dataclass(frozen=True, slots=True)
class Column:
    """A column's head; numbers are aligned right. Its tooltip is the glossary's sentence for `term`, or for the label.

    `link` is the address of the table sorted by this column, `order` its order now.
    """

    label: str
    right: bool = False
    full_width: bool = False  # takes the whole width of a card
    nowrap: bool = False
    wrap: bool = False  # a number that may take several lines
    term: str = ""
    link: str = ""
    order: str = ""  # ascending, descending, none; "" where the table cannot be sorted


@dataclass(frozen=True, slots=True)
class Cell:
    """Text with a colour mark before it, smaller words after it, a bar for a share from 0 to 1, or a sparkline of values."""

    text: str
    colour: str | None = None
    small: str = ""
    bar: float | None = None
    trend: tuple[float | None, ...] = ()
    markup: str = ""  # our own HTML before the text, in which every text is escaped


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row with its identity; `link` is the address it opens."""

    id: str
    cells: tuple[Cell | str, ...]
    link: str | None = None
    highlighted: bool = False


def text_columns(*labels: str) -> tuple[Column, ...]:
    """Return plain columns of text."""
    return tuple(Column(label) for label in labels)


def number_columns(*labels: str) -> tuple[Column, ...]:
    """Return columns of numbers, aligned right."""
    return tuple(Column(label, right=True) for label in labels)


PAIR_COLUMNS = (Column("", nowrap=True), Column("", right=True, wrap=True))
FIGURE_COLUMNS = (Column(""), Column("", right=True))


def render_table(columns: Sequence[Column], lines: Sequence[TableRow], *, label: str, cards: bool = True, empty: str = "") -> str:
    """Return the table as HTML; `empty` is shown when there are no rows."""
    cells = "".join(_head(column) for column in columns)
    head = f"<thead><tr>{cells}</tr></thead>" if any(column.label for column in columns) else ""
    body = "".join(_row(columns, line) for line in lines)
    if not lines and empty:
        body = f'<tr class="pd-none"><td colspan="{len(columns)}">{escape(empty)}</td></tr>'
    kind = "pd-cards" if cards else ""
    return f'<div class="pd pd-scroll {kind}"><table aria-label="{escape(label)}">{head}<tbody>{body}</tbody></table></div>'


def render_chip(word: str, colour: str | None = None) -> str:
    """Return a state word after its colour mark; the colour never stands alone."""
    return f'<span class="pd-chip"><span class="pd-dot" style="background:{colour or theme.state_colour(word)}"></span>{escape(word)}</span>'


def render_tooltip(term: str) -> str:
    """Return the title attribute with the glossary's sentence for a term or label, "" where it has none."""
    definition = glossary.find_definition(term)
    return f' title="{escape(definition)}"' if definition else ""


def render_button(label: str, act: str, *, name: str, obstacle: str = "") -> str:
    """Return a button for `live.show_acting_table`, which reports `act`; with an obstacle it is off and says why.

    `name` is what a screen reader says.
    """
    off = f' aria-disabled="true" title="{escape(obstacle)}"' if obstacle else ""
    spoken = f"{name}: {obstacle}" if obstacle else name
    return f'<button type="button" class="pd-act" data-act="{escape(act)}" aria-label="{escape(spoken)}"{off}>{escape(label)}</button>'


def _head(column: Column) -> str:
    text = f'<a href="{escape(column.link)}" target="_self" data-step>{escape(column.label)}</a>' if column.link else escape(column.label)
    order = f' aria-sort="{column.order}"' if column.order else ""
    if not text:  # a head without words is none to a screen reader
        return f'<td class="{_classes(column)}"></td>'
    return f'<th scope="col" class="{_classes(column)}"{order}{render_tooltip(column.term or column.label)}>{text}</th>'


def _row(columns: Sequence[Column], line: TableRow) -> str:
    cells = "".join(
        f'<td class="{_classes(column)}" data-label="{escape(column.label)}"{_label_tooltip(column, cell, position)}>'
        f"{_cell(cell, line.link if position == 0 else None)}</td>"
        for position, (column, cell) in enumerate(zip(columns, line.cells, strict=True))
    )
    attributes = (' class="mark"' if line.highlighted else "") + (" data-link" if line.link else "")
    return f'<tr data-id="{escape(line.id)}"{attributes}>{cells}</tr>'


def _label_tooltip(column: Column, cell: Cell | str, position: int) -> str:
    """Return the tooltip of a cell that labels its row: the first one, below an empty head."""
    if position or column.label:
        return ""
    return render_tooltip(cell if isinstance(cell, str) else cell.text)


def _cell(cell: Cell | str, link: str | None) -> str:
    content = Cell(cell) if isinstance(cell, str) else cell
    text = escape(content.text)
    if content.colour and content.bar is None:
        text = f'<span class="pd-chip"><span class="pd-dot" style="background:{content.colour}"></span>{text}</span>'
    if content.bar is not None:
        width = min(1.0, max(0.0, content.bar)) * 100
        bar = f'<span class="pd-bar"><i style="width:{width:.1f}%;background:{content.colour or theme.UP}"></i></span>'
        text = f'<span class="pd-barred">{bar}{text}</span>' if text else bar
    if link:
        text = f'<a href="{escape(link)}" target="_self">{text}</a>'
    if content.trend:
        text = f'<span class="pd-trend">{sparkline.render_sparkline(content.trend)}</span>{text}'
    text = content.markup + text
    return text + (f" <small>{escape(content.small)}</small>" if content.small else "")


def _classes(column: Column) -> str:
    return " ".join(name for name, on in (("r", column.right), ("w", column.full_width), ("n", column.nowrap), ("wrap", column.wrap)) if on)
