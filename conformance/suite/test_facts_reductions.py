"""Section 2, rows 4 and 5: comparisons, order and reductions.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/.
"""

import math

import pytest

from conformance.suite.expectations import dtype_name, fact, holds

nan, inf = math.nan, math.inf

# --- 2.4: comparison --------------------------------------------------------------------------------------------------

X, Y = "torch.tensor([1.0, 2.0, 3.0])", "torch.tensor([3.0, 2.0, 1.0])"
COMPARISONS = {
    "eq": ("==", [False, True, False], [False, True, False]),
    "ne": ("!=", [True, False, True], [True, False, True]),
    "lt": ("<", [True, False, False], [True, False, False]),
    "le": ("<=", [True, True, False], [True, True, False]),
    "gt": (">", [False, False, True], [False, False, True]),
    "ge": (">=", [False, True, True], [False, True, True]),
}


@fact("2.4", "eq ne lt le gt ge")
@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons_give_bool_in_every_spelling(check, name):
    """2.4, torch.html#comparison-ops"""
    sign, values, with_two = COMPARISONS[name]
    shown = check(f"""
        x = {X}
        y = {Y}
        a = torch.{name}(x, y)
        b = x.{name}(y)
        c = x {sign} y
        n = torch.{name}(x, 2)
        z = x.clone().{name}_(y)
        """)
    for result in (shown.a, shown.b, shown.c):
        holds(result, values, "bool")
    holds(shown.n, with_two, "bool")
    holds(shown.z, [float(value) for value in values])


@fact("2.4", "eq ne lt le gt ge")
def test_nan_is_unequal_to_everything(check):
    """2.4, generated/torch.eq.html"""
    shown = check("""
        x = torch.tensor([nan, 1.0])
        same = x == x
        other = x != x
        more = x >= x
        """)
    holds(shown.same, [False, True], "bool")
    holds(shown.other, [True, False], "bool")
    holds(shown.more, [False, True], "bool")


@fact("2.4", "equal")
@pytest.mark.parametrize(
    ("x", "y", "same"),
    [
        ("torch.ones(2, 2)", "torch.ones(2, 2)", True),
        ("torch.ones(2, 2)", "torch.ones(4)", False),
        ("torch.ones(2)", "torch.tensor([1.0, 2.0])", False),
        ("torch.tensor([nan])", "torch.tensor([nan])", False),
        ("torch.zeros(0)", "torch.zeros(0)", True),
    ],
)
def test_equal_is_one_bool_for_size_and_elements(torch, x, y, same):
    """2.4, generated/torch.equal.html"""
    x, y = (eval(text, {"torch": torch, "nan": nan}) for text in (x, y))
    assert torch.equal(x, y) is same
    assert x.equal(y) is same


M = "torch.tensor([[1.0, 5.0, 3.0], [4.0, 2.0, 6.0]])"


@fact("2.4", "max min")
@pytest.mark.parametrize(("name", "value"), [("max", 6.0), ("min", 1.0)])
def test_max_of_everything_is_one_value(check, name, value):
    """2.4, generated/torch.max.html"""
    holds(check(f"x = torch.{name}({M})").x, value)


@fact("2.4", "max min")
@pytest.mark.parametrize(
    ("call", "values", "indices"),
    [
        ("torch.max(x, 0)", [4.0, 5.0, 6.0], [1, 0, 1]),
        ("torch.max(x, 1)", [5.0, 6.0], [1, 2]),
        ("x.max(dim=1, keepdim=True)", [[5.0], [6.0]], [[1], [2]]),
        ("torch.min(x, 0)", [1.0, 2.0, 3.0], [0, 1, 0]),
        ("x.min(-1)", [1.0, 2.0], [0, 1]),
    ],
)
def test_max_along_a_dimension_is_a_named_tuple_of_values_and_indices(check, call, values, indices):
    """2.4, generated/torch.max.html"""
    shown = check(f"x = {M}\nr = {call}\nv, i = r")
    assert isinstance(shown.r, tuple)
    for value, index in ((shown.r.values, shown.r.indices), (shown.r[0], shown.r[1]), (shown.v, shown.i)):
        holds(value, values)
        holds(index, indices, "int64")


@fact("2.4", "max min")
def test_max_of_two_tensors_is_elementwise(check):
    """2.4, generated/torch.max.html, generated/torch.maximum.html"""
    shown = check(f"x = {X}\ny = {Y}\na = torch.max(x, y)\nb = x.min(y)")
    holds(shown.a, [3.0, 2.0, 3.0])
    holds(shown.b, [1.0, 2.0, 1.0])


@fact("2.4", "max min")
def test_nan_wins_max_and_min(check):
    """2.4, generated/torch.max.html"""
    shown = check("x = torch.tensor([1.0, nan, 3.0])\na = x.max()\nb = x.min()\nc = x.max(0)")
    holds(shown.a, nan)
    holds(shown.b, nan)
    holds(shown.c.indices, 1, "int64")


@fact("2.4", "topk")
@pytest.mark.parametrize(
    ("call", "values", "indices"),
    [
        ("torch.topk(x, 2)", [[5.0, 3.0], [6.0, 4.0]], [[1, 2], [2, 0]]),
        ("x.topk(1, dim=0)", [[4.0, 5.0, 6.0]], [[1, 0, 1]]),
        ("x.topk(2, largest=False)", [[1.0, 3.0], [2.0, 4.0]], [[0, 2], [1, 0]]),
    ],
)
def test_topk_gives_the_k_largest_in_order_with_indices(check, call, values, indices):
    """2.4, generated/torch.topk.html"""
    shown = check(f"x = {M}\nr = {call}")
    holds(shown.r.values, values)
    holds(shown.r.indices, indices, "int64")


@fact("2.4", "sort")
@pytest.mark.parametrize(
    ("call", "values", "indices"),
    [
        ("torch.sort(x)", [[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]], [[0, 2, 1], [1, 0, 2]]),
        ("x.sort(dim=0)", [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [[0, 1, 0], [1, 0, 1]]),
        ("x.sort(descending=True)", [[5.0, 3.0, 1.0], [6.0, 4.0, 2.0]], [[1, 2, 0], [2, 0, 1]]),
    ],
)
def test_sort_gives_values_and_indices(check, call, values, indices):
    """2.4, generated/torch.sort.html"""
    shown = check(f"x = {M}\nr = {call}")
    holds(shown.r.values, values)
    holds(shown.r.indices, indices, "int64")


@fact("2.4", "sort")
def test_nan_sorts_last(check):
    """2.4, generated/torch.sort.html"""
    holds(check("x = torch.sort(torch.tensor([nan, -inf, inf, 0.0])).values").x, [-inf, 0.0, inf, nan])


@fact("2.4", "argmax argmin argsort")
@pytest.mark.parametrize(
    ("call", "values"),
    [
        ("torch.argmax(x)", 5),
        ("x.argmax(0)", [1, 0, 1]),
        ("x.argmax(1, keepdim=True)", [[1], [2]]),
        ("torch.argmin(x)", 0),
        ("x.argmin(dim=-1)", [0, 1]),
        ("torch.argsort(x)", [[0, 2, 1], [1, 0, 2]]),
    ],
)
def test_argmax_indexes_the_flattened_tensor_or_along_a_dimension(check, call, values):
    """2.4, generated/torch.argmax.html"""
    holds(check(f"x = {M}\ny = {call}").y, values, "int64")


# --- 2.5: reductions --------------------------------------------------------------------------------------------------

R = "torch.tensor([[1.0, 5.0, 3.0], [4.0, 2.0, 6.0]])"
root = math.sqrt

# name: over everything, along dim 0, along dim 1, allowed ULP
REDUCTIONS = {
    "sum": (21.0, [5.0, 7.0, 9.0], [9.0, 12.0], 0),
    "prod": (720.0, [4.0, 10.0, 18.0], [15.0, 48.0], 0),
    "mean": (3.5, [2.5, 3.5, 4.5], [3.0, 4.0], 0),
    "std": (root(3.5), [root(4.5), root(4.5), root(4.5)], [2.0, 2.0], 4),
    "var": (3.5, [4.5, 4.5, 4.5], [4.0, 4.0], 4),
    "norm": (root(91), [root(17), root(29), root(45)], [root(35), root(56)], 4),
}


@fact("2.5", "sum prod mean std var norm everything dim keepdim")
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_over_everything_along_dim_and_with_keepdim(check, name):
    """2.5, torch.html#reduction-ops"""
    whole, columns, rows, ulp = REDUCTIONS[name]
    dim = "dim=" if name == "norm" else ""
    shown = check(f"""
        x = {R}
        a = torch.{name}(x)
        b = x.{name}({dim}0)
        c = torch.{name}(x, {dim}1)
        k = x.{name}(dim=1, keepdim=True)
        """)
    holds(shown.a, whole, ulp=ulp)
    holds(shown.b, columns, ulp=ulp)
    holds(shown.c, rows, ulp=ulp)
    holds(shown.k, [[row] for row in rows], ulp=ulp)


@fact("2.5", "median mode")
def test_median_is_the_lower_middle_and_mode_the_most_frequent(check):
    """2.5, generated/torch.median.html, generated/torch.mode.html"""
    shown = check("""
        x = torch.tensor([[3.0, 1.0, 2.0, 4.0], [7.0, 7.0, 5.0, 5.0]])
        a = torch.median(x)
        b = x.median(1)
        c = x.median(dim=1, keepdim=True).values
        m = torch.tensor([[1, 2, 2], [3, 3, 4]]).mode(1)
        k = torch.mode(torch.tensor([[1, 2, 2], [3, 3, 4]]), 1, True).values
        """)
    holds(shown.a, 4.0)
    holds(shown.b.values, [2.0, 5.0])
    holds(shown.b.indices[0], 2, "int64")
    holds(shown.c, [[2.0], [5.0]])
    holds(shown.m.values, [2, 3], "int64")
    holds(shown.k, [[2], [3]], "int64")


@fact("2.5", "std var")
def test_std_and_var_take_a_correction(check):
    """2.5, generated/torch.var.html"""
    shown = check("""
        x = torch.tensor([2.0, 4.0, 6.0, 8.0])
        a = x.var()
        b = x.var(unbiased=False)
        c = x.var(correction=0)
        """)
    holds(shown.a, 20 / 3, ulp=1)
    holds(shown.b, 5.0)
    holds(shown.c, 5.0)


@fact("2.5", "norm dist")
def test_norm_and_dist_take_an_order(check):
    """2.5, generated/torch.norm.html, generated/torch.dist.html"""
    shown = check("""
        x = torch.tensor([3.0, -4.0])
        a = torch.norm(x)
        b = x.norm(1)
        c = x.norm(inf)
        d = torch.dist(x, torch.tensor([0.0, 0.0]))
        e = x.dist(torch.tensor([3.0, 4.0]), 1)
        """)
    assert [tensor.item() for tensor in (shown.a, shown.b, shown.c, shown.d, shown.e)] == [5, 7, 4, 5, 8]


@fact("2.5", "cumsum cumprod")
def test_cumulative_sums_and_products_keep_the_shape(check):
    """2.5, generated/torch.cumsum.html, generated/torch.cumprod.html"""
    shown = check(f"""
        x = {R}
        a = torch.cumsum(x, 1)
        b = x.cumsum(dim=0)
        c = torch.cumprod(x, 1)
        d = x.cumprod(0)
        """)
    holds(shown.a, [[1.0, 6.0, 9.0], [4.0, 6.0, 12.0]])
    holds(shown.b, [[1.0, 5.0, 3.0], [5.0, 7.0, 9.0]])
    holds(shown.c, [[1.0, 5.0, 15.0], [4.0, 8.0, 48.0]])
    holds(shown.d, [[1.0, 5.0, 3.0], [4.0, 10.0, 18.0]])


@fact("2.5", "all any")
def test_all_and_any_are_bool(check):
    """2.5, generated/torch.all.html, generated/torch.any.html"""
    shown = check("""
        x = torch.tensor([[True, False], [True, True]])
        a = torch.all(x)
        b = x.any()
        c = x.all(0)
        d = x.any(dim=1, keepdim=True)
        e = torch.tensor([0.0, 2.0]).any()
        """)
    holds(shown.a, False, "bool")
    holds(shown.b, True, "bool")
    holds(shown.c, [True, False], "bool")
    holds(shown.d, [[True], [True]], "bool")
    holds(shown.e, True, "bool")


@fact("2.5", "dtypes")
def test_integer_sums_are_int64_and_integer_means_refused(check):
    """2.5, generated/torch.sum.html, generated/torch.mean.html"""
    shown = check("""
        x = torch.tensor([[100, 100], [100, 27]], dtype=torch.uint8)
        a = x.sum()
        b = x.prod(1)
        c = torch.tensor([True, True]).sum()
        d = x.sum(dtype=torch.float32)
        e = x.mean()
        """)
    holds(shown.a, 327, "int64")
    holds(shown.b, [10000, 2700], "int64")
    holds(shown.c, 2, "int64")
    holds(shown.d, 327.0)
    assert shown.errors == [
        (
            "RuntimeError",
            "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: Byte",
        )
    ]


@fact("2.5", "empty")
def test_reductions_of_nothing_give_the_identity_or_raise(check):
    """2.5, generated/torch.max.html"""
    shown = check("""
        x = torch.zeros(0)
        a = x.sum()
        b = x.prod()
        c = x.mean()
        d = x.all()
        e = x.max()
        """)
    holds(shown.a, 0.0)
    holds(shown.b, 1.0)
    holds(shown.c, nan)
    holds(shown.d, True, "bool")
    assert [kind for kind, _ in shown.errors] == ["RuntimeError"]


@fact("2.5", "dim")
def test_several_dimensions_and_negative_ones(check):
    """2.5, generated/torch.sum.html"""
    shown = check("""
        x = torch.arange(24.0).view(2, 3, 4)
        a = x.sum((0, 2))
        b = x.mean(dim=[-1, 0], keepdim=True)
        c = x.sum(3)
        """)
    holds(shown.a, [60.0, 92.0, 124.0])
    assert tuple(shown.b.shape) == (1, 3, 1)
    assert dtype_name(shown.b.dtype) == "float32"
    assert shown.errors == [
        ("IndexError", "Dimension out of range (expected to be in range of [-3, 2], but got 3)")
    ]
