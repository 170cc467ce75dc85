"""Graphs as texts: written, read, compared, and judged where nothing else tells two libraries apart."""

import json
from types import SimpleNamespace

import pytest
import torch

from conformance import graphs
from conformance.backends import resolve
from conformance.capabilities import Capabilities
from conformance.facts import Trace, decode_trace, encode_trace
from conformance.ledger import Ledger
from conformance.meta_tests.faulty_torch import candidate
from conformance.runner import Run
from conformance.session import Session
from strategies.program import parse

SHARED = """\
x = torch.tensor([1.0, 2.0], requires_grad=True)
y = x.exp()
z = y * y + (y + 1)
a, b = z.split(1)
c = a * b.detach()
d = b * 2
"""
TEXTS = {
    "x": None,
    "y": "ExpBackward0(x)",
    "z": "AddBackward0(MulBackward0(ExpBackward0(x), #2), AddBackward0(#2, None))",
}


@pytest.mark.parametrize("name", ["torch-cpu", "engine"])
def test_a_graph_is_written_with_shared_nodes_outputs_and_missing_edges(name):
    with Run(parse(SHARED), resolve(name)) as run:
        facts = list(run)[-1].names
    assert {key: facts[key].graph for key in TEXTS} == TEXTS
    assert facts["c"].graph == f"MulBackward0(SplitBackward0({TEXTS['z'].replace('#2', '#4')}), None)"
    assert facts["d"].graph == f"MulBackward0(SplitBackward0({TEXTS['z'].replace('#2', '#4')})[1], None)"


def test_a_leaf_that_lost_its_name_has_none():
    text = "x = torch.ones(2, requires_grad=True)\ny = x * 2\nx = x + 1\nz = y + x"
    with Run(parse(text), resolve("torch-cpu")) as run:
        facts = list(run)[-1].names
    assert facts["y"].graph == "MulBackward0(x, None)"  # as it was written, when the leaf had its name
    assert facts["z"].graph == "AddBackward0(MulBackward0(AccumulateGrad(), None), AddBackward0(#2, None))"


def test_the_text_of_a_node_is_written_once(monkeypatch):
    written = []
    describe = graphs.describe
    monkeypatch.setattr(graphs, "describe", lambda root, labels: written.append(1) or describe(root, labels))
    text = "x = torch.ones(2, requires_grad=True)\ny = x * 2\nz = 1\na = 2\ny.add_(1)\nb = 3"
    with Run(parse(text), resolve("torch-cpu")) as run:
        assert [step.names["y"].grad_fn for step in list(run)[1:]] == ["MulBackward0"] * 3 + [
            "AddBackward0"
        ] * 2
    assert len(written) == 2


def test_a_long_graph_is_cut_off():
    y = x = torch.ones(1, requires_grad=True)
    for _ in range(3 * graphs.MOST):
        y = y * 1
    text = graphs.describe(y.grad_fn, lambda: {id(x): "x"})
    assert text.count("MulBackward0") == graphs.MOST
    assert len(graphs.parse(text)) == graphs.MOST + 1


def test_texts_are_read_back():
    graph = graphs.parse(TEXTS["z"])
    assert [vertex.name for vertex in graph] == [
        "AddBackward0",
        "MulBackward0",
        "ExpBackward0",
        "x",
        "AddBackward0",
    ]
    assert [vertex.edges for vertex in graph] == [
        [(1, 0), (4, 0)],
        [(2, 0), (2, 0)],
        [(3, 0)],
        [],
        [(2, 0), None],
    ]
    assert graphs.leaves(graphs.parse("A(AccumulateGrad(), x, AccumulateGrad(), #1)")) == [
        "AccumulateGrad", "AccumulateGrad", "x",
    ]  # fmt: skip
    assert graphs.parse("A(B(x)[2], x)")[0].edges == [(1, 2), (2, 0)]


@pytest.mark.parametrize(
    "text", ["", "A(", "A)", "A(x))", "A(x", "A(#7)", "<b>(x)", "A(x) B", "A([1])", "A(x][)", "None"]
)
def test_other_texts_are_refused(text):
    with pytest.raises(ValueError, match="not a graph"):
        graphs.parse(text)


@pytest.mark.parametrize(
    ("got", "should_be", "marked", "documented"),
    [
        ("Mul(x, None)", "Mul(None, x)", ([0], [0]), False),
        ("Mul(x, y)", "Mul(y, x)", ([1, 2], [1, 2]), True),
        ("Add(Exp(x), None)", "Add(Exp(x), x)", ([0], [0]), True),
        ("Add(Exp(x), x)", "Add(Exp(x), y)", ([2], [3]), True),
        ("Tan(Exp(x))", "Tan(Clone(Exp(x)))", ([1], [1]), False),
        ("Tan(x)", "Tan(Clone(x))", ([1], [1]), False),
        ("Mul(Exp(x), #1)", "Mul(Exp(x), Exp(x))", ([1], [3]), False),
        ("Mul(Split(x)[1], None)", "Mul(Split(x), None)", ([0], [0]), False),
        ("Mul(x)", "Mul(x, None)", ([0], [0]), False),
        ("Mul(x, y)", "<i>(x)", ([], []), False),
    ],
)
def test_where_two_graphs_part_and_whether_that_is_documented(got, should_be, marked, documented):
    rows = graphs.pair(got, should_be)
    assert tuple([place for place, row in enumerate(side) if row["differs"]] for side in rows) == marked
    assert graphs.is_documented(got, should_be) is documented
    assert graphs.pair(got, got)[0] == graphs.pair(None, got)[1]
    assert not any(row["differs"] for row in graphs.pair(got, got)[0])


# --- Judged ---------------------------------------------------------------------------------------------------------


def examined(text, backend):
    session = Session(resolve("torch-cpu"), [backend], ledger=Ledger())
    return session, session.show(text)


LEAVES = "x = torch.ones(2, requires_grad=True)\ny = torch.ones(2, requires_grad=True)\n"


def test_a_leaf_that_no_gradient_reaches_is_found_without_a_backward_pass():
    backend = candidate("loses_a_leaf", add=lambda a, b: torch.add(a, b.detach()))
    text = LEAVES + "z = torch.add(x, y)\na = z.exp()\nb = a * x"
    session, found = examined(text, backend)
    assert [(item.aspect, item.tier, item.name, item.op) for item in found] == [
        ("graph", "documented", "z", "add")
    ]
    assert (found[0].got, found[0].should_be) == ("AddBackward0(x, None)", "AddBackward0(x, y)")
    finding, _ = session.settle(text, found[0])
    assert finding.text.count("\n") == 1
    name, got, should_be = session.finding_row(finding)["graphs"].values()
    assert [row["differs"] for row in got] == [True, False]
    assert should_be[0]["name"] == "AddBackward0"
    assert name == "z" if "\nz" in finding.text else name


def test_how_an_operation_is_composed_is_incidental_and_found_once():
    backend = candidate("composed", exp=lambda x: torch.exp(x.view_as(x)))
    _, found = examined(LEAVES + "z = torch.exp(x)\na = z * y\nb = a + 1", backend)
    assert [(item.aspect, item.tier, item.name) for item in found] == [("graph", "incidental", "z")]


def test_what_is_composed_otherwise_may_still_lose_a_leaf_later():
    backend = candidate(
        "both", exp=lambda x: torch.exp(x.view_as(x)), add=lambda a, b: torch.add(a, b.detach())
    )
    _, found = examined(LEAVES + "z = torch.exp(x)\na = torch.add(z, y)", backend)
    assert [(item.tier, item.name) for item in found] == [("incidental", "z"), ("documented", "a")]


def test_what_a_transform_records_is_incidental_there_and_in_what_is_computed_from_it():
    def vjp(function, inputs, v, create_graph):
        output, gradient = torch.autograd.functional.vjp(function, inputs, v, create_graph=create_graph)
        return output, gradient.detach() * inputs

    backend = candidate("another", autograd=SimpleNamespace(functional=SimpleNamespace(vjp=vjp)))
    text = (
        LEAVES
        + "z = torch.autograd.functional.vjp(lambda a: a * y, x, y, True)\na = z[1].neg()\nb = a.neg()\n"
        + "c = z[1].grad_fn\nd = c.next_functions\ne = d"
    )
    _, found = examined(text, backend)
    assert {(item.aspect, item.tier) for item in found} <= {
        ("grad_fn", "incidental"),
        ("graph", "incidental"),
    }
    assert [item.statement for item in found] == [2]


def test_a_wrong_gradient_shows_the_graph_that_it_came_through():
    backend = candidate("doubles", exp=lambda x: _hooked(torch.exp(x)))
    _, found = examined(
        "x = torch.ones(2, requires_grad=True)\nz = torch.exp(x)\nz.sum().backward()", backend
    )
    assert found[0].aspect == "grad.values"
    assert found[0].graphs == ("z", "ExpBackward0(x)", "ExpBackward0(x)")


def _hooked(y):
    y.register_hook(lambda grad: grad * 2)
    return y


def test_a_library_that_shows_no_edges_is_not_compared_in_them(monkeypatch):
    def refuse(root, labels):
        raise AttributeError("next_functions")

    backend = candidate("no_edges")
    program = parse(LEAVES + "z = x * y")
    with monkeypatch.context() as patched:
        patched.setattr(graphs, "describe", refuse)
        with Run(program, backend) as run:
            steps = list(run)
    assert steps[-1].names["z"].grad_fn == "MulBackward0"
    assert steps[-1].names["z"].graph is None
    lacking = candidate("lacks", add=lambda a, b: torch.add(a, b.detach()))
    lacking.capabilities = Capabilities(addressable=True, lacks_aspects=frozenset({"graph"}))
    assert examined(LEAVES + "z = torch.add(x, y)", lacking)[1] == []


def test_graphs_are_part_of_a_trace():
    with Run(parse(SHARED), resolve("torch-cpu")) as run:
        trace = Trace(SHARED, "torch-cpu", {}, tuple(run))
    row = json.loads(json.dumps(encode_trace(trace)))
    assert decode_trace(row) == trace
    assert row["schema"] == 2
