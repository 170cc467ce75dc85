"""Products of matrices and vectors, and their sums with a third operand.

Integers wrap around. 16-bit floats are multiplied, added and scaled in float32 and rounded once, as measured in torch; the
order of the sums is left open, so results are exact only where all partial sums are.
Source: https://docs.pytorch.org/docs/stable/torch.html#blas-and-lapack-operations
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engine import dtypes, layout, promotion
from engine import functions as F
from engine.casts import checked_number
from engine.dtypes import BOOL, FLOAT, HALVES, dtype
from engine.ops.pointwise import conj, scaled
from engine.ops.sums_of_products import multiply, product_of, rounded, undecided, wide
from engine.precision import terms
from engine.random_support import C_NAME
from engine.registry import GENERAL, MEMORY, POINTWISE, op
from engine.results import Result
from engine.tensor import Tensor, fresh
from engine.writes import check_memory, resize_output

# -------------------------------------------------------------------------------------------------------------- products


def _unlike(a: Tensor, b: Tensor, text: str) -> None:
    if a.dtype is not b.dtype:
        known = {
            "a": a.dtype.legacy,
            "b": b.dtype.legacy,
            "ca": C_NAME[a.dtype.name],
            "cb": C_NAME[b.dtype.name],
        }
        raise RuntimeError(text.format(**known))


def _check_matrices(a: Tensor, b: Tensor, words: tuple[str, str]) -> None:
    for t, word in ((a, words[0]), (b, words[1])):
        if t.dim() != 2:
            raise RuntimeError(word.format(n=t.dim()))
    (n, k), (m, p) = a._sizes, b._sizes
    if k != m:
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({n}x{k} and {m}x{p})")


def _mm(input: Tensor, mat2: Tensor) -> np.ndarray:
    _check_matrices(input, mat2, ("self must be a matrix", "mat2 must be a matrix"))
    _unlike(input, mat2, "expected m1 and m2 to have the same dtype, but got: {ca} != {cb}")
    return product_of(input, mat2, "addmm_impl_cpu_", input.dtype)


def _check_batches(a: Tensor, b: Tensor) -> None:
    for t, name in ((a, "batch1"), (b, "batch2")):
        if t.dim() != 3:
            raise RuntimeError(f"{name} must be a 3D tensor")
    (count, _, k), have = a._sizes, b._sizes
    if have[:2] != (count, k):
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{count}, {k}] but got: [{have[0]}, {have[1]}]."
        )


def _bmm(input: Tensor, mat2: Tensor) -> np.ndarray:
    _check_batches(input, mat2)
    product = multiply(input, mat2, "bmm")
    if not product.size or not input._sizes[-1]:  # nothing is added up: torch does not compare the dtypes
        return np.zeros(product.shape, mat2.dtype.numpy)
    _unlike(input, mat2, "expected scalar type {a} but found {b}")
    return rounded(product, mat2.dtype, undecided(wide(input), wide(mat2), mat2.dtype))


def _check_matrix_vector(input: tuple[int, int], mat: Tensor, vec: Tensor) -> None:
    """`input`: the dimension and the length of what is added."""
    if mat.dim() != 2 or vec.dim() != 1 or input[0] > 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got {input[0]}, {mat.dim()}, {vec.dim()}")
    n, m = mat._sizes
    if m != vec._sizes[0] or input[1] not in (1, n):
        raise RuntimeError(f"size mismatch, got input ({input[1]}), mat ({n}x{m}), vec ({vec._sizes[0]})")


def _mv(input: Tensor, vec: Tensor) -> np.ndarray:
    if not input.dim():
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    _check_matrix_vector((1, input._sizes[0]), input, vec)
    if input.dtype is not vec.dtype:
        a, v = input.dtype.legacy, vec.dtype.legacy
        raise RuntimeError(f"addmv input tensors must have the same dtype, but got {v}, {a}, and {v}")
    return product_of(input, vec, "addmv_impl_cpu", input.dtype)


def _check_vectors(a: Tensor, b: Tensor) -> None:
    if a.dim() != 1 or b.dim() != 1:
        raise RuntimeError(f"1D tensors expected, but got {a.dim()}D and {b.dim()}D tensors")
    _unlike(a, b, "dot : expected both vectors to have same dtype, but found {a} and {b}")
    n, m = a._sizes[0], b._sizes[0]
    if n != m:
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{n}] and src [{m}] to have the same number of elements, but got {n} "
            f"and {m} elements respectively"
        )


def _resize_first(values: list[Any], outs: list[Any]) -> None:
    """torch makes `out` of a dot product 0-d before it looks at dtypes."""
    resize_output(outs[0], ())


def _inner(a: np.ndarray, b: np.ndarray, d: dtype) -> Any:
    return rounded(np.asarray(np.dot(terms(a), b)), d, undecided(a, b, d))


def _dot(input: Tensor, tensor: Tensor) -> np.ndarray:
    _check_vectors(input, tensor)
    if input.dtype.category == BOOL:
        raise NotImplementedError("\"dot\" not implemented for 'Bool'")
    return _inner(wide(input), wide(tensor), input.dtype)


def _vdot(input: Tensor, other: Tensor) -> np.ndarray:
    _check_vectors(input, other)
    if input.dtype.category == BOOL:
        raise NotImplementedError("\"dot\" not implemented for 'Bool'")
    return _inner(np.conjugate(wide(input)), wide(other), input.dtype)


# ----------------------------------------------------------------------------------------------------------- derivatives


def _is_column_major(sizes: layout.Shape, strides: layout.Shape) -> bool:
    return strides[0] == 1 and strides[1] == sizes[0]


def left_gradient(grad: Any, right: Any, sizes: layout.Shape, strides: layout.Shape, factor: Any = 1) -> Any:
    """The gradient of the left matrix of a product; column-major like the matrix itself, if that is."""
    if _is_column_major(sizes, strides):
        return scaled(conj(right).mm(grad.t()).t(), conj(factor))
    return scaled(grad.mm(conj(right.t())), conj(factor))


def right_gradient(grad: Any, left: Any, sizes: layout.Shape, strides: layout.Shape, factor: Any = 1) -> Any:
    """The gradient of the right matrix of a product; column-major like the matrix itself, if that is."""
    if _is_column_major(sizes, strides):
        return scaled(grad.t().mm(conj(left)).t(), conj(factor))
    return scaled(conj(left.t()).mm(grad), conj(factor))


def _in_batches(grad: Any, batch1_sizes: Any, batch2_sizes: Any) -> Any:
    return grad.unsqueeze(0).expand(batch1_sizes[0], batch1_sizes[1], batch2_sizes[2])


_OUT_DTYPE = "Expected out tensor to have dtype {c_result}, but got {c_out} instead"


_MIXES = "mixes-first mixes-others"


def _product(
    signature: str, kernel: Callable[..., Any], derivatives: dict[str, Any], *, memory: str = _MIXES,
    out_dtype_error: str = _OUT_DTYPE, before_out: Callable[..., None] | None = None,
) -> None:  # fmt: skip
    op(
        signature, kind=GENERAL, kernel=kernel, family="linalg", forms="function method out", derivatives=derivatives,
        out_dtype_error=out_dtype_error, before_out=before_out, memory=memory,
    )  # fmt: skip


_product(
    "mm(Tensor input, Tensor mat2)", _mm,
    {
        "input": lambda grad, mat2, input_sizes, input_strides: left_gradient(grad, mat2, input_sizes, input_strides),
        "mat2": lambda grad, input, mat2_sizes, mat2_strides: right_gradient(grad, input, mat2_sizes, mat2_strides),
    },
    memory=f"internal {_MIXES}",
)  # fmt: skip
_product(
    "bmm(Tensor input, Tensor mat2)", _bmm,
    {
        "input": lambda grad, mat2: grad.bmm(conj(mat2.transpose(1, 2))),
        "mat2": lambda grad, input: conj(input.transpose(1, 2)).bmm(grad),
    },
)  # fmt: skip
_product(
    "mv(Tensor input, Tensor vec)", _mv,
    {"input": lambda grad, vec: grad.ger(conj(vec)), "vec": lambda grad, input: conj(input).t().mv(grad)},
)  # fmt: skip
_product(
    "dot(Tensor input, Tensor tensor)", _dot,
    {"input": lambda grad, tensor: grad * conj(tensor), "tensor": lambda grad, input: grad * conj(input)},
    out_dtype_error="result dtype {out} does not match input dtype {result}", before_out=_resize_first,
)  # fmt: skip
_product(
    "vdot(Tensor input, Tensor other)", _vdot,
    {"input": lambda grad, other: conj(grad) * other, "other": lambda grad, input: grad * input},
    out_dtype_error="result dtype {out} does not match input dtype {result}", before_out=_resize_first,
)  # fmt: skip


# ------------------------------------------------------------------------------------------------- products and a summand


def _factor(value: Any, d: dtype) -> np.ndarray:
    """alpha or beta in the computing dtype: cut to an integer for integers. Raises RuntimeError for what does not fit."""
    if d in HALVES:
        checked_number(value, dtypes.float32)
        return np.asarray(value.real if isinstance(value, complex) else value, np.float32)
    return checked_number(value, d)


def _combined(
    summand: np.ndarray, a: Tensor, b: Tensor, name: str, beta: Any, alpha: Any, d: dtype, *, skips: bool
) -> np.ndarray:
    """`beta * summand + alpha * (a @ b)`. A beta of 0 ignores what is in the summand, as alpha does where it `skips`."""
    product = multiply(a, b, name)
    if not product.size or not a._sizes[-1]:
        # Nothing is multiplied: alpha is not looked at, and beta is, for matrices, as it is in a product with a number.
        alpha = 1
        if product.ndim > 1:
            scales = product.size and beta != 0
            return rounded(fresh(summand.copy()).mul_(beta)._array() if scales else product, d, None)
    by, times = _factor(beta, d), _factor(alpha, d)
    added = np.zeros_like(product) if by == 0 else summand if by == 1 else np.asarray(by * summand)
    if skips and times == 0 and d not in HALVES:
        return rounded(added, d, None)
    total = product if times == 1 else times * product
    return rounded(total if by == 0 else total + added, d, undecided(wide(a), wide(b), d, times, added))


def _expanded(input: Tensor, sizes: layout.Shape) -> np.ndarray:
    """The summand in the result's shape. Raises RuntimeError where it does not expand to that."""
    shown = input if input._sizes == sizes else input.detach().expand(sizes)
    return wide(shown)


_MIXED_SUM = "self and mat2 must have the same dtype, but got {a} and {b}"
_MIXED = "mat1 and mat2 must have the same dtype, but got {a} and {b}"


def _addmm(input: Tensor, mat1: Tensor, mat2: Tensor, beta: Any, alpha: Any) -> np.ndarray:
    _check_matrices(
        mat1, mat2, ("mat1 must be a matrix, got {n}-D tensor", "mat2 must be a matrix, got {n}-D tensor")
    )
    _unlike(input, mat2, _MIXED_SUM)
    _unlike(mat1, mat2, _MIXED)
    summand = _expanded(input, (mat1._sizes[0], mat2._sizes[1]))
    return _combined(summand, mat1, mat2, "addmm_impl_cpu_", beta, alpha, input.dtype, skips=True)


def _addbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, beta: Any, alpha: Any, out: Tensor | None = None
) -> np.ndarray | Result:
    """torch copies the summand into the result and adds to it in place: an `out` of another dtype sets the dtype of all."""
    n, p = (t._sizes[layout.wrap_dim(dim, t.dim())] for t, dim in ((batch1, 1), (batch2, 2)))
    shown = input.detach().expand(n, p)
    for t, name in ((batch1, "batch1"), (batch2, "batch2")):
        if t.dim() != 3:
            raise RuntimeError(f"{name} must be a 3D tensor")
    (count, n, k), (others, m, p) = batch1._sizes, batch2._sizes
    if count != others:
        raise RuntimeError(f"batch1 and batch2 must have same number of batches, got {count} and {others}")
    if k != m:
        raise RuntimeError(f"Incompatible matrix sizes for bmm ({n}x{k} and {m}x{p})")
    target = input if out is None else out
    summand = F.zeros_like(shown, dtype=target.dtype) if beta == 0 else shown.to(target.dtype, copy=True)
    if target is not input and target._sizes != shown._sizes:
        target._resize(shown._sizes)  # with no warning
    if not count:
        made = summand if beta == 0 else summand.mul_(beta)
        return Result(made._array(), undefined=made._undefined_mask())
    _unlike(target, batch2, _MIXED_SUM)
    _unlike(batch1, batch2, _MIXED)
    row = batch1.detach().transpose(0, 1).reshape(n, count * k)
    column = batch2.detach().reshape(count * k, p)
    return _combined(wide(summand), row, column, "addmm_impl_cpu_", beta, alpha, target.dtype, skips=True)


def _resize_summand(values: list[Any], outs: list[Any]) -> None:
    """An `out` that is the summand takes the result's shape, which the operand of an in-place form may not; what it then
    adds is open, since it is written while it is read."""
    input, batch1, batch2 = values[:3]
    if outs[0] is input and batch1.dim() == batch2.dim() == 3:
        sizes = input.detach().expand(batch1._sizes[1], batch2._sizes[2])._sizes
        if sizes != input._sizes:
            input._resize(sizes)
            input._mark_undefined(True)


_SMALL = 400
"""Up to so many multiplications torch's baddbmm is a plain loop, which does not skip the product where alpha is 0."""


def _baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, beta: Any, alpha: Any) -> np.ndarray:
    for t, dim in ((batch1, 0), (batch1, 1), (batch2, 2)):
        t.size(dim)  # torch broadcasts the first operand to these sizes before it looks at anything else
    _check_batches(batch1, batch2)
    if not input.dtype is batch1.dtype is batch2.dtype:
        a, b, c = (C_NAME[t.dtype.name] for t in (input, batch1, batch2))
        raise RuntimeError(f"Input dtypes must be the same, got: input {a}, batch1: {b}, batch2: {c}")
    (count, n, k), p = batch1._sizes, batch2._sizes[2]
    summand = _expanded(input, (count, n, p))
    skips = k * n * p >= _SMALL
    return _combined(summand, batch1, batch2, "baddbmm", beta, alpha, input.dtype, skips=skips)


def _addmv(input: Tensor, mat: Tensor, vec: Tensor, beta: Any, alpha: Any) -> np.ndarray:
    _check_matrix_vector((input.dim(), input._sizes[0] if input.dim() else 1), mat, vec)
    if not input.dtype is mat.dtype is vec.dtype:
        a, b, c = (t.dtype.legacy for t in (input, mat, vec))
        raise RuntimeError(f"addmv input tensors must have the same dtype, but got {a}, {b}, and {c}")
    summand = _expanded(input, mat._sizes[:1])
    if input.dtype is dtypes.bfloat16:  # whose kernel takes its factors in bfloat16
        beta, alpha = (float(np.asarray(x, np.float32).astype(input.dtype.nominal)) for x in (beta, alpha))
    repeats = (
        vec._strides == (0,) and vec._sizes[0] > 1
    )  # BLAS takes no such vector, and torch's loop skips nothing
    return _combined(summand, mat, vec, "addmv_impl_cpu", beta, alpha, input.dtype, skips=not repeats)


def _addr(
    input: Tensor, vec1: Tensor, vec2: Tensor, beta: Any, alpha: Any, out: Tensor | None = None
) -> Result:
    """Elementwise, so operands promote, and 16-bit floats are rounded at each step."""
    for t, name in ((vec1, "vec1"), (vec2, "vec2")):
        if t.dim() != 1:
            raise RuntimeError(f"addr: Expected 1-D argument {name}, but got {t.dim()}-D")
    sizes = (vec1._sizes[0], vec2._sizes[0])
    upright = vec1.detach().reshape(sizes[0], 1)
    if out is not None:
        check_memory(MEMORY[POINTWISE], out, [input], [upright, vec2])
    d = promotion.result_dtype([input, vec1, vec2])
    for name, value in (("beta", beta), ("alpha", alpha)):
        if d.category < FLOAT and isinstance(value, float):
            raise RuntimeError(
                f"For integral input tensors, argument {name} must not be a floating point number."
            )
    shown: Any = input.detach().expand(sizes)
    by, times = checked_number(beta, d), checked_number(alpha, d)
    summand, column, row = (t._array().astype(d.numpy, copy=False) for t in (shown, upright, vec2))
    total = times * column * row
    if by != 0:
        total = total + by * summand
    operands = [
        (shown._sizes, shown._strides),
        (upright._sizes, upright._strides),
        (vec2._sizes, vec2._strides),
    ]
    return Result(total.astype(d.numpy, copy=False), layout.pointwise_strides(operands, sizes))


def _summand_gradient(grad: Any, beta: Any) -> Any:
    return scaled(grad, conj(beta))


def _sum(
    name: str, first: str, second: str, kernel: Callable[..., Any], derivatives: dict[str, Any], *, memory: str,
    forms: str = "inplace-method", before_out: Callable[..., None] | None = None,
) -> None:  # fmt: skip
    """Register `name(input, first, second, *, beta=1, alpha=1)`."""
    op(
        f"{name}(Tensor input, Tensor {first}, Tensor {second}, *, Number beta=1, Number alpha=1)", kind=GENERAL,
        kernel=kernel, family="linalg", forms=f"function method {forms} out",
        derivatives={"input": _summand_gradient, **derivatives}, memory=memory,
        out_dtype_error=_OUT_DTYPE if name != "addr" else None, sees_out=name in ("addr", "addbmm"), before_out=before_out,
    )  # fmt: skip


_sum(
    "addmm", "mat1", "mat2", _addmm,
    {
        "mat1": lambda grad, mat2, mat1_sizes, mat1_strides, alpha: left_gradient(grad, mat2, mat1_sizes, mat1_strides, alpha),
        "mat2": lambda grad, mat1, mat2_sizes, mat2_strides, alpha: right_gradient(grad, mat1, mat2_sizes, mat2_strides, alpha),
    },
    memory="internal mixes-others",
)  # fmt: skip
_sum(
    "addbmm", "batch1", "batch2", _addbmm,
    {
        "batch1": lambda grad, batch1_sizes, batch2, batch2_sizes, alpha: scaled(
            _in_batches(grad, batch1_sizes, batch2_sizes).bmm(conj(batch2.transpose(1, 2))), conj(alpha)
        ),
        "batch2": lambda grad, batch1, batch1_sizes, batch2_sizes, alpha: scaled(
            conj(batch1.transpose(1, 2)).bmm(_in_batches(grad, batch1_sizes, batch2_sizes)), conj(alpha)
        ),
    },
    memory="internal mixes-others", before_out=_resize_summand,
)  # fmt: skip
_sum(
    "baddbmm", "batch1", "batch2", _baddbmm,
    {
        "batch1": lambda grad, batch2, alpha: scaled(grad.bmm(conj(batch2.transpose(1, 2))), conj(alpha)),
        "batch2": lambda grad, batch1, alpha: scaled(conj(batch1.transpose(1, 2)).bmm(grad), conj(alpha)),
    },
    memory="mixes-others",
)  # fmt: skip
_sum(
    "addmv", "mat", "vec", _addmv,
    {
        "mat": lambda grad, vec, alpha: scaled(grad.ger(conj(vec)), conj(alpha)),
        "vec": lambda grad, mat, alpha: scaled(conj(mat.t()).mv(grad), conj(alpha)),
    },
    forms="inplace",
    memory="mixes-others",
)  # fmt: skip
_sum(
    "addr", "vec1", "vec2", _addr,
    {
        "vec1": lambda grad, vec2, alpha: scaled(grad.mv(conj(vec2)), conj(alpha)),
        "vec2": lambda grad, vec1, alpha: scaled(grad.t().mv(conj(vec1)), conj(alpha)),
    },
    memory="",
)  # fmt: skip
