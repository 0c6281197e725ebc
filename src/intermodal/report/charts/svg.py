"""SVG as text: elements with escaped attributes and content, and the figure that every chart is."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from html import escape

GLYPH = 0.6  # mean width of a glyph in a system sans-serif font, in em; wide fonts reach 0.64


def number(value: float) -> str:
    """A coordinate with at most two decimals, so that pages stay small and byte-identical."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value % 1 else str(int(value))


def element(tag: str, *children: str, **attributes: object) -> str:
    """One element.

    Args:
        tag: Its name.
        *children: Markup of its content, already escaped (`plain` escapes text).
        **attributes: `class_` becomes class, `stroke_width` stroke-width; None is left out.

    Returns:
        Its markup.
    """
    pairs = ((name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items() if value is not None)
    head = "".join(f' {name}="{_attribute(value)}"' for name, value in pairs)
    return f"<{tag}{head}>{''.join(children)}</{tag}>" if children else f"<{tag}{head}/>"


def plain(text: object) -> str:
    """Text as element content; characters that XML forbids are replaced."""
    allowed = (c if c >= " " or c in "\t\n" else "\N{REPLACEMENT CHARACTER}" for c in str(text))
    return escape("".join(allowed), quote=False)


def label(x: float, y: float, text: object, anchor: str = "start", class_: str | None = None, tip: str = "") -> str:
    """A text whose baseline starts, is centred or ends at a point.

    Args:
        x: Horizontal position, px.
        y: Baseline, px.
        text: Its content.
        anchor: start, middle or end.
        class_: CSS class; `v` is a value in ink, none is muted.
        tip: Tooltip, if more is to be said than fits.
    """
    title = element("title", plain(tip)) if tip else ""
    return element(
        "text", title + plain(text), x=x, y=y, text_anchor=None if anchor == "start" else anchor, class_=class_
    )


def mark(tag: str, tip: str, **attributes: object) -> str:
    """A data mark with its tooltip; takes the class `m` so that the page can highlight it."""
    return element(tag, element("title", plain(tip)), class_="m", **attributes)


def line(x1: float, y1: float, x2: float, y2: float, class_: str = "rule", **attributes: object) -> str:
    """A straight line; the class says what it is (rule, axis, reference)."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_, **attributes)


def figure(
    width: float, height: float, body: Iterable[str], title: str, description: str, role: str = "img", class_: str = ""
) -> str:
    """A whole chart with its name and its content in words.

    Args:
        width: Natural width, px.
        height: Natural height, px.
        body: Markup of its marks, back to front.
        title: Accessible name.
        description: What a reader who cannot see the chart should know.
        role: `img`, or `group` when it holds links.
        class_: Further CSS classes.

    Returns:
        An `<svg>` that scales with its container, never above 1.25 times its natural width.
    """
    content = "".join(body)
    key = sha256(f"{title}{description}{content}".encode()).hexdigest()[:10]
    names = element("title", plain(title), id=f"t{key}") + element("desc", plain(description), id=f"d{key}")
    box = f"0 0 {number(width)} {number(height)}"
    style = f"max-width:{number(width * 1.25)}px"
    classes = f"chart {class_}".strip()
    return element(
        "svg", names, content, xmlns="http://www.w3.org/2000/svg", class_=classes, viewBox=box, width=width,
        height=height, role=role, aria_labelledby=f"t{key} d{key}", style=style,
    )  # fmt: skip


def text_width(text: object, size: float = 11.5) -> float:
    """Estimated width of a text, px; no font is at hand to measure."""
    return len(str(text)) * size * GLYPH


def shorten(text: object, width: float, size: float = 11.5) -> str:
    """The text, cut with an ellipsis where it would be wider than `width` px."""
    content = " ".join(str(text).split())
    room = max(2, int(width / (size * GLYPH)))
    return content if len(content) <= room else content[: room - 1].rstrip() + "…"


def _attribute(value: object) -> str:
    if isinstance(value, float | int) and not isinstance(value, bool):
        return number(value)
    return escape(str(value), quote=True)
