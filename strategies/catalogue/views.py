"""Rows of views and shapes."""

from __future__ import annotations

from collections.abc import Mapping

from engine.dtypes import COMPLEXES, float32, float64
from strategies import shapes
from strategies.catalogue.draft import Argument, Draft
from strategies.catalogue.relations import first, omitted, operand, pick, rank, sometimes
from strategies.dtypes import draw_dtype
from strategies.scope import Unavailable
from strategies.shapes import Shape, draw_shape

_some = rank(1, 4)


def _sizes(draft: Draft, sizes: list[int] | Shape) -> str:
    return shapes.text(sizes) if draft.choices.chance(65) else str(list(sizes))


def _new_sizes(draft: Draft) -> str:
    if draft.sloppy(40):
        return _sizes(draft, draw_shape(draft.choices))
    return _sizes(draft, shapes.draw_reshaped(draft.choices, draft.shape))


def _expanded(draft: Draft) -> str:
    """Sizes to which the first operand stretches, some written as -1."""
    choices = draft.choices
    if draft.sloppy(40):
        return _sizes(draft, draw_shape(choices))
    shape = draft.shape
    grown = [choices.pick((3, 2)) if n == 1 and choices.chance(75) else n for n in shape]
    kept = [-1 if n == m and choices.chance(15) else n for n, m in zip(grown, shape)]
    lead = [choices.pick((2, 3))] if len(shape) < 4 and choices.chance(45) else []
    return _sizes(draft, lead + kept)


def _stretchable(t: object) -> bool:
    return 1 in t.shape or t.dim() < 3  # type: ignore[attr-defined]


def _permutation(draft: Draft) -> str:
    order = draft.choices.shuffled(range(len(draft.shape)))
    if draft.sloppy(40):
        order = [*order, 0]
    return _sizes(draft, [i - len(order) if draft.choices.chance(15) else i for i in order])


def _squeezable(draft: Draft) -> str:
    ones = [i for i, n in enumerate(draft.shape) if n == 1]
    return str(draft.choices.pick(ones)) if ones and draft.choices.chance(70) else draft.dim()


def _of_dim(choice: str) -> Argument:
    """An argument that follows from the dimension drawn before."""

    def draw(draft: Draft) -> str:
        size = draft.size(draft.values.get("dim", 0))
        choices = draft.choices
        if draft.sloppy(40):
            return str(choices.pick((size + 1, -size - 1, size + 7)))
        if choice == "start":
            draft.values["start"] = choices.between(0, size)
            return str(draft.values["start"])
        if choice == "length":
            return str(choices.between(0, size - draft.values.get("start", 0)))
        if choice == "index":
            if not size:
                raise Unavailable
            at = choices.below(size)
            return str(at - size if choices.chance(25) else at)
        if choice == "window":
            draft.values["window"] = choices.between(0 if choices.chance(5) else min(1, size), size)
            return str(draft.values["window"])
        if choice == "sections":
            if choices.chance(30) and size:
                cut = choices.between(0, size)
                return f"[{cut}, {size - cut}]"
            return str(max(1, choices.between(1, max(size, 1))))
        return str(choices.between(1, 3))

    return draw


def _strided(draft: Draft) -> str:
    """Sizes for as_strided, small enough for the storage with the strides that are drawn next."""
    shape = [draft.choices.pick((2, 1, 3)) for _ in range(draft.choices.between(1, 2))]
    draft.values["size"] = shape
    return shapes.text(shape)


def _strides(draft: Draft) -> str:
    strides = [draft.choices.pick((1, 2, 0, 1)) for _ in draft.values["size"]]
    return shapes.text(strides)


def _moved(draft: Draft) -> str:
    """A dimension, or two of them (as many as drawn for the source)."""
    if "source" in draft.values:
        two = draft.values["source"]
    else:
        two = draft.values["source"] = len(draft.shape) > 1 and draft.choices.chance(30)
    if not two:
        return draft.dim()
    return shapes.text(draft.choices.shuffled(range(len(draft.shape)))[:2])


def _start(draft: Draft) -> str | None:
    rank_ = max(len(draft.shape), 1)
    draft.values["start"] = draft.choices.below(rank_)
    return str(draft.values["start"]) if draft.choices.chance(70) else None


def _end(draft: Draft) -> str | None:
    rank_ = max(len(draft.shape), 1)
    end = draft.choices.between(draft.values["start"], rank_ - 1)
    return str(end - rank_ if draft.choices.chance(50) else end) if draft.choices.chance(60) else None


def _joined(draft: Draft) -> str:
    """Tensors to concatenate: equal sizes but along one dimension."""
    texts = [draft.tensor(lambda t: t.dim() > 0, (2, 2))]
    shape, along = draft.shape, draft.choices.below(len(draft.shape))
    draft.values["along"] = along
    for _ in range(draft.choices.between(0, 2)):
        size = draft.choices.pick((shape[along], 1, 2))
        texts.append(draft.operand((*shape[:along], size, *shape[along + 1 :])))
    return f"({', '.join(texts)},)" if draft.choices.chance(25) else f"[{', '.join(texts)}]"


def _along(draft: Draft) -> str | None:
    along = draft.values["along"]
    if along == 0 and draft.choices.chance(50):
        return None
    return draft.dim() if draft.sloppy() else str(along)


def _stacked(draft: Draft) -> str:
    texts = [draft.tensor(shape=(2,))]
    texts += [draft.operand(draft.shape) for _ in range(draft.choices.between(0, 2))]
    return f"[{', '.join(texts)}]"


def _viewed_dtype(draft: Draft) -> str:
    if draft.choices.chance(50):
        same = [(d, 1) for d, _ in draft.drawing.profile.dtypes if d.itemsize == draft.first.dtype.itemsize]
        return repr(draw_dtype(draft.choices, tuple(same)))
    return repr(draw_dtype(draft.choices))


def _repeats(draft: Draft) -> str:
    shape = draft.shape
    lead = [2] if len(shape) < 3 and draft.choices.chance(30) else []
    return _sizes(draft, lead + [draft.choices.pick((1, 2, 1, 0)) for _ in shape])


def _counts(draft: Draft) -> str:
    """How often to repeat each element: a number, or one for each."""
    if draft.parameter.type != "Tensor":
        return draft.choices.pick(("2", "1", "3"))
    if not draft.has_tensor:
        return "torch.tensor([1, 0, 2])"
    return draft.choices.pick(("torch.tensor(2)", "torch.tensor([2])"))


def _shifts(draft: Draft) -> str:
    draft.values["several"] = draft.choices.chance(30)
    return "(1, -1)" if draft.values["several"] else draft.choices.pick(("1", "-1", "2", "0"))


def _rolled(draft: Draft) -> str | None:
    if draft.values["several"]:
        return "(0, -1)"
    return draft.dim() if draft.choices.chance(60) else None


_complex = first(None, (2, 2), COMPLEXES)
_WITH_COMPLEX = frozenset((float32, float64))
_joining: Mapping[str, Argument] = {"tensors": _joined, "dim": _along}
_swap: Mapping[str, Argument] = {"input": rank(1, 4)}

ROWS: dict[str, Mapping[str, Argument]] = {
    "view": {"size": _new_sizes, "shape": _new_sizes, "dtype": _viewed_dtype},
    "reshape": {"size": _new_sizes, "shape": _new_sizes},
    "view_as": {"other": operand(lambda d: tuple(abs(n) for n in shapes.draw_reshaped(d.choices, d.shape)))},
    "reshape_as": {"other": operand(lambda d: tuple(abs(n) for n in shapes.draw_reshaped(d.choices, d.shape)))},
    "expand": {"input": first(_stretchable), "size": _expanded},
    "broadcast_to": {"input": first(_stretchable), "size": _expanded},
    "expand_as": {"other": operand(lambda d: (2, *d.shape) if len(d.shape) < 3 else d.shape)},
    "permute": {"dims": _permutation},
    "transpose": _swap, "swapaxes": _swap, "swapdims": _swap,
    "t": {"input": rank(0, 2)},
    "movedim": {"input": _some, "source": _moved, "destination": _moved},
    "moveaxis": {"input": _some, "source": _moved, "destination": _moved},
    "squeeze": {"input": first(lambda t: 1 in t.shape, (1, 3)), "dim": _squeezable},
    "unsqueeze": {"input": rank(0, 3), "dim": lambda d: d.dim(len(d.shape) + 1)},
    "narrow": {"input": _some, "start": _of_dim("start"), "length": _of_dim("length")},
    "narrow_copy": {"input": _some, "start": _of_dim("start"), "length": _of_dim("length")},
    "select": {"input": _some, "index": _of_dim("index")},
    "split": {
        "input": _some, "dim": lambda d: d.dim(), "split_size": pick("1", "2"), "split_size_or_sections": pick("1", "2"),
    },
    "split_with_sizes": {"input": _some, "dim": omitted, "split_sizes": lambda d: f"[{d.shape[0]}]"},
    "chunk": {"input": _some, "chunks": pick("2", "1", "3")},
    "tensor_split": {"input": _some, "tensor_indices_or_sections": pick("torch.tensor(2)", "torch.tensor([1])")},
    "hsplit": {"input": _some}, "vsplit": {"input": rank(2, 4)}, "dsplit": {"input": rank(3, 4)},
    "unbind": {"input": _some},
    "diagonal": {"input": rank(2, 4), "dim1": sometimes(25, pick("0", "1")), "dim2": sometimes(25, pick("-1"))},
    "unfold": {
        "input": _some, "dimension": lambda d: d.dim(), "dim": lambda d: d.dim(), "size": _of_dim("window"),
        "step": pick("1", "2"),
    },
    "unflatten": {"input": _some, "sizes": lambda d: f"(-1, {1 if d.size(d.values.get('dim', 0)) % 2 else 2})"},
    "flatten": {"start_dim": _start, "end_dim": _end},
    "as_strided": {
        "input": first(lambda t: t.numel() > 2, (2, 3)), "size": _strided, "stride": _strides,
        "storage_offset": sometimes(30, pick("0", "1", "2")),
    },
    "view_as_real": {"input": _complex}, "imag": {"input": _complex}, "real": {"input": _complex},
    "view_as_complex": {
        "input": first(lambda t: t.dim() > 0 and t.shape[-1] == 2 and t.stride(-1) == 1, (2, 2), _WITH_COMPLEX)
    },
    "cat": _joining, "concat": _joining, "concatenate": _joining,
    "stack": {"tensors": _stacked, "dim": sometimes(60, lambda d: d.dim(len(d.shape) + 1))},
    "hstack": {"tensors": _stacked}, "vstack": {"tensors": _stacked}, "dstack": {"tensors": _stacked},
    "repeat": {"repeats": _repeats, "sizes": _repeats, "size": _repeats},
    "tile": {"dims": _repeats},
    "repeat_interleave": {"repeats": _counts, "output_size": omitted},
    "t_": {"input": rank(0, 2)}, "transpose_": _swap, "swapdims_": _swap, "swapaxes_": _swap,
    "squeeze_": {"input": first(lambda t: 1 in t.shape, (1, 3)), "dim": _squeezable},
    "unsqueeze_": {"input": rank(0, 3), "dim": lambda d: d.dim(len(d.shape) + 1)},
    "alias": {},
    "flip": {"dims": lambda d: d.dims()},
    "fliplr": {"input": rank(2, 3)}, "flipud": {"input": _some},
    "roll": {"input": rank(2, 4), "shifts": _shifts, "dims": _rolled},
    "rot90": {"input": rank(2, 3), "k": pick("1", "2", "-1", "3", "0"), "dims": sometimes(40, pick("(0, 1)", "(1, 0)"))},
    "resize_": {
        "input": first(lambda t: not t.requires_grad), "size": lambda d: _sizes(d, draw_shape(d.choices, max_rank=3)),
    },
    "resize_as_": {"input": first(lambda t: not t.requires_grad), "the_template": lambda d: d.operand(draw_shape(d.choices))},
    "broadcast_tensors": {"tensors": lambda d: f"{d.tensor()}, {d.operand(d.shape)}"},
    "sum_to_size": {"size": lambda d: _sizes(d, [1 if d.choices.chance(40) else n for n in d.shape])},
}  # fmt: skip
