"""Section 4: shape and memory.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/.
"""

import numpy as np
import pytest

from conformance.suite.expectations import dtype_name, fact, flat, holds

X = "x = torch.arange(6.0).view(2, 3)"
VALUES = [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
NO_VIEW = (
    "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
    "contiguous subspaces). Use .reshape(...) instead."
)

# --- 4.1: view, reshape, contiguous -----------------------------------------------------------------------------------


@fact("4.1", "view_shares")
@pytest.mark.parametrize(
    ("call", "shape"),
    [
        ("x.view(6)", (6,)),
        ("x.view(3, -1)", (3, 2)),
        ("x.view((1, 6))", (1, 6)),
        ("x.view(-1, 1, 2)", (3, 1, 2)),
    ],
)
def test_view_shares_storage(check, call, shape):
    """4.1, generated/torch.Tensor.view.html"""
    shown = check(f"{X}\ny = {call}\nx += 1\ny *= 2")
    assert tuple(shown.y.shape) == shape
    assert flat(shown.y.tolist()) == flat(shown.x.tolist()) == [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]


@fact("4.1", "view_refuses_strides")
def test_view_refuses_what_the_strides_cannot_express(check):
    """4.1, generated/torch.Tensor.view.html"""
    assert check(f"{X}\ny = x.t().view(6)").errors == [("RuntimeError", NO_VIEW)]


@fact("4.1", "view_refuses_strides")
def test_view_refuses_another_number_of_elements(check):
    """4.1, generated/torch.Tensor.view.html"""
    shown = check(f"{X}\ny = x.view(4)\nz = x.view(4, -1)\nw = x.view(-1, -1)")
    assert shown.errors == [
        ("RuntimeError", "shape '[4]' is invalid for input of size 6"),
        ("RuntimeError", "shape '[4, -1]' is invalid for input of size 6"),
        ("RuntimeError", "only one dimension can be inferred"),
    ]


@fact("4.1", "view_expressible")
def test_view_of_a_tensor_that_is_not_contiguous_where_its_strides_allow_it(check):
    """4.1, generated/torch.Tensor.view.html"""
    shown = check("""
        x = torch.arange(12.0).view(3, 4).t()
        y = x.view(2, 2, 3)
        y += 1
        """)
    assert shown.y.stride() == (2, 1, 4)
    assert shown.x[0, 0].item() == 1.0


@fact("4.1", "reshape_shares")
def test_reshape_shares_when_it_can(check):
    """4.1, generated/torch.reshape.html"""
    shown = check(f"{X}\ny = x.reshape(3, 2)\ny += 1")
    holds(shown.x, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


@fact("4.1", "reshape_copies")
def test_reshape_copies_when_it_cannot_share(check):
    """4.1, generated/torch.reshape.html"""
    shown = check(f"{X}\ny = x.t().reshape(6)\ny += 1")
    holds(shown.x, VALUES)
    holds(shown.y, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0])


@fact("4.1", "contiguous is_contiguous")
def test_contiguous_copies_only_what_is_not_contiguous(check):
    """4.1, generated/torch.Tensor.contiguous.html"""
    shown = check(
        f"""
        {X}
        same = x.contiguous()
        t = x.t()
        c = t.contiguous()
        c += 1
        """.replace("    " * 2, "")
    )
    assert shown.same is shown.x
    assert (shown.x.is_contiguous(), shown.t.is_contiguous(), shown.c.is_contiguous()) == (True, False, True)
    holds(shown.x, VALUES)
    assert (shown.t.stride(), shown.c.stride()) == ((1, 3), (2, 1))


@fact("4.1", "stride storage_offset")
@pytest.mark.parametrize(
    ("call", "strides", "offset"),
    [
        ("x", (12, 4, 1), 0),
        ("x[1]", (4, 1), 12),
        ("x[:, 1:, ::2]", (12, 4, 2), 4),
        ("x.transpose(0, 2)", (1, 4, 12), 0),
        ("x[0, 0, 3]", (), 3),
        ("x[:1].expand(5, 3, 4)", (0, 4, 1), 0),
        ("x.unsqueeze(1)", (12, 12, 4, 1), 0),
    ],
)
def test_strides_and_offset(check, call, strides, offset):
    """4.1, generated/torch.Tensor.stride.html, generated/torch.Tensor.storage_offset.html"""
    y = check(f"x = torch.arange(24.0).view(2, 3, 4)\ny = {call}").y
    assert (y.stride(), y.storage_offset()) == (strides, offset)


# --- 4.2: the family of views -----------------------------------------------------------------------------------------

VIEWS = {
    "squeeze": ("x.view(1, 2, 1, 3).squeeze()", (2, 3), (3, 1)),
    "squeeze_dim": ("x.view(1, 2, 1, 3).squeeze(2)", (1, 2, 3), (6, 3, 1)),
    "unsqueeze": ("x.unsqueeze(-1)", (2, 3, 1), (3, 1, 1)),
    "expand": ("x.view(2, 1, 3).expand(2, 4, 3)", (2, 4, 3), (3, 0, 1)),
    "permute": ("x.view(1, 2, 3).permute(2, 0, 1)", (3, 1, 2), (1, 6, 3)),
    "transpose": ("x.transpose(0, 1)", (3, 2), (1, 3)),
    "t": ("x.t()", (3, 2), (1, 3)),
    "T": ("x.T", (3, 2), (1, 3)),
    "flatten": ("x.flatten()", (6,), (1,)),
    "flatten_dims": ("x.view(1, 2, 3).flatten(0, 1)", (2, 3), (3, 1)),
    "unfold": ("x.unfold(1, 2, 1)", (2, 2, 2), (3, 1, 1)),
    "as_strided": ("x.as_strided((2, 2), (1, 2), 1)", (2, 2), (1, 2)),
    "narrow": ("x.narrow(1, 1, 2)", (2, 2), (3, 1)),
    "select": ("x.select(1, 2)", (2,), (3,)),
    "diagonal": ("x.diagonal()", (2,), (4,)),
}


@fact(
    "4.2", "squeeze unsqueeze expand permute transpose t T flatten unfold as_strided narrow select diagonal"
)
@pytest.mark.parametrize("name", VIEWS)
def test_views_have_these_sizes_and_strides_and_share_storage(check, name):
    """4.2, tensor_view.html"""
    call, shape, strides = VIEWS[name]
    shown = check(f"{X}\ny = {call}\nx.add_(10)")
    assert (tuple(shown.y.shape), shown.y.stride()) == (shape, strides)
    assert all(value >= 10 for value in flat(shown.y.tolist()))
    assert shown.y._version == shown.x._version == 1


VIEW_VALUES = {
    "unfold": [[[0.0, 1.0], [1.0, 2.0]], [[3.0, 4.0], [4.0, 5.0]]],
    "as_strided": [[1.0, 3.0], [2.0, 4.0]],
    "narrow": [[1.0, 2.0], [4.0, 5.0]],
    "select": [2.0, 5.0],
    "diagonal": [0.0, 4.0],
    "t": [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]],
    "T": [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]],
    "permute": [[[0.0, 3.0]], [[1.0, 4.0]], [[2.0, 5.0]]],
    "expand": [[[0.0, 1.0, 2.0]] * 4, [[3.0, 4.0, 5.0]] * 4],
}


@fact("4.2", "expand permute t T unfold as_strided narrow select diagonal")
@pytest.mark.parametrize("name", VIEW_VALUES)
def test_views_have_these_values(check, name):
    """4.2, tensor_view.html"""
    holds(check(f"{X}\ny = {VIEWS[name][0]}").y, VIEW_VALUES[name])


@fact("4.2", "split chunk unbind")
@pytest.mark.parametrize(
    ("call", "parts"),
    [
        ("x.split(2, 1)", [[[0.0, 1.0], [3.0, 4.0]], [[2.0], [5.0]]]),
        ("torch.split(x, [1, 2], dim=1)", [[[0.0], [3.0]], [[1.0, 2.0], [4.0, 5.0]]]),
        ("x.chunk(2, 1)", [[[0.0, 1.0], [3.0, 4.0]], [[2.0], [5.0]]]),
        ("x.unbind()", [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]),
        ("torch.unbind(x, 1)", [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]),
    ],
)
def test_splits_are_tuples_of_views(check, call, parts):
    """4.2, generated/torch.split.html, generated/torch.chunk.html, generated/torch.unbind.html"""
    shown = check(f"{X}\nr = {call}\nc = x.clone()\nx += 10")
    assert isinstance(shown.r, tuple)
    assert [part.tolist() for part in shown.r] == [add(part, 10) for part in parts]


def add(values, number):
    return [add(value, number) for value in values] if isinstance(values, list) else values + number


@fact("4.2", "expand")
def test_expand_stretches_only_dimensions_of_size_1(check):
    """4.2, generated/torch.Tensor.expand.html"""
    shown = check("""
        x = torch.ones(2, 1)
        y = x.expand(-1, 3)
        z = x.expand(3, 3)
        y.add_(1)
        """)
    assert tuple(shown.y.shape) == (2, 3)
    assert shown.errors == [
        (
            "RuntimeError",
            "The expanded size of the tensor (3) must match the existing size (2) at non-singleton dimension 0.  "
            "Target sizes: [3, 3].  Tensor sizes: [2, 1]",
        ),
        (
            "RuntimeError",
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
            "Please clone() the tensor before performing the operation.",
        ),
    ]


@fact("4.2", "t")
def test_t_takes_at_most_two_dimensions(check):
    """4.2, generated/torch.t.html"""
    shown = check("x = torch.ones(3).t()\ny = torch.ones(1, 2, 3).t()")
    assert tuple(shown.x.shape) == (3,)
    assert shown.errors == [("RuntimeError", "t() expects a tensor with <= 2 dimensions, but self is 3D")]


@fact("4.2", "T")
def test_T_of_other_than_two_dimensions_warns(check):
    """4.2, tensors.html#torch.Tensor.T"""
    shown = check("x = torch.ones(2, 3, 4).T")
    assert tuple(shown.x.shape) == (4, 3, 2)
    assert set(shown.warned) == {"UserWarning"}


@fact("4.2", "resize_")
def test_resize_keeps_the_elements_and_the_object(check):
    """4.2, generated/torch.Tensor.resize_.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0, 3.0, 4.0])
        y = x.resize_(2, 1)
        kept = x.clone()
        x.resize_(4)
        """)
    assert shown.y is shown.x
    holds(shown.kept, [[1.0], [2.0]])
    holds(shown.x, [1.0, 2.0, 3.0, 4.0])


@fact("4.2", "resize_")
def test_resize_to_a_larger_size_appends_elements(torch):
    """4.2, generated/torch.Tensor.resize_.html"""
    x = torch.tensor([1.0, 2.0])
    x.resize_(2, 3)
    assert tuple(x.shape) == (2, 3)
    holds(x[0, :2], [1.0, 2.0])


# --- 4.3: clone, item -------------------------------------------------------------------------------------------------


@fact("4.3", "clone_copies")
def test_clone_copies(check):
    """4.3, generated/torch.clone.html"""
    shown = check(f"{X}\ny = x.clone().view(6)\nx -= 1")
    holds(shown.y, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])


@fact("4.3", "clone_recorded")
def test_clone_is_recorded_by_autograd(check):
    """4.3, generated/torch.clone.html"""
    shown = check("""
        x = torch.ones(2, requires_grad=True)
        y = x.clone()
        y.sum().backward()
        """)
    assert type(shown.y.grad_fn).__name__ == "CloneBackward0"
    holds(shown.x.grad, [1.0, 1.0])


@fact("4.3", "item")
@pytest.mark.parametrize(
    ("data", "number"),
    [
        ("torch.tensor(2.5)", 2.5),
        ("torch.tensor([[3]])", 3),
        ("torch.tensor([True])", True),
        ("torch.tensor(1j)", 1j),
        ("torch.tensor([0.1])", 0.10000000149011612),
    ],
)
def test_item_gives_a_python_number(torch, data, number):
    """4.3, generated/torch.Tensor.item.html"""
    got = eval(data, {"torch": torch}).item()
    assert (type(got), got) == (type(number), number)


@fact("4.3", "item")
@pytest.mark.parametrize("count", [0, 2])
def test_item_refuses_more_or_fewer_than_one_element(check, count):
    """4.3, generated/torch.Tensor.item.html"""
    shown = check(f"x = torch.ones({count}).item()")
    assert shown.errors == [("RuntimeError", f"a Tensor with {count} elements cannot be converted to Scalar")]


# --- 4.4, 4.5: objects and NumPy --------------------------------------------------------------------------------------


@fact("4.4", "different_objects")
def test_tensors_that_share_memory_are_different_objects(torch):
    """4.4, tensor_view.html"""
    x = torch.zeros(2, 3)
    y, z, w = x.view(6), x.detach(), x[:]
    assert len({id(tensor) for tensor in (x, y, z, w)}) == 4
    assert x is not z
    y[0] = 1
    assert x[0, 0].item() == z[0, 0].item() == w[0, 0].item() == 1.0


@fact("4.5", "numpy_shares")
def test_numpy_shares_memory_in_both_directions(check, numpy_shared):
    """4.5, generated/torch.Tensor.numpy.html"""
    shown = check("""
        x = torch.ones(3)
        a = x.numpy()
        x += 1
        a += 1
        """)
    holds(shown.x, [3.0, 3.0, 3.0])
    assert shown.a.tolist() == [3.0, 3.0, 3.0]
    assert shown.a.dtype == np.float32


@fact("4.5", "from_numpy_shares")
def test_from_numpy_shares_memory_in_both_directions(check, numpy_shared):
    """4.5, generated/torch.from_numpy.html"""
    shown = check("""
        a = np.ones(3)
        x = torch.from_numpy(a)
        a += 1
        x += 1
        """)
    holds(shown.x, [3.0, 3.0, 3.0], "float64")
    assert shown.a.tolist() == [3.0, 3.0, 3.0]


@fact("4.5", "numpy_shares")
def test_numpy_keeps_the_strides_of_a_view(torch, numpy_shared):
    """4.5, generated/torch.Tensor.numpy.html"""
    x = torch.arange(6, dtype=torch.int32).view(2, 3)
    array = x.t().numpy()
    assert (array.shape, array.strides) == ((3, 2), (4, 12))
    array[0, 1] = 9
    assert x.tolist() == [[0, 1, 2], [9, 4, 5]]


@fact("4.5", "tensor_copies")
def test_tensor_of_an_array_copies(check, numpy_shared):
    """4.5, generated/torch.tensor.html"""
    shown = check("a = np.ones(2)\nx = torch.tensor(a)\na += 1\nx -= 1")
    holds(shown.x, [0.0, 0.0], "float64")
    assert shown.a.tolist() == [2.0, 2.0]


@fact("4.5", "numpy_refuses_grad")
def test_numpy_refuses_a_tensor_that_requires_grad(check, numpy_shared):
    """4.5, generated/torch.Tensor.numpy.html"""
    shown = check("""
        x = torch.ones(2, requires_grad=True)
        a = x.numpy()
        b = x.detach().numpy()
        b[0] = 5
        """)
    assert shown.errors == [
        (
            "RuntimeError",
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.",
        )
    ]
    holds(shown.x, [5.0, 1.0])


@fact("4.5", "from_numpy_shares")
@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "bool"]
)
def test_every_numpy_dtype_crosses(torch, numpy_shared, dtype):
    """4.5, generated/torch.from_numpy.html; int8 crosses, too, though one of the documents excepts it"""
    array = np.array([0, 1], dtype)
    x = torch.from_numpy(array)
    assert dtype_name(x.dtype) == dtype
    x[0] = 1
    assert array.tolist() == [1, 1]
    assert x.numpy().dtype == array.dtype
