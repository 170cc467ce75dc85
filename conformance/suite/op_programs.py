"""Programs about one operation: its catalogue entry, called on operands of one dtype and layout in every spelling.

The catalogue draws the arguments, from bytes that are hashed from the names of entry, dtype and case, so the programs
are the same everywhere. They are written whether they run or not: a call on a wrong dtype is a case like any other.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

import engine
from engine import Tensor
from engine.dtypes import ALL, BOOL, COMPLEX, FLOAT, INTEGER, LacksError, bool_, dtype, float64, int64
from strategies import creation, shapes
from strategies.catalogue import ENTRIES, Draft, Entry, draw_arguments
from strategies.choices import BLOCK_SIZE, Choices
from strategies.drawing import Drawing
from strategies.profiles import DEFAULT
from strategies.scope import Unavailable, Where
from strategies.shapes import Shape
from strategies.statements.calls import OPERATORS, UNARY, arguments

LAYOUTS = ("contiguous", "transposed", "strided", "expanded", "0-d", "empty", "special")
OPERANDS = (
    "contiguous",
    "transposed",
    "expanded",
    "strided",
    "overlapping",
)  # of what is compared in all forms
KINDS = tuple(
    [d for d in ALL if d.category in category] for category in ((FLOAT,), (BOOL, INTEGER), (COMPLEX,))
)
Writers = tuple[tuple[Callable[["Sheet", "Call"], None], bool], ...]
PER_LAYOUT = 33  # of --max-examples
_ATTEMPTS = 4  # draws of arguments before a case is given up


def names() -> list[str]:
    """Every operation of the catalogue by its public name."""
    return sorted({entry.name for entry in ENTRIES})


def programs_of(name: str, max_examples: int, among: Collection[dtype] = ALL) -> Iterator[str]:
    """The texts of all programs about an operation: entries x dtypes x layouts, values first, then gradients.

    With `max_examples` 231 each dtype meets each layout once; with fewer the layouts are spread over the dtypes.
    """
    each = max(1, max_examples // PER_LAYOUT)
    for entry in ENTRIES:
        if entry.name != name:
            continue
        for number, d in enumerate(ALL):
            for case in range(each if d in among else 0):
                layout = LAYOUTS[(case * len(LAYOUTS) // min(each, len(LAYOUTS)) + number) % len(LAYOUTS)]
                yield from _case(entry, d, layout, case, ((_spellings, False), (_gradients, True)))


def _case(entry: Entry, d: dtype, layout: str, case: int, writers: Writers) -> Iterator[str]:
    for write, gradient in writers:
        if gradient and (d.category < FLOAT or not _may_record(entry)):
            continue
        for attempt in range(_ATTEMPTS):
            sheet = Sheet(
                f"{entry.label}|{d}|{layout}|{case}|{write.__name__}|{attempt}", d, layout, gradient
            )
            with _clean():
                try:
                    write(sheet, Call.drawn(sheet, entry))
                except Unavailable:
                    continue
            if sheet.lines:
                yield "".join(f"{line}\n" for line in sheet.lines)
            break


def calls_of(name: str, max_examples: int) -> Iterator[str]:
    """The texts of programs that make operands and call an operation once, with a backward pass where there are gradients.

    Each overload meets a dtype of every kind, the next ones with every `PER_LAYOUT` of `max_examples`.
    """
    for number, entry in enumerate(ENTRIES):
        kinds = [[d for d in kind if d in entry.accepted] for kind in KINDS] if entry.name == name else []
        for place, kind in enumerate(filter(None, kinds)):
            for case in range(max(1, max_examples // PER_LAYOUT // len(KINDS))):
                d, layout = (
                    kind[(number + case) % len(kind)],
                    OPERANDS[(number + place + case) % len(OPERANDS)],
                )
                yield from _case(entry, d, layout, case, ((_once, False), (_once_recorded, True)))


def _may_record(entry: Entry) -> bool:
    return bool(entry.op.differentiable) or entry.op.kind == "composite"


class _clean:
    """The engine's state as at the start of a program; warnings and NumPy's complaints are not the drawer's business."""

    def __enter__(self) -> None:
        self._stack = (warnings.catch_warnings(), np.errstate(all="ignore"))
        for manager in self._stack:
            manager.__enter__()
        warnings.simplefilter("ignore")
        engine.set_default_dtype(engine.float32)
        engine.set_grad_enabled(True)
        engine.manual_seed(0)

    def __exit__(self, *error: object) -> None:
        engine.set_default_dtype(engine.float32)
        engine.set_grad_enabled(True)
        for manager in reversed(self._stack):
            manager.__exit__(None, None, None)


class Sheet(Drawing):
    """The program so far, run on the engine as it is written; statements stay whether they raise or not."""

    def __init__(self, key: str, d: dtype, layout: str, gradient: bool) -> None:
        wild = 100 if layout == "special" and not gradient else 0
        super().__init__(lambda: b"", replace(DEFAULT, dtypes=((d, 1),), wild=wild))
        self.dtype, self.layout = d, layout
        self.gradient = gradient
        self.choices = Choices(hashlib.blake2b(key.encode(), digest_size=BLOCK_SIZE).digest())

    def put(self, text: str, name: str | None = None) -> Any:
        """Write a statement, `name = text` where a name is given. Its value on the engine, None where it raises.

        Raises Unavailable where it needs a dtype that the engine lacks.
        """
        self.add(text if name is None else f"{name} = {text}")
        try:
            if name is None:
                exec(text, self.scope.names)
                return None
            self.scope.names[name] = eval(text, self.scope.names)
        except LacksError:
            raise Unavailable from None
        except Exception:
            return None
        return self.scope.names[name]

    def fresh(self, text: str) -> tuple[str, Any]:
        """Write `x = text` with a name that is new, whether it raises or not."""
        name = self.scope.fresh()
        value = self.put(text, name)
        self.scope.names.setdefault(name, None)
        self.scope.note(name)
        return name, value


class Call(Draft):
    """The arguments of the call. New tensors have the sheet's dtype; the first operand has its layout, too."""

    drawing: Sheet

    @classmethod
    def drawn(cls, sheet: Sheet, entry: Entry) -> Call:
        """Raises Unavailable where no arguments can be drawn."""
        call = cls(sheet, entry)
        try:
            draw_arguments(call)
        except LookupError:  # a 0-d operand has not the dimensions that a relation asks for
            raise Unavailable from None
        return call

    def tensor(
        self, where: Where | None = None, shape: Shape | None = None, among: frozenset[dtype] | None = None
    ) -> str:
        """A first operand: new, so that its dtype and layout are the wanted ones."""
        choices, layout = self.choices, self.drawing.layout
        if shape is None:
            shape = shapes.draw_shape(choices, min_rank=1, max_rank=3)
        if not self.has_tensor and layout == "0-d":
            shape = ()
        elif not self.has_tensor and layout == "empty":
            at = choices.below(max(len(shape), 1))
            shape = (*shape[:at], 0, *shape[at + 1 :])
        return self.known(self.new(shape, self._dtype_of(among or self.entry.accepted)))

    def _dtype_of(self, accepted: frozenset[dtype]) -> dtype:
        """The sheet's dtype, accepted or not; another one for some operands of operations that promote."""
        if self.has_tensor and self.entry.mixes and self.choices.chance(50):
            return self.choices.pick(ALL)
        return self.drawing.dtype

    def new(self, shape: Shape, d: dtype) -> str:
        """A new tensor in a layout, as statements of its own; a leaf where the program is about gradients."""
        sheet = self.drawing
        grad = sheet.gradient and d.category >= FLOAT
        layout = sheet.layout if not self.has_tensor else self.choices.pick(LAYOUTS[:4])
        if layout == "transposed" and len(shape) > 1:
            base = self._tensor(shape[::-1], d, grad)
            order = shapes.text(tuple(range(len(shape)))[::-1])
            return sheet.define(f"{base}.t()" if len(shape) == 2 else f"{base}.permute{order}")
        if layout in ("strided", "transposed") and shape and math.prod(shape) <= 30:
            base = self._tensor((*shape[:-1], 2 * shape[-1]), d, grad)
            return sheet.define(f"{base}[..., {self.choices.pick(('::2', '1::2'))}]")
        if layout == "expanded" and shape:
            at = self.choices.below(len(shape))
            base = self._tensor((*shape[:at], 1, *shape[at + 1 :]), d, grad)
            return sheet.define(f"{base}.expand({shapes.text(shape)})")
        if layout == "overlapping" and len(shape) > 1 and 0 not in shape:
            base = self._tensor((*shape[:-2], shape[-2] + shape[-1] - 1), d, grad)
            return sheet.define(f"{base}.unfold(-1, {shape[-1]}, 1)")
        return self._tensor(shape, d, grad)

    def _tensor(self, shape: Shape, d: dtype, grad: bool) -> str:
        if d.category >= FLOAT and grad and d is not float64 and self.choices.chance(30):
            return self.drawing.define(creation.draw_literal(self.drawing, shape, d, requires_grad=True))
        return self.drawing.define(self.made(shape, d, grad))

    # --- spellings ---

    @property
    def receiver(self) -> str | None:
        """The name before the dot of a method; None where the first argument is no tensor."""
        parameters = self.entry.op.signature.parameters
        if not self.texts or self.texts[0][0] is not parameters[0]:
            return None
        text = self.texts[0][1]
        return (
            text if isinstance(self.values.get(parameters[0].name), Tensor) and text.isidentifier() else None
        )

    def function(self) -> str:
        """`torch.f(x, y)`."""
        return f"torch.{self.entry.name}({arguments(self)})"

    def method(self, receiver: str) -> str:
        """`x.f(y)`."""
        return f"{receiver}.{self.entry.name}({arguments(self, skip=1)})"

    def written_method(self, target: str) -> str:
        """`target.f_(y)`."""
        return f"{target}.{self.entry.name}_({arguments(self, skip=1)})"

    def written_function(self, target: str) -> str:
        """`torch.f_(target, y)`."""
        inside = arguments(self, skip=1)
        return f"torch.{self.entry.name}_({target}{', ' if inside else ''}{inside})"

    def operator(self) -> str | None:
        """`x + y`, `-x`; None where the call has no operator."""
        name, texts = self.entry.name, [text for _, text in self.texts]
        if not self.has_tensor:  # the language has no arithmetic of literals
            return None
        if name in UNARY and len(texts) == 1:
            return f"{UNARY[name]}{_grouped(texts[0])}"
        if name in OPERATORS and len(texts) == 2 and not self.texts[1][0].keyword_only:
            return f"{_grouped(texts[0])} {OPERATORS[name]} {_grouped(texts[1])}"
        return None


def _grouped(text: str) -> str:
    plain = text.isidentifier() or text.startswith("torch.") or text.isdecimal()
    return text if plain and " " not in text.partition("(")[0] else f"({text})"


# --- what is written about a call ---


def plain(call: Call) -> str:
    """The call as an expression, in the spelling that the operation is best known by."""
    entry, receiver = call.entry, call.receiver
    if "function" in entry.forms:
        return call.function()
    if receiver is None:
        raise Unavailable
    if "method" in entry.forms:
        return call.method(receiver)
    return call.written_method(receiver)


def _spellings(sheet: Sheet, call: Call) -> None:
    """All spellings of a call. What a spelling writes is a fresh copy, and in the end the operand itself.

    A call that raises is written as function, method and operator only.
    """
    entry, forms, receiver = call.entry, call.entry.forms, call.receiver
    name, value = sheet.fresh(plain(call))
    if "function" in forms and "method" in forms and receiver is not None:
        sheet.fresh(call.method(receiver))
    operator = call.operator()
    if operator is not None:
        sheet.fresh(operator)
    if (
        value is None
    ):  # a mistake already: with another one on top, which of the two is told is nowhere stated
        return
    if "out" in forms and not {"requires_grad", "out"} & {parameter.name for parameter, _ in call.texts}:
        _out(sheet, call, name, value)
    if receiver is None or not forms & {"inplace", "inplace function"}:
        return
    for form, spelled in (("inplace function", call.written_function), ("inplace", call.written_method)):
        if form in forms:
            copy, _ = sheet.fresh(f"{receiver}.clone()")
            sheet.fresh(spelled(copy))
    symbol = OPERATORS.get(entry.name)
    if operator is not None and symbol is not None and entry.name not in _COMPARISONS:
        copy, _ = sheet.fresh(f"{receiver}.clone()")
        sheet.put(f"{copy} {symbol}= {_grouped(call.texts[1][1])}")
    sheet.put(call.written_method(receiver))


_COMPARISONS = frozenset(("eq", "ne", "lt", "le", "gt", "ge"))


def _out(sheet: Sheet, call: Call, name: str, value: Any) -> None:
    """`out=` into a tensor that must grow, and into one of the right size: of the result's dtype, then of another."""
    inside = arguments(call)
    comma = ", " if inside else ""
    text = f"torch.{call.entry.name}({inside}{comma}out="
    if isinstance(value, tuple):
        targets = [sheet.fresh(f"torch.empty(0, dtype={item.dtype!r})")[0] for item in value]
        sheet.fresh(f"{text}({', '.join(targets)}))")
        return
    if not isinstance(value, Tensor):
        return
    grown, _ = sheet.fresh(f"torch.empty(0, dtype={value.dtype!r})")
    sheet.fresh(f"{text}{grown})")
    ready, _ = sheet.fresh(f"torch.zeros_like({name})")
    sheet.put(f"{text}{ready})")
    # An integer operand is computed in float32; what float64 holds of that is no float64 result to the last bit.
    computed = sheet.dtype.category < FLOAT <= value.dtype.category
    other = sheet.choices.pick((int64, bool_) if computed else (float64, int64, bool_))
    cast, _ = sheet.fresh(f"torch.zeros_like({name}, dtype={other!r})")
    sheet.put(f"{text}{cast})")


def _once(sheet: Sheet, call: Call) -> None:
    sheet.fresh(plain(call))


def _once_recorded(sheet: Sheet, call: Call) -> None:
    name, value = sheet.fresh(plain(call))
    for root in _roots(name, value):
        sheet.put(f"{root}.backward({_cotangent(sheet, root)}, retain_graph=True)")


def _gradients(sheet: Sheet, call: Call) -> None:
    """A vector-Jacobian product into `.grad`, another that is differentiated once more, and the in-place form's."""
    leaves = [x for x in sheet.scope.tensors if sheet.scope[x].requires_grad and sheet.scope[x].is_leaf]
    if not leaves:
        raise Unavailable
    name, value = sheet.fresh(plain(call))
    roots = _roots(name, value)
    for root in roots:
        v = _cotangent(sheet, root)
        sheet.put(f"{root}.backward({v}, retain_graph=True)")
        wanted, _ = sheet.fresh(
            f"torch.autograd.grad({root}, [{', '.join(leaves)}], {v}, create_graph=True, allow_unused=True)"
        )
        _second(sheet, wanted, (*leaves, v))
    if roots and call.receiver is not None and call.entry.forms & {"inplace"}:
        _inplace_gradient(sheet, call, leaves)


def _roots(name: str, value: Any) -> list[str]:
    """Where a backward can start: the result, or each of several results."""
    if isinstance(value, Tensor):
        return [name] if value.requires_grad else []
    if isinstance(value, (tuple, list)):
        return [
            f"{name}[{i}]" for i, item in enumerate(value) if isinstance(item, Tensor) and item.requires_grad
        ][:3]
    return []


def _cotangent(sheet: Sheet, root: str) -> str:
    tensor = eval(root, sheet.scope.names)
    text = creation.draw_tensor(sheet, tuple(tensor.shape), tensor.dtype, requires_grad=True)
    return sheet.fresh(text)[0]


def _second(sheet: Sheet, wanted: str, leaves: tuple[str, ...]) -> None:
    """The backward of every gradient that has a history; first-order gradients are cleared before."""
    grads = sheet.scope.names[wanted]
    for position, grad in enumerate(grads or ()):
        if isinstance(grad, Tensor) and grad.requires_grad:
            for leaf in leaves:
                sheet.put(f"{leaf}.grad = None")
            w = _cotangent(sheet, f"{wanted}[{position}]")
            sheet.put(f"{wanted}[{position}].backward({w}, retain_graph=True)")


def _inplace_gradient(sheet: Sheet, call: Call, leaves: list[str]) -> None:
    """Through the in-place form, on a copy and on a view of a copy, which rewrites the history of its base."""
    for leaf in leaves:
        sheet.put(f"{leaf}.grad = None")
    copy, value = sheet.fresh(f"{call.receiver}.clone()")
    target = f"{copy}[...]" if sheet.choices.chance(50) else copy
    sheet.put(call.written_method(target))
    if isinstance(value, Tensor) and value.requires_grad:
        v = _cotangent(sheet, copy)
        sheet.put(f"{copy}.backward({v})")
