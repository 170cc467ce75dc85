"""Rows of linear algebra: shapes that go together."""

from __future__ import annotations

from collections.abc import Mapping

from engine.dtypes import FLOAT
from strategies.catalogue.draft import Argument, Draft
from strategies.catalogue.relations import (
    first,
    is_mild,
    is_regular,
    operand,
    pick,
    rank,
    regular,
    small,
    sometimes,
)
from strategies.scope import Unavailable, recent
from strategies.shapes import Shape, draw_shape

_matrix = rank(2)
_matrices = rank(3)
_vector = rank(1)
_factor = sometimes(35, lambda draft: draft.number(0))


def _columns(draft: Draft) -> Shape:
    """(m, p) for a first operand of (n, m)."""
    return draft.shape[-1], small(draft)


def _inner(name: str, *shape: int | str) -> Argument:
    """An operand of `name` whose sizes are those of the first by position, or the inner size ("k")."""

    def sizes(draft: Draft) -> Shape:
        if "inner" not in draft.values:
            draft.values["inner"] = small(draft)
        have = draft.shape
        return tuple(draft.values["inner"] if n == "k" else have[n] for n in shape)  # type: ignore[index]

    return operand(sizes)


def _matmul_other(draft: Draft) -> Shape:
    shape = draft.shape
    inner = shape[-1]
    way = draft.choices.below(4)
    if way == 0:
        return (inner,)
    if way < 3 or len(shape) < 2:
        return inner, small(draft)
    lead = shape[:-2] or (2,)
    return (*lead[-1:], inner, small(draft))


def _definite(draft: Draft) -> str:
    """A positive definite matrix, mostly one that the program has computed: what has a Cholesky factor."""
    matrices = draft.scope.matching(
        lambda t: t.dim() == 2 and 0 < t.shape[0] < 4 and str(t.dtype) == "torch.float32"
    )
    if matrices and draft.choices.chance(50):
        name = recent(draft.choices, matrices)
        text = f"{name} @ {name}.t() + torch.eye({draft.scope[name].shape[0]})"
        if not is_regular(draft.evaluate(text)):
            raise Unavailable
    else:
        text = draft.choices.pick(
            (
                "torch.tensor([[4.0, 2.0], [2.0, 3.0]])",
                "torch.tensor([[2.0, -1.0], [-1.0, 2.0]], dtype=torch.float64)",
            )
        )
    return draft.drawing.define(text) if draft.choices.chance(50) else text


_TRIANGLES = {
    1: ("[[2]]", "[[-0.5]]"), 2: ("[[2, 1], [0.5, -1.5]]", "[[1, 0], [3, 2]]", "[[4, -2], [0, 0.5]]"),
    3: ("[[2, 1, 0], [0.5, -1.5, 2], [1, 0, 1]]", "[[1, 0, 0], [3, 2, 0], [-1, 0.5, 4]]"),
}  # fmt: skip


def _triangle(draft: Draft) -> str:
    """A square matrix, of which one triangle is read, without zeros on the diagonal: of the first operand's size."""
    n = draft.shape[-2] if draft.has_tensor else draft.choices.pick((2, 3, 1))
    if n not in _TRIANGLES:
        return draft.operand((n, n))
    d = draft.first.dtype if draft.has_tensor else draft.partner_dtype()
    text = f"torch.tensor({draft.choices.pick(_TRIANGLES[n])}, dtype={d!r}"
    grad = draft.drawing.gradient and d.category >= FLOAT and draft.choices.chance(60)
    return draft.known(draft.drawing.define(f"{text}, requires_grad=True)" if grad else f"{text})"))


def _order(draft: Draft) -> str | None:
    """The nuclear norm has no gradient at matrices that lack rank."""
    return pick("'fro'", "'nuc'" if is_regular(draft.first) else "'fro'", "1", "inf")(draft)


_batched: Mapping[str, Argument] = {
    "input": _matrices, "batch1": _inner("batch1", 0, 1, "k"), "batch2": _inner("batch2", 0, "k", 2),
    "beta": _factor, "alpha": _factor,
}  # fmt: skip


def _addbmm_first(draft: Draft) -> str:
    draft.values["batches"] = small(draft)
    return _matrix(draft)  # type: ignore[return-value]


def _addbmm(*shape: int | str) -> Argument:
    def sizes(draft: Draft) -> Shape:
        draft.values.setdefault("inner", small(draft))
        known = {"k": draft.values["inner"], "b": draft.values["batches"]}
        return tuple(known[n] if isinstance(n, str) else draft.shape[n] for n in shape)

    return operand(sizes)


_SOLVE = {"A": regular(2, 2), "B": operand(lambda d: (d.shape[-1], small(d)))}

ROWS: dict[str, Mapping[str, Argument]] = {
    "mm": {"input": _matrix, "mat2": operand(_columns), "other": operand(_columns)},
    "bmm": {"input": _matrices, "mat2": operand(lambda d: (d.shape[0], d.shape[2], small(d)))},
    "mv": {"input": _matrix, "vec": operand(lambda d: d.shape[1:])},
    "dot": {"input": _vector, "tensor": operand(lambda d: d.shape), "other": operand(lambda d: d.shape)},
    "vdot": {"input": _vector, "tensor": operand(lambda d: d.shape), "other": operand(lambda d: d.shape)},
    "inner": {"input": rank(1, 2), "other": operand(lambda d: d.shape[-1:] if d.choices.chance(50) else (2, d.shape[-1]))},
    "matmul": {"input": rank(1, 3), "other": operand(_matmul_other)},
    "linalg.matmul": {"input": rank(1, 3), "other": operand(_matmul_other)},
    "addmm": {
        "input": _matrix, "mat1": _inner("mat1", 0, "k"), "mat2": _inner("mat2", "k", 1), "beta": _factor, "alpha": _factor,
    },
    "addbmm": {
        "input": _addbmm_first, "batch1": _addbmm("b", 0, "k"), "batch2": _addbmm("b", "k", 1), "beta": _factor,
        "alpha": _factor,
    },
    "baddbmm": _batched,
    "addmv": {
        "input": _vector, "mat": _inner("mat", 0, "k"), "vec": _inner("vec", "k"), "beta": _factor, "alpha": _factor,
    },
    "addr": {
        "input": _matrix, "vec1": operand(lambda d: d.shape[:1]), "vec2": operand(lambda d: d.shape[1:]), "beta": _factor,
        "alpha": _factor,
    },
    "outer": {"input": _vector, "vec2": operand(lambda d: draw_shape(d.choices, min_rank=1, max_rank=1)[:1])},
    "ger": {"input": _vector, "vec2": operand(lambda d: (small(d),))},
    "kron": {"input": rank(1, 2), "other": operand(lambda d: (2,) if d.choices.chance(50) else (1, 2))},
    "cross": {
        "input": first(lambda t: t.dim() > 0 and t.shape[-1] == 3, lambda d: (3,) if d.choices.chance(50) else (2, 3)),
        "other": operand(lambda d: d.shape), "dim": sometimes(40, pick("-1")),
    },
    "linalg.cross": {
        "input": first(lambda t: t.dim() > 0 and t.shape[-1] == 3, lambda d: (2, 3)), "other": operand(lambda d: d.shape),
        "dim": sometimes(40, pick("-1")),
    },
    "trace": {"input": _matrix},
    "diag": {"input": rank(1, 2)},
    "diagflat": {"input": rank(1, 2)},
    "diag_embed": {"input": rank(1, 2), "dim1": sometimes(20, pick("0", "1")), "dim2": sometimes(20, pick("-1"))},
    "triu": {"input": rank(2, 4)},
    "tril": {"input": rank(2, 4)},
    "tensordot": {"a": _matrix, "input": _matrix, "b": operand(_columns), "other": operand(_columns), "dims": pick("1", "0")},
    "inverse": {"input": regular(), "A": regular()},
    "inv_ex": {"input": regular(), "A": regular()},
    "det": {"input": regular(), "A": regular()},
    "logdet": {"input": regular()},
    "slogdet": {"input": regular(), "A": regular()},
    "matrix_exp": {"input": regular(suits=is_mild)},
    "matrix_power": {"input": regular(), "n": pick("2", "0", "3", "1", "-1")},
    "svd": {"input": rank(2, 3)},
    "qr": {"input": regular(of=rank(2, 3))},
    "lu": {"A": regular(of=rank(2, 3)), "pivot": sometimes(10, pick("True", "False")), "get_infos": sometimes(30, pick("True"))},
    "pinverse": {"input": regular(of=rank(2, 3)), "rcond": sometimes(30, pick("1e-3", "0.125"))},
    "cholesky_inverse": {"input": _triangle},
    "cholesky_solve": {"input": rank(2, 3), "input2": _triangle},
    "triangular_solve": {"input": rank(2, 3), "A": _triangle},
    "cholesky": {"input": _definite}, "cholesky_ex": {"input": _definite},
    "norm": {"p": sometimes(70, pick("2", "1", "inf", "0", "-inf", "3", "'fro'", "0.5"))},
    "dist": {"p": sometimes(60, pick("2", "1", "inf", "0", "3"))},
    # ord=2 of a matrix is the largest of its singular values, an intermediate result that no name holds: in lock-step the
    # norm takes the reference's bits and the values it was chosen from do not, so the gradient has nothing to equal.
    "linalg.norm": {"input": rank(1, 3), "ord": sometimes(50, pick("1", "inf", "-inf"))},
    "linalg.vector_norm": {"ord": sometimes(60, pick("2", "1", "inf", "-inf", "0", "3"))},
    "linalg.matrix_norm": {"input": rank(2, 3), "ord": _order},
    "linalg.inv": {"input": regular(), "A": regular()},
    "linalg.solve": _SOLVE, "linalg.solve_ex": _SOLVE,
}  # fmt: skip
