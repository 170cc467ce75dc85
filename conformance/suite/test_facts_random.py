"""Section 1, row 4: the random stream of torch's CPU generator, as formulas over NumPy's MT19937 and as literals.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/. The pages promise that a seed gives
reproducible numbers, not which ones: those are measured on torch 2.13 for Linux x86.
"""

from pathlib import Path

import numpy as np
import pytest

from conformance.suite.expectations import fact, holds, release

pytestmark = pytest.mark.usefixtures("cpu_stream")


class Words:
    """The generator's raw words after `manual_seed(seed)`, from NumPy's implementation of the same algorithm."""

    def __init__(self, seed: int) -> None:
        self._source = np.random.MT19937()
        self._source._legacy_seeding(seed)

    def words(self, n: int) -> np.ndarray:
        """n words of 32 bits, as uint64."""
        return self._source.random_raw(n).astype(np.uint64)

    def pairs(self, n: int) -> np.ndarray:
        """n values of 64 bits, the high word first."""
        words = self.words(2 * n)
        return words[0::2] << np.uint64(32) | words[1::2]

    def uniform24(self, n: int) -> np.ndarray:
        return (self.words(n) & np.uint64(2**24 - 1)) / 2.0**24

    def uniform53(self, n: int) -> np.ndarray:
        return (self.pairs(n) & np.uint64(2**53 - 1)) / 2.0**53


def processor() -> str:
    """What Linux says about the processor; nothing elsewhere."""
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8") if path.is_file() else ""


@pytest.fixture
def scalar_stream(torch):
    """Skips on an Intel processor where scalar draws come from the stream of MKL and not from the generator."""
    torch.manual_seed(5)
    drawn = torch.zeros(64).bernoulli_(0.5).tolist()
    if drawn != (Words(5).uniform53(64) < 0.5).tolist() and "GenuineIntel" in processor():
        pytest.skip("scalar Bernoulli draws come from MKL's stream on this processor")


# --- seeds ------------------------------------------------------------------------------------------------------------

DRAWS = {
    "rand": "torch.rand(5)",
    "randn": "torch.randn(20)",
    "randn_scalar": "torch.randn(3)",
    "randint": "torch.randint(1000, (5,))",
    "normal": "torch.normal(torch.zeros(4), 2.0)",
    "randperm": "torch.randperm(9)",
    "uniform_": "torch.zeros(4).uniform_(-1, 1)",
    "normal_": "torch.zeros(4).normal_()",
    "random_": "torch.zeros(4).random_()",
    "bernoulli": "torch.bernoulli(torch.full((30,), 0.5))",
    "bernoulli_": "torch.zeros(30).bernoulli_(0.5)",
    "exponential_": "torch.zeros(4).exponential_()",
    "multinomial": "torch.multinomial(torch.ones(50), 10)",
    "rand_like": "torch.rand_like(torch.zeros(4))",
    "randn_like": "torch.randn_like(torch.zeros(4))",
    "randint_like": "torch.randint_like(torch.zeros(4), 1000)",
    "dropout": "torch.dropout(torch.ones(30), 0.5, True)",
}


@fact("1.4", "seed_reproduces")
@pytest.mark.parametrize("name", DRAWS)
def test_the_same_seed_gives_the_same_numbers_and_another_does_not(torch, name):
    """1.4, generated/torch.manual_seed.html, notes/randomness.html"""
    draws = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        draws.append(eval(DRAWS[name], {"torch": torch}).tolist())
    assert draws[0] == draws[1] != draws[2]


@fact("1.4", "seed_reproduces")
@pytest.mark.parametrize("name", DRAWS)
def test_draws_agree_with_the_reference(check, name):
    """1.4, notes/randomness.html"""
    check(f"""
        torch.manual_seed(11)
        x = {DRAWS[name]}
        y = torch.rand(2)
        """)


@fact("1.4", "seed_low_32_bits")
def test_a_seed_uses_its_low_32_bits(torch):
    """1.4, generated/torch.manual_seed.html"""
    draws = []
    for seed in (7, 2**32 + 7, 2**35 + 7):
        torch.manual_seed(seed)
        draws.append(torch.rand(3).tolist())
    assert draws[0] == draws[1] == draws[2] == Words(7).uniform24(3).tolist()


# --- uniform ----------------------------------------------------------------------------------------------------------


@fact("1.4", "rand_float32")
def test_float32_rand_is_the_low_24_bits_of_a_word(torch):
    """1.4, generated/torch.rand.html"""
    torch.manual_seed(0)
    x = torch.rand(700)
    holds(x[:4], [0.49625658988952637, 0.7682217955589294, 0.08847743272781372, 0.13203048706054688])
    assert x.tolist() == Words(0).uniform24(700).tolist()


@fact("1.4", "rand_half")
@pytest.mark.parametrize(
    ("dtype", "literal"),
    [
        ("float16", [0.496337890625, 0.76806640625, 0.0885009765625]),
        ("bfloat16", [0.49609375, 0.76953125, 0.08837890625]),
    ],
)
def test_float16_and_bfloat16_rand_round_the_float32_one(torch, dtype, literal):
    """1.4, generated/torch.rand.html"""
    kind = getattr(torch, dtype)
    torch.manual_seed(0)
    full = torch.rand(40)
    torch.manual_seed(0)
    x = torch.rand(40, dtype=kind)
    if release(torch) < (2, 12):  # then of as many low bits as the format holds
        bits = 2 ** {"float16": 11, "bfloat16": 8}[dtype]
        full = full * 2**24 % bits / bits
    else:
        holds(x[:3], literal, dtype)
    assert x.tolist() == full.to(kind).tolist()


@fact("1.4", "rand_float64")
def test_float64_rand_is_53_bits_of_two_words_high_word_first(torch):
    """1.4, generated/torch.rand.html"""
    torch.manual_seed(5)
    x = torch.rand(100, dtype=torch.float64).tolist()
    assert x == Words(5).uniform53(100).tolist()
    assert x[:2] == [0.6420150066280941, 0.2597579151763153]


# --- integers ---------------------------------------------------------------------------------------------------------


@fact("1.4", "randperm")
def test_randperm_swaps_each_place_with_a_later_one(torch):
    """1.4, generated/torch.randperm.html"""
    torch.manual_seed(7)
    x = torch.randperm(8)
    holds(x, [7, 0, 3, 4, 1, 5, 2, 6], "int64")
    wanted, words = list(range(8)), Words(7).words(8)
    for i in range(7):
        j = i + int(words[i]) % (8 - i)
        wanted[i], wanted[j] = wanted[j], wanted[i]
    assert x.tolist() == wanted


@fact("1.4", "randint_32")
@pytest.mark.parametrize("high", [1, 10, 2**28 - 1])
def test_randint_takes_one_word_below_a_range_of_2_to_the_28(torch, high):
    """1.4, generated/torch.randint.html"""
    torch.manual_seed(3)
    assert torch.randint(high, (20,)).tolist() == (Words(3).words(20) % np.uint64(high)).tolist()


@fact("1.4", "randint_32")
def test_randint_has_these_numbers(torch):
    """1.4, generated/torch.randint.html"""
    torch.manual_seed(7)
    torch.randperm(8)
    holds(torch.randint(10, (6,)), [9, 8, 1, 8, 1, 8], "int64")
    holds(torch.randint(-5, 5, (4,)), [2, -3, -5, 1], "int64")


@fact("1.4", "randint_64")
@pytest.mark.parametrize("high", [2**28, 2**40, 2**62 + 1])
def test_randint_takes_64_bits_from_a_range_of_2_to_the_28_on(torch, high):
    """1.4, generated/torch.randint.html"""
    torch.manual_seed(3)
    assert torch.randint(high, (20,)).tolist() == (Words(3).pairs(20) % np.uint64(high)).tolist()


# --- normal -----------------------------------------------------------------------------------------------------------


def box_muller_blocks(uniform: np.ndarray) -> np.ndarray:
    """Blocks of 16: the first 8 give the radius, the last 8 the angle; cosines come first."""
    radius, angle = np.moveaxis(uniform.reshape(-1, 2, 8), 1, 0)
    radius, angle = np.sqrt(-2 * np.log(1 - radius)), 2 * np.pi * angle
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)


@fact("1.4", "randn_blocks")
def test_randn_of_16_or_more_is_box_muller_over_blocks(torch):
    """1.4, generated/torch.randn.html"""
    torch.manual_seed(0)
    x = torch.randn(32).tolist()
    assert np.allclose(x, box_muller_blocks(Words(0).uniform24(32)), rtol=1e-5, atol=1e-6)
    torch.manual_seed(0)
    x = torch.randn(32, dtype=torch.float64).tolist()
    assert np.allclose(x, box_muller_blocks(Words(0).uniform53(32)), rtol=1e-13, atol=1e-14)


@fact("1.4", "randn_blocks randn_2_ulp")
def test_randn_of_16_has_these_numbers_to_2_ulp(torch):
    """1.4, generated/torch.randn.html"""
    torch.manual_seed(0)
    holds(torch.randn(16), RANDN16, ulp=2)


RANDN16 = [
    -1.1258398294448853, -1.152360200881958, -0.2505785822868347, -0.4338788092136383,
    0.8487103581428528, 0.6920091509819031, -0.31601276993751526, -2.1152193546295166,
    0.32227492332458496, -1.2633347511291504, 0.34998318552970886, 0.30813392996788025,
    0.11984150856733322, 1.237657904624939, 1.1167771816253662, -0.2472781538963318,
]  # fmt: skip


@fact("1.4", "randn_tail")
def test_randn_17_takes_33_draws_and_redraws_its_last_16(torch):
    """1.4, generated/torch.randn.html"""
    torch.manual_seed(0)
    x = torch.randn(17)
    following = torch.rand(1).item()
    holds(x[:3], [-1.1258398294448853, -1.6959311962127686, 0.5666506290435791], ulp=2)
    stream = Words(0)
    first, last = box_muller_blocks(stream.uniform24(17)[:16]), box_muller_blocks(stream.uniform24(16))
    assert np.allclose(x.tolist(), [first[0], *last], rtol=1e-5, atol=1e-6)
    assert following == stream.uniform24(1)[0]


def box_muller_scalar(stream: Words) -> tuple[float, float]:
    """The value that is returned and the one that is cached."""
    angle, radius = stream.uniform53(2)
    radius, angle = np.sqrt(-2 * np.log1p(-radius)), 2 * np.pi * angle
    return radius * np.cos(angle), radius * np.sin(angle)


@fact("1.4", "randn_scalar")
def test_randn_below_16_is_the_scalar_form_in_double_precision(torch):
    """1.4, generated/torch.randn.html"""
    torch.manual_seed(0)
    x = torch.randn(3)
    holds(x, [1.5409960746765137, -0.293428897857666, -2.1787893772125244], ulp=1)
    stream = Words(0)
    pairs = [*box_muller_scalar(stream), *box_muller_scalar(stream)]
    assert np.allclose(x.tolist(), pairs[:3], rtol=1e-7)
    torch.manual_seed(0)
    assert np.allclose(torch.randn(3, dtype=torch.float64).tolist(), pairs[:3], rtol=1e-14)


@fact("1.4", "randn_scalar")
def test_a_tensor_that_is_not_contiguous_takes_the_scalar_form(torch):
    """1.4, generated/torch.Tensor.normal_.html"""
    torch.manual_seed(0)
    x = torch.zeros(4, 8)[:, ::2].normal_()
    assert x.tolist()[0][:2] == [1.5409960746765137, -0.293428897857666]


@fact("1.4", "randn_cache")
@pytest.mark.parametrize("between", ["torch.rand(1)", "torch.randn(16)", "torch.randint(5, (3,))"])
def test_the_cached_second_value_survives_rand_and_block_randn(torch, between):
    """1.4, generated/torch.randn.html"""
    torch.manual_seed(0)
    first = torch.randn(1).item()
    eval(between, {"torch": torch})
    assert (first, torch.randn(1).item()) == (1.5409960746765137, -0.293428897857666)


# --- Bernoulli, exponential, multinomial ------------------------------------------------------------------------------


@fact("1.4", "bernoulli_tensor_24")
def test_bernoulli_with_a_tensor_takes_24_bits(torch):
    """1.4, generated/torch.bernoulli.html"""
    torch.manual_seed(0)
    x = torch.bernoulli(torch.full((60,), 0.5))
    assert x.tolist() == (Words(0).uniform24(60) < 0.5).tolist()
    assert x.tolist()[:8] == [1, 0, 1, 1, 1, 0, 1, 0]


@pytest.mark.usefixtures("scalar_stream")
@fact("1.4", "bernoulli_scalar_53")
def test_bernoulli_with_a_number_takes_53_bits(torch):
    """1.4, generated/torch.Tensor.bernoulli_.html"""
    torch.manual_seed(0)
    x = torch.zeros(60).bernoulli_(0.3)
    assert x.tolist() == (Words(0).uniform53(60) < 0.3).tolist()
    assert [i for i, drawn in enumerate(x.tolist()) if drawn] == [
        6, 9, 11, 17, 20, 22, 24, 29, 32, 33, 40, 41, 47, 51, 52, 58,
    ]  # fmt: skip


@pytest.mark.usefixtures("scalar_stream")
@fact("1.4", "dropout_53")
def test_dropout_takes_53_bits(torch):
    """1.4, generated/torch.nn.functional.dropout.html"""
    torch.manual_seed(0)
    x = torch.dropout(torch.ones(60), 0.75, True)
    assert x.tolist() == ((Words(0).uniform53(60) < 0.25) * 4.0).tolist()
    assert [i for i, kept in enumerate(x.tolist()) if kept] == [
        6, 11, 17, 20, 22, 24, 29, 32, 33, 41, 47, 52, 58,
    ]  # fmt: skip


@pytest.mark.usefixtures("scalar_stream")
@fact("1.4", "exponential_53")
def test_exponential_takes_53_bits(torch):
    """1.4, generated/torch.Tensor.exponential_.html"""
    torch.manual_seed(0)
    x = torch.zeros(3).exponential_()
    wanted = -np.log1p(-Words(0).uniform53(3))
    assert np.allclose(x.tolist(), wanted, rtol=1e-6)
    holds(x, [3.508326292037964, 1.2303847074508667, 0.615044116973877], ulp=4)


@pytest.mark.usefixtures("scalar_stream")
@fact("1.4", "multinomial_53")
def test_multinomial_takes_53_bits(torch):
    """1.4, generated/torch.multinomial.html"""
    torch.manual_seed(0)
    x = torch.multinomial(torch.tensor([1.0, 2.0, 3.0, 4.0]), 6, replacement=True)
    cumulative = np.cumsum([0.1, 0.2, 0.3, 0.4])
    assert x.tolist() == [int(np.searchsorted(cumulative, u)) for u in Words(0).uniform53(6)]
    torch.manual_seed(0)
    y = torch.multinomial(torch.tensor([1.0, 2.0, 3.0, 4.0]), 3)
    assert (x.tolist(), y.tolist()) == ([3, 3, 2, 3, 3, 3], [2, 1, 3])
    exponential = -np.log1p(-Words(0).uniform53(4))
    assert y.tolist() == np.argsort(-(np.array([1, 2, 3, 4]) / exponential))[:3].tolist()
