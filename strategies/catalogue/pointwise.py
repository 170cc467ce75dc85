"""Rows of elementwise operations whose arguments need more than broadcasting."""

from __future__ import annotations

from collections.abc import Mapping

from strategies.catalogue.draft import Argument, Draft
from strategies.catalogue.relations import first, operand, or_nan, pick, sometimes
from strategies.shapes import draw_partner


def _exponent(draft: Draft) -> str:
    """A small exponent; integers to negative powers are a mistake."""
    if not draft.has_tensor:
        return draft.tensor()
    way = draft.choices.below(8)
    if way < 5 or draft.parameter.type in ("Number", "Scalar"):
        if draft.first.dtype.category < 2 and not draft.sloppy():
            return draft.choices.pick(("2", "3", "1", "0"))
        return draft.choices.pick(("2", "0.5", "3", "-1", "2.0", "0", "1", "-2", "1.5"))
    return draft.partner()


def _shift(draft: Draft) -> str:
    """A small shift: one beyond the width of the dtype means nothing."""
    if not draft.has_tensor:  # a number is shifted by a tensor
        return draft.choices.pick(
            ("torch.tensor([1, 2])", "torch.tensor([0, 3], dtype=torch.int32)", "torch.tensor(1)")
        )
    return draft.choices.pick(("1", "2", "0", "3"))


def _power(draft: Draft) -> str:
    """A power of two as a small integer."""
    return draft.choices.pick(("torch.tensor(2)", "torch.tensor(-1)", "torch.tensor([3], dtype=torch.int16)"))


def _divisor(draft: Draft) -> str:
    """A number that is not zero for integers, mostly."""
    if draft.choices.chance(60):
        return draft.choices.pick(("2", "3", "-2", "4", "0.5", "-1"))
    return draft.partner()


def _bound(draft: Draft) -> str:
    """One end of a clamp: a number or a tensor as the overload has it."""
    if draft.parameter.type == "Tensor":
        return draft.operand(draw_partner(draft.choices, draft.shape))
    return draft.choices.pick(("0", "1", "-1", "0.5", "2", "-0.5", "3"))


_greater: Mapping[str, Argument] = {"input": or_nan(first())}
_quotient: Mapping[str, Argument] = {"other": _divisor}

_shifted: Mapping[str, Argument] = {"self": pick("4", "-3", "1"), "other": _shift}

ROWS: dict[str, Mapping[str, Argument]] = {
    "pow": {"exponent": _exponent},
    "float_power": {"exponent": _exponent},
    "bitwise_left_shift": _shifted, "bitwise_right_shift": _shifted,
    "floor_divide": _quotient, "fmod": _quotient, "remainder": _quotient,
    "clamp": {"min": sometimes(80, _bound), "max": sometimes(60, _bound)},
    "clip": {"min": sometimes(80, _bound), "max": sometimes(60, _bound)},
    "clamp_min": {"min": _bound}, "clamp_max": {"max": _bound},
    "nan_to_num": {"nan": sometimes(40, pick("0.0", "1.5")), "posinf": sometimes(30, pick("2.0"))},
    "ldexp": {"other": lambda d: d.partner() if d.choices.chance(50) else _power(d)},
    "lerp": {"end": operand(lambda d: draw_partner(d.choices, d.shape))},
    "polygamma": {"n": pick("1", "0", "2")},
    "mvlgamma": {"p": pick("1", "2")},
    "logit": {"eps": sometimes(50, pick("0.25", "0.125", "1e-3"))},
    "allclose": {"rtol": sometimes(20, pick("1e-3")), "atol": sometimes(20, pick("0.5"))},
    "isclose": {"rtol": sometimes(20, pick("1e-3")), "atol": sometimes(20, pick("0.5"))},
    "maximum": _greater, "minimum": _greater, "fmax": _greater, "fmin": _greater,
    "threshold": {"threshold": pick("0", "0.5", "1"), "value": pick("2", "0.25")},
}  # fmt: skip
