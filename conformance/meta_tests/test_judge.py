"""Judging: what counts, what only follows from it, and what stays compared."""

import pytest
import torch

from conformance.backends import Backend
from conformance.capabilities import Capabilities
from conformance.facts import PlainFact, Raised, Step
from conformance.judge import choose, judge, order, statements_of
from conformance.links import Links
from conformance.meta_tests import faulty_torch
from conformance.meta_tests.faulty_torch import Namespace, candidate
from conformance.session import Session
from strategies.program import parse

REFERENCE = Backend("torch-cpu", torch, torch.__version__, Capabilities(addressable=True))


def verdict(text, backend, **options):
    (found,) = Session(REFERENCE, [backend], **options).examine(parse(text)).verdicts
    return found


def shown(text, backend, **options):
    return [
        (item.aspect, item.op, item.name, item.line)
        for item in verdict(text, backend, **options).discrepancies
    ]


WHOLE = """
x = torch.tensor([[1.0, 2.0], [3.0, nan]], requires_grad=True)
y = torch.exp(x) * 2
with torch.no_grad():
    z = y[0]
    z.add_(1)
    w = x.view(5)
for i in range(2):
    y = y + i
y.sum().backward()
y.sum().backward()
a = x.grad.numpy()
a[0] = 7.0
n = y.sum().item()
s = torch.max(y, 0)
del z
"""


@pytest.mark.parametrize("follow", [True, False])
def test_torch_against_itself_shows_nothing(follow):
    found = verdict(WHOLE.strip(), faulty_torch.same, follow=follow)
    assert found.discrepancies == ()
    assert found.facts > 200
    assert 0 < found.floats < found.facts // 10


def test_a_difference_is_counted_once_and_what_follows_is_its_consequence():
    text = "x = torch.ones(2)\ny = torch.add(x, 1)\nz = y * 2\nw = z.sum()\nq = w.item()"
    found = verdict(text, faulty_torch.add_promotes)
    assert [(item.aspect, item.op, item.name) for item in found.discrepancies] == [("dtype", "add", "y")]
    assert found.discrepancies[0].consequences == 3
    assert found.discrepancies[0].dtypes == ("float32",)
    assert (found.discrepancies[0].got, found.discrepancies[0].should_be) == ("float64", "float32")


def test_what_does_not_depend_on_it_is_still_compared():
    text = """
x = torch.ones(2)
y = torch.add(x, 1)
a = torch.tensor([1.0, nan])
b = torch.max(a)
c = torch.max(y)
"""
    backend = candidate("two", add=faulty_torch.add_promotes.namespace.add, max=faulty_torch._max_without_nan)
    found = shown(text.strip(), backend)
    assert found == [("dtype", "add", "y", 2), ("values", "max", "b", 4)]


def test_names_are_joined_by_storage_and_by_statements():
    text = """
x = torch.ones(2)
v = x[:1]
y = torch.add(x, 1)
w = v * 2
"""
    backend = candidate(
        "both", add=faulty_torch.add_promotes.namespace.add, max=faulty_torch._max_without_nan
    )
    assert shown(text.strip(), backend) == [("dtype", "add", "y", 3)]
    links = Links()
    links.join(["a", "b"])
    links.join(["c", "b"])
    assert links.group(["a"]) == {"a", "b", "c"}
    assert not links.joined(["a"], ["d"])


def test_an_exception_on_one_side_in_a_block():
    def refuse(x, *rest):
        raise RuntimeError("no")

    text = """
x = torch.ones(2)
with torch.no_grad():
    y = torch.exp(x)
    z = y + 1
a = torch.tensor([1.0, nan])
b = torch.max(a)
"""
    backend = candidate("refuses", exp=refuse, max=faulty_torch._max_without_nan)
    assert shown(text.strip(), backend) == [("raised", "exp", "", 3), ("values", "max", "b", 6)]
    found = verdict(text.strip(), backend).discrepancies[0]
    assert (found.got, found.should_be) == ("RuntimeError: no", "no exception")
    assert found.consequences > 0


def test_the_reference_raises_and_the_candidate_does_not():
    backend = candidate("accepts", mm=lambda a, b: a)
    text = "x = torch.ones(2)\nfor i in range(2):\n    y = torch.mm(x, x)\n    z = x + i\nq = torch.ones(1)"
    assert shown(text, backend) == [("not raised", "mm", "", 3)]


def test_error_types_and_texts_have_no_consequences():
    text = "x = torch.ones(2, 3)\ny = torch.mm(x, x)\nz = torch.add(x, 1)\nw = torch.mm(x, x)"
    found = shown(text, faulty_torch.mm_type_error)
    assert found == [("error type", "mm", "", 2), ("error type", "mm", "", 4)]
    other = verdict(text, faulty_torch.mm_other_text)
    assert {(item.aspect, item.tier) for item in other.discrepancies} == {("error text", "incidental")}
    assert shown(text, faulty_torch.mm_other_text, incidental=False) == []


def test_partial_effects():
    def half(x, y):
        x.zero_()
        raise RuntimeError("no")

    def no(x, y):
        raise RuntimeError("no")

    reference = Backend("torch-cpu", Namespace(copysign_=no), "0", Capabilities(addressable=True))
    backend = candidate("half", copysign_=half)
    text = "x = torch.ones(2)\nq = torch.ones(2)\ny = torch.neg_(q)\nz = torch.abs_(x)\nw = x + 1"
    reference.namespace.abs_ = lambda x: no(x, x)
    backend.namespace.abs_ = lambda x: half(x, x)
    (found,) = Session(reference, [backend]).examine(parse(text)).verdicts
    assert [(item.aspect, item.tier, item.op) for item in found.discrepancies] == [
        ("partial effect", "incidental", "abs_")
    ]
    backend.namespace.abs_ = lambda x: no(x, x)
    backend.namespace.abs = lambda x: half(x, x)
    reference.namespace.abs = lambda x: no(x, x)
    text = text.replace("abs_", "abs")
    (found,) = Session(reference, [backend]).examine(parse(text)).verdicts
    assert [(item.aspect, item.tier) for item in found.discrepancies] == [("partial effect", "documented")]


def test_incidental_layout_mutes_layout_alone():
    def columns(*args, **kwargs):
        return tuple(g.t().contiguous().t() for g in torch.autograd.grad(*args, **kwargs))

    autograd = Namespace(grad=columns)
    autograd.__dict__["__name__"] = "torch.autograd"
    backend = candidate("columns", autograd=autograd, max=faulty_torch._max_without_nan)
    text = """
x = torch.tensor([[1.0, nan], [3.0, 4.0]], requires_grad=True)
y = x * 2
g = torch.autograd.grad(y.sum(), x)[0]
h = g + x.detach()
m = torch.max(h)
"""
    found = verdict(text.strip(), backend).discrepancies
    assert [(item.aspect, item.tier) for item in found] == [
        ("strides", "incidental"),
        ("values", "documented"),
    ]


def test_writing_through_memory_that_results_share_or_not_is_no_difference():
    text = """
x = torch.ones(2, requires_grad=True)
y = torch.ones(2)
g = torch.autograd.grad(x, x, y)[0]
g.neg_()
"""
    autograd = Namespace(grad=lambda *args: tuple(g.clone() for g in torch.autograd.grad(*args)))
    autograd.__dict__["__name__"] = "torch.autograd"
    found = verdict(text.strip(), candidate("copies", autograd=autograd)).discrepancies
    assert [(item.aspect, item.tier) for item in found] == [("aliasing", "incidental")]


def test_followed_operands_are_equal_so_rounding_does_not_add_up():
    text = "x = torch.tensor([2.0, 3.0])\ny = torch.log(x)\nz = y * 2\nw = z - 1"
    found = verdict(text, faulty_torch.log_rounded)
    assert [(item.aspect, item.tier) for item in found.discrepancies] == [("values", "documented")]
    slightly = candidate("slightly", log=lambda x: torch.log(x) * (1 + 2.0**-23))
    assert shown(text, slightly) == []
    assert shown(text, slightly, follow=False) == []


def test_a_shifted_random_stream_is_one_difference():
    def twice(*shape):
        torch.rand(*shape)
        return torch.rand(*shape)

    text = (
        "a = torch.rand(2)\nb = torch.rand(2)\nc = torch.randn(2)\nx = torch.tensor([nan])\nd = torch.max(x)"
    )
    backend = candidate("twice", rand=twice, max=faulty_torch._max_without_nan)
    assert shown(text, backend) == [("values", "rand", "a", 1), ("values", "max", "d", 5)]


def test_lacking_a_memory_is_the_aspect_memory():
    def hungry(x):
        raise MemoryError

    assert shown("x = torch.ones(2)\ny = torch.exp(x)", candidate("hungry", exp=hungry)) == [
        ("memory", "exp", "", 2)
    ]


def test_what_a_candidate_lacks_is_skipped_with_what_depends_on_it():
    backend = candidate("lacks", exp=lambda x: 1 / 0, max=faulty_torch._max_without_nan)
    backend.capabilities = Capabilities(lacks_ops=frozenset({"exp"}), addressable=True)
    text = "x = torch.ones(2)\ny = torch.exp(x)\nz = y + 1\na = torch.tensor([nan])\nb = torch.max(a)"
    assert shown(text, backend) == [("values", "max", "b", 5)]
    backend.capabilities = Capabilities(lacks_aspects=frozenset({"values"}), lacks_ops=frozenset({"exp"}))
    assert shown(text, backend) == []


def test_stored_traces_are_judged_by_the_same_code():
    program = parse("x = 1\ny = 2")
    reference = [Step(i, str(i), None, (), {"x": PlainFact("int", "1")}) for i in (0, 1)]
    stored = [reference[0], Step(1, "1", Raised("ValueError", "no"), (), reference[1].names)]
    found = judge(program, reference, stored, name="stored")
    assert [item.aspect for item in found.discrepancies] == ["raised"]
    assert judge(program, reference, reference[:1], name="cut off").discrepancies == ()


def test_paths_are_ordered_as_they_run():
    paths = ["0", "1.enter", "1.2", "1.3#0.4", "1.3#0.5", "1.3#1.4", "1.exit", "6"]
    backwards = list(reversed(paths))
    assert sorted(backwards, key=order) == paths


def test_statements_are_flat_in_order_of_index():
    flat = statements_of(parse("x = 1\nfor i in range(2):\n    y = 2\n    z = 3\nw = 4"))
    assert [one.index for one in flat] == list(range(5))


def test_documented_differences_come_before_those_of_the_reference_and_range_and_incidental():
    from conformance.compare import Difference

    texts = ("", "")
    ranged = Difference("range", "range", "x", *texts)
    theirs = Difference("reference values", "reference", "x", *texts)
    dtype = Difference("dtype", "documented", "y", *texts)
    values = Difference("values", "documented", "x", *texts)
    offset, strides = (Difference(aspect, "incidental", "x", *texts) for aspect in ("offset", "strides"))
    text = Difference("error text", "incidental", "", *texts)
    assert [primary for primary, _ in choose([ranged, theirs, values, dtype, strides])] == [dtype]
    assert [primary for primary, _ in choose([strides, ranged, theirs])] == [theirs]
    assert [primary for primary, _ in choose([strides, ranged])] == [ranged]
    assert [primary.aspect for primary, _ in choose([strides, offset, text])] == ["error text", "offset"]
    assert choose([]) == []
