"""Where the nodes of a directed graph go: layers, an order with few crossings, positions.

The layered method of Sugiyama, Tagawa and Toda 1981 ("Methods for visual understanding of hierarchical
system structures"), in its simplest form: longest-path layers, one dummy node where an edge passes a layer,
barycentre sweeps for the order, and a relaxation for the positions. Cycles cannot occur in a pipeline, but a
damaged record must not hang the report: an edge that closes one is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

SWEEPS = 8
DUMMY = 0.4  # room of an edge that passes a layer; a node has 1

Node = tuple[str, int]  # (name, 0) for a node; (edge key, layer) for the dummy of an edge


@dataclass(frozen=True)
class Layout:
    """A finished layout, in units of one node along the layer and one layer across.

    Attributes:
        layer: Layer of each node.
        place: Position along the layer of each node; nodes are at least 1 apart.
        routes: For each edge (source, target): positions (layer, place) of its dummies, in order.
        breadth: Greatest position; the least is 0.
        depth: Number of layers.
    """

    layer: dict[str, int]
    place: dict[str, float]
    routes: dict[tuple[str, str], list[tuple[int, float]]]
    breadth: float
    depth: int


def lay_out(names: Sequence[str], depends_on: Mapping[str, Sequence[str]]) -> Layout:
    """Lay out a graph.

    Args:
        names: Nodes; their order breaks ties.
        depends_on: For each node the nodes before it; unknown names are ignored.

    Returns:
        The layout; deterministic.
    """
    edges = acyclic_edges(names, depends_on)
    layer = _layers(names, edges)
    chains = {edge: _chain(edge, layer) for edge in edges}
    depth = max(layer.values(), default=-1) + 1
    rows: list[list[Node]] = [[(name, 0) for name in names if layer[name] == index] for index in range(depth)]
    links: dict[Node, list[Node]] = {}
    for chain in chains.values():
        for before, after in zip(chain, chain[1:], strict=False):
            links.setdefault(before, []).append(after)
            links.setdefault(after, []).append(before)
        for dummy in chain[1:-1]:
            rows[dummy[1]].append(dummy)
    level = {node: index for index, row in enumerate(rows) for node in row}
    _order(rows, links)
    place = _places(rows, links)
    routes = {edge: [(level[node], place[node]) for node in chain[1:-1]] for edge, chain in chains.items()}
    breadth = (
        max((value + size / 2 for value, size in zip(place.values(), _sizes(place), strict=True)), default=0.5) - 0.5
    )
    return Layout(layer, {name: place[name, 0] for name in names}, routes, breadth, depth)


def acyclic_edges(names: Sequence[str], depends_on: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Edges (source, target) between known nodes, without those that would close a cycle."""
    known, kept = set(names), []
    after: dict[str, set[str]] = {name: set() for name in names}
    for target in names:
        for source in dict.fromkeys(depends_on.get(target, ())):
            if source in known and source != target and source not in _reachable(target, after):
                after[source].add(target)
                kept.append((source, target))
    return kept


def _reachable(start: str, after: Mapping[str, set[str]]) -> set[str]:
    seen, open_ = {start}, [start]
    while open_:
        fresh = after[open_.pop()] - seen
        seen |= fresh
        open_ += fresh
    return seen


def _layers(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Longest path from a source; ends after at most one round a node, since there is no cycle."""
    layer, changed = dict.fromkeys(names, 0), True
    while changed:
        changed = False
        for source, target in edges:
            if layer[target] <= layer[source]:
                layer[target], changed = layer[source] + 1, True
    return layer


def _chain(edge: tuple[str, str], layer: Mapping[str, int]) -> list[Node]:
    source, target = edge
    dummies: list[Node] = [(f"{source}\0{target}", index) for index in range(layer[source] + 1, layer[target])]
    return [(source, 0), *dummies, (target, 0)]


def _order(rows: list[list[Node]], links: Mapping[Node, Sequence[Node]]) -> None:
    """Sort each layer by the mean position of its neighbours in the layer before, then after, and again."""
    for sweep in range(SWEEPS):
        step = 1 if sweep % 2 == 0 else -1
        indices = range(1, len(rows)) if step == 1 else range(len(rows) - 2, -1, -1)
        for index in indices:
            at = {node: place for place, node in enumerate(rows[index - step])}
            old = {node: place for place, node in enumerate(rows[index])}

            def key(node: Node, at: dict[Node, int] = at, old: dict[Node, int] = old) -> tuple[float, int]:
                near = [at[other] for other in links.get(node, ()) if other in at]
                return (sum(near) / len(near) if near else old[node], old[node])

            rows[index].sort(key=key)


def _places(rows: list[list[Node]], links: Mapping[Node, Sequence[Node]]) -> dict[Node, float]:
    """Pull every node to the mean of its neighbours, keeping the order and the distances."""
    place: dict[Node, float] = {}
    for row in rows:
        place.update(zip(row, spread([0.0] * len(row), _sizes(row)), strict=True))
    for sweep in range(SWEEPS * 2):
        for row in rows if sweep % 2 == 0 else rows[::-1]:
            wanted = [_mean([place[other] for other in links.get(node, ())], place[node]) for node in row]
            place.update(zip(row, spread(wanted, _sizes(row)), strict=True))
    least = (
        min((value - size / 2 for value, size in zip(place.values(), _sizes(place), strict=True)), default=0.0) + 0.5
    )
    return {node: round(value - least, 4) for node, value in place.items()}


def _sizes(row: Iterable[Node]) -> list[float]:
    """Room along the layer: a line that passes needs less than a node."""
    return [DUMMY if "\0" in name else 1.0 for name, _ in row]


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def spread(wanted: Sequence[float], sizes: Sequence[float]) -> list[float]:
    """Positions that do not overlap, in the given order, as near to the wanted ones as that allows.

    Nodes that would overlap form a block, which is centred on the mean of what its nodes want
    (pool-adjacent-violators on the wanted positions less the room before them).

    Args:
        wanted: Wanted centre of each node.
        sizes: Room of each node.

    Returns:
        Centres; neighbours are at least half the sum of their sizes apart.
    """
    before = [sum(sizes[:index]) + size / 2 for index, size in enumerate(sizes)]
    blocks: list[tuple[float, int]] = []  # (sum of wanted less room before, number of nodes)
    for value, room in zip(wanted, before, strict=True):
        total, size = value - room, 1
        while blocks and blocks[-1][0] / blocks[-1][1] >= total / size:
            last = blocks.pop()
            total, size = total + last[0], size + last[1]
        blocks.append((total, size))
    levels = [total / size for total, size in blocks for _ in range(size)]
    return [level + room for level, room in zip(levels, before, strict=True)]
