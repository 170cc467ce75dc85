"""Draw a gradient graph as SVG, the root on top, leaves below: layered, without scripts, styles by class alone.

Layers by the longest path from the root, an order within them that follows what lies above (barycenters), long edges led past
the layers between. A node's edges leave its lower side in the order of its inputs; a short stub is an input that requires no
grad. The colors are the page's, or, in a file of its own, those of `STYLE`, which knows light and dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from markupsafe import Markup, escape

from reports.graphs import GraphNode
from reports.text import clip, visible

TEMPLATES = Path(__file__).parent / "templates"
CHARACTER, HEIGHT, PAD = 7.25, 26.0, 11.0  # of a node: the width of a letter of its name, and around it
GAP, RISE = 22.0, 42.0  # between nodes of one layer, and between layers
BESIDE = 68.0  # room for the number of an output beside the tip of an edge
LONGEST = 40  # letters of a name that are shown
SWEEPS = 6


@dataclass
class Place:
    """A node, or a point where a long edge passes a layer (`node` None): its centre, its size and what it leads to."""

    node: GraphNode | None
    width: float
    layer: int
    x: float = 0.0
    below: list[tuple[int, Place]] = field(
        default_factory=list
    )  # place of the edge among the node's, and its target
    above: list[tuple[int, Place]] = field(default_factory=list)

    @property
    def y(self) -> float:
        return self.layer * (HEIGHT + RISE)

    def port(self, edge: int) -> float:
        """Where an edge leaves."""
        count = len(self.node.edges) if self.node else 1
        return self.x - self.width / 2 + self.width * (edge + 1) / (count + 1)


def draw(nodes: Sequence[GraphNode], title: str, *, alone: bool = False) -> Markup:
    """The graph as an SVG element, with `title` as what a screen reader says; `alone`: as a file with its own style."""
    layers = arrange(nodes)
    places = [place for layer in layers for place in layer]
    left = min(place.x - place.width / 2 for place in places) - PAD
    right = max(place.x + place.width / 2 for place in places) + PAD
    for place in places:  # what is written beside the tip of an edge
        for edge in place.node.edges if place.node else ():
            if edge and edge[1]:
                target = next(other for other in places if other.node is nodes[edge[0]])
                left = min(left, target.x - 0.3 * target.width - BESIDE)
                right = max(right, target.x + 0.3 * target.width + BESIDE)
    bottom = (len(layers) - 1) * (HEIGHT + RISE) + HEIGHT + PAD
    stubs = [place for place in layers[-1] if place.node and None in place.node.edges]
    width, height = right - left, bottom + PAD + (RISE / 2 if stubs else 0)
    namespace = ' xmlns="http://www.w3.org/2000/svg"' if alone else ""
    parts = [
        f'<svg{namespace} class="graph" role="img" aria-label="{escape(visible(title))}" width="{width:.0f}" '
        f'height="{height:.0f}" viewBox="{left:.1f} {-PAD:.1f} {width:.1f} {height:.1f}">'
    ]
    if alone:
        parts.append(
            f"<style>{own_style()}</style>"
            f'<rect class="ground" x="{left:.1f}" y="{-PAD:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
        )
    for place in places:
        parts.extend(links(place))
    parts.extend(box(place) for place in places if place.node)
    return Markup("".join([*parts, "</svg>"]))


@cache
def own_style() -> str:
    """The page's colors and the rules for graphs."""
    colors, _, _ = (TEMPLATES / "style.css").read_text("utf-8").partition("* {")
    return colors + (TEMPLATES / "graph.css").read_text("utf-8").strip()


def box(place: Place) -> str:
    node = place.node
    assert node is not None
    kind = "node" + " leaf" * node.leaf + " differs" * node.differs
    said = "<title>here the graphs differ</title>" if node.differs else ""
    round_ = HEIGHT / 2 if node.leaf else 4
    return (
        f'<g class="{kind}">{said}<rect x="{place.x - place.width / 2:.1f}" y="{place.y:.1f}" width="{place.width:.1f}" '
        f'height="{HEIGHT:.0f}" rx="{round_:.0f}"/><text x="{place.x:.1f}" y="{place.y + HEIGHT / 2 + 4:.1f}" '
        f'text-anchor="middle">{escape(label(node))}</text></g>'
    )


def links(place: Place) -> list[str]:
    """The edges that leave a node, each to the end; the points that it passes have none of their own."""
    if place.node is None:
        return []
    parts = []
    for edge, target in enumerate(place.node.edges):
        x, y = place.port(edge), place.y + HEIGHT
        if target is None:
            parts.append(f'<path class="link" d="M{x:.1f} {y:.1f}v{RISE / 4:.1f}m-4 0h8"/>')
    for edge, following in place.below:
        x, y, end = place.port(edge), place.y + HEIGHT, following
        path = f"M{x:.1f} {y:.1f}"
        while end.node is None:
            path += curve(x, y, end.x, end.y) + f"V{end.y + HEIGHT:.1f}"
            x, y, end = end.x, end.y + HEIGHT, end.below[0][1]
        arrival = end.x + (x - end.x) * min(1.0, 0.6 * end.width / 2 / max(1.0, abs(x - end.x)))
        path += curve(x, y, arrival, end.y - 5)
        parts.append(f'<path class="link" d="{path}"/>')
        parts.append(f'<path class="tip" d="M{arrival:.1f} {end.y:.1f}l-3.5 -7h7z"/>')
        output = place.node.edges[edge]
        if output and output[1]:
            side, anchor = (-7, "end") if arrival < end.x else (7, "start")
            parts.append(
                f'<text class="output" x="{arrival + side:.1f}" y="{end.y - 6:.1f}" text-anchor="{anchor}">'
                f"output {output[1]}</text>"
            )
    return parts


def curve(x: float, y: float, to_x: float, to_y: float) -> str:
    middle = (y + to_y) / 2
    return f"C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {to_y:.1f}"


def label(node: GraphNode) -> str:
    name = visible(clip(node.name))
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def arrange(nodes: Sequence[GraphNode]) -> list[list[Place]]:
    """The layers, each from left to right, with places given."""
    depth = depths(nodes)
    places = [Place(node, len(label(node)) * CHARACTER + 2 * PAD, depth[i]) for i, node in enumerate(nodes)]
    layers: list[list[Place]] = [[] for _ in range(max(depth) + 1)]
    for place in places:
        layers[place.layer].append(place)
    for place in places:
        assert place.node is not None
        for edge, target in enumerate(place.node.edges):
            if target is not None:
                lead(place, edge, places[target[0]], layers)
    for sweep in range(SWEEPS):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            settle(layer, downwards=sweep % 2 == 0, order=sweep < SWEEPS - 2)
    return layers


def lead(place: Place, edge: int, target: Place, layers: list[list[Place]]) -> None:
    """Join two nodes, with a point in every layer between."""
    while place.layer + 1 < target.layer:
        point = Place(None, GAP / 2, place.layer + 1)
        layers[point.layer].append(point)
        place.below.append((edge, point))
        point.above.append((edge, place))
        place, edge = point, 0
    place.below.append((edge, target))
    target.above.append((edge, place))


def settle(layer: list[Place], *, downwards: bool, order: bool) -> None:
    """Bring each place to the middle of what it is joined to, as near as those beside it allow."""
    wanted = {}
    for place in layer:
        joined = (
            [other.port(edge) for edge, other in place.above]
            if downwards
            else [other.x + place.x - place.port(edge) for edge, other in place.below]
        )
        wanted[id(place)] = sum(joined) / len(joined) if joined else place.x
    if order:
        layer.sort(key=lambda place: wanted[id(place)])
    end, off = float("-inf"), 0.0
    for place in layer:
        place.x = max(wanted[id(place)], end + place.width / 2)
        end = place.x + place.width / 2 + GAP
        off += place.x - wanted[id(place)]
    for place in layer:
        place.x -= off / len(layer)


def depths(nodes: Sequence[GraphNode]) -> list[int]:
    """The length of the longest path from the root to each node. The graph has no cycle: `records` has looked."""
    found = [0] * len(nodes)
    waiting = [
        sum(target is not None and target[0] == i for node in nodes for target in node.edges)
        for i in range(len(nodes))
    ]
    ready = [i for i, count in enumerate(waiting) if count == 0]
    for i in ready:
        for target in filter(None, nodes[i].edges):
            found[target[0]] = max(found[target[0]], found[i] + 1)
            waiting[target[0]] -= 1
            if waiting[target[0]] == 0:
                ready.append(target[0])
    return found
