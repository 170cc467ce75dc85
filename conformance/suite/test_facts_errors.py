"""Section 10: the errors that users meet, type and text in full as torch 2.13 gives them.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/.
"""

import pytest

from conformance.suite.expectations import fact, of_operations

HINT = (
    " Hint: enable anomaly detection to find the operation that failed to compute its gradient, with "
    "torch.autograd.set_detect_anomaly(True, check_nan=False)."
)
CHANGED = "one of the variables needed for gradient computation has been modified by an inplace operation: "
LEAF = "a leaf Variable that requires grad is being used in an in-place operation."
LEAF_VIEW = "a view of a leaf Variable that requires grad is being used in an in-place operation."
NON_SCALAR = "grad can be implicitly created only for scalar outputs"
NO_HISTORY = "element 0 of tensors does not require grad and does not have a grad_fn"
SECOND_TIME = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have already been "
    "freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify "
    "retain_graph=True if you need to backward through the graph a second time or if you need to access saved tensors "
    "after calling backward."
)
NUMPY = "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
NON_LEAF_FLAG = (
    "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a subgraph "
    "that doesn't require differentiation use var_no_grad = var.detach()."
)
NO_VIEW = (
    "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
    "contiguous subspaces). Use .reshape(...) instead."
)


def mismatch(gradient: str, output: str) -> str:
    return (
        f"Mismatch in shape: grad_output[0] has a shape of torch.Size({gradient}) and output[0] has a shape of "
        f"torch.Size({output})."
    )


def with_out(name: str) -> str:
    return (
        f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the arguments "
        "requires grad."
    )


LEAF_X = "x = torch.ones(2, 3, requires_grad=True)\n"

# row: (last statement raises, its text)
ERRORS = {
    "10.1": [
        (LEAF_X + "(x * 2).backward()", NON_SCALAR),
        (LEAF_X + "torch.autograd.backward([x * 2])", NON_SCALAR),
        (LEAF_X + "torch.autograd.grad(x * 2, x)", NON_SCALAR),
        (LEAF_X + "x.backward()", NON_SCALAR),
    ],
    "10.2": [
        ("x = torch.ones(())\nx.backward()", NO_HISTORY),
        ("x = torch.ones(2)\n(x * 2).sum().backward()", NO_HISTORY),
        (LEAF_X + "x.detach().sum().backward()", NO_HISTORY),
        (LEAF_X + "torch.autograd.grad(torch.ones(()), x)", NO_HISTORY),
    ],
    "10.3": [
        (LEAF_X + "y = (x * x).sum()\ny.backward()\ny.backward()", SECOND_TIME),
        (LEAF_X + "y = x.exp().sum()\ntorch.autograd.grad(y, x)\ny.backward()", SECOND_TIME),
    ],
    "10.4": [
        (LEAF_X + "x.add_(1)", LEAF),
        (LEAF_X + "x += 1", LEAF),
        (LEAF_X + "x.normal_()", LEAF),
        (LEAF_X + "x.zero_()", LEAF),
        (LEAF_X + "x[0] = 1", LEAF_VIEW),
        (LEAF_X + "x.view(6).mul_(2)", LEAF_VIEW),
    ],
    "10.5": [
        (
            "x = torch.ones(2, 3)\nw = torch.ones(3, 2, requires_grad=True)\nd = torch.mm(x, w)\nx -= 1\nd.sum().backward()",
            CHANGED + "[torch.FloatTensor [2, 3]] is at version 1; expected version 0 instead." + HINT,
        ),
        (
            LEAF_X + "y = x + 1\nz = y * y\ny.mul_(2)\nz.sum().backward()",
            CHANGED + "[torch.FloatTensor [2, 3]], which is output 0 of Mul, is at version 1; "
            "expected version 0 instead." + HINT,
        ),
        (
            LEAF_X + "y = x.exp()\ny[0] = 1\ny.sum().backward()",
            CHANGED + "[torch.FloatTensor [2, 3]], which is output 0 of Exp, is at version 1; "
            "expected version 0 instead." + HINT,
        ),
    ],
    "10.6": [
        (LEAF_X + "(x * 2).backward(torch.ones(3))", mismatch("[3]", "[2, 3]")),
        (LEAF_X + "x.sum().backward(torch.ones(1))", mismatch("[1]", "[]")),
        (LEAF_X + "torch.autograd.grad(x * 2, x, torch.ones(3, 2))", mismatch("[3, 2]", "[2, 3]")),
    ],
    "10.7": [
        (LEAF_X + "x.numpy()", NUMPY),
        (LEAF_X + "(x * 2).numpy()", NUMPY),
    ],
    "10.8": [
        (LEAF_X + "torch.add(x, 1, out=torch.ones(2, 3))", with_out("add")),
        (LEAF_X + "torch.mul(torch.ones(2, 3), 2, out=x)", with_out("mul")),
        (LEAF_X + "torch.exp(x, out=torch.ones(2, 3))", with_out("exp")),
    ],
    "10.9": [
        (LEAF_X + "y = x * 2\ny.requires_grad_(False)", NON_LEAF_FLAG),
        (LEAF_X + "y = x.view(6)\ny.requires_grad = False", NON_LEAF_FLAG),
    ],
    "10.10": [
        ("x = torch.ones(2, 3)\nx.t().view(6)", NO_VIEW),
        ("x = torch.ones(2, 3, 4)\nx.transpose(1, 2).view(2, 12)", NO_VIEW),
        ("x = torch.ones(2, 3)\nx[:, :2].view(-1)", NO_VIEW),
    ],
}


def each(row: str):
    """Parametrises a test over the programs of one row."""
    cases = ERRORS[row]
    return pytest.mark.parametrize(("text", "error"), cases, ids=[text.splitlines()[-1] for text, _ in cases])


@fact("10.1", "type text")
@each("10.1")
def test_backward_of_a_non_scalar_without_gradient(check, text, error):
    """10.1, generated/torch.Tensor.backward.html"""
    assert check(text).errors == [("RuntimeError", error)]


@fact("10.2", "type text")
@each("10.2")
def test_backward_without_history(check, text, error):
    """10.2, generated/torch.Tensor.backward.html"""
    assert check(text).errors == [("RuntimeError", error)]


@fact("10.3", "type text")
@each("10.3")
def test_backward_twice(check, text, error):
    """10.3, generated/torch.Tensor.backward.html"""
    assert check(text).errors == [("RuntimeError", error)]


@fact("10.4", "type text")
@each("10.4")
def test_in_place_on_a_leaf_that_requires_grad(check, text, error):
    """10.4, notes/autograd.html#in-place-operations-with-autograd"""
    assert check(text).errors == [("RuntimeError", error)]


@fact("10.5", "type text")
@each("10.5")
def test_in_place_on_a_tensor_saved_for_backward(check, text, error):
    """10.5, notes/autograd.html#in-place-correctness-checks"""
    assert of_operations(check(text).errors) == [("RuntimeError", error)]


@fact("10.6", "type text")
@each("10.6")
def test_a_gradient_of_another_shape(check, text, error):
    """10.6, generated/torch.autograd.backward.html"""
    assert check(text).errors == [("RuntimeError", error)]


@fact("10.7", "type text")
@each("10.7")
def test_numpy_of_a_tensor_that_requires_grad(check, text, error, numpy_shared):
    """10.7, generated/torch.Tensor.numpy.html"""
    assert check(text).errors == [("RuntimeError", error)]


@fact("10.8", "type text")
@each("10.8")
def test_out_with_grad(check, text, error):
    """10.8, notes/autograd.html"""
    assert check(text).errors == [("RuntimeError", error)]


@fact("10.9", "type text")
@each("10.9")
def test_clearing_requires_grad_of_a_non_leaf(check, text, error):
    """10.9, generated/torch.Tensor.requires_grad_.html"""
    assert check(text).errors == [("RuntimeError", error)]


@fact("10.10", "type text")
@each("10.10")
def test_a_view_that_strides_cannot_express(check, text, error):
    """10.10, generated/torch.Tensor.view.html"""
    assert check(text).errors == [("RuntimeError", error)]
