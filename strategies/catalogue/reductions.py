"""Rows of reductions, scans and sorts."""

from __future__ import annotations

from collections.abc import Mapping

from strategies.catalogue.draft import Argument, Draft
from strategies.catalogue.relations import first, operand, or_nan, pick, rank, sometimes
from strategies.shapes import draw_partner

_some = rank(1, 4)
_filled = or_nan(first(lambda t: t.numel() > 0 and t.dim() > 0, (2, 3)))


def _dim(draft: Draft) -> str:
    return draft.dim()


def _count(draft: Draft) -> str:
    """How many of a dimension to take: up to its size."""
    size = draft.size(draft.values.get("dim", -1))
    return str(size + 2 if draft.sloppy(40) else draft.choices.between(min(1, size), size))


def _kth(draft: Draft) -> str:
    return str(draft.choices.between(1, max(draft.size(-1), 1)))


def _dim_of_k(draft: Draft) -> str | None:
    """The last dimension, for which k was drawn."""
    return "-1" if draft.choices.chance(50) else None


def _counted(draft: Draft) -> str:
    """Small non-negative integers: a large one asks for as many bins."""
    return draft.choices.pick(
        ("torch.tensor([0, 2, 1, 2])", "torch.tensor([3, 3], dtype=torch.uint8)", "torch.tensor([1])")
    )


_ordered = or_nan(_some)


def _edges(draft: Draft) -> str:
    """Rising edges in the dtype of the elements."""
    edges = draft.choices.pick(("[-1.0, 0.0, 2.0]", "[0.0, 0.5, 1.0, 4.0]", "[1.0, 2.0]"))
    return f"torch.tensor({edges}, dtype={draft.first.dtype!r})"


def _frequencies(draft: Draft) -> str:
    """How often each observation counts."""
    return f"torch.tensor([{', '.join(draft.choices.pick(('1', '2', '0')) for _ in range(draft.size(-1)))}]).long()"


_scan: Mapping[str, Argument] = {"input": _some, "dim": _dim}
_k: Mapping[str, Argument] = {"input": _filled, "dim": _dim_of_k}

ROWS: dict[str, Mapping[str, Argument]] = {
    "cumsum": _scan, "cumprod": _scan, "cummax": _scan, "cummin": _scan, "logcumsumexp": _scan, "softmax": _scan,
    "log_softmax": _scan, "sort": {"input": _ordered}, "argsort": {"input": _ordered}, "msort": {"input": _ordered},
    "topk": {**_k, "k": _count},
    "kthvalue": {**_k, "k": _kth},
    "max": {"input": _filled, "other": lambda d: d.partner()},
    "min": {"input": _filled, "other": lambda d: d.partner()},
    "argmax": {"input": _filled}, "argmin": {"input": _filled}, "amax": {"input": _filled}, "amin": {"input": _filled},
    "aminmax": {"input": _filled}, "median": {"input": _filled}, "nanmedian": {"input": _filled}, "mode": {"input": _filled},
    "quantile": {"input": _filled, "q": pick("0.5", "0.25", "1.0", "0.0")},
    "nanquantile": {"input": _filled, "q": pick("0.5", "0.25")},
    "std": {"unbiased": pick("False", "True")}, "var": {"unbiased": pick("False", "True")},
    "logsumexp": {"dim": lambda d: d.dim() if d.choices.chance(60) else d.dims()},
    "histc": {
        "bins": pick("4", "3", "1", "100"), "min": sometimes(40, pick("-1", "0", "0.5")),
        "max": sometimes(40, pick("3", "2.0", "0")),
    },
    "histogram": {
        "bins": lambda d: _edges(d) if d.parameter.type == "Tensor" else d.choices.pick(("4", "3", "1")),
        "range": sometimes(40, pick("(0.0, 3.0)", "[-1.0, 1.0]", "(-2.0, 0.5)")),
        "weight": sometimes(40, lambda d: d.operand(d.shape)),
    },
    "cov": {
        "input": rank(1, 2), "correction": sometimes(40, pick("0", "1", "2")),
        "fweights": sometimes(30, _frequencies), "aweights": sometimes(30, operand(lambda d: d.shape[-1:])),
    },
    "corrcoef": {"input": rank(1, 2)},
    "renorm": {"input": rank(2, 3), "p": pick("2", "1", "inf"), "maxnorm": pick("1.0", "2", "0.5")},
    "dist": {"other": operand(lambda d: draw_partner(d.choices, d.shape))},
    "bincount": {"input": _counted, "weights": lambda d: None},
    "diff": {"input": _some, "prepend": lambda d: None, "append": lambda d: None},
    "unique": {"dim": lambda d: None},
    "searchsorted": {"sorted_sequence": rank(1), "input": lambda d: d.operand((2,)), "sorter": lambda d: None},
    "multinomial": {"num_samples": pick("1", "2"), "replacement": sometimes(60, pick("True"))},
}  # fmt: skip
