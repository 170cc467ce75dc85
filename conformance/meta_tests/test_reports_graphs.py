"""Graphs in reports: what records may say of them, how they are laid out, and that no name in them is more than a name."""

import itertools
import re
import xml.etree.ElementTree as ET

import pytest

import reports
from conformance import graphs
from conformance.meta_tests.hostile_records import HOSTILE
from conformance.meta_tests.report_pages import Outline
from conformance.meta_tests.sample_records import (
    sample_discrepancy,
    sample_finding,
    sample_program,
    sample_run,
    save,
)
from conformance.records import plain
from reports.fields import Malformed
from reports.graph_svg import GAP, arrange, draw
from reports.records import parse_discrepancy

LONG = "AddBackward0(MulBackward0(UnbindBackward0(StackBackward0(x, y))[1], x), AddBackward0(SinBackward0(#2[1]), None))"


def nodes(text):
    got, _ = plain(graphs.pair(text, None))
    return parse_discrepancy(sample_discrepancy(graphs={"name": "z", "got": got, "should_be": []})).graphs.got


def test_every_edge_leads_down_and_nothing_overlaps():
    layers = arrange(nodes(LONG))
    assert [sum(place.node is not None for place in layer) for layer in layers] == [1, 2, 1, 1, 1, 2]
    for layer in layers:
        for one, other in itertools.pairwise(layer):
            assert one.x + one.width / 2 + GAP <= other.x - other.width / 2 + 1e-6
        for place in layer:
            assert all(target.layer == place.layer + 1 for _, target in place.below)


def test_a_drawing_shows_every_node_edge_stub_and_output():
    drawing = draw(nodes(LONG), "Graph of z", alone=True)
    root = ET.fromstring(drawing)
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert sorted(texts) == sorted(
        [
            "AddBackward0",
            "AddBackward0",
            "MulBackward0",
            "SinBackward0",
            "StackBackward0",
            "UnbindBackward0",
            "x",
            "y",
        ]
        + ["output 1"] * 2
    )
    kinds = [element.get("class") for element in root.iter("{http://www.w3.org/2000/svg}path")]
    assert (kinds.count("tip"), kinds.count("link")) == (9, 10)
    assert root.get("aria-label") == "Graph of z"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edges": [[5, 0]]}, '"edges" of a node is a list, but should be a list of edges'),
        ({"edges": [[0, 0]]}, '"got" of "graphs" is a list, but should be a graph without cycles'),
        ({"edges": [[1]]}, '"edges" of a node is a list, but should be a list of edges'),
        ({"name": 3}, '"name" of a node is a number, but should be a string'),
        ({"leaf": None}, '"leaf" of a node is null, but should be true or false'),
    ],
)
def test_records_with_other_graphs_are_refused(changes, message):
    node = {"name": "A", "leaf": False, "edges": [], "differs": False}
    row = sample_discrepancy(graphs={"name": "z", "got": [node | changes], "should_be": []})
    with pytest.raises(Malformed, match=re.escape(message)):
        parse_discrepancy(row)


def test_names_of_nodes_are_text_alone(tmp_path):
    for number, bad in enumerate(HOSTILE):
        node = {"name": bad, "leaf": False, "edges": [None], "differs": True}
        changes = {"graphs": {"name": bad, "got": [node], "should_be": [node, node]}}
        records = [
            sample_run(),
            sample_program(0, 0, discrepancies=[sample_discrepancy(**changes)]),
            sample_finding(**changes),
        ]
        page = reports.render(save(tmp_path, f"{number}.jsonl", records))
        outline = Outline(page)
        assert (outline.tags["script"], outline.tags["style"], outline.tags["img"]) == (1, 1, 0)
        assert page.count('<svg class="graph"') == 2
        for drawing in re.findall(r'<svg class="graph".*?</svg>', page, re.S):
            ET.fromstring(drawing)
