"""The parts of a report in any format; its texts may contain anything and are escaped by the templates."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Some sentences."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under their heads; the first `left` columns are text, the others numbers."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int = 1


@dataclass(frozen=True, slots=True)
class LineChart:
    """Values over time, one named line each; formats without pictures leave them out."""

    names: tuple[str, ...]
    at: tuple[int, ...]  # ns UTC
    values: tuple[tuple[float, ...], ...]  # one line each
    label: str


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its blocks."""

    title: str
    blocks: tuple[Paragraph | Table | LineChart, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report."""

    title: str
    about: str  # one line under the title: what it covers
    lead: str  # the day in one paragraph
    sections: tuple[Section, ...]
