"""Section 1, rows 1 to 3: creating tensors, what dtype they get, their sizes.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/.
"""

import numpy as np
import pytest

from conformance.suite.expectations import dtype_name, fact, holds, release

# --- 1.1: factories ---------------------------------------------------------------------------------------------------

VALUES = {
    "torch.zeros(2, 3)": [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    "torch.ones((2, 2))": [[1.0, 1.0], [1.0, 1.0]],
    "torch.ones(())": 1.0,
    "torch.full((2,), 7.5)": [7.5, 7.5],
    "torch.eye(2, 3)": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
    "torch.arange(0.0, 1.0, 0.25)": [0.0, 0.25, 0.5, 0.75],
    "torch.arange(3.0, 0.0, -1.0)": [3.0, 2.0, 1.0],
    "torch.linspace(0, 1, 5)": [0.0, 0.25, 0.5, 0.75, 1.0],
    "torch.linspace(3, -3, 3)": [3.0, 0.0, -3.0],
    "torch.linspace(2, 5, 1)": [2.0],
}


@fact("1.1", "zeros ones full eye arange linspace")
@pytest.mark.parametrize("call", VALUES)
def test_factories_fill_with_their_values(check, call):
    """1.1, torch.html#creation-ops"""
    holds(check(f"x = {call}").x, VALUES[call])


@fact("1.1", "arange full")
@pytest.mark.parametrize(
    ("call", "values", "dtype"),
    [
        ("torch.arange(5)", [0, 1, 2, 3, 4], "int64"),
        ("torch.arange(1, 10, 4)", [1, 5, 9], "int64"),
        ("torch.full((2,), 3)", [3, 3], "int64"),
        ("torch.full((2,), True)", [True, True], "bool"),
        ("torch.full((1,), 1j)", [1j], "complex64"),
    ],
)
def test_arange_and_full_infer_an_integer_or_other_dtype_from_their_numbers(check, call, values, dtype):
    """1.1, generated/torch.arange.html, generated/torch.full.html"""
    holds(check(f"x = {call}").x, values, dtype)


@fact("1.1", "arange")
def test_a_step_that_is_no_integer_is_cut_to_one_among_integers_and_must_not_be_zero_then(torch):
    """1.1, generated/torch.arange.html"""
    holds(torch.arange(1, 5, 2.5, dtype=torch.int64), [1, 3], "int64")
    if release(torch) < (2, 13):
        pytest.skip("before 2.13 a step that is cut to 0 ends the process")
    with pytest.raises(ValueError, match="step must be nonzero"):
        torch.arange(1, 5, 0.5, dtype=torch.int64)


@fact("1.1", "empty")
def test_empty_has_the_size_and_dtype_asked_for_and_elements_that_may_be_written(torch):
    """1.1, generated/torch.empty.html"""
    x = torch.empty(2, 3)
    assert (tuple(x.shape), dtype_name(x.dtype), x.stride()) == ((2, 3), "float32", (3, 1))
    holds(x.fill_(4), [[4.0] * 3] * 2)


IN_RANGE = {
    "torch.rand(50)": ("float32", 0.0, 1.0),
    "torch.randint(3, 6, (50,))": ("int64", 3, 5),
    "torch.randint(4, (50,))": ("int64", 0, 3),
    "torch.zeros(50).uniform_(-2, 3)": ("float32", -2.0, 3.0),
    "torch.randn(50)": ("float32", -6.0, 6.0),
    "torch.normal(0.0, 0.5, (50,))": ("float32", -3.0, 3.0),
    "torch.normal(torch.zeros(50), 0.5)": ("float32", -3.0, 3.0),
    "torch.normal(0.0, torch.ones(50))": ("float32", -6.0, 6.0),
}


@fact("1.1", "rand randn randint normal uniform_")
@pytest.mark.parametrize("call", IN_RANGE)
def test_random_factories_draw_within_their_range(check, call):
    """1.1, torch.html#random-sampling"""
    dtype, low, high = IN_RANGE[call]
    x = check(f"x = {call}").x
    assert (dtype_name(x.dtype), tuple(x.shape)) == (dtype, (50,))
    assert all(low <= value <= high for value in x.tolist())
    assert len(set(x.tolist())) > 2


@fact("1.1", "randperm")
def test_randperm_is_a_permutation(check):
    """1.1, generated/torch.randperm.html"""
    x = check("x = torch.randperm(20)").x
    assert (dtype_name(x.dtype), sorted(x.tolist())) == ("int64", list(range(20)))


@fact("1.1", "uniform_")
def test_uniform_writes_its_own_tensor(check):
    """1.1, generated/torch.Tensor.uniform_.html"""
    shown = check("""
        x = torch.zeros(3)
        y = x.uniform_(2, 4)
        """)
    assert shown.y is shown.x
    assert all(2 <= value < 4 for value in shown.x.tolist())


FACTORIES = {
    "empty": "torch.empty(2, 2, {})",
    "zeros": "torch.zeros(2, 2, {})",
    "ones": "torch.ones(2, 2, {})",
    "full": "torch.full((2, 2), 3, {})",
    "eye": "torch.eye(2, {})",
    "arange": "torch.arange(3, {})",
    "linspace": "torch.linspace(0, 3, 4, {})",
    "rand": "torch.rand(2, {})",
    "randn": "torch.randn(2, {})",
    "randint": "torch.randint(5, (2,), {})",
    "normal": "torch.normal(0.0, 1.0, (2,), {})",
    "randperm": "torch.randperm(4, {})",
    "tensor": "torch.tensor([1, 2], {})",
}


@fact("1.1", "dtype= device=")
@pytest.mark.parametrize("name", FACTORIES)
@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_every_factory_takes_a_dtype_and_a_device(torch, name, dtype):
    """1.1, tensor_attributes.html"""
    x = eval(FACTORIES[name].format(f'dtype=torch.{dtype}, device="cpu"'), {"torch": torch})
    assert (dtype_name(x.dtype), x.device.type) == (dtype, "cpu")


LIKES = {
    "torch.empty_like(x{})": None,
    "torch.zeros_like(x{})": [[0, 0]],
    "torch.ones_like(x{})": [[1, 1]],
    "torch.full_like(x, 7{})": [[7, 7]],
    "torch.randint_like(x, 1{})": [[0, 0]],
    "x.new_empty((1, 2){})": None,
    "x.new_zeros((1, 2){})": [[0, 0]],
    "x.new_ones((1, 2){})": [[1, 1]],
    "x.new_full((1, 2), 7{})": [[7, 7]],
    "x.new_tensor([[5, 6]]{})": [[5, 6]],
}


@fact("1.1", "*_like new_*")
@pytest.mark.parametrize("call", LIKES)
@pytest.mark.parametrize(("given", "dtype"), [("", "int16"), (", dtype=torch.float64", "float64")])
def test_like_and_new_inherit_dtype_and_device_unless_told_otherwise(torch, call, given, dtype):
    """1.1, torch.html#creation-ops, generated/torch.Tensor.new_full.html"""
    x = torch.tensor([[3, 4]], dtype=torch.int16)
    made = eval(call.format(given), {"torch": torch, "x": x})
    assert (dtype_name(made.dtype), tuple(made.shape), made.device) == (dtype, (1, 2), x.device)
    if LIKES[call] is not None:
        assert made.tolist() == LIKES[call]
    assert x.tolist() == [[3, 4]]


@fact("1.1", "*_like")
@pytest.mark.parametrize("name", ["rand_like", "randn_like"])
def test_rand_like_inherits_a_floating_dtype(check, name):
    """1.1, generated/torch.rand_like.html"""
    shown = check(f"""
        x = torch.zeros(2, 3, dtype=torch.float64)
        y = torch.{name}(x)
        z = torch.{name}(x, dtype=torch.float32)
        """)
    assert (dtype_name(shown.y.dtype), tuple(shown.y.shape)) == ("float64", (2, 3))
    assert dtype_name(shown.z.dtype) == "float32"


# --- 1.2: tensor() and Tensor() ---------------------------------------------------------------------------------------


@fact("1.2", "tensor_infers")
@pytest.mark.parametrize(
    ("data", "values", "dtype"),
    [
        ("[1, 2]", [1, 2], "int64"),
        ("[1.0, 2]", [1.0, 2.0], "float32"),
        ("[[True], [False]]", [[True], [False]], "bool"),
        ("[1, True]", [1, 1], "int64"),
        ("[1j, 2]", [1j, 2 + 0j], "complex64"),
        ("(5.5, 3)", [5.5, 3.0], "float32"),
        ("2.5", 2.5, "float32"),
        ("[]", [], "float32"),
    ],
)
def test_tensor_infers_the_dtype_from_the_data(check, data, values, dtype):
    """1.2, generated/torch.tensor.html"""
    holds(check(f"x = torch.tensor({data})").x, values, dtype)


@fact("1.2", "tensor_infers")
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "int64", "float16", "float64", "complex128"])
def test_tensor_of_an_array_takes_its_dtype(torch, dtype):
    """1.2, generated/torch.tensor.html"""
    array = np.array([[0, 1]], dtype)
    holds(torch.tensor(array), array.tolist(), dtype)


@fact("1.2", "tensor_infers")
def test_floats_take_the_default_dtype(check):
    """1.2, generated/torch.set_default_dtype.html"""
    shown = check("""
        torch.set_default_dtype(torch.float64)
        x = torch.tensor([0.5])
        y = torch.tensor([1])
        """)
    holds(shown.x, [0.5], "float64")
    holds(shown.y, [1], "int64")


@fact("1.2", "tensor_copies")
def test_tensor_copies_an_array(check, numpy_shared):
    """1.2, generated/torch.tensor.html"""
    shown = check("""
        a = np.ones(2)
        x = torch.tensor(a)
        a[0] = 5
        """)
    holds(shown.x, [1.0, 1.0], "float64")


@fact("1.2", "tensor_copies")
def test_tensor_copies_a_tensor_and_warns(check):
    """1.2, generated/torch.tensor.html"""
    shown = check("""
        x = torch.ones(2, requires_grad=True)
        y = torch.tensor(x)
        y[0] = 5
        """)
    holds(shown.x, [1.0, 1.0])
    holds(shown.y, [5.0, 1.0])
    assert not shown.y.requires_grad
    assert shown.warned == ["UserWarning"]


@fact("1.2", "Tensor_default_dtype")
def test_Tensor_of_data_uses_the_default_dtype(check):
    """1.2, tensors.html#torch.Tensor"""
    shown = check("""
        x = torch.Tensor([1, 2])
        torch.set_default_dtype(torch.float64)
        y = torch.Tensor([1, 2])
        """)
    holds(shown.x, [1.0, 2.0])
    holds(shown.y, [1.0, 2.0], "float64")


@fact("1.2", "Tensor_of_size")
@pytest.mark.parametrize(
    ("call", "shape"),
    [
        ("torch.Tensor(2, 3)", (2, 3)),
        ("torch.Tensor(torch.Size([4, 1]))", (4, 1)),
        ("torch.Tensor(torch.ones(2, 5).size())", (2, 5)),
        ("torch.FloatTensor(10)", (10,)),
        ("torch.FloatTensor(torch.ones(3, 2).shape)", (3, 2)),
    ],
)
def test_Tensor_of_sizes_is_uninitialised_of_that_shape(torch, call, shape):
    """1.2, tensors.html#torch.Tensor"""
    x = eval(call, {"torch": torch})
    assert (dtype_name(x.dtype), tuple(x.shape)) == ("float32", shape)


@fact("1.2", "Tensor_1_and_tensor_1")
def test_Tensor_1_has_one_dimension_and_tensor_1_none(torch):
    """1.2, generated/torch.tensor.html"""
    x, y = torch.Tensor(1), torch.tensor(1)
    assert (tuple(x.shape), dtype_name(x.dtype)) == ((1,), "float32")
    holds(y, 1, "int64")
    assert y.dim() == 0


# --- 1.3: sizes and types ---------------------------------------------------------------------------------------------


@fact("1.3", "size shape Size_is_a_tuple")
def test_size_and_shape_are_a_Size_which_is_a_tuple(torch):
    """1.3, size.html"""
    x = torch.zeros(2, 3)
    for size in (x.size(), x.shape):
        assert isinstance(size, torch.Size)
        assert isinstance(size, tuple)
        assert size == (2, 3)
        assert repr(size) == "torch.Size([2, 3])"
    assert (x.size(0), x.size(-1), x.shape[1], len(x.shape)) == (2, 3, 3, 2)
    rows, columns = x.size()
    assert (rows, columns) == (2, 3)


@fact("1.3", "dim numel")
@pytest.mark.parametrize(
    ("shape", "dims", "count"), [((), 0, 1), ((3,), 1, 3), ((2, 0, 4), 3, 0), ((2, 3, 4), 3, 24)]
)
def test_dim_and_numel(torch, shape, dims, count):
    """1.3, generated/torch.Tensor.dim.html, generated/torch.numel.html"""
    x = torch.zeros(shape)
    assert (x.dim(), x.numel(), torch.numel(x), x.ndim) == (dims, count, count, dims)


@fact("1.3", "type")
@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        ("float32", "FloatTensor"),
        ("float64", "DoubleTensor"),
        ("float16", "HalfTensor"),
        ("bfloat16", "BFloat16Tensor"),
        ("int64", "LongTensor"),
        ("uint8", "ByteTensor"),
        ("bool", "BoolTensor"),
    ],
)
def test_type_names_the_kind_of_tensor_and_converts(backend, torch, dtype, name):
    """1.3, generated/torch.Tensor.type.html"""
    full = f"torch.{name}" if backend.device == "cpu" else f"torch.{backend.device}.{name}"
    x = torch.ones(2, dtype=getattr(torch, dtype))
    assert x.type() == full
    y = torch.zeros(2).type(full)
    z = torch.zeros(2).type(getattr(torch, dtype))
    assert dtype_name(y.dtype) == dtype_name(z.dtype) == dtype
    assert torch.zeros(2, dtype=z.dtype).type(z.dtype).tolist() == [0, 0]


@fact("1.3", "type_as")
def test_type_as_takes_the_type_of_another_tensor(check):
    """1.3, generated/torch.Tensor.type_as.html"""
    shown = check("""
        x = torch.tensor([1, 2])
        y = x.type_as(torch.FloatTensor([0.5]))
        z = y.type_as(y)
        """)
    holds(shown.y, [1.0, 2.0])
    holds(shown.x, [1, 2], "int64")
    assert shown.z is shown.y
