"""Section 17: the note "Autograd mechanics": what is saved, gradients where there is no derivative, switching gradients off.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/. What the note says and another test shows
already has no second test here.
"""

import math

import pytest

from conformance.suite.expectations import fact, holds

LEAF = "x = torch.tensor([1.0, 2.0], requires_grad=True)\n"


# --- 17.1: the history and what it saves ------------------------------------------------------------------------------


@fact("17.1", "made_anew")
def test_what_is_run_is_what_is_differentiated(torch):
    """17.1, notes/autograd.html#how-autograd-encodes-the-history"""
    x = torch.tensor([1.0, 2.0], requires_grad=True)

    def repeated(times):
        y = x
        for _ in range(times):
            y = y * x if y.sum() < 4 else y + x
        return y

    for times, slopes in ((0, [1.0, 1.0]), (1, [2.0, 4.0]), (3, [4.0, 6.0])):
        (gradient,) = torch.autograd.grad(repeated(times).sum(), x)
        holds(gradient, slopes)


@fact("17.1", "saved_self")
def test_a_power_saves_its_input(torch):
    """17.1, notes/autograd.html#saved-tensors"""
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x.pow(2)
    assert y.grad_fn._saved_self is x
    assert y.grad_fn._saved_exponent == 2


@fact("17.1", "saved_result")
def test_an_exponential_saves_its_result_as_another_tensor_on_the_same_memory(torch):
    """17.1, notes/autograd.html#saved-tensors"""
    y = torch.tensor([1.0, 2.0], requires_grad=True).exp()
    saved = y.grad_fn._saved_result
    assert saved is not y
    assert saved.data_ptr() == y.data_ptr()
    assert saved.grad_fn is y.grad_fn
    assert saved.tolist() == y.tolist()


@fact("17.1", "saved_as_needed")
def test_only_what_the_derivative_needs_is_saved(torch):
    """17.1, notes/autograd.html#saved-tensors"""
    x, y = torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([3.0, 4.0])
    node = (x * y).grad_fn
    assert (node._saved_self, node._saved_other is y) == (None, True)
    assert [name for name in ("_saved_self", "_saved_other") if hasattr((x + y).grad_fn, name)] == []


@fact("17.1", "saved_freed")
def test_what_was_freed_cannot_be_read(torch):
    """17.1, notes/autograd.html#saved-tensors"""
    y = torch.tensor([1.0, 2.0], requires_grad=True).exp()
    y.sum().backward()
    with pytest.raises(
        RuntimeError, match=r"^Trying to backward through the graph a second time \(or directly access"
    ):
        _ = y.grad_fn._saved_result


# --- 17.2: gradients where there is no derivative ---------------------------------------------------------------------

CONVEX = {
    "abs": ("torch.zeros(2, requires_grad=True)", "x.abs()", [0.0, 0.0]),
    "relu": ("torch.zeros(2, requires_grad=True)", "x.relu()", [0.0, 0.0]),
    "norm": ("torch.zeros(2, requires_grad=True)", "x.norm()", [0.0, 0.0]),
    "norm of order 1": ("torch.zeros(2, requires_grad=True)", "x.norm(1)", [0.0, 0.0]),
    "maximum": ("torch.ones(2, requires_grad=True)", "x.maximum(torch.ones(2))", [0.5, 0.5]),
    "max": ("torch.ones(2, requires_grad=True)", "x.max()", [0.5, 0.5]),
    "amax": ("torch.tensor([3.0, 1.0, 3.0], requires_grad=True)", "x.amax(0)", [0.5, 0.0, 0.5]),
    "minus the minimum": ("torch.ones(2, requires_grad=True)", "-x.minimum(torch.ones(2))", [-0.5, -0.5]),
}
CONCAVE = {
    "minus abs": ("torch.zeros(2, requires_grad=True)", "-x.abs()", [0.0, 0.0]),
    "minimum": ("torch.ones(2, requires_grad=True)", "x.minimum(torch.ones(2))", [0.5, 0.5]),
    "min": ("torch.ones(2, requires_grad=True)", "x.min()", [0.5, 0.5]),
    "amin": ("torch.tensor([3.0, 1.0, 1.0], requires_grad=True)", "x.amin(0)", [0.0, 0.5, 0.5]),
}


@fact("17.2", "differentiable")
@pytest.mark.parametrize(
    ("call", "slope"),
    [
        ("x.pow(0)", 0.0),
        ("x.pow(1)", 1.0),
        ("x.pow(2)", 0.0),
        ("x.sin()", 1.0),
        ("x.sinc()", 0.0),
        ("x * x.abs()", 0.0),
    ],
)
def test_where_there_is_a_derivative_it_is_the_gradient(check, call, slope):
    """17.2, notes/autograd.html#gradients-for-non-differentiable-functions; rule 1"""
    holds(check(f"x = torch.zeros(1, requires_grad=True)\ny = {call}\ny.backward()").x.grad, [slope])


@fact("17.2", "convex")
@pytest.mark.parametrize("name", CONVEX)
def test_a_convex_function_has_the_subgradient_of_least_norm(check, name):
    """17.2, notes/autograd.html#gradients-for-non-differentiable-functions; rule 2"""
    made, call, slopes = CONVEX[name]
    holds(check(f"x = {made}\ny = {call}\ny.sum().backward()").x.grad, slopes)


@fact("17.2", "convex")
def test_a_hypotenuse_of_nothing_has_none_either_but_in_torch(torch):
    """17.2, notes/autograd.html#gradients-for-non-differentiable-functions; rule 2, which the ledger knows torch to break"""
    x = torch.zeros(1, requires_grad=True)
    x.hypot(torch.zeros(1)).backward()
    holds(x.grad, [math.nan if torch.__name__ == "torch" else 0.0])


@fact("17.2", "concave")
@pytest.mark.parametrize("name", CONCAVE)
def test_a_concave_function_has_the_supergradient_of_least_norm(check, name):
    """17.2, notes/autograd.html#gradients-for-non-differentiable-functions; rule 3"""
    made, call, slopes = CONCAVE[name]
    gradient = check(f"x = {made}\ny = {call}\ny.sum().backward()").x.grad
    assert gradient.tolist() == slopes  # of zeros, the sign is left open


@fact("17.2", "continuity")
@pytest.mark.parametrize(
    ("call", "slope"),
    [("x.sqrt()", math.inf), ("x.rsqrt()", -math.inf), ("x.log()", math.inf), ("x.pow(0.5)", math.inf)],
)
def test_a_derivative_at_the_border_is_the_limit(check, call, slope):
    """17.2, notes/autograd.html#gradients-for-non-differentiable-functions; rule 4"""
    holds(check(f"x = torch.zeros(1, requires_grad=True)\ny = {call}\ny.backward()").x.grad, [slope])


@fact("17.2", "undefined")
@pytest.mark.parametrize(
    ("call", "slope"), [("x.sqrt()", math.nan), ("x.asin()", math.nan), ("x.log()", -0.5)]
)
def test_outside_of_the_domain_the_gradient_is_arbitrary(check, call, slope):
    """17.2, notes/autograd.html#gradients-for-non-differentiable-functions; rule 5"""
    holds(check(f"x = torch.full((1,), -2.0, requires_grad=True)\ny = {call}\ny.backward()").x.grad, [slope])


@fact("17.2", "random")
@pytest.mark.parametrize(
    "call",
    ["torch.rand_like(x)", "torch.randn_like(x)", "torch.randint_like(x, 3)", "x.new_empty(2).uniform_()"],
)
def test_what_is_no_mathematical_function_has_no_history(check, call):
    """17.2, notes/autograd.html#gradients-for-non-differentiable-functions; rule 6"""
    shown = check(f"{LEAF}y = {call} * 0\ny.sum().backward()\n")
    assert [text[:42] for _, text in shown.errors] == ["element 0 of tensors does not require grad"]


@fact("17.2", "random")
@pytest.mark.parametrize("call", ["x.bernoulli()", "torch.normal(x, 1.0)"])
def test_some_random_functions_have_a_gradient_of_zero_instead(check, call):
    """17.2, notes/autograd.html#gradients-for-non-differentiable-functions; rule 6 says that backward should raise"""
    shown = check(f"x = torch.tensor([0.0, 1.0], requires_grad=True)\ny = {call} * 0\ny.sum().backward()\n")
    assert shown.y.requires_grad
    assert shown.x.grad.tolist() == [0.0, 0.0]


@fact("17.2", "nan_arrives")
def test_a_NaN_that_arrives_goes_on_where_it_is_used_and_nowhere_else(check):
    """17.2, notes/autograd.html#gradients-for-non-differentiable-functions"""
    shown = check("""
        x = torch.tensor([-1.0, 2.0], requires_grad=True)
        torch.where(x > 0, x, torch.zeros(2)).backward(torch.tensor([torch.nan, torch.nan]))
        z = torch.tensor([-1.0, 2.0], requires_grad=True)
        z.clamp(min=0).backward(torch.tensor([torch.nan, 1.0]))
        """)
    holds(shown.x.grad, [0.0, math.nan])
    holds(shown.z.grad, [0.0, 1.0])


@fact("17.2", "overload")
def test_the_overload_decides_what_is_a_parameter(check):
    """17.2, notes/autograd.html#gradients-for-non-differentiable-functions

    At equality a number as bound should let nothing through; up to 2.13 it lets all (pytorch/pytorch issue 184572).
    """
    shown = check("""
        x = torch.zeros(2, requires_grad=True)
        x.maximum(torch.zeros(())).sum().backward()
        z = torch.zeros(2, requires_grad=True)
        z.clamp(min=0).sum().backward()
        """)
    holds(shown.x.grad, [0.5, 0.5])
    holds(shown.z.grad, [1.0, 1.0])


@fact("17.2", "division_by_zero")
def test_masking_a_result_does_not_keep_the_division_by_zero_out_of_the_gradient(check):
    """17.2, notes/autograd.html#division-by-zero-in-autograd"""
    shown = check("""
        x = torch.tensor([1.0, 1.0], requires_grad=True)
        d = torch.tensor([0.0, 1.0])
        y = x / d
        y[d != 0].sum().backward()
        """)
    holds(shown.y, [math.inf, 1.0])
    holds(shown.x.grad, [math.nan, 1.0])


@fact("17.2", "division_by_zero")
def test_masking_before_the_division_does(check):
    """17.2, notes/autograd.html#division-by-zero-in-autograd"""
    shown = check("""
        x = torch.tensor([1.0, 1.0], requires_grad=True)
        d = torch.tensor([0.0, 1.0])
        m = d != 0
        y = torch.zeros_like(x)
        y[m] = x[m] / d[m]
        y.sum().backward()
        """)
    holds(shown.x.grad, [0.0, 1.0])


# --- 17.3: switching gradients off ------------------------------------------------------------------------------------


@fact("17.3", "non_leaves")
def test_every_tensor_with_a_history_requires_grad(check):
    """17.3, notes/autograd.html#setting-requires-grad"""
    shown = check(f"{LEAF}y = x * 2\nz = y.requires_grad_()\nw = y.detach() * 2\n")
    assert (shown.y.requires_grad, shown.z is shown.y, shown.w.grad_fn) == (True, True, None)


@fact("17.3", "frozen")
def test_a_frozen_parameter_gets_no_gradient(torch):
    """17.3, notes/autograd.html#setting-requires-grad"""
    layers = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1))
    layers[0].requires_grad_(False)
    between = layers[0](torch.ones(1, 2))
    layers[1](between).sum().backward()
    assert between.grad_fn is None
    assert [p.grad is None for p in layers.parameters()] == [True, True, False, False]


@fact("17.3", "used_later")
@pytest.mark.parametrize("block", ["torch.no_grad()", "torch.enable_grad()"])
def test_what_is_made_without_grad_can_be_used_with_grad(check, block):
    """17.3, notes/autograd.html#grad-modes"""
    shown = check(f"{LEAF}with {block}:\n    y = torch.ones(2) * 3\nz = y * x\nz.sum().backward()\n")
    holds(shown.x.grad, [3.0, 3.0])


@fact("17.3", "used_later")
def test_what_is_made_in_inference_mode_cannot_be_saved_for_backward(check):
    """17.3, notes/autograd.html#grad-modes"""
    shown = check(f"{LEAF}with torch.inference_mode():\n    y = torch.ones(2) * 3\nz = y * x\n")
    assert [text[:49] for _, text in shown.errors] == ["Inference tensors cannot be saved for backward. P"]


@fact("17.3", "flag_is_overridden")
@pytest.mark.parametrize("block", ["torch.no_grad()", "torch.inference_mode()"])
def test_only_the_default_mode_looks_at_requires_grad(check, block):
    """17.3, notes/autograd.html#default-mode-grad-mode"""
    shown = check(
        f"{LEAF}with {block}:\n    y = x * 2\n    a = x.requires_grad\n    m = torch.is_grad_enabled()\nz = x * 2\n"
    )
    assert (shown.y.requires_grad, shown.a, shown.m, shown.z.requires_grad) == (False, True, False, True)


@fact("17.3", "update")
def test_an_update_without_grad_is_not_recorded_and_is_used_later(check):
    """17.3, notes/autograd.html#no-grad-mode"""
    shown = check(f"""{LEAF}
(x * x).sum().backward()
with torch.no_grad():
    x.sub_(x.grad, alpha=0.25)
    x.grad.zero_()
(x * x).sum().backward()
""")
    holds(shown.x.detach(), [0.5, 1.0])
    assert (shown.x.is_leaf, shown.x.requires_grad) == (True, True)
    holds(shown.x.grad, [1.0, 2.0])


@fact("17.3", "factories")
@pytest.mark.parametrize("call", ["ones(2, requires_grad=True)", "tensor([1.0], requires_grad=True)"])
def test_factories_do_not_look_at_the_mode(check, call):
    """17.3, generated/torch.no_grad.html"""
    assert check(f"with torch.no_grad():\n    x = torch.{call}\n").x.requires_grad


@fact("17.3", "factories")
def test_a_parameter_made_without_grad_requires_it(torch):
    """17.3, generated/torch.no_grad.html"""
    with torch.no_grad():
        made = torch.nn.Parameter(torch.ones(2))
    assert made.requires_grad


@fact("17.3", "evaluation")
def test_evaluation_mode_records_all_the_same(torch):
    """17.3, notes/autograd.html#evaluation-mode-nn-module-eval"""
    layer = torch.nn.Linear(2, 1).eval()
    made = layer(torch.ones(1, 2))
    with torch.inference_mode():
        layer.train()
        layer(torch.ones(1, 2))
    assert (made.requires_grad, layer.training) == (True, True)


# --- 17.4: in-place operations ----------------------------------------------------------------------------------------


@fact("17.4", "creator")
def test_an_in_place_operation_changes_the_creator(check):
    """17.4, notes/autograd.html#in-place-operations-with-autograd"""
    shown = check(f"{LEAF}y = x * 2\na = y.grad_fn\ny.neg_()\nb = y.grad_fn\ny.sum().backward()\n")
    assert (shown.a.name(), shown.b.name()) == ("MulBackward0", "NegBackward0")
    assert shown.b.next_functions[0][0] is shown.a
    holds(shown.x.grad, [-2.0, -2.0])


@fact("17.4", "shared_storage")
def test_memory_that_other_tensors_refer_to_may_be_written_and_they_follow(check):
    """17.4, notes/autograd.html#in-place-operations-with-autograd; the note says that this raises"""
    shown = check(
        f"{LEAF}y = x * 2\nv = y[:1]\nw = y.view(2, 1)\ny.mul_(3)\n(v.sum() + w.sum()).backward()\n"
    )
    assert not shown.errors
    holds(shown.x.grad, [12.0, 6.0])


@fact("17.4", "checked_on_access")
def test_reading_what_was_saved_and_changed_raises(check):
    """17.4, notes/autograd.html#in-place-correctness-checks"""
    shown = check(
        f"{LEAF}y = x * 2\nz = prelude.square(y)\ns = z.grad_fn.saved_tensors\ny.add_(1)\nt = z.grad_fn.saved_tensors\n"
    )
    holds(shown.s[0].detach(), [3.0, 5.0])
    assert [text[:60] for _, text in shown.errors] == [
        "one of the variables needed for gradient computation has bee"
    ]


@fact("17.4", "no_error_is_right")
def test_a_write_that_no_derivative_minds_raises_nothing_and_the_gradient_is_right(check):
    """17.4, notes/autograd.html#in-place-correctness-checks"""
    shown = check(f"{LEAF}y = x * 2\nz = y + 1\ny.zero_()\nz.sum().backward()\n")
    assert not shown.errors
    holds(shown.x.grad, [2.0, 2.0])
