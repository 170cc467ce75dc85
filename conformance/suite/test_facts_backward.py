"""Section 9: backward.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/.
"""

import pytest

from conformance.suite.expectations import fact, holds

SECOND_TIME = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have already been "
    "freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify "
    "retain_graph=True if you need to backward through the graph a second time or if you need to access saved tensors "
    "after calling backward."
)

# --- 9.1: roots -------------------------------------------------------------------------------------------------------


@fact("9.1", "scalar_root")
def test_a_scalar_root_needs_no_argument(check):
    """9.1, generated/torch.Tensor.backward.html"""
    shown = check("""
        x = torch.ones(2, 2, requires_grad=True)
        y = x + 2
        z = y * y * 3
        out = z.mean()
        out.backward()
        """)
    holds(shown.out, 27.0)
    holds(shown.x.grad, [[4.5, 4.5], [4.5, 4.5]])


@fact("9.1", "scalar_root")
@pytest.mark.parametrize("root", ["(x * x).sum()", "(x * x).sum().view(1)", "(x * x).sum().view(1, 1)"])
def test_a_root_of_one_element_is_scalar_whatever_its_dimensions(check, root):
    """9.1, generated/torch.Tensor.backward.html"""
    holds(
        check(f"x = torch.tensor([1.0, 3.0], requires_grad=True)\ny = {root}\ny.backward()").x.grad,
        [2.0, 6.0],
    )


@fact("9.1", "gradient_needed")
def test_other_roots_need_a_gradient(check):
    """9.1, generated/torch.Tensor.backward.html"""
    shown = check("""
        x = torch.ones(3, requires_grad=True)
        y = 2 * x
        y.backward()
        y.backward(gradient=torch.ones_like(x))
        """)
    assert shown.errors == [("RuntimeError", "grad can be implicitly created only for scalar outputs")]
    holds(shown.x.grad, [2.0, 2.0, 2.0])


@fact("9.1", "gradient_shape")
@pytest.mark.parametrize(
    ("gradient", "shape"),
    [("torch.ones(3)", "[3]"), ("torch.tensor(1.0)", "[]"), ("torch.ones(1, 3)", "[1, 3]")],
)
def test_a_gradient_that_would_broadcast_is_refused(check, gradient, shape):
    """9.1, generated/torch.autograd.backward.html; one of the documents says that broadcasting is enough"""
    shown = check(f"x = torch.ones(2, 3, requires_grad=True)\ny = x * 2\ny.backward({gradient})")
    text = (
        f"Mismatch in shape: grad_output[0] has a shape of torch.Size({shape}) and output[0] has a shape of "
        "torch.Size([2, 3])."
    )
    assert shown.errors == [("RuntimeError", text)]
    assert shown.x.grad is None


@fact("9.1", "vector_jacobian_product")
def test_backward_is_a_vector_jacobian_product(check):
    """9.1, generated/torch.autograd.backward.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0, 3.0, 4.5], requires_grad=True)
        w = torch.tensor([[1.0, 0.5], [1.0, 0.25]])
        z = (x * x + 2).view(2, 2)
        z.backward(w)
        u = x.detach().requires_grad_()
        ((u * u + 2).view(2, 2) * w).sum().backward()
        """)
    holds(shown.x.grad, [2.0, 2.0, 6.0, 2.25])
    assert shown.x.grad.tolist() == shown.u.grad.tolist()


@fact("9.1", "vector_jacobian_product")
def test_backward_through_a_matrix_product(check):
    """9.1, generated/torch.mm.html"""
    shown = check("""
        x = torch.tensor([2.0, 1.0], requires_grad=True)
        y = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        z = torch.mm(x.view(1, 2), y)
        z.backward(torch.Tensor([[1.0, 0]]), retain_graph=True)
        """)
    holds(shown.z, [[5.0, 8.0]])
    holds(shown.x.grad, [1.0, 3.0])
    holds(shown.y.grad, [[2.0, 0.0], [1.0, 0.0]])


# --- 9.2: accumulation ------------------------------------------------------------------------------------------------


@fact("9.2", "accumulates leaves_that_require_grad")
def test_gradients_accumulate_into_leaves_that_require_grad(check):
    """9.2, generated/torch.Tensor.grad.html"""
    shown = check("""
        x = torch.ones(2, requires_grad=True)
        c = torch.ones(2)
        y = (x * c * 3).sum()
        y.backward(retain_graph=True)
        first = x.grad.clone()
        y.backward()
        x.sum().backward()
        """)
    holds(shown.first, [3.0, 3.0])
    holds(shown.x.grad, [7.0, 7.0])
    assert shown.c.grad is None


@fact("9.2", "accumulates")
def test_one_backward_accumulates_over_every_use(check):
    """9.2, generated/torch.Tensor.backward.html"""
    shown = check("x = torch.tensor(3.0, requires_grad=True)\ny = x * x + 4 * x\ny.backward()")
    holds(shown.x.grad, 10.0)


@fact("9.2", "retain_grad")
def test_a_non_leaf_gets_a_gradient_only_after_retain_grad(check):
    """9.2, generated/torch.Tensor.retain_grad.html"""
    shown = check("""
        x = torch.ones(2, requires_grad=True)
        y = x * 2
        z = y * 3
        y.retain_grad()
        z.sum().backward()
        """)
    holds(shown.y.grad, [3.0, 3.0])
    assert (shown.y.retains_grad, shown.z.retains_grad) == (True, False)
    with pytest.warns(UserWarning, match="not a leaf Tensor"):
        assert shown.z.grad is None


@fact("9.2", "reading_warns")
def test_reading_the_gradient_of_another_non_leaf_warns_and_gives_None(torch):
    """9.2, generated/torch.Tensor.grad.html"""
    y = torch.ones(2, requires_grad=True) * 2
    with pytest.warns(
        UserWarning, match="The .grad attribute of a Tensor that is not a leaf Tensor is being accessed"
    ):
        assert y.grad is None


@fact("9.2", "retain_grad")
def test_retain_grad_needs_requires_grad(check):
    """9.2, generated/torch.Tensor.retain_grad.html"""
    shown = check("x = torch.ones(2)\nx.retain_grad()")
    assert shown.errors == [("RuntimeError", "can't retain_grad on Tensor that has requires_grad=False")]


CLEARED = {
    "x.grad.data.zero_()": [1.0, 1.0],
    "x.grad.zero_()": [1.0, 1.0],
    "x.grad = None": [1.0, 1.0],
    "x.grad = torch.zeros_like(x.grad)": [1.0, 1.0],
}


@fact("9.2", "clearing")
@pytest.mark.parametrize("call", CLEARED)
def test_clearing_a_gradient(check, call):
    """9.2, generated/torch.Tensor.grad.html"""
    shown = check(f"""
        x = torch.ones(2, requires_grad=True)
        (x * 5).sum().backward()
        {call}
        x.sum().backward()
        """)
    holds(shown.x.grad, CLEARED[call])


@fact("9.2", "nn.Module.zero_grad")
def test_zero_grad_of_a_module_clears(torch):
    """9.2, generated/torch.nn.Module.html"""
    layer = torch.nn.Linear(2, 1, bias=False)
    layer(torch.tensor([3.0, 4.0])).backward()
    holds(layer.weight.grad, [[3.0, 4.0]])
    layer.zero_grad(set_to_none=False)
    holds(layer.weight.grad, [[0.0, 0.0]])
    layer.zero_grad()
    assert layer.weight.grad is None


@fact("9.2", "assigned_grad")
def test_an_assigned_gradient_must_fit(check):
    """9.2, generated/torch.Tensor.grad.html"""
    shown = check("""
        x = torch.ones(2, requires_grad=True)
        x.grad = torch.ones(3)
        x.grad = torch.ones(2, dtype=torch.float64)
        x.grad = torch.tensor([4.0, 5.0])
        x.sum().backward()
        """)
    assert shown.errors == [
        (
            "RuntimeError",
            "attempting to assign a gradient of size '[3]' to a tensor of size '[2]'. "
            "Please ensure that the gradient and the tensor are the same size",
        ),
        (
            "RuntimeError",
            "attempting to assign a gradient with dtype 'double' to a tensor with grad_dtype 'Float'. The gradient must match "
            "the tensor's grad_dtype (defaults to the tensor's dtype). You can set the tensor's grad_dtype attribute "
            "with a specific dtype, or None to allow any dtype. Set grad_dtype with caution. Diverging the dtypes of a tensor "
            "and its gradient may break downstream systems that assume they match.",
        ),
    ]
    holds(shown.x.grad, [5.0, 6.0])


# --- 9.3: the graph ---------------------------------------------------------------------------------------------------


@fact("9.3", "freed retain_graph")
def test_the_graph_is_freed_unless_retained(check):
    """9.3, generated/torch.Tensor.backward.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        y = (x * x).sum()
        y.backward(retain_graph=True)
        y.backward()
        y.backward()
        """)
    assert shown.errors == [("RuntimeError", SECOND_TIME)]
    holds(shown.x.grad, [4.0, 8.0])


@fact("9.3", "freed")
def test_a_graph_that_saved_nothing_can_be_gone_through_again(check):
    """9.3, generated/torch.Tensor.backward.html"""
    shown = check("x = torch.ones(2, requires_grad=True)\ny = (x + 1).sum()\ny.backward()\ny.backward()")
    assert shown.errors == []
    holds(shown.x.grad, [2.0, 2.0])


@fact("9.3", "create_graph")
def test_create_graph_makes_gradients_differentiable(check):
    """9.3, generated/torch.autograd.grad.html"""
    shown = check("""
        x = torch.tensor(2.0, requires_grad=True)
        y = x ** 3
        g, = torch.autograd.grad(y, x, create_graph=True)
        h, = torch.autograd.grad(g, x, create_graph=True)
        k, = torch.autograd.grad(h, x)
        """)
    assert [shown.g.item(), shown.h.item(), shown.k.item()] == [12.0, 12.0, 6.0]
    assert (shown.g.requires_grad, shown.k.requires_grad) == (True, False)


# --- 9.4: torch.autograd ----------------------------------------------------------------------------------------------


@fact("9.4", "autograd.backward")
def test_autograd_backward_takes_several_roots_with_their_gradients(check):
    """9.4, generated/torch.autograd.backward.html"""
    shown = check("""
        x = torch.ones(2, requires_grad=True)
        a = x * 2
        b = (x * 3).sum()
        torch.autograd.backward([a, b], grad_tensors=[torch.tensor([1.0, 10.0]), None])
        """)
    holds(shown.x.grad, [5.0, 23.0])


@fact("9.4", "grad_variables_warns")
def test_grad_variables_is_deprecated_and_warns(check):
    """9.4, generated/torch.autograd.backward.html"""
    shown = check("""
        x = torch.ones(2, requires_grad=True)
        torch.autograd.backward([x * 2], grad_variables=[torch.ones(2)])
        """)
    assert shown.warned == ["FutureWarning"]
    holds(shown.x.grad, [2.0, 2.0])


@fact("9.4", "autograd.grad")
def test_autograd_grad_returns_gradients_and_leaves_grad_alone(check):
    """9.4, generated/torch.autograd.grad.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        y = torch.tensor([3.0, 4.0], requires_grad=True)
        z = (x * y).sum()
        g = torch.autograd.grad(z, [x, y])
        """)
    assert isinstance(shown.g, tuple)
    holds(shown.g[0], [3.0, 4.0])
    holds(shown.g[1], [1.0, 2.0])
    assert (shown.x.grad, shown.y.grad) == (None, None)


@fact("9.4", "autograd.grad")
def test_autograd_grad_of_an_unused_input(check):
    """9.4, generated/torch.autograd.grad.html"""
    shown = check("""
        x = torch.ones(2, requires_grad=True)
        y = torch.ones(2, requires_grad=True)
        a = torch.autograd.grad(x.sum(), [x, y])
        b = torch.autograd.grad(x.sum(), [x, y], allow_unused=True)
        c = torch.autograd.grad(x.sum(), torch.ones(2))
        """)
    (kind, text), other = shown.errors
    unused = (
        " appears to not have been used in the graph. Set allow_unused=True if this is the desired behavior."
    )
    assert kind == "RuntimeError"
    assert text.endswith(unused)  # before 2.13 torch did not say which one
    assert other == ("RuntimeError", "One of the differentiated Tensors does not require grad")
    holds(shown.b[0], [1.0, 1.0])
    assert shown.b[1] is None


@fact("9.4", "autograd.grad")
def test_autograd_grad_of_a_non_leaf(check):
    """9.4, generated/torch.autograd.grad.html"""
    shown = check("""
        x = torch.ones(2, requires_grad=True)
        y = x * 3
        g, = torch.autograd.grad((y * y).sum(), y)
        """)
    holds(shown.g, [6.0, 6.0])


# --- 9.5: Jacobians ---------------------------------------------------------------------------------------------------


@fact("9.5", "row_by_row")
def test_a_jacobian_row_by_row_equals_the_analytic_one(check):
    """9.5, generated/torch.autograd.functional.jacobian.html"""
    shown = check("""
        x = torch.tensor([2.0, 3.0], requires_grad=True)
        y = torch.stack([x[0] * x[0], x[0] * x[1], 5 * x[1]])
        j = torch.zeros(3, 2)
        y.backward(torch.tensor([1.0, 0.0, 0.0]), retain_graph=True)
        j[0] = x.grad
        x.grad = None
        y.backward(torch.tensor([0.0, 1.0, 0.0]), retain_graph=True)
        j[1] = x.grad
        x.grad = None
        y.backward(torch.tensor([0.0, 0.0, 1.0]), retain_graph=True)
        j[2] = x.grad
        """)
    holds(shown.j, [[4.0, 0.0], [3.0, 2.0], [0.0, 5.0]])


@fact("9.5", "filled_by_items")
def test_a_jacobian_of_an_output_filled_by_item_assignment(check):
    """9.5, notes/autograd.html#in-place-operations-with-autograd"""
    shown = check("""
        x = torch.tensor([[2.0, 3.0]], requires_grad=True)
        y = torch.zeros(1, 2)
        y[0, 0] = x[0, 0] ** 2 + 3 * x[0, 1]
        y[0, 1] = x[0, 1] ** 2 + 2 * x[0, 0]
        j = torch.zeros(2, 2)
        y.backward(torch.tensor([[1.0, 0.0]]), retain_graph=True)
        j[:, 0] = x.grad
        x.grad = torch.zeros_like(x.grad)
        y.backward(torch.tensor([[0.0, 1.0]]), retain_graph=True)
        j[:, 1] = x.grad
        """)
    holds(shown.j, [[4.0, 2.0], [3.0, 6.0]])
    assert type(shown.y.grad_fn).__name__ == "CopySlices"


# --- 9.6: no_grad branches --------------------------------------------------------------------------------------------


@fact("9.6", "value_without_gradient")
def test_a_branch_under_no_grad_gives_its_value_and_no_gradient(check):
    """9.6, generated/torch.no_grad.html"""
    shown = check("""
        x = torch.tensor(1.0, requires_grad=True)
        a = x ** 2
        with torch.no_grad():
            b = x ** 3
        c = a + b
        c.backward()
        """)
    assert [t.requires_grad for t in (shown.a, shown.b, shown.c)] == [True, False, True]
    holds(shown.c, 2.0)
    holds(shown.x.grad, 2.0)


@fact("9.6", "value_without_gradient")
def test_backward_of_such_a_branch_alone_raises(check):
    """9.6, generated/torch.no_grad.html"""
    shown = check("""
        x = torch.tensor(1.0, requires_grad=True)
        with torch.no_grad():
            b = x ** 3
        b.backward()
        """)
    assert shown.errors == [
        ("RuntimeError", "element 0 of tensors does not require grad and does not have a grad_fn")
    ]
