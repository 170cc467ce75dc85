"""The reducer and fingerprints: one cause is one small program and one fingerprint, two causes are two."""

import pytest
import torch

from conformance import edits, plain_edits, reducer
from conformance.backends import Backend
from conformance.capabilities import Capabilities
from conformance.expression_edits import statement_edits
from conformance.fingerprint import Attribution, calls_of, canonical_ops, cause_op, fingerprint, pre_key
from conformance.meta_tests import faulty_torch
from conformance.session import Session
from strategies.program import parse

REFERENCE = Backend("torch-cpu", torch, torch.__version__, Capabilities(addressable=True))


def session(name):
    return Session(REFERENCE, [getattr(faulty_torch, name)])


def reduced(name, text, **limits):
    found = session(name)
    (anchor,) = found.show(text.strip())
    return reducer.reduce(text.strip(), anchor, found.show, **limits)


# fault -> programs that show it, and the statements that the reduced program has
PROGRAMS = {
    "transpose_copies": [
        "x = torch.rand(3, 4)\ny = torch.exp(x)\nz = torch.transpose(y, 0, 1)\nw = z * 2\nv = w.sum()",
        "a = torch.arange(6.0).reshape(2, 3)\nb = torch.transpose(a, 0, 1).add_(5)\nc = a * 2",
        "a = torch.zeros(2, 2)\nwith torch.no_grad():\n    b = a + 1\n    c = torch.transpose(b, 1, 0)\n    c += 1",
    ],
    "exp_derivative": [
        "x = torch.rand(3, requires_grad=True)\ny = torch.exp(x * 2)\nz = y.sum() + 1\nz.backward()",
        "x = torch.tensor([1.0, 2.0], requires_grad=True)\ny = torch.exp(x)\n"
        "g = torch.autograd.grad(y.sum(), x)[0]\nh = g + 1",
        "x = torch.ones(2, 2, requires_grad=True)\nfor i in range(2):\n    y = torch.exp(x[0])\n"
        "y.backward(torch.tensor([1.0, 3.0]))",
    ],
    "add_promotes": [
        "x = torch.ones(2, 3)\ny = x.t()\nz = torch.add(y, 2, alpha=3)\nw = z.mean()",
        "x = torch.tensor([1, 2])\nz = torch.add(x, x * 2).sum()",
    ],
    "max_without_nan": [
        "x = torch.tensor([[1.0, nan], [3.0, 4.0]])\ny = x * 2\nz = torch.max(y[0]) + 1",
        "x = torch.zeros(3) / 0\ny = torch.neg(torch.max(x))",
    ],
    "mm_type_error": [
        "x = torch.ones(2, 3)\ny = x + 1\nz = torch.mm(x, y)\nw = x * 3",
        "x = torch.rand(4)\nz = torch.mm(x, torch.ones(2, 2))",
    ],
}


@pytest.mark.parametrize("fault", PROGRAMS)
def test_one_fault_is_one_fingerprint_and_few_statements(fault):
    found = [reduced(fault, text) for text in PROGRAMS[fault]]
    assert all(len(parse(item.text).statements) <= 3 for item in found), [item.text for item in found]
    assert all(item.complete for item in found)
    numbers = {fingerprint(item.discrepancy, calls_of(item.text)) for item in found}
    assert len(numbers) == 1, [item.text for item in found]


def test_different_faults_have_different_fingerprints():
    found = {fault: reduced(fault, texts[0]) for fault, texts in PROGRAMS.items()}
    parts = {(item.discrepancy.aspect, canonical_ops(calls_of(item.text))) for item in found.values()}
    assert len(parts) == len(PROGRAMS)


def test_the_operation_of_a_gradient_is_the_one_that_is_differentiated():
    item = reduced("exp_derivative", PROGRAMS["exp_derivative"][0])
    assert item.discrepancy.op == "backward"
    assert cause_op(item.discrepancy, calls_of(item.text)) == "exp"


def test_the_same_difference_is_kept():
    """With two faults in one program, each is reduced to itself."""
    text = "x = torch.tensor([[1.0, nan]])\ny = torch.max(x)\nz = torch.tensor([[1.0]])\nw = torch.transpose(z, 0, 1)"
    found = session("everything")
    for anchor in found.show(text):
        item = reducer.reduce(text, anchor, found.show)
        assert (item.discrepancy.aspect, item.discrepancy.op) == (anchor.aspect, anchor.op)
        assert anchor.op in item.text
        assert len(parse(item.text).statements) == 2


def test_reducing_is_deterministic():
    text = PROGRAMS["transpose_copies"][0]
    assert reduced("transpose_copies", text).text == reduced("transpose_copies", text).text


def test_a_reduced_program_does_not_reduce_further():
    for fault, texts in PROGRAMS.items():
        once = reduced(fault, texts[0])
        assert reduced(fault, once.text).text == once.text


def test_budgets_end_the_search_with_the_best_so_far():
    text = PROGRAMS["transpose_copies"][0]
    cut = reduced("transpose_copies", text, max_tries=6)
    assert (cut.complete, cut.tries) == (False, 6)
    assert cut.discrepancy.aspect == "aliasing"
    assert session("transpose_copies").show(cut.text)
    assert not reduced("transpose_copies", text, seconds=0.0).complete


def test_an_interrupt_keeps_the_best_so_far():
    found, calls = session("transpose_copies"), 0
    text = PROGRAMS["transpose_copies"][0]
    (anchor,) = found.show(text)

    def show(candidate):
        nonlocal calls
        calls += 1
        if calls > 5:
            raise KeyboardInterrupt
        return found.show(candidate)

    item = reducer.reduce(text, anchor, show)
    assert not item.complete
    assert len(parse(item.text).statements) < 5


def test_names_are_in_order_and_shapes_and_values_small():
    assert reduced("add_promotes", PROGRAMS["add_promotes"][0]).text.startswith("x = torch.")
    assert reduced("max_without_nan", PROGRAMS["max_without_nan"][0]).text == (
        "x = torch.tensor([inf])\ny = torch.max(x)"
    )


EDITED = {
    "y = x + 1": "y = torch.add(x, 1)",
    "y = x.exp()": "y = torch.exp(x)",
    "x += y": "x.add_(y)",
    "x.mul_(2)": "x = torch.mul(x, 2)",
    "torch.add(x, y, out=z)": "z = torch.add(x, y)",
    "y = torch.exp(x * 2)": "y = torch.exp(x)",
    "y = torch.sigmoid(x)": "y = torch.neg(x)",
    "y = torch.atan2(x, z)": "y = torch.add(x, z)",
    "x.mul_(y)": "x.neg_()",
    "y = torch.sum(x, dim=0)": "y = torch.sum(x)",
    "y = torch.ones(5, 3)": "y = torch.ones(5)",
    "y = torch.tensor([1.5, 2.5, 7.0])": "y = torch.tensor([1.5])",
    "y = torch.tensor(7)": "y = torch.tensor(1)",
    "y = torch.zeros(2, dtype=torch.float64)": "y = torch.zeros(2, dtype=torch.float32)",
    "a, b = torch.max(x, 0)": "a = torch.max(x, 0)",
    "g = torch.autograd.grad(y, x)": "g = y.backward()",
    "y = -x": "y = torch.neg(x)",
    "y = x < z": "y = torch.lt(x, z)",
    "y = ~x": "y = torch.bitwise_not(x)",
    "for i in range(3):\n    y = x": "for i in range(1):\n    y = x",
}


@pytest.mark.parametrize("text", EDITED)
def test_edits(text):
    assert EDITED[text] in [edited for edited, _ in statement_edits(text)]


def test_every_edit_leaves_its_text_alone_and_is_another():
    for text in EDITED:
        for edited, _ in statement_edits(text):
            assert edited != text
        assert statement_edits.__wrapped__(text) == statement_edits(text)


def test_scores_fall_from_text_to_text():
    order = (
        ["x = torch.ones(2)", "y = x + x"],
        ["x = torch.ones(2)", "y = torch.add(x, x)"],
        ["x = torch.ones(2)"],
        ["x = torch.ones(1)"],
    )
    assert sorted(order, key=edits.score, reverse=True) == list(order)


def test_blocks_are_unwrapped_and_thinned():
    text = "with torch.no_grad():\n    a = 1\n    for i in range(2):\n        b = 2\n        c = 3"
    found = list(edits.blocks([text]))
    assert ["a = 1", "for i in range(2):\n    b = 2\n    c = 3"] in found
    assert ["with torch.no_grad():\n    a = 1"] in found
    assert ["with torch.no_grad():\n    idle = torch.tensor(1.0)"] in found
    assert ["with torch.no_grad():\n    a = 1\n    b = 2\n    c = 3"] in found


def test_a_history_becomes_an_exponential_or_its_own_first_operation():
    texts = [
        "x = torch.ones(2, requires_grad=True)",
        "y = torch.mul(x, 2)",
        "z = y.view(2)",
        "z.sum().backward()",
    ]
    leaf = "g = torch.tensor(1.0, requires_grad=True)"
    found = list(plain_edits.plain_histories(texts))
    assert found[0] == ([leaf, "z = torch.exp(g)", "z.sum().backward()"], "exp")
    assert found[3] == ([leaf, "z = torch.mul(g, 2)", "z.sum().backward()"], "mul")


def test_a_pass_is_tried_from_one_leaf_with_its_options():
    leaf = "g = torch.tensor(1.0, requires_grad=True)"
    texts = ["y = torch.autograd.grad(x.sum(), [x], z, allow_unused=True)"]
    found = [text for text, _ in plain_edits.plain_passes(texts)]
    assert found[0] == [leaf, "u = torch.autograd.grad(g, g, allow_unused=True)"]
    assert [leaf, leaf.replace("g", "h", 1), "u = torch.autograd.grad(g, h, allow_unused=True)"] in found
    vectorized = ["y = torch.autograd.functional.jacobian(lambda u: u.exp(), x, vectorize=True)"]
    batch = "u = torch.autograd.grad(g, g, torch.tensor([1.0, 2.0]), is_grads_batched=True)"
    assert ([leaf, batch], "grad") in list(plain_edits.plain_passes(vectorized))


def test_a_hook_of_any_node_is_tried_on_a_plain_one():
    texts = ["n = torch.autograd.graph.get_gradient_edge(x).node", "n.register_prehook(lambda go: None)"]
    (((*_, hook, end), _),) = plain_edits.plain_nodes(texts)
    assert (hook, end) == ("n.register_prehook(lambda go: None)", "h.backward()")
    assert not list(plain_edits.plain_nodes(["x.register_hook(lambda g: g)"]))


def test_a_decorated_function_becomes_a_block_which_is_simpler():
    texts = ["y = prelude.quiet(x)"]
    ((block, op),) = plain_edits.plain_modes(texts)
    assert (block, op) == (["with torch.no_grad():\n    y = torch.neg(x)"], "neg")
    assert edits.score(block) < edits.score(texts)


def test_a_block_in_a_mode_is_tried_with_nothing_in_it():
    texts = ["with torch.no_grad():\n    with torch.set_grad_enabled(True):\n        y = x.exp()"]
    found = [statements[1].split(":")[0] for statements, _ in plain_edits.plain_blocks(texts)]
    modes = ("no_grad()", "set_grad_enabled(False)", "set_grad_enabled(True)")
    assert found == [f"with torch.{mode}" for mode in modes]
    assert not list(plain_edits.plain_blocks(["with torch.autograd.detect_anomaly():\n    y = x.exp()"]))


def test_a_renamed_variable_is_not_the_parameter_of_a_function():
    text = "y = x.register_hook(lambda x: x * z)"
    assert edits.renamed(text, {"x": "a", "z": "b"}) == "y = a.register_hook(lambda x: x * b)"


def test_unnesting_keeps_the_meaning():
    texts = ["y = torch.exp(x + 1).sum()", "x[0] = y.view(1)[0] * 2", "z = x.grad.data"]
    assert list(reducer.unnested(texts)) == [
        "u0 = x + 1",
        "u1 = torch.exp(u0)",
        "y = u1.sum()",
        "u2 = y.view(1)",
        "u3 = u2[0]",
        "x[0] = u3 * 2",
        "u4 = x.grad",
        "z = u4.data",
    ]


def test_each_pre_key_is_reduced_once_and_then_programs_are_attributed():
    found = session("transpose_copies")
    table = Attribution(limit=1)
    first, second = (found.show(text)[0] for text in PROGRAMS["transpose_copies"][:2])
    assert table.find(first) is None
    table.store(first, ["tensor", "transpose"], "A")
    assert table.find(first) == "A"
    assert pre_key(first) != pre_key(second)
    assert table.find(second) is None  # another coarse key: `add_` shows it
    other = found.show("x = torch.rand(2, 2)\ny = torch.log(x)\nz = torch.transpose(y, 0, 1)")[0]
    assert table.find(other) == "A"


def test_a_session_settles_each_cause_once():
    found = session("everything")
    seen = set()
    for _ in range(2):
        for fault, texts in PROGRAMS.items():
            if fault == "add_promotes":
                continue
            for text in texts:
                for anchor in found.show(text):
                    finding, _ = found.settle(text, anchor)
                    seen.add(finding.fingerprint)
    assert len(seen) == 4
