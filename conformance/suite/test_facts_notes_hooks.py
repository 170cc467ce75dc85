"""Section 19, second part: when which hook of the backward pass is called, as the note "Autograd mechanics" says it.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/. What section 13 shows has no second test here.
"""

import pytest

from conformance.suite.expectations import fact, holds, raising

LEAF = "x = torch.tensor([1.0, 2.0], requires_grad=True)\n"

# --- 19.2: whether a hook is called -----------------------------------------------------------------------------------


def _hooked(torch):
    """A chain x -> y -> z with hooks everywhere, and the list of what they note."""
    calls = []
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    z = y * 3
    for name, tensor in (("x", x), ("y", y), ("z", z)):
        tensor.register_hook(lambda g, name=name: calls.append(f"tensor {name}"))
    for name, node in (("y", y.grad_fn), ("z", z.grad_fn)):
        node.register_prehook(lambda g, name=name: calls.append(f"before {name}"))
        node.register_hook(lambda a, b, name=name: calls.append(f"after {name}"))
    return x, y, z, calls


@fact("19.2", "tensor_hooks_of_inputs")
def test_a_hook_of_a_tensor_is_called_and_those_of_its_node_are_not_where_its_gradient_is_asked_for(torch):
    """19.2, notes/autograd.html#whether-a-particular-hook-will-be-fired"""
    _, y, z, calls = _hooked(torch)
    torch.autograd.grad(z.sum(), y)
    assert calls == ["tensor z", "before z", "after z", "tensor y"]


@fact("19.2", "nodes_that_lead_on")
def test_a_node_runs_where_another_input_depends_on_it(torch):
    """19.2, notes/autograd.html#whether-a-particular-hook-will-be-fired"""
    x, y, z, calls = _hooked(torch)
    torch.autograd.grad(z.sum(), (y, x))
    assert calls == ["tensor z", "before z", "after z", "tensor y", "before y", "after y", "tensor x"]


@fact("19.2", "backward_runs_all")
def test_backward_runs_the_nodes_of_its_inputs(torch):
    """19.2, notes/autograd.html#whether-a-particular-hook-will-be-fired"""
    _, y, z, calls = _hooked(torch)
    z.sum().backward(inputs=[y])
    assert calls == ["tensor z", "before z", "after z", "tensor y", "before y", "after y"]


@fact("19.2", "not_executed")
def test_hooks_of_what_leads_to_no_input_are_not_called(torch):
    """19.2, notes/autograd.html#whether-a-particular-hook-will-be-fired"""
    z, calls = _hooked(torch)[2:]
    side = torch.ones(2, requires_grad=True)
    torch.autograd.grad((z * side).sum(), side)
    assert calls == []


@fact("19.2", "post_accumulate_of_non_leaf")
def test_a_tensor_with_a_history_takes_no_post_accumulate_hook_even_if_it_retains_its_gradient(check):
    """19.2, notes/autograd.html#whether-a-particular-hook-will-be-fired"""
    shown = check(f"""{LEAF}
y = x * 2
y.retain_grad()
y.sum().backward(retain_graph=True)
y.register_post_accumulate_grad_hook(lambda t: None)
""")
    assert shown.errors == [
        ("RuntimeError", "post accumulate grad hooks cannot be registered on non-leaf tensors")
    ]


@fact("19.2", "post_accumulate_is_last")
def test_a_post_accumulate_hook_is_called_once_a_pass_when_grad_is_set(torch):
    """19.2, notes/autograd.html#whether-a-particular-hook-will-be-fired"""
    seen = []
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    x.register_hook(lambda g: seen.append("computed"))
    x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.tolist()))
    (x * 2 + x.exp() * 0).sum().backward()
    torch.autograd.grad(x.sum(), x)
    assert seen == ["computed", [2.0, 2.0], "computed"]


@fact("19.2", "post_accumulate_without_grad")
def test_a_post_accumulate_hook_runs_without_grad_and_may_write_its_leaf(torch):
    """19.2, generated/torch.Tensor.register_post_accumulate_grad_hook.html"""
    modes = []
    x = torch.tensor([0.0, 0.0], requires_grad=True)

    def step(leaf):
        modes.append(torch.is_grad_enabled())
        with torch.no_grad():
            leaf.add_(leaf.grad, alpha=-0.5)

    x.register_post_accumulate_grad_hook(step)
    x.backward(torch.tensor([1.0, 2.0]))
    with pytest.warns(UserWarning, match="create_graph=True"):
        (x * x).sum().backward(create_graph=True)
    assert modes == [False, True]
    holds(x.detach(), [-0.5, -1.0])


# --- 19.3: the order --------------------------------------------------------------------------------------------------


@fact("19.3", "order")
def test_the_order_of_the_hooks_of_a_node(torch):
    """19.3, notes/autograd.html#the-order-in-which-the-different-hooks-are-fired"""
    calls = []
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.grad_fn.register_hook(lambda a, b: calls.append("after the node"))
    y.grad_fn.register_prehook(lambda g: calls.append(("before the node", y.grad is None)))
    y.register_hook(lambda g: calls.append(("tensor", y.grad is None)))
    x.register_hook(lambda g: calls.append("next node"))
    y.sum().backward()
    assert [call if isinstance(call, str) else call[0] for call in calls] == [
        "tensor",
        "before the node",
        "after the node",
        "next node",
    ]
    assert calls[0] == ("tensor", True)


@fact("19.3", "retain_grad_before_prehooks")
def test_a_gradient_is_retained_before_the_hooks_that_precede_the_node(check):
    """19.3, notes/autograd.html#the-order-in-which-the-different-hooks-are-fired; the note has it behind them"""
    shown = check(f"""{LEAF}
y = x * 2
y.retain_grad()
h = y.grad_fn.register_prehook(lambda g: (g[0] * 10,))
y.sum().backward()
""")
    holds(shown.y.grad, [1.0, 1.0])
    holds(shown.x.grad, [20.0, 20.0])


@fact("19.3", "order_at_a_leaf")
def test_the_order_of_the_hooks_of_a_leaf(torch):
    """19.3, notes/autograd.html#the-order-in-which-the-different-hooks-are-fired"""
    calls = []
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    node = x.view_as(x).grad_fn.next_functions[0][0]
    node.register_hook(lambda a, b: calls.append(("after the node", x.grad is None)))
    x.register_post_accumulate_grad_hook(lambda t: calls.append(("accumulated", x.grad is None)))
    node.register_prehook(lambda g: calls.append(("before the node", x.grad is None)))
    x.register_hook(lambda g: calls.append(("tensor", x.grad is None)))
    x.sum().backward()
    assert calls == [
        ("tensor", True),
        ("before the node", True),
        ("accumulated", False),
        ("after the node", False),
    ]


# --- 19.4: hooks for several gradients --------------------------------------------------------------------------------


@fact("19.4", "multi_grad_all")
def test_a_hook_of_several_tensors_waits_for_the_gradients_that_are_computed(torch):
    """19.4, autograd.html#torch.autograd.graph.register_multi_grad_hook"""
    seen = []
    a, b = (torch.ones(2, requires_grad=True) for _ in range(2))
    c, d = a * b, a * b
    handle = torch.autograd.graph.register_multi_grad_hook(
        (a, b, c, d), lambda grads: seen.append([g is not None for g in grads])
    )
    c.sum().backward(retain_graph=True)
    c.sum().backward(inputs=(a,), retain_graph=True)
    (c + d).sum().backward(retain_graph=True)
    handle.remove()
    c.sum().backward()
    assert seen == [[True, True, True, False], [True, False, True, False], [True, True, True, True]]


@fact("19.4", "multi_grad_order")
def test_it_is_called_when_the_last_gradient_is_computed(torch):
    """19.4, notes/autograd.html#special-hooks"""
    calls = []
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    x.register_hook(lambda g: calls.append("x before"))
    torch.autograd.graph.register_multi_grad_hook(
        (x, y), lambda grads: calls.append([g.tolist() for g in grads])
    )
    x.register_hook(lambda g: calls.append("x behind"))
    y.register_hook(lambda g: calls.append("y"))
    y.sum().backward()
    assert calls == ["y", "x before", [[2.0, 2.0], [1.0, 1.0]], "x behind"]


@fact("19.4", "multi_grad_any")
def test_it_may_be_called_with_the_first_gradient(torch):
    """19.4, autograd.html#torch.autograd.graph.register_multi_grad_hook"""
    seen = []
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    torch.autograd.graph.register_multi_grad_hook(
        (x, y, torch.ones(2)), lambda g: seen.append(g.tolist()), mode="any"
    )
    y.sum().backward(retain_graph=True)
    y.sum().backward(inputs=[x])
    assert seen == [[1.0, 1.0], [1.0, 1.0]]


@fact("19.4", "multi_grad_checks")
def test_what_a_hook_of_several_tensors_refuses(torch):
    """19.4, autograd.html#torch.autograd.graph.register_multi_grad_hook"""
    register = torch.autograd.graph.register_multi_grad_hook
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with raising(ValueError, "Expects mode to be one of ('all', 'any') but got some"):
        register((x,), print, mode="some")
    with raising(AssertionError, "Expected gradient function to be set"):
        register((x, torch.ones(2)), print)


@fact("19.4", "multi_grad_checks")
def test_a_leaf_among_them_is_not_for_autograd_grad(torch):
    """19.4, autograd.html#torch.autograd.graph.register_multi_grad_hook"""
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    torch.autograd.graph.register_multi_grad_hook((x,), print)
    text = (
        "A leaf node was passed to _will_engine_execute_node but we are currently running autograd.grad(). This is currently "
        "not supported."
    )
    with raising(RuntimeError, text):
        torch.autograd.grad(x.sum(), x)


@fact("19.4", "bound_to_the_old_node")
def test_a_hook_stays_with_the_node_that_the_tensor_had(torch):
    """19.4, notes/autograd.html#behavior-of-tensor-hooks-when-tensor-is-modified-in-place"""
    seen = []
    y = torch.tensor(1.0, requires_grad=True).sin()
    y.register_hook(lambda g: seen.append(("old", g.item())))
    y.mul_(4)
    y.register_hook(lambda g: seen.append(("new", g.item())))
    y.backward()
    assert seen == [("new", 1.0), ("old", 4.0)]
