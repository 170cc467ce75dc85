"""Section 11: modules, what they consist of, and their state.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/.
"""

import copy

import pytest

from conformance.suite.expectations import fact, flat, holds, raising


def build(torch, **parts):
    """A module whose attributes are these, assigned in order."""
    module = torch.nn.Module()
    for name, part in parts.items():
        setattr(module, name, part)
    return module


def network(torch):
    """Two linear layers with a nonlinearity between, a parameter and two buffers of its own, in training mode."""
    net = build(
        torch, first=torch.nn.Linear(2, 3), act=torch.nn.ReLU(), last=torch.nn.Linear(3, 1, bias=False),
        scale=torch.nn.Parameter(torch.ones(2)),
    )  # fmt: skip
    net.register_buffer("mean", torch.zeros(2))
    net.register_buffer("cache", torch.zeros(1), persistent=False)
    return net


def names(pairs):
    return [name for name, _ in pairs]


# --- 11.1: what a module consists of ----------------------------------------------------------------------------------


@fact("11.1", "nn.Module")
def test_a_module_registers_what_is_assigned(torch):
    """11.1, generated/torch.nn.Module.html"""
    net = network(torch)
    assert names(net.named_parameters()) == ["scale", "first.weight", "first.bias", "last.weight"]
    assert names(net.named_parameters(prefix="net", recurse=False)) == ["net.scale"]
    assert names(net.named_buffers()) == ["mean", "cache"]
    assert names(net.named_children()) == ["first", "act", "last"]
    assert names(net.named_modules()) == ["", "first", "act", "last"]
    assert [
        len(list(found)) for found in (net.parameters(), net.buffers(), net.children(), net.modules())
    ] == [4, 2, 3, 4]


@fact("11.1", "nn.Module")
def test_what_is_shared_is_named_once_unless_told_otherwise(torch):
    """11.1, generated/torch.nn.Module.html"""
    layer = torch.nn.Linear(1, 1, bias=False)
    net = build(torch, one=layer, two=layer, weight=layer.weight)
    assert names(net.named_parameters()) == ["weight"]
    assert names(net.named_parameters(remove_duplicate=False)) == ["weight", "one.weight", "two.weight"]
    assert names(net.named_modules()) == ["", "one"]
    assert names(net.named_modules(remove_duplicate=False)) == ["", "one", "two"]
    assert names(net.named_children()) == ["one"]
    assert list(net.state_dict()) == ["weight", "one.weight", "two.weight"]


@fact("11.1", "nn.Module")
def test_assignment_moves_names_between_the_kinds(torch):
    """11.1, generated/torch.nn.Module.html"""
    net = network(torch)
    net.mean = torch.nn.Parameter(torch.ones(1))
    net.first = None
    net.plain = torch.ones(1)
    assert names(net.named_buffers()) == ["cache"]
    assert names(net.named_parameters()) == ["scale", "mean", "last.weight"]
    assert net.first is None
    del net.last, net.scale
    assert names(net.named_parameters()) == ["mean"]
    with raising("AttributeError", "'Module' object has no attribute 'scale'"):
        net.scale  # noqa: B018


REFUSED = {
    "net.scale = 3": ("TypeError", "cannot assign 'int' as parameter 'scale' (torch.nn.Parameter or None expected)"),
    "net.scale = torch.ones(2)": (
        "TypeError", "cannot assign 'torch.FloatTensor' as parameter 'scale' (torch.nn.Parameter or None expected)",
    ),
    "net.act = 3": ("TypeError", "cannot assign 'int' as child module 'act' (torch.nn.Module or None expected)"),
    "net.mean = 3": (
        "TypeError", "cannot assign 'int' as buffer 'mean' (torch.nn.Buffer, torch.Tensor or None expected)",
    ),
    "net.register_parameter('p', torch.ones(1))": (
        "TypeError", "cannot assign 'torch.FloatTensor' object to parameter 'p' (torch.nn.Parameter or None required)",
    ),
    "net.register_parameter('act', None)": ("KeyError", "\"attribute 'act' already exists\""),
    "net.register_parameter('a.b', None)": ("KeyError", "'parameter name can\\'t contain \".\"'"),
    "net.register_parameter('', None)": ("KeyError", "'parameter name can\\'t be empty string \"\"'"),
    "net.register_parameter(1, None)": ("TypeError", "parameter name should be a string. Got int"),
    "net.register_buffer('scale', None)": ("KeyError", "\"attribute 'scale' already exists\""),
    "net.register_buffer('b', 3)": (
        "TypeError", "cannot assign 'int' object to buffer 'b' (torch Tensor or None required)",
    ),
    "net.add_module('scale', net.act)": ("KeyError", "\"attribute 'scale' already exists\""),
    "net.add_module('a.b', net.act)": ("KeyError", "'module name can\\'t contain \".\", got: a.b'"),
    "net.add_module('m', 3)": ("TypeError", "int is not a Module subclass"),
    "net.get_parameter('first.gain')": ("AttributeError", "Linear has no attribute `gain`"),
    "net.get_parameter('mean')": ("AttributeError", "`mean` is not an nn.Parameter"),
    "net.get_submodule('scale')": ("AttributeError", "`scale` is not an nn.Module"),
    "net.get_submodule('first.nothing')": ("AttributeError", "Linear has no attribute `nothing`"),
    "net.get_buffer('scale')": ("AttributeError", "`scale` is not a buffer"),
    "net.train(1)": ("ValueError", "training mode is expected to be boolean"),
    "net(1)": ("NotImplementedError", 'Module [Module] is missing the required "forward" function'),
    "net.to(torch.int64)": (
        "TypeError", "nn.Module.to only accepts floating point or complex dtypes, but got desired dtype=torch.int64",
    ),
}  # fmt: skip


@fact("11.1", "nn.Module")
@pytest.mark.parametrize("statement", REFUSED)
def test_a_module_refuses(torch, statement):
    """11.1, generated/torch.nn.Module.html"""
    with raising(*REFUSED[statement]):
        exec(statement, {"torch": torch, "net": network(torch)})


@fact("11.1", "nn.Module")
def test_assignment_needs_an_initialized_module(torch):
    """11.1, generated/torch.nn.Module.html"""

    class Hasty(torch.nn.Module):
        def __init__(self, part):
            self.part = part

    assert Hasty(3).part == 3
    for part, what in ((torch.nn.Parameter(torch.ones(1)), "parameters"), (torch.nn.ReLU(), "module")):
        with raising("AttributeError", f"cannot assign {what} before Module.__init__() call"):
            Hasty(part)


@fact("11.1", "nn.Module")
def test_parts_are_found_by_dotted_name(torch):
    """11.1, generated/torch.nn.Module.html"""
    net = network(torch)
    assert net.get_submodule("") is net
    assert net.get_submodule("first") is net.first
    assert net.get_parameter("first.bias") is net.first.bias
    assert net.get_buffer("mean") is net.mean


@fact("11.1", "nn.Module")
def test_apply_goes_from_the_leaves_up(torch):
    """11.1, generated/torch.nn.Module.html"""
    net, seen = network(torch), []
    assert net.apply(lambda module: seen.append(type(module).__name__)) is net
    assert seen == ["Linear", "ReLU", "Linear", "Module"]


@fact("11.1", "nn.Module.train_and_eval")
def test_modes_are_set_for_all_modules_below(torch):
    """11.1, generated/torch.nn.Module.html"""
    net = network(torch)
    assert [module.training for module in net.modules()] == [True] * 4
    assert net.eval() is net
    assert [module.training for module in net.modules()] == [False] * 4
    assert net.train().first.training


@fact("11.1", "nn.Module")
def test_gradients_of_all_parameters_are_switched_and_cleared(torch):
    """11.1, generated/torch.nn.Module.html"""
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1))
    net(torch.ones(2)).backward()
    net.zero_grad(set_to_none=False)
    assert all(set(flat(parameter.grad.tolist())) == {0.0} for parameter in net.parameters())
    net.zero_grad()
    assert [parameter.grad for parameter in net.parameters()] == [None] * 4
    net.requires_grad_(False)
    assert not net(torch.ones(2)).requires_grad


@fact("11.1", "nn.Module")
def test_conversions_keep_the_parameters_and_change_their_dtype(torch):
    """11.1, generated/torch.nn.Module.html"""
    net = network(torch)
    net.register_buffer("count", torch.tensor(3))
    weight = net.first.weight
    net.first(torch.ones(2)).sum().backward()
    assert net.double() is net
    assert net.first.weight is weight
    assert [t.dtype for t in (weight, weight.grad, net.mean, net.count)] == [torch.float64] * 3 + [
        torch.int64
    ]
    assert net.to(torch.float16).scale.dtype is torch.float16
    assert net.to("cpu", torch.float64).mean.dtype is torch.float64
    assert net.float().last.weight.dtype is torch.float32


@fact("11.1", "nn.Module")
def test_a_copied_module_has_parameters_of_its_own(torch):
    """11.1, generated/torch.nn.Module.html"""
    net = network(torch)
    other = copy.deepcopy(net)
    assert names(other.named_parameters()) == names(net.named_parameters())
    assert other.scale.data_ptr() != net.scale.data_ptr()
    assert other.first.weight.equal(net.first.weight)


# --- 11.1: state ------------------------------------------------------------------------------------------------------


@fact("11.1", "nn.Module")
def test_the_state_is_detached_on_the_same_memory(torch):
    """11.1, generated/torch.nn.Module.html"""
    net = network(torch)
    state = net.state_dict()
    assert list(state) == ["scale", "mean", "first.weight", "first.bias", "last.weight"]
    assert state["scale"].data_ptr() == net.scale.data_ptr()
    assert not state["scale"].requires_grad
    assert net.state_dict(keep_vars=True)["scale"] is net.scale
    assert "net.mean" in net.state_dict(prefix="net.")


@fact("11.1", "nn.Module")
def test_loading_copies_into_the_parameters(torch):
    """11.1, generated/torch.nn.Module.html"""
    net, other = network(torch), network(torch)
    scale = net.scale
    other.scale.data.fill_(7.0)
    assert str(net.load_state_dict(other.state_dict())) == "<All keys matched successfully>"
    assert net.scale is scale
    holds(scale, [7.0, 7.0])
    assert net.first.weight.equal(other.first.weight)
    assert net.first.weight.data_ptr() != other.first.weight.data_ptr()


@fact("11.1", "nn.Module")
def test_loading_another_state_is_an_error_or_reported(torch):
    """11.1, generated/torch.nn.Module.html"""
    net = network(torch)
    state = net.state_dict()
    del state["scale"]
    state["extra"] = torch.ones(1)
    state["first.bias"] = torch.ones(4)
    with raising(
        "RuntimeError",
        "Error(s) in loading state_dict for Module:\n"
        '\tMissing key(s) in state_dict: "scale". \n'
        '\tUnexpected key(s) in state_dict: "extra". \n'
        "\tsize mismatch for first.bias: copying a param with shape torch.Size([4]) from checkpoint, the shape in current "
        "model is torch.Size([3]).",
    ):
        net.load_state_dict(state)
    del state["first.bias"]
    found = net.load_state_dict(state, strict=False)
    assert found == (["scale", "first.bias"], ["extra"])
    with raising("TypeError", "Expected state_dict to be dict-like, got <class 'int'>."):
        net.load_state_dict(3)


@fact("11.1", "nn.Module")
def test_a_loaded_tensor_may_take_the_place_of_the_parameter(torch):
    """11.1, generated/torch.nn.Module.html"""
    net = network(torch)
    state = net.state_dict()
    state["scale"] = torch.full((2,), 7.0, dtype=torch.float64)
    net.load_state_dict(state, assign=True)
    assert isinstance(net.scale, torch.nn.Parameter)
    assert net.scale.data_ptr() == state["scale"].data_ptr()


# --- 11.1: calls ------------------------------------------------------------------------------------------------------


def fixed_layer(torch):
    """A linear layer with weights 1 and 2 and no bias."""
    layer = torch.nn.Linear(2, 1, bias=False)
    layer.weight.data.copy_(torch.tensor([[1.0, 2.0]]))
    return layer


@fact("11.1", "nn.Module")
def test_hooks_around_forward_see_and_replace_what_goes_through(torch):
    """11.1, generated/torch.nn.Module.html"""
    layer, x = fixed_layer(torch), torch.tensor([1.0, 1.0])
    seen = []
    before = layer.register_forward_pre_hook(lambda module, args: args[0] * 2)
    after = layer.register_forward_hook(lambda module, args, output: output + 1)
    layer.register_forward_hook(lambda module, args, output: seen.append((args[0].tolist(), output.tolist())))
    first = layer.register_forward_hook(lambda module, args, output: output * 10, prepend=True)
    holds(layer(x), [61.0])
    for handle in (before, after, first):
        handle.remove()
    holds(layer(x), [3.0])
    assert seen == [([2.0, 2.0], [61.0]), ([1.0, 1.0], [3.0])]


@fact("11.1", "nn.Module")
def test_hooks_with_keywords_and_hooks_that_are_always_called(torch):
    """11.1, generated/torch.nn.Module.html"""
    layer, seen = fixed_layer(torch), []
    layer.register_forward_pre_hook(
        lambda module, args, kwargs: ((), {"input": torch.ones(2)}), with_kwargs=True
    )
    layer.register_forward_hook(lambda *shown: seen.append(list(shown[2])), with_kwargs=True)
    layer.register_forward_hook(lambda *shown: seen.append(shown[-1]), always_call=True)
    layer(input=torch.zeros(2))
    layer.register_forward_pre_hook(lambda module, args: (torch.ones(2), torch.ones(2)))
    with pytest.raises(TypeError):
        layer()
    assert [seen[0], seen[2]] == [["input"], None]
    holds(seen[1], [3.0])


@fact("11.1", "nn.Module")
@pytest.mark.parametrize("register", ["register_forward_pre_hook", "register_forward_hook"])
def test_hooks_that_are_always_called_see_what_there_is(torch, register):
    """11.1, generated/torch.nn.Module.html"""
    layer, seen = fixed_layer(torch), []

    def failing(*shown):
        raise KeyError("of a hook")

    getattr(layer, register)(failing)
    layer.register_forward_hook(lambda *shown: seen.append(shown[-1]), always_call=True)
    with pytest.raises(KeyError):
        layer(torch.ones(2))
    assert [None if one is None else one.tolist() for one in seen] == [
        None if register == "register_forward_pre_hook" else [3.0]
    ]


@fact("11.1", "nn.Module")
def test_full_backward_hooks_see_and_replace_gradients(torch):
    """11.1, generated/torch.nn.Module.html"""
    layer, x = fixed_layer(torch), torch.ones(2, requires_grad=True)
    seen = []
    layer.register_full_backward_pre_hook(lambda module, grad_output: (grad_output[0] * 10,))
    layer.register_full_backward_hook(lambda module, *grads: seen.append([g[0].tolist() for g in grads]))
    layer.register_full_backward_hook(lambda module, grad_input, grad_output: (grad_input[0] + 0.5,))
    layer(x).backward()
    assert seen == [[[10.0, 20.0], [10.0]]]
    holds(x.grad, [10.5, 20.5])
    holds(layer.weight.grad, [[10.0, 10.0]])


@fact("11.1", "nn.Module")
def test_full_backward_hooks_where_no_input_requires_a_gradient(torch):
    """11.1, generated/torch.nn.Module.html"""
    layer, seen = fixed_layer(torch), []
    layer.register_full_backward_hook(lambda module, *grads: seen.append(grads))
    root = layer(torch.ones(2))
    with pytest.warns(UserWarning, match="since no inputs require gradients"):
        root.backward()
    assert seen[0][0] == (None,)
    holds(seen[0][1][0], [1.0])


@fact("11.1", "nn.Module")
def test_what_a_module_with_backward_hooks_gives_may_not_be_written(torch):
    """11.1, generated/torch.nn.Module.html"""
    layer = fixed_layer(torch)
    layer.register_full_backward_hook(lambda *shown: None)
    with pytest.raises(
        RuntimeError,
        match=r"Output 0 of BackwardHookFunction(Backward)? is a view and is being modified inplace",
    ):
        layer(torch.ones(2)).add_(1)


@fact("11.1", "nn.Module nn.containers")
def test_a_module_shows_its_parts(torch):
    """11.1, generated/torch.nn.Module.html"""
    inner = torch.nn.ModuleList([torch.nn.ReLU(), torch.nn.ReLU(), torch.nn.Flatten()])
    assert repr(torch.nn.Sequential(torch.nn.Linear(2, 3), inner, torch.nn.Sequential())) == (
        "Sequential(\n"
        "  (0): Linear(in_features=2, out_features=3, bias=True)\n"
        "  (1): ModuleList(\n"
        "    (0-1): 2 x ReLU()\n"
        "    (2): Flatten(start_dim=1, end_dim=-1)\n"
        "  )\n"
        "  (2): Sequential()\n"
        ")"
    )
