"""Gradients against finite differences (`torch.autograd.gradcheck`, `gradgradcheck`).

A batch of gradients is a loop, so that `check_batched_grad` does no more than draw its random numbers.

Sources: https://docs.pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradcheck.html and
https://docs.pytorch.org/docs/stable/notes/gradcheck.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine import dtypes, functions, signatures
from engine.autograd import grad
from engine.autograd.jacobians import Check, GradcheckError, as_tuple, differentiable
from engine.autograd.projections import FastCheck
from engine.tensor import Tensor

Function = Callable[..., Any]


def gradcheck(
    func: Function,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Whether the Jacobians of `func` at `inputs`, by backward or forwards, are those of central differences of step `eps`.

    fast_mode: compare random projections of the Jacobians, at a few calls of `func` for each of them.
    Raises GradcheckError (or returns False) where they are not within `atol` and `rtol`; ValueError where no input requires
    grad; AssertionError for options that contradict each other.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradcheck.html
    """
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    for name, way in (
        ("check_batched_grad", "check_backward_ad"),
        ("check_batched_forward_grad", "check_forward_ad"),
    ):
        given = {
            "check_batched_grad": check_batched_grad, "check_backward_ad": check_backward_ad,
            "check_batched_forward_grad": check_batched_forward_grad, "check_forward_ad": check_forward_ad,
        }  # fmt: skip
        if given[name] and not given[way]:
            raise AssertionError(f"Setting {name}=True requires {way} to be True")
    kind = FastCheck if fast_mode else Check
    check = kind(func, as_tuple(inputs), eps, atol, rtol, nondet_tol, check_grad_dtypes)
    try:
        check.require_inputs()
        outputs = check.run(check_backward_ad, check_forward_ad)
        if check_batched_forward_grad:
            _draw_batches(check.differentiated)
        if check_backward_ad:
            if check_batched_grad:
                _draw_batches(outputs)
            check.multiplies(outputs)
            if check_undefined_grad:
                check.takes_undefined(len(outputs))
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Function,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """As `gradcheck`, of the function that computes the gradients of `func` for `grad_outputs`, random ones if not given.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradgradcheck.html
    """
    if not (check_fwd_over_rev or check_rev_over_rev):
        raise AssertionError("Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True")
    for name, wanted in (
        ("check_undefined_grad", check_undefined_grad),
        ("check_batched_grad", check_batched_grad),
    ):
        if wanted and not check_rev_over_rev:
            raise AssertionError(f"Setting {name}=True requires check_rev_over_rev to be True")
    given = as_tuple(inputs)
    if grad_outputs is None:
        outputs = differentiable(func(*given))
        weights = tuple(_random_like(out, gen_non_contig_grad_outputs) for out in outputs)
    else:
        weights = as_tuple(grad_outputs)
    count = len(weights)
    wanted_inputs = [signatures.is_tensor(x) and x.requires_grad for x in given]
    wanted_weights = [w.requires_grad for w in weights]

    def gradients(*args: Any) -> tuple[Tensor, ...]:
        own = [x.requires_grad_() if w else x for x, w in zip(args[:-count], wanted_inputs, strict=True)]
        outputs = differentiable(func(*own))
        v = [x.requires_grad_() if w else x for x, w in zip(args[-count:], wanted_weights, strict=True)]
        chosen = [x for x, w in zip(own, wanted_inputs, strict=True) if w]
        found = grad(outputs, chosen, v, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(
        gradients, given + weights, eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception,
        nondet_tol=nondet_tol, check_undefined_grad=check_undefined_grad, check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad, fast_mode=fast_mode, check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev, masked=masked,
    )  # fmt: skip


def _random_like(out: Tensor, apart: bool) -> Tensor:
    """Numbers from -1 to 1 in the shape of an output, `apart`: with gaps in memory."""
    d = out.dtype if out.dtype.category >= dtypes.FLOAT else dtypes.float64
    apart = apart and out.numel() > 1
    sizes = (*out._sizes[:-1], 2 * out._sizes[-1]) if apart else out._sizes
    made = functions.empty(sizes, dtype=d)
    (functions.view_as_real(made) if d.is_complex else made).uniform_(-1, 1)
    made = made[..., 1::2] if apart else made
    return made.requires_grad_()


def _draw_batches(tensors: Sequence[Tensor]) -> None:
    """Draw what batches of gradients are tested with."""
    for t in tensors:
        functions.randn_like(t)
        functions.randn_like(t)
