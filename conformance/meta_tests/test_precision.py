"""The precision modes of the engine: what they change, and that they change nothing else."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import engine
from engine import dtypes, precision
from engine.precision import accurate_to, perturbed, values, wide

torch: Any = engine
FLOATS = ("float16", "bfloat16", "float32", "float64")
COMPLEX = ("complex64", "complex128")
INEXACT = tuple(getattr(torch, name) for name in (*FLOATS, *COMPLEX))


def repeated(program: Any, seeds: int = 16) -> np.ndarray:
    """What a program makes of perturbed runs, one row a seed."""
    rows = []
    for seed in range(seeds):
        with perturbed(seed):
            rows.append(values(program()).astype(np.float64).copy())
    return np.stack(rows)


# ---------------------------------------------------------------------------------------------------------------- wide


def test_wide_sums_keep_what_float32_loses() -> None:
    terms = [1e8, 1.0, -1e8]
    with wide():
        assert torch.tensor(terms).sum().item() == 1.0
        total = torch.tensor(terms[0])
        for term in terms[1:]:
            total = total + term
        assert total.item() == 1.0


@pytest.mark.skipif(not dtypes.LONGDOUBLE, reason="NumPy's longdouble is float64 here")
def test_wide_float64_is_longdouble() -> None:
    with wide():
        total = torch.tensor(0.1, dtype=torch.float64) + 0.2
        assert values(total) == np.longdouble(0.1) + np.longdouble(0.2)
        assert values(total) != 0.1 + 0.2
        assert total.item() == 0.1 + 0.2  # a Python number has no more digits
        assert accurate_to(total) == np.longdouble


@pytest.mark.parametrize("dtype", INEXACT[:4], ids=str)
def test_wide_does_not_round_between_statements(dtype: Any) -> None:
    with wide():
        x = torch.ones(3, dtype=dtype)
        third = x / 3
        assert third.dtype is dtype
        assert values(third)[0] == x._array().dtype.type(1) / 3
        for _ in range(5):
            third = third / 7 * 7
        assert abs(values(third)[0] * 3 - 1) < 1e-15
        narrower = values(third.to(torch.float16))[0]
        assert narrower == narrower.dtype.type(values(third)[0])


def test_wide_literals_and_numbers_are_nominal() -> None:
    with wide():
        assert torch.tensor(0.1).item() == np.float32(0.1)
        assert torch.full((1,), 0.1, dtype=torch.bfloat16).item() == 0.10009765625
        assert (torch.ones(()) * 0.1).item() == np.float32(0.1)
        torch.manual_seed(3)
        drawn = values(torch.randn(20))
    torch.manual_seed(3)
    assert drawn.dtype == np.float64
    assert np.array_equal(drawn, torch.randn(20).numpy())


def test_wide_results_overflow_where_the_dtype_does() -> None:
    with wide():
        x = torch.tensor([300.0, -300.0, 1.0], dtype=torch.float16)
        assert (x * 300).tolist() == [math.inf, -math.inf, 300.0]
        assert (x * 218.3).tolist()[0] < 65520  # rounds to the largest value
        assert torch.tensor([1e30]).mul_(1e10).item() == math.inf
        assert torch.tensor([1e300], dtype=torch.float64).to(torch.float32).item() == math.inf
        assert torch.add(torch.tensor([1e300], dtype=torch.float64), 1, out=torch.empty(1)).item() == math.inf
        z = torch.tensor(1e30 + 1j) * 1e20
        assert (z.real.item(), z.imag.item()) == (math.inf, pytest.approx(1e20))


def test_wide_formulas_do_not_overflow_inside() -> None:
    with wide():
        x = torch.tensor([1000.0, 1000.0], dtype=torch.float16)
        assert torch.softmax(x, 0).tolist() == [0.5, 0.5]
        assert torch.norm(torch.tensor([3e25, 4e25])).item() == pytest.approx(5e25, rel=1e-6)
        x = torch.tensor([200.0], dtype=torch.float16, requires_grad=True)
        (x * 300).backward(torch.tensor([300.0], dtype=torch.float16))
        assert x.grad.item() == math.inf  # a gradient that passes from node to node is a result


def test_wide_small_values_do_not_underflow() -> None:
    with wide():
        assert (torch.tensor([1e-30]) * 1e-30).item() == pytest.approx(1e-60)


@pytest.mark.parametrize("dtype", INEXACT, ids=str)
def test_wide_keeps_everything_but_values(dtype: Any) -> None:
    def facts() -> list[Any]:
        x = torch.tensor([[1.5, 2.0], [3.0, -0.25]], dtype=dtype, requires_grad=True)
        y = x.t()[1:]
        z = y * 2 + torch.ones(2, dtype=torch.float16 if dtype.is_floating_point else torch.float32)
        limits = torch.finfo(dtype)
        return [
            repr(x), repr(z), z.dtype, y.stride(), y.storage_offset(), x.element_size(), x.nbytes,
            x.untyped_storage().nbytes(), limits.eps, limits.max, limits.bits, z.grad_fn.name(), x.detach()[0].tolist(),
            y.data_ptr() - x.data_ptr(),
        ]  # fmt: skip

    nominal = facts()
    with wide():
        assert facts() == nominal


def test_wide_views_share_memory() -> None:
    with wide():
        x = torch.zeros(6)
        x.view(2, 3)[1].div_(3).add_(torch.ones(3) / 3)
        torch.as_strided(x, (3,), (2,), 1).copy_(torch.ones(3) / 7)
        assert values(x).tolist() == [0, 1 / 7, 0, 1 / 7, 1 / 3, 1 / 7]
        z = torch.zeros(2, dtype=torch.complex64)
        torch.view_as_real(z)[1, 0] = torch.ones(()) / 3
        assert values(z)[1] == 1 / 3
        out = torch.empty(0)
        torch.div(torch.ones(2), 3, out=out)
        assert values(out).tolist() == [1 / 3, 1 / 3]
        assert out.resize_(4).shape == (4,)
        assert values(out)[:2].tolist() == [1 / 3, 1 / 3]


def test_wide_views_as_other_dtypes_see_nominal_bytes() -> None:
    with wide():
        x = torch.ones(2) / 3
        bits = x.view(torch.int32)
        assert bits.tolist() == [0x3EAAAAAB] * 2
        bits[0] = 0x3F800000
        assert values(x).tolist() == [1.0, 1 / 3]
        x[1] = 2.0
        assert bits[1].item() == 0x40000000
        halves = x.view(torch.float16)
        assert halves.shape == (4,)
        halves[3] = 0.0
        assert values(x)[1] == 0.0
        assert bits.data_ptr() == x.data_ptr() == halves.data_ptr()


def test_wide_numpy_arrays_are_nominal_and_share_memory() -> None:
    with wide():
        x = torch.ones(3) / 3
        array = x.numpy()
        assert array.dtype == np.float32
        assert array[0] == np.float32(1) / np.float32(3)
        array[0] = 5
        assert values(x).tolist() == [5, 1 / 3, 1 / 3]
        x.mul_(3)
        assert array.tolist() == [15, 1, 1]
        x.view(3, 1)[2] = 7
        assert array[2] == 7
        assert torch.from_numpy(array).dtype is torch.float32
        own = np.array([1.0, 2.0])
        shown = torch.from_numpy(own)
        assert shown.dtype is torch.float64
        shown.add_(1)
        assert own.tolist() == [2, 3]
        own[1] = -1
        assert shown.tolist() == [2, -1]


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_wide_gradients(dtype: Any) -> None:
    points = [0.5, 0.7, 1.1]
    with wide():
        x = torch.tensor(points, dtype=dtype, requires_grad=True)
        (x**3).sum().backward()
        (x / 3).sum().backward()
        assert x.grad.dtype is dtype
        held = values(x)
        assert values(x.grad) == pytest.approx(3 * held**2 + 1 / 3, rel=1e-15)
        (first,) = torch.autograd.grad((torch.exp(x) / x).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), x)
        assert values(second) == pytest.approx(
            np.exp(held) * (1 / held - 2 / held**2 + 2 / held**3), rel=1e-13
        )


@pytest.mark.skipif(not dtypes.LONGDOUBLE, reason="NumPy's longdouble is float64 here")
def test_a_mode_within_another_leaves_to_it_what_it_is_asked_for() -> None:
    with perturbed(0):
        torch.full((3,), 1e30) * 1e30
        torch.empty(3)
        torch.linspace(0, 1, 5)
        assert precision.left_range()
        assert precision.met_undefined()


def test_what_has_no_longdouble_says_so() -> None:
    with wide():
        x = torch.tensor([[2.0, 0.3], [0.7, 1.1]], dtype=torch.float64)
        for made in (torch.linalg.inv(x), torch.lgamma(x), torch.erf(x)):
            assert made.dtype is torch.float64
            assert accurate_to(made) == np.float64
            assert accurate_to(made + 1) == np.float64
            assert accurate_to(torch.zeros_like(made).copy_(made)) == np.float64
        assert accurate_to(torch.lgamma(x.to(torch.float32))) == np.float64  # which is wide for float32
        assert accurate_to(torch.exp(x)) == np.longdouble


@pytest.mark.skipif(not dtypes.LONGDOUBLE, reason="NumPy's longdouble is float64 here")
@pytest.mark.parametrize(("name", "x", "digits"), [
    ("erf", 0.5, "0.520499877813046537682746653891964528736"), ("lgamma", -0.5, "1.26551212348464539648494579713472"),
    ("digamma", 1.0, "-0.577215664901532860606512090082402431"),
])  # fmt: skip
def test_special_functions_by_mpmath(name: str, x: float, digits: str) -> None:
    with wide(multiprecision=True):
        made = getattr(torch.tensor([x], dtype=torch.float64), name)()
        assert accurate_to(made) == np.longdouble
        assert abs(values(made)[0] / np.longdouble(digits) - 1) < 3e-19


def test_wide_takes_reference_bits_exactly() -> None:
    for mode in (wide(), perturbed(0)):
        with mode:
            x = torch.zeros(2, 3).t()
            torch.overwrite_bits(x, np.arange(6, dtype=np.float32).tobytes())
            assert x.tolist() == [[0, 1], [2, 3], [4, 5]]
            y = torch.zeros(1, dtype=torch.bfloat16)
            torch.overwrite_bits(y, np.uint16(0x3EAB).tobytes())
            assert y.item() == 0.333984375


def test_wide_without_longdouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dtypes.float64, "carrier", np.dtype(np.float64))
    monkeypatch.setattr(dtypes.complex128, "carrier", np.dtype(np.complex128))
    with wide():
        x = torch.tensor([[0.5, 0.25], [0.0, 3.0]], dtype=torch.float64)
        for made in (
            x.exp(),
            x.sum(),
            x.softmax(0),
            torch.linalg.inv(x),
            x.mm(x),
            x.cumsum(0),
            x.to(torch.complex128).exp(),
        ):
            assert made.dtype in (torch.float64, torch.complex128)
            assert accurate_to(made) == made.dtype.nominal
        assert accurate_to(x.to(torch.float32).exp()) == np.float64


def test_modes_end() -> None:
    def failing() -> None:
        with wide(), perturbed(1), precision.nominal():
            assert torch.tensor(0.1)._array().dtype == np.float32
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert torch.tensor(0.1)._array().dtype == np.float32
    assert torch.tensor([1e8, 1.0, -1e8]).sum().item() == 0.0


# ----------------------------------------------------------------------------------------------------------- perturbed

EXACT = {
    "integers": lambda: torch.arange(6) * 3 - 1,
    "sums of small integers": lambda: torch.arange(60, dtype=torch.float32).reshape(6, 10).sum(1),
    "products of small integers": lambda: torch.arange(12.0).view(3, 4) @ torch.arange(12.0).view(4, 3),
    "powers of two": lambda: torch.tensor([0.5, 4.0]) * torch.tensor([2.0, 0.25]) + 1,
    "quotients": lambda: torch.tensor([1.0, 9.0]) / torch.tensor([4.0, 3.0]),
    "rounding": lambda: torch.floor(torch.tensor([0.1, -7.3, 1e10])),
    "comparison": lambda: torch.where(torch.tensor([0.1, 0.3]) > 0.2, 0.1, 0.2),
    "moves": lambda: torch.tensor([0.1, 0.3]).flip(0).clone().view(2, 1).expand(2, 2).contiguous(),
    "extrema": lambda: torch.tensor([0.1, 0.3]).max() + 0.0,
    "exp(0)": lambda: torch.exp(torch.zeros(3)) + torch.cos(torch.zeros(3)),
    "roots": lambda: torch.sqrt(torch.tensor([4.0, 2.25])),
    "float64": lambda: torch.tensor([0.1, 0.2], dtype=torch.float64) * 2 + torch.lgamma(torch.ones(2, dtype=torch.float64)),
    "casts": lambda: torch.tensor([1.0, 0.25], dtype=torch.float64).to(torch.float16),
    "softmax of equals": lambda: torch.softmax(torch.zeros(4), 0),
    "random": lambda: (torch.manual_seed(1), torch.randn(20))[1],
    "means": lambda: torch.arange(5.0).mean(),
    "determinants": lambda: torch.linalg.det(torch.eye(3) * 2),
    "norms": lambda: torch.norm(torch.tensor([3.0, 4.0])),
    "running sums": lambda: torch.arange(10.0).cumsum(0),
}  # fmt: skip


@pytest.mark.parametrize("name", EXACT)
def test_exact_results_are_not_perturbed(name: str) -> None:
    expected = values(EXACT[name]())
    assert (repeated(EXACT[name], 6) == expected).all()


ONE = {
    "exp": lambda: torch.exp(torch.ones(1)),
    "sum of two": lambda: torch.tensor([0.1]) + torch.tensor([0.7]),
    "product": lambda: torch.tensor([0.1]) * torch.tensor([0.7]),
    "third": lambda: torch.ones(1) / 3,
    "sine of a large number": lambda: torch.sin(torch.tensor([1e5])),
}


@pytest.mark.parametrize("name", ONE)
def test_one_rounding_is_one_ulp(name: str) -> None:
    expected = values(ONE[name]())
    ulp = np.spacing(np.abs(expected)).astype(np.float64)
    steps = (repeated(ONE[name]) - expected) / ulp
    assert set(np.unique(steps)) == {-1.0, 0.0, 1.0}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.complex64], ids=str)
def test_every_inexact_dtype_is_perturbed(dtype: Any) -> None:
    runs = set()
    for seed in range(8):
        with perturbed(seed):
            runs.add(values(torch.ones(3, dtype=dtype) / 3).tobytes())
    assert len(runs) > 2


def test_a_seed_gives_the_same_values_and_leaves_the_random_stream_alone() -> None:
    def program() -> torch.Tensor:
        torch.manual_seed(5)
        return torch.softmax(torch.randn(4, 4), 1).matmul(torch.randn(4, 4)).std()

    assert len(set(repeated(program, 12).tolist())) > 4
    assert repeated(program, 3).tolist() == repeated(program, 3).tolist()
    torch.manual_seed(5)
    torch.randn(32)
    after = torch.rand(1)
    with perturbed(0):
        program()
        assert torch.rand(1).item() == after.item()


def test_cancellation_shows_what_was_lost() -> None:
    spread = repeated(lambda: (torch.tensor([0.1]) + 1000.0) - 1000.0).std()
    assert spread > 1e3 * np.spacing(np.float32(0.1))


def test_terms_of_sums_and_products_are_perturbed() -> None:
    for program in (
        lambda: torch.tensor([1.0, 1.0, 2.0**24, -(2.0**24)]).sum(),  # exact in this order only
        lambda: torch.tensor([[1e8, 1.0, -1e8]]) @ torch.ones(3),
        lambda: torch.tensor([1e4, 1e4 + 1, 1e4 + 2.5], dtype=torch.float32).var(),
    ):
        assert len(set(repeated(program).ravel().tolist())) > 2


def test_perturbed_gradients() -> None:
    def gradient() -> torch.Tensor:
        x = torch.tensor([0.1, 0.7], requires_grad=True)
        (torch.exp(x) * x).sum().backward()
        return x.grad

    nominal = values(gradient())
    runs = repeated(gradient)
    assert (runs.std(0) > 0).all()
    assert (np.abs(runs - nominal) < 8 * np.spacing(nominal)).all()


def test_what_is_done_again_rounds_alike() -> None:
    x = torch.tensor([0.1, 0.7])
    with perturbed(0):
        first, again = precision.twice(lambda: torch.exp(x).softmax(0))
        assert torch.equal(first, again)
        assert not torch.equal(first, torch.exp(x).softmax(0))


def test_a_difference_rounds_and_not_what_it_is_taken_of() -> None:
    x, y = torch.tensor([1000.1, 0.7]), torch.tensor([1000.0, 0.7])
    assert (repeated(lambda: torch.dist(x, x)) == 0).all()
    spread = repeated(lambda: torch.dist(x, y)).std()
    assert 0 < spread < 4 * np.spacing(np.float32(0.1))


def test_an_infinity_is_not_left_nor_reached() -> None:
    big = float(np.finfo(np.float32).max)
    assert (repeated(lambda: torch.tensor([big / 3]) * 3) <= big).all()
    assert (repeated(lambda: torch.tensor([math.inf, big]) * 1.5) == math.inf).all()


UNDEFINED = {
    "fresh memory": lambda: torch.empty(50),
    "between elements": lambda: torch.empty_strided((2,), (50,)).as_strided((50,), (1,)),
    "bfloat16": lambda: torch.empty(50, dtype=torch.bfloat16),
    "complex": lambda: torch.view_as_real(torch.empty(25, dtype=torch.complex64)),
    "bool": lambda: torch.empty(50, dtype=torch.bool),
    "more memory": lambda: torch.zeros(1).resize_(50),
    "an integer that does not hold it": lambda: torch.full((50,), 1e30).to(torch.uint8),
    "a sign of NaN": lambda: torch.full((50,), math.nan).signbit(),
}


@pytest.mark.parametrize("name", UNDEFINED)
def test_what_is_undefined_is_another_number_in_each_run(name: str) -> None:
    with perturbed(0):
        torch.ones(3)
        assert not precision.met_undefined()
        UNDEFINED[name]()
        assert precision.met_undefined()
        assert not precision.met_undefined()
    runs = repeated(lambda: torch.nan_to_num(UNDEFINED[name]().to(torch.float32), 3.0), 4)
    assert len({row.tobytes() for row in runs}) == 4
    first, *_ = values(UNDEFINED[name]()).ravel()
    with wide():
        assert values(UNDEFINED[name]()).ravel()[0] == first
