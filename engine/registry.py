"""One operation, one record: signature, dtype rule, kernel, derivative and spellings side by side.

    op(
        "exp(Tensor input)", kind=POINTWISE, rule=promote_float, kernel=np.exp, forms="function method inplace out",
        derivatives={"input": lambda grad, result: grad * result},
    )

`kind` says how the kernel is called (see `engine.call`):

POINTWISE   kernel(*arrays and options) -> array; operands arrive cast to the computing dtype and ready to broadcast.
GENERAL     kernel(*values) -> array or Result, or a tuple of them; tensors arrive as tensors.
VIEW        kernel(*values) -> Geometry, or a list of them; the result shows the first operand's memory.
MUTATION    kernel(*values) -> array to be written into the first operand, or None if it has written itself.
COMPOSITE   kernel(*values) -> whatever, written with other operations, recorded by them.

A derivative is a formula for one input (or a tuple of inputs, returning a tuple). Its parameter names say what it uses:
`grad` (or `grads` of all outputs, zero where none came; `given_grads` has None there), `result` (or the names of the
outputs), the operation's own parameters, or one of those with `_sizes`, `_strides` or `_dtype` behind it, which keeps
the fact and not the tensor. What a formula names is saved for backward, and its version is checked: a formula names
exactly what torch saves.

Source of the derivatives' conventions: https://docs.pytorch.org/docs/stable/notes/autograd.html
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from engine import functions, promotion, signatures
from engine.dtypes import ALL, COMPLEXES, FLOAT, FLOATS, INTEGERS, bool_, dtype, get_default_dtype

POINTWISE, GENERAL, VIEW, MUTATION, COMPOSITE = "pointwise", "general", "view", "mutation", "composite"

Formula = Callable[..., Any]
Rule = Callable[[list[Any]], tuple[dtype, dtype]]

MEMORY = {POINTWISE: frozenset(("internal", "partial")), "reduction": frozenset(("mixes-first",))}
"""The usual `memory` rules of a kind or family."""
LINEAR = "linear"
_FACTS = {"sizes": "_sizes", "strides": "_strides", "dtype": "dtype", "layout": "_layout"}


@dataclass(eq=False, slots=True)
class Op:
    """The record of one overload of one operation."""

    signature: signatures.Signature
    kind: str
    kernel: Callable[..., Any]
    family: str
    rule: Rule | None
    accepts: frozenset[dtype]
    derivatives: dict[Any, Formula]
    forms: frozenset[str]
    node_name: str
    exact: bool
    moves: bool
    error_name: str
    memory: frozenset[str]
    last_leads: bool
    casts: bool
    stepwise: bool = False
    wide_scalar: bool = False
    bound_rule: bool = False
    out_dtype_error: str | None = None
    before_out: Callable[[list[Any], list[Any]], None] | None = None
    out_form: Callable[..., Any] | None = None
    out_grad: str = "refused"
    sees_out: bool = False
    of_format: bool = False
    check: Callable[[list[Any]], None] | None = None
    warning: str | None = None
    refuses_as: str = ""
    tangent: Formula | str | None = None
    # Derived from the above once, for the hot path:
    tensor_positions: tuple[int, ...] = ()
    number_operands: frozenset[int] = frozenset()
    wrapped_numbers: tuple[int, ...] = ()
    differentiable: tuple[tuple[str, int], ...] = ()
    spans: dict[str, tuple[int, int | None]] | None = None
    """Of the edges of a node, by operand; None where an operand may be a list."""
    formulas: list[tuple[tuple[str, ...], Formula, tuple[str, ...]]] = field(default_factory=list)
    saved_inputs: list[tuple[str, int, int | None]] = field(default_factory=list)
    saved_outputs: list[tuple[str, int]] = field(default_factory=list)
    facts: list[tuple[str, int, str]] = field(default_factory=list)
    tangent_wants: tuple[str, ...] = ()
    dim_position: int | None = None
    node_class: Any = None

    @property
    def name(self) -> str:
        """The public name: `add`."""
        return self.signature.name

    def __post_init__(self) -> None:
        names = [p.name for p in self.signature.parameters]
        self.tensor_positions = tuple(
            i for i, p in enumerate(self.signature.parameters) if p.type in signatures.TENSOR_TYPES
        )
        self.number_operands = frozenset(
            i for i, p in enumerate(self.signature.parameters) if p.type in ("Operand", "Scalar")
        )
        # Optional numbers (the bounds of clamp) are arguments of torch's kernels; others become 0-d operands.
        self.wrapped_numbers = tuple(
            i
            for i, p in enumerate(self.signature.parameters)
            if p.type in ("Operand", "Scalar") and not p.optional
        )
        self.dim_position = next(
            (i for i, p in enumerate(self.signature.parameters) if p.name == "dim" and p.type == "int"), None
        )
        outputs = self.signature.outputs or ("result",)
        if callable(self.tangent):
            self.tangent_wants = _wants(self.tangent)
        uses: dict[str, set[int]] = {}
        order: list[str] = []
        for inputs, formula in sorted(self.derivatives.items(), key=_alphabetically):
            inputs = inputs if isinstance(inputs, tuple) else (inputs,)
            wants = _wants(formula)
            self.formulas.append((inputs, formula, wants))
            for want in wants:
                uses.setdefault(want, set()).add(len(self.formulas) - 1)
            order.extend(inputs)
        self.differentiable = tuple(sorted(((n, names.index(n)) for n in order), key=lambda pair: pair[1]))
        if not any(self.signature.parameters[i].type == "Tensor[]" for _, i in self.differentiable):
            self.spans = {name: (i, None) for i, (name, _) in enumerate(self.differentiable)}
        for want, users in uses.items():
            if want in ("grad", "grads", "given_grads", "needs"):
                continue
            if want in names:
                # torch saves an operand that a single derivative uses only where that derivative is wanted.
                guard = next(iter(users)) if len(users) == 1 and len(self.formulas) > 1 else None
                self.saved_inputs.append((want, names.index(want), guard))
                self.saved_inputs.sort(key=_alphabetically)  # changed tensors are complained of in that order
            elif want in outputs:
                self.saved_outputs.append((want, outputs.index(want)))
            else:
                base, _, fact = want.rpartition("_")
                if base not in names or fact not in _FACTS:
                    raise ValueError(
                        f"{self.signature.text}: a derivative uses {want!r}, which is nothing here"
                    )
                self.facts.append((want, names.index(base), _FACTS[fact]))


def _alphabetically(entry: tuple[Any, ...]) -> str:
    """What of an operation's arguments torch evaluates in alphabetical order, where its `input` is called `self`. The order of
    derivatives shows in the graphs that they leave."""
    names = entry[0] if isinstance(entry[0], tuple) else (entry[0],)
    return ", ".join("self" if name == "input" else name for name in names)


def _wants(formula: Formula) -> tuple[str, ...]:
    """What a formula uses. A parameter with a default is a constant of the formula, bound where it was written."""
    return tuple(n for n, p in inspect.signature(formula).parameters.items() if p.default is p.empty)


OPS: dict[str, list[Op]] = {}
"""Every operation by public name; the overloads in the order in which they are tried."""


def camel(name: str) -> str:
    """'index_select' -> 'IndexSelect', as node names are spelled."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def op(
    signature: str,
    *,
    kind: str,
    kernel: Callable[..., Any],
    family: str,
    rule: Rule | None = None,
    accepts: Iterable[dtype] = ALL,
    derivatives: dict[Any, Formula] | None = None,
    forms: str = "function method",
    node: str | None = None,
    exact: bool = False,
    moves: bool = False,
    error_name: str | None = None,
    stepwise: bool = False,
    wide_scalar: bool = False,
    bound_rule: bool = False,
    out_dtype_error: str | None = None,
    before_out: Callable[[list[Any], list[Any]], None] | None = None,
    out_form: Callable[..., Any] | None = None,
    out_grad: str | None = None,
    sees_out: bool = False,
    of_format: bool = False,
    check: Callable[[list[Any]], None] | None = None,
    warning: str | None = None,
    refuses_as: str = "",
    aliases: tuple[str, ...] = (),
    memory: str | None = None,
    last_leads: bool = False,
    casts: bool = False,
    tangent: Formula | str | None = None,
) -> Op:
    """Register an operation under its name and aliases, and publish its forms.

    forms: of `function` (torch.f), `method` (x.f), `inplace` (x.f_ and torch.f_), `out` (out=); `inplace-method` is
    x.f_ where torch has no torch.f_.
    accepts: the computing dtypes; others raise NotImplementedError that names `error_name` and the dtype.
    exact: equal operands give equal bits in every correct implementation (no rounding but IEEE's own).
    memory: what an in-place or `out=` form refuses to write: memory that overlaps with itself (`internal`), partly with an
        operand (`partial`) or with the second one (`mask`), at all with the first operand (`first`) or the further ones
        (`others`); and whether elements of the first (`mixes-first`) or further operands (`mixes-others`) enter several
        elements of the result, so that writing over them is undefined. `columns`: an `out=` of this linear algebra takes the
        layout of its result.
    last_leads: the layout of a result follows the last operand first (a reflected operation).
    tangent: how forward mode differentiates what is not elementwise, or not by the derivative of backward: a formula of
        operands, outputs and tangents (`input_t`, None where there is none; its result may be None, too), or LINEAR, where
        it is the operation itself.
    casts: the result may have a dtype that has no gradients; then nothing is recorded.
    An expanded target makes `warns` warn and leaves its elements undefined.
    moves: results are elements of the first operand (or list of them), unchanged, so what is undefined in it stays traceable.
    stepwise: 16-bit floats reach the kernel as they are, so that it rounds after each step, as torch's does.
    wide_scalar: a second operand that is a number or has one element is not rounded to a 16-bit float, as torch's kernel
        does.
    bound_rule: the rule gets the values of all parameters, not only the operands.
    before_out: called with the bound values and the `out=` tensors; raises for dtypes that torch refuses there, or sets
        what the kernel is to do differently (in the list of values).
    out_form: the `out=` form of a composite that torch writes through another operation's, or one that does more than
        write the result; called with the bound values and `out`. It may return NotImplemented for the usual form, which
        for composites copies their result.
    out_grad: what becomes of gradients with `out=`. A call that would lose some is `refused` (the usual); or they are
        `ignored` (the usual where results are truth values), or flow through the copy of a composite's result (`copied`); or
        only leaves are refused, and a result has a history that complains when a gradient comes (`unknown`, the usual where
        torch does not know the derivative of any form).
    sees_out: the kernel takes the tensor that is to be written, too (as `out`, None where there is none).
    of_format: elementwise, and computed in the nominal format in every precision mode, on which the result depends.
    check: called with the bound values once autograd has allowed a write, before memory is looked at.
    refuses_as: the operation within this one that refuses to write to `out=` what would be recorded; itself if empty.
    warning: what a call says (as UserWarning) before anything is checked.
    out_dtype_error: what the operation says if `out` has not exactly the result's dtype; None casts as usual.
    """
    parsed = signatures.parse(signature)
    words = forms.split()
    if "inplace-method" in words:
        words.append("inplace")
    record = Op(
        signature=parsed, kind=kind, kernel=kernel, family=family, rule=rule, accepts=frozenset(accepts),
        derivatives=derivatives or {}, forms=frozenset(words), node_name=node or camel(parsed.name) + "Backward0",
        exact=exact, moves=moves, error_name=error_name or parsed.name,
        memory=MEMORY.get(kind, MEMORY.get(family, frozenset())) if memory is None else frozenset(memory.split()),
        last_leads=last_leads, casts=casts, stepwise=stepwise, wide_scalar=wide_scalar,
        bound_rule=bound_rule, out_dtype_error=out_dtype_error, before_out=before_out, out_form=out_form,
        out_grad=out_grad or ("unknown" if node == "NotImplemented" else "ignored" if rule is compare else "refused"),
        sees_out=sees_out, of_format=of_format, check=check, warning=warning, refuses_as=refuses_as or parsed.name,
        tangent=tangent,
    )  # fmt: skip
    from engine import nodes, publishing

    record.node_class = type(
        record.node_name, (nodes.OpNode,), {"op": record, "__module__": "engine.autograd"}
    )
    for name in (parsed.name, *aliases):
        OPS.setdefault(name, []).append(record)
        publishing.publish(name, OPS[name])
    return record


def promote(operands: list[Any]) -> tuple[dtype, dtype]:
    """Compute in the common dtype, which is the result's."""
    d = promotion.result_dtype(operands)
    return d, d


def promote_float(operands: list[Any]) -> tuple[dtype, dtype]:
    """Compute in the common dtype; integers and bool become the default floating dtype."""
    d = promotion.result_dtype(operands)
    if d.category < FLOAT:
        d = get_default_dtype()
    return d, d


def compare(operands: list[Any]) -> tuple[dtype, dtype]:
    """Compute in the common dtype; the result is bool."""
    return promotion.result_dtype(operands), bool_


BOOL_ONLY = frozenset((bool_,))
REAL = frozenset(ALL) - COMPLEXES
"""What has an order."""
NUMERIC = frozenset(ALL) - BOOL_ONLY
INEXACT = FLOATS | COMPLEXES
INTEGRAL = INTEGERS | BOOL_ONLY

__all__ = ["OPS", "Op", "functions", "op"]
