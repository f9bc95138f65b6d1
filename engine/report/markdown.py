"""A report as Markdown; nothing that is told can change how it is drawn."""

from __future__ import annotations

import re
from html import escape

from engine.report.document import Document, LineChart, Paragraph, Table

_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~$])")


def as_markdown(told: Document) -> str:
    """The whole text."""
    parts = [f"# {plain(told.title)}", plain(told.about), plain(told.lead)]
    for section in told.sections:
        parts.append(f"## {plain(section.title)}")
        parts += [_block(block) for block in section.blocks if not isinstance(block, LineChart)]
    return "\n\n".join(parts) + "\n"


def plain(text: str) -> str:
    """On one line, every sign that means something to Markdown or HTML escaped."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return _SPECIAL.sub(r"\\\1", escape(line, quote=False))


def _block(block: Paragraph | Table) -> str:
    if isinstance(block, Paragraph):
        return re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", plain(block.text))
    marks = ["---" if place < block.left else "---:" for place in range(len(block.head))]
    rows = [_row(block.head), f"| {' | '.join(marks)} |", *(_row(row) for row in block.rows)]
    return "\n".join(rows)


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(plain(cell) for cell in cells)} |"
