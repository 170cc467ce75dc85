"""Section 23: maps of functions (`vmap`): user's Functions in them, and what they cannot do.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/. What row 12.2 shows has no second test here.
"""

import pytest

from conformance.suite.expectations import fact, holds, raising, release
from conformance.suite.test_facts_notes_extending import _cube

M = "x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])\n"
MORE = "For more details, please see https://pytorch.org/docs/main/notes/extending.func.html"

# --- 23.1: Functions in maps ------------------------------------------------------------------------------------------


@fact("23.1", "generated_rule")
def test_a_rule_for_maps_is_generated_where_that_is_asked_for(torch):
    """23.1, notes/extending.func.html#automatically-generate-a-vmap-rule"""
    cube, x = (
        _cube(torch, generate_vmap_rule=True),
        torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True),
    )
    made = torch.func.vmap(cube)(x)
    holds(made.detach(), [[1.0, 8.0], [27.0, 64.0]])
    made.sum().backward()
    holds(x.grad, [[3.0, 12.0], [27.0, 48.0]])
    holds(torch.func.vmap(torch.func.grad(lambda t: cube(t).sum()))(x.detach()), [[3.0, 12.0], [27.0, 48.0]])


@fact("23.1", "rule_needed")
@pytest.mark.parametrize(
    "call",
    ["torch.func.vmap(cube)(x)", "torch.func.jacfwd(cube)(x)", "torch.func.vmap(lambda t: cube(x))(x)"],
)
def test_a_map_needs_a_rule(torch, call):
    """23.1, notes/extending.func.html#torch-vmap-support"""
    text = (
        "You tried to vmap over Cube, but it does not have vmap support. Please override and implement the vmap staticmethod or "
        f"set generate_vmap_rule=True. {MORE}"
    )
    with raising(RuntimeError, text):
        eval(call, {"torch": torch, "cube": _cube(torch), "x": torch.ones(2)})


@fact("23.1", "one_rule")
def test_a_rule_is_generated_or_written_and_not_both(torch):
    """23.1, generated/torch.autograd.Function.vmap.html"""
    both = _cube(torch, generate_vmap_rule=True, vmap=staticmethod(lambda info, in_dims, x: (x, 0)))
    text = (
        "You tried to vmap over Cube, but it has both generate_vmap_rule=True and an overridden vmap staticmethod. Please set "
        f"generate_vmap_rule=False or delete the overridden vmap staticmethod to avoid ambiguity. {MORE}"
    )
    with raising(RuntimeError, text):
        torch.func.vmap(both)(torch.ones(2))
    holds(both(torch.ones(2)), [1.0, 1.0])


def _scaled(torch, seen):
    """A product with a tensor and a number that notes what its rule for maps is told."""

    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(x, y, factor):
            return x * y * factor, x.sum()

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs[:2])
            ctx.factor = inputs[2]

        @staticmethod
        def backward(ctx, grad, of_sum):
            x, y = ctx.saved_tensors
            return grad * y * ctx.factor, grad * x * ctx.factor, None

        @staticmethod
        def vmap(info, in_dims, x, y, factor):
            seen.append((info.batch_size, info.randomness, in_dims, tuple(x.shape), tuple(y.shape), factor))
            x = x.movedim(in_dims[0], 0)
            y = y if in_dims[1] is None else y.movedim(in_dims[1], 0)
            return (x * y * factor, x.flatten(1).sum(1)), (0, 0)

    return Scaled.apply


@fact("23.1", "info in_dims")
def test_the_rule_of_a_function_is_told_of_the_map_and_gets_the_whole_batch(torch):
    """23.1, notes/extending.func.html#defining-the-vmap-staticmethod"""
    seen = []
    x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    scaled = _scaled(torch, seen)
    first, second = torch.func.vmap(lambda t: scaled(t, torch.ones(3), 2))(x)
    holds(first, [[2.0, 4.0, 6.0], [8.0, 10.0, 12.0]])
    holds(second, [6.0, 15.0])
    third, _ = torch.func.vmap(lambda a, b: scaled(a, b, 2), in_dims=(1, None), randomness="same")(
        x, torch.ones(2)
    )
    holds(third, [[2.0, 8.0], [4.0, 10.0], [6.0, 12.0]])
    assert seen == [
        (2, "error", (0, None, None), (2, 3), (3,), 2),
        (3, "same", (1, None, None), (2, 3), (2,), 2),
    ]


@fact("23.1", "computed_arguments")
def test_the_rule_is_called_once_for_each_call_with_what_all_examples_computed(torch):
    """23.1, notes/extending.func.html#defining-the-vmap-staticmethod"""
    seen = []
    scaled = _scaled(torch, seen)

    def function(t):
        return scaled(scaled(t + 1, t, 1)[0] * 2, t, 3)[0].sum()

    x = torch.tensor([[1.0, 2.0], [3.0, 4.0], [0.0, 1.0]])
    holds(torch.func.vmap(function)(x), [6 * (2 + 3 * 4), 6 * (4 * 9 + 5 * 16), 12])
    assert [row[:4] for row in seen] == [(3, "error", (0, 0, None), (3, 2))] * 2


@fact("23.1", "rule_and_gradients")
def test_gradients_go_through_the_rule_of_a_function(torch):
    """23.1, notes/extending.func.html#defining-the-vmap-staticmethod"""
    scaled = _scaled(torch, [])
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    torch.func.vmap(lambda t: scaled(t, t, 3)[0].sum())(x).sum().backward()
    holds(x.grad, [[6.0, 12.0], [18.0, 24.0]])
    mapped = torch.func.vmap(torch.func.grad(lambda t: scaled(t, torch.ones(2), 3)[0].sum()))
    holds(mapped(x.detach()), [[3.0, 3.0], [3.0, 3.0]])


@fact("23.1", "no_batched_argument")
def test_without_a_mapped_argument_forward_is_called(torch):
    """23.1, notes/extending.func.html#defining-the-vmap-staticmethod"""
    seen = []
    scaled = _scaled(torch, seen)
    made = torch.func.vmap(lambda t: t + scaled(torch.ones(2), torch.ones(2), 3)[0])(torch.zeros(2, 2))
    holds(made, [[3.0, 3.0], [3.0, 3.0]])
    assert seen == []


@fact("23.1", "rule_returns")
def test_a_rule_returns_an_output_and_its_dimensions(torch):
    """23.1, notes/extending.func.html#defining-the-vmap-staticmethod"""
    wrong = _cube(torch, vmap=staticmethod(lambda info, in_dims, x: x))
    with pytest.raises(
        RuntimeError, match=r"^Expected the vmap staticmethod to have two returns, an output and out_dims"
    ):
        torch.func.vmap(wrong)(torch.ones(2))


# --- 23.2: what maps cannot do ----------------------------------------------------------------------------------------


@fact("23.2", "like_a_loop")
@pytest.mark.parametrize(
    "body", ["a.sin()", "(a * a).sum()", "a.sort()[0]", "torch.stack([a, a * 2])", "a.cumsum(0) - a[0]"]
)
def test_a_map_of_a_pure_function_is_a_loop(check, body):
    """23.2, func.ux_limitations.html#vmap-limitations"""
    shown = check(
        f"{M}y = torch.func.vmap(lambda a: {body})(x)\na = x[0]\nb = {body}\na = x[1]\nz = torch.stack([b, {body}])\n"
    )
    assert shown.y.tolist() == shown.z.tolist()


@fact("23.2", "writes_what_is_mapped")
def test_a_mapped_tensor_is_written_for_all_examples(check):
    """23.2, func.ux_limitations.html#mutation-in-place-pytorch-operations"""
    shown = check(f"{M}y = torch.ones(2, 3)\nz = torch.func.vmap(lambda a, b: a.add_(b))(x, y)\n")
    holds(shown.x, [[2.0, 3.0, 4.0], [5.0, 6.0, 7.0]])


@fact("23.2", "new_zeros")
def test_what_a_mapped_tensor_makes_may_be_written_and_what_is_made_anew_not(check):
    """23.2, func.ux_limitations.html#mutation-in-place-pytorch-operations"""
    shown = check(f"""{M}
y = torch.func.vmap(lambda a: a.new_zeros(3, 3).diagonal().copy_(a))(x)
z = torch.func.vmap(lambda a: torch.zeros(3, 3).diagonal().copy_(a))(x)
""")
    holds(shown.y, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert [text[:58] for _, text in shown.errors] == [
        "vmap: inplace arithmetic(self, *extra_args) is not possibl"
    ]


@fact("23.2", "out_refused")
def test_a_map_refuses_out(torch):
    """23.2, func.ux_limitations.html#mutation-out-pytorch-operations"""
    x, kept = torch.ones(2, 3), torch.zeros(3)
    text = (
        "Batching rule not implemented for aten::add.out; the fallback path doesn't work on out= or view ops."
    )
    with raising(RuntimeError, text):
        torch.func.vmap(lambda a: torch.add(a, 1, out=kept))(x)
    holds(torch.func.vmap(lambda a: a + torch.add(kept, 1, out=torch.empty(3)))(x), [[2.0] * 3] * 2)


@fact("23.2", "control_flow")
def test_what_is_done_must_not_depend_on_mapped_values(torch):
    """23.2, func.ux_limitations.html#data-dependent-python-control-flow"""
    x = torch.tensor([1.0, -1.0])
    where = (
        "please file an issue at https://github.com/pytorch/pytorch/issues"
        if release(torch) >= (2, 13)
        else "please shout over at https://github.com/pytorch/functorch/issues/257"
    )
    text = (
        "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We don't support that yet, "
        f"{where} ."
    )
    with raising(RuntimeError, text):
        torch.func.vmap(lambda a: a if a > 0 else a * 0)(x)
    holds(torch.func.vmap(lambda a: a * a if a.dim() == 0 else a)(x), [1.0, 1.0])


@fact("23.2", "randomness")
def test_random_numbers_differ_or_are_the_same_as_one_says(torch):
    """23.2, func.ux_limitations.html#randomness"""
    x = torch.ones(3)
    with pytest.raises(RuntimeError, match=r"^vmap: called random operation while in randomness error mode"):
        torch.func.vmap(lambda a: a + torch.randn(()))(x)
    different = torch.func.vmap(lambda a: a + torch.randn(()), randomness="different")(x)
    same = torch.func.vmap(lambda a: a + torch.randn(()), randomness="same")(x)
    assert [len(set(different.tolist())), len(set(same.tolist()))] == [3, 1]


@fact("23.2", "randomness")
def test_random_numbers_of_a_map_are_those_of_the_seed(torch):
    """23.2, func.ux_limitations.html#randomness"""
    found = []
    for _ in range(2):
        torch.manual_seed(3)
        mapped = torch.func.vmap(lambda a: a + torch.randn(()), randomness="different")
        found.append((mapped(torch.ones(3)).tolist(), mapped(torch.ones(3)).tolist()))
    assert found[0] == found[1]
    assert found[0][0] != found[0][1]


@fact("23.2", "aux")
def test_intermediate_results_are_returned_beside_the_output(check):
    """23.2, func.ux_limitations.html#general-limitations"""
    shown = check(
        "x = torch.tensor(0.5)\ng, s = torch.func.grad(lambda a: (a.sin().sin(), a.sin()), has_aux=True)(x)\n"
    )
    assert shown.s.item() == shown.x.sin().item()
    assert not shown.s.requires_grad


@fact("23.2", "autograd_within")
def test_autograd_within_a_transform(torch):
    """23.2, func.ux_limitations.html#torch-autograd-apis"""
    with pytest.raises(RuntimeError, match=r"^element 0 of tensors does not require grad"):
        torch.func.vmap(lambda a: torch.autograd.grad((a * a).sum(), a)[0])(torch.ones(2, 3))
    with pytest.raises(RuntimeError, match=r"^backward\(\) called inside a functorch transform"):
        torch.func.grad(lambda a: (a * a).sum().backward())(torch.ones(3))
