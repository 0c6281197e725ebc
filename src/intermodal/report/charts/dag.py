"""The pipeline drawn as a graph: tasks with their state, edges by dependency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from intermodal.report.charts.layering import Layout, lay_out
from intermodal.report.charts.svg import element, figure, label, number, plain, shorten, text_width

ROOM = 1084.0  # px inside a card as wide as the page

# State → (CSS colour, path of its icon in a 12 px box, word). Icon and word carry the state; colour only helps.
STATES: dict[str, tuple[str, str, str]] = {
    "SUCCEEDED": ("var(--good)", "M2 6.5L5 9.5L10.5 3", "succeeded"),
    "CACHED": ("var(--cached)", "M10.5 6A4.5 4.5 0 1 1 8.6 2.3M8.6 0.4V2.6H6.4", "cached"),
    "FAILED": ("var(--bad)", "M2.5 2.5L9.5 9.5M9.5 2.5L2.5 9.5", "failed"),
    "SKIPPED": ("var(--idle)", "M2 2.5L6 6L2 9.5M6.5 2.5L10.5 6L6.5 9.5", "skipped"),
    "RUNNING": ("var(--busy)", "M3.5 1.8V10.2L10 6Z", "running"),
    "PENDING": ("var(--idle)", "M6 1.5A4.5 4.5 0 1 1 5.9 1.5M6 3.5V6L8 7.5", "pending"),
    "INTERRUPTED": ("var(--busy)", "M6 1.5A4.5 4.5 0 1 1 5.9 1.5M2.8 2.8L9.2 9.2", "interrupted"),
    "WARNING": ("var(--busy)", "M6 1.6L11 10.4H1ZM6 4.8V7M6 8.7V8.8", "warning"),
    "CANCELLED": ("var(--idle)", "M6 1.5A4.5 4.5 0 1 1 5.9 1.5M2.8 2.8L9.2 9.2", "cancelled"),
}


@dataclass(frozen=True)
class DagNode:
    """One node of the drawing.

    Attributes:
        name: Its name, unique.
        state: One of `STATES`, or "" for a node without state.
        note: Its second line, such as a duration.
        depends_on: Names of the nodes before it.
        tip: Tooltip; the name, state and note by default.
        link: Where a click leads; "" for nowhere.
        label: What is written in it; the name by default.
    """

    name: str
    state: str = ""
    note: str = ""
    depends_on: tuple[str, ...] = ()
    tip: str = ""
    link: str = ""
    label: str = ""


@dataclass(frozen=True)
class _Grid:
    """Sizes in px; `down` puts layers below one another rather than side by side."""

    down: bool
    width: float
    height: float = 48.0
    along: float = 14.0
    across: float = 30.0

    def corner(self, layer: float, place: float) -> tuple[float, float]:
        """Top left corner of the node at a layer and a place."""
        if self.down:
            return 1 + place * (self.width + self.along), 1 + layer * (self.height + self.across)
        return 1 + layer * (self.width + self.across), 1 + place * (self.height + self.along)

    def ends(self, layer: float, place: float) -> tuple[tuple[float, float], tuple[float, float]]:
        """Where edges enter and leave that node."""
        x, y = self.corner(layer, place)
        if self.down:
            return (x + self.width / 2, y), (x + self.width / 2, y + self.height)
        return (x, y + self.height / 2), (x + self.width, y + self.height / 2)


def _grid(down: bool, depth: int) -> _Grid:
    """Nodes as wide as lets eight layers stand side by side on a desktop, three nodes on a phone."""
    if down:
        return _Grid(True, 104.0, along=8.0, across=26.0)
    return _Grid(False, min(140.0, max(106.0, (ROOM - 30.0 * (depth - 1)) / max(1, depth))))


def draw_dag(nodes: Sequence[DagNode], *, title: str, down: bool = False) -> str:
    """Draw a pipeline.

    Args:
        nodes: The nodes; unknown dependencies are ignored.
        title: Accessible name.
        down: Layers from top to bottom, for a phone, instead of from left to right.

    Returns:
        An SVG of its natural size; the page lets it scroll rather than shrink.
    """
    layout = lay_out([node.name for node in nodes], {node.name: node.depends_on for node in nodes})
    grid = _grid(down, layout.depth)
    states = {node.name: node.state for node in nodes}
    body = [_edge(edge, layout, grid, states) for edge in layout.routes]
    body += [_node(node, *grid.corner(layout.layer[node.name], layout.place[node.name]), grid) for node in nodes]
    width, height = grid.corner(max(layout.depth - 1, 0), layout.breadth)
    size = (width + grid.width + 1, height + grid.height + 1)
    return figure(*size, body, title, _describe(nodes), role="group", class_="dag")


def state_icon(state: str, size: float = 12) -> str:
    """The icon of a state as a small SVG that stands in a line of text; decorative, its word stands beside it."""
    colour, path, _ = STATES.get(state.upper(), STATES["PENDING"])
    drawing = element(
        "path", d=path, fill=colour if state.upper() == "RUNNING" else "none", stroke=colour, class_="icon"
    )
    return element(
        "svg", drawing, class_="state-icon", viewBox="0 0 12 12", width=size, height=size, aria_hidden="true"
    )


def state_word(state: str) -> str:
    """The word of a state."""
    return STATES.get(state.upper(), ("", "", state.lower()))[2]


def _edge(edge: tuple[str, str], layout: Layout, grid: _Grid, states: Mapping[str, str]) -> str:
    """A smooth line from node to node, straight through the places of its dummies."""
    source, target = edge
    stops = [grid.ends(layout.layer[source], layout.place[source])[1]]
    for layer, place in layout.routes[edge]:
        stops += grid.ends(layer, place)
    stops.append(grid.ends(layout.layer[target], layout.place[target])[0])
    way = f"M{number(stops[0][0])} {number(stops[0][1])}"
    for index, (a, b) in enumerate(zip(stops, stops[1:], strict=False)):
        way += _curve(a, b, grid.down) if index % 2 == 0 else f"L{number(b[0])} {number(b[1])}"
    idle = states[target].upper() in ("SKIPPED", "PENDING", "CANCELLED")
    return element("path", d=way, class_="edge idle" if idle else "edge")


def _curve(a: tuple[float, float], b: tuple[float, float], down: bool) -> str:
    if down:
        middle = (a[1] + b[1]) / 2
        points = (a[0], middle, b[0], middle, *b)
    else:
        middle = (a[0] + b[0]) / 2
        points = (middle, a[1], middle, b[1], *b)
    return "C" + " ".join(number(value) for value in points)


def _node(node: DagNode, x: float, y: float, grid: _Grid) -> str:
    colour, path, word = STATES.get(node.state.upper(), ("var(--soft)", "", node.state.lower()))
    tip = node.tip or " · ".join(part for part in (node.name, word, node.note) if part)
    parts = [element("title", plain(tip))]
    parts.append(element("rect", x=x, y=y, width=grid.width, height=grid.height, rx=7, class_="node"))
    parts.append(element("rect", x=x, y=y + 9, width=3, height=grid.height - 18, rx=1.5, fill=colour))
    parts.append(_fitted(x + 12, y + 20, node.label or node.name, grid.width - 20))
    at = x + 12
    if path:
        fill = colour if node.state.upper() == "RUNNING" else "none"
        parts.append(
            element(
                "path",
                d=path,
                transform=f"translate({number(at)} {number(y + 28)})",
                stroke=colour,
                fill=fill,
                class_="icon",
            )
        )
        at += 18
    parts.append(label(at, y + 38, shorten(node.note, x + grid.width - at - 4)))
    group = element("g", *parts, class_=f"task {node.state.lower()}".strip())
    return element("a", group, href=node.link, aria_label=tip) if node.link else group


def _fitted(x: float, y: float, name: str, room: float) -> str:
    """A name that is squeezed a little, or cut, rather than running out of its node."""
    width = text_width(name, 12.5)
    most = int(room * 1.25 / (12.5 * 0.6))
    # cut in the middle: the names of a loop's tasks differ at their end
    text = name if len(name) <= most else f"{name[: most // 2 - 1]}…{name[len(name) - most + most // 2 :]}"
    squeeze = {"textLength": room, "lengthAdjust": "spacingAndGlyphs"} if width > room else {}
    return element("text", plain(text), x=x, y=y, class_="v", **squeeze)


def _describe(nodes: Sequence[DagNode]) -> str:
    def words(node: DagNode) -> str:
        after = f" after {', '.join(node.depends_on)}" if node.depends_on else ""
        state = f" {state_word(node.state)}" if node.state else ""
        return f"{node.name}{state}{after}"

    return f"{len(nodes)} nodes: " + "; ".join(words(node) for node in nodes[:40])
