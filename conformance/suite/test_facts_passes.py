"""Section 15: the backward pass; and 16: anomaly detection and grad modes around functions.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/.
"""

import pytest

from conformance.suite.expectations import fact, holds, release

LEAF = "x = torch.tensor([1.0, 2.0], requires_grad=True)\n"

# --- 15.1: roots ------------------------------------------------------------------------------------------------------


@fact("15.1", "several_roots repeated_roots")
def test_the_gradients_of_several_roots_add_up(check):
    """15.1, generated/torch.autograd.backward.html"""
    shown = check(f"""{LEAF}
y = x * 2
torch.autograd.backward([y, y, (x * 3).sum()], [torch.tensor([1.0, 0.0]), torch.tensor([10.0, 1.0]), None])
""")
    holds(shown.x.grad, [25.0, 5.0])


@fact("15.1", "count")
def test_roots_and_gradients_are_as_many(check):
    """15.1, generated/torch.autograd.backward.html"""
    shown = check(f"{LEAF}torch.autograd.backward([x, x], [torch.ones(2)])\n")
    assert shown.errors == [("RuntimeError", "got 2 tensors and 1 gradients")]


@fact("15.1", "gradient_dtype")
def test_the_dtype_of_a_gradient(check):
    """15.1, generated/torch.autograd.backward.html"""
    shown = check(f"""{LEAF}
x.backward(torch.ones(2, dtype=torch.float64))
x.backward(torch.ones(2, dtype=torch.complex64))
""")
    holds(shown.x.grad, [1.0, 1.0])
    assert shown.errors == [
        (
            "RuntimeError",
            "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: "
            "grad_output[0] has a dtype of torch.complex64 and output[0] has a dtype of torch.float32.",
        )
    ]


@fact("15.1", "undefined_gradients")
def test_an_output_that_nothing_came_of_has_no_gradient(check):
    """15.1, notes/autograd.html"""
    shown = check(f"{LEAF}a, b = torch.unbind(x)\n(b * 3).backward()\n")
    holds(shown.x.grad, [0.0, 3.0])


# --- 15.2: inputs -----------------------------------------------------------------------------------------------------


@fact("15.2", "inputs")
def test_only_the_inputs_that_are_named_accumulate(check):
    """15.2, generated/torch.autograd.backward.html"""
    shown = check(f"""{LEAF}
w = torch.tensor([3.0, 4.0], requires_grad=True)
y = x * w
z = (y * y).sum()
z.backward(inputs=[x, y])
""")
    holds(shown.x.grad, [18.0, 64.0])
    holds(shown.y.grad, [6.0, 16.0])
    assert shown.w.grad is None


@fact("15.2", "inputs_checked")
def test_inputs_are_checked(check):
    """15.2, generated/torch.autograd.grad.html"""
    shown = check(f"""{LEAF}
y = (x * 2).sum()
y.backward(inputs=[])
torch.autograd.grad(y, [1])
torch.autograd.grad(y, torch.ones(2))
y.backward(inputs=torch.ones(2))
""")
    assert shown.errors == [
        ("RuntimeError", "`inputs` argument to `backward()` cannot be empty."),
        ("RuntimeError", "all inputs have to be Tensors or GradientEdges, but got int"),
        ("RuntimeError", "One of the differentiated Tensors does not require grad"),
        ("RuntimeError", "can't retain_grad on Tensor that has requires_grad=False"),
    ]


@fact("15.2", "inputs_checked")
def test_some_inputs_are_asked_for(torch):
    """15.2, generated/torch.autograd.grad.html"""
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises((RuntimeError, ValueError), match="empty"):  # which one, depends on the release
        torch.autograd.grad(x.sum(), [])


@fact("15.2", "dict_of_inputs")
def test_a_dict_of_inputs_gives_a_dict(torch):
    """15.2, generated/torch.autograd.grad.html"""
    if release(torch) < (2, 13):
        pytest.skip("dicts of inputs came with torch 2.13")
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    found = torch.autograd.grad((x * x).sum(), {"a": x})
    assert list(found) == ["a"]
    holds(found["a"], [2.0, 4.0])


@fact("15.2", "allow_unused materialize_grads")
def test_inputs_that_were_not_used(check):
    """15.2, generated/torch.autograd.grad.html"""
    shown = check(f"""{LEAF}
w = torch.ones(2, requires_grad=True)
y = (x * 2).sum()
a = torch.autograd.grad(y, [x, w], allow_unused=True, retain_graph=True)
b = torch.autograd.grad(y, [x, w], materialize_grads=True, retain_graph=True)
c = torch.autograd.grad(y, [x, w], materialize_grads=True, allow_unused=False)
d = torch.autograd.grad(y, torch.autograd.graph.get_gradient_edge(w), materialize_grads=True)
""")
    assert shown.a[1] is None
    holds(shown.b[1], [0.0, 0.0])
    assert shown.errors == [
        (
            "ValueError",
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False.",
        ),
        ("RuntimeError", "materialize_grads cannot be used when the given input is a GradientEdge"),
    ]


# --- 15.3: batches ----------------------------------------------------------------------------------------------------


@fact("15.3", "is_grads_batched")
def test_a_batch_of_gradients_gives_a_batch_of_products(check):
    """15.3, generated/torch.autograd.grad.html"""
    shown = check(f"""{LEAF}
y = x * x
rows = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
g = torch.autograd.grad(y, x, rows, is_grads_batched=True)
""")
    holds(shown.g[0], [[2.0, 0.0], [0.0, 4.0], [2.0, 4.0]])


@fact("15.3", "batch_checked")
def test_the_shape_of_a_batch_is_checked(check):
    """15.3, generated/torch.autograd.grad.html"""
    shown = check(f"{LEAF}y = x * x\ng = torch.autograd.grad(y, x, torch.ones(2), is_grads_batched=True)\n")
    assert [text[:60] for _, text in shown.errors] == [
        "If `is_grads_batched=True`, we interpret the first dimension"
    ]


# --- 15.4: accumulation into a gradient that the user has set -----------------------------------------------------------


@fact("15.4", "in_place")
def test_backward_adds_in_place_to_a_gradient_that_was_set(check):
    """15.4, autograd.html#default-gradient-layouts"""
    shown = check(f"{LEAF}g = torch.ones(2)\nx.grad = g\nx.sum().backward()\n")
    holds(shown.g, [2.0, 2.0])
    assert shown.x.grad is shown.g


@fact("15.4", "out_of_place_with_create_graph")
def test_with_create_graph_the_sum_is_a_new_tensor(check):
    """15.4, autograd.html#default-gradient-layouts"""
    shown = check(f"{LEAF}g = torch.ones(2)\nx.grad = g\n(x * x).sum().backward(create_graph=True)\n")
    holds(shown.g, [1.0, 1.0])
    holds(shown.x.grad.detach(), [3.0, 5.0])
    assert shown.x.grad.requires_grad


@fact("15.4", "checked")
def test_a_gradient_that_is_set_is_checked(check):
    """15.4, generated/torch.Tensor.grad.html"""
    shown = check(
        f"{LEAF}x.grad = torch.ones(3)\nx.grad = torch.ones(2, dtype=torch.float64)\nx.grad = 1.0\n"
    )
    assert [kind for kind, _ in shown.errors] == ["RuntimeError", "RuntimeError", "TypeError"]
    assert shown.errors[2][1] == "assigned grad expected to be a Tensor or None but got grad of type float"


@fact("15.4", "strides")
def test_a_first_gradient_follows_the_layout_of_its_leaf(check):
    """15.4, autograd.html#default-gradient-layouts"""
    shown = check("""
x = torch.ones(2, 3).t().requires_grad_()
(x.contiguous() * 2).sum().backward()
""")
    assert shown.x.grad.stride() == shown.x.stride() == (1, 3)


# --- 16.1: anomaly detection ------------------------------------------------------------------------------------------


@fact("16.1", "nan")
def test_a_gradient_that_is_not_a_number_is_an_error(check):
    """16.1, autograd.html#anomaly-detection"""
    shown = check("""
x = torch.tensor([0.0, 1.0], requires_grad=True)
with torch.autograd.detect_anomaly():
    y = (x * 0).sqrt().sum()
    y.backward()
""")
    assert shown.errors == [
        ("RuntimeError", "Function 'MulBackward0' returned nan values in its 0th output.")
    ]
    assert shown.warned == ["UserWarning", "UserWarning"]


@fact("16.1", "check_nan")
def test_nan_may_be_let_through(check):
    """16.1, autograd.html#anomaly-detection"""
    shown = check("""
x = torch.tensor([0.0, 1.0], requires_grad=True)
with torch.autograd.set_detect_anomaly(True, check_nan=False):
    y = (x * 0).sqrt().sum()
    y.backward()
a = torch.is_anomaly_enabled()
""")
    assert (shown.errors, shown.warned, shown.a) == ([], [], False)


@fact("16.1", "traceback")
def test_an_error_is_told_with_the_forward_call(torch):
    """16.1, autograd.html#anomaly-detection"""
    x = torch.ones(2, requires_grad=True)
    with torch.autograd.set_detect_anomaly(True):
        y = (x * 2).sum()
        y.grad_fn.register_hook(lambda gi, go: 1)
        with (
            pytest.warns(UserWarning, match="Error detected in SumBackward0. Traceback of forward call"),
            pytest.raises(TypeError),
        ):
            y.backward()
    assert "traceback_" in y.grad_fn.metadata


# --- 16.2: grad modes around functions --------------------------------------------------------------------------------


@fact("16.2", "decorated")
def test_a_decorated_function_runs_in_its_mode_wherever_it_is_called(check):
    """16.2, generated/torch.no_grad.html"""
    shown = check(f"""{LEAF}
a = prelude.quiet(x)
b = prelude.frozen(x)
with torch.no_grad():
    c = prelude.loud(x)
with torch.inference_mode():
    d = prelude.loud(x)
""")
    assert [t.requires_grad for t in (shown.a, shown.b, shown.c, shown.d)] == [False, False, True, False]
    assert (shown.b.is_inference(), shown.d.is_inference()) == (True, True)


@fact("16.2", "generators")
def test_a_generator_waits_outside_of_its_mode(torch):
    """16.2, generated/torch.no_grad.html"""

    @torch.no_grad()
    def steps():
        sent = yield torch.is_grad_enabled()
        yield sent, torch.is_grad_enabled()

    made = steps()
    assert next(made) is False
    assert torch.is_grad_enabled()
    assert made.send(5) == (5, False)
    assert torch.is_grad_enabled()


@fact("16.2", "recursion")
def test_a_decorated_function_may_call_itself(torch):
    """16.2, generated/torch.enable_grad.html"""

    @torch.no_grad()
    def modes(depth):
        if not depth:
            return [torch.is_grad_enabled()]
        with torch.enable_grad():
            inner = modes(depth - 1)
            return [*inner, torch.is_grad_enabled()]

    assert modes(2) == [False, True, True]
    assert torch.is_grad_enabled()


@fact("16.2", "set_grad_enabled_decorates")
def test_set_grad_enabled_as_a_decorator_leaves_the_mode_as_it_was(torch):
    """16.2, generated/torch.set_grad_enabled.html"""

    @torch.set_grad_enabled(False)
    def double(x):
        return x * 2

    assert torch.is_grad_enabled()
    assert not double(torch.ones(2, requires_grad=True)).requires_grad


@fact("16.2", "classes_warn")
def test_decorating_a_class_warns(torch):
    """16.2, generated/torch.no_grad.html"""
    with pytest.warns(FutureWarning, match="Decorating classes is deprecated"):

        @torch.no_grad()
        class Thing:
            pass

    assert callable(Thing)


@fact("16.2", "inference_mode_nests")
def test_grad_mode_within_inference_mode_records_nothing(check):
    """16.2, generated/torch.autograd.grad_mode.inference_mode.html"""
    shown = check(f"""{LEAF}
with torch.inference_mode():
    with torch.enable_grad():
        y = x * 2
    with torch.inference_mode(False):
        z = x * 2
        a = torch.is_grad_enabled()
""")
    assert (shown.y.requires_grad, shown.y.is_inference()) == (False, True)
    assert (shown.z.requires_grad, shown.z.is_inference(), shown.a) == (True, False, True)
