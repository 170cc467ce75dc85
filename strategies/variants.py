"""Another form of a drawn program: other dtypes, other data, other seeds, the other spelling of each call.

Drawing a program costs more than running it, so a campaign uses each twice. A form is derived from the text alone: the
default dtype and the named floating dtypes trade places with their wider or narrower neighbour; the elements of every
literal are given in reverse, so that rows stay rows and indices stay valid; `torch.f(x, ...)` becomes `x.f(...)` and the
other way round. It is a program like any other and judged like any other: what the other dtype is refused for raises.
"""

from __future__ import annotations

import re
from functools import cache

from engine.registry import OPS, Op
from strategies.program.vocabulary import FUNCTIONS, METHODS

_WIDER = {"float32": "float64", "complex64": "complex128"}
_OTHER_DTYPE = _WIDER | {wider: narrow for narrow, wider in _WIDER.items()}
_DTYPE = re.compile(rf"\b(torch|np)\.({'|'.join(_OTHER_DTYPE)})\b")
_SEED = re.compile(r"\b(manual_seed)\((\d+)\)")
_DATA = re.compile(r"(?<=torch\.tensor\()\[[^()]*\]")
_ELEMENT = re.compile(r"[^\[\], ]+")
_FUNCTION = r"torch\.(?P<function>\w+)\((?P<operand>[a-z]\d*)(?P<more>, |\))"
_METHOD = r"(?P<tensor>[a-z]\d*)\.(?P<method>\w+)\((?P<end>\))?"
_CALL = re.compile(rf"(?<![.\w])(?:{_FUNCTION}|{_METHOD})")
_SEEDS = 1 << 31


def other_form(text: str) -> str:
    """The other form of a program's text."""
    text = _DTYPE.sub(lambda found: f"{found[1]}.{_OTHER_DTYPE[found[2]]}", text)
    text = _SEED.sub(lambda found: f"{found[1]}({(int(found[2]) + 1) % _SEEDS})", text)
    text = _DATA.sub(_reversed, text)
    lines = (line if "out=" in line else _CALL.sub(_respelled, line) for line in text.split("\n"))
    return "torch.set_default_dtype(torch.float64)\n" + "\n".join(lines)


def _reversed(found: re.Match[str]) -> str:
    elements = _ELEMENT.findall(found[0])
    return _ELEMENT.sub(lambda _: elements.pop(), found[0])


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
