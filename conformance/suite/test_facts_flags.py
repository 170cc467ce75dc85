"""Section 8: requires_grad, grad_fn, is_leaf, grad modes, detach and .data.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/.
"""

import pytest

from conformance.suite.expectations import fact, holds, raising

NOT_A_LEAF = (
    "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a subgraph "
    "that doesn't require differentiation use var_no_grad = var.detach()."
)
CHANGED = (
    "one of the variables needed for gradient computation has been modified by an inplace operation: "
    "[torch.FloatTensor [2, 3]] is at version 1; expected version 0 instead. Hint: enable anomaly detection to find the "
    "operation that failed to compute its gradient, with torch.autograd.set_detect_anomaly(True, check_nan=False)."
)


def fn(tensor):
    """The name of a tensor's grad_fn, or None."""
    return (
        None if tensor.grad_fn is None else tensor.grad_fn.name().partition("::")[2] or tensor.grad_fn.name()
    )


# --- 8.1: requires_grad -----------------------------------------------------------------------------------------------


@fact("8.1", "default_False")
def test_requires_grad_is_False_unless_asked_for(check):
    """8.1, generated/torch.Tensor.requires_grad.html"""
    shown = check("""
        x = torch.ones(2)
        y = torch.tensor([1.0])
        z = torch.rand(2, requires_grad=True)
        w = torch.zeros_like(z)
        """)
    assert [t.requires_grad for t in (shown.x, shown.y, shown.z, shown.w)] == [False, False, True, False]


@fact("8.1", "set_on_a_leaf")
@pytest.mark.parametrize("call", ["x.requires_grad_()", "x.requires_grad_(True)", "x.requires_grad = True"])
def test_a_leaf_can_be_switched_on_and_off(check, call):
    """8.1, generated/torch.Tensor.requires_grad_.html"""
    shown = check(f"""
        x = torch.ones(2)
        {call}
        on = x.requires_grad
        x.requires_grad_(False)
        y = x * 2
        """)
    assert (shown.on, shown.x.requires_grad, shown.y.requires_grad) == (True, False, False)


@fact("8.1", "set_on_a_leaf")
def test_requires_grad_returns_the_tensor_itself(torch):
    """8.1, generated/torch.Tensor.requires_grad_.html"""
    x = torch.ones(2)
    assert x.requires_grad_() is x


@fact("8.1", "non_leaf_error")
@pytest.mark.parametrize("call", ["y.requires_grad_(False)", "y.requires_grad = False"])
def test_a_non_leaf_cannot_be_switched_off(check, call):
    """8.1, generated/torch.Tensor.requires_grad_.html"""
    shown = check(f"x = torch.ones(2, requires_grad=True)\ny = x * 2\n{call}\ny.requires_grad_(True)")
    assert shown.errors == [("RuntimeError", NOT_A_LEAF)]
    assert shown.y.requires_grad


@fact("8.1", "floating_and_complex_only")
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "complex64", "complex128"])
def test_floating_and_complex_tensors_may_require_grad(torch, dtype):
    """8.1, notes/autograd.html#setting-requires-grad"""
    x = torch.ones(2, dtype=getattr(torch, dtype), requires_grad=True)
    assert x.requires_grad
    assert torch.ones(2, dtype=x.dtype).requires_grad_().requires_grad


@fact("8.1", "floating_and_complex_only")
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int16", "int32", "int64"])
def test_others_may_not(check, dtype):
    """8.1, notes/autograd.html#setting-requires-grad"""
    shown = check(f"""
        x = torch.ones(2, dtype=torch.{dtype}, requires_grad=True)
        y = torch.ones(2, dtype=torch.{dtype})
        y.requires_grad_()
        y.requires_grad = True
        """)
    assert shown.errors == [
        ("RuntimeError", "Only Tensors of floating point and complex dtype can require gradients"),
        ("RuntimeError", "only Tensors of floating point dtype can require gradients"),
        ("RuntimeError", "only Tensors of floating point and complex dtype can require gradients"),
    ]


# --- 8.2: results and grad_fn -----------------------------------------------------------------------------------------


@fact("8.2", "any_input grad_mode")
def test_a_result_requires_grad_when_any_input_does_and_grad_mode_is_on(check):
    """8.2, notes/autograd.html"""
    shown = check("""
        x = torch.ones(2, requires_grad=True)
        y = torch.ones(2)
        a = x * y
        b = y * 2
        with torch.no_grad():
            c = x * y
        d = x > y
        """)
    assert [t.requires_grad for t in (shown.a, shown.b, shown.c, shown.d)] == [True, False, False, False]
    assert shown.c.grad_fn is None


GRAD_FNS = {
    "x + 2": "AddBackward0",
    "x * x": "MulBackward0",
    "x - x": "SubBackward0",
    "x / 2": "DivBackward0",
    "x ** 2": "PowBackward0",
    "-x": "NegBackward0",
    "x.mean()": "MeanBackward0",
    "x.sum()": "SumBackward0",
    "x.sum(0)": "SumBackward1",
    "x.mean(0)": "MeanBackward1",
    "x.view(4)": "ViewBackward0",
    "x.t()": "TBackward0",
    "x.clone()": "CloneBackward0",
    "x[0]": "SelectBackward0",
    "x[0:1]": "SliceBackward0",
    "x[[0, 1]]": "IndexBackward0",
    "x.exp()": "ExpBackward0",
    "x.log()": "LogBackward0",
    "x.mm(x)": "MmBackward0",
    "x.reshape(4)": "ViewBackward0",
    "x.t().reshape(4)": "UnsafeViewBackward0",
    "x.unsqueeze(0)": "UnsqueezeBackward0",
    "x.expand(3, 2, 2)": "ExpandBackward0",
    "x.max()": "MaxBackward1",
    "x.sigmoid()": "SigmoidBackward0",
}


@fact("8.2", "grad_fn_names")
@pytest.mark.parametrize("expression", GRAD_FNS)
def test_grad_fn_names_the_operation(check, expression):
    """8.2, notes/autograd.html#how-autograd-encodes-the-history"""
    shown = check(f"x = torch.ones(2, 2, requires_grad=True)\ny = {expression}")
    assert type(shown.y.grad_fn).__name__ == shown.y.grad_fn.name() == GRAD_FNS[expression]


@fact("8.2", "grad_fn_names")
def test_a_write_through_an_index_is_CopySlices(check):
    """8.2, notes/autograd.html#in-place-operations-with-autograd"""
    shown = check("""
        x = torch.ones(2, requires_grad=True)
        y = torch.zeros(3)
        y[0:2] = x
        z = torch.zeros(3)
        z[1:].mul_(x)
        """)
    assert type(shown.y.grad_fn).__name__ == type(shown.z.grad_fn).__name__ == "CopySlices"


@fact("8.2", "leaf_grad_fn_None")
def test_the_grad_fn_of_a_leaf_is_None(check):
    """8.2, generated/torch.Tensor.is_leaf.html"""
    shown = check("x = torch.ones(2, requires_grad=True)\ny = torch.ones(2)")
    assert shown.x.grad_fn is None
    assert shown.y.grad_fn is None


# --- 8.3: is_leaf -----------------------------------------------------------------------------------------------------

LEAVES = {
    "created": ("y = torch.ones(2, requires_grad=True)", True),
    "without_grad": ("y = torch.ones(2) * 3 + 1", True),
    "detached": ("y = (x * 2).detach()", True),
    "computed": ("y = x * 2", False),
    "moved": ("y = x.to(torch.float64)", False),
    "cloned": ("y = x.clone()", False),
    "no_grad": ("with torch.no_grad():\n    y = x * 2", True),
}


@fact("8.3", "created without_grad detach")
@pytest.mark.parametrize("name", LEAVES)
def test_is_leaf(check, name):
    """8.3, generated/torch.Tensor.is_leaf.html"""
    text, leaf = LEAVES[name]
    y = check(f"x = torch.ones(2, requires_grad=True)\n{text}").y
    assert y.is_leaf is leaf
    assert (y.grad_fn is None) is leaf


@fact("8.3", "switched_on_later")
def test_a_tensor_computed_without_grad_and_switched_on_is_a_leaf_without_grad_fn(check):
    """8.3, generated/torch.Tensor.is_leaf.html"""
    shown = check("""
        x = torch.ones(3, 3)
        x = x * x + 2
        before = x.requires_grad
        x.requires_grad_(True)
        (x * x).sum().backward()
        """)
    assert shown.before is False
    assert (shown.x.requires_grad, shown.x.is_leaf, shown.x.grad_fn) == (True, True, None)
    holds(shown.x.grad, [[6.0] * 3] * 3)


# --- 8.4: grad modes --------------------------------------------------------------------------------------------------

MODES = {
    "no_grad()": False,
    "enable_grad()": True,
    "set_grad_enabled(False)": False,
    "set_grad_enabled(True)": True,
    "inference_mode()": False,
    "inference_mode(False)": True,  # also inside no_grad
}


@fact("8.4", "no_grad enable_grad set_grad_enabled inference_mode context_manager")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("outer", ["no_grad()", "enable_grad()"])
def test_grad_modes_as_context_managers(check, mode, outer):
    """8.4, generated/torch.no_grad.html and its kin"""
    shown = check(f"""
        x = torch.ones(2, requires_grad=True)
        with torch.{outer}:
            with torch.{mode}:
                y = x * 2
            after = torch.is_grad_enabled()
        z = x * 2
        """)
    assert shown.y.requires_grad is MODES[mode]
    assert shown.after is (outer == "enable_grad()")
    assert shown.z.requires_grad


@fact("8.4", "decorator")
@pytest.mark.parametrize("mode", MODES)
def test_grad_modes_as_decorators(torch, mode):
    """8.4, generated/torch.no_grad.html and its kin"""

    @eval(f"torch.{mode}", {"torch": torch})
    def double(x):
        return x * 2

    x = torch.ones(2, requires_grad=True)
    assert double(x).requires_grad is MODES[mode]
    assert torch.is_grad_enabled()


@fact("8.4", "decorator")
@pytest.mark.parametrize("name", ["no_grad", "inference_mode"])
def test_the_bare_name_is_a_decorator_too(torch, name):
    """8.4, generated/torch.no_grad.html, generated/torch.autograd.grad_mode.inference_mode.html"""
    mode = getattr(torch, name)

    @mode
    def double(x):
        return x * 2

    assert not double(torch.ones(2, requires_grad=True)).requires_grad


@fact("8.4", "set_grad_enabled")
def test_set_grad_enabled_is_a_function_too(check):
    """8.4, generated/torch.set_grad_enabled.html"""
    shown = check("""
        x = torch.ones(2, requires_grad=True)
        torch.set_grad_enabled(False)
        y = x * 2
        torch.set_grad_enabled(True)
        z = x * 2
        """)
    assert (shown.y.requires_grad, shown.z.requires_grad) == (False, True)


@fact("8.4", "inference_mode")
def test_inference_tensors_stay_out_of_autograd(check):
    """8.4, generated/torch.autograd.grad_mode.inference_mode.html"""
    shown = check("""
        x = torch.ones(2, requires_grad=True)
        with torch.inference_mode():
            y = torch.ones(2)
        z = x * y
        y.add_(1)
        """)
    assert shown.y.is_inference()
    assert shown.errors == [
        (
            "RuntimeError",
            "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in "
            "computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and use it "
            "in autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`.",
        ),
        (
            "RuntimeError",
            "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a normal "
            "tensor before doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for more details.",
        ),
    ]


@fact("8.4", "context_manager")
def test_the_mode_is_restored_after_an_exception(torch):
    """8.4, generated/torch.no_grad.html"""
    with raising(ValueError, "inside"), torch.no_grad():
        raise ValueError("inside")
    assert torch.is_grad_enabled()


# --- 8.5: detach and .data --------------------------------------------------------------------------------------------


@fact("8.5", "share_storage no_history")
@pytest.mark.parametrize("spelling", ["detach()", "data"])
def test_detach_and_data_share_storage_and_have_no_history(check, spelling):
    """8.5, generated/torch.Tensor.detach.html"""
    shown = check(f"""
        x = torch.ones(2, requires_grad=True)
        y = x * 2
        d = y.{spelling}
        d[0] = 7
        """)
    holds(shown.y, [7.0, 2.0])
    assert (shown.d.requires_grad, shown.d.grad_fn, shown.d.is_leaf) == (False, None, True)
    assert shown.y.requires_grad


@fact("8.5", "detach_shares_version")
def test_a_write_through_detach_is_noticed_by_backward(check):
    """8.5, generated/torch.Tensor.detach.html"""
    shown = check("""
        x = torch.tensor([[4.0, 2.0, 2.0], [1.0, 1.0, 1.0]])
        w = torch.ones(3, 2, requires_grad=True)
        d = torch.mm(x, w)
        z = x.detach()
        z -= 1
        d.sum().backward()
        """)
    assert shown.x._version == shown.z._version == 1
    assert shown.errors == [("RuntimeError", CHANGED)]
    assert shown.w.grad is None


@fact("8.5", "data_has_its_own_version")
def test_a_write_through_data_goes_unnoticed_and_spoils_the_gradient(check):
    """8.5, notes/autograd.html#in-place-correctness-checks"""
    shown = check("""
        x = torch.tensor([[4.0, 2.0, 2.0], [1.0, 1.0, 1.0]])
        w = torch.ones(3, 2, requires_grad=True)
        d = torch.mm(x, w)
        z = x.data
        z -= 1
        d.sum().backward()
        """)
    assert shown.x._version == 0
    holds(shown.w.grad, [[3.0, 3.0], [1.0, 1.0], [1.0, 1.0]])  # 5, 3, 3 from the values of the forward pass


@fact("8.5", "data_has_its_own_version")
def test_data_changes_a_leaf_without_a_record(check):
    """8.5, notes/autograd.html#in-place-correctness-checks"""
    shown = check("""
        x = torch.ones(1, requires_grad=True)
        y = 2 * x
        x.data *= 100
        y.backward()
        """)
    holds(shown.x, [100.0])
    holds(shown.x.grad, [2.0])
    assert shown.x.is_leaf


@fact("8.5", "data_is_assignable")
def test_data_can_be_replaced(check):
    """8.5, notes/autograd.html"""
    shown = check("""
        w = torch.ones(3, requires_grad=True)
        w.data = torch.tensor([5.0, 6.0])
        (w * w).sum().backward()
        """)
    holds(shown.w, [5.0, 6.0])
    holds(shown.w.grad, [10.0, 12.0])


# --- 8.6: printing ----------------------------------------------------------------------------------------------------


@fact("8.6", "requires_grad=True grad_fn=<...>")
@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("torch.ones(2)", "tensor([1., 1.])"),
        ("x", "tensor([1., 1.], requires_grad=True)"),
        ("x + 2", "tensor([3., 3.], grad_fn=<AddBackward0>)"),
        ("(x * 27).mean()", "tensor(27., grad_fn=<MeanBackward0>)"),
        ("x.detach()", "tensor([1., 1.])"),
        ("(x * 2).view(2, 1)", "tensor([[2.],\n        [2.]], grad_fn=<ViewBackward0>)"),
        ("x.double()", "tensor([1., 1.], dtype=torch.float64, grad_fn=<ToCopyBackward0>)"),
    ],
)
def test_printing_shows_the_flag_or_the_grad_fn(backend, torch, expression, text):
    """8.6, notes/autograd.html"""
    if backend.device != "cpu":
        pytest.skip("the text names the device")
    x = torch.ones(2, requires_grad=True)
    assert repr(eval(expression, {"torch": torch, "x": x})) == text
