"""Section 20: the pages on views and on broadcasting.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/. Values, sizes and strides of views are in
section 4, the rules of broadcasting in section 5.
"""

import math

import pytest

from conformance.suite.expectations import fact, holds, of_operations, raising

# --- 20.1: the list of view operations --------------------------------------------------------------------------------

VIEWS = {
    "slicing": "x[0, 1:]", "adjoint": "x.adjoint()", "as_strided": "x.as_strided((2, 2), (1, 2))",
    "detach": "x.detach()", "diagonal": "x.diagonal()", "expand": "x[:, :1].expand(2, 4)",
    "expand_as": "x[:, :1].expand_as(torch.ones(2, 4))", "movedim": "x.movedim(0, 1)", "narrow": "x.narrow(1, 1, 2)",
    "permute": "x.permute(1, 0)", "select": "x.select(1, 2)", "squeeze": "x[:1].squeeze(0)",
    "transpose": "x.transpose(0, 1)", "t": "x.t()", "T": "x.T", "H": "x.H", "mT": "x.mT", "mH": "x.mH",
    "unflatten": "x.unflatten(1, (3, 1))", "unfold": "x.unfold(1, 2, 1)", "unsqueeze": "x.unsqueeze(0)",
    "view": "x.view(3, 2)", "view_as": "x.view_as(torch.ones(6))", "unbind": "x.unbind()[1]",
    "split": "x.split(1)[0]", "hsplit": "x.hsplit(3)[2]", "vsplit": "x.vsplit(2)[1]",
    "tensor_split": "x.tensor_split(2, 1)[1]", "split_with_sizes": "x.split_with_sizes([1, 2], 1)[1]",
    "swapaxes": "x.swapaxes(0, 1)", "swapdims": "x.swapdims(0, 1)", "chunk": "x.chunk(2)[0]",
}  # fmt: skip
SEVERAL = {"unbind": "Unbind", "split": "Split", "split_with_sizes": "SplitWithSizes", "chunk": "Split"}
OF_COMPLEX = {"real": "z.real", "imag": "z.imag", "view_as_real": "torch.view_as_real(z)"}
OF_REAL = {"view_as_complex": "torch.view_as_complex(x.view(3, 2))"}


@fact("20.1", "list_of_views")
@pytest.mark.parametrize("name", VIEWS)
def test_each_operation_of_the_list_gives_a_view(torch, name):
    """20.1, tensor_view.html"""
    x = torch.arange(6.0).view(2, 3).clone()
    made = eval(VIEWS[name], {"x": x, "torch": torch})
    assert name == "detach" or (made._is_view() and made._base is x)
    first = made[(0,) * made.dim()].item()
    with torch.no_grad():
        x.add_(100)
    assert made[(0,) * made.dim()].item() == first + 100
    assert made._version == x._version == 1


@fact("20.1", "list_of_views")
@pytest.mark.parametrize("name", OF_COMPLEX | OF_REAL)
def test_complex_and_real_numbers_are_views_of_each_other(torch, name):
    """20.1, tensor_view.html"""
    x = torch.arange(6.0).view(2, 3).clone()
    z = torch.tensor([[1 + 2j, 3 - 1j]])
    made = eval((OF_COMPLEX | OF_REAL)[name], {"x": x, "z": z, "torch": torch})
    base = x if name in OF_REAL else z
    assert made._is_view()
    assert made._base is base
    base.zero_()
    assert made.abs().sum().item() == 0


@fact("20.1", "views_are_recorded")
@pytest.mark.parametrize("name", [name for name in VIEWS if name not in ("detach", *SEVERAL)])
def test_a_write_to_the_base_reaches_a_view_that_is_recorded(torch, name):
    """20.1, tensor_view.html"""
    x = torch.arange(6.0).view(2, 3).requires_grad_()
    y = x * 1
    made = eval(VIEWS[name], {"x": y, "torch": torch})
    y.mul_(2)
    made.sum().backward()
    assert x.grad.sum().item() == 2 * math.prod(made.shape)


@fact("20.1", "several_views")
@pytest.mark.parametrize("name", SEVERAL)
def test_one_of_several_views_is_not_used_after_a_write_to_its_base(check, name):
    """20.1, tensor_view.html; the operations that give all their views at once"""
    made = VIEWS[name].replace("x.", "y.")
    shown = check(
        f"x = torch.arange(6.0).view(2, 3).requires_grad_()\ny = x * 1\nv = {made}\ny.mul_(2)\nz = v.sum()\n"
    )
    number = VIEWS[name][-2]
    start = f"Output {number} of {SEVERAL[name]} is a view and its base or another view of its base has been modified"
    assert [text[: len(start)] for _, text in of_operations(shown.errors)] == [start]


@fact("20.1", "other_operations")
@pytest.mark.parametrize(
    "call", ["x + 0", "x.clone()", "x[[0, 1]]", "x[x >= 0]", "x.repeat(1, 1)", "x.flip(0)", "x.roll(1)"]
)
def test_other_operations_give_new_tensors(check, call):
    """20.1, tensor_view.html"""
    shown = check(f"x = torch.arange(6.0).view(2, 3)\ny = {call}\nb = y._is_view()\nx.sub_(100)\n")
    assert shown.b is False
    assert min(shown.y.flatten().tolist()) >= 0


@fact("20.1", "advanced_assignment")
@pytest.mark.parametrize("index", ["0", "[0]", "x[:, 0] < 1"])
def test_assignment_is_in_place_by_basic_and_by_advanced_indices(check, index):
    """20.1, tensor_view.html"""
    shown = check(f"x = torch.arange(4.0).view(2, 2)\ny = x.view(4)\nx[{index}] = 7\n")
    holds(shown.y, [7.0, 7.0, 2.0, 3.0])
    assert shown.y._version == 1


@fact("20.1", "maybe_views")
@pytest.mark.parametrize("call", ["reshape(6)", "reshape_as(torch.ones(6))", "flatten()"])
def test_some_give_a_view_where_the_strides_allow_it_and_a_copy_otherwise(check, call):
    """20.1, tensor_view.html"""
    shown = check(f"x = torch.arange(6.0).view(2, 3)\na = x.{call}\nb = x.t().{call}\nx.zero_()\n")
    assert (shown.a._is_view(), shown.b._is_view()) == (True, False)
    assert (shown.a.sum().item(), shown.b.sum().item()) == (0.0, 15.0)


@fact("20.1", "view_of_a_view")
def test_a_view_of_a_view_has_the_same_base(check):
    """20.1, tensor_view.html"""
    shown = check("x = torch.arange(6.0)\ny = x.view(2, 3)[1]\nz = y[1:].unsqueeze(0)\n")
    assert shown.z._base is shown.x
    assert shown.y._base is shown.x


# --- 20.2: broadcasting -----------------------------------------------------------------------------------------------


@fact("20.2", "empty_dimension")
def test_an_empty_dimension_fits_one_and_itself_only(check):
    """20.2, notes/broadcasting.html#general-semantics"""
    shown = check("""
        a = torch.ones((0,)) + torch.ones(2, 1)
        b = torch.ones((0,)) + torch.ones(2, 2)
        """)
    assert tuple(shown.a.shape) == (2, 0)
    assert shown.errors == [
        (
            "RuntimeError",
            "The size of tensor a (0) must match the size of tensor b (2) at non-singleton dimension 1",
        )
    ]


@fact("20.2", "without_copies")
def test_nothing_is_copied_to_make_sizes_equal(torch):
    """20.2, notes/broadcasting.html"""
    x, y = torch.ones(3, 1), torch.ones(4)
    a, b = torch.broadcast_tensors(x, y)
    assert (tuple(a.shape), a.stride(), a.data_ptr()) == ((3, 4), (1, 0), x.data_ptr())
    assert (tuple(b.shape), b.stride(), b.data_ptr()) == ((3, 4), (0, 1), y.data_ptr())


@fact("20.2", "in_place_example")
def test_the_operand_in_place_keeps_its_size(check):
    """20.2, notes/broadcasting.html#in-place-semantics"""
    shown = check("""
        x = torch.ones(5, 3, 4, 1)
        x.add_(torch.ones(3, 1, 1))
        y = torch.ones(1, 3, 1)
        y.add_(torch.ones(3, 1, 7))
        """)
    assert tuple(shown.x.shape) == (5, 3, 4, 1)
    assert shown.errors == [
        ("RuntimeError", "output with shape [1, 3, 1] doesn't match the broadcast shape [3, 3, 7]")
    ]


@fact("20.2", "broadcast_gradient")
def test_the_gradient_of_what_was_stretched_is_summed(check):
    """20.2, notes/broadcasting.html#general-semantics"""
    shown = check("""
        x = torch.ones(3, 1, requires_grad=True)
        y = torch.ones(4, requires_grad=True)
        (x * y * 2).sum().backward()
        """)
    holds(shown.x.grad, [[8.0], [8.0], [8.0]])
    holds(shown.y.grad, [6.0, 6.0, 6.0, 6.0])


@fact("20.2", "not_one_dimensional")
def test_as_many_elements_are_broadcast_and_not_paired(check):
    """20.2, notes/broadcasting.html#backwards-compatibility"""
    shown = check("x = torch.add(torch.ones(4, 1), torch.ones(4))\n")
    assert tuple(shown.x.shape) == (4, 4)
    assert shown.warned == []


@fact("20.2", "not_one_dimensional")
def test_as_many_elements_in_shapes_that_do_not_fit_are_an_error(torch):
    """20.2, notes/broadcasting.html#backwards-compatibility; the note says that this warns"""
    text = "The size of tensor a (2) must match the size of tensor b (4) at non-singleton dimension 1"
    with raising(RuntimeError, text):
        torch.ones(2, 2) + torch.ones(4)
