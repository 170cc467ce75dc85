"""The graph behind a tensor, as a text: what backward would walk, node by node.

    AddBackward0(ExpBackward0(x), MulBackward0(#1, None))

is the sum of `exp(x)` and of a product with the same `exp(x)`: in brackets stand the edges (`Node.next_functions`), a leaf
is the name that its tensor had when the node was first seen (`AccumulateGrad()` where it had none), `None` is an edge to what
does not require grad, `#1` the node that was written as the second one, the root being `#0`, and `[2]` behind a node says
that the edge leads to its output 2.

A text, because it is compared after every statement, stored in traces and shown as it is. It is written once for each
node that becomes a live name's `grad_fn`: `Observer` remembers the text as long as it is the same node, since the edges of a
node never change. So a run pays about a microsecond for each node that is reachable from a new result, and nothing for what
stays; nothing is kept of a graph but the `grad_fn` of the latest observation, which the tensor itself holds.

Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.graph.Node.next_functions.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Graph", "Marks", "Vertex", "describe", "differing", "is_documented", "leaves", "pair", "parse"]

MOST = 150  # nodes that are written; a graph of more ends in "..." in their place
LEAF = "AccumulateGrad"


def describe(root: Any, labels: Callable[[], Mapping[int, str]]) -> str:
    """The text of the graph that begins at a node. `labels()` gives the names of live tensors by their `id`."""
    return _text(root, labels, {})


def _text(node: Any, labels: Callable[[], Mapping[int, str]], known: dict[int, tuple[Any, int]]) -> str:
    """The text from a node on. `known`: those met so far, with themselves, so that no other gets their `id` meanwhile."""
    met = known.get(id(node))
    if met is not None:
        return f"#{met[1]}"
    edges = node.next_functions
    if not edges:
        variable = getattr(node, "variable", None)
        label = None if variable is None else labels().get(id(variable))
        if label is not None:
            return label
    if len(known) == MOST:
        return "..."
    known[id(node)] = node, len(known)
    parts = []
    for target, output in edges:
        if target is None:
            parts.append("None")
        else:
            part = _text(target, labels, known)
            parts.append(f"{part}[{output}]" if output else part)
    return f"{node.name().rpartition('::')[2]}({', '.join(parts)})"


@dataclass
class Vertex:
    """A node: its name, and for each edge the position of its target and the target's output, or None.

    A leaf has the name of its tensor, "AccumulateGrad" where it has none.
    """

    name: str
    leaf: bool = False
    edges: list[tuple[int, int] | None] = field(default_factory=list)


Graph = list[Vertex]
"""The nodes in the order in which they are written, the root first."""

_TOKEN = re.compile(r"\s*(?:(\.\.\.|#\d+|[\w.]+)|(\()|(\))|(,)|\[(\d+)\])")


def parse(text: str) -> Graph:
    """The inverse of `describe`. Raises ValueError where it is not such a text."""
    graph: Graph = []
    numbered: list[int] = []  # what "#0", "#1" ... stand for
    leaves: dict[str, int] = {}
    tokens = list(_tokens(text))

    def target(at: int) -> tuple[int | None, int]:
        """What is written from token `at` on: its position (None: no node), and the next token."""
        name = tokens[at]
        if name[:1] in ("", "(", ")", ",", "["):
            raise IndexError
        if name.startswith("#"):
            return numbered[int(name[1:])], at + 1
        if tokens[at + 1] == "(":
            place = len(graph)
            vertex = Vertex(name)
            graph.append(vertex)
            numbered.append(place)
            at += 2
            while tokens[at] != ")":
                inner, at = target(at)
                output = 0
                if tokens[at].startswith("["):
                    output, at = int(tokens[at][1:]), at + 1
                vertex.edges.append(None if inner is None else (inner, output))
                at += tokens[at] == ","
            vertex.leaf = name == LEAF and not vertex.edges
            return place, at + 1
        if name == "None":
            return None, at + 1
        if name not in leaves:
            leaves[name] = len(graph)
            graph.append(Vertex(name, leaf=name != "..."))
        return leaves[name], at + 1

    try:
        root, end = target(0)
    except (IndexError, RecursionError):
        root, end = None, -1
    if root is None or end != len(tokens) - 1:
        raise ValueError(f"not a graph: {text[:80]!r}")
    return graph


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"not a graph: {text[:80]!r}")
        yield found[0].strip().rstrip("]")
        at = found.end()
    yield ""


@dataclass
class Marks:
    """What differs between two graphs: the positions of nodes, on either side, and whether somewhere an edge leads to
    another leaf, or there is one on one side alone."""

    got: set[int] = field(default_factory=set)
    should_be: set[int] = field(default_factory=set)
    ends: bool = False

    def add(self, mine: int, theirs: int) -> None:
        self.got.add(mine)
        self.should_be.add(theirs)


def differing(got: Graph, should_be: Graph) -> Marks:
    """The nodes at which two graphs part, walked side by side from their roots.

    Two nodes that have the same place differ in their name, in an edge that only one has, or in that one of them was met at
    another place before. What lies behind nodes of different names has no common place, so it is not marked.
    """
    marks = Marks()
    partners: dict[int, int] = {}
    owners: dict[int, int] = {}
    waiting = [(0, 0)]
    while waiting:
        mine, theirs = waiting.pop()
        a, b = got[mine], should_be[theirs]
        if (a.name, a.leaf) != (b.name, b.leaf):
            marks.add(mine, theirs)
            marks.ends |= a.leaf and b.leaf
            continue
        if partners.get(mine) == theirs:
            continue
        if partners.setdefault(mine, theirs) != theirs or owners.setdefault(theirs, mine) != mine:
            marks.add(mine, theirs)
            continue
        if [edge is None for edge in a.edges] != [edge is None for edge in b.edges]:
            marks.add(mine, theirs)
        # Where a constant stands is no promise (a library may record it or not), how many inputs have a gradient is.
        live, wanted = ([edge for edge in edges if edge is not None] for edges in (a.edges, b.edges))
        marks.ends |= len(live) != len(wanted)
        following = []
        for one, other in zip(live, wanted, strict=False):
            if one[1] != other[1]:
                marks.add(mine, theirs)
            else:
                following.append((one[0], other[0]))
        waiting.extend(reversed(following))
    return marks


def is_documented(got: str, should_be: str) -> bool:
    """Whether two graphs differ in what the documentation promises: which leaves a gradient reaches, which of them
    from where, and how many inputs of a node require grad. How an operation is composed of others is nowhere stated."""
    try:
        mine, theirs = parse(got), parse(should_be)
    except ValueError:
        return False
    return leaves(mine) != leaves(theirs) or differing(mine, theirs).ends


def leaves(graph: Graph) -> list[str]:
    """The names of the leaves, one for each."""
    return sorted(vertex.name for vertex in graph if vertex.leaf)


def pair(got: str | None, should_be: str | None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Both graphs as records hold them: an object a node, with whether it is where the graphs differ. A graph that is not
    there, or cannot be read, has no nodes."""
    mine, theirs = _parsed(got), _parsed(should_be)
    marks = differing(mine, theirs) if mine and theirs else Marks()
    return _rows(mine, marks.got), _rows(theirs, marks.should_be)


def _parsed(text: str | None) -> Graph:
    try:
        return parse(text or "")
    except ValueError:
        return []


def _rows(graph: Graph, marked: set[int]) -> list[dict[str, Any]]:
    return [
        {"name": vertex.name, "leaf": vertex.leaf, "edges": vertex.edges, "differs": place in marked}
        for place, vertex in enumerate(graph)
    ]
