"""Printed tensors of the engine against torch's, character for character."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import printing
from engine.dtypes import ALL
from engine.return_types import named_tuple
from engine.size import Size, device

REALS = ("float16", "bfloat16", "float32", "float64")
INTEGERS = ("uint8", "int8", "int16", "int32", "int64")
DTYPES = ("bool", *INTEGERS, *REALS, "complex64", "complex128")
NAN, INF = math.nan, math.inf


@pytest.fixture(autouse=True)
def _default_options() -> Iterator[None]:
    yield
    printing.reset()
    torch.set_printoptions(profile="default")
    torch.set_default_dtype(torch.float32)


def values_of(t: torch.Tensor) -> np.ndarray:
    """The logical values of a tensor as NumPy holds them."""
    t = t.detach()
    return t.float().numpy().astype(ml_dtypes.bfloat16) if t.dtype == torch.bfloat16 else t.numpy()


def engine_repr(t: torch.Tensor) -> str:
    return printing.tensor_repr(
        values_of(t),
        str(t.dtype).removeprefix("torch."),
        requires_grad=t.requires_grad,
        grad_fn=None if t.grad_fn is None else t.grad_fn.name(),
        default_dtype=str(torch.get_default_dtype()).removeprefix("torch."),
    )


def check(t: torch.Tensor) -> None:
    got, should_be = engine_repr(t), repr(t)
    assert got == should_be, f"\ngot\n{got}\nbut should be\n{should_be}"


FLOAT_LISTS = [
    [0.0],
    [0.0, -0.0],
    [1.0, 2.0, -3.0],
    [1.5, 2.25],
    [-1.0, 10.5, 100.0],
    [1e-5],
    [1e-4, 2e-4],
    [1e8],
    [1.1e8],
    [1e8 + 8, 1.0],
    [1.0, 1000.0],
    [1.0, 1001.0],
    [1.5, 1500.0],
    [1.5, 1501.0],
    [NAN],
    [INF, -INF],
    [NAN, 1.0],
    [NAN, 1.5, -INF],
    [NAN, 1e-10],
    [-NAN, 0.0],
    [INF, 123456.0],
    [INF, 123456789.0],
    [1e38, 1e-38],
    [-1e-45, 1.0],
    [0.99999, 0.5],
    [9.99999, 0.5],
    [-0.00004, 1.0],
    [65504.0, 0.1],
]


@pytest.mark.parametrize("values", FLOAT_LISTS, ids=str)
def test_floats(values: list[float]) -> None:
    for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
        t = torch.tensor(values, dtype=torch.float64).to(dtype)
        check(t)
        check(t[0])
        check(torch.complex(t.float(), t.flip(0).float()))
        check(torch.complex(t.double(), -t.double())[0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape",
    [(), (0,), (1,), (3,), (40,), (0, 3), (2, 0, 3), (2, 3), (2, 3, 4), (1, 1, 1, 2), (2, 1, 3, 30)],
    ids=str,
)
def test_shapes_and_dtypes(dtype: str, shape: tuple[int, ...]) -> None:
    count = math.prod(shape)
    for scale in (1, 0.37, 1e5):
        t = (torch.arange(count).reshape(shape) * scale - 1).to(getattr(torch, dtype))
        check(t)
        if t.is_floating_point() or t.is_complex():
            check(t.clone().requires_grad_())
            check(t.clone().requires_grad_() + 1)
        torch.set_default_dtype(torch.float64)
        check(t)
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    "shape",
    [(1000,), (1001,), (7, 200), (6, 200), (2, 3, 500), (10, 10, 11), (2000, 1), (1, 2000), (5, 5, 5, 9)],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["int64", "float32", "bool", "complex64", "float16"])
def test_summaries(shape: tuple[int, ...], dtype: str) -> None:
    t = torch.arange(math.prod(shape)).reshape(shape)
    check(t.to(getattr(torch, dtype)))
    check((t * 0.11 - 3).to(getattr(torch, dtype)))


def test_a_summary_is_formatted_by_what_it_shows() -> None:
    t = torch.ones(2000)
    t[1000] = 1e-9
    check(t)
    t[1] = 1e-9
    check(t)


OPTIONS = [
    {"precision": 2},
    {"precision": 0},
    {"precision": 10},
    {"threshold": 5},
    {"threshold": 5, "edgeitems": 1},
    {"threshold": 5, "edgeitems": 0},
    {"edgeitems": 0},
    {"linewidth": 20},
    {"linewidth": 5},
    {"linewidth": 200},
    {"sci_mode": True},
    {"sci_mode": False},
    {"profile": "short"},
    {"profile": "full"},
    {"profile": "default", "precision": 1},
    {"profile": "unknown"},
]


@pytest.mark.parametrize("changes", OPTIONS, ids=str)
def test_options(changes: dict) -> None:
    torch.set_printoptions(**changes)
    printing.set_printoptions(**changes)
    assert printing.get_printoptions() == torch._tensor_str.get_printoptions()
    for t in (
        torch.tensor(1.5),
        torch.tensor([]),
        torch.tensor([0.0, NAN]),
        torch.arange(12),
        torch.arange(12.0) * 1.23456,
        torch.arange(12.0).reshape(3, 4),
        torch.arange(24.0).reshape(2, 3, 4) * 1e-6,
        torch.arange(24.0).reshape(8, 3).to(torch.complex64) * (1 + 0.5j),
        (torch.arange(24.0).reshape(3, 8) == 1),
        (torch.arange(24.0).double().requires_grad_() * 2),
    ):
        check(t)


def test_options_stay_until_changed_and_a_block_restores_them() -> None:
    for module in (torch, printing):
        module.set_printoptions(precision=2, sci_mode=True)
        module.set_printoptions(linewidth=30)
    options = printing.get_printoptions()
    assert options == torch._tensor_str.get_printoptions()
    with torch._tensor_str.printoptions(precision=7), printing.printoptions(precision=7):
        check(torch.linspace(0, 1, 9))
    assert printing.get_printoptions() == torch._tensor_str.get_printoptions() == options


NUMBERS = [
    st.integers(-5, 5),
    st.sampled_from([0.0, -0.0, 1.0, NAN, INF, -INF]),
    st.floats(width=16),
    st.floats(0.0009765625, 1, width=16),
    st.floats(),
]


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    """Tensors of every dtype, up to four dimensions of up to five elements, with and without history."""
    shape = tuple(draw(st.lists(st.integers(0, 5), max_size=4)))
    dtype = getattr(torch, draw(st.sampled_from(DTYPES)))
    count = math.prod(shape)
    numbers = st.lists(draw(st.sampled_from(NUMBERS)), min_size=count, max_size=count)
    t = torch.tensor(draw(numbers), dtype=torch.float64).reshape(shape)
    if dtype.is_complex:
        return torch.complex(t, torch.tensor(draw(numbers), dtype=torch.float64).reshape(shape)).to(dtype)
    if not dtype.is_floating_point:
        return t.nan_to_num(7).clamp(0 if dtype == torch.uint8 else -100, 100).to(dtype)
    t = t.to(dtype).requires_grad_(draw(st.booleans()))
    return t * 1 if draw(st.booleans()) else t


@settings(max_examples=200, deadline=None)
@given(tensors())
def test_random_tensors(t: torch.Tensor) -> None:
    check(t)


@pytest.mark.parametrize("length", range(1, 90))
def test_where_suffixes_break_the_line(length: int) -> None:
    check(torch.ones(length, dtype=torch.uint8))
    check(torch.full((length,), 1.5, dtype=torch.float64, requires_grad=True))
    check(torch.full((2, length), 1.5, requires_grad=True) * 2)


def test_device_suffix() -> None:
    values = np.zeros(2, np.float64)
    text = printing.tensor_repr(values, "float64", device="cuda:0", requires_grad=True)
    assert text == "tensor([0., 0.], device='cuda:0', dtype=torch.float64, requires_grad=True)"


def outcome(call: Callable[[], str]) -> str | tuple[type, str]:
    """What a call gives, or the type and text of what it raises."""
    try:
        return call()
    except (TypeError, ValueError) as error:
        return type(error), str(error)


@pytest.mark.parametrize("value", [True, 3, 2.5, 0.1, NAN, 1 + 2j])
@pytest.mark.parametrize("spec", ["", "3", ".2f", "d", ">10", "e", "s", "nonsense"])
def test_format(value: complex, spec: str) -> None:
    number = torch.tensor(value)
    for t in (number, number.reshape(1), number.to(torch.bfloat16) if not number.is_complex() else number):
        got = outcome(partial(printing.tensor_format, values_of(t), spec, partial(engine_repr, t)))
        assert got == outcome(partial(format, t, spec))


def test_a_0d_parameter_formats_as_other_tensors_do() -> None:
    parameter = torch.nn.Parameter(torch.tensor(1.5))
    with pytest.raises(TypeError) as torch_error:
        format(parameter, ".2f")
    with pytest.raises(TypeError) as engine_error:
        printing.tensor_format(np.array(1.5), ".2f", str, type_name="Parameter")
    assert str(engine_error.value) == str(torch_error.value)


class _Text(str):
    __repr__ = str.__str__


def test_named_tuples() -> None:
    x = torch.arange(6.0).reshape(2, 3)
    for name, result in (("max", x.max(1)), ("topk", x.topk(2)), ("median", x.median(0)), ("sort", x.sort())):
        shown = [_Text(engine_repr(getattr(result, field))) for field in ("values", "indices")]
        assert repr(named_tuple(name, ("values", "indices"))(shown)) == repr(result)


def test_reprs_of_sizes_dtypes_and_devices() -> None:
    for sizes in ((), (2,), (2, 3)):
        assert repr(Size(sizes)) == repr(torch.Size(sizes))
        assert str(Size(sizes)) == str(torch.Size(sizes))
    for d in ALL:
        assert repr(d) == str(d) == repr(getattr(torch, d.name))
    for arguments in (("cpu",), ("cuda", 1), ("cuda:0",)):
        assert repr(device(*arguments)) == repr(torch.device(*arguments))
        assert str(device(*arguments)) == str(torch.device(*arguments))
