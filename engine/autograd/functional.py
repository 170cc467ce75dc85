"""Derivatives of functions rather than of graphs (`torch.autograd.functional`).

Each function calls `func` on copies of its inputs that are leaves (with `create_graph`, on views of those that require
grad), differentiates what it returns with `autograd.grad`, and gives zeros where an input has no part in an output. With
`strict` that is an error instead.

Source: https://docs.pytorch.org/docs/stable/autograd.html#functional-higher-level-api
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from engine import functions, signatures
from engine.autograd import forward_ad, grad
from engine.autograd.modes import enable_grad, is_grad_enabled, set_grad_enabled
from engine.tensor import Tensor

Tensors = tuple[Tensor, ...]
Function = Callable[..., Any]

_USER = "outputs of the user-provided function"


# ------------------------------------------------------------------------------------------------------------ products


def vjp(func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """(outputs, v transposed times the Jacobian): a gradient of each input, shaped as the input.

    `v` has the shapes of the outputs, and may be left out for one output of one element. Raises TypeError for what are no
    tensors, RuntimeError for a `v` that does not fit.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.functional.vjp.html
    """
    with enable_grad():
        inputs, several_inputs = _leaves(inputs, "vjp", create_graph)
        outputs, several_outputs = _outputs(func, inputs, "vjp", strict)
        v = _vector(
            v, outputs, several_outputs, "vjp", create_graph,
            "the user-provided function returns a single Tensor with a single element.",
        )  # fmt: skip
    with set_grad_enabled(create_graph or is_grad_enabled()):
        found = _gradients(outputs, inputs, v, create_graph)
        product = _or_zeros(found, inputs, _DEPENDS["vjp"], create_graph and strict, strict)
    return _handed(outputs, several_outputs, create_graph), _handed(product, several_inputs, create_graph)


def jvp(func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """(outputs, the Jacobian times v): a tangent of each output, by differentiating the vjp, which is linear in its vector.

    `v` has the shapes of the inputs, and may be left out for one input of one element. Raises as `vjp` does.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.functional.jvp.html
    """
    with enable_grad():
        inputs, several_inputs = _leaves(inputs, "jvp", create_graph)
        v = _vector(v, inputs, several_inputs, "jvp", create_graph)
        outputs, several_outputs = _outputs(func, inputs, "jvp", strict)
        weights = tuple(functions.zeros_like(out, requires_grad=True) for out in outputs)
        gradients = _gradients(outputs, inputs, weights, create_graph=True)
        _require_dependence(gradients, "gradient", strict)
    with set_grad_enabled(create_graph or is_grad_enabled()):
        found = _gradients(gradients, weights, v, create_graph)
        product = _or_zeros(found, outputs, _DEPENDS["jvp"], create_graph and strict, strict)
    return _handed(outputs, several_outputs, create_graph), _handed(product, several_outputs, create_graph)


def vhp(func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """(output, v transposed times the Hessian) of a function with one output of one element.

    Raises as `vjp` does, and RuntimeError for other outputs.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.functional.vhp.html
    """
    with enable_grad():
        inputs, several_inputs, v, outputs, jacobian_ = _slope(func, inputs, v, "vhp", create_graph, strict)
    with set_grad_enabled(create_graph or is_grad_enabled()):
        found = _gradients(jacobian_, inputs, v, create_graph)
        product = _or_zeros(found, inputs, _DEPENDS["vhp"], create_graph and strict, strict)
    return _handed(outputs, False, create_graph), _handed(product, several_inputs, create_graph)


def hvp(func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """(output, the Hessian times v), the same numbers as `vhp` wherever the Hessian is symmetric, by one more derivative.

    Raises as `vhp` does.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.functional.hvp.html
    """
    with enable_grad():
        inputs, several_inputs, v, outputs, jacobian_ = _slope(func, inputs, v, "hvp", create_graph, strict)
        weights = tuple(functions.zeros_like(t, requires_grad=True) for t in inputs)
        twice = _gradients(jacobian_, inputs, weights, create_graph=True)
        _require_dependence(jacobian_, "hessian", strict)
    with set_grad_enabled(create_graph or is_grad_enabled()):
        found = _gradients(twice, weights, v, create_graph)
        product = _or_zeros(found, inputs, _DEPENDS["hvp"], create_graph and strict, strict)
    return _handed(outputs, False, create_graph), _handed(product, several_inputs, create_graph)


# ----------------------------------------------------------------------------------------------------------- matrices


def jacobian(
    func: Function,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian: for each output and each input a tensor whose shape is the output's followed by the input's.

    A tensor, a tuple over inputs or over outputs, or a tuple (over outputs) of tuples, as inputs and outputs are single
    tensors or tuples. Raises as `vjp` does, and for combinations of options that PyTorch does not have.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.functional.jacobian.html
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more outputs than '
            'inputs, "forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode".'
        )
    if strategy == "forward-mode":
        if create_graph:
            raise NotImplementedError(_not_together("create_graph"))
        return _forward_jacobian(func, inputs, strict, vectorize)
    with enable_grad():
        inputs, several_inputs = _leaves(inputs, "jacobian", create_graph)
        outputs, several_outputs = _outputs(func, inputs, "jacobian", strict)
        if vectorize and strict:
            raise RuntimeError(
                "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported together. Please "
                "either set `strict=False` or `vectorize=False`."
            )
        if vectorize:
            rows = _vectorized(outputs, inputs, create_graph)
        else:
            rows = tuple(_rows(i, out, inputs, create_graph, strict) for i, out in enumerate(outputs))
        handed = tuple(_handed(row, several_inputs, create_graph) for row in rows)
    return handed if several_outputs else handed[0]


def _vectorized(outputs: Tensors, inputs: Tensors, create_graph: bool) -> tuple[Tensors, ...]:
    """The Jacobians of all outputs by one backward with a batch of gradients."""
    sizes = [out.numel() for out in outputs]
    basis = [
        functions.zeros((sum(sizes), size), dtype=out.dtype) for out, size in zip(outputs, sizes, strict=True)
    ]
    for first, size, gradient in zip(itertools.accumulate(sizes, initial=0), sizes, basis, strict=False):
        gradient.narrow(0, first, size).diagonal().fill_(1)
    found = _gradients([out.reshape(-1) for out in outputs], inputs, tuple(basis), create_graph, batched=True)
    wholes: list[Any] = [
        functions.zeros_like(t).expand(sum(sizes), *t._sizes) if g is None else g
        for g, t in zip(found, inputs, strict=True)
    ]
    parts = [whole.split(sizes) for whole in wholes]
    return tuple(
        tuple(part[k].view(out._sizes + t._sizes) for part, t in zip(parts, inputs, strict=True))
        for k, out in enumerate(outputs)
    )


def _rows(index: int, output: Tensor, inputs: Tensors, create_graph: bool, strict: bool) -> Tensors:
    """The Jacobian of one output with respect to each input, one backward an element of the output."""
    rows: list[list[Tensor]] = [[] for _ in inputs]
    for j in range(output.numel()):
        element = output.reshape(-1)[j]
        found = _gradients((element,), inputs, None, create_graph, retain_graph=True)
        for place, (given, t) in enumerate(zip(found, inputs, strict=True)):
            if given is None and strict:
                raise RuntimeError(
                    f"Output {index} of the user-provided function is independent of input {place}. This is not allowed in "
                    "strict mode."
                )
            if given is not None and strict and create_graph and not given.requires_grad:
                raise RuntimeError(
                    f"The jacobian of the user-provided function is independent of input {index}. This is not allowed in strict "
                    "mode when create_graph=True."
                )
            rows[place].append(functions.zeros_like(t) if given is None else given)
    return tuple(
        functions.stack(row, 0).view(output._sizes + t._sizes) for row, t in zip(rows, inputs, strict=True)
    )


def _forward_jacobian(func: Function, inputs: Any, strict: bool, vectorize: bool) -> Any:
    """The Jacobian column by column, each by dual numbers."""
    if strict:
        raise RuntimeError(_not_together("strict"))
    given, several_inputs = _tensors(inputs, "inputs", "jacobian")
    if not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian isonly implemented for `vectorize=True`."
        )
    columns: list[list[Tensor]] = []
    several_outputs = False
    outputs: Tensors = ()
    for i, t in enumerate(given):
        for j in range(t.numel()):
            tangents = [functions.zeros(other._sizes, dtype=other.dtype) for other in given]
            tangents[i].view(-1)[j] = 1
            with forward_ad.dual_level():
                duals = map(forward_ad.make_dual, given, tangents)
                outputs, several_outputs = _tensors(func(*duals), "outputs", None)
                pairs = [forward_ad.unpack_dual(out) for out in outputs]
            outputs = tuple(primal for primal, _ in pairs)
            columns.append([functions.zeros_like(p) if dual is None else dual for p, dual in pairs])
    if not columns:  # no element to differentiate by
        outputs, several_outputs = _tensors(func(*given), "outputs", None)
    rows = []
    for k, out in enumerate(outputs):
        made = [column[k] for column in columns]
        whole = functions.stack(made, 0) if made else functions.zeros((0, *out._sizes), dtype=out.dtype)
        parts = whole.split([t.numel() for t in given])
        row = [
            part.permute(*range(1, part.dim()), 0).reshape(out._sizes + t._sizes)
            for part, t in zip(parts, given, strict=True)
        ]
        rows.append(row if several_inputs else row[0])
    if not several_outputs:
        return rows[0]
    return (
        rows if several_inputs else tuple(rows)
    )  # torch's containers, which its documentation takes for tuples


def _not_together(option: str) -> str:
    return (
        f'torch.autograd.functional.jacobian: `{option}=True` and `strategy="forward-mode"` are not supported together (yet). '
        f'Please either set `{option}=False` or `strategy="reverse-mode"`.'
    )


def hessian(
    func: Function,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The Hessian of a function with one output of one element: the Jacobian of its Jacobian.

    A tensor, or for a tuple of inputs a tuple of tuples. Raises as `vhp` does.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.functional.hessian.html
    """
    given, several = _tensors(inputs, "inputs", "hessian")
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')

    def checked(*arguments: Tensor) -> Tensor:
        outputs, several_outputs = _outputs(func, arguments, "hessian", strict)
        _require_single(outputs, several_outputs, "hessian")
        return outputs[0].squeeze()

    def slope(*arguments: Tensor) -> Any:
        if outer_jacobian_strategy == "forward-mode":
            arguments = tuple(t.requires_grad_(True) for t in arguments)
        made = jacobian(checked, arguments, create_graph=True)
        _require_dependence(made, "jacobian", strict)
        return made

    made = jacobian(slope, given, create_graph, strict, vectorize, outer_jacobian_strategy)
    return made if several else made[0][0]


# ------------------------------------------------------------------------------------------------- inputs and outputs


def _tensors(given: Any, argument: str, function: str | None) -> tuple[Tensors, bool]:
    """The tensors, and whether they came in a tuple. Raises TypeError."""
    several = isinstance(given, tuple)
    tensors = given if several else (given,)
    for i, t in enumerate(tensors):
        if not signatures.is_tensor(t):
            which = f"value at index {i}" if several else f"given {argument}"
            raise TypeError(
                f"The {argument} given to {function} must be either a Tensor or a tuple of Tensors but the {which} has type "
                f"{type(t)}."
            )
    return tensors, several


def _copies(tensors: Tensors, create_graph: bool, requires_grad: bool) -> Tensors:
    return tuple(
        t.view_as(t) if create_graph and t.requires_grad else t.detach().requires_grad_(requires_grad)
        for t in tensors
    )


def _leaves(inputs: Any, function: str, create_graph: bool) -> tuple[Tensors, bool]:
    tensors, several = _tensors(inputs, "inputs", function)
    return _copies(tensors, create_graph, True), several


def _outputs(func: Function, inputs: Tensors, function: str, strict: bool) -> tuple[Tensors, bool]:
    outputs, several = _tensors(func(*inputs), _USER, function)
    _require_dependence(outputs, "output", strict)
    return outputs, several


def _vector(
    v: Any, like: Tensors, several: bool, function: str, create_graph: bool, needed: str | None = None
) -> Tensors | None:
    """The vector of a product, which must fit the tensors `like`; None where it may be left out."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            needed = needed or (
                "the input to the user-provided function is a single Tensor with a single element."
            )
            raise RuntimeError(f"The vector v can only be None if {needed}")
        return None
    vectors = _copies(_tensors(v, "v", function)[0], create_graph, False)
    if len(like) != len(vectors):
        if several:
            raise RuntimeError(
                f"v is a tuple of invalid length: should be {len(like)} but got {len(vectors)}."
            )
        raise RuntimeError("The given v should contain a single Tensor.")
    for i, (vector, t) in enumerate(zip(vectors, like, strict=True)):
        if vector._sizes != t._sizes:
            entry = f"Entry {i} in " if several else ""
            raise RuntimeError(f"{entry}v has invalid size: should be {t.size()} but got {vector.size()}.")
    return vectors


def _slope(func: Function, inputs: Any, v: Any, function: str, create_graph: bool, strict: bool) -> Any:
    """What the products with the Hessian start from: inputs, whether they are several, v, the output and its gradients."""
    inputs, several = _leaves(inputs, function, create_graph)
    v = _vector(v, inputs, several, function, create_graph)
    outputs, several_outputs = _outputs(func, inputs, function, strict)
    _require_single(outputs, several_outputs, function)
    found = _gradients(outputs, inputs, None, create_graph=True)
    _require_dependence(found, "jacobian", strict)
    return inputs, several, v, outputs, found


def _require_single(outputs: Tensors, several: bool, function: str) -> None:
    if several:
        raise RuntimeError(f"The function given to {function} should return a single Tensor")
    if outputs[0].numel() != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {function} should contain a single element"
        )


def _handed(tensors: Tensors, several: bool, create_graph: bool) -> Any:
    """What is returned: without history unless that was asked for."""
    handed = tensors if create_graph else tuple(t.detach() for t in tensors)
    return handed if several else handed[0]


# --------------------------------------------------------------------------------------------------------- gradients


def _gradients(
    outputs: Sequence[Tensor | None],
    inputs: Tensors,
    weights: Tensors | None,
    create_graph: bool,
    retain_graph: bool | None = None,
    batched: bool = False,
) -> tuple[Tensor | None, ...]:
    """`autograd.grad` of those outputs that require grad, None for each input that none of them depends on."""
    pairs = [
        (out, None if weights is None else weights[i])
        for i, out in enumerate(outputs)
        if out is not None and out.requires_grad
    ]
    if not pairs:
        return (None,) * len(inputs)
    return grad(
        [out for out, _ in pairs], inputs, [weight for _, weight in pairs], allow_unused=True,
        create_graph=create_graph, retain_graph=retain_graph, is_grads_batched=batched,
    )  # fmt: skip


_DEPENDS = {
    "vjp": "The output of the user-provided function is independent of input {}. This is not allowed in strict mode.",
    "jvp": "The gradient with respect to the input is independent of entry {} in the grad_outputs when using the double "
    "backward trick to compute forward mode gradients. This is not allowed in strict mode.",
    "vhp": "The jacobian of the user-provided function is independent of input {}. This is not allowed in strict mode.",
    "hvp": "The hessian of the user-provided function is independent of entry {} in the grad_jacobian. This is not allowed in "
    "strict mode as it prevents from using the double backward trick to replace forward mode AD.",
}  # fmt: skip
"""What a product raises in strict mode where a gradient is missing."""


def _or_zeros(
    found: Sequence[Tensor | None], like: Tensors, missing: str, differentiable: bool, strict: bool
) -> Tensors:
    """The gradients, zeros for those that are missing. Raises RuntimeError in strict mode, also for constant ones if they
    have to be `differentiable`.
    """
    for i, g in enumerate(found):
        if g is None and strict:
            raise RuntimeError(missing.format(i))
        if g is not None and differentiable and not g.requires_grad:
            order = "jacobian" if missing in (_DEPENDS["vjp"], _DEPENDS["jvp"]) else "hessian"
            raise RuntimeError(
                f"The {order} of the user-provided function is independent of input {i}. This is not allowed in strict mode when "
                "create_graph=True."
            )
    return tuple(functions.zeros_like(t) if g is None else g for g, t in zip(found, like, strict=True))


_CONSTANT = {
    "output": "Output {} of the user-provided function does not require gradients. The outputs must be computed in a "
    "differentiable manner from the input when running in strict mode.",
    "gradient": "The gradient with respect to input {} is independent of the inputs of the user-provided function. This is not "
    "allowed in strict mode.",
    "jacobian": "While computing the hessian, found that the jacobian of the user-provided function with respect to input {} is "
    "independent of the input. This is not allowed in strict mode. You should ensure that your function is twice differentiable "
    "and that the jacobian depends on the inputs (this would be violated by a linear function for example).",
    "hessian": "The hessian of the user-provided function with respect to input {} is independent of the input. This is not "
    "allowed in strict mode. You should ensure that your function is thrice differentiable and that the hessian depends on the "
    "inputs.",
}  # fmt: skip
"""What is raised in strict mode where something does not depend on the inputs."""


def _require_dependence(tensors: Sequence[Tensor | None], what: str, strict: bool) -> None:
    for i, t in enumerate(tensors if strict else ()):
        if t is None:
            raise RuntimeError(_DEPENDS["vjp"].format(i))
        if not t.requires_grad:
            raise RuntimeError(_CONSTANT[what].format(i))
