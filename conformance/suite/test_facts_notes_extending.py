"""Section 22: the notes on extending PyTorch: what a Function's methods are given and may return, and Functions in transforms.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/. What section 14 shows has no second test here.
"""

import pytest

from conformance.suite.expectations import fact, holds, raising, release
from strategies.program import prelude

# --- 22.1: forward and backward ---------------------------------------------------------------------------------------


def _leaf(torch):
    return torch.tensor([1.0, 2.0], requires_grad=True)


def _made(torch, forward, backward, **attributes):
    """A Function of these methods."""
    methods = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return type("Made", (torch.autograd.Function,), {**methods, **attributes})


@fact("22.1", "direct_arguments")
def test_tensors_in_lists_are_not_tracked(torch):
    """22.1, notes/extending.html#how-to-use"""
    made = _made(torch, lambda ctx, x, others: x * 2 + others[0], lambda ctx, grad: (grad * 2, None))
    x, y = _leaf(torch), _leaf(torch)
    made.apply(x, [y]).sum().backward()
    holds(x.grad, [2.0, 2.0])
    assert y.grad is None


@fact("22.1", "tensor_or_tuple")
def test_forward_returns_a_tensor_or_a_tuple_of_tensors(torch):
    """22.1, notes/extending.html#how-to-use"""
    single = _made(torch, lambda ctx, x: (x * 2,), lambda ctx, grad: grad * 2)
    found = single.apply(_leaf(torch))
    assert isinstance(found, tuple)
    several = _made(torch, lambda ctx, x: (x * 2, x * 3), lambda ctx, a, b: a * 2 + b * 3)
    x = _leaf(torch)
    first, second = several.apply(x)
    (first + second).sum().backward()
    assert (first.grad_fn is second.grad_fn, first.output_nr, second.output_nr) == (True, 0, 1)
    holds(x.grad, [5.0, 5.0])


@fact("22.1", "surplus_None")
def test_backward_may_return_more_gradients_if_they_are_None(torch):
    """22.1, notes/extending.html#how-to-use"""
    made = _made(torch, lambda ctx, x, factor=3: x * factor, lambda ctx, grad: (grad * 3, None, None))
    x = _leaf(torch)
    made.apply(x).sum().backward()
    holds(x.grad, [3.0, 3.0])


@fact("22.1", "unneeded")
def test_a_gradient_for_an_input_that_needs_none_is_no_error(torch):
    """22.1, notes/extending.html#example"""
    made = _made(torch, lambda ctx, x, y: x * y, lambda ctx, grad: (grad * 2, grad * 100))
    x, y = _leaf(torch), torch.full((2,), 2.0)
    made.apply(x, y).sum().backward()
    holds(x.grad, [2.0, 2.0])
    assert y.grad is None


@fact("22.1", "of_other_arguments")
def test_the_gradient_of_what_is_no_tensor_must_be_None(torch):
    """22.1, notes/extending.html#example"""
    made = _made(torch, lambda ctx, x, factor: x * factor, lambda ctx, grad: (grad * 2, grad))
    text = (
        "function MadeBackward returned a gradient different than None at position 2, but the corresponding forward input was "
        "not a Variable"
    )
    with raising(RuntimeError, text):
        made.apply(_leaf(torch), 2).sum().backward()


@fact("22.1", "keywords")
def test_a_wrapper_gives_arguments_by_name(torch):
    """22.1, notes/extending.html#example"""
    if release(torch) < (2, 13):
        pytest.skip("names of arguments came with torch 2.13")
    made = _made(torch, lambda ctx, x, factor=3: x * factor, lambda ctx, grad: (grad * 5, None))
    holds(made.apply(_leaf(torch), factor=5).detach(), [5.0, 10.0])


@fact("22.1", "on_ctx")
def test_gradients_flow_through_what_was_saved_for_backward_and_not_through_attributes(torch):
    """22.1, notes/extending.html#example"""

    def forward(ctx, x):
        ctx.save_for_backward(x)
        ctx.factor = x * 2  # made without grad, and no output
        return x * x

    saved = _made(torch, forward, lambda ctx, grad: grad * 2 * ctx.saved_tensors[0])
    attribute = _made(torch, forward, lambda ctx, grad: grad * ctx.factor)
    x = _leaf(torch)
    for made, slopes in ((saved, [2.0, 2.0]), (attribute, None)):
        (gradient,) = torch.autograd.grad(made.apply(x).sum(), x, create_graph=True)
        holds(gradient.detach(), [2.0, 4.0])
        assert gradient.requires_grad is (slopes is not None)
        if slopes is not None:
            holds(torch.autograd.grad(gradient.sum(), x)[0], slopes)


class _Cube:
    """The methods of a cube that returns what it saves."""

    @staticmethod
    def forward(x):
        return x**3, 3 * x**2

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs, output[1])
        ctx.save_for_forward(*inputs, output[1])

    @staticmethod
    def backward(ctx, grad, of_slope):
        x, slope = ctx.saved_tensors
        return grad * slope + of_slope * 6 * x

    @staticmethod
    def jvp(ctx, tangent):
        x, slope = ctx.saved_tensors
        return tangent * slope, tangent * 6 * x


def _cube(torch, **attributes):
    kind = type("Cube", (_Cube, torch.autograd.Function), attributes)
    return lambda x: kind.apply(x)[0]


@fact("22.1", "intermediates")
def test_an_intermediate_that_is_an_output_has_a_gradient_of_its_own(torch):
    """22.1, notes/extending.html#example"""
    x = _leaf(torch)
    (gradient,) = torch.autograd.grad(_cube(torch)(x).sum(), x, create_graph=True)
    holds(gradient.detach(), [3.0, 12.0])
    holds(torch.autograd.grad(gradient.sum(), x)[0], [6.0, 12.0])


@fact("22.1", "clear_saved_tensors_on_access")
def test_saved_tensors_that_are_cleared_can_be_read_once(torch):
    """22.1, notes/extending.html#how-to-use"""

    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    square = _made(
        torch, forward, lambda ctx, grad: grad * 2 * ctx.saved_tensors[0], clear_saved_tensors_on_access=True
    )
    x = _leaf(torch)
    y = square.apply(x)
    y.sum().backward(retain_graph=True)
    holds(x.grad, [2.0, 4.0])
    text = (
        "saved_tensors can only be accessed once when clear_saved_tensors_on_access=True is set on the autograd.Function. Either "
        "access saved_tensors only once, or set clear_saved_tensors_on_access=False."
    )
    with raising(RuntimeError, text):
        y.sum().backward()


@fact("22.1", "boxed_grads_call")
def test_gradients_may_come_in_one_list(torch):
    """22.1, notes/extending.html#how-to-use"""
    if release(torch) < (2, 13):
        pytest.skip("boxed_grads_call came with torch 2.13")
    kinds = []

    def backward(ctx, grads):
        kinds.append(type(grads))
        second, first = grads.pop(), grads.pop()
        return first * 2 + second * 3

    both = _made(torch, lambda ctx, x: (x * 2, x * 3), backward, boxed_grads_call=True)
    x = _leaf(torch)
    sum(both.apply(x)).sum().backward()
    assert kinds == [list]
    holds(x.grad, [5.0, 5.0])


@fact("22.1", "mark_dirty_is_noticed")
def test_a_write_behind_the_back_of_autograd_is_noticed_where_it_is_marked(torch, numpy_shared):
    """22.1, generated/torch.autograd.function.FunctionCtx.mark_dirty.html"""

    def forward(ctx, x, marks):
        x.detach().numpy()[:] += 1
        if marks:
            ctx.mark_dirty(x)
        return x

    add_one = _made(torch, forward, lambda ctx, grad: (grad, None))
    for marks in (True, False):
        y = _leaf(torch) * 1
        z = (y * y).sum()
        add_one.apply(y, marks)
        assert y._version == marks
        if marks:
            with pytest.raises(
                RuntimeError, match=r"^one of the variables needed for gradient computation has been"
            ):
                z.backward()


@fact("22.1", "checked")
@pytest.mark.parametrize("name", ["square", "exp", "scale", "pair", "tail"])
def test_the_backward_of_a_function_is_checked_by_finite_differences(torch, name):
    """22.1, notes/extending.html#how-to-use"""
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    function = prelude.make(torch)[name]
    assert torch.autograd.gradcheck(function, (x,))
    assert torch.autograd.gradgradcheck(function, (x,))


# --- 22.2: forward mode -----------------------------------------------------------------------------------------------


def _tangent(torch, function, *pairs):
    """The tangent of a function of duals; a number stands for itself."""
    forward_ad = torch.autograd.forward_ad
    with forward_ad.dual_level():
        made = [forward_ad.make_dual(*pair) if isinstance(pair, tuple) else pair for pair in pairs]
        return forward_ad.unpack_dual(function(*made)).tangent


@fact("22.2", "as_many_tangents_as_inputs")
def test_jvp_gets_a_tangent_for_each_input_and_zeros_where_there_is_none(torch):
    """22.2, notes/extending.html#forward-mode-ad"""
    seen = []

    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y, factor):
            return x * factor + y

        @staticmethod
        def jvp(ctx, of_x, of_y, of_factor):
            seen.append((of_x.tolist(), of_y.tolist(), of_factor))
            return of_x * 3 + of_y

    tangent = _tangent(torch, Scaled.apply, (torch.ones(2), torch.tensor([1.0, 10.0])), torch.ones(2), 3)
    holds(tangent, [3.0, 30.0])
    assert seen == [([1.0, 10.0], [0.0, 0.0], None)]


@fact("22.2", "materialize_grads")
def test_tangents_that_are_not_there_may_be_None(torch):
    """22.2, notes/extending.html#forward-mode-ad"""
    seen = []

    class Sum(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.set_materialize_grads(False)
            return x + y

        @staticmethod
        def jvp(ctx, of_x, of_y):
            seen.append(of_y)
            return of_x.clone()

    holds(_tangent(torch, Sum.apply, (torch.ones(2), torch.ones(2)), torch.ones(2)), [1.0, 1.0])
    assert seen == [None]


@fact("22.2", "right_after_forward")
def test_jvp_is_called_before_apply_returns_and_may_free_what_forward_left(torch):
    """22.2, notes/extending.html#forward-mode-ad"""
    calls = []

    class Exp(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.result = x.exp()
            calls.append("forward")
            return ctx.result

        @staticmethod
        def jvp(ctx, tangent):
            made = tangent * ctx.result
            del ctx.result
            calls.append("jvp")
            return made

    def applied(x):
        made = Exp.apply(x)
        calls.append("returned")
        return made

    holds(_tangent(torch, applied, (torch.zeros(2), torch.ones(2))), [1.0, 1.0])
    assert calls == ["forward", "jvp", "returned"]


@fact("22.2", "differentiable")
def test_a_tangent_can_be_differentiated_where_jvp_can(torch):
    """22.2, notes/extending.html#forward-mode-ad"""

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_forward(x)
            return x * x

        @staticmethod
        def jvp(ctx, tangent):
            (x,) = ctx.saved_tensors
            return tangent * 2 * x

    v = torch.tensor([1.0, 10.0], requires_grad=True)
    _tangent(torch, Square.apply, (torch.tensor([1.0, 2.0]), v)).sum().backward()
    holds(v.grad, [2.0, 4.0])


# --- 22.3: transforms -------------------------------------------------------------------------------------------------


@fact("22.3", "setup_context_only")
@pytest.mark.parametrize(
    "call",
    [
        "torch.func.grad(lambda a: square(a).sum())(x)",
        "torch.func.vmap(square)(x)",
        "torch.func.jvp(square, (x,), (x,))",
    ],
)
def test_a_transformed_function_sets_its_context_up_apart(torch, call):
    """22.3, notes/extending.func.html#basic-usage"""
    square = _made(torch, lambda ctx, x: x * x, lambda ctx, grad: grad).apply
    text = (
        "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, ...), it must override the "
        "setup_context staticmethod. For more details, please see https://pytorch.org/docs/main/notes/extending.func.html"
    )
    with raising(RuntimeError, text):
        eval(call, {"torch": torch, "square": square, "x": torch.ones(2)})


@fact("22.3", "reverse_needs_backward")
def test_reverse_transforms_use_backward(torch):
    """22.3, notes/extending.func.html#basic-usage"""
    cube, x = _cube(torch), torch.tensor([1.0, 2.0])
    holds(torch.func.grad(lambda t: cube(t).sum())(x), [3.0, 12.0])
    holds(torch.func.vjp(cube, x)[1](torch.ones(2))[0], [3.0, 12.0])
    holds(torch.func.jacrev(cube)(x), [[3.0, 0.0], [0.0, 12.0]])
    without = type("Without", (torch.autograd.Function,), {
        "forward": staticmethod(lambda x: x * x), "setup_context": staticmethod(lambda ctx, inputs, output: None),
    })  # fmt: skip
    with pytest.raises(NotImplementedError, match=r"^You must implement either the backward or vjp method"):
        torch.func.grad(lambda t: without.apply(t).sum())(x)


@fact("22.3", "forward_needs_jvp")
def test_forward_transforms_use_jvp(torch):
    """22.3, notes/extending.func.html#torch-func-jvp-support"""
    cube, x = _cube(torch), torch.tensor([1.0, 2.0])
    holds(torch.func.jvp(cube, (x,), (torch.tensor([1.0, 10.0]),))[1], [3.0, 120.0])
    without = _cube(torch, jvp=torch.autograd.Function.jvp)
    with pytest.raises(
        NotImplementedError, match=r"^You must implement the jvp function for custom autograd.Function"
    ):
        torch.func.jvp(without, (x,), (x,))


@fact("22.3", "higher_order")
def test_transforms_of_functions_compose(torch):
    """22.3, notes/extending.func.html#example-2-autograd-function-specifies-custom-gradient-rules"""
    cube = _cube(torch, generate_vmap_rule=True)
    holds(torch.func.grad(torch.func.grad(cube))(torch.tensor(2.0)), 12.0)
    holds(torch.func.hessian(lambda t: cube(t).sum())(torch.tensor([1.0, 2.0])), [[6.0, 0.0], [0.0, 12.0]])
    holds(torch.func.jacfwd(cube)(torch.tensor([1.0, 2.0])), [[3.0, 0.0], [0.0, 12.0]])
