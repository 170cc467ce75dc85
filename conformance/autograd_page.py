"""The page `docs/autograd.md`: its programs, what it says of them, and its pictures, drawn as reports draw graphs.

    python -m conformance.autograd_page      # draws the pictures anew, from what the engine records

The page is written by hand. A picture `graphs/7-v.svg` is the graph of the name `v` after the page's seventh program.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance import graphs
from conformance.backends import Backend, resolve
from conformance.facts import Step
from conformance.records import plain
from conformance.runner import Run
from strategies.program import Program, parse

PAGE = Path(__file__).parents[1] / "docs" / "autograd.md"
_PROGRAM = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| (\w+) \| (\w+) \| (\d+) \|$", re.MULTILINE)
_PICTURE = re.compile(r"!\[[^\]]*\]\((graphs/(\d+)-(\w+)\.svg)\)")
_RAISES = re.compile(r"^\s*# raises (.*)$")


@dataclass(frozen=True)
class Example:
    """One program, and what the page says: for each name its is_leaf, requires_grad, grad_fn and _version, and for each line
    that raises how its message begins, as a comment before it says."""

    number: int
    text: str
    said: dict[str, tuple[str, ...]]
    raises: dict[int, str]
    pictures: dict[str, str]  # file -> name

    @property
    def program(self) -> Program:
        return parse(self.text)

    def run(self, backend: Backend) -> tuple[dict[str, Any], tuple[Step, ...]]:
        """The names at its end, and its steps."""
        with Run(self.program, backend) as run:
            steps = tuple(run)
            return run.variables(), steps


def examples(page: str) -> Iterator[Example]:
    """The programs of the page in order, each with what stands between it and the next."""
    _, *parts = _PROGRAM.split(page)
    for number, (text, prose) in enumerate(zip(parts[::2], parts[1::2], strict=True), 1):
        raises = ((line, _RAISES.search(code)) for line, code in enumerate(text.splitlines(), 2))
        yield Example(
            number,
            text,
            {name: said for name, *said in _ROW.findall(prose)},
            {line: found[1] for line, found in raises if found},
            {file: name for file, _, name in _PICTURE.findall(prose)},
        )


def pictures(page: str, backend: Backend) -> dict[str, str]:
    """Every picture of the page, as text, by the name of its file."""
    from reports.fields import Fields
    from reports.graph_svg import draw
    from reports.graphs import parse_graph

    drawn = {}
    for example in examples(page):
        _, steps = example.run(backend)
        for file, name in example.pictures.items():
            fact: Any = steps[-1].names[name]
            rows, _ = graphs.pair(fact.graph, None)
            nodes = parse_graph(Fields({"nodes": plain(rows)}, file), "nodes")
            drawn[file] = f"{draw(nodes, f'Graph of {name} after program {example.number}', alone=True)}\n"
    return drawn


def main() -> None:
    folder = PAGE.parent
    for file, text in pictures(PAGE.read_text("utf-8"), resolve("engine")).items():
        (folder / file).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
