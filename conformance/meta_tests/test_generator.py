"""The engine's random stream against torch's CPU generator, bit for bit."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import generator as g

FLOATS = ("float16", "bfloat16", "float32", "float64")
INTEGERS = ("uint8", "int8", "int16", "int32", "int64")
COMPLEXES = ("complex64", "complex128")
SIZES = (0, 1, 15, 16, 17, 31, 32, 33, 100)
LONG_MIN = -(2**63)
BYTES_OF = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64, 16: torch.float64}


def raw_bytes(t: torch.Tensor) -> bytes:
    """Row-major bytes of a tensor; by way of an integer view because NumPy has no bfloat16 of its own."""
    t = t.contiguous()
    return t.reshape(-1).view(BYTES_OF[t.element_size()]).numpy().tobytes()


def check(got: np.ndarray, should_be: torch.Tensor) -> None:
    """Equal dtype and equal bits."""
    assert str(should_be.dtype) == f"torch.{got.dtype}"
    assert got.tobytes() == raw_bytes(should_be), f"got {got}, but should be {should_be}"


def tensor(dtype: str, *sizes: int) -> torch.Tensor:
    return torch.empty(sizes, dtype=getattr(torch, dtype))


def both(seed: int) -> tuple[g.Mt19937Stream, torch.Generator]:
    return g.Mt19937Stream(seed), torch.Generator().manual_seed(seed)


CALLS = {
    "rand": (lambda s, n, d: g.uniform(s, n, d), lambda x, t: x.uniform_(generator=t), (*FLOATS, *COMPLEXES)),
    "uniform": (
        lambda s, n, d: g.uniform(s, n, d, 0.1, 0.3),
        lambda x, t: x.uniform_(0.1, 0.3, generator=t),
        (*FLOATS, *COMPLEXES),
    ),
    "uniform wide": (
        lambda s, n, d: g.uniform(s, n, d, -1e-3, 6e4),
        lambda x, t: x.uniform_(-1e-3, 6e4, generator=t),
        FLOATS,
    ),
    "randn": (lambda s, n, d: g.normal(s, n, d), lambda x, t: x.normal_(generator=t), (*FLOATS, *COMPLEXES)),
    "normal": (
        lambda s, n, d: g.normal(s, n, d, 0.3, 1.7),
        lambda x, t: x.normal_(0.3, 1.7, generator=t),
        (*FLOATS, *COMPLEXES),
    ),
    "random": (
        lambda s, n, d: g.random_full(s, n, d),
        lambda x, t: x.random_(generator=t),
        ("bool", *INTEGERS, *FLOATS),
    ),
    "random to": (
        lambda s, n, d: g.random_range(s, n, d, 0, 100),
        lambda x, t: x.random_(100, generator=t),
        (*INTEGERS, *FLOATS),
    ),
    "random from": (
        lambda s, n, d: g.random_range(s, n, d, 1, None),
        lambda x, t: x.random_(1, None, generator=t),
        ("bool", *INTEGERS, *FLOATS),
    ),
    "random 32": (
        lambda s, n, d: g.random_range(s, n, d, -5, 2**28 - 6),
        lambda x, t: x.random_(-5, 2**28 - 6, generator=t),
        ("int32", "int64", "float64"),
    ),
    "random 64": (
        lambda s, n, d: g.random_range(s, n, d, -5, 2**28 - 5),
        lambda x, t: x.random_(-5, 2**28 - 5, generator=t),
        ("int32", "int64", "float64"),
    ),
    "random all": (
        lambda s, n, d: g.random_range(s, n, d, LONG_MIN, None),
        lambda x, t: x.random_(LONG_MIN, None, generator=t),
        ("int64", "float64", "float32", "bfloat16"),
    ),
    "bernoulli": (
        lambda s, n, d: g.bernoulli(s, n, d, 0.3),
        lambda x, t: x.bernoulli_(0.3, generator=t),
        ("bool", *INTEGERS, *FLOATS),
    ),
    "exponential": (
        lambda s, n, d: g.exponential(s, n, d, 0.7),
        lambda x, t: x.exponential_(0.7, generator=t),
        FLOATS,
    ),
    "geometric": (
        lambda s, n, d: g.geometric(s, n, d, 0.02),
        lambda x, t: x.geometric_(0.02, generator=t),
        (*INTEGERS, *FLOATS),
    ),
    "cauchy": (
        lambda s, n, d: g.cauchy(s, n, d, 0.3, 1.7),
        lambda x, t: x.cauchy_(0.3, 1.7, generator=t),
        FLOATS,
    ),
    "log_normal": (
        lambda s, n, d: g.log_normal(s, n, d, 0.3, 1.7),
        lambda x, t: x.log_normal_(0.3, 1.7, generator=t),
        FLOATS,
    ),
}
CASES = [(name, dtype) for name, (_, _, dtypes) in CALLS.items() for dtype in dtypes]


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_values_and_state_after_every_size(name: str, dtype: str) -> None:
    ours, theirs, _ = CALLS[name]
    for n in (*SIZES, 5000):
        stream, torch_generator = both(n + 7)
        for _ in range(2):
            check(ours(stream, n, dtype), theirs(tensor(dtype, n), torch_generator))
            assert stream.get_state().tobytes() == raw_bytes(torch_generator.get_state())


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(LONG_MIN, 2**64 - 1),
    calls=st.lists(st.tuples(st.sampled_from(CASES), st.integers(0, 40)), max_size=8),
)
def test_mixed_calls_share_one_stream(seed: int, calls: list[tuple[tuple[str, str], int]]) -> None:
    stream, torch_generator = both(seed)
    for (name, dtype), n in calls:
        ours, theirs, _ = CALLS[name]
        check(ours(stream, n, dtype), theirs(tensor(dtype, n), torch_generator))
    assert stream.get_state().tobytes() == raw_bytes(torch_generator.get_state())


def test_cached_normal_survives_what_does_not_read_it() -> None:
    stream, torch_generator = both(3)
    check(g.normal(stream, 1, "float32"), torch.randn(1, generator=torch_generator))
    assert stream.cached_normal is not None
    for n, dtype in ((16, "float32"), (17, "float64"), (3, "float16")):
        g.uniform(stream, n, dtype)
        torch.rand(n, generator=torch_generator, dtype=getattr(torch, dtype))
    check(g.normal(stream, 16, "float32"), torch.randn(16, generator=torch_generator))
    check(g.normal(stream, 1, "float64"), torch.randn(1, generator=torch_generator, dtype=torch.float64))
    assert stream.cached_normal is None


def test_public_functions_draw_what_the_module_says() -> None:
    def torch_and_engine(draw, ours) -> None:
        torch.manual_seed(11)
        check(ours(g.Mt19937Stream(11)), draw())

    torch_and_engine(lambda: torch.rand(20), lambda s: g.uniform(s, 20, "float32"))
    torch_and_engine(lambda: torch.randn(20), lambda s: g.normal(s, 20, "float32"))
    torch_and_engine(lambda: torch.randint(-3, 9, (20,)), lambda s: g.random_range(s, 20, "int64", -3, 9))
    torch_and_engine(
        lambda: torch.randint_like(torch.ones(20), 9), lambda s: g.random_range(s, 20, "float32", 0, 9)
    )
    torch_and_engine(lambda: torch.normal(2.0, 3.0, (20,)), lambda s: g.normal(s, 20, "float32", 2.0, 3.0))
    mean = torch.linspace(-1, 1, 20)
    torch_and_engine(
        lambda: torch.normal(mean, 3.0), lambda s: g.normal(s, 20, "float32", 0.0, 3.0) + mean.numpy()
    )
    torch_and_engine(
        lambda: torch.normal(mean, mean.abs()),
        lambda s: g.normal(s, 20, "float32") * mean.abs().numpy() + mean.numpy(),
    )
    torch_and_engine(
        lambda: torch.nn.functional.dropout(mean, 0.3),
        lambda s: mean.numpy() * (g.bernoulli(s, 20, "float32", 0.7) / np.float32(0.7)),
    )


@settings(max_examples=60, deadline=None)
@given(
    dtype=st.sampled_from((*INTEGERS, *FLOATS)),
    low=st.one_of(st.integers(-300, 300), st.integers(LONG_MIN, 2**63 - 2)),
    high=st.one_of(st.none(), st.integers(-300, 70000), st.integers(LONG_MIN, 2**63 - 1)),
)
def test_bounds_of_random_integers(dtype: str, low: int, high: int | None) -> None:
    stream, torch_generator = both(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same(
            lambda: g.random_range(stream, 9, dtype, low, high),
            lambda: tensor(dtype, 9).random_(low, high, generator=torch_generator),
        )


def test_bounds_that_a_float_holds_with_gaps_warn() -> None:
    with pytest.warns(UserWarning, match="to - 1 is out of bounds"):
        g.random_range(g.Mt19937Stream(1), 3, "float32", 0, 2**25)


@settings(max_examples=60, deadline=None)
@given(
    dtype=st.sampled_from(FLOATS),
    low=st.floats(allow_nan=False, width=32),
    high=st.floats(allow_nan=False, width=32),
)
def test_bounds_of_uniform(dtype: str, low: float, high: float) -> None:
    stream, torch_generator = both(1)
    same(
        lambda: g.uniform(stream, 40, dtype, low, high),
        lambda: tensor(dtype, 40).uniform_(low, high, generator=torch_generator),
    )


def same(ours, theirs) -> None:
    """Equal values, or the same exception with the same text."""
    try:
        should_be = theirs()
    except Exception as error:
        text = str(error).split("\nException raised")[0]
        with pytest.raises(type(error)) as caught:
            ours()
        assert str(caught.value) == text
    else:
        check(ours(), should_be)


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS, "bool", "complex64"])
def test_randperm(dtype: str) -> None:
    for n in (-1, 0, 1, 2, 15, 100, 128, 129, 256, 257, 2049, 2050, 40000):
        stream, torch_generator = both(n + 5)
        same(
            lambda n=n, stream=stream: g.randperm(stream, n, dtype),
            lambda n=n, t=torch_generator: torch.randperm(n, dtype=getattr(torch, dtype), generator=t),
        )
        assert stream.get_state().tobytes() == raw_bytes(torch_generator.get_state())


@pytest.mark.parametrize("p_dtype", FLOATS)
@pytest.mark.parametrize("dtype", ["bool", "int32", *FLOATS])
def test_bernoulli_of_a_tensor(p_dtype: str, dtype: str) -> None:
    p = torch.linspace(0, 1, 1000).to(getattr(torch, p_dtype))
    stream, torch_generator = both(5)
    p_array = p.double().numpy().astype(g.NUMPY[p_dtype])
    check(
        g.bernoulli_tensor(stream, p_array, dtype),
        tensor(dtype, 1000).bernoulli_(p, generator=torch_generator),
    )


def test_bernoulli_stops_at_the_first_bad_probability() -> None:
    stream, torch_generator = both(5)
    p = torch.tensor([0.5, 0.5, 1.5, 0.5])
    same(
        lambda: g.bernoulli_tensor(stream, p.numpy(), "float32"),
        lambda: torch.bernoulli(p, generator=torch_generator),
    )
    assert stream.get_state().tobytes() == raw_bytes(torch_generator.get_state())


@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_multinomial(dtype: str, replacement: bool) -> None:
    rows = torch.tensor([[0.1, 0.2, 3.0, 0.0, 1.7, 2.0], [1, 1, 1, 1, 1, 1]], dtype=getattr(torch, dtype))
    for seed in range(100):
        for weights, count in ((rows, 4), (rows[0], 5), (rows[1], 1)):
            stream, torch_generator = both(seed)
            should_be = torch.multinomial(weights, count, replacement, generator=torch_generator)
            got = g.multinomial(stream, weights.numpy(), count, replacement)
            assert got.shape == should_be.shape
            check(got, should_be)
            assert stream.get_state().tobytes() == raw_bytes(torch_generator.get_state())


BAD_WEIGHTS = [
    [1.0, -1.0],
    [0.0, 0.0],
    [1.0, float("nan")],
    [1.0, float("inf")],
    [[1.0, 2.0], [0.0, 0.0]],
    [[1.0, 2.0], [1.0, -1.0]],
    [[[1.0]]],
    1.0,
    [],
    [[], []],
    [1, 2],
    [1j, 2],
]


@pytest.mark.parametrize("weights", BAD_WEIGHTS, ids=str)
@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_multinomial_refuses(weights: list, replacement: bool, count: int) -> None:
    stream, torch_generator = both(2)
    operand = torch.tensor(weights)
    same(
        lambda: g.multinomial(stream, operand.numpy(), count, replacement),
        lambda: torch.multinomial(operand, count, replacement, generator=torch_generator),
    )
    assert stream.get_state().tobytes() == raw_bytes(torch_generator.get_state())


NAN, INF = float("nan"), float("inf")
BAD_PARAMETERS: dict[str, list[tuple[float, ...]]] = {
    "normal": [(0, -1), (0, NAN), (NAN, 1), (0, INF)],
    "uniform": [(2, 1), (NAN, 1), (0, INF), (-3e38, 3e38)],
    "bernoulli": [(1.5,), (NAN,), (0,), (1,)],
    "exponential": [(-1,), (0,), (NAN,), (INF,), (1e-320,)],
    "geometric": [(0,), (1,), (NAN,), (0.5,)],
    "cauchy": [(0, -1), (0, NAN), (INF, 1)],
    "log_normal": [(0, 0), (0, NAN), (1000, 1)],
}


@pytest.mark.parametrize("dtype", ["bool", "int8", "int64", *FLOATS, *COMPLEXES])
@pytest.mark.parametrize("name", BAD_PARAMETERS)
def test_parameters_and_dtypes_that_torch_refuses(name: str, dtype: str) -> None:
    for parameters in BAD_PARAMETERS[name]:
        for n in (0, 3):
            stream, torch_generator = both(2)
            same(
                lambda n=n, p=parameters, s=stream: getattr(g, name)(s, n, dtype, *p),
                lambda n=n, p=parameters, t=torch_generator: getattr(tensor(dtype, n), name + "_")(
                    *p, generator=t
                ),
            )


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_fill_order(data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    x = torch.zeros([n * 2 for n in shape])
    for dim, n in enumerate(shape):
        step = data.draw(st.sampled_from([1, 2]))
        x = x.narrow(dim, 0, n * step)[(slice(None),) * dim + (slice(None, None, step),)]
    x = x.permute(data.draw(st.permutations(range(len(shape)))))
    draw = data.draw(st.sampled_from(["uniform", "normal", "bernoulli", "random"]))
    stream, torch_generator = both(9)
    getattr(x, draw + "_")(generator=torch_generator)
    n = x.numel()
    values = {
        "uniform": lambda: g.uniform(stream, n, "float32"),
        "normal": lambda: g.normal(stream, n, "float32", contiguous=x.is_contiguous()),
        "bernoulli": lambda: g.bernoulli(stream, n, "float32"),
        "random": lambda: g.random_full(stream, n, "float32"),
    }[draw]()
    check(g.arrange(values, x.shape, x.stride()), x)


@pytest.mark.parametrize(
    ("shape", "strides"),
    [((3, 2), (1, 1)), ((2, 3), (1, 1)), ((2, 3, 2), (1, 2, 1)), ((4, 3), (2, 1)), ((3, 1), (1, 9))],
)
def test_fill_order_of_overlapping_destinations(shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
    x = torch.zeros(20).as_strided(shape, strides)
    stream, torch_generator = both(9)
    x.uniform_(generator=torch_generator)
    expected = np.zeros(20, np.float32)
    view = np.lib.stride_tricks.as_strided(expected, shape, [4 * s for s in strides])
    order = g.fill_order(shape, strides)
    values = g.uniform(stream, x.numel(), "float32").reshape([shape[d] for d in order])
    for index in np.ndindex(*values.shape):  # one by one: where elements overlap the last write stays
        view.transpose(order)[index] = values[index]
    check(view.copy(), x)


def test_complex_destination_that_is_not_row_major() -> None:
    x = torch.zeros(3, 4, dtype=torch.complex64).t()
    stream, torch_generator = both(9)
    x.normal_(generator=torch_generator)
    check(g.arrange(g.normal(stream, 12, "complex64", contiguous=False), x.shape, x.stride()), x)


# --- seeds and states -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "seed", [0, 1, -1, LONG_MIN, 2**32 + 5, 2**63, 2**64 - 1, LONG_MIN - 1, 2**64, -(2**64)]
)
def test_seeds(seed: int) -> None:
    stream, torch_generator = g.Mt19937Stream(), torch.Generator()
    assert stream.initial_seed() == torch_generator.initial_seed() == g.DEFAULT_SEED
    try:
        torch_generator.manual_seed(seed)
    except ValueError as error:
        with pytest.raises(ValueError, match=str(error)):
            stream.manual_seed(seed)
    else:
        stream.manual_seed(seed)
    assert stream.initial_seed() == torch_generator.initial_seed()
    assert stream.get_state().tobytes() == raw_bytes(torch_generator.get_state())


@pytest.mark.parametrize("seed", [1.0, "3", True, None])
def test_generator_seeds_must_be_ints(seed: object) -> None:
    with pytest.raises(RuntimeError) as torch_error:
        torch.Generator().manual_seed(seed)
    with pytest.raises(RuntimeError) as engine_error:
        g.require_int_seed(seed)
    assert str(engine_error.value) == str(torch_error.value)


def test_seed_takes_a_new_seed() -> None:
    stream = g.Mt19937Stream()
    assert stream.seed() == stream.initial_seed() != g.DEFAULT_SEED


@pytest.mark.parametrize("drawn", [0, 1, 623, 624, 625])
@pytest.mark.parametrize("cached", [False, True])
def test_states_go_both_ways(drawn: int, cached: bool) -> None:
    stream, torch_generator = both(5)
    g.uniform(stream, drawn, "float32")
    torch.rand(drawn, generator=torch_generator)
    if cached:
        g.normal(stream, 1, "float32")
        torch.randn(1, generator=torch_generator)
    other, torch_other = both(6)
    other.set_state(torch_generator.get_state().numpy())
    torch_other.set_state(torch.from_numpy(stream.get_state().copy()))
    for copy in (other, stream.clone()):
        torch_copy = torch_other.clone_state()
        assert copy.initial_seed() == torch_copy.initial_seed() == 5
        assert copy.get_state().tobytes() == stream.get_state().tobytes() == raw_bytes(torch_copy.get_state())
        check(g.normal(copy, 3, "float64"), torch.randn(3, dtype=torch.float64, generator=torch_copy))


def test_states_that_are_none() -> None:
    for size in (5055, 5056):
        with pytest.raises(RuntimeError) as torch_error:
            torch.Generator().set_state(torch.zeros(size, dtype=torch.uint8))
        with pytest.raises(RuntimeError) as engine_error:
            g.Mt19937Stream().set_state(np.zeros(size, np.uint8))
        assert str(engine_error.value) == str(torch_error.value)
