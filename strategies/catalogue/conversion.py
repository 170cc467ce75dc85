"""Rows of conversions, factories and random numbers."""

from __future__ import annotations

from collections.abc import Mapping

from strategies import shapes, values
from strategies.catalogue.draft import Argument, Draft
from strategies.catalogue.relations import first, omitted, operand, pick, sometimes
from strategies.dtypes import draw_dtype

_one = first(lambda t: t.numel() == 1, ())
_legacy = (
    "'torch.FloatTensor'", "'torch.DoubleTensor'", "'torch.LongTensor'", "'torch.IntTensor'", "'torch.BoolTensor'",
    "'torch.HalfTensor'",
)  # fmt: skip


def _kind(draft: Draft) -> str:
    if draft.choices.chance(30):
        return draft.choices.pick(_legacy)
    return repr(draw_dtype(draft.choices, draft.drawing.profile.dtypes))


def _data(draft: Draft) -> str:
    d = draw_dtype(draft.choices, draft.drawing.profile.dtypes)
    return values.draw_data(
        draft.choices, shapes.draw_shape(draft.choices, max_rank=2), d, draft.drawing.profile.wild
    )


def _start(draft: Draft) -> str:
    return draft.choices.pick(("0", "1", "-1", "0.5", "-2.0", "2"))


def _end(draft: Draft) -> str:
    return draft.choices.pick(("5", "3", "4.0", "6", "2.5", "1"))


def _step(draft: Draft) -> str:
    # No fraction of one: among integers it is cut to 0, which before 2.13 ended the process
    # (https://github.com/pytorch/pytorch/issues/175761).
    return draft.choices.pick(("1", "2", "2.5", "-1" if draft.sloppy(50) else "1.5"))


_range: Mapping[str, Argument] = {"start": _start, "end": _end, "step": _step}


def _probabilities(draft: Draft) -> str:
    text = f"torch.full({shapes.text(shapes.draw_shape(draft.choices, max_rank=2))}, {draft.choices.pick(('0.5', '0.25'))})"
    draft.values["input"] = draft.evaluate(text)
    return text


def _moment(number: Argument, tensor: Argument) -> Argument:
    """A mean or a standard deviation: a number, or a tensor where the overload takes one."""
    return lambda draft: (tensor if draft.parameter.type in ("Tensor", "Operand") else number)(draft)


ROWS: dict[str, Mapping[str, Argument]] = {
    "type": {"dtype": _kind},
    "item": {"input": _one}, "is_nonzero": {"input": _one},
    "tensor": {"data": _data}, "as_tensor": {"data": _data}, "asarray": {"obj": _data}, "new_tensor": {"data": _data},
    "arange": _range, "linspace": {"start": _start, "end": _end}, "logspace": {"start": _start, "end": _end},
    "range": _range, "scalar_tensor": {"s": lambda d: values.draw_number(d.choices)},
    "full": {"fill_value": lambda d: values.draw_number(d.choices, d.drawing.profile.wild)},
    "randint": {"low": pick("0", "-2", "1"), "high": pick("5", "10", "3", "300")},
    "randint_like": {"low": pick("0", "-2"), "high": pick("5", "10", "3")},
    "randperm": {"n": pick("4", "5", "1", "0", "6")},
    "normal": {
        "mean": _moment(pick("0.0", "1.0", "2"), lambda d: d.tensor()),
        "std": _moment(pick("1.0", "0.5", "2"), pick("torch.tensor([1.0, 2.0])", "torch.tensor(0.5)", "torch.ones(2, 1)")),
    },
    "bernoulli": {"input": _probabilities, "p": sometimes(40, pick("0.5", "0.25"))},
    "multinomial": {
        "input": lambda d: "torch.tensor([1.0, 2.0, 3.0])", "num_samples": pick("2", "1"),
        "replacement": sometimes(50, pick("True")),
    },
    "poisson": {"input": _probabilities},
    "uniform_": {"from": sometimes(0, pick("0")), "to": omitted},
    "normal_": {"mean": sometimes(40, pick("0", "1.0")), "std": sometimes(30, pick("1", "0.5"))},
    "random_": {"from": sometimes(50, pick("0", "1")), "to": sometimes(60, pick("5", "10"))},
    "exponential_": {"lambd": sometimes(40, pick("1", "0.5", "2.0"))},
    "geometric_": {"p": pick("0.5", "0.25")},
    "cauchy_": {"median": sometimes(20, pick("0", "1.0")), "sigma": sometimes(20, pick("1", "0.5"))},
    "log_normal_": {"mean": sometimes(30, pick("1", "0.5")), "std": sometimes(30, pick("1", "0.5"))},
    "dropout": {"p": pick("0.5", "0.25", "0.0", "1.0"), "train": pick("True", "False"), "training": pick("True")},
    "bernoulli_": {"p": sometimes(70, pick("0.5", "0.25"))},
    "result_type": {"tensor": first(), "tensor1": first(), "tensor2": operand(lambda d: (2,))},
    "can_cast": {}, "promote_types": {},
    "type_as": {"other": lambda d: d.partner()},
    "to": {"other": lambda d: d.partner()},
    "is_same_size": {"other": lambda d: d.partner()},
}  # fmt: skip
