"""Gradient graphs as records hold them."""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from reports.fields import Fields, every, is_count

MOST_NODES = 1000


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A node of a gradient graph: for each input the position and the output of the node that its gradient goes to, None
    where it requires no grad. `leaf`: the name is that of a tensor."""

    name: str
    leaf: bool
    edges: tuple[tuple[int, int] | None, ...]
    differs: bool


@dataclass(frozen=True, slots=True)
class Graphs:
    """The graph behind a tensor on both sides, roots first; empty where there is none."""

    name: str
    got: tuple[GraphNode, ...]
    should_be: tuple[GraphNode, ...]


def parse_graphs(fields: Fields) -> Graphs:
    return Graphs(fields.text("name"), parse_graph(fields, "got"), parse_graph(fields, "should_be"))


def parse_graph(fields: Fields, key: str) -> tuple[GraphNode, ...]:
    """Nodes whose edges lead to nodes, and never back to where they come from. Raises `Malformed`."""
    rows = fields.items(key)
    if len(rows) > MOST_NODES:
        fields.wrong(key, f"a list of at most {MOST_NODES} nodes")
    nodes = []
    for row in rows:
        node = Fields(row, "a node")
        edges = node.get(
            "edges", every(lambda edge: edge is None or _is_edge(edge, len(rows))), "a list of edges"
        )
        ends = tuple(None if edge is None else (edge[0], edge[1]) for edge in edges)
        nodes.append(GraphNode(node.text("name"), node.flag("leaf"), ends, node.flag("differs")))
    try:
        TopologicalSorter(
            {place: [end[0] for end in node.edges if end] for place, node in enumerate(nodes)}
        ).prepare()
    except CycleError:
        fields.wrong(key, "a graph without cycles")
    return tuple(nodes)


def _is_edge(value: Any, nodes: int) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(is_count, value)) and value[0] < nodes
