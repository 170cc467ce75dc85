"""Section 14: `torch.autograd.Function`.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/.
"""

import pytest

from conformance.suite.expectations import fact, holds, of_operations, raising

LEAF = "x = torch.tensor([1.0, 2.0], requires_grad=True)\n"
IN_FUNCTION = (
    "This view was created inside a custom Function (or because an input was returned as-is) and the autograd logic to handle "
    "view+inplace would override the custom backward associated with the custom Function, leading to incorrect gradients. "
    "This behavior is forbidden. You can fix this by cloning the output of the custom Function."
)


@fact("14.1", "apply node_name saved_tensors")
def test_a_function_is_applied_and_its_node_has_its_name(check):
    """14.1, notes/extending.html"""
    shown = check(f"{LEAF}y = prelude.square(x)\nn = y.grad_fn\ns = n.saved_tensors\ny.sum().backward()\n")
    assert shown.n.name() == "SquareBackward"
    holds(shown.s[0], [1.0, 2.0])
    holds(shown.x.grad, [2.0, 4.0])


@fact("14.1", "nothing_recorded")
def test_nothing_is_recorded_without_grad(check):
    """14.1, notes/extending.html"""
    shown = check(f"""{LEAF}
with torch.no_grad():
    y = prelude.square(x)
z = prelude.square(x.detach())
""")
    assert (shown.y.requires_grad, shown.z.grad_fn) == (False, None)


@fact("14.1", "forward_without_grad")
def test_forward_runs_without_recording(torch):
    """14.1, notes/extending.html"""
    modes = []

    class Noting(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            modes.append(torch.is_grad_enabled())
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            modes.append(torch.is_grad_enabled())
            return grad * 2

    x = torch.ones(2, requires_grad=True)
    Noting.apply(x).sum().backward()
    torch.autograd.grad(Noting.apply(x).sum(), x, create_graph=True)
    assert modes == [False, False, False, True]


@fact("14.2", "save_for_backward version_check")
def test_saved_tensors_are_checked_for_changes_and_freed(check):
    """14.2, generated/torch.autograd.function.FunctionCtx.save_for_backward.html"""
    shown = check(f"""{LEAF}
y = x * 2
z = prelude.square(y).sum()
y.add_(1)
z.backward()
w = prelude.square(x).sum()
w.backward()
w.backward()
""")
    assert [text[:60] for _, text in shown.errors] == [
        "one of the variables needed for gradient computation has bee",
        "Trying to backward through the graph a second time (or direc",
    ]


@fact("14.2", "output_has_history")
def test_a_saved_output_has_the_node_as_history(check):
    """14.2, generated/torch.autograd.function.FunctionCtx.save_for_backward.html"""
    shown = check(f"""{LEAF}
y = prelude.exp(x)
s = y.grad_fn.saved_tensors
(g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
(h,) = torch.autograd.grad(g.sum(), x)
""")
    assert shown.s[0].grad_fn.name() == "ExpBackward"
    assert shown.h.tolist() == shown.g.tolist()


@fact("14.2", "only_tensors")
def test_save_for_backward_takes_tensors_and_None(torch):
    """14.2, generated/torch.autograd.function.FunctionCtx.save_for_backward.html"""

    class Keeping(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, what):
            ctx.save_for_backward(None, what)
            return x * 2

    x = torch.ones(2, requires_grad=True)
    assert Keeping.apply(x, None).grad_fn.saved_tensors == (None, None)
    with raising(TypeError, "save_for_backward can only save variables, but argument 1 is of type int"):
        Keeping.apply(x, 5)


@fact("14.3", "mark_dirty")
def test_an_input_that_is_marked_as_dirty_gets_the_node_as_history(check):
    """14.3, generated/torch.autograd.function.FunctionCtx.mark_dirty.html"""
    shown = check(f"""{LEAF}
y = x * 1
z = prelude.double_(y)
y.sum().backward()
""")
    assert shown.z is shown.y
    assert (shown.y.grad_fn.name(), shown.y._version) == ("DoubleBackward", 2)
    holds(shown.x.grad, [2.0, 2.0])


@fact("14.3", "mark_dirty_view")
def test_a_dirty_view_rewrites_the_history_of_its_base(check):
    """14.3, generated/torch.autograd.function.FunctionCtx.mark_dirty.html"""
    shown = check(f"""{LEAF}
y = x * 1
v = y[1:]
prelude.double_(v)
y.sum().backward()
""")
    assert shown.y.grad_fn.name() == "torch::autograd::CopySlices"
    holds(shown.x.grad, [1.0, 2.0])


@fact("14.3", "mark_dirty_view")
def test_the_dirty_view_itself_has_the_new_history(check):
    """14.3, generated/torch.autograd.function.FunctionCtx.mark_dirty.html"""
    shown = check(f"{LEAF}y = x * 1\nv = y[1:]\nprelude.double_(v)\nv.sum().backward()\n")
    holds(shown.x.grad, [0.0, 2.0])


@fact("14.3", "mark_dirty_refused")
def test_what_may_not_be_dirty(check):
    """14.3, generated/torch.autograd.function.FunctionCtx.mark_dirty.html"""
    shown = check(f"{LEAF}prelude.double_(x)\nprelude.dirty_copy(x * 1)\n")
    assert shown.errors == [
        ("RuntimeError", "a leaf Variable that requires grad has been used in an in-place operation."),
        (
            "RuntimeError",
            "Some elements marked as dirty during the forward method were not returned as output. The inputs that are modified "
            "inplace must all be outputs of the Function.",
        ),
    ]


@fact("14.4", "returned_as_is")
def test_an_input_that_is_returned_is_a_view_that_may_not_be_written(check):
    """14.4, notes/extending.html"""
    shown = check(f"{LEAF}y = prelude.same(x)\ny.add_(1)\ny.sum().backward()\n")
    assert shown.y is not shown.x
    assert shown.y._base is shown.x
    assert of_operations(shown.errors) == [
        ("RuntimeError", f"Output 0 of Same is a view and is being modified inplace. {IN_FUNCTION}")
    ]
    holds(shown.x.grad, [3.0, 3.0])


@fact("14.4", "view_of_input")
def test_a_view_of_an_input_may_not_be_written_either(check):
    """14.4, notes/extending.html"""
    shown = check(f"{LEAF}y = x * 1\nz = prelude.tail(y)\nz.add_(1)\nz.sum().backward()\n")
    assert of_operations(shown.errors) == [
        ("RuntimeError", f"Output 0 of Tail is a view and is being modified inplace. {IN_FUNCTION}")
    ]
    holds(shown.x.grad, [0.0, 1.0])


@fact("14.5", "materialize_grads")
def test_zeros_stand_for_gradients_that_are_not_there(torch):
    """14.5, generated/torch.autograd.function.FunctionCtx.set_materialize_grads.html"""
    seen = []

    class Two(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, value):
            ctx.set_materialize_grads(value)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, first, second):
            seen.append(second if second is None else second.tolist())
            return first, None

    x = torch.ones(2, requires_grad=True)
    for value in (True, False):
        Two.apply(x, value)[0].sum().backward()
    assert seen == [[0.0, 0.0], None]


@fact("14.5", "mark_non_differentiable")
def test_an_output_without_gradient(check):
    """14.5, generated/torch.autograd.function.FunctionCtx.mark_non_differentiable.html"""
    shown = check(f"{LEAF}y, s = prelude.signs(x)\ny.sum().backward()\n")
    assert (shown.y.requires_grad, shown.s.requires_grad) == (True, False)
    holds(shown.x.grad, [1.0, 1.0])


@fact("14.5", "other_outputs")
def test_outputs_that_are_no_floating_tensors_have_no_history(check):
    """14.5, notes/extending.html"""
    shown = check(f"{LEAF}y, n, k = prelude.whole(x)\ny.sum().backward()\n")
    assert (shown.n.requires_grad, shown.k) == (False, 5)
    holds(shown.x.grad, [2.0, 2.0])


@fact("14.6", "needs_input_grad")
def test_a_function_knows_which_gradients_are_needed(check):
    """14.6, notes/extending.html"""
    shown = check(
        f"{LEAF}y = prelude.product(x, torch.ones(2))\nq = y.grad_fn.needs_input_grad\ny.sum().backward()\n"
    )
    assert shown.q == (True, False)
    assert len(shown.y.grad_fn.next_functions) == 2


@fact("14.6", "setup_context")
def test_the_context_may_be_set_up_apart_from_forward(check):
    """14.6, notes/extending.html#combined-or-separate-forward-and-setup-context"""
    shown = check(f"{LEAF}y = prelude.scale(x)\nz = prelude.scale(x, 5)\n(y + z).sum().backward()\n")
    holds(shown.x.grad, [8.0, 8.0])


@fact("14.6", "once_differentiable")
def test_once_differentiable(check):
    """14.6, generated/torch.autograd.function.once_differentiable.html"""
    shown = check(f"""{LEAF}
y = prelude.once(x)
(g,) = torch.autograd.grad((y * y).sum(), x, create_graph=True)
g.sum().backward()
""")
    holds(shown.g, [4.0, 32.0])
    assert shown.errors == [
        ("RuntimeError", "trying to differentiate twice a function that was marked with @once_differentiable")
    ]


@fact("14.6", "double_backward")
def test_a_gradient_is_differentiated_like_any_other(check):
    """14.6, notes/extending.html"""
    shown = check(f"""{LEAF}
y = prelude.square(x)
(g,) = torch.autograd.grad((y * y).sum(), x, create_graph=True)
(h,) = torch.autograd.grad(g.sum(), x)
""")
    holds(shown.g, [4.0, 32.0])
    holds(shown.h, [12.0, 48.0])


@fact("14.6", "jvp save_for_forward")
def test_jvp_computes_tangents(check):
    """14.6, notes/extending.html#forward-mode-ad"""
    shown = check("""
x = torch.tensor([1.0, 2.0])
with torch.autograd.forward_ad.dual_level():
    d = torch.autograd.forward_ad.make_dual(x, torch.tensor([1.0, 10.0]))
    a = torch.autograd.forward_ad.unpack_dual(prelude.square(d))
    b = torch.autograd.forward_ad.unpack_dual(prelude.tail(d))
    c = torch.autograd.forward_ad.unpack_dual(prelude.double_(d.clone()))
    e = prelude.exp(d)
""")
    holds(shown.a[1], [2.0, 40.0])
    holds(shown.b[1], [10.0])
    holds(shown.c[1], [2.0, 20.0])
    text = "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
    assert shown.errors == [("NotImplementedError", text)]


@fact("14.6", "jvp")
def test_the_tangent_of_a_view_is_a_view(torch):
    """14.6, notes/extending.html#forward-mode-ad"""

    class Shifted(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x[1:]

        @staticmethod
        def jvp(ctx, tangent):
            return tangent[1:] * 2

    text = "A custom Function's forward is returning a view (or an input as-is) but the jvp is not returning a view."
    forward_ad = torch.autograd.forward_ad
    with forward_ad.dual_level(), raising(RuntimeError, text):
        Shifted.apply(forward_ad.make_dual(torch.ones(2), torch.ones(2)))


@fact("14.7", "wrong_backward")
@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        (
            "surplus",
            "RuntimeError",
            "function SurplusBackward returned an incorrect number of gradients (expected 1, got 2)",
        ),
        (
            "too_few",
            "RuntimeError",
            "function TooFewBackward returned an incorrect number of gradients (expected 1, got 0)",
        ),
        (
            "wrong_shape",
            "RuntimeError",
            "Function WrongShapeBackward returned an invalid gradient at index 0 - got [7] but expected shape compatible with "
            "[2]",
        ),
        ("wrong_kind", "RuntimeError", "expected Variable or None (got float)"),
        ("failing", "ValueError", "this backward always fails"),
        (
            "no_backward",
            "NotImplementedError",
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with backward "
            "mode AD.",
        ),
    ],
)
def test_what_backward_returns_is_checked(check, name, kind, text):
    """14.7, notes/extending.html"""
    shown = check(f"{LEAF}prelude.{name}(x).sum().backward()\n")
    assert shown.errors == [(kind, text)]


@fact("14.7", "None_is_no_gradient")
def test_None_is_no_gradient(check):
    """14.7, notes/extending.html"""
    shown = check(f"{LEAF}prelude.no_slope(x).sum().backward()\n")
    assert (shown.errors, shown.x.grad) == ([], None)


@fact("14.7", "not_instantiated")
def test_a_function_is_not_instantiated(torch):
    """14.7, autograd.html#torch.autograd.Function"""
    with pytest.warns(DeprecationWarning, match="should not be instantiated"):
        made = torch.autograd.Function()
    with pytest.raises(
        RuntimeError, match="Legacy autograd function with non-static forward method is deprecated"
    ):
        made(1)
