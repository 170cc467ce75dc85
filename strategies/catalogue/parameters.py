"""How an argument is drawn that no row of its operation mentions: by the type and the name of its parameter."""

from __future__ import annotations

from engine.dtypes import COMPLEX, FLOAT, dtype
from engine.registry import POINTWISE
from engine.signatures import MISSING, Parameter
from strategies import shapes
from strategies.catalogue.draft import Argument, Draft
from strategies.dtypes import draw_dtype
from strategies.scope import Unavailable


def draw_arguments(draft: Draft) -> None:
    """The texts of all arguments that are given. Raises Unavailable, or LookupError where shapes do not fit."""
    for parameter in draft.entry.op.signature.parameters:
        text = _argument(draft, parameter)
        if text is not None:
            draft.texts.append((parameter, text))


def _argument(draft: Draft, p: Parameter) -> str | None:
    """The text of one argument, None to leave it to its default."""
    draft.parameter = p
    special = draft.entry.row.get(p.name)
    if special is not None:
        text = special(draft)
        if text is not None or p.default is not MISSING:
            return text
    if p.default is not MISSING and not draft.choices.chance(_CHANCES.get(p.name, 28)):
        return None
    if p.optional and draft.choices.chance(6):
        return "None"
    drawer = _BY_NAME.get((p.name, p.type)) or _BY_NAME.get((p.name, "")) or _BY_TYPE.get(p.type)
    if drawer is None:
        if p.default is MISSING:
            raise Unavailable
        return None
    return drawer(draft)


def _tensor(draft: Draft) -> str:
    if not draft.has_tensor:
        return draft.tensor()
    if draft.entry.op.kind == POINTWISE:
        return draft.partner()
    return draft.operand(draft.shape)


def _operand(draft: Draft) -> str:
    last = [p for p in draft.entry.op.signature.parameters if p.type in ("Tensor", "Operand")][
        -1
    ] is draft.parameter
    if draft.has_tensor:
        if draft.choices.chance(36):
            return draft.number()
        return draft.partner() if draft.entry.op.kind == POINTWISE else draft.operand(draft.shape)
    if not last and "function" in draft.entry.forms and draft.choices.chance(5):
        return draft.number()
    return draft.tensor()


def _tensors(draft: Draft) -> str:
    first = draft.tensor(where=lambda t: t.dim() > 0, shape=(2, 3))
    texts = [first] + [draft.operand(draft.shape) for _ in range(draft.choices.below(3))]
    inside = ", ".join(texts)
    return f"({inside},)" if draft.choices.chance(35) else f"[{inside}]"


def _int(draft: Draft) -> str:
    return str(draft.choices.pick((1, 2, 0, 3, -1)) if draft.sloppy(60) else draft.choices.pick((1, 2, 3, 0)))


def _size(draft: Draft) -> str:
    shape = shapes.draw_shape(draft.choices)
    if draft.sloppy(30):
        shape = (*shape, -1)
    return shapes.text(shape) if draft.choices.chance(70) else str(list(shape))


def _stride(draft: Draft) -> str:
    size = draft.values.get("size", (2,))
    strides, step = [], 1
    for n in reversed(size):
        strides.append(step if draft.choices.chance(70) else draft.choices.pick((0, 1, 2)))
        step *= max(n, 1)
    return shapes.text(strides[::-1])


def _known_size(draft: Draft) -> str:
    shape = shapes.draw_shape(draft.choices, max_rank=3)
    draft.values["size"] = shape
    return shapes.text(shape)


def _dtype(draft: Draft) -> str:
    return repr(_drawn_dtype(draft))


def _drawn_dtype(draft: Draft) -> dtype:
    if draft.has_tensor and draft.first.dtype.category >= FLOAT and draft.choices.chance(60):
        near = tuple((d, w) for d, w in draft.drawing.profile.dtypes if d.category in (FLOAT, COMPLEX))
        return draw_dtype(draft.choices, near)
    return draw_dtype(draft.choices, draft.drawing.profile.dtypes)


def _bool(draft: Draft) -> str:
    return draft.choices.pick(("True", "False", "True"))


def _float(draft: Draft) -> str:
    return draft.choices.pick(("0.5", "1.0", "2.0", "0.25", "-1.0", "0.0", "3", "1e-3"))


def _word(*words: str) -> Argument:
    return lambda draft: repr("bad") if draft.sloppy(30) else repr(draft.choices.pick(words))


def _pick(*texts: str) -> Argument:
    return lambda draft: draft.choices.pick(texts)


def _nothing(draft: Draft) -> str | None:
    return None


# How often an argument that has a default is given, where it is not 28 in a hundred.
_CHANCES = {
    "dim": 60, "keepdim": 35, "dtype": 22, "requires_grad": 12, "device": 4, "memory_format": 6, "layout": 1, "alpha": 25,
    "generator": 0, "pin_memory": 0, "non_blocking": 3, "sparse_grad": 2, "rounding_mode": 70, "axis": 50,
}  # fmt: skip

_BY_TYPE: dict[str, Argument] = {
    "Tensor": _tensor,
    "Operand": _operand,
    "Tensor[]": _tensors,
    "Number": lambda draft: draft.number(),
    "Scalar": lambda draft: draft.number(),
    "int": _int,
    "float": _float,
    "bool": _bool,
    "int[]": _size,
    "int[1]": lambda draft: _int(draft) if draft.choices.chance(50) else f"({_int(draft)},)",
    "dtype": _dtype,
    "device": _pick("'cpu'", "torch.device('cpu')"),
    "memory_format": _pick("torch.contiguous_format", "torch.preserve_format"),
    "layout": _pick("torch.strided"),
}

_BY_NAME: dict[tuple[str, str], Argument] = {
    ("dim", "int"): lambda draft: draft.dim(),
    ("dim", "int[1]"): lambda draft: draft.dim() if draft.choices.chance(55) else draft.dims(),
    ("dim", "int[]"): lambda draft: draft.dims(),
    ("dims", "int[]"): lambda draft: draft.dims(),
    ("dims", "int[1]"): lambda draft: draft.dims(),
    ("dim0", ""): lambda draft: draft.dim(),
    ("dim1", ""): lambda draft: draft.dim(),
    ("dim2", ""): lambda draft: draft.dim(),
    ("axis", ""): lambda draft: draft.dim(),
    ("axis0", ""): lambda draft: draft.dim(),
    ("axis1", ""): lambda draft: draft.dim(),
    ("start_dim", ""): lambda draft: draft.dim(),
    ("end_dim", ""): lambda draft: draft.dim(),
    ("diagonal", "int"): _pick("0", "1", "-1", "2", "-2"),
    ("offset", "int"): _pick("0", "1", "-1", "2"),
    ("shape", "int[]"): _size,
    ("size", "int[]"): lambda draft: _size(draft) if "stride" not in _names(draft) else _known_size(draft),
    ("stride", "int[]"): _stride,
    ("rounding_mode", ""): _word("floor", "trunc"),
    ("reduce", ""): _word("sum", "prod", "mean", "amax", "amin"),
    ("indexing", ""): _word("ij", "xy"),
    ("side", ""): _word("left", "right"),
    ("interpolation", ""): _word("linear", "lower", "higher", "midpoint", "nearest"),
    ("correction", ""): _pick("0", "1", "2"),
    ("decimals", ""): _pick("1", "0", "-1", "2"),
    ("condition", ""): lambda draft: draft.mask(
        draft.shape if draft.has_tensor else shapes.draw_shape(draft.choices)
    ),
    ("mask", "Tensor"): lambda draft: draft.mask(draft.shape),
    ("n", "int"): _pick("3", "2", "1", "0", "4"),
    ("m", "int"): _pick("2", "3", "4", "0"),
    ("steps", "int"): _pick("4", "5", "1", "3", "0", "7"),
    ("base", "float"): _pick("2", "10.0", "0.5"),
    ("generator", ""): _nothing,
    ("pin_memory", ""): _nothing,
}


def _names(draft: Draft) -> list[str]:
    return [p.name for p in draft.entry.op.signature.parameters]
