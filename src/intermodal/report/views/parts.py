"""What a page is made of: sections of blocks, blocks of cards and tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup


@dataclass(frozen=True)
class Card:
    """A chart with its title.

    Attributes:
        title: What it shows.
        body: Markup of the chart.
        note: A sentence below it.
        span: Columns it takes where there is room: 1 to 3.
        narrow: The chart drawn for a phone; empty when `body` is narrow already.
    """

    title: str
    body: Markup
    note: str = ""
    span: int = 1
    narrow: Markup = Markup("")


@dataclass(frozen=True)
class Column:
    """A column of a table; numeric ones are aligned at the right, wide ones get a line of their own on a phone."""

    name: str
    numeric: bool = False
    wide: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell: its text or markup, the value it is sorted by if that is another, whether it may be cut."""

    text: str | Markup
    sort: Any = None
    long: bool = False


@dataclass(frozen=True)
class Row:
    """A row of a table."""

    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """A table; `css` may hold `sortable` and `stack` (one row a card on a phone)."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    css: str = ""


@dataclass(frozen=True)
class Block:
    """A part of a section: a heading, cards, a table, pairs of name and value, a command.

    `folded` is the line below which the table is folded away; empty to show it.
    """

    title: str = ""
    lead: str = ""
    cards: tuple[Card, ...] = ()
    table: Table | None = None
    folded: str = ""
    pairs: tuple[tuple[str, str], ...] = ()
    command: str = ""


@dataclass(frozen=True)
class Blocks:
    """The content of an ordinary section: warnings, cards, then blocks."""

    cards: tuple[Card, ...] = ()
    blocks: tuple[Block, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """One section of the page.

    Attributes:
        id: Its anchor.
        title: Its heading, and its name in the rail.
        data: What its template draws.
        lead: A sentence beside the heading.
        flag: A short mark in the rail, such as the number of failures.
        template: The template that draws it.
    """

    id: str
    title: str
    data: Any
    lead: str = ""
    flag: str = ""
    template: str = "cards.html.j2"


@dataclass(frozen=True)
class Page:
    """A whole page.

    Attributes:
        title: Title of the document.
        sections: Its sections, in order.
        hero: What the head band shows; None for a plain heading.
        crumb: Words in the bar on top.
        footer: Last line.
    """

    title: str
    sections: tuple[Section, ...]
    hero: Any = None
    crumb: str = ""
    footer: str = field(default="")


def chart(svg: str) -> Markup:
    """Markup that a chart function made: everything in it is escaped already."""
    return Markup(svg)  # noqa: S704


def cells(*values: str | Markup | Cell) -> tuple[Cell, ...]:
    """Cells of a row; plain texts become cells."""
    return tuple(value if isinstance(value, Cell) else Cell(value) for value in values)
