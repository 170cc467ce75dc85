"""Section 19: the note "Autograd mechanics": hooks for saved tensors.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/. What section 13 shows has no second test here.
"""

import pytest

from conformance.suite.expectations import fact, holds, raising

# --- 19.1: hooks for saved tensors ------------------------------------------------------------------------------------


def _noting(calls):
    """A pair of hooks that keep a detached tensor and note each call."""

    def pack(tensor):
        calls.append("pack")
        return tensor.detach()

    def unpack(kept):
        calls.append("unpack")
        return kept

    return pack, unpack


@fact("19.1", "once_and_often")
def test_what_is_saved_is_packed_once_and_unpacked_as_often_as_it_is_needed(torch):
    """19.1, notes/autograd.html#hooks-for-saved-tensors"""
    calls = []
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(*_noting(calls)):
        y = x.exp().sum()
    y.backward(retain_graph=True)
    y.backward()
    assert calls == ["pack", "unpack", "unpack"]
    holds(x.grad / 2, x.exp().tolist())


@fact("19.1", "registered")
def test_hooks_of_a_saved_tensor_pack_at_once_and_unpack_at_each_access(torch):
    """19.1, notes/autograd.html#registering-hooks-for-a-saved-tensor"""
    calls = []
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x.pow(2)
    y.grad_fn._raw_saved_self.register_hooks(*_noting(calls))
    assert calls == ["pack"]
    holds(y.grad_fn._saved_self.detach(), [1.0, 2.0])
    y.sum().backward()
    assert calls == ["pack", "unpack", "unpack"]
    holds(x.grad, [2.0, 4.0])


@fact("19.1", "registered")
def test_the_unpacked_value_is_what_backward_uses(torch):
    """19.1, notes/autograd.html#registering-hooks-for-a-saved-tensor"""
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x.exp()
    y.grad_fn._raw_saved_result.register_hooks(lambda t: t.tolist(), lambda kept: torch.tensor(kept) * 0 + 5)
    y.sum().backward()
    holds(x.grad, [5.0, 5.0])


@fact("19.1", "registered_on_a_function")
def test_what_a_function_saved_takes_hooks_too(torch):
    """19.1, notes/autograd.html#registering-hooks-for-a-saved-tensor"""

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, grad):
            return grad * 2 * ctx.saved_tensors[0]

    calls = []
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = Square.apply(x)
    y.grad_fn._raw_saved_tensors[0].register_hooks(*_noting(calls))
    y.sum().backward()
    assert calls == ["pack", "unpack"]
    holds(x.grad, [2.0, 4.0])


@fact("19.1", "registered_twice")
def test_a_saved_tensor_takes_one_pair_of_hooks(torch):
    """19.1, notes/autograd.html#registering-hooks-for-a-saved-tensor"""
    y = torch.tensor([1.0, 2.0], requires_grad=True).pow(2)  # torch's object does not keep its node alive
    kept = y.grad_fn._raw_saved_self
    kept.register_hooks(*_noting([]))
    text = (
        "Calling register_hooks on a saved tensor whose hooks have already been set. Hint: only one pair of hooks is allowed at "
        "a time."
    )
    with raising(RuntimeError, text):
        kept.register_hooks(*_noting([]))


@fact("19.1", "registered_too_late")
def test_a_freed_tensor_takes_no_hooks(torch):
    """19.1, notes/autograd.html#registering-hooks-for-a-saved-tensor"""
    y = torch.tensor([1.0, 2.0], requires_grad=True).pow(2)
    kept = y.grad_fn._raw_saved_self
    y.sum().backward()
    with pytest.raises(
        RuntimeError, match=r"^Calling register_hooks on a saved tensor after it has been freed\. Saved"
    ):
        kept.register_hooks(*_noting([]))


@fact("19.1", "registered_on_nothing")
def test_what_was_not_saved_takes_no_hooks(torch):
    """19.1, notes/autograd.html#registering-hooks-for-a-saved-tensor"""
    y = torch.tensor([1.0, 2.0], requires_grad=True) * torch.ones(2)
    with raising(RuntimeError, "Calling register_hooks on a saved tensor with value None is forbidden"):
        y.grad_fn._raw_saved_self.register_hooks(*_noting([]))


@fact("19.1", "live_input")
def test_default_hooks_see_the_history_and_registered_ones_do_not(torch):
    """19.1, notes/autograd.html#registering-default-hooks-for-saved-tensors"""
    seen = []

    def pack(tensor):
        seen.append((tensor.grad_fn is not None, torch.is_grad_enabled(), (tensor * 2).requires_grad))
        return tensor.detach()

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    between = x * 2
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept):
        between.pow(2)
    y = between.pow(2)
    y.grad_fn._raw_saved_self.register_hooks(pack, lambda kept: kept)
    assert seen == [(True, False, False), (False, False, False)]


@fact("19.1", "all_of_the_block")
def test_default_hooks_are_for_everything_saved_in_the_block(torch):
    """19.1, notes/autograd.html#registering-default-hooks-for-saved-tensors"""
    calls = []
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    with torch.autograd.graph.saved_tensors_hooks(*_noting(calls)):
        z = (y * x).exp()
    (z * z).sum().backward()
    assert (calls.count("pack"), calls.count("unpack")) == (3, 3)


@fact("19.1", "other_objects")
def test_behind_hooks_the_saved_tensors_are_other_objects_on_the_same_memory(torch):
    """19.1, notes/autograd.html#registering-default-hooks-for-saved-tensors"""
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    plain = (x * x).grad_fn
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.detach(), lambda t: t):
        hooked = (x * x).grad_fn
    assert plain._saved_self is plain._saved_other is x
    first, second = hooked._saved_self, hooked._saved_other
    assert len({id(x), id(first), id(second)}) == 3
    assert first.data_ptr() == second.data_ptr() == x.data_ptr()
