"""Section 13: hooks, and what else can be hung onto the graph.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/.
"""

import pytest

from conformance.suite.expectations import fact, holds, raising

LEAF = "x = torch.tensor([1.0, 2.0], requires_grad=True)\n"

# --- 13.1: tensor hooks -----------------------------------------------------------------------------------------------


@fact("13.1", "order replaces retain_grad_last")
def test_tensor_hooks_run_in_order_and_retain_grad_sees_the_last_gradient(check):
    """13.1, notes/autograd.html#backward-hooks-execution"""
    shown = check(f"""{LEAF}
y = x * 2
y.retain_grad()
h = y.register_hook(lambda g: g * 10)
k = y.register_hook(lambda g: g + 1)
y.sum().backward()
""")
    holds(shown.y.grad, [11.0, 11.0])
    holds(shown.x.grad, [22.0, 22.0])


@fact("13.1", "before_in_place after_in_place")
def test_a_hook_before_an_in_place_write_sees_the_gradient_of_the_old_value(check):
    """13.1, notes/autograd.html#behavior-of-tensor-hooks-when-tensor-is-modified-in-place"""
    shown = check(f"""{LEAF}
y = x.clone()
h = y.register_hook(lambda g: g * 10)
y.mul_(3)
k = y.register_hook(lambda g: g + 1)
y.sum().backward()
""")
    holds(shown.x.grad, [60.0, 60.0])


@fact("13.1", "retains_grad_moves")
def test_retain_grad_stays_with_the_tensor_after_an_in_place_write(check):
    """13.1, notes/autograd.html#behavior-of-tensor-hooks-when-tensor-is-modified-in-place"""
    shown = check(f"{LEAF}y = x.clone()\ny.retain_grad()\ny.mul_(3)\ny.sum().backward()\n")
    holds(shown.y.grad, [1.0, 1.0])


@fact("13.1", "removal")
def test_a_removed_hook_is_not_called_and_can_be_removed_again(check):
    """13.1, generated/torch.Tensor.register_hook.html"""
    shown = check(f"""{LEAF}
h = x.register_hook(lambda g: g * 10)
h.remove()
h.remove()
x.sum().backward()
""")
    holds(shown.x.grad, [1.0, 1.0])


@fact("13.1", "checks")
@pytest.mark.parametrize(
    ("hook", "kind", "text"),
    [
        ("lambda g: g.sum()", "RuntimeError", "hook '<lambda>' has changed the size of value"),
        (
            "lambda g: g.double()",
            "RuntimeError",
            "hook '<lambda>' has changed the type of value (was torch.FloatTensor got torch.DoubleTensor)",
        ),
        ("lambda g: 1.0", "TypeError", "expected Variable, but hook returned 'float'"),
    ],
)
def test_what_a_tensor_hook_returns_is_checked(check, hook, kind, text):
    """13.1, generated/torch.Tensor.register_hook.html"""
    shown = check(f"{LEAF}h = x.register_hook({hook})\nx.sum().backward()\n")
    assert shown.errors == [(kind, text)]
    assert shown.x.grad is None


@fact("13.1", "needs_requires_grad")
def test_a_hook_needs_a_tensor_that_requires_grad(check):
    """13.1, generated/torch.Tensor.register_hook.html"""
    shown = check("x = torch.ones(2)\nx.register_hook(lambda g: g)\n")
    assert shown.errors == [
        ("RuntimeError", "cannot register a hook on a tensor that doesn't require gradient")
    ]


# --- 13.2: after accumulation -----------------------------------------------------------------------------------------


@fact("13.2", "sees_the_accumulated_gradient")
def test_a_post_accumulate_hook_sees_the_gradient_of_the_leaf(check):
    """13.2, generated/torch.Tensor.register_post_accumulate_grad_hook.html"""
    shown = check(f"""{LEAF}
n = torch.zeros(1)
h = x.register_post_accumulate_grad_hook(lambda t: torch.autograd.graph.increment_version(n))
k = x.register_hook(lambda g: g * 3)
x.sum().backward()
x.sum().backward()
""")
    holds(shown.x.grad, [6.0, 6.0])
    assert shown.n._version == 2


@fact("13.2", "returns_None leaves_only")
def test_a_post_accumulate_hook_returns_None_and_is_for_leaves(check):
    """13.2, generated/torch.Tensor.register_post_accumulate_grad_hook.html"""
    shown = check(f"""{LEAF}
(x * 2).register_post_accumulate_grad_hook(lambda t: None)
h = x.register_post_accumulate_grad_hook(lambda t: t.grad.mul_(5))
x.sum().backward()
""")
    assert shown.errors == [
        ("RuntimeError", "post accumulate grad hooks cannot be registered on non-leaf tensors"),
        ("RuntimeError", "Tensor post accumulate grad hooks should return None."),
    ]
    holds(shown.x.grad, [5.0, 5.0])


# --- 13.3: nodes ------------------------------------------------------------------------------------------------------


@fact("13.3", "register_hook")
def test_a_hook_of_a_node_may_replace_the_gradients_of_its_inputs(check):
    """13.3, generated/torch.autograd.graph.Node.register_hook.html"""
    shown = check(f"""{LEAF}
y = x.clone()
h = y.grad_fn.register_hook(lambda gi, go: (go[0] * 2,))
y.sum().backward()
h.remove()
z = x.clone()
z.sum().backward()
""")
    holds(shown.x.grad, [3.0, 3.0])


@fact("13.3", "register_prehook order")
def test_a_prehook_of_a_node_runs_after_the_hooks_of_its_output(check):
    """13.3, notes/autograd.html#backward-hooks-execution"""
    shown = check(f"""{LEAF}
y = x * 2
y.retain_grad()
h = y.grad_fn.register_prehook(lambda go: (go[0] + 1,))
k = y.register_hook(lambda g: g * 10)
y.sum().backward()
""")
    holds(shown.y.grad, [10.0, 10.0])
    holds(shown.x.grad, [22.0, 22.0])


@fact("13.3", "checks")
@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        ("register_hook(lambda gi, go: 1)", "TypeError", "expected tuple, but hook returned 'int'"),
        (
            "register_hook(lambda gi, go: (1, 2, 3))",
            "RuntimeError",
            "hook '<lambda>' has returned an incorrect number of values (got 3, but expected 1)",
        ),
        (
            "register_hook(lambda gi, go: (gi[0].sum(),))",
            "RuntimeError",
            "hook '<lambda>' has changed the size of value",
        ),
        ("register_prehook(lambda go: go[0])", "TypeError", "expected tuple, but hook returned 'Tensor'"),
        ("register_prehook(lambda go: (2.0,))", "TypeError", "expected Variable, but hook returned 'float'"),
    ],
)
def test_what_a_hook_of_a_node_returns_is_checked(check, call, kind, text):
    """13.3, generated/torch.autograd.graph.Node.register_hook.html"""
    shown = check(f"{LEAF}y = x.clone()\ny.grad_fn.{call}\ny.sum().backward()\n")
    assert shown.errors == [(kind, text)]


@fact("13.3", "name next_functions metadata")
def test_what_a_node_says_of_itself(check):
    """13.3, generated/torch.autograd.graph.Node.next_functions.html"""
    shown = check(f"""{LEAF}
y = x * 2
n = y.grad_fn
f = n.next_functions
n.metadata[0] = 5
m = y.grad_fn.metadata
k = f[0][0].name()
""")
    assert shown.n.name() == "MulBackward0"
    assert [edge[1] for edge in shown.f] == [0, 0]
    assert shown.f[1][0] is None
    assert shown.k == "torch::autograd::AccumulateGrad"
    assert shown.m == {0: 5}


@fact("13.3", "a_Node")
def test_every_history_is_a_node(torch):
    """13.3, generated/torch.autograd.graph.Node.name.html"""
    x = torch.ones(2, requires_grad=True)
    assert isinstance((x * 2).grad_fn, torch.autograd.graph.Node)


# --- 13.4: saved tensors ----------------------------------------------------------------------------------------------


@fact("13.4", "pack_and_unpack")
def test_what_the_pack_hook_returns_is_saved(torch):
    """13.4, autograd.html#saved-tensors-default-hooks"""
    seen = []
    x = torch.tensor([1.0, 2.0], requires_grad=True)

    def pack(t):
        seen.append(t.tolist())
        return t.detach() * 10

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t + 1):
        y = x * x
    y.sum().backward()
    assert seen == [[1.0, 2.0], [1.0, 2.0]]
    holds(x.grad, [22.0, 42.0])


@fact("13.4", "keeps_history")
def test_what_is_unpacked_has_the_history_of_what_was_saved(check):
    """13.4, notes/autograd.html#hooks-for-saved-tensors"""
    shown = check(f"""{LEAF}
with torch.autograd.graph.saved_tensors_hooks(lambda t: t.detach().clone(), lambda t: t):
    y = x ** 3
(g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
(h,) = torch.autograd.grad(g.sum(), x)
""")
    holds(shown.h, [6.0, 12.0])


@fact("13.4", "innermost_pair")
def test_only_the_innermost_pair_of_hooks_is_used(torch):
    """13.4, autograd.html#saved-tensors-default-hooks"""
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    hooks = torch.autograd.graph.saved_tensors_hooks
    with hooks(lambda t: t.detach() * 5, lambda t: t):
        with hooks(lambda t: t.detach() * 3, lambda t: t):
            y = x * x
        z = x * x
    (y.sum() + z.sum()).backward()
    holds(x.grad, [16.0, 32.0])


@fact("13.4", "no_version_check")
def test_versions_are_not_looked_at_behind_hooks(check):
    """13.4, notes/autograd.html#hooks-for-saved-tensors"""
    shown = check(f"""{LEAF}
with torch.autograd.graph.saved_tensors_hooks(lambda t: t.clone(), lambda t: t):
    y = x * 2
    z = (y * y).sum()
y.add_(1)
z.backward()
""")
    assert shown.errors == []
    holds(shown.x.grad, [8.0, 16.0])


@fact("13.4", "checks")
def test_what_the_hooks_may_not_do(check):
    """13.4, autograd.html#saved-tensors-default-hooks"""
    shown = check(f"""{LEAF}
with torch.autograd.graph.saved_tensors_hooks(lambda t: 1, lambda t: t):
    y = x * x
y.sum().backward()
with torch.autograd.graph.saved_tensors_hooks(lambda t: t.add_(1), lambda t: t):
    z = x * x
""")
    # Before 2.13 it was "can not".
    assert [(kind, text.replace("can not", "cannot")) for kind, text in shown.errors] == [
        (
            "TypeError",
            "Output of saved tensor unpack_hook expected to be a Tensor but got result of type int",
        ),
        (
            "RuntimeError",
            "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook cannot be "
            "modified by in-place operations as this can lead to unexpected side-effects. Please open an issue if you need "
            "to perform in-place operations on the input to a pack hook.",
        ),
    ]


@fact("13.4", "save_on_cpu disable_saved_tensors_hooks")
def test_hooks_can_be_disabled(check):
    """13.4, autograd.html#torch.autograd.graph.disable_saved_tensors_hooks"""
    shown = check(f"""{LEAF}
with torch.autograd.graph.save_on_cpu():
    y = x * x
y.sum().backward()
with torch.autograd.graph.disable_saved_tensors_hooks('bad'):
    with torch.autograd.graph.save_on_cpu():
        z = x * x
with torch.autograd.graph.save_on_cpu():
    with torch.autograd.graph.disable_saved_tensors_hooks('bad'):
        z = x * x
z = x * x
""")
    assert shown.errors == [("RuntimeError", "bad"), ("RuntimeError", "bad")]
    holds(shown.x.grad, [2.0, 4.0])


@fact("13.4", "allow_mutation_on_saved_tensors")
def test_saved_tensors_may_be_written_where_that_is_allowed(check):
    """13.4, autograd.html#torch.autograd.graph.allow_mutation_on_saved_tensors"""
    shown = check(f"""{LEAF}
with torch.autograd.graph.allow_mutation_on_saved_tensors():
    y = x.clone()
    z = (y ** 2).sum()
    y.sin_()
    z.backward()
""")
    assert shown.errors == []
    holds(shown.x.grad, [2.0, 4.0])


@fact("13.4", "allow_mutation_on_saved_tensors")
def test_backward_belongs_into_the_same_block(torch):
    """13.4, autograd.html#torch.autograd.graph.allow_mutation_on_saved_tensors"""
    x = torch.ones(2, requires_grad=True)
    allow = torch.autograd.graph.allow_mutation_on_saved_tensors
    with allow():
        z = (x**2).sum()
    with pytest.raises(AssertionError, match="Trying to backward outside of the"):
        z.backward()
    with raising(RuntimeError, "allow_mutation_on_saved_tensors contexts cannot be nested"), allow(), allow():
        pass


# --- 13.5: edges and versions -----------------------------------------------------------------------------------------


@fact("13.5", "get_gradient_edge")
def test_a_gradient_edge_stands_for_its_tensor(check):
    """13.5, generated/torch.autograd.graph.get_gradient_edge.html"""
    shown = check(f"""{LEAF}
y = x * 2
e = torch.autograd.graph.get_gradient_edge(y)
f = torch.autograd.graph.get_gradient_edge(x)
g = torch.autograd.grad((y * y).sum(), [e, f], retain_graph=True)
torch.autograd.backward(e, torch.tensor([1.0, 10.0]), retain_graph=True)
torch.autograd.backward((y * y).sum(), inputs=[f])
torch.autograd.graph.get_gradient_edge(torch.ones(2))
""")
    holds(shown.g[0], [4.0, 8.0])
    holds(shown.g[1], [8.0, 16.0])
    holds(shown.x.grad, [10.0, 36.0])
    assert shown.errors == [
        (
            "RuntimeError",
            "It is not possible to get the gradient edge for a Tensor that does not require gradients",
        )
    ]


@fact("13.5", "outlives_in_place")
def test_an_edge_stays_with_the_history_that_it_was_read_from(check):
    """13.5, generated/torch.autograd.graph.GradientEdge.html"""
    shown = check(f"""{LEAF}
y = x * 2
e = torch.autograd.graph.get_gradient_edge(y)
y.mul_(5)
g = torch.autograd.grad(y.sum(), [e, torch.autograd.graph.get_gradient_edge(y)])
""")
    holds(shown.g[0], [5.0, 5.0])
    holds(shown.g[1], [1.0, 1.0])


@fact("13.5", "increment_version")
def test_a_write_that_is_told_by_hand_is_noticed_by_backward(check):
    """13.5, generated/torch.autograd.graph.increment_version.html"""
    shown = check(f"""{LEAF}
y = x * 2
z = (y * y).sum()
torch.autograd.graph.increment_version(y)
z.backward()
torch.autograd.graph.increment_version([x, y])
""")
    assert [kind for kind, _ in shown.errors] == ["RuntimeError"]
    assert "is at version 1; expected version 0 instead" in shown.errors[0][1]
    assert (shown.x._version, shown.y._version) == (1, 2)
