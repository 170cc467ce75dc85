"""Tensors as text: `repr(t)`, `str(t)` and `format(t, spec)` character for character as torch writes them.

Functions over plain data: logical values, a dtype name and what the suffixes show. The rules:

 - one width for the whole tensor, from the values that are finite and not zero (others may stick out);
 - floating values: `1.` when all are whole, four decimals otherwise, scientific when the largest is above 1e8, the
   smallest below 1e-4 or their ratio above 1000; complex ones decide for each part alone;
 - above `threshold` elements only `edgeitems` at both ends of every dimension are shown, and decide the format;
 - suffixes in the order device, size, dtype, grad_fn or requires_grad; one that does not fit starts a line.

Source: https://docs.pytorch.org/docs/stable/generated/torch.set_printoptions.html
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class PrintOptions:
    """What `torch.set_printoptions` sets; `sci_mode` None lets the values decide."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_PROFILES = {
    "default": PrintOptions(),
    "short": PrintOptions(precision=2, edgeitems=2),
    "full": PrintOptions(threshold=math.inf),
}


class _Current:
    """The process-wide options."""

    options = PrintOptions()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Change how tensors print. What is not given stays, except `sci_mode`, which is set by every call."""
    base = _PROFILES.get(profile, _Current.options) if profile is not None else _Current.options
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    _Current.options = replace(base, **changes, sci_mode=sci_mode)


def get_printoptions() -> dict[str, Any]:
    """The options as keywords for `set_printoptions`."""
    return asdict(_Current.options)


@contextlib.contextmanager
def printoptions(**changes: Any) -> Iterator[None]:
    """Other options inside a `with` block."""
    before = _Current.options
    set_printoptions(**changes)
    try:
        yield
    finally:
        _Current.options = before


def reset() -> None:
    """The options of a fresh process."""
    _Current.options = PrintOptions()


# --- the public texts -------------------------------------------------------------------------------------------------


def tensor_repr(
    values: np.ndarray,
    dtype: str,
    *,
    requires_grad: bool = False,
    grad_fn: str | None = None,
    default_dtype: str = "float32",
    device: str | None = None,
    options: PrintOptions | None = None,
) -> str:
    """The repr of a tensor with these logical values.

    `values` has the tensor's shape and NumPy's dtype for `dtype`. `grad_fn` is a node's name ("AddBackward0"), which
    hides `requires_grad`. `device` is shown when given: pass it for tensors that are not on the default device.
    """
    options = options or _Current.options
    prefix = "tensor("
    suffixes = [] if device is None else [f"device='{device}'"]
    if values.size == 0:
        body = "[]"
        if values.ndim != 1:
            suffixes.append(f"size={tuple(values.shape)}")
        shows_dtype = dtype != default_dtype  # no value shows that an empty tensor holds integers
    else:
        body = _Writer(values, options).text(len(prefix))
        if not options.edgeitems:
            suffixes.append(f"size={tuple(values.shape)}")
        default_complex = "complex128" if default_dtype == "float64" else "complex64"
        shows_dtype = dtype not in (default_dtype, default_complex, "int64", "bool")
    if shows_dtype:
        suffixes.append(f"dtype=torch.{dtype}")
    if grad_fn is not None:
        suffixes.append(f"grad_fn=<{grad_fn}>")
    elif requires_grad:
        suffixes.append("requires_grad=True")
    return _with_suffixes(prefix + body, suffixes, len(prefix), options.linewidth)


def tensor_text(tensor: Any) -> str:
    """The repr of one of the engine's tensors."""
    from engine.dtypes import get_default_dtype

    try:
        node = tensor.grad_fn
        name = None if node is None else type(node).__name__
    except RuntimeError:  # a view whose history cannot be made anew
        name = "Invalid"
    return tensor_repr(
        tensor._array().astype(tensor.dtype.nominal, copy=False), tensor.dtype.name, requires_grad=tensor.requires_grad,
        grad_fn=name, default_dtype=get_default_dtype().name,
    )  # fmt: skip


def tensor_format(values: np.ndarray, spec: str, whole: Callable[[], str], type_name: str = "Tensor") -> str:
    """`format(t, spec)`: a 0-d tensor formats as its number, others have no specification.

    `whole` gives the tensor's repr. A 0-d tensor of a subclass (a Parameter) counts as "other": pass its class name.
    Raises TypeError for a specification that is not empty.
    """
    if values.ndim == 0 and type_name == "Tensor":
        return format(_widened(values).item(), spec)
    if spec:
        raise TypeError(f"unsupported format string passed to {type_name}.__format__")
    return whole()


def _with_suffixes(text: str, suffixes: Sequence[str], indent: int, linewidth: int) -> str:
    # torch counts two columns more than the last line has, and only there.
    column = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if column + len(suffix) + 2 > linewidth:
            text += ",\n" + " " * indent + suffix
            column = indent + len(suffix)
        else:
            text += ", " + suffix
            column += len(suffix) + 2
    return text + ")"


# --- one number -------------------------------------------------------------------------------------------------------


class _Formatter:
    """How the numbers of one tensor, or of one part of a complex one, are written."""

    def __init__(self, shown: np.ndarray, options: PrintOptions) -> None:
        self.precision = options.precision
        self.width = 1
        if shown.dtype.kind != "f":
            self._write: Callable[[Any], str] = str
            self.width = max([1, *(len(str(value)) for value in shown.ravel().tolist())])
            return
        decisive = shown[np.isfinite(shown) & (shown != 0)]
        self._write = self._whole
        if decisive.size == 0:
            return
        whole = bool((decisive == np.ceil(decisive)).all())
        scientific = _needs_exponent(decisive) if options.sci_mode is None else options.sci_mode
        if scientific:
            self._write = self._scientific
        elif not whole:
            self._write = self._decimal
        self.width = max(len(self._write(value)) for value in decisive.tolist())

    def __call__(self, value: Any) -> str:
        return self._write(value).rjust(self.width)

    def _whole(self, value: float) -> str:
        return f"{value:.0f}." if math.isfinite(value) else f"{value:.0f}"

    def _decimal(self, value: float) -> str:
        return f"{value:.{self.precision}f}"

    def _scientific(self, value: float) -> str:
        return f"{value:.{self.precision}e}"


def _needs_exponent(decisive: np.ndarray) -> bool:
    magnitudes = np.abs(decisive)
    smallest, largest = magnitudes.min(), magnitudes.max()
    with np.errstate(over="ignore"):
        return bool(largest / smallest > 1000.0 or largest > 1.0e8 or smallest < 1.0e-4)


def _complex_text(real: str, imaginary: str) -> str:
    """A complex number from its formatted parts: the sign of the imaginary one comes first, its padding is lost."""
    imaginary = imaginary.lstrip() + "j"
    return real + imaginary if imaginary[0] in "+-" else real + "+" + imaginary


# --- rows and blocks --------------------------------------------------------------------------------------------------


class _Writer:
    """Writes the nested brackets of one tensor."""

    def __init__(self, values: np.ndarray, options: PrintOptions) -> None:
        self.values = _widened(values)
        self.options = options
        self.summarized = values.size > options.threshold
        shown = _edges(self.values, options.edgeitems) if self.summarized else self.values
        self.columns = 2  # the comma and the space after an element
        if self.values.dtype.kind == "c":
            real, imaginary = _Formatter(shown.real, options), _Formatter(shown.imag, options)
            self.number: Callable[[Any], str] = lambda z: _complex_text(real(z.real), imaginary(z.imag))
            self.columns += real.width + imaginary.width + 1
        else:
            formatter = _Formatter(shown, options)
            self.number = formatter
            self.columns += formatter.width

    def text(self, indent: int) -> str:
        """The brackets, continued lines indented."""
        return self._block(self.values, indent)

    def _block(self, values: np.ndarray, indent: int) -> str:
        if values.ndim == 0:
            return self.number(values.item())
        if values.ndim == 1:
            return self._row(values, indent)
        parts = [
            self._block(values[i], indent + 1) if i is not None else "..." for i in self._indices(len(values))
        ]
        separator = "," + "\n" * (values.ndim - 1) + " " * (indent + 1)
        return "[" + separator.join(parts) + "]"

    def _row(self, values: np.ndarray, indent: int) -> str:
        edge = self.options.edgeitems
        if self.summarized and not edge:
            words = ["..."]
        elif self.summarized and len(values) > 2 * edge:
            first, last = values[:edge].tolist(), values[-edge:].tolist()
            words = [*map(self.number, first), " ...", *map(self.number, last)]
        else:
            words = [self.number(value) for value in values.tolist()]
        count = max(1, math.floor((self.options.linewidth - indent) / self.columns))
        lines = [", ".join(words[i : i + count]) for i in range(0, len(words), count)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"

    def _indices(self, length: int) -> list[int | None]:
        """The indices along a dimension that are shown; None stands for those left out."""
        edge = self.options.edgeitems
        if self.summarized and length > 2 * edge:
            return [*range(edge), None, *range(length - edge, length)]
        return list(range(length))


def _edges(values: np.ndarray, edge: int) -> np.ndarray:
    """The elements that a summary shows, of every dimension the ends.

    With no edge items one dimension counts whole and several count as empty, as in torch.
    """
    if edge == 0:
        return values if values.ndim < 2 else values[:0]
    for dim, length in enumerate(values.shape):
        if length > 2 * edge:
            values = values.take([*range(edge), *range(length - edge, length)], axis=dim)
    return values


def _widened(values: np.ndarray) -> np.ndarray:
    """The values as Python's own numbers hold them; exact, and NumPy formats no bfloat16."""
    if values.dtype.kind in "biu":
        return values
    return values.astype(np.complex128 if values.dtype.kind == "c" else np.float64)
