"""Rows of reading and writing at places given by index tensors and masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import engine
from strategies import shapes
from strategies.catalogue.draft import Argument, Draft
from strategies.catalogue.relations import first, operand, pick, rank, sometimes, word
from strategies.shapes import Shape, fits_into

_some = rank(1, 3)


def _vector(distinct: bool = False) -> Argument:
    """An index vector for the drawn dimension. Writes name each place once: twice is undefined."""

    def draw(draft: Draft) -> str:
        size = draft.size(draft.values.get("dim", 0))
        count = draft.choices.between(
            0 if size == 0 or draft.choices.chance(5) else 1, 3 if not distinct else min(3, size)
        )
        if not size:
            count = 0
        draft.values["count"] = count
        return draft.indices((count,), size, distinct=distinct)

    return draw


def _rows(draft: Draft) -> Shape:
    """The first operand's sizes with the index's count along the dimension."""
    dim, shape = draft.values.get("dim", 0), draft.shape
    return (*shape[:dim], draft.values["count"], *shape[dim + 1 :]) if shape else (draft.values["count"],)


def _grid(distinct: bool = False) -> Argument:
    """An index of full rank, as gather and scatter take it."""

    def draw(draft: Draft) -> str:
        dim, shape = draft.values.get("dim", 0), draft.shape
        if not shape:
            return draft.indices((), 1)
        sizes = [draft.choices.between(min(1, n), min(n, 3)) for n in shape]
        if distinct:
            # One place along the dimension, so that no two indices meet.
            sizes[dim] = min(1, shape[dim])
        draft.values["grid"] = tuple(sizes)
        return draft.indices(tuple(sizes), shape[dim], distinct=False)

    return draw


def _source(draft: Draft) -> str:
    grid = draft.values.get("grid", draft.shape)
    text = draft.operand(tuple(n + 1 if draft.choices.chance(15) else n for n in grid))
    return text


def _flat(distinct: bool = False) -> Argument:
    """Positions in the flattened tensor."""

    def draw(draft: Draft) -> str:
        count = draft.first.numel()
        most = max(1, min(3, count))
        shape = (draft.choices.between(1, most),) if count else (0,)
        draft.values["count"] = shape[0]
        return draft.indices(shape, count, distinct=distinct)

    return draw


def _mask(draft: Draft) -> str:
    shape = draft.shape
    return draft.mask(shape[1:] if len(shape) > 1 and draft.choices.chance(20) else shape)


def _put_places(draft: Draft) -> str:
    size = draft.size(0)
    text = draft.indices((min(2, size),), size, distinct=True)
    draft.values["count"] = min(2, size)
    return f"({text},)" if draft.choices.chance(70) else f"[{text}]"


def _put_values(draft: Draft) -> str:
    shape = (draft.values["count"], *draft.shape[1:])
    return draft.operand(() if draft.choices.chance(30) else shape)


def _single(draft: Draft) -> str:
    """A number, or a 0-d tensor where the overload takes one."""
    return draft.operand(()) if draft.parameter.type == "Tensor" else draft.number()


def _enough(draft: Draft) -> str:
    return draft.operand(draft.shape)


# ----- copies with a part replaced: what replaces it comes before the arguments that say which part it is

Plan = tuple[dict[str, str], Shape]
"""The texts of the arguments to come, and the sizes of the part."""


def _part(plan: Callable[[Draft], Plan]) -> Argument:
    def draw(draft: Draft) -> str:
        draft.values["plan"], sizes = plan(draft)
        return draft.operand(sizes)

    return draw


def _planned(*names: str) -> dict[str, Argument]:
    return {name: lambda draft, name=name: draft.values["plan"].get(name) for name in names}  # type: ignore[misc]


def _selected(draft: Draft) -> Plan:
    dim, shape = draft.choices.below(max(len(draft.shape), 1)), draft.shape
    index = draft.choices.below(max(draft.size(dim), 1)) + (3 if draft.sloppy(40) else 0)
    return {"dim": str(dim), "index": str(index)}, (*shape[:dim], *shape[dim + 1 :])


def _sliced(draft: Draft) -> Plan:
    choices, shape = draft.choices, draft.shape
    dim = choices.below(max(len(shape), 1))
    n = draft.size(dim)
    start = choices.between(0, n)
    end, step = choices.between(start, n), choices.pick((1, 2, 1))
    texts = {
        "dim": str(dim),
        "start": str(start - n if choices.chance(20) and start < n else start),
        "end": str(end),
    }
    return {**texts, "step": str(step)}, (*shape[:dim], -((start - end) // step), *shape[dim + 1 :])


def _on_diagonal(draft: Draft) -> Plan:
    offset = draft.choices.pick((0, 1, -1, 0))
    texts = {"offset": str(offset)} if offset else {}
    if len(draft.shape) < 2:
        return texts, draft.shape
    if draft.choices.chance(25):
        texts |= {"dim1": "-1", "dim2": "0"}
        return texts, tuple(engine.diagonal(draft.first, offset, -1, 0).shape)
    return texts, tuple(engine.diagonal(draft.first, offset).shape)


def _strided(draft: Draft) -> Plan:
    size, stride, offset = draft.choices.pick(
        (((2,), (1,), "1"), ((2, 2), (1, 2), None), ((3,), (1,), None), ((2,), (0,), None))
    )
    texts = {"size": shapes.text(size), "stride": shapes.text(stride)}
    return texts if offset is None else {**texts, "storage_offset": offset}, size


_write: Mapping[str, Argument] = {"input": _some, "index": _vector(distinct=True), "source": operand(_rows)}

ROWS: dict[str, Mapping[str, Argument]] = {
    "index_select": {"input": _some, "index": _vector()},
    "index_add": {**_write, "index": _vector(), "alpha": sometimes(25, lambda d: d.number(0))},
    "index_copy": _write,
    "index_fill": {"input": _some, "index": _vector(), "value": _single},
    "index_reduce": {**_write, "index": _vector(), "reduce": word("prod", "mean", "amax", "amin")},
    "gather": {"input": rank(0, 3), "index": _grid()},
    "scatter": {"input": rank(1, 3), "index": _grid(distinct=True), "src": _source, "reduce": word("add", "multiply")},
    "scatter_add": {"input": rank(1, 3), "index": _grid(), "src": _source},
    "scatter_reduce": {"input": rank(1, 3), "index": _grid(), "src": _source},
    "take": {"index": _flat()},
    "take_along_dim": {"input": _some, "indices": _grid(), "dim": lambda d: str(d.values.get("dim", 0))},
    "put": {"input": _some, "index": _flat(distinct=True), "source": operand(lambda d: (d.values["count"],))},
    "index_put": {"input": _some, "indices": _put_places, "values": _put_values},
    "index_put_": {"input": _some, "indices": _put_places, "values": _put_values},
    "masked_select": {"mask": _mask},
    "masked_fill": {"mask": _mask, "value": _single},
    "masked_scatter": {"mask": _mask, "source": _enough},
    "nonzero": {},
    "copy_": {
        "src": lambda d: d.partner() if fits_into(_last(d), d.shape) else d.operand(d.shape),
    },
    "fill": {"value": lambda d: d.number() if d.choices.chance(80) else d.operand(())},
    "fill_diagonal": {"input": rank(2, 3), "fill_value": lambda d: d.number()},
    "select_scatter": {"input": _some, "src": _part(_selected), **_planned("dim", "index")},
    "slice_scatter": {"input": _some, "src": _part(_sliced), **_planned("dim", "start", "end", "step")},
    "diagonal_scatter": {"input": rank(2, 3), "src": _part(_on_diagonal), **_planned("offset", "dim1", "dim2")},
    "as_strided_scatter": {
        "input": first(lambda t: t.numel() > 3, (2, 3)), "src": _part(_strided), **_planned("size", "stride", "storage_offset")
    },
    "nonzero_static": {"size": pick("3", "0", "1", "7"), "fill_value": sometimes(40, pick("0", "-2", "9"))},
}  # fmt: skip


def _last(draft: Draft) -> Shape:
    return tuple(draft.scope[draft.scope.tensors[-1]].shape)
