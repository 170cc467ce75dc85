"""Section 24: the page of `torch.autograd`: layouts and dtypes of gradients, what backward takes, forward mode.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/. What rows 9, 12, 15 and 16 show has no second
test here.
"""

import pytest

from conformance.suite.expectations import fact, holds

LEAF = "x = torch.tensor([1.0, 2.0], requires_grad=True)\n"

# --- 24.1: layouts of gradients ---------------------------------------------------------------------------------------


@fact("24.1", "dense")
@pytest.mark.parametrize(
    "made", ["torch.ones(2, 3).t()", "torch.ones(2, 3, 4).permute(2, 0, 1)", "torch.ones(2, 3)"]
)
def test_a_gradient_has_the_strides_of_a_dense_leaf(check, made):
    """24.1, autograd.html#default-gradient-layouts; rule 1"""
    shown = check(f"x = {made}.detach().requires_grad_()\n(x.contiguous() * 2).sum().backward()\n")
    assert shown.x.grad.stride() == shown.x.stride()


@fact("24.1", "not_dense")
@pytest.mark.parametrize(
    "made", ["torch.ones(2, 4)[:, ::2]", "torch.ones(2, 1).expand(2, 3)", "torch.ones(3, 4).t()[::2]"]
)
def test_a_gradient_is_row_major_for_a_leaf_that_is_not_dense(check, made):
    """24.1, autograd.html#default-gradient-layouts; rule 2"""
    shown = check(f"x = {made}.detach().requires_grad_()\n(x * 2).sum().backward()\n")
    assert shown.x.grad.is_contiguous()


@fact("24.1", "kept_in_place")
def test_backward_keeps_the_gradient_and_its_strides(torch):
    """24.1, autograd.html#default-gradient-layouts; rule 3"""
    x = torch.ones(2, 3, requires_grad=True)
    (x * 2).sum().backward()
    first = x.grad
    (x * 2).sum().backward()
    assert x.grad is first
    holds(first, [[4.0] * 3] * 2)


@fact("24.1", "replaced")
def test_with_create_graph_the_gradient_is_another_tensor(torch):
    """24.1, autograd.html#default-gradient-layouts; rule 4"""
    x = torch.ones(2, 3, requires_grad=True)
    (x * 2).sum().backward()
    first = x.grad
    with pytest.warns(UserWarning, match="create_graph=True"):
        (x * 2).sum().backward(create_graph=True)
    assert x.grad is not first
    holds(x.grad.detach(), [[4.0] * 3] * 2)
    holds(first, [[2.0] * 3] * 2)


@fact("24.1", "manual")
def test_a_gradient_that_was_assigned_keeps_its_strides(check):
    """24.1, autograd.html#manual-gradient-layouts"""
    shown = check(
        "x = torch.ones(2, 3, requires_grad=True)\nx.grad = torch.zeros(3, 2).t()\n(x * 2).sum().backward()\n"
    )
    assert shown.x.grad.stride() == (1, 2)
    holds(shown.x.grad, [[2.0] * 3] * 2)


@fact("24.1", "made_anew")
def test_a_gradient_that_was_set_to_None_is_made_anew(check):
    """24.1, autograd.html#default-gradient-layouts"""
    shown = check("""
        x = torch.ones(2, 3, requires_grad=True)
        x.grad = torch.zeros(3, 2).t()
        x.grad = None
        (x * 2).sum().backward()
        """)
    assert shown.x.grad.stride() == (3, 1)


# --- 24.2: dtypes of gradients ----------------------------------------------------------------------------------------


@fact("24.2", "default")
def test_the_dtype_of_a_gradient_is_that_of_its_tensor_unless_it_is_set(check):
    """24.2, generated/torch.Tensor.grad_dtype.html"""
    shown = check(f"""{LEAF}
a = x.grad_dtype
x.grad_dtype = torch.float64
b = x.grad_dtype
(x * x).sum().backward()
(x * x).sum().backward()
""")
    assert [str(d).rpartition(".")[2] for d in (shown.a, shown.b)] == ["float32", "float64"]
    holds(shown.x.grad, [4.0, 8.0], "float64")


@fact("24.2", "after_the_graph")
def test_it_is_looked_at_when_the_gradient_comes(check):
    """24.2, generated/torch.Tensor.grad_dtype.html"""
    shown = check(
        f"{LEAF}y = (x * x).sum()\nx.grad_dtype = torch.float16\n(g,) = torch.autograd.grad(y, x)\n"
    )
    holds(shown.g, [2.0, 4.0], "float16")


@fact("24.2", "any")
def test_None_allows_any_dtype(torch):
    """24.2, generated/torch.Tensor.grad_dtype.html"""

    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            return grad.double()

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    x.grad_dtype = None
    Double.apply(x).sum().backward()
    holds(x.grad, [1.0, 1.0], "float64")
    x.grad = torch.ones(2, dtype=torch.float16)
    assert x.grad_dtype is None


@fact("24.2", "checked")
def test_what_is_assigned_has_that_dtype(check):
    """24.2, generated/torch.Tensor.grad_dtype.html"""
    shown = check(
        f"{LEAF}x.grad_dtype = torch.float64\nx.grad = torch.ones(2)\nx.grad = torch.ones(2, dtype=torch.float64)\n"
    )
    text = "attempting to assign a gradient with dtype 'float' to a tensor with grad_dtype 'Double'. The gradient must match"
    assert [error[: len(text)] for _, error in shown.errors] == [text]
    holds(shown.x.grad, [1.0, 1.0], "float64")


@fact("24.2", "leaves_only")
def test_only_a_leaf_has_one_and_only_without_another_gradient(check):
    """24.2, generated/torch.Tensor.grad_dtype.html"""
    shown = check(
        f"{LEAF}a = (x * 2).grad_dtype\nx.sum().backward()\nx.grad_dtype = torch.float64\nx.grad_dtype = torch.float32\n"
    )
    texts = [text[:62] for _, text in shown.errors]
    assert texts == [
        "grad_dtype can only be accessed on leaf tensors.",
        "Cannot set grad_dtype to 'Double' because there is already a g",
    ]


# --- 24.3: backward and grad ------------------------------------------------------------------------------------------


@fact("24.3", "None_for_roots")
def test_None_stands_for_the_gradient_of_a_scalar_or_of_what_requires_none(check):
    """24.3, generated/torch.autograd.backward.html"""
    shown = check(f"""{LEAF}
torch.autograd.backward([x.sum(), x * 2], [None, torch.ones(2)])
torch.autograd.backward([x.sum(), x * 2], [None, None])
""")
    holds(shown.x.grad, [3.0, 3.0])
    assert shown.errors == [("RuntimeError", "grad can be implicitly created only for scalar outputs")]


@fact("24.3", "only_inputs")
def test_only_inputs_is_deprecated_and_ignored(check):
    """24.3, generated/torch.autograd.grad.html"""
    shown = check(f"{LEAF}y = x * 2\n(g,) = torch.autograd.grad(y.sum(), y, only_inputs=False)\n")
    assert shown.warned == ["FutureWarning"]
    assert shown.x.grad is None


@fact("24.3", "retain_graph_default")
def test_the_graph_is_kept_with_create_graph(check):
    """24.3, generated/torch.autograd.grad.html"""
    shown = check(f"""{LEAF}
y = (x * x).sum()
(a,) = torch.autograd.grad(y, x, create_graph=True)
(b,) = torch.autograd.grad(y, x)
(c,) = torch.autograd.grad(y, x)
""")
    assert (shown.a.tolist(), shown.b.tolist()) == ([2.0, 4.0], [2.0, 4.0])
    assert [text[:44] for _, text in shown.errors] == ["Trying to backward through the graph a secon"]


@fact("24.3", "constants_by_lambda")
def test_other_arguments_are_captured_by_a_lambda(check):
    """24.3, autograd.html#functional-higher-level-api"""
    shown = check("""
        x = torch.tensor([1.0, 2.0])
        c = torch.tensor([3.0, 5.0])
        j = torch.autograd.functional.jacobian(lambda a: a * c * 2, x)
        """)
    holds(shown.j, [[6.0, 0.0], [0.0, 10.0]])


@fact("24.3", "write_between")
def test_a_write_to_what_was_saved_is_an_error_once_backward_starts(check):
    """24.3, autograd.html#in-place-correctness-checks"""
    shown = check(f"{LEAF}y = x.exp()\nz = y.sum() * 2\ny += 1\nz.backward()\n")
    assert [text[:60] for _, text in shown.errors] == [
        "one of the variables needed for gradient computation has bee"
    ]
    assert shown.x.grad is None


@fact("24.3", "factories")
@pytest.mark.parametrize(
    "call",
    ["randn((2, 3, 4), requires_grad=True)", "zeros(2, requires_grad=True)", "ones(2, requires_grad=True)"],
)
def test_factories_make_tensors_that_require_grad(check, call):
    """24.3, autograd.html#variable-deprecated"""
    shown = check(f"x = torch.{call}\n")
    assert (shown.x.requires_grad, shown.x.is_leaf) == (True, True)


@fact("24.3", "Variable")
def test_a_Variable_is_a_tensor(torch):
    """24.3, autograd.html#variable-deprecated"""
    x = torch.ones(2)
    y = torch.autograd.Variable(x, requires_grad=True)
    (y * 2).sum().backward()
    assert type(y) is torch.Tensor
    assert (y.data_ptr(), x.requires_grad) == (x.data_ptr(), False)
    assert isinstance(x, torch.autograd.Variable)
    holds(y.grad, [2.0, 2.0])


# --- 24.4: anomaly detection and threads ------------------------------------------------------------------------------


@fact("24.4", "set_detect_anomaly")
def test_anomaly_detection_is_set_for_a_block_or_from_now_on(torch):
    """24.4, autograd.html#debugging-and-anomaly-detection"""
    found = [torch.is_anomaly_enabled()]
    with torch.autograd.set_detect_anomaly(True):
        found.append(torch.is_anomaly_enabled())
    found.append(torch.is_anomaly_enabled())
    torch.autograd.set_detect_anomaly(True)
    try:
        found.append(torch.is_anomaly_enabled())
    finally:
        torch.autograd.set_detect_anomaly(False)
    assert found == [False, True, False, True]


@fact("24.4", "set_multithreading_enabled")
def test_gradients_do_not_depend_on_threads(torch):
    """24.4, generated/torch.autograd.grad_mode.set_multithreading_enabled.html"""
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.autograd.set_multithreading_enabled(False):
        x.exp().sum().backward()
    first, x.grad = x.grad, None
    torch.autograd.set_multithreading_enabled(True)
    x.exp().sum().backward()
    assert x.grad.tolist() == first.tolist()


# --- 24.5: forward mode -----------------------------------------------------------------------------------------------

DUAL = """
x = torch.tensor([1.0, 2.0])
t = torch.tensor([1.0, 10.0])
with torch.autograd.forward_ad.dual_level():
    d = torch.autograd.forward_ad.make_dual(x, t)
"""


@fact("24.5", "view_of_the_primal")
def test_a_dual_tensor_is_a_view_of_its_primal(check):
    """24.5, https://docs.pytorch.org/tutorials/intermediate/forward_ad_usage.html"""
    shown = check(f"{DUAL}    a = d._base\n    x.mul_(3)\n    p = torch.autograd.forward_ad.unpack_dual(d)\n")
    assert shown.a is shown.x
    holds(shown.p.primal, [3.0, 6.0])
    assert shown.p.tangent is shown.t


@fact("24.5", "no_tangent_is_zero")
def test_a_tensor_without_tangent_counts_as_one_with_zeros(check):
    """24.5, https://docs.pytorch.org/tutorials/intermediate/forward_ad_usage.html"""
    shown = check(f"""{DUAL}
    p = torch.autograd.forward_ad.unpack_dual(d ** 2 + torch.ones(2) ** 2)
    q = torch.autograd.forward_ad.unpack_dual(x * 2)
""")
    holds(shown.p.tangent, [2.0, 40.0])
    assert shown.q.tangent is None


@fact("24.5", "modules")
def test_parameters_of_a_module_are_replaced_by_dual_attributes(torch):
    """24.5, https://docs.pytorch.org/tutorials/intermediate/forward_ad_usage.html"""
    forward_ad, layer = torch.autograd.forward_ad, torch.nn.Linear(2, 1)
    x = torch.tensor([[1.0, 2.0]])
    with forward_ad.dual_level():
        for name, parameter in list(layer.named_parameters()):
            delattr(layer, name)
            setattr(layer, name, forward_ad.make_dual(parameter, torch.ones_like(parameter)))
        tangent = forward_ad.unpack_dual(layer(x)).tangent
    holds(tangent.detach(), [[4.0]])


@fact("24.5", "enter_and_exit")
def test_a_level_may_be_entered_and_left_by_calls(check):
    """24.5, generated/torch.autograd.forward_ad.enter_dual_level.html"""
    shown = check("""
        x = torch.ones(2)
        torch.autograd.forward_ad.enter_dual_level()
        d = torch.autograd.forward_ad.make_dual(x, x)
        a = torch.autograd.forward_ad.unpack_dual(d * 3).tangent
        torch.autograd.forward_ad.exit_dual_level()
        b = torch.autograd.forward_ad.unpack_dual(d).tangent
        """)
    holds(shown.a, [3.0, 3.0])
    assert shown.b is None
