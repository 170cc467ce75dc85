"""Section 2, rows 1, 3 and 6: arithmetic in every spelling, the pointwise family, type promotion.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/.
"""

import math

import pytest

from conformance.suite.expectations import dtype_name, fact, holds

# --- 2.1: spellings ---------------------------------------------------------------------------------------------------

XY = "x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])\ny = torch.tensor([[10.0, 20.0], [30.0, 40.0]])\n"
SUM = [[11.0, 22.0], [33.0, 44.0]]
Y = [[10.0, 20.0], [30.0, 40.0]]


@fact("2.1", "operator function method")
@pytest.mark.parametrize(
    "spelling", ["x + y", "torch.add(x, y)", "x.add(y)", "y.add(x)", "torch.add(input=x, other=y)"]
)
def test_spellings_that_make_a_new_tensor_agree_and_write_nothing(check, spelling):
    """2.1, generated/torch.add.html"""
    shown = check(f"{XY}z = {spelling}")
    holds(shown.z, SUM)
    holds(shown.x, [[1.0, 2.0], [3.0, 4.0]])
    holds(shown.y, Y)
    assert shown.z is not shown.x
    assert shown.z is not shown.y
    assert (shown.x._version, shown.y._version) == (0, 0)


@fact("2.1", "add_ iadd")
@pytest.mark.parametrize("spelling", ["y.add_(x)", "y += x"])
def test_in_place_spellings_write_their_own_memory(check, spelling):
    """2.1, generated/torch.Tensor.add_.html"""
    shown = check(f"{XY}before = y\nseen = y.view(4)\n{spelling}")
    assert shown.y is shown.before
    holds(shown.y, SUM)
    holds(shown.seen, [11.0, 22.0, 33.0, 44.0])
    holds(shown.x, [[1.0, 2.0], [3.0, 4.0]])
    assert shown.y._version == 1


@fact("2.1", "out=")
def test_out_writes_the_tensor_that_is_given_and_returns_it(check):
    """2.1, generated/torch.add.html"""
    shown = check(f"{XY}r = torch.zeros(2, 2)\nz = torch.add(x, y, out=r)")
    assert shown.z is shown.r
    holds(shown.r, SUM)
    holds(shown.y, Y)
    assert shown.r._version == 1


@fact("2.1", "out=")
def test_out_may_be_an_operand(check):
    """2.1, generated/torch.add.html"""
    shown = check(f"{XY}torch.add(x, y, out=y)")
    holds(shown.y, SUM)


@fact("2.1", "operator")
def test_an_assignment_of_a_sum_makes_a_new_object(check):
    """2.1, notes/broadcasting.html"""
    shown = check(f"{XY}before = y\ny = y + x")
    assert shown.y is not shown.before
    holds(shown.before, Y)


# --- 2.3: the pointwise family ----------------------------------------------------------------------------------------

A, B = "torch.tensor([-1.5, 0.0, 2.5])", "torch.tensor([2.0, 4.0, -1.0])"
UNIT = "torch.tensor([-1.0, 0.0, 0.5])"
POSITIVE = "torch.tensor([0.25, 1.0, 4.0])"
nan, inf = math.nan, math.inf

# name: operand, further arguments, result, allowed distance in ULP
POINTWISE = {
    "abs": (A, "", [1.5, 0.0, 2.5], 0),
    "add": (A, "b", [0.5, 4.0, 1.5], 0),
    "addcdiv": (A, "b, c", [-0.5, 2.0, 2.25], 0),
    "addcmul": (A, "b, c", [2.5, 8.0, -1.5], 0),
    "ceil": (A, "", [-1.0, 0.0, 3.0], 0),
    "floor": (A, "", [-2.0, 0.0, 2.0], 0),
    "round": (A, "", [-2.0, 0.0, 2.0], 0),  # halves go to the even neighbour
    "trunc": (A, "", [-1.0, 0.0, 2.0], 0),
    "frac": (A, "", [-0.5, 0.0, 0.5], 0),
    "clamp": (A, "-1.0, 1.0", [-1.0, 0.0, 1.0], 0),
    "exp": (UNIT, "", [math.exp(-1), 1.0, math.exp(0.5)], 4),
    "log": (POSITIVE, "", [math.log(0.25), 0.0, math.log(4)], 4),
    "pow": (A, "2", [2.25, 0.0, 6.25], 0),
    "sqrt": (POSITIVE, "", [0.5, 1.0, 2.0], 0),
    "rsqrt": (POSITIVE, "", [2.0, 1.0, 0.5], 0),
    "neg": (A, "", [1.5, -0.0, -2.5], 0),
    "reciprocal": (POSITIVE, "", [4.0, 1.0, 0.25], 0),
    "sigmoid": (UNIT, "", [1 / (1 + math.e), 0.5, 1 / (1 + math.exp(-0.5))], 4),
    "sign": (A, "", [-1.0, 0.0, 1.0], 0),
    "sin": (UNIT, "", [math.sin(-1), 0.0, math.sin(0.5)], 4),
    "cos": (UNIT, "", [math.cos(1), 1.0, math.cos(0.5)], 4),
    "tan": (UNIT, "", [math.tan(-1), 0.0, math.tan(0.5)], 4),
    "tanh": (UNIT, "", [math.tanh(-1), 0.0, math.tanh(0.5)], 4),
    "asin": (UNIT, "", [-math.pi / 2, 0.0, math.asin(0.5)], 4),
    "acos": (UNIT, "", [math.pi, math.pi / 2, math.acos(0.5)], 4),
    "atan": (UNIT, "", [-math.pi / 4, 0.0, math.atan(0.5)], 4),
    "fmod": (A, "2", [-1.5, 0.0, 0.5], 0),  # the sign of the dividend
    "remainder": (A, "2", [0.5, 0.0, 0.5], 0),  # the sign of the divisor
    "mul": (A, "b", [-3.0, 0.0, -2.5], 0),
    "div": (A, "b", [-0.75, 0.0, -2.5], 0),
    "sub": (A, "b", [-3.5, -4.0, 3.5], 0),
    "lerp": (A, "b, 0.5", [0.25, 2.0, 0.75], 0),
}


def operands(operand: str) -> str:
    return f"x = {operand}\nb = {B}\nc = torch.tensor([2.0, 2.0, 4.0])\n"


@fact("2.3", " ".join(POINTWISE))
@pytest.mark.parametrize("name", POINTWISE)
def test_pointwise_functions_have_these_values(check, name):
    """2.3, torch.html#pointwise-ops"""
    operand, arguments, values, ulp = POINTWISE[name]
    shown = check(operands(operand) + f"y = torch.{name}(x, {arguments})")
    holds(shown.y, values, ulp=ulp)


@fact("2.3", "in_place_and_out")
@pytest.mark.parametrize("name", POINTWISE)
def test_pointwise_functions_have_an_in_place_and_an_out_form_of_the_same_values(check, name):
    """2.3, torch.html#pointwise-ops"""
    operand, arguments, _, _ = POINTWISE[name]
    shown = check(
        operands(operand)
        + f"y = torch.{name}(x, {arguments})\n"
        + f"r = torch.zeros(3)\ntorch.{name}(x, {arguments + ', ' if arguments else ''}out=r)\n"
        + f"v = x.view(3)\nz = x.{name}_({arguments})\n"
    )
    assert shown.z is shown.x
    assert shown.y.tolist() == shown.r.tolist() == shown.x.tolist() == shown.v.tolist()


@fact("2.3", "mod")
def test_the_modulo_operator_is_remainder(check):
    """2.3, generated/torch.remainder.html"""
    shown = check("x = torch.tensor([-7, 7]) % 4\ny = torch.tensor([7.5, -7.5]) % -2")
    holds(shown.x, [1, 3], "int64")
    holds(shown.y, [-0.5, -1.5])


@fact("2.3", "special_values")
def test_pointwise_functions_at_the_edges(check):
    """2.3, torch.html#pointwise-ops"""
    shown = check("""
        root = torch.sqrt(torch.tensor([-1.0, -0.0, inf]))
        low = torch.log(torch.tensor([0.0, -1.0]))
        one = torch.reciprocal(torch.tensor([0.0, -0.0, inf]))
        both = torch.clamp(torch.tensor([nan, 5.0]), 0.0, 1.0)
        kind = torch.sign(torch.tensor([nan, -0.0, -inf]))
        """)
    holds(shown.root, [nan, -0.0, inf])
    holds(shown.low, [-inf, nan])
    holds(shown.one, [inf, -inf, 0.0])
    holds(shown.both, [nan, 1.0])
    holds(shown.kind, [0.0, 0.0, -1.0])


@fact("2.3", "addcdiv_positional")
@pytest.mark.parametrize("call", ["torch.addcdiv(t, 2, a, b)", "t.addcdiv(2, a, b)", "t.addcdiv_(2, a, b)"])
def test_positional_addcdiv_with_a_value_still_works_and_warns(check, call):
    """2.3, generated/torch.addcdiv.html"""
    shown = check(f"""
        t = torch.tensor([1.0, 1.0])
        a = torch.tensor([1.0, 6.0])
        b = torch.tensor([4.0, 3.0])
        r = {call}
        """)
    holds(shown.r, [1.5, 5.0])
    assert shown.warned == ["UserWarning"]


@fact("2.3", "addcdiv_positional")
def test_the_warning_says_that_the_overload_is_deprecated(torch):
    """2.3, generated/torch.addcdiv.html"""
    one = torch.ones(2)
    with pytest.warns(UserWarning, match="This overload of addcdiv is deprecated"):
        torch.addcdiv(one, 2, one, one)
    assert torch.addcdiv(one, one, one, value=2).tolist() == [3.0, 3.0]


# --- 2.6: promotion ---------------------------------------------------------------------------------------------------

PROMOTIONS = [
    # category order: bool < integer < floating < complex
    ("torch.ones(2, dtype=torch.bool) + torch.ones(2, dtype=torch.uint8)", "uint8"),
    ("torch.ones(2, dtype=torch.int64) * torch.ones(2, dtype=torch.float16)", "float16"),
    ("torch.ones(2, dtype=torch.float64) + torch.ones(2, dtype=torch.complex64)", "complex128"),
    ("torch.ones(2, dtype=torch.uint8) + torch.ones(2, dtype=torch.int8)", "int16"),
    ("torch.ones(2, dtype=torch.float16) + torch.ones(2, dtype=torch.bfloat16)", "float32"),
    # a dimensioned tensor outranks a 0-d one within a category, and only there
    ("torch.ones(2, dtype=torch.int8) + torch.tensor(1, dtype=torch.int64)", "int8"),
    ("torch.ones(2, dtype=torch.float16) + torch.tensor(1.0, dtype=torch.float64)", "float16"),
    ("torch.ones(2, dtype=torch.int8) + torch.tensor(1.0, dtype=torch.float64)", "float64"),
    ("torch.tensor(1, dtype=torch.int8) + torch.tensor(1, dtype=torch.int64)", "int64"),
    # a 0-d tensor outranks a Python number
    ("torch.tensor(1, dtype=torch.int8) + 1", "int8"),
    ("torch.tensor(1.0, dtype=torch.float16) * 2.5", "float16"),
    ("torch.tensor(1, dtype=torch.int8) + 1.5", "float32"),
    ("torch.ones(2, dtype=torch.bool) + 1", "int64"),
    ("torch.ones(2, dtype=torch.int32) + True", "int32"),
    ("torch.ones(2, dtype=torch.float32) + 1j", "complex64"),
    ("torch.ones(2, dtype=torch.float64) + 1j", "complex128"),
]


@fact("2.6", "categories dimensioned zero_dim python_number")
@pytest.mark.parametrize(("expression", "dtype"), PROMOTIONS)
def test_promotion_ranks_dimensioned_then_0d_then_python_numbers_within_a_category(check, expression, dtype):
    """2.6, tensor_attributes.html#torch.dtype"""
    assert dtype_name(check(f"x = {expression}").x.dtype) == dtype


CATEGORIES = (
    ("bool",),
    ("uint8", "int8", "int16", "int32", "int64"),
    ("float16", "bfloat16", "float32", "float64"),
    ("complex64", "complex128"),
)
RANK = {name: rank for rank, names in enumerate(CATEGORIES) for name in names}


@fact("2.6", "categories")
def test_promote_types_gives_the_higher_category_of_the_two(torch):
    """2.6, generated/torch.promote_types.html"""
    for a in RANK:
        for b in RANK:
            promoted = dtype_name(torch.promote_types(getattr(torch, a), getattr(torch, b)))
            assert RANK[promoted] == max(RANK[a], RANK[b])
            assert a != b or promoted == a


@fact("2.6", "true_division")
def test_integer_true_division_gives_the_default_dtype(check):
    """2.6, generated/torch.div.html"""
    shown = check("""
        x = torch.tensor([1, 2, 3])
        y = x / 2
        z = x / x
        b = torch.tensor([True]) / torch.tensor([True])
        torch.set_default_dtype(torch.float64)
        w = x / 2
        """)
    holds(shown.y, [0.5, 1.0, 1.5])
    holds(shown.z, [1.0, 1.0, 1.0])
    holds(shown.b, [1.0])
    holds(shown.w, [0.5, 1.0, 1.5], "float64")


@fact("2.6", "in_place_keeps_dtype")
def test_an_in_place_form_keeps_its_dtype_and_refuses_a_higher_category(check):
    """2.6, tensor_attributes.html#torch.dtype"""
    shown = check("""
        x = torch.ones(2, dtype=torch.int32)
        x += torch.ones(2, dtype=torch.int64)
        x += 1.5
        """)
    holds(shown.x, [2, 2], "int32")
    assert shown.errors == [
        ("RuntimeError", "result type Float can't be cast to the desired output type Int")
    ]
