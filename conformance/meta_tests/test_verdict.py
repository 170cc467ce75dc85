"""Verdicts: what rounding may do is no difference, and what it may not is one, with the side that is off."""

import itertools
from types import SimpleNamespace

import pytest
import torch

from conformance import listing
from conformance.backends import Backend, resolve
from conformance.campaign import Tally
from conformance.capabilities import Capabilities
from conformance.meta_tests.faulty_torch import candidate
from conformance.meta_tests.planted_faults import FAULTS
from conformance.session import NONDETERMINISTIC, Session
from conformance.wider import _original, widened
from engine import precision
from strategies.program import parse

TORCH = resolve("torch-cpu")
ENGINE = resolve("engine")
BOTH = pytest.mark.parametrize("follow", [True, False], ids=["following", "free"])
EPS = 2.0**-23


def verdict(text, other, reference=TORCH, **options):
    (found,) = Session(reference, [other], **options).examine(parse(text.strip())).verdicts
    return found


def shown(text, other, **options):
    return [(item.aspect, item.tier, item.name) for item in verdict(text, other, **options).discrepancies]


def off_by(ulps, *dtypes):
    """`exp` off by so many ULP in the given dtypes, else in all."""

    def exp(x):
        y = torch.exp(x)
        return y * (1 + ulps * torch.finfo(x.dtype).eps) if not dtypes or x.dtype in dtypes else y

    return exp


def as_reference(**replaced):
    return Backend(
        "faulty", candidate("faulty", **replaced).namespace, capabilities=Capabilities(addressable=True)
    )


EXP = "x = torch.tensor([0.25, -1.75, 3.0])\ny = torch.exp(x)"

# --- Faults are found, with the side ----------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_eight_ulps_in_exp_are_found(dtype, follow):
    text = f"x = torch.tensor([0.25, -1.75, 3.0], dtype=torch.{dtype})\ny = torch.exp(x)\nz = y * 2"
    found = verdict(text, candidate("faulty", exp=off_by(8)), follow=follow).discrepancies
    assert [(item.aspect, item.tier, item.name, item.side) for item in found] == [
        ("values", "documented", "y", "candidate")
    ]
    number = found[0].numeric
    assert 7 < number.candidate_ulp < 17
    assert number.reference_ulp < 1
    assert number.spread_ulp < 2
    assert number.runs == 72


@BOTH
@pytest.mark.parametrize("mode", ["", ", fast_mode=True"], ids=["whole", "fast"])
def test_a_check_of_gradients_that_is_wrong_is_found(mode, follow):
    text = f"""
x = torch.tensor([0.5, 1.5], dtype=torch.float64, requires_grad=True)
y = torch.autograd.gradcheck(lambda u: u.exp() * u.sum(), (x,){mode})
"""
    other = candidate("faulty", autograd=SimpleNamespace(gradcheck=lambda *args, **kwargs: False))
    assert shown(text, other, follow=follow) == [("values", "documented", "y")]


def test_one_ulp_is_none():
    assert shown(EXP, candidate("faulty", exp=off_by(1))) == []


@BOTH
def test_a_fault_of_the_reference_in_one_format_is_the_references(follow):
    for other in (TORCH, ENGINE):
        (found,) = verdict(
            EXP, other, as_reference(exp=off_by(8, torch.float32)), follow=follow
        ).discrepancies
        assert (found.aspect, found.tier, found.side) == ("reference values", "reference", "reference")


@BOTH
def test_what_the_reference_draws_is_the_same_in_wider_dtypes(follow):
    text = "x = torch.rand(3)\nz = torch.zeros(3).uniform_()\ny = torch.exp(x + z)"
    reference = as_reference(exp=off_by(8, torch.float32))
    (found,) = verdict(text, TORCH, reference, follow=follow).discrepancies
    assert (found.aspect, found.side) == ("reference values", "reference")


def test_a_fault_of_the_references_formula_leaves_the_side_open():
    reference = as_reference(exp=lambda x: torch.exp(x) * (1 + 8 * EPS))
    (found,) = verdict(EXP, TORCH, reference).discrepancies
    assert (found.aspect, found.tier, found.side) == ("values", "documented", "open")


def test_a_fault_of_the_engines_own_formula_is_not_put_down_to_the_reference():
    import engine

    text = "x = torch.tensor([0.25, -1.75], requires_grad=True)\ny = torch.exp(x)\ny.sum().backward()"
    with FAULTS["wrong_derivative"].planted(engine):  # in the wide and perturbed runs, too
        (found,) = verdict(text, ENGINE).discrepancies
    assert (found.aspect, found.tier, found.side) == ("grad.values", "documented", "open")


DOUBLE = "x = torch.tensor([0.25, -1.75, 3.0], dtype=torch.float64)\ny = torch.exp(x)"


@BOTH
def test_the_side_of_float64_is_known_where_the_reference_has_the_digits_of_float32(follow):
    for ulps, other, side in ((8, TORCH, "reference"), (8, candidate("faulty", exp=off_by(-9)), "both")):
        (found,) = verdict(DOUBLE, other, as_reference(exp=off_by(ulps)), follow=follow).discrepancies
        assert (found.aspect, found.tier, found.side) == ("values", "documented", side)


def test_another_formula_of_float64_leaves_the_side_open():
    reference = as_reference(exp=lambda x: torch.exp(x) * (1 + 8 * EPS))
    (found,) = verdict(DOUBLE, TORCH, reference).discrepancies
    assert (found.aspect, found.tier, found.side) == ("values", "documented", "open")


def test_what_is_the_references_alone_is_counted_and_no_difference():
    tally = Tally()
    tally.add({"reference": 3}, [{"candidate": "c", "fingerprint": "f", "tier": "reference", "ledger": None}])
    assert (tally.differences, tally.distinct) == (0, {"reference": 1})
    assert listing.counts(tally).split(", ")[:3] == [
        "0 differences of the documented tier",
        "0 known by the ledger",
        "1 of the reference alone (3 times)",
    ]


def test_faults_of_both():
    reference = as_reference(exp=off_by(-9, torch.float32))
    (found,) = verdict(EXP, candidate("faulty", exp=off_by(9)), reference).discrepancies
    assert (found.aspect, found.tier, found.side) == ("values", "documented", "both")


def test_a_fault_in_a_derivative_is_found():
    def exp(x):
        y = torch.exp(x)
        y.register_hook(lambda grad: grad * (1 + 9 * EPS))
        return y

    text = "x = torch.tensor([0.25, -1.75], requires_grad=True)\ny = torch.exp(x)\ny.sum().backward()"
    found = verdict(text, candidate("faulty", exp=exp)).discrepancies
    (values,) = (item for item in found if item.aspect == "grad.values")
    assert (values.name, values.side) == ("x.grad", "candidate")


def test_exact_operations_are_never_excused():
    text = "x = torch.tensor([0.1, 3.0])\ny = torch.mul(x, 0.3)"
    (found,) = verdict(text, candidate("faulty", mul=lambda x, y: (x * y) * (1 + EPS))).discrepancies
    assert (found.aspect, found.side) == ("values", "candidate")


class Linalg:
    """`inv` off by a factor in the last matrix of a batch, or in the last row."""

    def __init__(self, factor):
        self.factor = factor

    def __getattr__(self, name):
        return getattr(torch.linalg, name)

    def inv(self, x):
        y = torch.linalg.inv(x).clone()
        y[-1] *= self.factor
        return y


@pytest.mark.parametrize(
    "text",
    [
        "x = torch.tensor([[[2e6, 1e6], [1e6, 3e6]], [[2.0, 1.0], [1.0, 3.0]]])\ny = torch.linalg.inv(x)",
        "x = torch.tensor([1e9, 2.0, 1.0, 1.0, 3.0])[1:].view(2, 2)\ny = torch.linalg.inv(x)",
        "x = torch.tensor([[1e6, 0.0], [0.0, 1e-3]])\ny = torch.linalg.inv(x)",
    ],
    ids=["in a batch", "in a slice", "of another scale"],
)
def test_what_is_small_beside_something_large_is_as_accurate(text):
    (found,) = verdict(text, candidate("faulty", linalg=Linalg(1 + 1e-5))).discrepancies
    assert (found.aspect, found.side) == ("values", "candidate")
    assert verdict(text, ENGINE).discrepancies == ()


# --- Honest differences are none --------------------------------------------------------------------------------------

HONEST = {
    "sum": "torch.manual_seed(1)\nx = torch.randn(3000)\ny = x.sum()\nz = (x * 1000).cumsum(0)",
    "matmul": "torch.manual_seed(2)\nx = torch.randn(40, 60)\ny = x @ x.t()\nz = y @ y\nw = torch.linalg.inv(z[:5, :5])",
    "softmax": "torch.manual_seed(3)\nx = torch.randn(7, 50) * 20\ny = torch.softmax(x, 1)\nz = torch.logsumexp(x, 0)",
    "var": "torch.manual_seed(4)\nx = torch.randn(9, 100) + 1000\ny = x.var(0)\nz = x.std()",
    "backward": "torch.manual_seed(5)\nx = torch.randn(20, 20, requires_grad=True)\n"
    "y = torch.tanh(x @ x) / torch.norm(x)\ny.var().backward()\nz = x.grad * 2",
    "half": "torch.manual_seed(6)\nx = torch.randn(50, 50).half()\ny = (x @ x).sum(0)\nz = torch.softmax(y, 0).bfloat16()",
    "complex": "torch.manual_seed(7)\nx = torch.randn(30, 30, dtype=torch.complex64)\ny = (x @ x).prod(1)\n"
    "z = torch.exp(y / 1e9)",
    "long sums": "torch.manual_seed(8)\nx = torch.rand(1100, 2)\ny = x.t() @ x\nz = torch.norm(x, 0.5)\nw = x.double().var()\n"
    "v = torch.full((60,), 0.3).norm(0.5)",
    "one operand twice": "x = torch.tensor([[16777217.0]], dtype=torch.float64)\ny = torch.igamma(x, x)\n"
    "z = torch.linspace(-2, 2, 301)\nw = torch.logaddexp2(z, z)",
    "matrix exponential": "torch.manual_seed(42)\na = torch.randn((3, 3), dtype=torch.float64, requires_grad=True)\n"
    "y = torch.matrix_exp(a)\ny.backward(y * 20)",
}


@BOTH
@pytest.mark.parametrize("name", HONEST)
def test_honest_rounding_is_no_difference(name, follow):
    assert shown(HONEST[name], ENGINE, follow=follow, incidental=False) == []


@BOTH
def test_catastrophic_cancellation_is_no_difference(follow):
    text = "x = torch.tensor([1e8, 1.25, -1e8, 0.1, 3e7, -3e7])\ny = torch.sum(x)\nz = y * 3"
    backwards = candidate("backwards", sum=lambda x: torch.cumsum(x.flip(0), 0)[-1].clone())
    assert shown(text, backwards, follow=follow) == []


# --- Discrete facts ---------------------------------------------------------------------------------------------------


def second_is_larger(x):
    y = torch.exp(x).clone()
    y.view(-1)[1] *= 1 + EPS
    return y


TIED = candidate("tied", exp=second_is_larger)


def test_a_series_is_off_where_its_value_is_a_short_number():
    text = "x = torch.zeros(1)\ny = torch.i0(x)\nz = torch.div(y, 1, rounding_mode='trunc')"
    assert shown(text, ENGINE, follow=False) == []


def test_the_sign_of_nan_is_nowhere_compared():
    text = "x = torch.tensor([inf], dtype=torch.bfloat16)\ny = x / x\nz = torch.signbit(y)\nw = torch.copysign(x, y)"
    assert shown(text, ENGINE, follow=False) == []


def test_incomplete_gamma_functions_of_negative_numbers_take_no_time():
    text = "a = torch.tensor([0.66, -0.45, -1.5], dtype=torch.float64)\ny = torch.igamma(a, a)"
    other = candidate("faulty", igamma=lambda a, x: torch.igamma(a, x) * (1 + 1e-6))
    assert shown(text, other) == [("values", "documented", "y")]


def test_an_index_that_rounding_decides_is_undecided():
    text = "x = torch.tensor([1.5, 1.5])\ni = torch.exp(x).argmax()\nz = x * 2"
    found = verdict(text, TIED)
    assert (found.discrepancies, found.undecided) == ((), 1)


def test_an_index_of_the_same_operands_is_not():
    last = candidate("last", argmax=lambda x: x.flip(0).argmin() * 0 + len(x) - 1)
    for text in (
        "x = torch.tensor([2.0, 1.5])\ni = torch.argmax(x)",
        "x = torch.tensor([2.0, 1.5])\ni = torch.argmax(torch.exp(x))",
    ):
        found = verdict(text, last)
        assert [item.aspect for item in found.discrepancies] == ["values"]
        assert found.undecided == 0


def test_what_follows_from_an_undecided_fact_is_not_compared_where_nothing_is_followed():
    text = "x = torch.tensor([1.5, 1.5])\ny = torch.exp(x)\ni = y.argmax()\nz = torch.arange(5)[i]\nw = z + 1"
    found = verdict(text, TIED, follow=False)
    assert (found.discrepancies, found.undecided) == ((), 1)
    assert verdict(text, TIED).undecided == 0  # the candidate took the reference's y


def test_a_shape_that_rounding_decides_is_undecided():
    text = "x = torch.tensor([1.5, 1.5])\ny = torch.nonzero(torch.exp(x) > 4.4816890703)\nz = y + 1"
    found = verdict(text, TIED)
    assert found.discrepancies == ()
    assert found.undecided >= 1


@pytest.mark.parametrize("call", ["linalg.inv(h)", "linalg.solve(h, i)", "slogdet(h)[1]"])
@pytest.mark.parametrize(
    ("dtype", "size"), [("float32", 30), ("float32", 7), ("complex64", 9), ("float64", 30)]
)
def test_what_a_matrix_that_may_as_well_be_singular_gives_is_undecided(call, dtype, size):
    text = f"i = torch.arange(1.0, {size + 1}.0, dtype=torch.float64)\nh = (1 / (i[:, None] + i - 1)).to(torch.{dtype})\n"
    text += f"i = i.to(torch.{dtype})\ny = torch.{call}"
    for other in (candidate("seven", linalg=Linalg(7)), ENGINE):
        assert shown(text, other, incidental=False) == []


class Careless(Linalg):
    """`inv` that notices no singular matrix."""

    def inv(self, x):
        return torch.ones_like(x)


def test_that_a_matrix_is_singular_is_undecided_where_elimination_rounds():
    careless = candidate("careless", linalg=Careless(1))
    text = "x = torch.tensor([[3.0, 1.0], [0.3, 0.1]])\ny = torch.linalg.inv({})"
    found = verdict(text.format("x[:, :1] @ x[:1]"), careless)
    assert (found.discrepancies, found.undecided > 0) == ((), True)
    for singular in ("torch.ones(2, 2)", "x * 0", "torch.tensor([[2.0, 3.0], [8.0, 12.0]])"):
        (found,) = verdict(text.format(singular), careless).discrepancies
        assert found.aspect == "not raised"


@pytest.mark.parametrize("call", ["cholesky", "linalg.cholesky"])
def test_that_a_matrix_is_positive_definite_is_undecided_where_roots_round(call):
    def blind(x):
        return torch.eye(2)

    blind = candidate("blind", cholesky=blind, linalg=type("Blind", (), {"cholesky": staticmethod(blind)})())
    text = f"x = torch.{{}}\ny = torch.{call}(x)"
    assert shown(text.format("full((2, 2), 0.3)"), blind, incidental=False) == []
    for matrix in ("ones(2, 2)", "zeros(2, 2)", "full((2, 2), -1.0)", "full((2, 2), 4.0)"):
        assert [aspect for aspect, _, _ in shown(text.format(matrix), blind, incidental=False)] == [
            "not raised"
        ]


def test_inverses_of_singular_values_that_are_noise_are_not_compared():
    text = "torch.manual_seed(81)\nx = torch.randn(5, 5, dtype=torch.complex64)\ny = torch.pinverse({})"
    faulty = candidate("faulty", pinverse=lambda x: torch.pinverse(x) * 0.5)
    assert shown(text.format("x[:, :1] @ x[:1]"), faulty) == []
    assert shown(text.format("x"), faulty) == [("values", "documented", "y")]


def test_what_a_regular_matrix_gives_is_not():
    text = "i = torch.arange(1.0, 5.0)\nh = 1 / (i[:, None] + i - 1)\ny = torch.linalg.inv(h)"
    (found,) = verdict(text, candidate("faulty", linalg=Linalg(1.1))).discrepancies
    assert (found.aspect, found.side) == ("values", "candidate")


def test_integers_on_the_memory_of_floats_show_what_rounding_did():
    text = "x = torch.tensor([0.25, 3.0])\ny = x.view(torch.int32)\ntorch.exp(x, out=x)"
    up = candidate("up", exp=lambda x, out: torch.exp(x, out=out).mul_(1 + EPS))
    found = verdict(text, up)
    assert ([item.aspect for item in found.discrepancies if item.aspect != "version"], found.undecided) == (
        [],
        1,
    )


# --- Overflow and underflow -------------------------------------------------------------------------------------------


def test_infinity_after_an_overflow_on_the_way_is_range():
    text = "x = torch.tensor([100.0, 1.0])\ny = torch.exp(x).mul(torch.exp(-x))"
    early = candidate("early", exp=lambda x: torch.exp(x.clamp(max=88)))
    assert shown(text, early) == [("range", "range", "y")]


def test_infinity_without_an_overflow_is_values():
    text = "x = torch.tensor([1000.0, 1.0])\ny = torch.softmax(x, 0)"
    naive = candidate("naive", softmax=lambda x, dim: torch.exp(x) / torch.exp(x).sum(dim))
    (found,) = verdict(text, naive).discrepancies
    assert (found.aspect, found.side) == ("values", "candidate")


# --- Where nothing is wider -------------------------------------------------------------------------------------------


def test_the_truth_is_nominal_where_the_engine_has_nothing_wider():
    text = "x = torch.tensor([[2.0, 1.0], [1.0, 3.0]], dtype=torch.float64)\ny = torch.linalg.inv(x)"

    faulty = candidate("faulty", linalg=Linalg(1 + 200 * 2.0**-52))
    (found,) = verdict(text, faulty).discrepancies
    assert (found.numeric.truth, found.side) == ("nominal", "candidate")


# --- The gate, the rewriting, the range flag --------------------------------------------------------------------------


def test_a_program_that_differs_from_itself_does_not_count():
    turn = itertools.count(1)
    drifting = as_reference(exp=lambda x: torch.exp(x) + next(turn))
    found = verdict(EXP, TORCH, drifting)
    assert (found.discrepancies, found.skipped) == ((), NONDETERMINISTIC)


def test_undefined_memory_is_not_nondeterminism():
    text = "e = torch.empty(64)\nx = torch.tensor([0.25])\ny = torch.exp(x)"
    assert shown(text, candidate("faulty", exp=off_by(8))) == [("values", "documented", "y")]


def test_programs_are_rewritten_in_wider_dtypes():
    text = "x = torch.zeros(2, dtype=torch.half).float()\ny = x.to(torch.complex64).type('torch.FloatTensor')"
    assert widened(text).splitlines() == [
        "torch.set_default_dtype(torch.float64)",
        "x = torch.zeros(2, dtype=torch.float64).double()",
        "y = x.to(torch.complex128).type('torch.DoubleTensor')",
    ]
    parse(widened(text))
    assert [_original(path) for path in ("1", "3.enter", "3#1.4")] == ["0", "2.enter", "2#1.3"]


def test_the_engine_tells_that_a_result_left_the_range():
    import engine

    for mode in (precision.wide(), precision.perturbed(0)):
        with mode:
            x = engine.tensor([3.0, 1e30])
            assert (x.sum().item() > 0, precision.left_range()) == (True, False)
            assert (torch.isinf(torch.tensor((x * x)[1].item())).item(), precision.left_range()) == (
                True,
                True,
            )
            assert not precision.left_range()
            engine.exp(engine.tensor([-100.0]))
            assert precision.left_range()
