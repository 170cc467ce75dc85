"""Other forms of a drawn program: other dtypes, other data, other seeds, the other spelling of each call, other operations.

Drawing a program costs more than running it, so a campaign uses each in six forms. A form is derived from the text alone:
the default dtype and the named floating dtypes trade places with wider or narrower ones, and so do the integer ones; the
elements of every literal are given in another order, so that rows stay rows and indices stay valid; floats change their
sign; `torch.f(x, ...)` becomes `x.f(...)` and the other way round; operations trade places with others of the same
arguments. It is a program like any other and judged like any
other: what the other dtype is refused for raises.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property

from engine.registry import OPS, Op
from strategies.program.vocabulary import FUNCTIONS, METHODS

_WIDER = (("float32", "float64"), ("complex64", "complex128"))
_SHORTER = (("float32", "bfloat16"), ("float64", "float16"))
_INTEGERS = (("int32", "int64"), ("int8", "int16"))
_NUMBERED = r"(?:int|b?float|complex)\d+\b"
# What forms change wherever it stands: the data of literals, seeds and dtypes. Each begins with a letter or bracket of its
# own, by which texts are searched faster than by what has to stand before it.
_SITE = re.compile(
    r"(\[(?<=torch\.tensor\(\[)[^()]*\]|manual_seed\((?<!\wmanual_seed\()\d+\)"
    rf"|torch\.(?<!\wtorch\.){_NUMBERED}|np\.(?<!\wnp\.){_NUMBERED})"
)
_ELEMENT = re.compile(r"([^\[\], ]+)")
_FUNCTION = r"torch\.(?P<function>\w+)\((?P<operand>[a-z]\d*)(?P<more>, |\))"
_METHOD = r"(?P<tensor>[a-z]\d*)\.(?P<method>\w+)\((?P<end>\))?"
_CALL = re.compile(rf"(?<![.\w])(?:{_FUNCTION}|{_METHOD})")
_SIBLINGS = (
    "sin cos", "tan atan", "sinh tanh", "exp expm1", "exp2 sigmoid", "log log1p", "log2 log10", "sqrt rsqrt", "erf erfc",
    "floor ceil", "add sub", "minimum maximum", "fmin fmax", "eq ne", "lt gt", "le ge", "logical_and logical_or",
    "bitwise_and bitwise_or", "atan2 hypot", "amax amin", "argmax argmin", "max min", "cumsum cumprod", "var std", "all any",
    "triu tril", "hstack vstack", "cummax cummin", "logaddexp logaddexp2", "isinf isnan", "median nanmedian",
    "var_mean std_mean", "rand randn",
)  # fmt: skip
_SIBLING = {a: b for pair in _SIBLINGS for a, b in (pair.split(), pair.split()[::-1])}
_NAME = re.compile(rf"(?<![.\w])((?:torch|[a-z]\d*)\.)({'|'.join(sorted(_SIBLING, reverse=True))})(?=_?\()")
_COMPLEX = re.compile(r"\dj\b|complex")
_SEEDS = 1 << 31


@dataclass(frozen=True)
class Form:
    """What one form changes.

    `swaps`: the dtypes that trade places. `default`: the default dtype, where it is another one. `turn`: the elements of
    literals are given from that one on, negative ones in reverse. `signs`: floats in literals change their sign. `siblings`:
    operations trade places. `real`: only for programs without complex numbers, which have no dtype for parts of 16 bits.
    """

    swaps: tuple[tuple[str, str], ...] = ()
    default: str = ""
    turn: int = 0
    signs: bool = False
    spelling: bool = False
    siblings: bool = False
    real: bool = False


FORMS = (
    Form(_WIDER, "float64", turn=-1, spelling=True),
    Form(_INTEGERS, turn=1),
    Form(_SHORTER, "bfloat16", turn=2, spelling=True, real=True),
    Form(turn=-2, signs=True),
    Form(turn=3, siblings=True),
)
"""The forms beside the drawn one."""


def other_form(text: str, form: Form = FORMS[0]) -> str:
    """Another form of a program's text."""
    return _Apart(text).form(form)


def forms(text: str) -> list[str]:
    """A drawn program in all its forms, itself first; those that are the same text once."""
    real = _COMPLEX.search(text) is None
    apart = _Apart(text)
    return list(dict.fromkeys((text, *(apart.form(form) for form in FORMS if real or not form.real))))


class _Apart:
    """A text, taken apart once for all its forms."""

    def __init__(self, text: str) -> None:
        parts = _SITE.split(text)
        self._sites = parts[1::2]
        self._between = "\0".join(parts[::2])
        self._elements = [_ELEMENT.split(site) if site[0] == "[" else [] for site in self._sites]

    def form(self, form: Form) -> str:
        """The text in another form."""
        names, seeds, rest = _swapped(form), 1 + FORMS.index(form), self._rest(form)
        out = [f"torch.set_default_dtype(torch.{form.default})\n"] if form.default else []
        for between, site, elements in zip(rest, self._sites, self._elements):
            out.append(between)
            if elements:
                out += _changed(elements, form)
            elif site[0] == "m":
                out.append(f"manual_seed({(int(site[12:-1]) + seeds) % _SEEDS})")
            else:
                out.append(names.get(site, site))
        out.append(rest[-1])
        return "".join(out)

    def _rest(self, form: Form) -> list[str]:
        """What is between the sites."""
        text = self._respelled if form.spelling else self._between
        if form.siblings:
            text = _NAME.sub(lambda found: found[1] + _SIBLING[found[2]], text)
        return text.split("\0")

    @cached_property
    def _respelled(self) -> str:
        lines = self._between.split("\n")
        return "\n".join([line if "out=" in line else _CALL.sub(_respelled, line) for line in lines])


@cache
def _swapped(form: Form) -> dict[str, str]:
    pairs = [*form.swaps, *((second, first) for first, second in form.swaps)]
    in_torch = {f"torch.{name}": f"torch.{other}" for name, other in pairs}
    in_numpy = {f"np.{name}": f"np.{other}" for name, other in pairs if "bfloat16" not in (name, other)}
    return in_torch | in_numpy


def _changed(data: list[str], form: Form) -> list[str]:
    """The elements of a literal, and what is between them, in another order."""
    elements, turn = data[1::2], form.turn
    if turn < 0:
        elements, turn = elements[::-1], -1 - turn
    start = turn % len(elements) if elements else 0
    elements = elements[start:] + elements[:start]
    changed = data.copy()
    changed[1::2] = map(_negated, elements) if form.signs else elements
    return changed


def _negated(element: str) -> str:
    if "j" in element or not ("." in element or "inf" in element):
        return element
    return element[1:] if element[0] == "-" else f"-{element}"


def _respelled(found: re.Match[str]) -> str:
    name = found["function"] or found["method"]
    if name not in _spelled_both_ways():
        return found[0]
    if found["method"]:
        return f"torch.{name}({found['tensor']}" + (")" if found["end"] else ", ")
    return f"{found['operand']}.{name}(" + (")" if found["more"] == ")" else "")


@cache
def _spelled_both_ways() -> frozenset[str]:
    """Functions that are methods with the same arguments behind the tensor: none that takes bare ints as a list there."""
    return frozenset(
        name
        for name, overloads in OPS.items()
        if name in METHODS and f"torch.{name}" in FUNCTIONS and all(map(_has_both, overloads))
    )


def _has_both(op: Op) -> bool:
    parameters = op.signature.parameters
    tensor_first = parameters[0].type in ("Tensor", "Operand")
    return op.forms >= {"function", "method"} and tensor_first and all(p.type != "int[]" for p in parameters)
